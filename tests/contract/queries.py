"""One table of ML queries on a small graph, with answers, and its rendering as text.

A query is a list of steps `[name, argument, …]`. An argument that is an object stands for what JSON cannot say:
`{"child": [step, …]}` an anonymous traversal, `{"P": [name, value, …]}` a predicate, `{"Order": name}` and
`{"T": name}` tokens; `{"edge": "ann->up"}` is replaced by that edge's id before a client sees it (`bound`).
"""

from typing import Any

Step = list[Any]
Steps = list[Step]

_COUNTRY: Step = ["with", "Neptune#ml.endpoint", "country"]
_AGE: Step = ["with", "Neptune#ml.endpoint", "age"]
_LINKS: Step = ["with", "Neptune#ml.endpoint", "links"]
_TWO: Step = ["with", "Neptune#ml.limit", 2]
_BY_NAME: Steps = [["order"], ["by", "name"]]
_PEOPLE: Steps = [["V"], ["hasLabel", "person"], *_BY_NAME]
_ANN: Steps = [["V"], ["has", "person", "name", "ann"]]
_BOB: Steps = [["V"], ["has", "person", "name", "bob"]]
_CLASS: Steps = [["properties", "country"], ["with", "Neptune#ml.classification"]]
_COUNTRY_OF: Steps = [*_CLASS, ["value"]]
_AGE_OF: Steps = [["values", "age"], ["with", "Neptune#ml.regression"]]
#: Understood everywhere; gremlin-lang of TinkerPop 3.8 cannot parse options after `out('rated')` (decision 28).
_WOULD_RATE: Steps = [["out"], ["with", "Neptune#ml.prediction", "rated"], ["hasLabel", "movie"]]
LABEL_AS_ARGUMENT = "links, the label as an argument"

