"""Exact top-k candidates of new edges (decision 31).

Candidates are scored in float32 blocks by matrix products, whose rounding depends on the batch. Every candidate
that could be among the best within the bound of that rounding is then scored again in float64, summed from left to
right, which depends on nothing but the pair.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import EdgeType, Manifest
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.scores import FUNCTIONS, ScoreFunction
from neptuneml_plugin.serving.wire import Invocation, Mode

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

#: Float32 scores held at once: 16 MiB.
SCORES_PER_BLOCK = 1 << 22
#: Candidates whose float64 products are held at once.
RESCORED_PER_BLOCK = 1 << 13
#: Beyond this, float32 products may overflow, and every candidate is re-scored.
LARGEST_BOUND = 1e25


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

    def scores32(self, vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return approximate scores, without the known end's bias; shape (vectors, candidates).

        Infinite where float32 does not reach, so that the candidate is scored again.
        """
        with np.errstate(all="ignore"):
            queries = self.function.move(vectors, self.relation).astype(np.float32)
            scores = self.function.approximate(queries, self.candidate_vectors)
            scores += self.candidate_bias
            scores[~np.isfinite(scores)] = np.inf
        return scores

    def scores64(
        self, vector: npt.NDArray[Any], bias: float, candidates: npt.NDArray[Any], biases: npt.NDArray[Any]
    ) -> Floats:
        """Return exact scores of candidates, (candidates, d); shape (candidates,).

        Not finite where an embedding is not.
        """
        with np.errstate(all="ignore"):
            scores = self.function.exact(self.function.move(vector, self.relation), candidates)
            return scores + biases.astype(np.float64) + bias

    def added32(self, row: int) -> npt.NDArray[np.float32] | float:
        """Return approximately what the training neighbours of a row add to every candidate."""
        if self.items is None or row < 0:
            return 0.0
        total = np.zeros(len(self.candidates), np.float32)
        for neighbour in self.training_neighbours(row).tolist():
            total += self.items[neighbour]
        return total

    def added64(self, row: int, candidates: Rows) -> Floats | float:
        """Return exactly what the training neighbours of a row, in their order, add to some candidates."""
        if self.items is None or row < 0:
            return 0.0
        total = np.zeros(len(candidates))
        for neighbour in self.training_neighbours(row).tolist():
            total += self.items[neighbour][candidates]
        return total

    def rounding(self, vector: npt.NDArray[Any], bias: float, row: int = -1) -> float:
        """Return a bound on the error of approximate scores."""
        neighbours = 0 if self.items is None or row < 0 else len(self.training_neighbours(row))
        moved = self.function.move(vector, self.relation)
        added = self.largest_bias + neighbours * self.largest_item
        return self.function.rounding(moved, self.largest_size, neighbours, added) + 1e-15 * abs(bias)

    def training_neighbours(self, row: int) -> Rows:
        """Return the candidates that the training graph joins to `row`."""
        return np.asarray(self.indices[self.indptr[row] : self.indptr[row + 1]])

    def best(
        self, vector: npt.NDArray[Any], bias: float, scores: npt.NDArray[np.float32], topk: int, row: int = -1
    ) -> list[tuple[float, str]]:
        """Return up to `topk` (score, id), best first, ties by id; `scores` is -inf where left out."""
        candidates = _contenders(scores, topk, self.rounding(vector, bias, row))
        if not len(candidates):
            return []
        exact = np.concatenate(
            [
                self.scores64(vector, bias, self.candidate_vectors[block], self.candidate_bias[block])
                for block in np.split(candidates, range(RESCORED_PER_BLOCK, len(candidates), RESCORED_PER_BLOCK))
            ]
        )
        exact += self.added64(row, candidates)
        finite = np.isfinite(exact)
        candidates, exact = candidates[finite], exact[finite]
        if len(exact) > topk:
            among_best = exact >= np.partition(exact, len(exact) - topk)[len(exact) - topk]
            candidates, exact = candidates[among_best], exact[among_best]
        ids = [self.candidates.text(candidate) for candidate in candidates.tolist()]
        return _ranked(zip(exact.tolist(), ids, strict=True), topk)

    def others(
        self, vector: npt.NDArray[Any], bias: float, candidates: Ends, left_out: Collection[str]
    ) -> list[tuple[float, str]]:
        """Return (score, id) of candidates that the artifact lacks, but of those left out."""
        exact = self.scores64(vector, bias, candidates.vectors, candidates.biases).tolist()
        new = (candidates.rows < 0).tolist()
        return [
            (score, name)
            for score, name, unknown in zip(exact, candidates.ids, new, strict=True)
            if unknown and name not in left_out and math.isfinite(score)
        ]


