"""Which rows train, which choose the model (validation), which measure it (test)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.processing.trainingdata import SPLIT_FILES, Rates

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


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


def random_split(known: Bools, rates: Rates, seed: int, groups: Ints) -> Split:
    """Deal the known rows out by their rates; the same seed deals the same.

    Args:
        known: rows that have an answer, (rows,).
        rates: shares of training, validation and test.
        seed: of the shuffle.
        groups: classes, dealt out evenly where they have enough rows (stratified); (rows,).
    """
    rows = np.flatnonzero(known)
    rng = np.random.default_rng(seed)
    shuffled = rows[rng.permutation(len(rows))]
    _, group_of, sizes = np.unique(groups[shuffled], return_inverse=True, return_counts=True)
    by_group = np.argsort(group_of, kind="stable")
    rank = np.empty(len(rows), dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    rank[by_group] = np.arange(len(rows)) - np.repeat(starts, sizes)
    # A group's rows stand evenly spread over 0..1, each at a random place in its own interval.
    position = (rank + rng.random(len(rows))) / sizes[group_of]
    dealt = shuffled[np.argsort(position, kind="stable")]
    train, valid = _sizes(len(rows), rates)
    parts = dealt[:train], dealt[train : train + valid], dealt[train + valid :]
    return Split(*(_mask(len(known), part) for part in parts))


def link_split(sources: Ints, targets: Ints, rates: Rates, seed: int) -> Split:
    """Deal edges out; parallel edges go together, so that none is held out while its twin is learnt from."""
    _, pair = np.unique(np.stack([sources, targets]), axis=1, return_inverse=True)
    pair = pair.reshape(-1)
    pairs = int(pair.max()) + 1 if len(pair) else 0
    dealt = random_split(np.ones(pairs, dtype=bool), rates, seed, np.zeros(pairs, dtype=np.int64))
    return Split(dealt.train[pair], dealt.valid[pair], dealt.test[pair])


def _sizes(count: int, rates: Rates) -> tuple[int, int]:
    """Return rows of training and of validation; the rest is test. Each share above 0 gets a row where it can."""
    train_rate, valid_rate, test_rate = rates
    held_out = (valid_rate > 0) + (test_rate > 0)
    train = max(min(round(count * train_rate), count - held_out), min(count, 1))
    left = count - train
    if test_rate <= 0:
        return train + (0 if valid_rate > 0 else left), left if valid_rate > 0 else 0
    valid = max(min(round(count * valid_rate), left - 1), min(left, 1)) if valid_rate > 0 else 0
    return train, valid


def _mask(count: int, rows: Ints) -> Bools:
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask
