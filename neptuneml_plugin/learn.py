"""From a query with a prediction to the chain that makes its endpoint: its text says what is to be learned."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from neptuneml_plugin.errors import InvalidParameter, nearest
from neptuneml_plugin.querytext import Step, Steps, parse_query, quoted, render_query

ENDPOINT_OPTION = "Neptune#ml.endpoint"
CLASSIFICATION, REGRESSION, PREDICTION = (
    "Neptune#ml.classification",
    "Neptune#ml.regression",
    "Neptune#ml.prediction",
)
_PREDICATES = (CLASSIFICATION, REGRESSION, PREDICTION)
#: Layers that the models have by themselves: nothing farther from an element reaches its prediction.
HOPS = 2
_ID = re.compile(r"[A-Za-z0-9-]{1,48}", re.ASCII)
#: Steps from a vertex to other vertices, or to edges.
_TO_VERTICES = frozenset({"out", "in", "both", "outV", "inV", "otherV", "bothV", "V", "to", "toV", "addV"})
_TO_EDGES = frozenset({"outE", "inE", "bothE", "toE", "E", "addE"})


@dataclass(frozen=True)
class Target:
    """What a query asks to be predicted."""

    #: The predicate.
    predicate: str
    #: The label of the vertices or edges.
    label: str
    #: The property; empty for links.
    key: str = ""
    on_edges: bool = False
    #: Labels of the edges' ends where the query names them.
    source: str | None = None
    target: str | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The target as an export's request has it."""
        where = {"edge": [self.source, self.label, self.target]} if self.on_edges else {"node": self.label}
        if self.predicate == PREDICTION:
            return {**where, "type": "link_prediction"}
        kind = "classification" if self.predicate == CLASSIFICATION else "regression"
        return {**where, "property": self.key, "type": kind}

    @property
    def name(self) -> str | None:
        """A name for the endpoint, such as `movie-genre`; None where the labels make none."""
        second = self.key or self.target or self.source or "links"
        name = re.sub(r"[^A-Za-z0-9]+", "-", f"{self.label}-{second}")[:48].strip("-")
        return name or None


@dataclass(frozen=True)
class Lesson:
    """A query, what it asks, and the endpoint that it names itself."""

    query: str
    target: Target
    endpoint: str | None = None

    def chain(self, endpoint: str | None = None, trials: int | None = None) -> dict[str, Any]:
        """Return the parts of the chain after which the query can be asked.

        Args:
            endpoint: its name; None: the one that the query names, else one made of the target.
            trials: trainings to choose from; None: the service's default.
        """
        learned = {"version": "v2.0", "targets": [self.target.document]}
        export: dict[str, Any] = {
            "command": "export-pg",
            "params": self._part(),
            "additionalParams": {"neptune_ml": learned},
        }
        name = endpoint or self.endpoint or self.target.name
        return {
            "export": export,
            "dataprocessing": {},
            "training": {} if trials is None else {"maxHPONumberOfTrainingJobs": trials},
            "endpoint": {} if name is None else {"id": name},
        }

    def _part(self) -> dict[str, Any]:
        """Return which part of the graph is read.

        A property depends on what is near its element. Links depend on all candidates, and their models on all
        edges: those are learned from the whole graph.
        """
        if self.target.predicate == PREDICTION:
            return {}
        step = "bothE" if self.target.on_edges else "hasLabel"
        return {"subgraph": {"seeds": f"{step}({quoted(self.target.label)})", "hops": HOPS}}

    def asked_of(self, endpoint: str) -> str:
        """Return the query as it is asked of an endpoint, in words that gremlin-lang has as well as Groovy."""
        return render_query(
            self.query, {} if self.endpoint == endpoint else {ENDPOINT_OPTION: endpoint}, PREDICTION
        )


def read_lesson(query: str) -> Lesson:
    """Return what a query asks to be learned.

    Raises:
        InvalidParameter: the query asks for no prediction, for several, or does not say enough; the message says
            what to write.
    """
    steps = parse_query(query)
    found = list(dict.fromkeys(_targets(steps, _Elements())))
    if not found:
        raise InvalidParameter(
            f"the query asks for no prediction{_misspelt(query)}; write one of "
            f'.properties("key").with("{CLASSIFICATION}"), .properties("key").with("{REGRESSION}"), '
            f'.out("edge label").with("{PREDICTION}").hasLabel("vertex label")'
        )
    if len(found) > 1:
        raise InvalidParameter("the query asks for several predictions; learn them one after the other")
    return Lesson(query, found[0], _named_endpoint(steps))


def _misspelt(query: str) -> str:
    """Return what was meant by a name that nearly asks for a prediction."""
    for name in re.findall(r"Neptune#[\w.]+", query):
        if difflib.get_close_matches(name, _PREDICATES, n=1, cutoff=0.85):
            return f": there is no '{name}'{nearest(name, _PREDICATES)}"
    return ""


