"""Percentiles and the figures of a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.loadtest.figures import Sample, Step, percentile, step

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
    found = step([Sample(0.0, time, error) for time, error in seen], 3, seconds)
    assert found.answers + found.failed == len(seen)
    assert found.rate == pytest.approx(found.answers / seconds)
    assert (found.p99_ms is None) == (found.answers == 0)
    if found.p50_ms is not None and found.p95_ms is not None and found.p99_ms is not None:
        assert found.p50_ms <= found.p95_ms <= found.p99_ms
    assert all(found.errors.values())


FITS = {
    "alone": (Step(1, 1.0, 10, p99_ms=5.0), None, True),
    "quick enough": (Step(1, 1.0, 10, p99_ms=5.0), 5.0, True),
    "too slow": (Step(1, 1.0, 10, p99_ms=5.1), 5.0, False),
    "one error in a thousand": (Step(1, 1.0, 999, p99_ms=1.0, errors={"a": 1}), None, True),
    "two": (Step(1, 1.0, 998, p99_ms=1.0, errors={"a": 1, "b": 1}), None, False),
    "no answer": (Step(1, 1.0, 0), None, False),
}


@pytest.mark.parametrize("name", FITS)
def test_what_is_within_the_limits(name: str) -> None:
    found, p99_ms, fits = FITS[name]
    assert found.fits(p99_ms) is fits


def test_no_time_is_no_rate() -> None:
    assert Step(1, 0.0, 3).rate == 0.0
