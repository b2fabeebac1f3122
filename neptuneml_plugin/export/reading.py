"""Reads what a request selects from a graph source, label after label, into whatever takes blocks."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import polars as pl

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.configuration import check_labels
from neptuneml_plugin.export.consistency import Reading
from neptuneml_plugin.export.elements import Element, node_type
from neptuneml_plugin.export.request import ExportRequest
from neptuneml_plugin.export.selection import Selection
from neptuneml_plugin.export.source import GraphSource
from neptuneml_plugin.stage import Progress


class Sink(Protocol):
    """Takes what has been read."""

    def add(self, block: Block) -> object:
        """Take one block."""


class Reader:
    """One reading of a graph."""

    def __init__(self, source: GraphSource, request: ExportRequest, sink: Sink, progress: Progress) -> None:
        self._source = source
        self._request = request
        self._sink = sink
        self._progress = progress
        self._ends = _Ends()
        #: Edges left out, since one of their ends is.
        self.loose_edges = 0

    def read(self) -> list[Reading]:
        """Read nodes, then edges; return how each label was read."""
        selections = {Element.NODE: self._request.selections.nodes, Element.EDGE: self._request.selections.edges}
        # Names that do not exist are found before the first row is read, which may be hours before the last one.
        labels = {
            element: selection.labels(self._source.labels(element), element.value.removesuffix("s"))
            for element, selection in selections.items()
            if selection is not None
        }
        check_labels(self._request.jobs, {element: labels.get(element, []) for element in Element})
        readings: list[Reading] = []
        for element, names in labels.items():
            before = 0
            for label in names:
                readings.append(self._read_label(element, label, selections[element] or Selection(), before))
                before += readings[-1].before
        return readings

    def _read_label(self, element: Element, label: str, selection: Selection, preceding: int) -> Reading:
        before = self._source.count(element, label)
        if element is Element.NODE:
            self._ends.expect(node_type(label))
        ids = self._chosen(element, label, preceding)
        wanted = before if ids is None else len(ids)
        read = 0
        for block in self._source.blocks(element, label, selection.keys(label), ids):
            read += len(block.ids)
            self._take(block, selection)
            self._progress(f"{element} of '{label}': {read:,} of {wanted:,}", min(1.0, read / max(wanted, 1)))
        return Reading(element, label, before, wanted, read, self._source.count(element, label))

    def _chosen(self, element: Element, label: str, preceding: int) -> Sequence[Any] | None:
        """Return the ids to read where the request does not want all of them."""
        if self._request.sample is not None:
            return self._source.ids(element, label)[: self._request.sample]
        if self._request.window:
            ids = self._source.ids(element, label)
            return ids[self._request.window.part(preceding, len(ids))]
        return None

    def _take(self, block: Block, selection: Selection) -> None:
        selected = selection.entry(block.type)
        if selected is None:
            return
        block = block.only(selected.properties)
        if self._request.window:
            whole, block = block, self._ends.joined(block)
            self.loose_edges += len(whole.ids) - len(block.ids)
        if len(block.ids):
            self._sink.add(block)


class _Ends:
    """The vertices that have been exported, where an export holds a part of them."""

    def __init__(self) -> None:
        self._ids: dict[str, list[pl.Series]] = {}
        self._known: dict[str, pl.Series] = {}

    def expect(self, label: str) -> None:
        """Note a label whose vertices are exported."""
        self._ids.setdefault(label, [pl.Series([], dtype=pl.String)])

    def joined(self, block: Block) -> Block:
        """Note vertices; of edges, return those whose ends are exported, as far as their labels are."""
        if not isinstance(block.type, EdgeType):
            self._ids[block.type].append(block.ids)
            return block
        for label, end in zip((block.type.source, block.type.target), (0, 1), strict=True):
            if label in self._ids:
                block = block.where(block.ends[end].is_in(self._of(label).implode()))
        return block

    def _of(self, label: str) -> pl.Series:
        if label not in self._known:
            self._known[label] = pl.concat(self._ids[label])
        return self._known[label]


def loose(count: int) -> Iterator[str]:
    """Say how many edges were left out, if any."""
    if count:
        yield f"{count} edges were left out, since 'skip' or 'limit' leave out one of their vertices"
