"""ML steps for gremlin-python that read like what they ask; each is made of public Gremlin steps alone.

>>> books = ml_source(g, "genre")
>>> books.V("b1", "b2").classify("genre").value().to_list()
['poetry', 'essay']

| step | what it writes |
| --- | --- |
| `classify("genre")` | `properties("genre").with_("Neptune#ml.classification")` |
| `regress("price")` | `properties("price").with_("Neptune#ml.regression")` |
| `predict_out("borrowed", "book")` | `out("borrowed").with_("Neptune#ml.prediction").has_label("book")` |
| `predict_in("borrowed", "reader")` | `in_("borrowed").with_("Neptune#ml.prediction").has_label("reader")` |
| `score("s")`, `inductive()` | `.with_("Neptune#ml.score", "s")`, … on the ML step before it |

Queries travel as bytecode. Who translates one to a gremlin-lang script for TinkerPop 3.8 writes
`out().with("Neptune#ml.prediction", "borrowed")`, since that grammar takes no options on `out("borrowed")`
(decision 28).
"""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack

from gremlin_python.process.strategies import OptionsStrategy
from gremlin_python.process.traversal import Bytecode, TraversalStrategies

import gremlin_steps as predicates
from neptuneml_plugin.errors import InvalidParameter, nearest

if TYPE_CHECKING:  # gremlin-python has no types: what the classes below inherit from it

    class GraphTraversal:
        """Steps give the traversal itself."""

        graph: Any
        traversal_strategies: Any
        bytecode: Any

        def __init__(self, graph: Any, traversal_strategies: Any, bytecode: Any) -> None: ...
        def __getattr__(self, step: str) -> Callable[..., Self]: ...
        def to_list(self) -> list[Any]: ...  # noqa: D102
        def to_set(self) -> set[Any]: ...  # noqa: D102
        def next(self, amount: int | None = None) -> Any: ...  # noqa: D102
        def has_next(self) -> bool: ...  # noqa: D102

    class GraphTraversalSource:
        """Start steps give a traversal."""

        graph: Any
        traversal_strategies: Any
        bytecode: Any

        def __init__(self, *arguments: Any, **named: Any) -> None: ...
        def __getattr__(self, step: str) -> Callable[..., "MLTraversal"]: ...
        def get_graph_traversal_source(self) -> Self: ...  # noqa: D102
        def with_(self, key: str, value: Any = None) -> Self: ...  # noqa: D102
        def with_strategies(self, *strategies: Any) -> Self: ...  # noqa: D102
        def tx(self) -> Any: ...  # noqa: D102

    class _AnonymousType(type):
        def __getattr__(cls, step: str) -> Callable[..., "MLTraversal"]: ...

    class Anonymous(metaclass=_AnonymousType):
        """Each step begins a traversal."""

else:
    from gremlin_python.process.graph_traversal import GraphTraversal, GraphTraversalSource
    from gremlin_python.process.graph_traversal import __ as Anonymous

Threshold = float | Literal["tuned"]


class StepOptions(TypedDict, total=False):
    """What one ML step says for itself; it wins over what the source says."""

    #: Name, id or URL.
    endpoint: str
    #: Answers per element.
    limit: int
    #: The lowest score, or the one that validation found best.
    threshold: Threshold


class LinkOptions(StepOptions, total=False):
    """What a link prediction says for itself."""

    #: Leave out vertices that such an edge joins already.
    filter_existing_edges: bool
    #: Let `has()` steps that follow directly filter before the limit instead of after it.
    filter_before_limit: bool


_PREDICATES = {
    "endpoint": predicates.ENDPOINT,
    "limit": predicates.LIMIT,
    "threshold": predicates.THRESHOLD,
    "filter_existing_edges": predicates.FILTER_EXISTING_EDGES,
    "filter_before_limit": predicates.FILTER_BEFORE_LIMIT,
}
_TASKS = (predicates.CLASSIFICATION, predicates.REGRESSION, predicates.PREDICTION)


