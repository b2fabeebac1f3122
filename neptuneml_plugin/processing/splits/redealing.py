"""Deals out the rows of a later snapshot: known ones keep their part, new ones fill them up to the rates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from neptuneml_plugin.processing.configuration.sources import (
    LabelSpec,
)
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.snapshots.arranging import Arranged
from neptuneml_plugin.processing.splits.dealing import (
    Dealt,
    Ends,
    deal_edges,
    deal_nodes,
    holdable_labels,
    place_rows,
)
from neptuneml_plugin.processing.splits.split import Bools, Ints, Split, vertex_places
from neptuneml_plugin.trainingdata.splits import INDUCTIVE

_VALID, _TEST = 1, 2


def deal_nodes_again(
    arranged: Arranged, table: NodeTable, spec: LabelSpec, known: Bools, classes: Ints, seed: int
) -> Dealt:
    """Deal out the known vertices of a label; see `dealing.deal_nodes`."""
    kept = arranged.previous.split_of(table.label, arranged.rows[table.label]).among(known)
    rest = known & ~kept.rows
    split = kept
    if rest.any():
        split = kept | deal_nodes(table, _filling(spec, kept, rest), rest, classes, seed).split
    return Dealt(split, {table.label: ~split.learnable} if spec.split.kind == INDUCTIVE else {})


def deal_edges_again(
    arranged: Arranged,
    edges: Sequence[EdgeTable],
    elements: Elements,
    spec: LabelSpec,
    known: Bools,
    classes: Ints,
    seed: int,
) -> Dealt:
    """Deal out the known edges of one or more types together; see `dealing.deal_edges`."""
    parts = [arranged.previous.split_of(edge.source.type, arranged.rows[edge.source.type]) for edge in edges]
    kept = Split.joined(parts).among(known)
    if spec.split.kind == INDUCTIVE:
        return _deal_vertices_again(arranged, edges, elements, spec, known, kept, seed)
    if spec.split.keep_pairs:
        kept = _with_their_pairs(kept, Ends.of(elements).units(edges), known)
    rest = known & ~kept.rows
    if not rest.any():
        return Dealt(kept)
    return Dealt(kept | deal_edges(edges, elements, _filling(spec, kept, rest), rest, classes, seed).split)


def _filling(spec: LabelSpec, kept: Split, rest: Bools) -> LabelSpec:
    """Return the rates at which the rest brings all rows as near to the wanted rates as can be."""
    have = np.array([mask.sum() for mask in kept.masks().values()])
    missing = np.maximum(np.array(spec.split_rate) * (have.sum() + rest.sum()) - have, 0)
    train, valid, test = (missing / missing.sum()).tolist()
    return replace(spec, split_rate=(train, valid, test))


def _with_their_pairs(kept: Split, units: Ints, known: Bools) -> Split:
    """Return the split with new edges in the part of the edges that join the same two vertices."""
    of_unit = np.full(int(units.max()) + 1 if len(units) else 0, -1)
    for number, mask in enumerate(kept.masks().values()):
        np.maximum.at(of_unit, units[mask], number)
    parts = np.where(known & ~kept.rows, of_unit[units], -1)
    return kept | _split_of(parts)


def _split_of(parts: Ints) -> Split:
    """Return the split whose parts are numbered from 0, (rows,); -1 is in none."""
    return Split(parts == 0, parts == _VALID, parts == _TEST)


def _deal_vertices_again(
    arranged: Arranged,
    edges: Sequence[EdgeTable],
    elements: Elements,
    spec: LabelSpec,
    known: Bools,
    kept: Split,
    seed: int,
) -> Dealt:
    """Keep vertices held out, hold out new ones, and put each new edge into the later part of its ends."""
    numbers = Ends.of(elements)
    sources, targets = numbers.both(edges)
    held = [arranged.previous.held_out(node.label, arranged.rows[node.label]) for node in elements.nodes]
    # A vertex held out for test has no edge of validation.
    parts = np.where(np.concatenate(held), _TEST, 0)
    for ends in (sources[kept.valid], targets[kept.valid]):
        parts[ends] = np.minimum(parts[ends], _VALID)
    rest = known & ~kept.rows
    free = rest & (parts[sources] == 0) & (parts[targets] == 0)
    if free.any():
        holdable = holdable_labels(edges, spec)
        new = [(arranged.rows[node.label] < 0) & (node.label in holdable) for node in elements.nodes]
        places, order = vertex_places(sources[free], targets[free], np.concatenate(new), seed)
        dealt = place_rows(places, free, _filling(spec, kept, rest))
        for number, mask in ((_VALID, dealt.valid), (_TEST, dealt.test)):
            first = places[mask[free]].min() if mask.any() else np.inf
            parts[order >= first] = number
    split = kept | _split_of(np.where(rest, np.maximum(parts[sources], parts[targets]), -1))
    unseen = np.split(parts > 0, np.cumsum([len(node) for node in elements.nodes])[:-1])
    labels = (node.label for node in elements.nodes)
    return Dealt(split, {label: rows for label, rows in zip(labels, unseen, strict=True) if rows.any()})
