"""Percentiles and the figures of a time."""

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.loadtest.figures import Part, Sample, Step, part, percentile, step

TIMES = st.lists(st.floats(0.0, 1e3), min_size=1, max_size=200)
SHARES = st.floats(0.001, 1.0)


@given(TIMES, SHARES)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(times: list[float], share: float) -> None:
    found = percentile(sorted(times), share)
    assert found in times
    assert sum(time <= found for time in times) >= share * len(times) - 1e-6
    assert sum(time < found for time in times) < share * len(times)


@given(TIMES)
def test_percentiles_are_numpys(times: list[float]) -> None:
    for share in (0.5, 0.95, 0.99):
        assert percentile(sorted(times), share) == np.percentile(times, 100 * share, method="inverted_cdf")


@given(
    st.lists(st.tuples(st.floats(0.0, 10.0), st.sampled_from([None, "a", "b"])), max_size=60), st.floats(0.1, 99)
)
def test_what_is_answered_and_what_fails_is_counted_apart(
    seen: list[tuple[float, str | None]], seconds: float
) -> None:
    found = step([part([Sample(0.0, time, error) for time, error in seen], 3, seconds)])
    assert found.answers + found.failed == len(seen)
    assert found.rate == pytest.approx(found.answers / seconds)
    assert (found.p99_ms is None) == (found.answers == 0)
    if found.p50_ms is not None and found.p95_ms is not None and found.p99_ms is not None:
        assert found.p50_ms <= found.p95_ms <= found.p99_ms
    assert all(found.errors.values())


@given(st.lists(st.tuples(TIMES, st.floats(0.1, 99), st.booleans()), min_size=1, max_size=4))
def test_turns_count_together_and_their_rates_apart(seen: list[tuple[list[float], float, bool]]) -> None:
    turns = [
        part([Sample(0.0, time, "a" if failed and not at else None) for at, time in enumerate(times)], 3, seconds)
        for times, seconds, failed in seen
    ]
    together = step(turns)
    assert together.answers == sum(len(turn.milliseconds) for turn in turns)
    assert together.failed == sum(failed for _, _, failed in seen)
    assert together.seconds == pytest.approx(sum(turn.seconds for turn in turns))
    assert together.rates == tuple(step([turn]).rate for turn in turns)
    if together.answers:
        assert together.p50_ms == percentile(sorted(time for turn in turns for time in turn.milliseconds), 0.5)
        assert min(together.rates) * (1 - 1e-9) <= together.rate <= max(together.rates) * (1 + 1e-9)
        assert (together.spread is None) == (len(turns) == 1)


def test_the_spread_is_half_the_way_between_the_turns() -> None:
    turns = [Part(8, 2.0, array("d", [1.0] * count)) for count in (180, 220)]
    assert step(turns).rate == 100.0
    assert step(turns).rates == (90.0, 110.0)
    assert step(turns).spread == pytest.approx(0.1)
    assert step([Part(8, 2.0), Part(8, 2.0)]).spread is None


LIMITS = {
    "alone": (Step(1, 1.0, 10, p99_ms=5.0), None, None),
    "quick enough": (Step(1, 1.0, 10, p99_ms=5.0), 5.0, None),
    "too slow": (Step(1, 1.0, 10, p99_ms=5.1), 5.0, "p99 too high"),
    "one error in a thousand": (Step(1, 1.0, 999, p99_ms=1.0, errors={"a": 1}), None, None),
    "two": (Step(1, 1.0, 998, p99_ms=1.0, errors={"a": 1, "b": 1}), None, "too many errors"),
    "errors alone": (Step(1, 1.0, 0, errors={"a": 1}), None, "too many errors"),
    "no answer": (Step(1, 1.0, 0), None, "no answers"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_within_the_limits(name: str) -> None:
    found, p99_ms, problem = LIMITS[name]
    assert found.problem(p99_ms) == problem


def test_no_time_is_no_rate() -> None:
    assert Step(1, 0.0, 3).rate == 0.0
