"""A short form of `tests.benchmarks.soak`: updates and killed workers make no answer wrong, and none fail."""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.soak import INSTANCES, ITEMS, PEAK_TURNS, Plan, Seen, growth, judge, soak


def test_updates_and_killed_workers_are_not_noticed(tmp_path: Path) -> None:
    plan = Plan(seconds=15, update_every=4, kill_every=6, sample_every=1, peak=2, pin=2, least_updates=2)
    figure = soak(tmp_path, plan)
    assert (figure["wrong"], figure["errors"]) == (0, {}), figure["examples"]
    assert figure["kills"] >= 2
    assert figure["updates"] >= 2
    assert len(figure["by_version"]) == 2
    assert figure["workers_left"] == INSTANCES
    assert len(figure["peaks_per_second"]) == PEAK_TURNS
    assert figure["wanted_per_second"] == pytest.approx(0.8 * sorted(figure["peaks_per_second"])[1], rel=0.01)
    assert figure["service_mib"]["ends"] > 0


def test_what_grows_is_seen_once_it_has_settled() -> None:
    minutes = np.arange(10.0)
    assert growth(minutes, 100 + 3 * minutes) == {"begins": 101.5, "ends": 125.5, "per_minute": 3.0}
    settling = np.array([10.0, 60.0, *[80.0] * 8])
    assert growth(minutes, settling) == {"begins": 35.0, "ends": 80.0, "per_minute": 0.0}


def test_wrong_answers_are_seen() -> None:
    rows, offsets = [*range(ITEMS)], {"a": 0, "b": 1000}
    right = [[{"value": float(row)}] for row in rows]
    seen = Seen()
    judge(seen, rows, {"artifactVersion": "a", "answers": right}, offsets)
    assert (seen.wrong, dict(seen.versions)) == ([], {"a": 1})
    mixed = [*right[1:], [{"value": 1000.0}]]
    for version, answers in (("b", right), ("a", mixed), ("a", right[1:]), ("a", [[]] * ITEMS)):
        judge(seen, rows, {"artifactVersion": version, "answers": answers}, offsets)
    assert len(seen.wrong) == 4
