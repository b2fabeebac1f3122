"""Combinations, instances for a wanted rate, and which configuration is recommended."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.loadtest.choosing import (
    NOISE,
    Configuration,
    Confirmation,
    Measurement,
    Wanted,
    choose,
    grid,
    instances_needed,
    row,
)
from neptuneml_plugin.loadtest.figures import Step


def at(rate: int, p99_ms: float = 1.0, users: int = 8, errors: int = 0) -> Step:
    return Step(users, 1.0, rate, 0.5, 0.8, p99_ms, {"a": errors} if errors else {})


def measured(*steps: Step, instances: int = 1, max_batch: int | None = None, threads: int = 1) -> Measurement:
    return Measurement(Configuration(instances, threads, max_batch), steps, instances)


STEPS = st.builds(at, st.integers(1, 10_000), st.floats(0.1, 100.0), st.integers(1, 64), st.integers(0, 3))
MEASUREMENTS = st.lists(
    st.builds(
        lambda steps, instances, batch: measured(*steps, instances=instances, max_batch=batch),
        st.lists(STEPS, min_size=1, max_size=4),
        st.integers(1, 4),
        st.sampled_from([None, 1, 1024]),
    ),
    min_size=1,
    max_size=6,
)
WANTED = st.builds(Wanted, st.none() | st.floats(1.0, 1e5), st.none() | st.floats(0.1, 100.0))


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6), st.integers(1, 16))
def test_instances_are_enough_and_one_less_is_not(rps: float, rate: float, instances: int) -> None:
    needed = instances_needed(rps, rate, instances)
    each = rate / instances
    assert needed * each >= rps * (1 - 1e-6)
    assert needed == 1 or (needed - 1) * each < rps * (1 + 1e-6)


def test_instances_of_the_published_table() -> None:
    """Wanted are 30,000 a minute: as many as one gives, rounded up."""
    assert instances_needed(30_000, 490, 1) == 62
    assert instances_needed(30_000, 3_192, 1) == 10
    assert instances_needed(1_000, 500, 1) == 2
    assert instances_needed(1_000, 500, 2) == 4


@given(
    st.dictionaries(
        st.sampled_from(["instances", "threads", "max_batch", "max_delay_us", "cache_mib"]),
        st.lists(st.integers(1, 5), max_size=3),
    )
)
def test_a_grid_has_every_combination_once(choices: dict[str, list[int]]) -> None:
    found = list(grid(choices))
    assert len(found) == len(set(found)) == math.prod(len(set(values)) for values in choices.values() if values)
    for configuration in found:
        assert all(getattr(configuration, name) in values for name, values in choices.items() if values)


def test_what_a_configuration_is_called_and_what_workers_are_told() -> None:
    configuration = Configuration(2, 1, 512, 100)
    assert str(configuration) == "instances 2, batch 512, delay µs 100"
    assert str(Configuration(threads=2)) == "instances 1, threads 2"
    assert configuration.for_worker() == {"max_batch": 512, "max_delay_us": 100}
    assert Configuration().for_worker() == {}


@given(MEASUREMENTS, WANTED)
def test_what_is_recommended_is_within_the_limits_and_nothing_is_better(
    measurements: list[Measurement], wanted: Wanted
) -> None:
    rows = [row(measurement, wanted) for measurement in measurements]
    chosen = choose(rows)
    fitting = [each for each in rows if each.fits]
    assert (chosen is None) == (not fitting)
    if chosen is None:
        return
    assert chosen.step.problem(wanted.p99_ms) is None
    if wanted.rps is None:
        assert chosen.needed is None
        assert chosen.step.rate >= (1 - NOISE) * max(each.step.rate for each in fitting)
    else:
        enough = [each for each in fitting if each.is_enough]
        assert chosen.is_enough == bool(enough)
        assert all(each.measurement.instances >= chosen.measurement.instances for each in enough)
        assert enough or chosen.needed == min(each.needed for each in fitting if each.needed is not None)


def test_the_cheapest_of_those_that_are_level() -> None:
    rows = [row(measured(at(rate), instances=count), Wanted()) for rate, count in ((1000, 2), (970, 1), (500, 1))]
    assert choose(rows) is rows[1]


def test_a_rate_that_was_seen_goes_before_one_that_is_inferred() -> None:
    measurements = [
        measured(at(rate), instances=count) for rate, count in ((600, 1), (700, 1), (1000, 2), (1900, 4))
    ]
    assert choose([row(one, Wanted(500.0)) for one in measurements]) == row(measurements[1], Wanted(500.0))
    assert choose([row(one, Wanted(900.0)) for one in measurements]) == row(measurements[2], Wanted(900.0))
    assert choose([row(one, Wanted(9000.0)) for one in measurements]) == row(measurements[1], Wanted(9000.0))


def test_the_step_that_a_configuration_can_hold() -> None:
    ramp = (at(400, 2.0, 1), at(700, 4.0, 2), at(900, 9.0, 3))
    assert measured(*ramp, at(950, 4.5)).best(5.0) == at(950, 4.5)
    assert measured(*ramp, at(950, 12.0)).best(5.0) == at(700, 4.0, 2)
    assert measured(*ramp, at(950, 12.0)).best(1.0) is None
    shown = row(measured(*ramp, at(950, 12.0)), Wanted(1000, 1.0))
    assert (shown.fits, shown.needed, shown.step) == (False, None, at(950, 12.0))


@pytest.mark.parametrize(("rate", "holds"), [(1000, True), (1149, True), (1151, False), (851, True), (849, False)])
def test_a_prediction_holds_within_15_percent(rate: int, *, holds: bool) -> None:
    confirmation = Confirmation(at(1000), at(rate))
    assert confirmation.holds is holds
    assert confirmation.difference == pytest.approx(rate / 1000 - 1)