def _named_endpoint(steps: Steps) -> str | None:
    """Return the endpoint that the query's source names."""
    for step in steps:
        if step.name == "with" and step.texts[:1] == (ENDPOINT_OPTION,):
            name = step.texts[-1]
            if len(step.texts) != 2 or not _ID.fullmatch(name):
                raise InvalidParameter(
                    f'with("{ENDPOINT_OPTION}", …) must name the endpoint to make: 1 to 48 letters, digits and '
                    "hyphens, no address; or leave it out"
                )
            return name
    return None


@dataclass(frozen=True)
class _Elements:
    """What the steps so far lead to."""

    on_edges: bool = False
    labels: tuple[str, ...] = ()
    #: Where `as(name)` stood.
    marks: Mapping[str, "_Elements"] = field(default_factory=dict)

    def after(self, step: Step) -> "_Elements":
        """Return where one more step leads."""
        labels = _labels(step)
        if labels:
            return replace(self, labels=labels)
        if step.name in _TO_VERTICES:
            return replace(self, on_edges=False, labels=())
        if step.name in _TO_EDGES:
            return replace(self, on_edges=True, labels=() if step.name == "E" else step.texts)
        if step.name == "as":
            return replace(self, marks={**self.marks, **dict.fromkeys(step.texts, self)})
        if step.name == "select" and len(step.texts) == 1 and step.texts[0] in self.marks:
            return replace(self.marks[step.texts[0]], marks=self.marks)
        return self


def _labels(step: Step) -> tuple[str, ...]:
    """Return the labels that a filter lets through."""
    if step.name == "hasLabel":
        return step.texts
    if step.name != "has" or not step.arguments:
        return ()
    key = step.arguments[0]
    if isinstance(key, tuple) and key and key[-1] == Step("label", is_called=False):
        return step.texts
    return step.texts[:1] if len(step.arguments) == 3 and isinstance(key, str) else ()


def _targets(steps: Steps, elements: _Elements) -> Iterator[Target]:
    """Yield what the steps, and those inside them, predict."""
    for position, step in enumerate(steps):
        options = _options(steps, position)
        predicate = next((name for name in options if name in (CLASSIFICATION, REGRESSION, PREDICTION)), None)
        if predicate == PREDICTION:
            yield _link(step, options, elements, steps[position + 1 :])
        elif predicate is not None:
            yield _property(step, predicate, elements)
        for argument in step.arguments:
            if isinstance(argument, tuple):
                yield from _targets(argument, elements)
        elements = elements.after(step)


def _options(steps: Steps, position: int) -> dict[str, str | None]:
    """Return the options of the `with` steps right behind a step, with their values where these are texts."""
    found: dict[str, str | None] = {}
    for step in steps[position + 1 :] if steps[position].name != "with" else ():
        if step.name != "with":
            break
        if step.texts:
            found[step.texts[0]] = step.texts[1] if len(step.texts) > 1 else None
    return found


def _property(step: Step, predicate: str, elements: _Elements) -> Target:
    keys = [text for text in step.texts if not text.startswith("Neptune#ml.")]
    written = f'.with("{predicate}")'
    if step.name not in ("properties", "values"):
        raise InvalidParameter(f'{written} stands behind {step.name}(); write .properties("key"){written}')
    if len(keys) != 1:
        raise InvalidParameter(
            f"{step.name}() names {len(keys)} properties, and one can be learned; "
            f'write .properties("key"){written}'
        )
    if not elements.labels:
        what, start = ("edges", "g.E()") if elements.on_edges else ("vertices", "g.V()")
        raise InvalidParameter(
            f"the query does not say which {what} have '{keys[0]}'; write "
            f'{start}.hasLabel("label").{step.name}({quoted(keys[0])}){written}'
        )
    return Target(predicate, _one(elements.labels, step), keys[0], on_edges=elements.on_edges)


def _link(step: Step, options: Mapping[str, str | None], elements: _Elements, after: Steps) -> Target:
    labels = step.texts or tuple(filter(None, [options[PREDICTION]]))
    written = f'.with("{PREDICTION}")'
    if step.name not in ("out", "in"):
        raise InvalidParameter(
            f'{written} stands behind {step.name}(); write .out("edge label"){written}, or .in(…)'
        )
    if not labels:
        raise InvalidParameter(f'{step.name}() names no edge; write .{step.name}("edge label"){written}')
    behind = next((other for other in after if other.name != "with"), None)
    ends = _labels(behind) if behind is not None else ()
    if not ends:
        raise InvalidParameter(
            f"the query does not say which vertices {_one(labels, step)!r} leads to; write "
            f'.{step.name}({quoted(labels[0])}){written}.hasLabel("vertex label")'
        )
    predicted = _one(ends, step)
    given = elements.labels[0] if len(elements.labels) == 1 and not elements.on_edges else None
    source, target = (given, predicted) if step.name == "out" else (predicted, given)
    return Target(PREDICTION, _one(labels, step), on_edges=True, source=source, target=target)


def _one(labels: tuple[str, ...], step: Step) -> str:
    if len(labels) > 1:
        raise InvalidParameter(
            f"{step.name}(…) is asked of several labels ({', '.join(labels)}), and a model has one; name one"
        )
    return labels[0]
