"""Exact top-k candidates of new edges; `topk` says how."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import EdgeType, Manifest
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.directions import Direction, Ends, known_rows
from neptuneml_plugin.serving.index import IndexReport
from neptuneml_plugin.serving.invocation import Invocation, Mode
from neptuneml_plugin.serving.topk import (
    Floats,
    LeftOut,
    Rows,
    Scored,
    queries_per_pass,
    ranked,
)


class LiveEnds(Protocol):
    """What a request brings along (`docs/wire.md`, section 6)."""

    def known(self, edge: EdgeType, mode: Mode, ids: Sequence[str]) -> tuple[Rows, Ends] | None:
        """Return the positions of those items that can be answered, and these; None: as the artifact has them."""

    def candidates(self, edge: EdgeType, mode: Mode) -> Ends | None:
        """Return candidates beside those of the artifact."""


class Way(Protocol):
    """A way to ask for edges of one type: from the known end to the candidates."""

    @property
    def known_type(self) -> str:
        """Label of the known ends."""

    @property
    def candidate_type(self) -> str:
        """Label of the candidates."""

    @property
    def candidates(self) -> IdColumn:
        """Ids of the candidates."""

    @property
    def self_loops(self) -> bool:
        """Whether an element may be its own partner."""

    def ends(self, ids: Sequence[str]) -> tuple[Rows, Ends]:
        """Return the positions of those vertices that are known, and these."""

    def move(self, vectors: npt.NDArray[Any]) -> Floats:
        """Return the vectors of known ends, moved by the relation."""

    def left_out(self, row: int, *, masked: bool) -> list[Rows]:
        """Return the candidates that a known end never has as its partners, in several arrays."""

    def best(
        self, ends: Ends, moved: Floats, topk: int, left_out: LeftOut, check: Callable[[], None]
    ) -> list[list[Scored]]:
        """Return, for each known end, up to `topk` (score, id), best first, ties by id."""

    def others(
        self, moved: Floats, bias: npt.NDArray[Any], candidates: Ends, left_out: Collection[str]
    ) -> list[Scored]:
        """Return (score, id) of candidates that are not known, but of those left out."""


Ways = Mapping[Mode, Sequence[tuple[EdgeType, Way]]]


class LinkRanker:
    """All target edge types of a link prediction, each in both directions."""

    def __init__(self, ways: Ways, calibrate: Callable[[float], float]) -> None:
        self._ways, self._calibrate = ways, calibrate

    def make_indices(self, kept: Path | None) -> list[IndexReport]:
        """Give an index to each direction that can have one, and return what is to be said of them.

        Args:
            kept: see `index.index_of`.

        Raises:
            PreconditionsFailed: faiss is not installed.
        """
        self._ways = {
            mode: [
                (edge, way.indexed(f"{mode} {edge}", kept) if isinstance(way, Direction) else way)
                for edge, way in ways
            ]
            for mode, ways in self._ways.items()
        }
        every = [way for ways in self._ways.values() for _, way in ways if isinstance(way, Direction)]
        return [way.index.report for way in every if way.index is not None]

    def rank(
        self, invocation: Invocation, least: float, check: Callable[[], None], live: LiveEnds | None = None
    ) -> Answers:
        """Return each item's candidates, best first, with calibrated scores (decision 16) not below `least`."""
        tails = invocation.mode is Mode.PREDICT_TAIL
        ids = invocation.items.heads if tails else invocation.items.tails
        types = invocation.items.head_types if tails else invocation.items.tail_types
        default = invocation.head_type if tails else invocation.tail_type
        offered = self._offered(invocation)
        groups: dict[int, list[int]] = {}
        for position, label in enumerate(types):
            choice = _choose(offered, label or default, invocation.mode)
            if choice is not None:
                groups.setdefault(choice, []).append(position)
        ranked: list[list[tuple[str, float]]] = [[] for _ in ids]
        for choice, positions in groups.items():
            edge, direction = offered[choice]
            named = [ids[position] for position in positions]
            found = live.known(edge, invocation.mode, named) if live else None
            at, ends = found or direction.ends(named)
            others = live.candidates(edge, invocation.mode) if live else None
            group = _Group([positions[index] for index in at.tolist()], ends, others)
            for position, best in self._best(direction, group, invocation, check):
                calibrated = [(name, self._calibrate(score)) for score, name in best]
                ranked[position] = [(name, score) for name, score in calibrated if score >= least]
        return Answers(
            counts=np.array([len(best) for best in ranked], np.int64),
            ids=[name for best in ranked for name, _ in best],
            scores=np.array([score for best in ranked for _, score in best], np.float64),
        )

    def _offered(self, invocation: Invocation) -> list[tuple[EdgeType, Way]]:
        """Return the ways that the request's edge label and candidate label leave."""
        tails = invocation.mode is Mode.PREDICT_TAIL
        wanted = invocation.tail_type if tails else invocation.head_type
        every = self._ways[invocation.mode]
        offered = [
            (edge, direction)
            for edge, direction in every
            if invocation.edge_label in (None, edge.label) and wanted in (None, direction.candidate_type)
        ]
        known = ", ".join(f"'{edge.label}' from '{edge.source}' to '{edge.target}'" for edge, _ in every)
        asked = f"edges '{invocation.edge_label}' {'to' if tails else 'from'} '{wanted}'"
        if not offered:
            raise InvalidParameter(f"{asked} are not predicted here; this endpoint predicts new edges {known}")
        if len({(edge.label, direction.candidate_type) for edge, direction in offered}) > 1:
            missing = "edgeType and " + ("tailNodeType" if tails else "headNodeType")
            raise InvalidParameter(f"give {missing}; this endpoint predicts new edges {known}")
        return offered

    def _best(
        self, direction: Way, group: "_Group", invocation: Invocation, check: Callable[[], None]
    ) -> Iterator[tuple[int, list[Scored]]]:
        """Yield the best candidates of a group's items."""
        topk, everywhere = invocation.topk, known_rows(direction.candidates, invocation.exclude)
        size = queries_per_pass(len(direction.candidates), topk)
        for start in range(0, len(group.positions), size):
            part = group.part(slice(start, start + size))
            ends, moved = part.ends, direction.move(part.ends.vectors)
            excludes = [invocation.items.excludes[position] for position in part.positions]
            masked = invocation.mask_training_edges
            left_out = LeftOut.of(
                [
                    [
                        everywhere,
                        *direction.left_out(row, masked=masked),
                        known_rows(direction.candidates, excluded),
                    ]
                    for row, excluded in zip(ends.rows.tolist(), excludes, strict=True)
                ]
            )
            every = direction.best(ends, moved, topk, left_out, check)
            for at, best in enumerate(every):
                others = []
                if group.others is not None:
                    itself = () if direction.self_loops else (ends.ids[at],)
                    names = {*invocation.exclude, *excludes[at], *itself}
                    others = direction.others(moved[at], ends.biases[at], group.others, names)
                yield part.positions[at], ranked([*best, *others], topk) if others else best


