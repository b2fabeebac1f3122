"""Splits: whole, disjoint, deterministic, stratified; rows of one unit together."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.processing.configuration.sources import (
    Rates,
)
from neptuneml_plugin.processing.splits.split import (
    Floats,
    Split,
    cut,
    latest_places,
    pair_units,
    random_places,
    vertex_places,
)

RATES = st.sampled_from([(0.9, 0.1, 0.0), (0.9, 0.05, 0.05), (1.0, 0.0, 0.0), (0.5, 0.0, 0.5), (0.2, 0.4, 0.4)])


def counts(split: Split) -> tuple[int, ...]:
    return tuple(int(mask.sum()) for mask in split.masks().values())


def parts(split: Split) -> list[int]:
    """Return 0, 1, 2 for training, validation and test; -1 for rows in none."""
    assert (split.train.astype(int) + split.valid + split.test).max(initial=0) <= 1
    return np.select([split.train, split.valid, split.test], [0, 1, 2], -1).tolist()  # type: ignore[no-any-return]


def random_split(units: list[int], rates: Rates, seed: int = 0, classes: list[int] | None = None) -> Split:
    groups = np.array(classes if classes is not None else [0] * len(units), dtype=np.int64)
    return cut(random_places(np.array(units, dtype=np.int64), groups, seed), rates)


@given(units=st.lists(st.integers(0, 30), min_size=1, max_size=60), rates=RATES, seed=st.integers(0, 9))
def test_every_row_is_in_one_part_and_units_stay_together(units: list[int], rates: Rates, seed: int) -> None:
    numbered = np.unique(units, return_inverse=True)[1].tolist()
    got = parts(random_split(numbered, rates, seed))
    assert min(got) == 0
    assert len(set(zip(units, got, strict=True))) == len(set(units))
    for part, rate in enumerate(rates):
        assert rate > 0 or part not in got
        assert rate == 0 or len(set(units)) < 3 or part in got


@given(places=st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan]), max_size=40), rates=RATES)
def test_the_line_is_cut_in_order(places: list[float], rates: Rates) -> None:
    line = np.array(places, dtype=np.float64)
    split = cut(line, rates)
    known = ~np.isnan(line)
    assert ((split.train | split.valid | split.test) == known).all()
    bounds = [(line[mask].min(), line[mask].max()) for mask in split.masks().values() if mask.any()]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(bounds))
    assert parts(split) == parts(cut(line * 7 + 1, rates))


@given(rows=st.integers(1, 300), rates=RATES)
def test_parts_are_as_near_to_the_rates_as_can_be(rows: int, rates: Rates) -> None:
    for rate, size in zip(rates, counts(random_split(list(range(rows)), rates)), strict=True):
        assert abs(size - rate * rows) <= 2


@pytest.mark.parametrize(
    ("rows", "rates", "expected"),
    [
        (10, (0.9, 0.1, 0.0), (9, 1, 0)),
        (4, (0.9, 0.1, 0.0), (3, 1, 0)),
        (3, (0.9, 0.05, 0.05), (1, 1, 1)),
        (2, (0.9, 0.05, 0.05), (1, 1, 0)),
        (1, (0.9, 0.1, 0.0), (1, 0, 0)),
        (1000, (0.8, 0.1, 0.1), (800, 100, 100)),
        (7, (1.0, 0.0, 0.0), (7, 0, 0)),
        (10, (0.5, 0.0, 0.5), (5, 0, 5)),
        (0, (0.9, 0.1, 0.0), (0, 0, 0)),
    ],
)
def test_sizes(rows: int, rates: Rates, expected: tuple[int, ...]) -> None:
    assert counts(random_split(list(range(rows)), rates)) == expected


def test_sizes_count_rows_and_not_units() -> None:
    units = [0] * 50 + list(range(1, 51))
    for seed in range(5):
        assert abs(counts(random_split(units, (0.5, 0.0, 0.5), seed))[0] - 50) <= 25


def test_seed_decides() -> None:
    def places(seed: int) -> bytes:
        return random_places(np.arange(200), np.arange(200) % 3, seed).tobytes()

    assert places(1) == places(1)
    assert places(1) != places(2)


def test_classes_are_dealt_out_evenly() -> None:
    groups = np.repeat([0, 1, 2], [700, 200, 100])
    split = random_split(list(range(1000)), (0.8, 0.1, 0.1), 3, groups.tolist())
    for mask, share in ((split.train, 0.8), (split.valid, 0.1), (split.test, 0.1)):
        for group, size in enumerate([700, 200, 100]):
            assert abs(int((groups[mask] == group).sum()) - share * size) <= 2


def test_a_unit_of_several_classes_counts_for_the_rarest() -> None:
    units = np.repeat(np.arange(500), 2)
    rare = np.arange(500) % 10 == 0
    classes = np.stack([np.zeros(500, dtype=int), rare.astype(int)], axis=1).reshape(-1)
    split = random_split(units.tolist(), (0.8, 0.1, 0.1), 1, classes.tolist())
    for mask, expected in ((split.train, 40), (split.valid, 5), (split.test, 5)):
        assert abs(int((classes[mask] == 1).sum()) - expected) <= 1


def test_pairs_are_unordered() -> None:
    units = pair_units(np.array([1, 2, 1, 3, 3]), np.array([2, 1, 3, 3, 1]), 4)
    assert units[0] == units[1]
    assert units[2] == units[4]
    assert len(set(units.tolist())) == 3


def test_a_unit_stands_at_its_latest_moment() -> None:
    places = latest_places(np.array([0, 1, 0, 2, 1]), np.array([1.0, 5.0, 3.0, np.nan, np.nan]))
    assert np.array_equal(places, [3.0, 5.0, 3.0, np.nan, 5.0], equal_nan=True)


@given(seed=st.integers(0, 20), held=st.sampled_from(["all", "even"]))
def test_edges_before_a_cut_join_only_vertices_before_it(seed: int, held: str) -> None:
    rng = np.random.default_rng(seed)
    sources, targets = rng.integers(20, size=80), rng.integers(20, size=80)
    holdable = np.ones(20, dtype=bool) if held == "all" else np.arange(20) % 2 == 0
    places: Floats
    places, order = vertex_places(sources, targets, holdable, seed)
    split = cut(places, (0.6, 0.2, 0.2))
    first_held = places[split.valid | split.test].min()
    seen = order < first_held
    assert seen[sources[split.train]].all()
    assert seen[targets[split.train]].all()
    assert (seen[sources] & seen[targets] == split.train).all()
    assert holdable[~seen].all()


def test_masks_of_a_range_and_of_known_rows() -> None:
    split = cut(np.array([0.0, 1.0, 2.0, 3.0]), (0.5, 0.25, 0.25))
    assert parts(split) == [0, 0, 1, 2]
    assert parts(split.part(1, 3)) == [0, 1]
    assert parts(split.among(np.array([True, False, True, False]))) == [0, -1, 1, -1]
    assert split.learnable.tolist() == [True, True, False, False]
