"""The best of many candidates, exactly, from scores that are known only up to a rounding (decision 31).

Candidates are scored in float32 by matrix products, whose rounding depends on the batch, block after block and for
all queries at once. Of each group of candidates in a block only the largest score is looked at: the `topk` largest
of these are a bound below which no score can be among the best. Every candidate above it, less the rounding, is
then scored again in float64, by a sum that depends on nothing but the pair.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
#: (score, id)
Scored = tuple[float, str]

#: Float32 scores held at once: 2 MiB, which stay in a processor's cache.
SCORES_PER_BLOCK = 1 << 19
#: Candidates of which one score is looked at.
GROUP = 64
#: Groups to have for each answer, so that the best of them seldom share one.
GROUPS_PER_ANSWER = 8
#: Queries that pass over the candidates together, and pairs of both: what is held where all scores are alike.
QUERIES_PER_PASS = 64
PAIRS_PER_PASS = 1 << 24
#: Candidates whose float64 products are held at once.
RESCORED_PER_BLOCK = 1 << 13
#: Beyond this, float32 products may overflow, and every candidate is re-scored.
LARGEST_BOUND = 1e25


@dataclass(frozen=True)
class LeftOut:
    """Pairs that are no answers, ascending by candidate."""

    candidates: Rows
    #: Positions of their queries.
    queries: Rows

    @classmethod
    def of(cls, rows: Sequence[Iterable[Rows]]) -> "LeftOut":
        """Return the pairs of each query and its rows, which are given in several arrays."""
        by_query = [np.concatenate([np.empty(0, np.int64), *arrays]) for arrays in rows]
        candidates = np.concatenate([np.empty(0, np.int64), *by_query])
        order = np.argsort(candidates, kind="stable")
        queries = np.repeat(np.arange(len(by_query)), [len(one) for one in by_query])
        return cls(candidates[order], queries[order])

    def of_query(self, query: int) -> Rows:
        """Return the candidates that one query leaves out."""
        return np.asarray(self.candidates[self.queries == query])

    def of_queries(self, queries: Rows) -> "LeftOut":
        """Return the pairs of some queries, in their order."""
        return LeftOut.of([[self.of_query(query)] for query in queries.tolist()])

    def within(self, block: slice) -> tuple[Rows, Rows]:
        """Return the positions, in a block, of candidates, and their queries."""
        first, last = np.searchsorted(self.candidates, (block.start, block.stop))
        return self.candidates[first:last] - block.start, self.queries[first:last]


def queries_per_pass(candidates: int, topk: int) -> int:
    """Return how many queries to rank together."""
    return max(1, min(QUERIES_PER_PASS, PAIRS_PER_PASS // max(1, candidates), SCORES_PER_BLOCK // max(1, topk)))


def contenders(
    approximate: Callable[[slice], Floats32],
    candidates: int,
    topk: int,
    roundings: Floats,
    left_out: LeftOut,
    check: Callable[[], None],
) -> list[Rows]:
    """Return, for each query, the rows that may be among its `topk` best.

    Args:
        approximate: candidates -> their scores, (queries, candidates). One that is not finite is no candidate.
        candidates: how many there are.
        topk: how many are wanted.
        roundings: how far off the scores of each query may be, (queries,); where this is beyond `LARGEST_BOUND` or
            not finite, all candidates are returned.
        left_out: pairs that are not wanted.
        check: called before each block.
    """
    loose = ~(roundings <= LARGEST_BOUND)
    search = _Search(min(topk, candidates), np.where(loose, 0.0, roundings))
    if not loose.all():
        for block, width in _blocks(candidates, topk, len(roundings)):
            check()
            scores = approximate(block)
            at, queries = left_out.within(block)
            scores[queries, at] = -np.inf
            scores[loose] = -np.inf
            search.look_at(scores, block.start, width)
    found = search.found()
    for query in np.flatnonzero(loose).tolist():
        found[query] = np.delete(np.arange(candidates), left_out.of_query(query))
    return found


def rescored(
    exact: Callable[[Rows, Rows], Floats], contending: Sequence[Rows], topk: int, name: Callable[[int], str]
) -> list[list[Scored]]:
    """Return, for each query, up to `topk` (score, id), best first, ties by id.

    Args:
        exact: (queries, candidates), equally long -> their scores; one that is not finite is no answer.
        contending: rows of candidates for each query, the best among them.
        topk: how many are wanted.
        name: row -> id.
    """
    lengths = [len(rows) for rows in contending]
    queries, rows = np.repeat(np.arange(len(lengths)), lengths), np.concatenate(contending)
    scores = np.empty(len(rows))
    for start in range(0, len(rows), RESCORED_PER_BLOCK):
        block = slice(start, start + RESCORED_PER_BLOCK)
        scores[block] = exact(queries[block], rows[block])
    ends = np.cumsum(lengths)[:-1]
    return [
        _best(*of_query, topk, name) for of_query in zip(np.split(scores, ends), np.split(rows, ends), strict=True)
    ]


def ranked(scored: Iterable[Scored], topk: int) -> list[Scored]:
    """Return the best, ties by id."""
    return sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:topk]


def _best(scores: Floats, rows: Rows, topk: int, name: Callable[[int], str]) -> list[Scored]:
    finite = np.isfinite(scores)
    scores, rows = scores[finite], rows[finite]
    if len(scores) > topk:
        among_best = scores >= np.partition(scores, len(scores) - topk)[len(scores) - topk]
        scores, rows = scores[among_best], rows[among_best]
    return ranked(zip(scores.tolist(), map(name, rows.tolist()), strict=True), topk)


def _blocks(candidates: int, topk: int, queries: int) -> Iterator[tuple[slice, int]]:
    """Yield blocks of candidates, and the size of their groups, of which they are a multiple."""
    size = max(1, SCORES_PER_BLOCK // queries)
    width = max(1, min(GROUP, size, candidates // (GROUPS_PER_ANSWER * topk)))
    whole = candidates - candidates % width
    for start in range(0, whole, size - size % width):
        yield slice(start, min(start + size - size % width, whole)), width
    if whole < candidates:
        yield slice(whole, candidates), 1


class _Search:
    """What has been seen of the candidates so far.

    Args:
        topk: at most the number of candidates.
        roundings: (queries,)
    """

    def __init__(self, topk: int, roundings: Floats) -> None:
        self._topk, self._roundings = topk, roundings
        #: Scores of different candidates; the least of them is one that the `topk` best reach. (topk, queries)
        self._largest = np.full((topk, len(roundings)), -np.inf, np.float32)
        self._found: list[tuple[Rows, Rows, Floats32]] = []

    def look_at(self, scores: Floats32, start: int, width: int) -> None:
        """Take in a block of candidates, (queries, candidates), whose first is `start`."""
        groups = scores.T.reshape(width, -1, len(scores))
        largest = groups.max(axis=0)
        if not (largest < np.inf).all():  # not a number, or infinite
            groups = np.where(np.isfinite(groups), groups, np.float32(-np.inf))
            largest = groups.max(axis=0)
        every = np.concatenate([self._largest, largest])
        self._largest = np.partition(every, len(every) - self._topk, axis=0)[len(every) - self._topk :]
        least = self._least()
        group, query = np.nonzero(largest >= least)
        values = groups[:, group, query]
        member, at = np.nonzero((values >= least[query]) & (values > -np.inf))
        rows = start + member * groups.shape[1] + group[at]
        self._found.append((query[at], rows, values[member, at]))

    def found(self) -> list[Rows]:
        """Return the rows of each query."""
        count = len(self._roundings)
        if not self._found:
            return [np.empty(0, np.int64)] * count
        queries, rows, values = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        kept = values >= self._least()[queries]
        queries, rows = queries[kept], rows[kept]
        order = np.argsort(queries, kind="stable")
        ends = np.searchsorted(queries[order], np.arange(1, count))
        return [np.asarray(part) for part in np.split(rows[order], ends)]

    def _least(self) -> Any:
        """Return what a score must have for its candidate to be among the best, (queries,)."""
        return (self._largest[0] - 2 * self._roundings).astype(np.float32)
