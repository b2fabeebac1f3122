"""Deals out the rows of the target, as its configuration says (docs/processing.md, Splits)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.sources import (
    LabelSpec,
)
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.reading.tables import Column, parse_dates, parse_numbers
from neptuneml_plugin.processing.splits.split import (
    Bools,
    Floats,
    Ints,
    Split,
    cut,
    latest_places,
    pair_units,
    random_places,
    vertex_places,
)
from neptuneml_plugin.trainingdata.splits import INDUCTIVE, RANDOM, STRATIFIED, TIME


@dataclass(frozen=True)
class Ends:
    """The vertices that edges join, numbered over all labels."""

    #: Label -> its first number.
    first: Mapping[str, int]
    vertices: int

    @classmethod
    def of(cls, elements: Elements) -> "Ends":
        """Number the vertices."""
        counts = [len(node) for node in elements.nodes]
        first = np.cumsum([0, *counts]).tolist()
        return cls({node.label: n for node, n in zip(elements.nodes, first[:-1], strict=True)}, first[-1])

    def both(self, edges: Sequence[EdgeTable]) -> tuple[Ints, Ints]:
        """Return the sources and the targets of edges of several types."""
        sources = [edge.sources + self.first[edge.source.type.source] for edge in edges]
        targets = [edge.targets + self.first[edge.source.type.target] for edge in edges]
        return np.concatenate(sources), np.concatenate(targets)

    def units(self, edges: Sequence[EdgeTable]) -> Ints:
        """Number the unordered pairs of vertices that the edges join."""
        return pair_units(*self.both(edges), self.vertices)


@dataclass(frozen=True)
class Dealt:
    """The rows of one table, or of several edge tables one after the other, dealt out."""

    split: Split
    #: Vertex label -> which are held out; inductive splits only.
    held_out: Mapping[str, Bools] = field(default_factory=dict)


def deal_nodes(table: NodeTable, spec: LabelSpec, known: Bools, classes: Ints, seed: int) -> Dealt:
    """Deal out the known vertices of a label."""
    rows = np.arange(int(known.sum()))
    if spec.split.kind == TIME:
        places = times(moments(table, spec))[known]
    else:
        even = spec.split.kind != RANDOM
        places = random_places(rows, classes[known] if even else np.zeros_like(rows), seed)
    split = place_rows(places, known, spec)
    return Dealt(split, {table.label: ~split.learnable} if spec.split.kind == INDUCTIVE else {})


def deal_edges(
    edges: Sequence[EdgeTable], elements: Elements, spec: LabelSpec, known: Bools, classes: Ints, seed: int
) -> Dealt:
    """Deal out the known edges of one or more types together.

    Args:
        edges: the tables; `known` and `classes` go over all their rows, one table after the other.
        elements: all vertices.
        spec: says how.
        known: edges that have an answer, (edges,).
        classes: of each edge, numbered from -1, (edges,).
        seed: of the order.
    """
    numbers = Ends.of(elements)
    if spec.split.kind == INDUCTIVE:
        return _deal_vertices(edges, elements, spec, known, seed)
    units = numbers.units(edges) if spec.split.keep_pairs else np.arange(len(known))
    if spec.split.kind == TIME:
        when = np.concatenate([times(moments(edge, spec)) for edge in edges])
        return Dealt(place_rows(latest_places(units, when)[known], known, spec))
    even = spec.split.kind == STRATIFIED
    units = np.unique(units[known], return_inverse=True)[1].reshape(-1) if not known.all() else units
    places = random_places(units, classes[known] if even else np.zeros_like(units), seed)
    return Dealt(place_rows(places, known, spec))


def _deal_vertices(
    edges: Sequence[EdgeTable], elements: Elements, spec: LabelSpec, known: Bools, seed: int
) -> Dealt:
    numbers, holdable = Ends.of(elements), holdable_labels(edges, spec)
    may = np.concatenate([np.full(len(node), node.label in holdable) for node in elements.nodes])
    sources, targets = numbers.both(edges)
    places, order = vertex_places(sources[known], targets[known], may, seed)
    split = place_rows(places, known, spec)
    held = places[~split.learnable[known]]
    unseen = order >= (held.min() if len(held) else np.inf)
    by_label = {
        node.label: unseen[numbers.first[node.label] : numbers.first[node.label] + len(node)]
        for node in elements.nodes
    }
    return Dealt(split, {label: rows for label, rows in by_label.items() if rows.any()})


def holdable_labels(edges: Sequence[EdgeTable], spec: LabelSpec) -> set[str]:
    """Return the vertex labels that an inductive split of edges may hold out."""
    ends = {"source": ("source",), "target": ("target",)}.get(spec.split.ends, ("source", "target"))
    return {getattr(edge.source.type, end) for edge in edges for end in ends}


def place_rows(places: Floats, known: Bools, spec: LabelSpec) -> Split:
    """Cut the known rows, which have these places, by the rates of the target."""
    everywhere = np.full(len(known), np.nan)
    everywhere[known] = places
    return cut(everywhere, spec.split_rate)


def moments(table: NodeTable | EdgeTable, spec: LabelSpec) -> Column:
    """Return the column that says when.

    Raises:
        InvalidData: the vertices are known only from the ends of edges.
    """
    if table.file is None:
        raise InvalidData(f"the target's file is gone, so there is no '{spec.split.property}'")
    return table.file.column(spec.split.property)


def times(column: Column) -> Floats:
    """Return the moments in a column, numbers or dates in milliseconds, as float64; NaN where the cell is empty.

    Raises:
        InvalidData: a cell is neither.
    """
    values = column.values
    parsed = parse_numbers(values)
    wrong = values.is_not_null() & (parsed.is_null() | parsed.is_infinite() | parsed.is_nan())
    if wrong.any():
        parsed = parse_dates(values).to_physical().cast(pl.Float64)
        wrong = values.is_not_null() & parsed.is_null()
    row = wrong.arg_max()
    if row is not None and wrong[row]:
        raise column.fail(
            row, f"'{column.text(row)}' is not of one kind with the others: a number, or an ISO 8601 date"
        )
    return parsed.fill_null(np.nan).to_numpy()
