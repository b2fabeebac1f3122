"""An approximate index over candidates (extra `faiss`), for scores that are products of two vectors.

It proposes candidates, which are then scored exactly like all others; what it misses, its recall says. Queries are
searched one by one in one thread, so that an item gets the same answer alone or in a batch (decision 31), and the
index is made the same way in every worker.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.serving.topk import Floats32, LeftOut, Rows, contenders

#: Fewer candidates are ranked exactly in less time than a request takes.
LEAST_CANDIDATES = 10_000
#: Up to so many a graph of neighbours is quickly made; beyond, lists of candidates that lie together.
MOST_IN_GRAPH = 50_000
#: Queries drawn from the artifact: half of them tune the index, by the other half its recall is measured.
SAMPLES = 128
#: The recall that tuning goes for.
WANTED_RECALL = 0.95
#: Best candidates that recall counts.
RECALL_AT = 10
#: Candidates proposed for each answer, and at least.
PROPOSED_PER_ANSWER, LEAST_PROPOSED = 4, 64
#: Answers of one query beyond which it is ranked exactly.
MOST_ANSWERS = 1000
#: Beyond this, products in float32 may overflow.
LARGEST = 1e15
ROWS_PER_BLOCK = 1 << 14
_NEIGHBOURS, _EFFORTS = 16, (32, 64, 128, 256, 512)
_TRAINING_ROWS_PER_LIST, _TRAINING_ROUNDS = 40, 5
_LEAST_PROBED, _MOST_PROBED_SHARE = 4, 4


@dataclass(frozen=True)
class IndexReport:
    """What the endpoint's description says of an index."""

    #: What it is asked for, such as `predict_tail (user)-rated-(movie)`.
    of: str
    #: `HNSW` or `IVF`.
    kind: str
    candidates: int
    #: Share of the best ten that it finds, for vertices drawn from the artifact.
    recall: float


class Vectors(Protocol):
    """Candidates as vectors whose product with a query is its score."""

    def __call__(self, at: slice | Rows, /) -> Floats32:
        """Return some of them, (candidates, d)."""


class ApproximateIndex:
    """Proposes candidates by their product with a query.

    Args:
        of: what it is asked for.
        vectors: the candidates.
        count: how many there are.
        samples: queries as they are asked, (n, d).

    Raises:
        PreconditionsFailed: faiss is not installed.
    """

    def __init__(self, of: str, vectors: Vectors, count: int, samples: Floats32) -> None:
        try:
            import faiss  # noqa: PLC0415 - an extra, and only of endpoints that wish for it
        except ImportError:
            raise PreconditionsFailed(
                "index 'faiss' needs faiss: pip install 'neptuneml-plugin[faiss]', or leave the index exact"
            ) from None
        faiss.omp_set_num_threads(1)
        self._count = count
        best = _best(vectors, count, samples)
        tuning, measured = (list(range(start, len(samples), 2)) for start in (0, 1))
        kind, self._index, efforts = (_graph if count <= MOST_IN_GRAPH else _lists)(faiss, vectors, count)
        for set_effort in efforts:
            set_effort()
            if self._recall(samples, best, tuning) >= WANTED_RECALL:
                break
        self.report = IndexReport(of, kind, count, round(self._recall(samples, best, measured), 4))

    def contenders(
        self,
        queries: Floats32,
        topk: int,
        left_out: LeftOut,
        exhaustive: Callable[[Rows], list[Rows]],
        check: Callable[[], None],
    ) -> list[Rows]:
        """Return rows proposed for each query.

        Args:
            queries: (queries, d)
            topk: how many are wanted.
            left_out: pairs that are not wanted.
            exhaustive: positions of queries -> rows that may be among their best: asked where the index proposes
                fewer than are wanted.
            check: called before each query.
        """
        found: list[Rows] = []
        lacking: list[int] = []
        for at, query in enumerate(queries):
            check()
            fits = topk <= MOST_ANSWERS and bool((np.abs(query) < LARGEST).all())  # a NaN does not either
            proposed = self._propose(query, topk) if fits else np.empty(0, np.int64)
            found.append(np.setdiff1d(proposed, left_out.of_query(at)))
            if len(found[at]) < topk:
                lacking.append(at)
        if lacking:
            for at, rows in zip(lacking, exhaustive(np.array(lacking)), strict=True):
                found[at] = rows
        return found

    def _propose(self, query: Floats32, topk: int) -> Rows:
        wanted = min(self._count, max(LEAST_PROPOSED, PROPOSED_PER_ANSWER * topk))
        rows = self._index.search(np.ascontiguousarray(query[None], np.float32), wanted)[1][0]
        return np.asarray(rows[rows >= 0], np.int64)

    def _recall(self, samples: Floats32, best: Sequence[Rows], positions: Sequence[int]) -> float:
        shares = [
            np.isin(best[at], self._propose(samples[at], RECALL_AT)).mean() for at in positions if len(best[at])
        ]
        return float(np.mean(shares)) if shares else 1.0


