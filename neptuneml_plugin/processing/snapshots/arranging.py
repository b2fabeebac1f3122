"""Puts the elements of a snapshot into the order of the previous one: known elements first, new ones after them.

A vertex is known by its id; an edge by its ends, and of several between the same two vertices by its turn.
Elements that are gone leave no gap. Types stand in the order of the previous snapshot too; new types are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import EdgeSchema, EdgeType
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing.configuration.sources import (
    EdgeSource,
    NodeSource,
    SourceFile,
)
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, Ints, NodeTable
from neptuneml_plugin.processing.reading.tables import NoRows, Rows, TableFile
from neptuneml_plugin.processing.snapshots.previous import ANEW, Kind, Previous
from neptuneml_plugin.trainingdata.features import FeatureSpec

#: Ids that are looked up at a time.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Arranged:
    """The elements of a snapshot in the order of the previous one."""

    previous: Previous
    elements: Elements
    #: Vertex label or edge type -> row of each element in the previous snapshot, ascending, then -1 for new ones.
    rows: Mapping[Kind, Ints]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Order:
    """Where the rows of a table go."""

    #: Row of each element before, by its new row; -1: it is new.
    before: Ints
    #: Row in the file of each new row.
    positions: Ints

    @classmethod
    def of(cls, before: Ints) -> "_Order":
        """Return the order in which known rows come first, by their rows before."""
        positions = np.argsort(np.where(before < 0, np.iinfo(np.int64).max, before), kind="stable")
        return cls(before[positions], positions)

    @property
    def moves(self) -> bool:
        """Whether any row does."""
        return bool((self.positions != np.arange(len(self.positions))).any())

    def new_rows(self) -> Ints:
        """Return the new row of each row of the file."""
        rows = np.empty_like(self.positions)
        rows[self.positions] = np.arange(len(rows))
        return rows

    def rows_of_previous(self, count: int) -> Ints:
        """Return the new row of each of the `count` rows before, -1 for those that are gone."""
        rows, known = np.full(count, -1, dtype=np.int64), self.before >= 0
        rows[self.before[known]] = np.flatnonzero(known)
        return rows


def arrange(elements: Elements, previous: Previous) -> Arranged:
    """Return the elements in the order of the previous snapshot."""
    schema = previous.record.schema
    given = {table.label: table for table in elements.nodes}
    nodes: dict[str, NodeTable] = {}
    orders: dict[str, _Order] = {}
    for position, kind in enumerate(schema.nodes):
        table = given.get(kind.label) or _no_vertices(kind.label, previous)
        known = _rows_of(previous.opened.ids(position), table.ids)
        orders[kind.label] = order = _Order.of(known)
        nodes[kind.label] = _moved_vertices(table, order)
    rows: dict[Kind, Ints] = {label: order.before for label, order in orders.items()}
    types = {table.source.type: table for table in elements.edges}
    edges = []
    for edge in previous.edges:
        moved, before = _edges(types.get(edge.type) or _no_edges(edge.type, previous), edge, previous, orders)
        edges.append(moved)
        rows[edge.type] = before
    arranged = Elements(tuple(nodes.values()), tuple(edges))
    return Arranged(previous, arranged, rows, tuple(_changes(elements, previous)))


def _rows_of(known: IdColumn, ids: pl.Series) -> Ints:
    """Return the row of each id, -1 for an unknown one."""
    blocks = (ids.slice(start, _BLOCK).to_list() for start in range(0, len(ids), _BLOCK))
    return np.concatenate([np.zeros(0, dtype=np.int64), *(known.rows(block) for block in blocks)])


def _edges(
    table: EdgeTable, kind: EdgeSchema, previous: Previous, orders: Mapping[str, _Order]
) -> tuple[EdgeTable, Ints]:
    """Return the edges in their order, their ends as new rows, and the row of each before."""
    start, end = orders[kind.type.source], orders[kind.type.target]
    sources, targets = start.new_rows()[table.sources], end.new_rows()[table.targets]
    schema = previous.record.schema
    counts = [schema.nodes[schema.node(label)].count for label in (kind.type.source, kind.type.target)]
    were = previous.opened.ends(schema.edge(kind.type))
    old_ends = start.rows_of_previous(counts[0])[were[0]], end.rows_of_previous(counts[1])[were[1]]
    width = len(end.positions)
    old = np.where((old_ends[0] < 0) | (old_ends[1] < 0), -1, old_ends[0] * width + old_ends[1])
    is_new = (start.before[sources] < 0) | (end.before[targets] < 0)
    order = _Order.of(rows_before(old, np.where(is_new, -1, sources * width + targets)))
    file = _moved(table.file, order)
    return EdgeTable(table.source, file, sources[order.positions], targets[order.positions]), order.before


def rows_before(old: Ints, new: Ints) -> Ints:
    """Return the row among old keys of each new key, -1 where there is none: (new rows,).

    Of equal keys the first is the first, and so on. A key below 0 is of an element that the other side lacks.
    """
    found = np.full(len(new), -1, dtype=np.int64)
    old_rows, new_rows = np.flatnonzero(old >= 0), np.flatnonzero(new >= 0)
    # A graph mostly lists what is still there in the order of before; the rest takes two sorts.
    same = _same(old[old_rows], new[new_rows])
    found[new_rows[:same]] = old_rows[:same]
    old_rows, new_rows = old_rows[same:], new_rows[same:]
    rows = _matched(old[old_rows], new[new_rows])
    found[new_rows[rows >= 0]] = old_rows[rows[rows >= 0]]
    return found


def _same(old: Ints, new: Ints) -> int:
    """Return with how many equal keys both begin."""
    length = min(len(old), len(new))
    differs = old[:length] != new[:length]
    return int(differs.argmax()) if differs.any() else length


def _matched(old: Ints, new: Ints) -> Ints:
    """Return the row among old keys of each new key, -1 where there is none: (new rows,)."""
    if not len(old) or not len(new):
        return np.full(len(new), -1, dtype=np.int64)
    by_old, by_new = np.argsort(old, kind="stable"), np.argsort(new, kind="stable")
    old, new = old[by_old], new[by_new]
    starts = np.flatnonzero(np.append(True, new[1:] != new[:-1]))
    at = np.arange(len(new))
    at -= np.repeat(starts, np.diff(np.append(starts, len(new))))  # its turn among equal ones
    at += np.searchsorted(old, new)
    there = at < len(old)
    there[there] = old[at[there]] == new[there]
    rows = np.full(len(new), -1, dtype=np.int64)
    rows[by_new[there]] = by_old[at[there]]
    return rows


def _moved_vertices(table: NodeTable, order: _Order) -> NodeTable:
    if not order.moves:
        return table
    return replace(table, ids=table.ids.gather(order.positions), file=table.file and _moved(table.file, order))


def _moved(file: Rows, order: _Order) -> Rows:
    if not order.moves:
        return file
    return file.at(pl.Series(order.positions))


def _no_vertices(label: str, previous: Previous) -> NodeTable:
    source = NodeSource((SourceFile(label, ","),), "~id", label, _features(label, previous))
    return NodeTable(label, pl.Series([], dtype=pl.String), source, _nothing(label))


def _no_edges(kind: EdgeType, previous: Previous) -> EdgeTable:
    nothing = np.zeros(0, dtype=np.int64)
    source = EdgeSource((SourceFile(str(kind), ","),), "~from", "~to", kind, _features(kind, previous))
    return EdgeTable(source, _nothing(str(kind)), nothing, nothing)


def _nothing(name: str) -> NoRows:
    return NoRows((TableFile(Path(), name),))


def _features(kind: Kind, previous: Previous) -> tuple[FeatureSpec, ...]:
    return tuple(FeatureSpec(one.column, one.name, one.type) for one in previous.encoders_of(kind))


def _changes(elements: Elements, previous: Previous) -> list[str]:
    """Say which types came and went."""
    here: list[Kind] = [*[node.label for node in elements.nodes], *[edge.source.type for edge in elements.edges]]
    before: list[Kind] = [*[node.label for node in previous.record.schema.nodes]]
    before += [edge.type for edge in previous.edges]
    return [
        *[
            f"{_name(kind)} is new since the previous snapshot and left out; to use it, {ANEW}"
            for kind in here
            if kind not in before
        ],
        *[
            f"{_name(kind)} of the previous snapshot is not in the export; it stays as a type without rows"
            for kind in before
            if kind not in here
        ],
    ]


def _name(kind: Kind) -> str:
    return f"vertex label '{kind}'" if isinstance(kind, str) else f"edge type {kind}"