class MLTraversal(GraphTraversal):
    """A traversal with ML steps beside all of Gremlin's own."""

    def classify(self, key: str, *, score: bool = False, **options: Unpack[StepOptions]) -> Self:
        """Go to the predicted properties `key` of the elements, best first.

        >>> books.V("b1").classify("genre", limit=2).value().to_list()
        ['poetry', 'essay']
        >>> [(row.key, row.value) for row in books.V("b1").classify("genre", score=True).to_list()]
        [('genre', 'poetry'), ('Neptune#ml.score', 0.75)]

        Args:
            key: the property that the endpoint predicts.
            score: let each prediction be followed by a row of its own with the score, as Neptune does. To keep
                the two together in one row, use the step `score` instead.
            options: for this step alone.
        """
        self.properties(key, predicates.SCORE) if score else self.properties(key)
        return self._with(predicates.CLASSIFICATION, options)

    def regress(self, key: str, *, endpoint: str | None = None) -> Self:
        """Go to the predicted numeric property `key` of the elements; it has neither limit nor score.

        >>> g_ml.V("b1").regress("price", endpoint="price").value().to_list()
        [14.25]
        """
        self.properties(key)
        return self._with(predicates.REGRESSION, {} if endpoint is None else {"endpoint": endpoint})

    def predict_out(self, edge_label: str, vertex_label: str, **options: Unpack[LinkOptions]) -> Self:
        """Go to the vertices that edges from here probably lead to, best first.

        >>> loans = ml_source(g, "loans", limit=2)
        >>> loans.V("r1").predict_out("borrowed", "book").id_().to_list()
        ['b1', 'b2']
        """
        self.out(edge_label)
        return self._with(predicates.PREDICTION, options).has_label(vertex_label)

    def predict_in(self, edge_label: str, vertex_label: str, **options: Unpack[LinkOptions]) -> Self:
        """Go to the vertices that edges to here probably come from, best first.

        >>> g_ml.V("b1").predict_in("borrowed", "reader", endpoint="loans").id_().to_list()
        ['r2']
        """
        self.in_(edge_label)
        return self._with(predicates.PREDICTION, options).has_label(vertex_label)

    def score(self, label: str = "score") -> Self:
        """Remember the score of the ML step before this one under a label, for `select()`.

        >>> best = books.V("b1").classify("genre").score().as_("genre")
        >>> best.select("genre", "score").by(__.value()).by().next()
        {'genre': 'poetry', 'score': 0.75}
        >>> loans = ml_source(g, "loans", limit=2)
        >>> loans.V("r1").predict_out("borrowed", "book").score("chance").select("chance").to_list()
        [0.875, 0.5]

        Raises:
            InvalidParameter: there is no ML step before it.
        """
        return self._mark_last(predicates.SCORE, label)

    def inductive(self, *, deterministic: bool = False) -> Self:
        """Let the ML step before this one answer from the graph as it is now, with what was added after training.

        Args:
            deterministic: sample the neighbourhood in the same way each time.

        Raises:
            InvalidParameter: there is no ML step before it.
        """
        self._mark_last(predicates.INDUCTIVE_INFERENCE)
        return self._mark_last(predicates.DETERMINISTIC) if deterministic else self

    def clone(self) -> "MLTraversal":
        """Return a copy that can go on by itself."""
        return MLTraversal(self.graph, self.traversal_strategies, copy.deepcopy(self.bytecode))

    def _with(self, task: str, options: Any) -> Self:
        self.with_(task)
        for name, value in options.items():
            if name not in _PREDICATES:
                raise InvalidParameter(f"no option '{name}' of an ML step{nearest(name, _PREDICATES)}")
            self.with_(_PREDICATES[name], *_argument(value))
        return self

    def _mark_last(self, predicate: str, *value: str) -> Self:
        """Put a `with()` behind those of the last ML step, before what follows it, such as `hasLabel()`."""
        steps = self.bytecode.step_instructions
        marked = [place for place, step in enumerate(steps) if step[0] == "with" and step[1] in _TASKS]
        if not marked:
            raise InvalidParameter(
                f"'{predicate}' has no ML step before it: it follows classify(), regress(), predict_out() or "
                "predict_in()"
            )
        place = marked[-1]
        while place < len(steps) and steps[place][0] == "with":
            place += 1
        self.with_(predicate, *value)
        steps.insert(place, steps.pop())
        return self