def index_of(of: str, vectors: Vectors, count: int, samples: Callable[[int], Floats32]) -> ApproximateIndex | None:
    """Return an index over candidates; None where they are few, or not such as it can hold.

    Args:
        of: what it is asked for.
        vectors: the candidates.
        count: how many there are.
        samples: how many -> queries as they are asked, (n, d); fewer, where there are not so many.
    """
    if count < LEAST_CANDIDATES:
        return None
    if not all((np.abs(vectors(block)) < LARGEST).all() for block in _blocks(count)):
        return None
    asked = samples(SAMPLES)
    return ApproximateIndex(of, vectors, count, asked[(np.abs(asked) < LARGEST).all(axis=1)])


def drawn(count: int, wanted: int) -> Rows:
    """Return rows drawn at random, the same each time, ascending."""
    return np.sort(np.random.default_rng(0).choice(count, min(count, wanted), replace=False))


#: A kind of index, the index, and what makes it take more and more pains, least first.
_Made = tuple[str, Any, list[Callable[[], None]]]


def _graph(faiss: Any, vectors: Vectors, count: int) -> _Made:
    index = faiss.IndexHNSWFlat(vectors(slice(0, 1)).shape[1], _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    for block in _blocks(count):
        index.add(vectors(block))
    return "HNSW", index, [_setter(index.hnsw, "efSearch", effort) for effort in _EFFORTS]


def _lists(faiss: Any, vectors: Vectors, count: int) -> _Made:
    """Return an index of a byte per number: candidates are scored again by the vectors themselves."""
    lists = max(1, min(int(4 * count**0.5), count // _TRAINING_ROWS_PER_LIST))
    width = vectors(slice(0, 1)).shape[1]
    index = faiss.index_factory(width, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid = _TRAINING_ROUNDS, _TRAINING_ROWS_PER_LIST
    index.train(vectors(drawn(count, lists * _TRAINING_ROWS_PER_LIST)))
    for block in _blocks(count):
        index.add(vectors(block))
    probed = [_LEAST_PROBED]
    while probed[-1] * 2 <= lists // _MOST_PROBED_SHARE:
        probed.append(probed[-1] * 2)
    return "IVF", index, [_setter(index, "nprobe", number) for number in probed]


def _setter(of: Any, name: str, value: int) -> Callable[[], None]:
    return lambda: setattr(of, name, value)


def _best(vectors: Vectors, count: int, queries: Floats32) -> list[Rows]:
    """Return the rows of the best candidates of each query, as float32 has them."""
    found: list[Rows] = []
    for start in range(0, len(queries), SAMPLES // 2):
        some = queries[start : start + SAMPLES // 2]
        contending = contenders(
            lambda block, some=some: np.ascontiguousarray((vectors(block) @ some.T).T),  # type: ignore[misc]
            count,
            RECALL_AT,
            np.zeros(len(some)),
            LeftOut.of([[]] * len(some)),
            lambda: None,
        )
        for query, rows in zip(some, contending, strict=True):
            found.append(rows[np.argsort(-(vectors(rows) @ query))[:RECALL_AT]])
    return found


def _blocks(count: int) -> list[slice]:
    return [slice(start, min(start + ROWS_PER_BLOCK, count)) for start in range(0, count, ROWS_PER_BLOCK)]
