"""Where elements come from: the protocol of a graph source, and a graph held in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.block import Block, BlockBuilder, in_blocks
from neptuneml_plugin.export.elements import Element, Keys, Row, node_type


class GraphSource(Protocol):
    """What an export asks of a graph."""

    def labels(self, element: Element) -> list[str]:
        """Return every label as the graph spells it."""

    def count(self, element: Element, label: str) -> int:
        """Return how many elements are of exactly this label now."""

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


@dataclass(frozen=True)
class MemoryGraph:
    """A graph held in memory; edges whose ends are absent are the caller's mistake."""

    #: id -> (label, properties)
    vertices: Mapping[Any, tuple[str, Mapping[str, Any]]]
    #: id -> (source id, label, target id, properties)
    edges: Mapping[Any, tuple[Any, str, Any, Mapping[str, Any]]]
    #: Rows of one block.
    block_size: int = 1000

    def labels(self, element: Element) -> list[str]:
        """Return every label, in the order of first appearance."""
        found = (
            (label for label, _ in self.vertices.values())
            if element is Element.NODE
            else (label for _, label, _, _ in self.edges.values())
        )
        return list(dict.fromkeys(found))

    def count(self, element: Element, label: str) -> int:
        """Return how many elements are of this label."""
        return len(self.ids(element, label))

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
                row = self._vertex(key) if element is Element.NODE else self._edge(key)
                wanted = {k: v for k, v in row.properties.items() if keys is None or k in keys}
                builder.add(row._replace(properties=wanted))
            yield from builder.blocks()

    def _vertex(self, key: Any) -> Row:
        label, properties = self.vertices[key]
        return Row(key, node_type(label), (), properties)

    def _edge(self, key: Any) -> Row:
        source, label, target, properties = self.edges[key]
        ends = (node_type(self.vertices[end][0]) for end in (source, target))
        return Row(key, EdgeType(next(ends), label, next(ends)), (source, target), properties)
