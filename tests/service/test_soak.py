"""A short form of `tests.benchmarks.soak`: updates and killed workers make no answer wrong, and none fail."""

from pathlib import Path

from tests.benchmarks.soak import INSTANCES, ITEMS, Plan, Seen, judge, soak


def test_updates_and_killed_workers_are_not_noticed(tmp_path: Path) -> None:
    plan = Plan(seconds=15, update_every=4, kill_every=6, sample_every=1, peak=2, pin=2, least_updates=2)
    figure = soak(tmp_path, plan)
    assert (figure["wrong"], figure["errors"]) == (0, {}), figure["examples"]
    assert figure["kills"] >= 2
    assert figure["updates"] >= 2
    assert len(figure["by_version"]) == 2
    assert figure["workers_left"] == INSTANCES


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
