"""The stage as a whole: each task learns a planted signal, runs repeat, and what is wrong is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.arrays import save_array
from neptuneml_plugin.artifacts import ProcessedGraph, Task, TrainingRecord, TrialRecord, read_record, write_record
from neptuneml_plugin.errors import InvalidData, InvalidParameter, MissingParameter
from neptuneml_plugin.filerecords import describe_files
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training import loop
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.hyperparameters import build
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.stopping import EarlyStopping, Goal
from tests.training.graphs import processed, set_hyperparameters, trained, trained_here


@pytest.mark.parametrize(
    ("task", "metric", "competitor"),
    [
        (Task.NODE_CLASS, "acc", "own_features"),
        (Task.NODE_REGRESSION, "r2", "own_features"),
        (Task.EDGE_CLASS, "acc", "own_features"),
        (Task.EDGE_REGRESSION, "r2", "own_features"),
    ],
)
def test_a_signal_in_the_neighbours_is_learned(tmp_path: Path, task: Task, metric: str, competitor: str) -> None:
    summary = trained(processed(tmp_path, task), tmp_path / "training")
    assert summary.metrics is not None
    assert summary.baselines is not None
    assert summary.baselines_split == "test"
    ours, theirs = summary.metrics["test"][metric], summary.baselines[competitor][metric]
    assert ours > theirs + 0.1, f"{metric} {ours:.3f} against {theirs:.3f}"


def test_links_within_blocks_are_learned(tmp_path: Path) -> None:
    summary = trained(processed(tmp_path, Task.LINK_PREDICTION), tmp_path / "training")
    assert summary.metrics is not None
    assert summary.baselines is not None
    # A third of the items is as likely as the true one, so no model ranks far above three times chance.
    assert summary.metrics["test"]["mrr"] > 1.5 * summary.baselines["popularity"]["mrr"]
    assert summary.metrics["test"]["mr"] < 0.7 * summary.baselines["popularity"]["mr"]


def test_multi_label_is_learned(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, multi_label=True)
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert summary.baselines is not None
    assert summary.metrics["test"]["roc_auc"] > summary.baselines["own_features"]["roc_auc"] + 0.1
    assert summary.metrics["valid"]["f1_tuned"] >= summary.metrics["valid"]["f1_micro"]
    assert all("f1_tuned" in values for values in summary.baselines.values())
    record = read_record(tmp_path / "training/training.json", TrainingRecord)
    told = json.loads((tmp_path / "training/test_metrics_info.json").read_text())
    assert told["threshold"] == record.best.threshold


def test_a_signal_in_own_features_is_learned(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, signal="own")
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert summary.metrics["test"]["acc"] > 0.8


def test_the_folder_holds_what_artifacts_says(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.LINK_PREDICTION, nodes=60, values={"num-epochs": 3})
    summary = trained(source, tmp_path / "training")
    output = tmp_path / "training"
    record = read_record(output / "training.json", TrainingRecord)
    trial = read_record(output / "trials" / "0" / "trial.json", TrialRecord)
    assert record.best == trial
    assert summary.metrics == trial.metrics
    assert set(trial.metrics) == {"train", "valid", "test"}
    lines = [json.loads(line) for line in (output / "trials" / "0" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all("mrr" in line["valid"] for line in lines)
    names = {"HITS at top 1 (HITS@1)", "HITS at top 3 (HITS@3)", "HITS at top 10 (HITS@10)", "mean rank (MR)"}
    for name, split in (("eval_metrics_info.json", "valid"), ("test_metrics_info.json", "test")):
        values = json.loads((output / name).read_text())
        assert names <= set(values)
        assert values["mean reciprocal rank (MRR)"] == trial.metrics[split]["mrr"]
        assert {name: values[name] for name in trial.metrics[split]} == trial.metrics[split]
    assert set(record.baselines) == {"popularity", "ials", "ease", "denoising_ease", "rules"}
    assert not list(tmp_path.glob(".*partial*"))


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
def test_the_same_seed_gives_the_same_model(tmp_path: Path, task: Task) -> None:
    source = processed(tmp_path, task, nodes=80, values={"num-epochs": 4})
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        trained(source, tmp_path / name, seed=seed, threads=2)
    weights = [(tmp_path / name / "trials" / "0" / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_parallel_trials_equal_those_one_after_the_other(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60, values={"num-epochs": 2})
    # Both ask in rounds of two, so both searches know the same when they ask.
    trained(source, tmp_path / "a", trials=2, parallel=2)
    trained(source, tmp_path / "b", trials=2, parallel=1)
    first, second = (read_record(tmp_path / name / "training.json", TrainingRecord) for name in "ab")
    assert [trial.number for trial in first.trials] == [0, 1]
    for one, other in zip(first.trials, second.trials, strict=True):
        assert one.hyperparameters == other.hyperparameters
        assert one.metrics == other.metrics
    assert first.trials[0].hyperparameters["lr"] == 0.01 != first.trials[1].hyperparameters["lr"]
    assert first.best_trial == second.best_trial


def test_the_best_trial_is_the_one_with_the_best_validation_metric(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_REGRESSION, nodes=60, values={"num-epochs": 4})
    trained_here(source, tmp_path / "training", trials=3)
    record = read_record(tmp_path / "training" / "training.json", TrainingRecord)
    errors = {trial.number: trial.metrics["valid"]["mse"] for trial in record.trials}
    assert record.best_trial == min(errors, key=errors.__getitem__)


def test_a_model_that_learned_nothing_says_so(tmp_path: Path) -> None:
    source = processed(
        tmp_path, Task.NODE_REGRESSION, nodes=60, values={"num-epochs": 1, "lr": 1e-6, "low-mem": True}
    )
    summary = trained(source, tmp_path / "training")
    assert any("does not beat the trivial competitor 'neighbours'" in warning for warning in summary.warnings)
    assert any("hyperparameters fanout, low-mem have no effect" in warning for warning in summary.warnings)


@pytest.mark.parametrize(
    "option",
    [
        {"num-bases": 2},
        {"use-self-loop": False, "layer-norm": False},
        {"concat-node-embed": False},
        {"per-feat-name-embed": True},
        {"use-class-weight": True, "l2norm": 1e-4},
        {"num-layer": 1},
        {"num-layer": 3, "dropout": 0.0, "batch-size": 16},
        {"enable-early-stop": False, "sparse-lr": 0.05},
    ],
    ids=str,
)
def test_every_option_trains_and_learns_something(tmp_path: Path, option: dict[str, Any]) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=100, values=option)
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert summary.metrics["train"]["acc"] > 0.6
    assert summary.hyperparameters is not None
    assert option.items() <= dict(summary.hyperparameters).items()


def test_large_candidate_sets_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptuneml_plugin.training.objectives.BLOCK_CELLS", 0)
    source = processed(tmp_path, Task.LINK_PREDICTION, values={"num-negs": 64, "regularization-coef": 1e-4})
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert summary.baselines is not None
    assert summary.metrics["test"]["mrr"] > summary.baselines["popularity"]["mrr"]


def test_edges_under_prediction_carry_no_message(tmp_path: Path) -> None:
    data = load_data(processed(tmp_path, Task.EDGE_REGRESSION, nodes=60))
    graph, samples = MessageGraph(data), data.samples[0]
    ones = [torch.ones(count, 1) for count in data.counts]
    forward = [relation.edge_type for relation in data.relations].index(samples.position)
    relation = data.relations[forward]
    left_out = samples.splits["train"]
    for position in (forward, forward + 1):
        ends = data.relations[position].targets
        before = graph.messages()[position].aggregate(ones[relation.source_type])
        after = graph.messages({samples.position: left_out})[position].aggregate(ones[relation.source_type])
        # A mean of ones is 1 where any edge carries a message; validation and test edges never do.
        assert set(torch.nonzero(before[:, 0] > 0.5)[:, 0].tolist()) == set(ends[left_out].tolist())
        assert after.abs().max() == 0


def test_early_stopping_compares_means_of_windows() -> None:
    stopping = EarlyStopping(Goal("acc"), window=2)
    assert [stopping.says_stop(value) for value in (0.1, 0.5, 0.4, 0.45, 0.5, 0.3)] == [False] * 3 + [
        False,
        False,
        True,
    ]
    falling = EarlyStopping(Goal("mse"), window=1)
    assert [falling.says_stop(value) for value in (3.0, 2.0, 2.5)] == [False, False, True]


def test_a_metric_that_stands_still_at_first_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"window-for-early-stop": 1, "num-epochs": 40, "lr": 0.05}
    data = load_data(processed(tmp_path, Task.NODE_CLASS, nodes=60))
    epochs = []
    for least in (loop.LEAST_STEPS, 0):
        monkeypatch.setattr(loop, "LEAST_STEPS", least)
        epochs.append(Trainer(data, build(values), Goal("acc"), seed=0).fit(silent).epochs)
    assert epochs[0] == 40 > epochs[1]  # a step each


@pytest.mark.parametrize("settings", [{"trials": 0}, {"parallel": 0}])
def test_impossible_numbers_are_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60)
    with pytest.raises(InvalidParameter, match="at least 1"):
        trained(source, tmp_path / "training", **settings)


def test_a_model_of_scripts_without_them_is_refused(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.LINK_PREDICTION, nodes=60)
    with pytest.raises(MissingParameter, match="--custom-source"):
        trained(source, tmp_path / "training", model="custom")
    assert not (tmp_path / "training").exists()


@pytest.mark.parametrize(
    "name",
    [
        "processed.json",
        "model-HPO-configuration.json",
        "ids/0/ids.npy",
        "ids/1/id_hashes.npy",
        "nodes/0/features/0.npy",
        "nodes/0/train_mask.npy",
        "edges/1/targets.npy",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_source_is_refused_and_leaves_nothing(tmp_path: Path, name: str, damage: str) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60)
    path = source / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InvalidData, match=name if damage == "missing" else str(Path(name).parent)):
        trained(source, tmp_path / "training")
    assert not (tmp_path / "training").exists()


def test_a_failure_after_the_trials_keeps_them_for_the_next_run(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60, values={"num-epochs": 1})
    # What comes last is the artifact, which takes the ids along.
    extra = source / "ids" / "0" / "extra"
    extra.symlink_to(tmp_path / "nowhere")
    with pytest.raises(shutil.Error) as caught:
        trained(source, tmp_path / "training")
    assert "the same command goes on" in caught.value.__notes__[0]
    assert [path.name for path in tmp_path.iterdir() if "training" in path.name] == [".training.unfinished"]
    trial = tmp_path / ".training.unfinished" / "trials" / "0" / "trial.json"
    written = trial.stat().st_mtime_ns
    extra.unlink()
    trained(source, tmp_path / "training")
    assert (tmp_path / "training" / "trials" / "0" / "trial.json").stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir() if "training" in path.name] == ["training"]


def leave_out(source: Path, *parts: str) -> None:
    """Write an empty part of the split of the first node type, as if `process` had dealt it so."""
    for part in parts:
        path = source / "nodes" / "0" / f"{part}_mask.npy"
        save_array(path, np.zeros_like(np.load(path)))
    record = read_record(source / "processed.json", ProcessedGraph)
    files = describe_files(source, leave_out=["processed.json", "model-HPO-configuration.json"])
    write_record(source / "processed.json", replace(record, files=files))


def test_without_training_rows_the_message_says_so(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60)
    leave_out(source, "train")
    with pytest.raises(InvalidData, match="no training targets"):
        trained(source, tmp_path / "training")


def test_without_validation_rows_the_last_epoch_is_kept_and_named(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60, values={"num-epochs": 3})
    leave_out(source, "valid", "test")
    set_hyperparameters(source, {"num-epochs": 3})
    summary = trained(source, tmp_path / "training")
    record = read_record(tmp_path / "training" / "training.json", TrainingRecord)
    assert (record.best.best_epoch, record.baselines_split) == (3, "train")
    assert any("no validation rows" in warning for warning in summary.warnings)