class LinkRanker:
    """All target edge types of a link prediction, each in both directions."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._calibration = manifest.calibration or (1.0, 0.0)
        self._directions = {
            mode: [(edge, _direction(folder, manifest, edge, mode)) for edge in manifest.target.edges]
            for mode in (Mode.PREDICT_TAIL, Mode.PREDICT_HEAD)
        }

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

    def _offered(self, invocation: Invocation) -> list[tuple[EdgeType, Direction]]:
        """Return the directions that the request's edge label and candidate label leave."""
        tails = invocation.mode is Mode.PREDICT_TAIL
        wanted = invocation.tail_type if tails else invocation.head_type
        every = self._directions[invocation.mode]
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
        self, direction: Direction, group: "_Group", invocation: Invocation, check: Callable[[], None]
    ) -> Iterator[tuple[int, list[tuple[float, str]]]]:
        """Yield the best candidates of a group's items, block by block."""
        ends, topk = group.ends, invocation.topk
        everywhere = _known_rows(direction.candidates, invocation.exclude)
        size = max(1, SCORES_PER_BLOCK // max(1, len(direction.candidates)))
        for start in range(0, len(group.positions), size):
            check()
            scores = direction.scores32(ends.vectors[start : start + size])
            scores[:, everywhere] = -np.inf
            for at, line in enumerate(scores, start):
                position, row, vector, bias = group.positions[at], ends.rows[at], ends.vectors[at], ends.biases[at]
                np.add(line, direction.added32(row), out=line)
                excluded = invocation.items.excludes[position]
                line[_known_rows(direction.candidates, excluded)] = -np.inf
                if row >= 0 and not direction.self_loops:
                    line[row] = -np.inf
                if row >= 0 and invocation.mask_training_edges:
                    line[direction.training_neighbours(row)] = -np.inf
                best = direction.best(vector, float(bias), line, topk, row)
                if group.others is not None:
                    itself = () if direction.self_loops else (ends.ids[at],)
                    left_out = {*invocation.exclude, *excluded, *itself}
                    best = _ranked([*best, *direction.others(vector, float(bias), group.others, left_out)], topk)
                yield position, best

    def _calibrate(self, score: float) -> float:
        scale, offset = self._calibration
        x = scale * score + offset
        small = math.exp(-abs(x))
        return (1.0 if x >= 0 else small) / (1.0 + small)


@dataclass(frozen=True)
class _Group:
    """Items of one direction."""

    #: In the request.
    positions: list[int]
    ends: Ends
    #: Candidates beside those of the artifact.
    others: Ends | None


def _ranked(scored: Iterable[tuple[float, str]], topk: int) -> list[tuple[float, str]]:
    return sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:topk]


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
        largest_size=_largest(function.sizes(candidate_vectors)),
        largest_bias=_largest(np.abs(candidate_bias)),
        self_loops=edge.source != edge.target or _has_self_loop(indptr, indices),
        items=items,
        largest_item=0.0 if items is None else max((_largest(np.abs(row)) for row in items), default=0.0),
    )


def _has_self_loop(indptr: npt.NDArray[Any], indices: npt.NDArray[Any]) -> bool:
    return bool(np.any(np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) == indices))


def _choose(offered: list[tuple[EdgeType, Direction]], label: str | None, mode: Mode) -> int | None:
    """Return which direction an item of this label asks; None for a label that is not asked about."""
    if label is None and len(offered) > 1:
        labels = ", ".join(f"'{direction.known_type}'" for _, direction in offered)
        member = "headNodeType" if mode is Mode.PREDICT_TAIL else "tailNodeType"
        raise InvalidParameter(f"an item lacks {member}; it may be one of {labels}")
    for index, (_, direction) in enumerate(offered):
        if label in (None, direction.known_type):
            return index
    return None


def _contenders(scores: npt.NDArray[np.float32], topk: int, rounding: float) -> Rows:
    """Return the rows that may be among the `topk` best although each score is off by up to `rounding`."""
    if rounding > LARGEST_BOUND or not math.isfinite(rounding):
        return np.flatnonzero(~np.isneginf(scores))
    if topk < len(scores):
        last = float(np.partition(scores, len(scores) - topk)[len(scores) - topk])
        if math.isfinite(last):
            return np.flatnonzero(scores >= np.float32(last - 2 * rounding))
    return np.flatnonzero(~np.isneginf(scores))


def _known_rows(column: IdColumn, ids: tuple[str, ...]) -> Rows:
    rows = column.rows(ids)
    return rows[rows >= 0]


def _largest(values: npt.NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else 0.0


def _map(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
