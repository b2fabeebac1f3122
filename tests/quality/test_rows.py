"""Rows of the table: how one is made, by commands."""

from pathlib import Path

from neptuneml_plugin.artifacts import TRIAL, TRIALS, Task
from neptuneml_plugin.stage import unfinished_of
from tests.quality.__main__ import Effort, Quality, train
from tests.training.graphs import processed, trained_here


def test_a_search_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.LINK_PREDICTION, nodes=60, values={"num-epochs": 2})
    training = tmp_path / "training"
    trained_here(source, training)
    training.rename(unfinished_of(training))
    first = Path(TRIALS, "0", TRIAL)
    written = (unfinished_of(training) / first).stat().st_mtime_ns
    summary = train(tmp_path, Quality("planted", "planted", {}, "mrr"), Effort(trials=2, resume=True))
    assert summary["counts"]["trials"] == 2
    assert (training / first).stat().st_mtime_ns == written
    assert not unfinished_of(training).exists()
