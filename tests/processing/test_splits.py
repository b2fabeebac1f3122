"""Splits: whole, disjoint, deterministic, stratified; parallel edges together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.processing.splits import Split, link_split, random_split

RATES = st.sampled_from([(0.9, 0.1, 0.0), (0.9, 0.05, 0.05), (1.0, 0.0, 0.0), (0.5, 0.0, 0.5), (0.2, 0.4, 0.4)])


def counts(split: Split) -> tuple[int, ...]:
    return tuple(int(mask.sum()) for mask in split.masks().values())


@given(known=st.lists(st.booleans(), min_size=1, max_size=60), rates=RATES, seed=st.integers(0, 9))
def test_every_known_row_is_in_one_part(known: list[bool], rates: tuple[float, float, float], seed: int) -> None:
    rows = np.array(known)
    split = random_split(rows, rates, seed, np.zeros(len(rows), dtype=np.int64))
    assert (split.train.astype(int) + split.valid + split.test == rows).all()
    for rate, size in zip(rates, counts(split), strict=True):
        assert rate > 0 or size == 0
        assert abs(size - rate * rows.sum()) <= 2
    if rows.any():
        assert split.train.any()


@pytest.mark.parametrize(
    ("rows", "rates", "expected"),
    [
        (10, (0.9, 0.1, 0.0), (9, 1, 0)),
        (4, (0.9, 0.1, 0.0), (3, 1, 0)),
        (3, (0.9, 0.05, 0.05), (1, 1, 1)),
        (1, (0.9, 0.1, 0.0), (1, 0, 0)),
        (1000, (0.8, 0.1, 0.1), (800, 100, 100)),
        (7, (1.0, 0.0, 0.0), (7, 0, 0)),
        (10, (0.5, 0.0, 0.5), (5, 0, 5)),
    ],
)
def test_sizes(rows: int, rates: tuple[float, float, float], expected: tuple[int, ...]) -> None:
    split = random_split(np.ones(rows, dtype=bool), rates, 0, np.zeros(rows, dtype=np.int64))
    assert counts(split) == expected


def test_seed_decides() -> None:
    def masks(seed: int) -> bytes:
        split = random_split(np.ones(200, dtype=bool), (0.8, 0.1, 0.1), seed, np.arange(200) % 3)
        return b"".join(mask.tobytes() for mask in split.masks().values())

    assert masks(1) == masks(1)
    assert masks(1) != masks(2)


def test_classes_are_dealt_out_evenly() -> None:
    groups = np.repeat([0, 1, 2], [700, 200, 100])
    split = random_split(np.ones(1000, dtype=bool), (0.8, 0.1, 0.1), 3, groups)
    for mask, share in ((split.train, 0.8), (split.valid, 0.1), (split.test, 0.1)):
        for group, size in enumerate([700, 200, 100]):
            assert abs(int((groups[mask] == group).sum()) - share * size) <= 2


def test_parallel_links_go_together() -> None:
    rng = np.random.default_rng(0)
    sources, targets = rng.integers(8, size=300), rng.integers(8, size=300)
    split = link_split(sources, targets, (0.6, 0.2, 0.2), 0)
    parts = np.select([split.train, split.valid, split.test], [0, 1, 2], -1)
    assert parts.min() == 0
    assert set(parts) == {0, 1, 2}
    for pair in set(zip(sources, targets, strict=True)):
        assert len(set(parts[(sources == pair[0]) & (targets == pair[1])])) == 1


def test_no_links() -> None:
    empty = np.array([], dtype=np.int64)
    assert counts(link_split(empty, empty, (0.9, 0.1, 0.0), 0)) == (0, 0, 0)


def test_learnable_rows_are_those_not_held_out() -> None:
    split = Split(
        *(
            np.array(mask)
            for mask in ([True, False, False, False], [False, True, False, False], [False, False, True, False])
        )
    )
    assert split.learnable.tolist() == [True, False, False, True]
