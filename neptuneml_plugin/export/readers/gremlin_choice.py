"""How a Gremlin Server is asked which elements there are: filters and queries as scripts, walks as bytecode."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from gremlin_python.process.graph_traversal import GraphTraversal, __
from gremlin_python.process.traversal import P, T

from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.block import in_blocks
from neptuneml_plugin.export.elements import NEPTUNE_LABEL_SEPARATOR, Element, Row
from neptuneml_plugin.export.readers.element_maps import edge_row, element_row
from neptuneml_plugin.export.readers.lookup import elements
from neptuneml_plugin.export.readers.packed_ids import PackedIds
from neptuneml_plugin.export.readers.scripts import filter_script, query_script
from neptuneml_plugin.export.readers.source import OutEdge
from neptuneml_plugin.export.request.subgraph import Direction


class GremlinChoice(ABC):
    """The part of a graph source that chooses elements.

    Args:
        block_size: elements named in one request.
    """

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size

    @abstractmethod
    def labels(self, element: Element) -> list[str]:
        """Return every label as the graph spells it."""

    @abstractmethod
    def _ask(self, asked: GraphTraversal | str) -> list[Any]:
        """Return the results of a traversal, or of a script in gremlin-lang."""

    @abstractmethod
    def _results(self, asked: GraphTraversal | str) -> Iterator[Any]:
        """Return the same as they come; all of them are taken before anything else is asked."""

    def filtered(self, element: Element, label: str, steps: str) -> Sequence[Any]:
        """Return the ids of those elements of a label from which Gremlin `steps` lead anywhere."""
        script = filter_script(element, label, steps, is_exact=self._has_joined_labels(element))
        return PackedIds(self._results(script))

    def elements(self, query: str) -> Iterator[Row]:
        """Return what a Gremlin query gives."""
        for found in self._results(query_script(query)):
            row = element_row(found)
            if row is None:
                raise InvalidParameter(
                    f"{query} gives {found!r:.80}; end it with elementMap() of vertices or edges"
                )
            yield row

    def neighbours(
        self, ids: Sequence[Any], direction: Direction, edge_labels: Sequence[str], node_labels: Sequence[str]
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        """Return the vertices next to others, by label."""
        for part in in_blocks(ids, self._block_size):
            start = elements(Element.NODE, part)
            go = {Direction.OUT: start.out, Direction.IN: start.in_, Direction.BOTH: start.both}[direction]
            reached = go(*edge_labels).dedup().where(__.label().is_(P.within(node_labels)))
            (by_label,) = self._ask(reached.group().by(T.label).by(__.id_().fold()))
            yield from by_label.items()

    def out_edges(self, ids: Sequence[Any], labels: Sequence[str]) -> Iterator[OutEdge]:
        """Return the edges that leave vertices."""
        for part in in_blocks(ids, self._block_size):
            # No property has an empty key.
            for row in map(edge_row, self._ask(elements(Element.NODE, part).out_e(*labels).element_map(""))):
                if not isinstance(row.type, str):
                    yield OutEdge(row.type, row.id, row.ends[1])

    def _has_joined_labels(self, element: Element) -> bool:
        """Whether the graph is Neptune, where hasLabel('A') also finds vertices of labels A and B."""
        return element is Element.NODE and any(NEPTUNE_LABEL_SEPARATOR in known for known in self.labels(element))
