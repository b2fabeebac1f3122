"""Graphs that are hard or impossible to learn from: trained all the same, or refused by name."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from neptuneml_plugin.arrays import save_array
from neptuneml_plugin.artifacts import (
    HPO_CONFIGURATION,
    ProcessedGraph,
    Task,
    TrainingRecord,
    TrialState,
    read_record,
    write_record,
)
from neptuneml_plugin.errors import InvalidData, NeptuneMLError
from neptuneml_plugin.filerecords import describe_files
from tests.training.graphs import processed, set_hyperparameters, trained

Array = npt.NDArray[Any]


def graph(folder: Path, task: Task, **values: Any) -> Path:
    return processed(folder, task, nodes=60, values={"num-epochs": 4, **values})


def changed(source: Path, name: str, change: Callable[[Array], Array]) -> None:
    """Change an array of a processed folder as if `process` had written it so."""
    save_array(source / name, change(np.load(source / name)))
    record = read_record(source / "processed.json", ProcessedGraph)
    files = describe_files(source, leave_out=["processed.json", HPO_CONFIGURATION])
    write_record(source / "processed.json", replace(record, files=files))


def metric(source: Path, name: str, frequency: str = "evaluate_every_epoch") -> None:
    """Choose what is judged by, and how often."""
    document = json.loads((source / HPO_CONFIGURATION).read_text())
    document["models"][0] |= {"eval_metric": {"metric": name}, "eval_frequency": {"type": frequency, "value": 1}}
    (source / HPO_CONFIGURATION).write_text(json.dumps(document))


def masks(source: Path) -> dict[str, Array]:
    return {part: np.load(source / f"nodes/0/{part}_mask.npy") for part in ("train", "valid", "test")}


def only(part: Array, value: int, other: int) -> Callable[[Array], Array]:
    """Return a change that gives all rows of a part one class, and the others another where they had that."""
    return lambda labels: np.where(part, value, np.where(labels == value, other, labels))


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_class_seen_once(tmp_path: Path, part: str) -> None:
    source = graph(tmp_path, Task.NODE_CLASS)
    row = int(np.flatnonzero(masks(source)[part])[0])
    changed(source, "nodes/0/labels.npy", lambda labels: np.where(np.arange(len(labels)) == row, 2, labels % 2))
    metric(source, "f1")
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert all(math.isfinite(value) for values in summary.metrics.values() for value in values.values())


def test_a_class_weight_of_a_class_that_training_never_sees(tmp_path: Path) -> None:
    source = graph(tmp_path, Task.NODE_CLASS, **{"use-class-weight": True})
    train = masks(source)["train"]
    changed(source, "nodes/0/labels.npy", lambda labels: np.where(train & (labels == 2), 0, labels))
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert set(summary.metrics) == {"train", "valid", "test"}


def test_a_split_without_a_class_that_the_metric_needs(tmp_path: Path) -> None:
    source = graph(tmp_path, Task.NODE_CLASS)
    changed(source, "nodes/0/labels.npy", only(masks(source)["valid"], 1, 0))
    metric(source, "roc_auc")
    summary = trained(source, tmp_path / "training")
    record = read_record(tmp_path / "training" / "training.json", TrainingRecord)
    assert "roc_auc" not in record.best.metrics["valid"]
    assert record.best.best_epoch == 4
    assert any("roc_auc cannot be measured on validation" in warning for warning in summary.warnings)


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.NODE_REGRESSION])
def test_a_constant_target(tmp_path: Path, task: Task) -> None:
    source = graph(tmp_path, task)
    changed(source, "nodes/0/labels.npy", lambda labels: np.full_like(labels, 1))
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    if task is Task.NODE_CLASS:
        assert summary.metrics["test"]["acc"] > 0.9
    else:
        assert summary.metrics["test"]["rmse"] < 1
        assert "r2" not in summary.metrics["test"]
    assert any("does not beat the trivial competitor" in warning for warning in summary.warnings)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_named(tmp_path: Path, value: float) -> None:
    source = graph(tmp_path, Task.NODE_CLASS)

    def spoil(features: Array) -> Array:
        features[3] = value
        return features

    changed(source, "nodes/1/features/0.npy", spoil)
    with pytest.raises(NeptuneMLError, match=r"feature 'weight' of 'tag' holds values that are not finite"):
        trained(source, tmp_path / "training")
    assert [path.name for path in tmp_path.iterdir() if "training" in path.name] == []


def test_labels_of_no_class_are_refused(tmp_path: Path) -> None:
    source = graph(tmp_path, Task.NODE_CLASS)
    changed(source, "nodes/0/labels.npy", lambda labels: labels + 1)
    with pytest.raises(InvalidData, match=r"labels of 'item' name class 3, there are 3"):
        trained(source, tmp_path / "training")


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.NODE_REGRESSION])
def test_rows_without_a_label_are_left_out(tmp_path: Path, task: Task) -> None:
    source = graph(tmp_path, task)
    unknown = -1 if task is Task.NODE_CLASS else np.nan

    def half(labels: Array) -> Array:
        return np.where(np.arange(len(labels)) % 2, unknown, labels).astype(labels.dtype)

    changed(source, "nodes/0/labels.npy", half)
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert all(math.isfinite(value) for values in summary.metrics.values() for value in values.values())


def test_without_any_label_there_is_nothing_to_train(tmp_path: Path) -> None:
    source = graph(tmp_path, Task.NODE_CLASS)
    changed(source, "nodes/0/labels.npy", lambda labels: np.full_like(labels, -1))
    with pytest.raises(InvalidData, match="no training targets"):
        trained(source, tmp_path / "training")


def test_a_diverging_run_stops_and_keeps_what_was_best(tmp_path: Path) -> None:
    # Without normalisation, outputs grow with the fourth power of the step, and leave the numbers at the fifth.
    source = graph(tmp_path, Task.NODE_REGRESSION)
    deep = {"num-layer": 3, "layer-norm": False, "dropout": 0.0, "lr": 3e3}
    set_hyperparameters(source, deep | {"num-epochs": 50, "batch-size": 4})
    metric(source, "mse", "evaluate_every_batch")
    summary = trained(source, tmp_path / "training")
    trial = read_record(tmp_path / "training" / "training.json", TrainingRecord).best
    assert trial.state is TrialState.DIVERGED
    assert trial.epochs < 50
    assert all(math.isfinite(value) for values in trial.metrics.values() for value in values.values())
    assert any("trial 0 diverged: the loss left the numbers in epoch 1" in each for each in summary.warnings)


def test_a_run_that_diverges_at_once_fails_by_name(tmp_path: Path) -> None:
    source = graph(tmp_path, Task.NODE_REGRESSION, lr=1e18)
    set_hyperparameters(source, {"num-epochs": 50, "lr": 1e18, "batch-size": 8})
    with pytest.raises(
        NeptuneMLError, match="no longer a number in epoch 1, before the first evaluation; lower 'lr'"
    ):
        trained(source, tmp_path / "training")


def test_one_diverging_trial_leaves_the_others(tmp_path: Path) -> None:
    source = graph(tmp_path, Task.NODE_REGRESSION)
    set_hyperparameters(source, {"batch-size": 8, "num-epochs": 3})
    document = json.loads((source / HPO_CONFIGURATION).read_text())
    model = document["models"][0]
    model["fixed-param"] = [each for each in model["fixed-param"] if each["param"] != "lr"]
    model["1-tier-param"] = [{"param": "lr", "type": "float", "options": [1e18], "default": 0.01}]
    (source / HPO_CONFIGURATION).write_text(json.dumps(document))
    trained(source, tmp_path / "training", trials=2)
    record = read_record(tmp_path / "training" / "training.json", TrainingRecord)
    assert [trial.state for trial in record.trials] == [TrialState.COMPLETE, TrialState.FAILED]
    assert record.best_trial == 0
