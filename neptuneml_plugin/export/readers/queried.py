"""Reads what the queries of a request give, into whatever takes blocks.

A query is asked once. Edges can be judged when the last vertex is known, and are too many to wait in memory.
"""

import pickle
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.block import Block, BlockBuilder
from neptuneml_plugin.export.consistency import Reading
from neptuneml_plugin.export.elements import Element, ElementType, Row
from neptuneml_plugin.export.files.configuration import check_labels
from neptuneml_plugin.export.readers.intake import Intake, Sink, loose
from neptuneml_plugin.export.readers.selected import READ
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
    """One reading of a graph by queries.

    Args:
        source: the graph.
        request: with queries.
        sink: takes the blocks.
        progress: told of each query, while it is answered too.
        folder: takes the edges while they wait, in a file without a name.
    """

    def __init__(
        self, source: GraphSource, request: ExportRequest, sink: Sink, progress: Progress, folder: Path
    ) -> None:
        self._source = source
        self._request = request
        self._intake = Intake(request, sink)
        self._progress = progress
        self._folder = folder
        self._queries = [_Query(group.name, text) for group in request.queries for text in group.queries]
        self._seen: dict[ElementType, set[Any]] = {}

    def read(self) -> list[Reading]:
        """Read nodes, then edges; nothing is counted by label, since no label is read as a whole."""
        check_labels(self._request.jobs, {element: self._source.labels(element) for element in Element})
        with tempfile.TemporaryFile(dir=self._folder) as file:
            for done, query in enumerate(self._queries):
                for block in self._blocks(query):
                    if isinstance(block.type, EdgeType):
                        pickle.dump(block, file)
                    else:
                        self._take(block)
                    self._tell(query, done)
                self._tell(query, done + 1)
            end = file.tell()
            file.seek(0)
            while file.tell() < end:
                self._take(pickle.load(file))  # noqa: S301 - what has just been written
        return []

    def _tell(self, query: _Query, done: int) -> None:
        """Tell what a query has given; how much is to come nobody knows, so that only whole queries count."""
        text = f"query '{query.name}': {query.nodes:,} nodes, {query.edges:,} edges"
        self._progress(text, READ * done / len(self._queries))

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

    def _blocks(self, query: _Query) -> Iterator[Block]:
        """Yield what a query gives: vertices and edges apart, each in the order in which they come."""
        builders: dict[Element, BlockBuilder] = {}
        waiting: Counter[Element] = Counter()
        for element, row in self._new_rows(query):
            builders.setdefault(element, BlockBuilder()).add(row)
            waiting[element] += 1
            if waiting[element] == _BLOCK_ROWS:
                yield from builders.pop(element).blocks()
                waiting[element] = 0
        for builder in builders.values():
            yield from builder.blocks()

    def _new_rows(self, query: _Query) -> Iterator[tuple[Element, Row]]:
        selections = self._request.selections
        for row in self._source.elements(query.text):
            is_edge = isinstance(row.type, EdgeType)
            if (selections.edges if is_edge else selections.nodes) is None:
                query.edges += is_edge
                continue
            query.nodes += not is_edge
            query.edges += is_edge
            seen = self._seen.setdefault(row.type, set())
            if row.id in seen:
                query.repeated += 1
                continue
            seen.add(row.id)
            yield Element.EDGE if is_edge else Element.NODE, row

    def _take(self, block: Block) -> None:
        selections = self._request.selections
        selection = selections.edges if isinstance(block.type, EdgeType) else selections.nodes
        if isinstance(block.type, str):
            self._intake.expect(block.type)
        if selection is not None:
            self._intake.take(block, selection)
