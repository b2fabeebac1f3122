"""Between a reader and what takes its blocks: labels, properties, and edges whose vertices are left out."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.elements import node_type
from neptuneml_plugin.export.request.request import ExportRequest
from neptuneml_plugin.export.request.selection import Selection


class Sink(Protocol):
    """Takes what has been read."""

    def add(self, block: Block) -> object:
        """Take one block."""


class Intake:
    """Takes vertices, then edges, and passes on those that the request selects."""

    def __init__(self, request: ExportRequest, sink: Sink) -> None:
        self._sink = sink
        self._ends = _Ends() if request.may_part_edges else None
        self._is_closed = request.subgraph is not None
        #: Edges left out, since one of their ends is.
        self.loose_edges = 0

    def expect(self, label: str) -> None:
        """Note a label whose vertices are exported."""
        if self._ends is not None:
            self._ends.expect(node_type(label))

    def take(self, block: Block, selection: Selection) -> None:
        """Take one block."""
        selected = selection.entry(block.type)
        if selected is None:
            return
        block = block.only(selected.properties)
        if self._ends is not None:
            whole, block = block, self._ends.joined(block, is_closed=self._is_closed)
            self.loose_edges += len(whole.ids) - len(block.ids)
        if len(block.ids):
            self._sink.add(block)


class _Ends:
    """The vertices that have been exported, where an export holds a part of them."""

    def __init__(self) -> None:
        self._ids: dict[str, list[pl.Series]] = {}
        self._known: dict[str, _Known] = {}

    def expect(self, label: str) -> None:
        """Note a label whose vertices are exported."""
        self._ids.setdefault(label, [pl.Series([], dtype=pl.String)])

    def joined(self, block: Block, *, is_closed: bool) -> Block:
        """Note vertices; of edges, return those whose ends are exported.

        Args:
            block: vertices or edges.
            is_closed: whether ends of labels that are not exported count as missing.
        """
        if not isinstance(block.type, EdgeType):
            self._ids[block.type].append(block.ids)
            return block
        for label, end in zip((block.type.source, block.type.target), (0, 1), strict=True):
            if is_closed or label in self._ids:
                block = block.where(self._of(label).has(block.ends[end]))
        return block

    def _of(self, label: str) -> "_Known":
        if label not in self._known:
            self._known[label] = _Known(self._ids.pop(label, []))
            self._ids[label] = []
        return self._known[label]


class _Known:
    """Texts by their sorted hashes: `Series.is_in` would hash a million of them again for every block."""

    def __init__(self, parts: Sequence[pl.Series]) -> None:
        texts = pl.concat([pl.Series([], dtype=pl.String), *parts])
        hashes = texts.hash().to_numpy()
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._texts = texts.gather(order)

    def has(self, asked: pl.Series) -> pl.Series:
        """Return for each text whether it is known.

        Of two known texts of one hash, only one is found (a chance of 3e-8 among a million).
        """
        if not len(self._texts):
            return pl.Series(np.zeros(len(asked), dtype=np.bool_))
        places = np.searchsorted(self._hashes, asked.hash().to_numpy()).clip(max=len(self._hashes) - 1)
        return self._texts.gather(places) == asked


def loose(count: int) -> Iterator[str]:
    """Say how many edges were left out, if any."""
    if count:
        yield f"{count} edges were left out, since one of their vertices is not among those chosen"
