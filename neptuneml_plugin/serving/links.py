"""Exact top-k candidates of new edges; `topk` says how."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import EdgeType, Manifest
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.scores import FUNCTIONS, ScoreFunction
from neptuneml_plugin.serving.topk import (
    Floats,
    Floats32,
    LeftOut,
    Rows,
    Scored,
    contenders,
    queries_per_pass,
    ranked,
    rescored,
)
from neptuneml_plugin.serving.wire import Invocation, Mode

#: Candidates whose sizes are taken at once.
VECTORS_PER_BLOCK = 1 << 12


@dataclass(frozen=True)
class Ends:
    """Vertices at one end of new edges."""

    ids: Sequence[str]
    #: Their vectors in the role of this end, float32 (vertices, d).
    vectors: npt.NDArray[Any]
    #: (vertices,)
    biases: npt.NDArray[Any]
    #: Row of each in the artifact, -1 where it has none; (vertices,).
    rows: Rows


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


@dataclass(frozen=True)
class Direction:
    """One way to ask for edges of one type: from the known end to the candidates."""

    known_type: str
    candidate_type: str
    known: IdColumn
    candidates: IdColumn
    known_vectors: npt.NDArray[Any]
    candidate_vectors: npt.NDArray[Any]
    function: ScoreFunction
    #: As the function prepares it, for this way of asking.
    relation: Floats
    known_bias: npt.NDArray[Any]
    candidate_bias: npt.NDArray[Any]
    #: Training edges by known row (CSR).
    indptr: npt.NDArray[Any]
    indices: npt.NDArray[Any]
    #: Largest size of a candidate, as the function has it, and largest bias; for the bound on rounding.
    largest_size: float
    largest_bias: float
    #: Whether an element may be its own partner: the training graph holds such an edge.
    self_loops: bool
    #: What each training neighbour of the known end adds to each candidate, (candidates, candidates), if anything.
    items: npt.NDArray[Any] | None = None
    largest_item: float = 0.0

    def ends(self, ids: Sequence[str]) -> tuple[Rows, Ends]:
        """Return the positions of those vertices that the artifact knows, and these."""
        rows = self.known.rows(ids)
        at = np.flatnonzero(rows >= 0)
        rows = rows[at]
        named = [ids[position] for position in at.tolist()]
        return at, Ends(named, self.known_vectors[rows], self.known_bias[rows], rows)

    def scores32(self, moved: Floats32, rows: Rows, block: slice) -> Floats32:
        """Return approximate scores of a block of candidates, without the known ends' biases.

        Args:
            moved: vectors of the known ends, as the function moves them.
            rows: of these; their training neighbours add to the scores.
            block: of candidates.
        """
        scores = self.function.approximate(moved, self.candidate_vectors[block])
        scores += self.candidate_bias[block]
        if self.items is not None:
            for query, row in enumerate(rows.tolist()):
                for neighbour in self.training_neighbours(row).tolist():
                    scores[query] += self.items[neighbour][block]
        return scores

    def scores64(
        self, moved: Floats, bias: Floats, candidates: npt.NDArray[Any], biases: npt.NDArray[Any]
    ) -> Floats:
        """Return exact scores of candidates, (candidates, d); shape (candidates,).

        Not finite where an embedding is not. The known end, moved, and its bias are one for all or one for each.
        """
        with np.errstate(all="ignore"):
            return self.function.exact(moved, candidates) + biases.astype(np.float64) + bias

    def added64(self, row: int, candidates: Rows) -> Floats:
        """Return exactly what the training neighbours of a row, in their order, add to some candidates."""
        total = np.zeros(len(candidates))
        if self.items is not None:
            for neighbour in self.training_neighbours(row).tolist():
                total += self.items[neighbour][candidates]
        return total

    def roundings(self, moved: Floats, ends: Ends) -> Floats:
        """Return bounds on the errors of approximate scores."""
        counts = [0 if self.items is None else len(self.training_neighbours(row)) for row in ends.rows.tolist()]
        bounds = [
            self.function.rounding(vector, self.largest_size, count, self.largest_bias + count * self.largest_item)
            for vector, count in zip(moved, counts, strict=True)
        ]
        return np.array(bounds) + 1e-15 * np.abs(ends.biases.astype(np.float64))

    def training_neighbours(self, row: int) -> Rows:
        """Return the candidates that the training graph joins to `row`; none to -1."""
        if row < 0:
            return np.empty(0, np.int64)
        return np.asarray(self.indices[self.indptr[row] : self.indptr[row + 1]])

    def left_out(self, row: int, *, masked: bool) -> list[Rows]:
        """Return the candidates that a known end never has as its partners, in several arrays."""
        itself = np.array([row] if row >= 0 and not self.self_loops else [], np.int64)
        return [itself, self.training_neighbours(row)] if masked else [itself]

    def move(self, vectors: npt.NDArray[Any]) -> Floats:
        """Return the vectors of known ends, moved by the relation."""
        with np.errstate(all="ignore"):
            return self.function.move(vectors, self.relation)

    def best(
        self, ends: Ends, moved: Floats, topk: int, left_out: LeftOut, check: Callable[[], None]
    ) -> list[list[Scored]]:
        """Return, for each known end, up to `topk` (score, id), best first, ties by id."""
        with np.errstate(all="ignore"):
            moved32, roundings = moved.astype(np.float32), self.roundings(moved, ends)
            roundings[~np.isfinite(moved32).all(axis=1)] = np.inf
            found = contenders(
                lambda block: self.scores32(moved32, ends.rows, block),
                len(self.candidates),
                topk,
                roundings,
                left_out,
                check,
            )
        return rescored(partial(self.exact, ends, moved), found, topk, self.candidates.text)

    def exact(self, ends: Ends, moved: Floats, queries: Rows, rows: Rows) -> Floats:
        """Return the scores of pairs, (pairs,).

        Args:
            ends: the known ends, and
            moved: their vectors, moved.
            queries: position of the known end of each pair.
            rows: of its candidate.
        """
        biases = ends.biases[queries].astype(np.float64)
        scores = self.scores64(moved[queries], biases, self.candidate_vectors[rows], self.candidate_bias[rows])
        if self.items is not None:
            for query in np.unique(queries).tolist():
                scores[queries == query] += self.added64(int(ends.rows[query]), rows[queries == query])
        return scores

    def others(
        self, moved: Floats, bias: npt.NDArray[Any], candidates: Ends, left_out: Collection[str]
    ) -> list[Scored]:
        """Return (score, id) of candidates that the artifact lacks, but of those left out."""
        exact = self.scores64(moved, bias.astype(np.float64), candidates.vectors, candidates.biases).tolist()
        new = (candidates.rows < 0).tolist()
        return [
            (score, name)
            for score, name, unknown in zip(exact, candidates.ids, new, strict=True)
            if unknown and name not in left_out and math.isfinite(score)
        ]


class LinkRanker:
    """All target edge types of a link prediction, each in both directions."""

    def __init__(self, ways: Ways, calibrate: Callable[[float], float]) -> None:
        self._ways, self._calibrate = ways, calibrate

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


def directions(folder: Path, manifest: Manifest) -> dict[Mode, list[tuple[EdgeType, Direction]]]:
    """Return the ways to ask a model, by the mode of a request."""
    return {
        mode: [(edge, _direction(folder, manifest, edge, mode)) for edge in manifest.target.edges]
        for mode in (Mode.PREDICT_TAIL, Mode.PREDICT_HEAD)
    }


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


def _direction(folder: Path, manifest: Manifest, edge: EdgeType, mode: Mode) -> Direction:
    schema = manifest.schema
    source, target = folder / f"nodes/{schema.node(edge.source)}", folder / f"nodes/{schema.node(edge.target)}"
    arrays = folder / f"edges/{schema.edge(edge)}"
    in_candidate_role = target / "candidates.npy"
    ends = {
        "source": (_map(source / "embeddings.npy"), _map(arrays / "source_bias.npy")),
        "target": (
            _map(in_candidate_role if in_candidate_role.exists() else target / "embeddings.npy"),
            _map(arrays / "target_bias.npy"),
        ),
    }
    tails, by_direction = mode is Mode.PREDICT_TAIL, arrays / "relation_heads.npy"
    known_vectors, known_bias = ends["source" if tails else "target"]
    candidate_vectors, candidate_bias = ends["target" if tails else "source"]
    csr = "tails" if tails else "heads"
    function = FUNCTIONS[manifest.scores]
    relation = _map(arrays / ("relation.npy" if tails or not by_direction.exists() else by_direction.name))
    indptr, indices = _map(arrays / f"{csr}_indptr.npy"), _map(arrays / f"{csr}_indices.npy")
    items = _map(path) if (path := arrays / f"{csr}_items.npy").exists() else None
    return Direction(
        known_type=edge.source if tails else edge.target,
        candidate_type=edge.target if tails else edge.source,
        known=IdColumn(source if tails else target),
        candidates=IdColumn(target if tails else source),
        known_vectors=known_vectors,
        candidate_vectors=candidate_vectors,
        function=function,
        relation=function.prepare(relation),
        known_bias=known_bias,
        candidate_bias=candidate_bias,
        indptr=indptr,
        indices=indices,
        largest_size=max((_largest(function.sizes(block)) for block in _blocks(candidate_vectors)), default=0.0),
        largest_bias=_largest(np.abs(candidate_bias)),
        self_loops=edge.source != edge.target or _has_self_loop(indptr, indices),
        items=items,
        largest_item=0.0 if items is None else max((_largest(np.abs(row)) for row in items), default=0.0),
    )


def _has_self_loop(indptr: npt.NDArray[Any], indices: npt.NDArray[Any]) -> bool:
    return bool(np.any(np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) == indices))


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


def known_rows(column: IdColumn, ids: tuple[str, ...]) -> Rows:
    """Return the rows of those ids that the artifact has."""
    rows = column.rows(ids)
    return rows[rows >= 0]


def _largest(values: npt.NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else 0.0


def _blocks(vectors: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield the vectors, some at a time: they may be more than memory holds."""
    for start in range(0, len(vectors), VECTORS_PER_BLOCK):
        yield vectors[start : start + VECTORS_PER_BLOCK]


def _map(path: Path) -> npt.NDArray[Any]:
    # A plain view: `np.memmap` itself takes its time over each slice.
    array: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    return array