def _argument(value: Any) -> tuple[Any, ...]:
    """A predicate that is on is written without an argument, as Neptune's documentation writes it."""
    return () if value is True else (value,)


class MLTraversalSource(GraphTraversalSource):
    """A source whose traversals have ML steps; `traversal(MLTraversalSource).with_(connection)` is one too."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.graph_traversal = MLTraversal

    def with_(self, key: str, value: Any = None) -> Self:
        """Return a source with one option more; this one keeps its own.

        gremlin-python's own method changes the options of the source that it is called on.
        """
        source = self.get_graph_traversal_source()
        source.bytecode.source_instructions = [
            [_copied(part) for part in instruction] for instruction in source.bytecode.source_instructions
        ]
        return GraphTraversalSource.with_(source, key, value)


def _copied(part: Any) -> Any:
    return OptionsStrategy(**part.configuration) if type(part) is OptionsStrategy else part


class __(Anonymous):  # noqa: N801 - the name that Gremlin gives to anonymous traversals
    """Anonymous traversals with the same ML steps, for use inside other steps.

    >>> rows = books.V("b1", "b2").project("id", "genre").by(__.id_()).by(__.classify("genre").value())
    >>> rows.to_list()
    [{'id': 'b1', 'genre': 'poetry'}, {'id': 'b2', 'genre': 'essay'}]
    """

    graph_traversal = MLTraversal

    @classmethod
    def start(cls) -> MLTraversal:
        """Begin with no step."""
        return MLTraversal(None, None, Bytecode())

    @classmethod
    def classify(cls, key: str, *, score: bool = False, **options: Unpack[StepOptions]) -> MLTraversal:
        """See `MLTraversal.classify`."""
        return cls.start().classify(key, score=score, **options)

    @classmethod
    def regress(cls, key: str, *, endpoint: str | None = None) -> MLTraversal:
        """See `MLTraversal.regress`."""
        return cls.start().regress(key, endpoint=endpoint)

    @classmethod
    def predict_out(cls, edge_label: str, vertex_label: str, **options: Unpack[LinkOptions]) -> MLTraversal:
        """See `MLTraversal.predict_out`."""
        return cls.start().predict_out(edge_label, vertex_label, **options)

    @classmethod
    def predict_in(cls, edge_label: str, vertex_label: str, **options: Unpack[LinkOptions]) -> MLTraversal:
        """See `MLTraversal.predict_in`."""
        return cls.start().predict_in(edge_label, vertex_label, **options)


def ml_source(
    g: Any,
    endpoint: str | None = None,
    *,
    limit: int | None = None,
    threshold: Threshold | None = None,
    inductive: bool = False,
    deterministic: bool = False,
    fresh_metadata: bool = False,
) -> MLTraversalSource:
    """Return a source beside `g`, over the same connection or transaction, whose traversals have ML steps.

    `g` stays as it is. In a transaction, pass what `g.tx().begin()` gives.

    Args:
        g: any source of gremlin-python.
        endpoint: name, id or URL; by default the one that the server's configuration names.
        limit: answers per element, 1 by default.
        threshold: the lowest score that counts, or "tuned", the one that validation found best.
        inductive: answer from the graph as it is now.
        deterministic: when inductive, sample neighbourhoods in the same way each time.
        fresh_metadata: when inductive, ask anew how to sample, after an endpoint's update.
    """
    options = {
        predicates.ENDPOINT: endpoint,
        predicates.LIMIT: limit,
        predicates.THRESHOLD: threshold,
        predicates.INDUCTIVE_INFERENCE: inductive or None,
        predicates.DETERMINISTIC: deterministic or None,
        predicates.DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE: fresh_metadata or None,
    }
    source = MLTraversalSource(g.graph, TraversalStrategies(g.traversal_strategies), Bytecode(g.bytecode))
    for predicate, value in options.items():
        if value is not None:
            source = source.with_(predicate, value)
    return source
