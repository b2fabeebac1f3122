"""Nearest neighbours by embedding (mode `embed_knn`): the vertices whose embeddings point the same way, exactly.

The similarity is the cosine, in float64; a vector of zeros is like nothing: 0. `topk` says how candidates are
found.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.arrays import map_array
from neptuneml_plugin.artifacts import Manifest, Scores, Task
from neptuneml_plugin.errors import InvalidParameter, MissingParameter, UnsupportedOperation, nearest
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.directions import known_rows
from neptuneml_plugin.serving.index import ApproximateIndex, IndexReport, drawn, index_of
from neptuneml_plugin.serving.invocation import Invocation
from neptuneml_plugin.serving.scores import FUNCTIONS
from neptuneml_plugin.serving.topk import (
    Floats,
    Floats32,
    LeftOut,
    Rows,
    Scored,
    contenders,
    queries_per_pass,
    rescored,
)

#: Lengths that float32 products take without losing what is small or growing beyond what it holds.
LENGTHS = (1e-12, 1e12)
#: Vectors whose lengths are taken at once.
VECTORS_PER_BLOCK = 1 << 12
_PRODUCT = FUNCTIONS[Scores.PRODUCT]


@dataclass(frozen=True)
class Asked:
    """The vectors of vertices whose neighbours are wanted."""

    #: Float (vertices, d).
    vectors: npt.NDArray[Any]
    #: Row of each in the artifact, -1 where it has none.
    rows: Rows


class _Label:
    """The vertices of one label, and the lengths of their vectors: 12 bytes a vertex beside what is mapped."""

    def __init__(self, folder: Path, label: str) -> None:
        self.ids = IdColumn(folder)
        # A plain view: `np.memmap` itself takes its time over each slice.
        self.vectors: npt.NDArray[Any] = np.asarray(map_array(folder / "embeddings.npy"))
        if not self.vectors.shape[1]:
            raise UnsupportedOperation(
                f"the custom model of this artifact gave no embeddings of '{label}' vertices"
            )
        starts = range(0, len(self.vectors), VECTORS_PER_BLOCK)
        blocks = (lengths_of(self.vectors[start : start + VECTORS_PER_BLOCK]) for start in starts)
        self.lengths: Floats = np.concatenate([np.empty(0), *blocks])
        ordinary = (self.lengths >= LENGTHS[0]) & (self.lengths <= LENGTHS[1])
        finite = np.isfinite(self.lengths)
        self._odd = np.flatnonzero(finite & ~ordinary & (self.lengths > 0))
        #: What a product is multiplied by; a vector that is not finite is nobody's neighbour.
        self._inverses = np.where(finite, np.float32(0), np.float32(np.nan))
        self._inverses[ordinary] = 1 / self.lengths[ordinary]
        self.index: ApproximateIndex | None = None

    def make_index(self, of: str, kept: Path | None) -> None:
        """Have an index propose neighbours, where there are many vertices."""

        def samples(wanted: int) -> Floats32:
            return self.units(drawn(len(self.lengths), wanted))

        self.index = index_of(of, self.units, len(self.lengths), samples, kept)

    def units(self, at: slice | Rows) -> Floats32:
        """Return the directions of some vertices' vectors; of a vector of zeros, zeros."""
        return _units(self.vectors[at], self.lengths[at]).astype(np.float32)

    def approximate(self, directions: Floats32, block: slice) -> Floats32:
        """Return cosines of a block of vertices, (queries, vertices)."""
        scores = _PRODUCT.approximate(directions, self.vectors[block])
        scores *= self._inverses[block]
        odd = self._odd[slice(*np.searchsorted(self._odd, (block.start, block.stop)))]
        if len(odd):
            scores[:, odd - block.start] = _PRODUCT.approximate(directions, self.units(odd))
        return scores

    def exact(self, asked: Floats, lengths: Floats, rows: Rows) -> Floats:
        """Return the cosines of pairs, each computed from nothing but the pair."""
        both = lengths * self.lengths[rows]
        products = _PRODUCT.exact(asked, self.vectors[rows])
        cosines = np.divide(products, both, out=np.zeros_like(products), where=both != 0)
        return np.asarray(np.clip(cosines, -1.0, 1.0))


