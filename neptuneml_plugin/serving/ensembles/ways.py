"""Links by several models that know the same vertices: `links.Way`, whose scores are probabilities already."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.ensembles.finish import shares
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.directions import Direction, Ends
from neptuneml_plugin.serving.topk import Floats, LeftOut, Rows, Scored, ranked


class Judges:
    """The weighted mean of what models say of pairs, as probabilities.

    Args:
        directions: one of each model.
        calibrations: score -> probability, of each.
        weights: of each.
    """

    def __init__(
        self,
        directions: Sequence[Direction],
        calibrations: Sequence[Callable[[float], float]],
        weights: Sequence[float],
    ) -> None:
        self._directions, self._calibrations, self._shares = directions, calibrations, shares(weights)

    def mean(self, scores: Sequence[float]) -> float:
        """Return the mean of the models' scores of one pair; not a number where one of them has none."""
        if not all(map(math.isfinite, scores)):
            return math.nan
        total = 0.0  # in one order, so that greater scores never have a smaller mean
        for score, calibrate, share in zip(scores, self._calibrations, self._shares, strict=True):
            total += share * calibrate(score)
        return total

    def judge(
        self, ends: Sequence[Ends], moved: Sequence[Floats], query: int, names: Sequence[str]
    ) -> list[Scored]:
        """Return (score, id) of candidates for one known end, without those that a model has no score for."""
        rows = self._directions[0].candidates.rows(names)
        queries = np.full(len(rows), query, np.int64)
        each = [
            direction.exact(own_ends, own_moved, queries, rows).tolist()
            for direction, own_ends, own_moved in zip(self._directions, ends, moved, strict=True)
        ]
        scored = ((self.mean(scores), name) for scores, name in zip(zip(*each, strict=True), names, strict=True))
        return [(score, name) for score, name in scored if not math.isnan(score)]

    def judge_others(self, each: Sequence[Sequence[Scored]]) -> list[Scored]:
        """Return (score, id) of candidates that all models have scored themselves."""
        by_name = [{name: score for score, name in scored} for scored in each]
        common = [name for name in by_name[0] if all(name in scores for scores in by_name)]
        return [(self.mean([scores[name] for scores in by_name]), name) for name in common]


class _Together:
    """What all ways have in common. Vectors of known ends stand side by side, a model after the other."""

    def __init__(self, directions: Sequence[Direction], judges: Judges) -> None:
        self._directions, self._judges = directions, judges
        self._splits = np.cumsum([direction.known_vectors.shape[1] for direction in directions])[:-1]

    @property
    def known_type(self) -> str:
        """See `links.Way`."""
        return self._directions[0].known_type

    @property
    def candidate_type(self) -> str:
        """See `links.Way`."""
        return self._directions[0].candidate_type

    @property
    def candidates(self) -> IdColumn:
        """See `links.Way`."""
        return self._directions[0].candidates

    @property
    def self_loops(self) -> bool:
        """See `links.Way`."""
        return self._directions[0].self_loops

    def ends(self, ids: Sequence[str]) -> tuple[Rows, Ends]:
        """See `links.Way`."""
        found = [direction.ends(ids) for direction in self._directions]
        return found[0][0], joined([ends for _, ends in found])

    def move(self, vectors: npt.NDArray[Any]) -> Floats:
        """See `links.Way`."""
        parts = np.split(vectors, self._splits, axis=1)
        moved = [direction.move(part) for direction, part in zip(self._directions, parts, strict=True)]
        return np.concatenate(moved, axis=1)

    def left_out(self, row: int, *, masked: bool) -> list[Rows]:
        """See `links.Way`."""
        return self._directions[0].left_out(row, masked=masked)

    def others(
        self, moved: Floats, bias: npt.NDArray[Any], candidates: Ends, left_out: Collection[str]
    ) -> list[Scored]:
        """See `links.Way`."""
        parts = zip(self._directions, np.split(moved, self._splits), bias, self._each(candidates), strict=True)
        each = [direction.others(own, of, given, left_out) for direction, own, of, given in parts]
        return self._judges.judge_others(each[-self._judged :])

    @property
    def _judged(self) -> int:
        """How many of the models, the last ones, are asked for scores."""
        return len(self._directions)

    def _each(self, ends: Ends) -> list[Ends]:
        """Return the ends as each model knows them."""
        vectors = np.split(ends.vectors, self._splits, axis=1)
        return [Ends(ends.ids, own, ends.biases[:, at], ends.rows) for at, own in enumerate(vectors)]


