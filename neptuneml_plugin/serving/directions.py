"""One way to ask for new edges of one type, and its scores: approximate for all candidates, exact for a few."""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import EdgeType, Manifest, Scores
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.index import ApproximateIndex, drawn, index_of
from neptuneml_plugin.serving.invocation import Mode
from neptuneml_plugin.serving.scores import FUNCTIONS, ScoreFunction
from neptuneml_plugin.serving.topk import Floats, Floats32, LeftOut, Rows, Scored, contenders, rescored

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
    #: What rules of the training graph add to each pair, (known ends, candidates), if anything.
    rules: npt.NDArray[Any] | None = None
    #: Of the numbers of both, their absolute values.
    largest_added: float = 0.0
    #: Proposes candidates in place of looking at all.
    index: ApproximateIndex | None = None

    @property
    def adds(self) -> bool:
        """Whether anything is added to scores of vectors."""
        return self.items is not None or self.rules is not None

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
            rows: of these; the training graph adds to their scores.
            block: of candidates.
        """
        scores = self.function.approximate(moved, self.candidate_vectors[block])
        scores += self.candidate_bias[block]
        for query, row in enumerate(rows.tolist() if self.adds else ()):
            for values in self.added(row):
                scores[query] += values[block]
        return scores

    def scores64(
        self, moved: Floats, bias: Floats, candidates: npt.NDArray[Any], biases: npt.NDArray[Any]
    ) -> Floats:
        """Return exact scores of candidates, (candidates, d); shape (candidates,).

        Not finite where an embedding is not. The known end, moved, and its bias are one for all or one for each.
        """
        with np.errstate(all="ignore"):
            return self.function.exact(moved, candidates) + biases.astype(np.float64) + bias

    def added(self, row: int) -> list[npt.NDArray[Any]]:
        """Return what is added to the scores of a row, in this order: (candidates,) each; nothing for -1."""
        items, rules = self.items, self.rules
        found = [] if items is None else [items[at] for at in self.training_neighbours(row).tolist()]
        return found if rules is None or row < 0 else [*found, rules[row]]

    def added64(self, row: int, candidates: Rows) -> Floats:
        """Return exactly what is added to the scores of a row and some candidates."""
        total = np.zeros(len(candidates))
        for values in self.added(row):
            total += values[candidates]
        return total

    def roundings(self, moved: Floats, ends: Ends) -> Floats:
        """Return bounds on the errors of approximate scores."""
        counts = [len(self.added(row)) for row in ends.rows.tolist()]
        bounds = [
            self.function.rounding(
                vector, self.largest_size, count, self.largest_bias + count * self.largest_added
            )
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

            def exhaustive(some: Rows) -> list[Rows]:
                return contenders(
                    lambda block: self.scores32(moved32[some], ends.rows[some], block),
                    len(self.candidates),
                    topk,
                    roundings[some],
                    left_out.of_queries(some),
                    check,
                )

            if self.index is None:
                found = exhaustive(np.arange(len(moved)))
            else:
                found = self.index.contenders(_with_ones(moved32), topk, left_out, exhaustive, check)
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
        if self.adds:
            for query in np.unique(queries).tolist():
                scores[queries == query] += self.added64(int(ends.rows[query]), rows[queries == query])
        return scores

    def indexed(self, of: str, kept: Path | None) -> "Direction":
        """Return this direction with an index, where its scores are products and its candidates many.

        Args:
            of: what it is asked for, in the words of the index's report.
            kept: see `index.index_of`.

        Raises:
            PreconditionsFailed: faiss is not installed.
        """
        if self.adds or self.function not in (FUNCTIONS[Scores.PRODUCT], FUNCTIONS[Scores.COMPLEX]):
            return self

        def vectors(at: slice | Rows) -> Floats32:
            rows = self.candidate_vectors[at], self.candidate_bias[at][:, None]
            return np.concatenate(rows, axis=1, dtype=np.float32)

        def samples(wanted: int) -> Floats32:
            rows = drawn(len(self.known_vectors), wanted)
            return _with_ones(self.move(self.known_vectors[rows]).astype(np.float32))

        return dataclasses.replace(self, index=index_of(of, vectors, len(self.candidates), samples, kept))

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


def directions(folder: Path, manifest: Manifest) -> dict[Mode, list[tuple[EdgeType, Direction]]]:
    """Return the ways to ask a model, by the mode of a request."""
    return {
        mode: [(edge, _direction(folder, manifest, edge, mode)) for edge in manifest.target.edges]
        for mode in (Mode.PREDICT_TAIL, Mode.PREDICT_HEAD)
    }


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
    items, rules = (_map_if_there(arrays / f"{csr}_{name}.npy") for name in ("items", "rules"))
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
        rules=rules,
        largest_added=max(
            (_largest(np.abs(row)) for matrix in (items, rules) if matrix is not None for row in matrix),
            default=0.0,
        ),
    )


def _with_ones(vectors: Floats32) -> Floats32:
    """Return queries whose products gain the candidates' last number, which is their bias."""
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def _has_self_loop(indptr: npt.NDArray[Any], indices: npt.NDArray[Any]) -> bool:
    return bool(np.any(np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) == indices))


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


def _map_if_there(path: Path) -> npt.NDArray[Any] | None:
    return _map(path) if path.exists() else None


def _map(path: Path) -> npt.NDArray[Any]:
    # A plain view: `np.memmap` itself takes its time over each slice.
    array: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    return array
