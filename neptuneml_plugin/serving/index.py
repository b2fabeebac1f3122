"""An approximate index over candidates (extra `faiss`), for scores that are products of two vectors.

It proposes candidates, which are then scored exactly like all others; what it misses, its recall says. Queries are
searched one by one in one thread, so that an item gets the same answer alone or in a batch (decision 31), and all
workers of a version map one index, which the first of them has made.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.serving.topk import Floats32, LeftOut, Rows, contenders
from neptuneml_plugin.stage import write_json

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


_log = logging.getLogger(__name__)


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
        index: faiss's.
        report: what is to be said of it.
    """

    def __init__(self, index: Any, report: IndexReport) -> None:
        self.report = report
        self._index, self._count = index, report.candidates

    @classmethod
    def make(cls, of: str, vectors: Vectors, count: int, samples: Floats32) -> "ApproximateIndex":
        """Return an index that takes as few pains as the wanted recall allows.

        Args:
            of: what it is asked for.
            vectors: the candidates.
            count: how many there are.
            samples: queries as they are asked, (n, d).
        """
        best = _best(vectors, count, samples)
        tuning, measured = (list(range(start, len(samples), 2)) for start in (0, 1))
        kind, index, efforts = (_graph if count <= MOST_IN_GRAPH else _lists)(_faiss(), vectors, count)
        made = cls(index, IndexReport(of, kind, count, 1.0))
        for set_effort in efforts:
            set_effort()
            if made._recall(samples, best, tuning) >= WANTED_RECALL:
                break
        made.report = replace(made.report, recall=round(made._recall(samples, best, measured), 4))
        return made

    @classmethod
    def read(cls, path: Path) -> "ApproximateIndex":
        """Map what `write` has written: its pages are in memory once, however many workers map it.

        Raises:
            OSError: there is none, or it cannot be read.
            ValueError: it is none, or of another release of faiss.
        """
        faiss = _faiss()
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if told.pop("faiss", None) != faiss.__version__:
            raise ValueError(f"{path} is of another release of faiss")
        try:
            return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC), IndexReport(**told))
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"{path} is no index: {error}") from None

    def write(self, path: Path) -> None:
        """Write it, and beside it what is to be said of it.

        Raises:
            OSError: the disk is full, or the folder gone.
        """
        faiss = _faiss()
        fresh = path.with_suffix(".fresh")
        try:
            faiss.write_index(self._index, str(fresh))
        except RuntimeError as error:
            raise OSError(f"{fresh} cannot be written: {error}") from None
        write_json(path.with_suffix(".json"), asdict(self.report) | {"faiss": faiss.__version__})
        fresh.replace(path)

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


def index_of(
    of: str, vectors: Vectors, count: int, samples: Callable[[int], Floats32], kept: Path | None = None
) -> ApproximateIndex | None:
    """Return an index over candidates; None where they are few, or not such as it can hold.

    Whoever comes first makes it, and others wait; where it cannot be kept, each makes one for itself.

    Args:
        of: what it is asked for.
        vectors: the candidates.
        count: how many there are.
        samples: how many -> queries as they are asked, (n, d); fewer, where there are not so many.
        kept: the folder where all workers of this version keep their indices.

    Raises:
        PreconditionsFailed: faiss is not installed.
    """
    if count < LEAST_CANDIDATES:
        return None
    _faiss().omp_set_num_threads(1)
    if kept is None:
        return _made(of, vectors, count, samples)
    path = kept / f"{hashlib.sha256(of.encode()).hexdigest()[:16]}.faiss"
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with _turn(kept):
            return _mapped(path) or _mapped_again(path, _made(of, vectors, count, samples))
    except OSError as error:
        _log.warning("an index is not kept, and this worker has its own: %s", error)
        return _made(of, vectors, count, samples)


def _mapped(path: Path) -> ApproximateIndex | None:
    try:
        return ApproximateIndex.read(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        _log.info("%s; it is made again", error)
        return None


def _mapped_again(path: Path, made: ApproximateIndex | None) -> ApproximateIndex | None:
    """Keep what was made, and return it as the others have it."""
    if made is not None:
        made.write(path)
        return ApproximateIndex.read(path)
    return None


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait until no other process makes an index in a folder."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made(of: str, vectors: Vectors, count: int, samples: Callable[[int], Floats32]) -> ApproximateIndex | None:
    if not all((np.abs(vectors(block)) < LARGEST).all() for block in _blocks(count)):
        return None
    asked = samples(SAMPLES)
    return ApproximateIndex.make(of, vectors, count, asked[(np.abs(asked) < LARGEST).all(axis=1)])


def _faiss() -> Any:
    """Return the package.

    Raises:
        PreconditionsFailed: it is not installed.
    """
    try:
        import faiss  # noqa: PLC0415 - an extra, and only of endpoints that wish for it
    except ImportError:
        raise PreconditionsFailed(
            "index 'faiss' needs faiss: pip install 'neptuneml-plugin[faiss]', or leave the index exact"
        ) from None
    return faiss


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