class Averaged(_Together):
    """The candidates with the largest mean."""

    def best(
        self, ends: Ends, moved: Floats, topk: int, left_out: LeftOut, check: Callable[[], None]
    ) -> list[list[Scored]]:
        """See `links.Way`.

        All models name their best candidates. Those that no model has named are at most as good as the last that
        each has: once the `topk` best of the named are better than these would be together, none is missing.
        Otherwise each names twice as many.
        """
        each, parts = self._each(ends), np.split(moved, self._splits, axis=1)
        best: list[list[Scored]] = [[] for _ in ends.ids]
        open_queries, wanted = list(range(len(ends.ids))), topk
        while open_queries:
            named = list(self._named(each, parts, open_queries, wanted, left_out, check))
            still_open = []
            for query, lists in zip(open_queries, named, strict=True):
                names = list(dict.fromkeys(name for scored in lists for _, name in scored))
                best[query] = ranked(self._judges.judge(each, parts, query, names), topk)
                if not self._is_complete(best[query], lists, topk, wanted):
                    still_open.append(query)
            open_queries, wanted = still_open, 2 * wanted
        return best

    def _named(
        self,
        each: Sequence[Ends],
        parts: Sequence[Floats],
        queries: Sequence[int],
        wanted: int,
        left_out: LeftOut,
        check: Callable[[], None],
    ) -> Iterator[tuple[list[Scored], ...]]:
        """Yield, for each of some queries, the candidates that each model names."""
        of_these = LeftOut.of([[left_out.of_query(query)] for query in queries])
        lists = [
            direction.best(_some(ends, queries), part[queries], wanted, of_these, check)
            for direction, ends, part in zip(self._directions, each, parts, strict=True)
        ]
        return zip(*lists, strict=True)

    def _is_complete(
        self, best: Sequence[Scored], lists: Sequence[Sequence[Scored]], topk: int, wanted: int
    ) -> bool:
        if any(len(scored) < wanted for scored in lists):  # one that a model has no score for is no answer
            return True
        most = self._judges.mean([scored[-1][0] for scored in lists])
        return len(best) >= topk and best[topk - 1][0] > most


class Rescored(_Together):
    """The best candidates of the first model, in the order of the others' mean.

    Args:
        directions: one of each model.
        judges: all but the first.
        proposed: how many the first one names.
    """

    def __init__(self, directions: Sequence[Direction], judges: Judges, proposed: int) -> None:
        super().__init__(directions, judges)
        self._proposed = proposed

    @property
    def _judged(self) -> int:
        return len(self._directions) - 1

    def best(
        self, ends: Ends, moved: Floats, topk: int, left_out: LeftOut, check: Callable[[], None]
    ) -> list[list[Scored]]:
        """See `links.Way`."""
        each, parts = self._each(ends), np.split(moved, self._splits, axis=1)
        proposals = self._directions[0].best(each[0], parts[0], self._proposed, left_out, check)
        return [
            ranked(self._judges.judge(each[1:], parts[1:], query, [name for _, name in scored]), topk)
            for query, scored in enumerate(proposals)
        ]


def joined(each: Sequence[Ends]) -> Ends:
    """Return the ends as all models know them, who know the same."""
    vectors = np.concatenate([ends.vectors for ends in each], axis=1)
    return Ends(each[0].ids, vectors, np.stack([ends.biases for ends in each], axis=1), each[0].rows)


def _some(ends: Ends, at: Sequence[int]) -> Ends:
    return Ends([ends.ids[one] for one in at], ends.vectors[at], ends.biases[at], ends.rows[at])