#: Name -> steps and the answers, in order.
QUERIES: dict[str, tuple[Steps, list[Any]]] = {
    "vertex classification": ([_COUNTRY, *_PEOPLE, *_COUNTRY_OF], ["US", "CA"]),
    "vertex regression": ([_AGE, *_PEOPLE, *_AGE_OF], [30.5, 61.25]),
    "edge classification, the edge by its id": (
        [
            ["with", "Neptune#ml.endpoint", "mood"],
            ["E", {"edge": "ann->up"}],
            ["properties", "mood"],
            ["with", "Neptune#ml.classification"],
            ["value"],
        ],
        ["sad"],
    ),
    "edge regression": (
        [
            ["with", "Neptune#ml.endpoint", "stars"],
            *_BOB,
            ["outE", "rated"],
            ["where", {"child": [["inV"], ["has", "name", "alien"]]}],
            ["properties", "stars"],
            ["with", "Neptune#ml.regression"],
            ["value"],
        ],
        [1.25],
    ),
    "links": ([_LINKS, _TWO, *_ANN, *_WOULD_RATE, ["values", "name"]], ["alien", "up"]),
    LABEL_AS_ARGUMENT: (
        [_LINKS, _TWO, *_ANN, ["out", "rated"], ["with", "Neptune#ml.prediction"], ["hasLabel", "movie"],
         ["values", "name"]],
        ["alien", "up"],
    ),
    "links from their other end": (
        [_LINKS, _TWO, ["V"], ["has", "movie", "name", "alien"], ["in"],
         ["with", "Neptune#ml.prediction", "rated"], ["hasLabel", "person"], ["values", "name"]],
        ["cy", "ann"],
    ),
    "scores of links": (
        [_LINKS, _TWO, *_ANN, ["out"], ["with", "Neptune#ml.prediction", "rated"],
         ["with", "Neptune#ml.score", "s"], ["hasLabel", "movie"], ["select", "s"]],
        [0.875, 0.75],
    ),
    "links that are no edges yet": (
        [_LINKS, _TWO, *_ANN, ["out"], ["with", "Neptune#ml.prediction", "rated"],
         ["with", "Neptune#ml.filterExistingEdges"], ["hasLabel", "movie"], ["values", "name"]],
        ["alien"],
    ),
    "onwards from predicted vertices": (
        [_LINKS, *_ANN, *_WOULD_RATE, ["in", "rated"], ["values", "name"]], ["bob"]
    ),
    "several classes": ([_COUNTRY, _TWO, *_BOB, *_COUNTRY_OF], ["CA", "US"]),
    "classes with scores": (
        [_COUNTRY, _TWO, *_ANN, ["properties", "country", "Neptune#ml.score"],
         ["with", "Neptune#ml.classification"], ["value"]],
        ["US", 0.75, "CA", 0.25],
    ),
    "a threshold": ([_COUNTRY, ["with", "Neptune#ml.threshold", 0.6], *_PEOPLE, *_COUNTRY_OF], ["US"]),
    "keys": ([_COUNTRY, *_PEOPLE, *_CLASS, ["key"]], ["country", "country"]),
    "has(value)": ([_COUNTRY, *_PEOPLE, *_CLASS, ["has", {"T": "value"}, "CA"], ["value"]], ["CA"]),
    "hasValue(P)": ([_COUNTRY, *_PEOPLE, *_CLASS, ["hasValue", {"P": ["within", "CA", "MX"]}], ["value"]], ["CA"]),
    "is(P)": ([_AGE, *_PEOPLE, *_AGE_OF, ["is", {"P": ["gt", 40.0]}]], [61.25]),
    "where": (
        [_COUNTRY, *_PEOPLE, ["where", {"child": [*_COUNTRY_OF, ["is", "CA"]]}], ["values", "name"]], ["bob"]
    ),
    "not": ([_COUNTRY, *_PEOPLE, ["not", {"child": _COUNTRY_OF}], ["values", "name"]], ["cy"]),
    "order": (
        [_AGE, ["V"], ["has", "name", {"P": ["within", "ann", "cy"]}], ["order"],
         ["by", {"child": _AGE_OF}, {"Order": "desc"}], ["values", "name"]],
        ["cy", "ann"],
    ),
    "group": (
        [_COUNTRY, *_PEOPLE, ["limit", 2], ["group"], ["by", {"child": _COUNTRY_OF}],
         ["by", {"child": [["values", "name"], ["fold"]]}]],
        [{"US": ["ann"], "CA": ["bob"]}],
    ),
    "project": (
        [_COUNTRY, *_PEOPLE, ["limit", 2], ["project", "name", "country"], ["by", "name"],
         ["by", {"child": _COUNTRY_OF}]],
        [{"name": "ann", "country": "US"}, {"name": "bob", "country": "CA"}],
    ),
    "union with a stored property": (
        [_COUNTRY, *_ANN, ["union", {"child": [["values", "name"]]}, {"child": _COUNTRY_OF}]], ["ann", "US"]
    ),
    "coalesce": (
        [_COUNTRY, *_PEOPLE, ["coalesce", {"child": _COUNTRY_OF}, {"child": [["constant", "?"]]}]],
        ["US", "CA", "?"],
    ),
    "choose": (
        [_COUNTRY, *_PEOPLE,
         ["choose", {"child": [*_COUNTRY_OF, ["is", "US"]]}, {"child": [["values", "name"]]},
          {"child": [["constant", "elsewhere"]]}]],
        ["ann", "elsewhere", "elsewhere"],
    ),
    "optional": ([_COUNTRY, *_BOB, ["optional", {"child": _CLASS}], ["value"]], ["CA"]),
    "local": ([_COUNTRY, _TWO, *_PEOPLE, ["local", {"child": [*_COUNTRY_OF, ["limit", 1]]}]], ["US", "CA"]),
    "path": (
        [_COUNTRY, *_ANN, *_COUNTRY_OF, ["path"], ["by", "name"], ["by", {"child": [["key"]]}], ["by"],
         ["unfold"]],
        ["ann", "country", "US"],
    ),
    "select": (
        [_COUNTRY, *_PEOPLE, ["as", "person"], *_COUNTRY_OF, ["as", "country"], ["select", "person", "country"],
         ["by", "name"], ["by"]],
        [{"person": "ann", "country": "US"}, {"person": "bob", "country": "CA"}],
    ),
    "match": (
        [_COUNTRY, ["V"], ["match", {"child": [["as", "p"], *_COUNTRY_OF, ["as", "c"]]},
                           {"child": [["as", "p"], ["has", "name", "bob"]]}], ["select", "c"]],
        ["CA"],
    ),
    "repeat": (
        [_COUNTRY, *_ANN,
         ["repeat", {"child": [["where", {"child": [*_COUNTRY_OF, ["is", "US"]]}], ["out", "rated"]]}],
         ["times", 1], *_BY_NAME, ["values", "name"]],
        ["heat", "up"],
    ),
    "two tasks in one query": (
        [*_PEOPLE, ["limit", 1], ["project", "country", "age"],
         ["by", {"child": [["values", "country"], ["with", "Neptune#ml.classification"], _COUNTRY]}],
         ["by", {"child": [*_AGE_OF, _AGE]}]],
        [{"country": "US", "age": 30.5}],
    ),
    "counting": ([_COUNTRY, *_PEOPLE, *_COUNTRY_OF, ["count"]], [2]),
}  # fmt: skip


def bound(steps: Steps, edge_ids: dict[str, str]) -> Steps:
    """Return the query with a graph's own edge ids."""
    return [[_bound(value, edge_ids) for value in step] for step in steps]


def _bound(value: Any, edge_ids: dict[str, str]) -> Any:
    match value:
        case {"edge": name}:
            return edge_ids[name]
        case {"child": steps}:
            return {"child": bound(steps, edge_ids)}
    return value


def to_text(steps: Steps, start: str = "g") -> str:
    """Return the query as Groovy, which gremlin-lang understands too."""
    return start + "".join(f".{name}({', '.join(map(_text, values))})" for name, *values in steps)


def _text(value: Any) -> str:
    match value:
        case {"child": steps}:
            return to_text(steps, "__")
        case {"P": [name, *values]}:
            return f"P.{name}({', '.join(map(_text, values))})"
        case {"Order": name} | {"T": name}:
            return f"{next(iter(value))}.{name}"
        case str():
            return f"'{value}'"
        case float():
            return f"{value}d"
    return str(value)


def java_text(answer: Any) -> str:
    """Return an answer as Java's `toString` writes it, which is what a console shows."""
    match answer:
        case dict():
            return "{" + ", ".join(f"{key}={java_text(value)}" for key, value in answer.items()) + "}"
        case list():
            return "[" + ", ".join(map(java_text, answer)) + "]"
    return str(answer)