class Neighbours:
    """The vertices of an artifact by the likeness of their embeddings."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._schema = folder, manifest.schema
        self._labels: dict[str, _Label] = {}
        #: (label, label of neighbours) -> training edges as CSR; link prediction alone keeps such.
        self._joined: dict[tuple[str, str], list[tuple[Rows, Rows]]] = {}
        if manifest.task is Task.LINK_PREDICTION:
            for edge in manifest.target.edges:
                arrays = folder / f"edges/{manifest.schema.edge(edge)}"
                for ends, csr in (((edge.source, edge.target), "tails"), ((edge.target, edge.source), "heads")):
                    indptr, indices = (
                        np.asarray(map_array(arrays / f"{csr}_{part}.npy")) for part in ("indptr", "indices")
                    )
                    self._joined.setdefault(ends, []).append((indptr, indices))

    def make_indices(self, kept: Path | None) -> list[IndexReport]:
        """Give an index to each label that has embeddings, and return what is to be said of them.

        Args:
            kept: see `index.index_of`.

        Raises:
            PreconditionsFailed: faiss is not installed.
        """
        reports = []
        for node in self._schema.nodes:
            with contextlib.suppress(UnsupportedOperation):  # a custom model may have none of a label
                of = self._label(node.label)
                of.make_index(f"embed_knn ({node.label})", kept)
                if of.index is not None:
                    reports.append(of.index.report)
        return reports

    def labels(self, invocation: Invocation) -> tuple[str, str]:
        """Return the labels of the vertices that are asked about, and of their neighbours.

        Raises:
            InvalidParameter: the model has no such label.
            MissingParameter: none is given, and it has several.
        """
        known = [node.label for node in self._schema.nodes]
        given = (invocation.node_type, invocation.tail_type)
        for name, label in zip(("nodeType", "tailNodeType"), given, strict=True):
            if label not in (None, *known):
                raise InvalidParameter(
                    f"{name} is {label!r}, which is no vertex label of the model{nearest(str(label), known)}"
                )
        of = given[0] or given[1] or (known[0] if len(known) == 1 else None)
        if of is None:
            raise MissingParameter(f"give nodeType, the label of the vertices; the model has {', '.join(known)}")
        return of, given[1] or of

    def stored(self, label: str, ids: Sequence[str]) -> tuple[Rows, Asked]:
        """Return the positions of those vertices that the artifact knows, and these."""
        of = self._label(label)
        rows = of.ids.rows(ids)
        at = np.flatnonzero(rows >= 0)
        return at, Asked(of.vectors[rows[at]], rows[at])

    def find(self, invocation: Invocation, at: Rows, asked: Asked, check: Callable[[], None]) -> Answers:
        """Return each item's most similar vertices, best first, ties by id.

        Args:
            invocation: what is asked.
            at: positions, among its items, of those that are known.
            asked: these.
            check: called before each block.
        """
        found: list[list[Scored]] = [[] for _ in range(len(invocation.items))]
        ends, least = self.labels(invocation), invocation.threshold
        if least == "tuned":
            raise InvalidParameter("threshold is 'tuned', which says nothing of similarities; give a number")
        of = self._label(ends[1])
        if len(asked.vectors) and asked.vectors.shape[1] != of.vectors.shape[1]:
            raise InvalidParameter(
                f"the embeddings of '{ends[0]}' are {asked.vectors.shape[1]} wide, those of '{ends[1]}' "
                f"{of.vectors.shape[1]}: ask for neighbours of the same label"
            )
        everywhere = known_rows(of.ids, invocation.exclude)
        finite = np.flatnonzero(np.isfinite(asked.vectors).all(axis=1))
        size = queries_per_pass(len(of.ids), invocation.topk)
        for start in range(0, len(finite), size):
            part = finite[start : start + size]
            left_out = [
                [everywhere, known_rows(of.ids, invocation.items.excludes[position]), *hidden]
                for position, hidden in zip(
                    at[part].tolist(), self._hidden(invocation, ends, asked.rows[part]), strict=True
                )
            ]
            best = _best(of, asked.vectors[part], invocation.topk, LeftOut.of(left_out), check)
            for position, pairs in zip(at[part].tolist(), best, strict=True):
                found[position] = [pair for pair in pairs if least is None or pair[0] >= least]
        return Answers(
            counts=np.array([len(best) for best in found], np.int64),
            ids=[name for best in found for _, name in best],
            scores=np.array([score for best in found for score, _ in best], np.float64),
        )

    def _hidden(self, invocation: Invocation, ends: tuple[str, str], rows: Rows) -> list[list[Rows]]:
        """Return what is no answer to a vertex: itself, and those that the training graph joins it to."""
        hidden = []
        for row in rows.tolist():
            itself = row >= 0 and ends[0] == ends[1] and not invocation.include_self
            joined = self._joined.get(ends, []) if row >= 0 and invocation.mask_training_edges else []
            hidden.append(
                [
                    np.array([row] if itself else [], np.int64),
                    *(indices[indptr[row] : indptr[row + 1]] for indptr, indices in joined),
                ]
            )
        return hidden

    def _label(self, label: str) -> _Label:
        if label not in self._labels:
            self._labels[label] = _Label(self._folder / f"nodes/{self._schema.node(label)}", label)
        if not self._labels[label].vectors.shape[1]:
            raise UnsupportedOperation(
                f"the custom model of this artifact gave no embeddings of '{label}' vertices"
            )
        return self._labels[label]


def lengths_of(vectors: npt.NDArray[Any]) -> Floats:
    """Return the length of each vector, summed from left to right."""
    doubles = vectors.astype(np.float64)
    return np.asarray(np.sqrt(np.cumsum(doubles * doubles, axis=1)[:, -1]))


def _best(
    of: _Label, vectors: npt.NDArray[Any], topk: int, left_out: LeftOut, check: Callable[[], None]
) -> list[list[Scored]]:
    """Return, for each vector, up to `topk` (similarity, id)."""
    doubles, lengths = vectors.astype(np.float64), lengths_of(vectors)
    directions = _units(vectors, lengths)
    directions32 = directions.astype(np.float32)
    roundings = np.array([_PRODUCT.rounding(direction, 1.0, more_terms=4) for direction in directions])

    def exhaustive(some: Rows) -> list[Rows]:
        return contenders(
            lambda block: of.approximate(directions32[some], block),
            len(of.ids),
            topk,
            roundings[some],
            left_out.of_queries(some),
            check,
        )

    with np.errstate(all="ignore"):
        if of.index is None:
            found = exhaustive(np.arange(len(vectors)))
        else:
            found = of.index.contenders(directions32, topk, left_out, exhaustive, check)
        return rescored(
            lambda queries, rows: of.exact(doubles[queries], lengths[queries], rows), found, topk, of.ids.text
        )


def _units(vectors: npt.NDArray[Any], lengths: Floats) -> Floats:
    doubles = vectors.astype(np.float64)
    return np.divide(doubles, lengths[:, None], out=np.zeros_like(doubles), where=lengths[:, None] != 0)