def calibration(manifest: Manifest) -> Callable[[float], float]:
    """Return what turns a model's scores into probabilities (decision 16)."""
    scale, offset = manifest.calibration or (1.0, 0.0)

    def calibrate(score: float) -> float:
        x = scale * score + offset
        small = math.exp(-abs(x))
        return (1.0 if x >= 0 else small) / (1.0 + small)

    return calibrate


@dataclass(frozen=True)
class _Group:
    """Items of one direction."""

    #: In the request.
    positions: list[int]
    ends: Ends
    #: Candidates beside those of the artifact.
    others: Ends | None

    def part(self, at: slice) -> "_Group":
        """Return some of them."""
        ends = self.ends
        some = Ends(ends.ids[at], ends.vectors[at], ends.biases[at], ends.rows[at])
        return _Group(self.positions[at], some, self.others)


def _choose(offered: list[tuple[EdgeType, Way]], label: str | None, mode: Mode) -> int | None:
    """Return which direction an item of this label asks; None for a label that is not asked about."""
    if label is None and len(offered) > 1:
        labels = ", ".join(f"'{direction.known_type}'" for _, direction in offered)
        member = "headNodeType" if mode is Mode.PREDICT_TAIL else "tailNodeType"
        raise InvalidParameter(f"an item lacks {member}; it may be one of {labels}")
    for index, (_, direction) in enumerate(offered):
        if label in (None, direction.known_type):
            return index
    return None
