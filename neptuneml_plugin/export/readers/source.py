"""Where elements come from: the protocol of a graph source, and a graph held in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.block import Block, BlockBuilder, in_blocks
from neptuneml_plugin.export.consistency import State
from neptuneml_plugin.export.elements import Element, Keys, Row, node_type
from neptuneml_plugin.export.request.subgraph import Direction


class OutEdge(NamedTuple):
    """An edge, without its properties."""

    type: EdgeType
    id: Any
    target: Any


class GraphSource(Protocol):
    """What an export asks of a graph."""

    def labels(self, element: Element) -> list[str]:
        """Return every label as the graph spells it."""

    def state(self, element: Element, label: str, keys: Keys) -> State:
        """Return how many elements are of exactly this label now, and what else shows a change.

        Args:
            element: whether vertices or edges.
            label: as `labels` gives it.
            keys: the properties that are of interest; None: all.
        """

    def ids(self, element: Element, label: str) -> Sequence[Any]:
        """Return the ids of the elements of exactly this label, in the graph's order."""

    def blocks(
        self, element: Element, label: str, keys: Keys, ids: Sequence[Any] | None = None
    ) -> Iterator[Block]:
        """Read elements of a label, with the properties `keys` (None: all).

        Args:
            element: whether vertices or edges.
            label: as `labels` gives it.
            keys: the properties; None: all.
            ids: which elements, in this order; None: all, in the graph's order. Those gone since are left out.
        """

    def filtered(self, element: Element, label: str, steps: str) -> Sequence[Any]:
        """Return the ids of those elements of a label from which Gremlin `steps` lead anywhere.

        Raises:
            InvalidParameter: the graph does not take the steps.
        """

    def elements(self, query: str) -> Iterator[Row]:
        """Return what a Gremlin query gives: element maps of vertices and edges.

        Raises:
            InvalidParameter: the graph does not take the query, or it gives something else.
        """

    def neighbours(
        self, ids: Sequence[Any], direction: Direction, edge_labels: Sequence[str], node_labels: Sequence[str]
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        """Return the vertices of some labels next to others, by edges of some labels: label and ids, in parts."""

    def out_edges(self, ids: Sequence[Any], labels: Sequence[str]) -> Iterator[OutEdge]:
        """Return the edges of some labels that leave vertices."""


@dataclass(frozen=True)
class MemoryGraph:
    """A graph held in memory; edges whose ends are absent are the caller's mistake."""

    #: id -> (label, properties)
    vertices: Mapping[Any, tuple[str, Mapping[str, Any]]]
    #: id -> (source id, label, target id, properties)
    edges: Mapping[Any, tuple[Any, str, Any, Mapping[str, Any]]]
    #: Rows of one block.
    block_size: int = 1000
    #: Gremlin steps that it knows -> whether an element passes them.
    filters: Mapping[str, Callable[[Row], bool]] = field(default_factory=dict)
    #: Gremlin queries that it knows -> what they give.
    queries: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    def labels(self, element: Element) -> list[str]:
        """Return every label, in the order of first appearance."""
        found = (
            (label for label, _ in self.vertices.values())
            if element is Element.NODE
            else (label for _, label, _, _ in self.edges.values())
        )
        return list(dict.fromkeys(found))

    def state(self, element: Element, label: str, keys: Keys) -> State:
        """Return how many elements are of this label."""
        return State(len(self.ids(element, label)))

    def ids(self, element: Element, label: str) -> list[Any]:
        """Return the ids of the elements of this label."""
        if element is Element.NODE:
            return [key for key, (own, _) in self.vertices.items() if own == label]
        return [key for key, (_, own, _, _) in self.edges.items() if own == label]

    def blocks(
        self, element: Element, label: str, keys: Keys, ids: Sequence[Any] | None = None
    ) -> Iterator[Block]:
        """Read elements of a label."""
        for part in in_blocks(self.ids(element, label) if ids is None else ids, self.block_size):
            builder = BlockBuilder()
            for key in part:
                row = self.row(element, key)
                wanted = {k: v for k, v in row.properties.items() if keys is None or k in keys}
                builder.add(row._replace(properties=wanted))
            yield from builder.blocks()

    def filtered(self, element: Element, label: str, steps: str) -> list[Any]:
        """Return the ids of the elements of a label that pass."""
        if steps not in self.filters:
            raise InvalidParameter(f"a graph in memory does not know the steps {steps}")
        return [key for key in self.ids(element, label) if self.filters[steps](self.row(element, key))]

    def elements(self, query: str) -> Iterator[Row]:
        """Return what a query gives."""
        if query not in self.queries:
            raise InvalidParameter(f"a graph in memory does not know the query {query}")
        return iter(self.queries[query])

    def neighbours(
        self, ids: Sequence[Any], direction: Direction, edge_labels: Sequence[str], node_labels: Sequence[str]
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        """Return the vertices next to others, one at a time."""
        for source, label, target, _ in self.edges.values():
            if label not in edge_labels:
                continue
            ways = {Direction.OUT: [(source, target)], Direction.IN: [(target, source)]}
            for start, end in ways.get(direction, [(source, target), (target, source)]):
                if start in ids and self.vertices[end][0] in node_labels:
                    yield self.vertices[end][0], [end]

    def out_edges(self, ids: Sequence[Any], labels: Sequence[str]) -> Iterator[OutEdge]:
        """Return the edges that leave vertices."""
        for key, (source, label, target, _) in self.edges.items():
            if source in ids and label in labels:
                kind = EdgeType(node_type(self.vertices[source][0]), label, node_type(self.vertices[target][0]))
                yield OutEdge(kind, key, target)

    def row(self, element: Element, key: Any) -> Row:
        """Return one element."""
        return self._vertex(key) if element is Element.NODE else self._edge(key)

    def _vertex(self, key: Any) -> Row:
        label, properties = self.vertices[key]
        return Row(key, node_type(label), (), properties)

    def _edge(self, key: Any) -> Row:
        source, label, target, properties = self.edges[key]
        ends = (node_type(self.vertices[end][0]) for end in (source, target))
        return Row(key, EdgeType(next(ends), label, next(ends)), (source, target), properties)
