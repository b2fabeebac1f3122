"""Reads what the queries of a request give, into whatever takes blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.block import BlockBuilder
from neptuneml_plugin.export.consistency import Reading
from neptuneml_plugin.export.elements import Element, ElementType, Row
from neptuneml_plugin.export.files.configuration import check_labels
from neptuneml_plugin.export.readers.intake import Intake, Sink, loose
from neptuneml_plugin.export.readers.source import GraphSource
from neptuneml_plugin.export.request.request import ExportRequest
from neptuneml_plugin.stage import Progress

_BLOCK_ROWS = 1000


@dataclass
class _Query:
    """One query and what it has given."""

    name: str
    text: str
    nodes: int = 0
    edges: int = 0
    #: Elements that it, or another query, had given before; the first one is exported.
    repeated: int = 0


class QueryReader:
    """One reading of a graph by queries."""

    def __init__(self, source: GraphSource, request: ExportRequest, sink: Sink, progress: Progress) -> None:
        self._source = source
        self._request = request
        self._intake = Intake(request, sink)
        self._progress = progress
        self._queries = [_Query(group.name, text) for group in request.queries for text in group.queries]
        self._seen: dict[ElementType, set[Any]] = {}

    def read(self) -> list[Reading]:
        """Read nodes, then edges; nothing is counted by label, since no label is read as a whole."""
        check_labels(self._request.jobs, {element: self._source.labels(element) for element in Element})
        if self._request.selections.nodes is not None:
            self._read(Element.NODE, self._queries)
        if self._request.selections.edges is not None:
            # Asked again: edges can be judged when the last vertex is known, and are too many to wait in memory.
            self._read(Element.EDGE, [query for query in self._queries if query.edges or not query.nodes])
        return []

    def warnings(self) -> Iterator[str]:
        """Return what a person should know of what was chosen."""
        for query in self._queries:
            if not query.nodes and not query.edges:
                yield f"query '{query.name}' gives nothing: {query.text}"
        yield from loose(self._intake.loose_edges)

    def report(self) -> dict[str, Any]:
        """Return what `stats.json` says of the queries."""
        found = [
            {"name": query.name, "query": query.text, "nodes": query.nodes, "edges": query.edges,
             "repeated": query.repeated}
            for query in self._queries
        ]  # fmt: skip
        return {"queries": found, "looseEdges": self._intake.loose_edges}

    def _read(self, element: Element, queries: list[_Query]) -> None:
        for query in queries:
            builder, waiting = BlockBuilder(), 0
            for row in self._new_rows(element, query):
                builder.add(row)
                waiting += 1
                if waiting == _BLOCK_ROWS:
                    self._take(element, builder)
                    builder, waiting = BlockBuilder(), 0
            self._take(element, builder)
            self._progress(f"query '{query.name}': {query.nodes:,} nodes, {query.edges:,} edges")

    def _new_rows(self, element: Element, query: _Query) -> Iterator[Row]:
        query.edges = 0
        for row in self._source.elements(query.text):
            if isinstance(row.type, EdgeType):
                query.edges += 1
            elif element is Element.NODE:
                query.nodes += 1
            if isinstance(row.type, EdgeType) != (element is Element.EDGE):
                continue
            seen = self._seen.setdefault(row.type, set())
            if row.id in seen:
                query.repeated += 1
                continue
            seen.add(row.id)
            yield row

    def _take(self, element: Element, builder: BlockBuilder) -> None:
        selections = self._request.selections
        selection = selections.nodes if element is Element.NODE else selections.edges
        for block in builder.blocks():
            if isinstance(block.type, str):
                self._intake.expect(block.type)
            if selection is not None:
                self._intake.take(block, selection)
