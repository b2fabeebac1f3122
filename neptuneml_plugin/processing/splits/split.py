"""Which rows train, which choose the model (validation), which measure it (test).

Every kind of split gives each row a place on a line, equal where rows must stay together; `cut` then cuts the line
once for all kinds: training first, then validation, then test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.processing.configuration.sources import (
    Rates,
)
from neptuneml_plugin.processing.configuration.trainingdata import (
    SPLIT_FILES,
)

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Masks over the rows of one type, (rows,) each; a row is in one of them or in none."""

    train: Bools
    valid: Bools
    test: Bools

    def masks(self) -> Mapping[str, Bools]:
        """Return the masks by part: `train`, `valid`, `test`."""
        return {part: getattr(self, part) for part in SPLIT_FILES}

    @property
    def learnable(self) -> Bools:
        """Rows that encoders may learn from: those not held out."""
        return ~(self.valid | self.test)

    @property
    def rows(self) -> Bools:
        """Rows that are in a part."""
        return self.train | self.valid | self.test

    def __or__(self, other: "Split") -> "Split":
        """Return both, where no row is in a part of each."""
        return Split(self.train | other.train, self.valid | other.valid, self.test | other.test)

    @classmethod
    def joined(cls, splits: Sequence["Split"]) -> "Split":
        """Return the split of several tables, one after the other."""
        return cls(*(np.concatenate([getattr(split, part) for split in splits]) for part in SPLIT_FILES))

    def part(self, start: int, end: int) -> "Split":
        """Return the split of the rows from `start` to before `end`."""
        return Split(self.train[start:end], self.valid[start:end], self.test[start:end])

    def among(self, known: Bools) -> "Split":
        """Return the same with no part for rows that are not known."""
        return Split(self.train & known, self.valid & known, self.test & known)


def cut(places: Floats, rates: Rates) -> Split:
    """Cut the rows, in the order of their places, into three parts as near to the rates as can be.

    Args:
        places: (rows,); rows of equal places stay together, NaN is in no part.
        rates: shares of training, validation and test; each above 0 gets a place where there are enough.
    """
    ordered = np.sort(places[~np.isnan(places)])
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate([[0], changes, [len(ordered)]]) if len(ordered) else np.zeros(1, dtype=np.int64)
    first, second = _cuts(starts, rates)
    bounds = np.append(ordered, np.inf)[starts[[first, second]]]
    train, held = places < bounds[0], places >= bounds[0]
    return Split(train, held & (places < bounds[1]), held & (places >= bounds[1]))


def _cuts(starts: Ints, rates: Rates) -> tuple[int, int]:
    """Return how many places train, and how many train or validate; `starts` are their first rows, and the end."""
    places, rows = len(starts) - 1, int(starts[-1])
    _, valid_rate, test_rate = rates
    held_out = (valid_rate > 0) + (test_rate > 0)
    first = max(min(_nearest(starts, rows * rates[0]), places - held_out), min(places, 1))
    if valid_rate <= 0 or test_rate <= 0:
        return (first, places) if valid_rate > 0 else (first, first) if test_rate > 0 else (places, places)
    second = min(_nearest(starts, rows * (rates[0] + valid_rate)), places - 1)
    return first, min(max(second, first + 1), places)


def _nearest(starts: Ints, row: float) -> int:
    after = int(np.searchsorted(starts, row).clip(0, len(starts) - 1))
    before = max(after - 1, 0)
    return before if row - starts[before] < starts[after] - row else after


def random_places(units: Ints, classes: Ints, seed: int) -> Floats:
    """Return a random place in 0..1 for each unit, those of each class evenly spread (stratified).

    Args:
        units: which rows stay together, numbered from 0; (rows,).
        classes: of each row, numbered from -1; a unit of several is of the rarest; (rows,).
        seed: the same seed, the same places.
    """
    rng = np.random.default_rng(seed)
    count = int(units.max()) + 1 if len(units) else 0
    frequency = np.bincount(classes + 1)
    rarity = np.argsort(np.argsort(frequency, kind="stable"), kind="stable")
    stratum = np.full(count, len(rarity))
    np.minimum.at(stratum, units, rarity[classes + 1])
    order = rng.permutation(count)
    order = order[np.argsort(stratum[order], kind="stable")]
    sizes, strata = np.bincount(units, minlength=count)[order], stratum[order]
    totals = np.bincount(strata, sizes, len(rarity) + 1)
    before = np.cumsum(sizes) - sizes - (np.cumsum(totals) - totals)[strata]
    places = np.empty(count)
    # Each at a random place of its own interval.
    places[order] = (before + rng.random(count) * sizes) / np.maximum(totals[strata], 1)
    return places[units]


def latest_places(units: Ints, times: Floats) -> Floats:
    """Return the latest time of each row's unit; NaN where no row of it has one."""
    latest = np.full(int(units.max()) + 1 if len(units) else 0, -np.inf)
    np.maximum.at(latest, units, np.where(np.isnan(times), -np.inf, times))
    return np.where(np.isinf(latest), np.nan, latest)[units]


def vertex_places(sources: Ints, targets: Ints, holdable: Bools, seed: int) -> tuple[Floats, Floats]:
    """Deal out vertices, each with all its edges; return the places of the edges, and of the vertices.

    Vertices stand in random order, and an edge with the later of its ends: wherever the line is cut, the edges
    before the cut join only vertices before it.

    Args:
        sources: numbered over all labels, (edges,).
        targets: likewise.
        holdable: vertices that may be held out, (vertices,); the others stand before all of them.
        seed: the same seed, the same places.
    """
    order = np.where(holdable, np.random.default_rng(seed).permutation(len(holdable)), -1).astype(np.float64)
    return np.maximum(order[sources], order[targets]), order


def pair_units(sources: Ints, targets: Ints, vertices: int) -> Ints:
    """Number the unordered pairs of vertices that edges join, from 0: (edges,).

    Args:
        sources: numbered over all labels, (edges,).
        targets: likewise.
        vertices: their number.
    """
    keys = np.minimum(sources, targets) * vertices + np.maximum(sources, targets)
    # Half the time of `numpy.unique`.
    return pl.Series(keys).rank("dense").cast(pl.Int64).to_numpy() - 1
