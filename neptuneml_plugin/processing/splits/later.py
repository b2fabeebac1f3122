"""Edges that came about after the training rows of a split by time: no message comes over them in a training.

Otherwise a model would learn to answer from the future, which it does not have when it is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.sources import LabelSpec
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.reading.tables import Column, parse_numbers
from neptuneml_plugin.processing.splits.dealing import moments, times
from neptuneml_plugin.processing.splits.split import Bools, Floats, Split
from neptuneml_plugin.trainingdata.splits import TIME


@dataclass(frozen=True)
class Timed:
    """A target type whose rows were dealt out by time."""

    table: NodeTable | EdgeTable
    spec: LabelSpec
    split: Split


@dataclass(frozen=True)
class Later:
    """What is later than the training rows."""

    #: Edge type -> its later edges, (edges,); types without any are left out.
    edges: Mapping[EdgeType, Bools] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def later_edges(elements: Elements, targets: Sequence[Timed]) -> Later:
    """Return the edges that are later than the last training row.

    An edge is as late as its own property of the split's name says, and its vertices' where they have it.

    Args:
        elements: all vertices and edges.
        targets: the target types; those that are not split by time are left out.
    """
    found: dict[EdgeType, Bools] = {}
    warnings: list[str] = []
    for name, group in _by_property(targets).items():
        clock = _Clock(name, _is_number(moments(group[0].table, group[0].spec)))
        horizon = max(_last(clock.of(one.table), one.split) for one in group)
        of_label = {node.label: clock.of(node) for node in elements.nodes}
        for edge in elements.edges:
            when = _moments(edge, clock, of_label)
            if when is None:
                warnings.append(_timeless(edge, name))
            elif (when > horizon).any():
                found[edge.source.type] = found.get(edge.source.type, False) | (when > horizon)
    return Later(found, tuple(warnings))


def _by_property(targets: Sequence[Timed]) -> dict[str, list[Timed]]:
    groups: dict[str, list[Timed]] = {}
    for target in targets:
        if target.spec.split.kind == TIME and target.split.train.any():
            groups.setdefault(target.spec.split.property, []).append(target)
    return groups


def _last(when: Floats | None, split: Split) -> float:
    return -np.inf if when is None else float(np.nanmax(when[split.train], initial=-np.inf))


@dataclass(frozen=True)
class _Clock:
    """Reads the property that says when."""

    property: str
    #: Whether the target says so in numbers; otherwise in dates.
    in_numbers: bool

    def of(self, table: NodeTable | EdgeTable) -> Floats | None:
        """Return the moment of each row, NaN where it is empty; None where the table does not say it so."""
        if table.file is None or not table.file.has(self.property):
            return None
        column = table.file.column(self.property)
        if _is_number(column) != self.in_numbers:
            return None
        try:
            return times(column)
        except InvalidData:
            return None


def _is_number(column: Column) -> bool:
    values = column.values.drop_nulls()
    return parse_numbers(values).null_count() == 0


def _moments(edge: EdgeTable, clock: _Clock, of_label: Mapping[str, Floats | None]) -> Floats | None:
    """Return when each edge came about: not before its vertices; None where nothing says so."""
    known = list(_known(edge, clock, of_label))
    return np.fmax.reduce(known) if known else None


def _known(edge: EdgeTable, clock: _Clock, of_label: Mapping[str, Floats | None]) -> Iterator[Floats]:
    own = clock.of(edge)
    if own is not None:
        yield own
    for label, rows in ((edge.source.type.source, edge.sources), (edge.source.type.target, edge.targets)):
        when = of_label[label]
        if when is not None:
            yield when[rows]


def _timeless(edge: EdgeTable, name: str) -> str:
    return (
        f"edges of {edge.source.type.triple} do not say when they came about: neither they nor their vertices "
        f"have '{name}' as the target has it; so later ones carry messages too while a model is trained"
    )
