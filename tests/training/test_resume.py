"""A training that is interrupted, at any point and in any way, ends as it would have ended without."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, Task, TrainingRecord, read_record
from neptuneml_plugin.config import TrainConfig
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.stage import Progress, silent
from neptuneml_plugin.training import loop
from neptuneml_plugin.training.checkpoints import Checkpoints
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.loop import Course, Fit, Trainer
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.train import run as train
from tests.training.graphs import processed, set_hyperparameters, trained_here

FEW = {"num-epochs": 6, "batch-size": 32, "dropout": 0.3}


class Stopped(Exception):
    """Raised where a test interrupts a training."""


def stop_at(count: int, messages: list[str]) -> Any:
    """Return a progress that raises at the so-manieth evaluation."""

    def progress(message: str, fraction: float | None = None) -> None:
        del fraction
        if message.startswith("epoch"):
            messages.append(message)
            if len(messages) == count:
                raise Stopped

    return progress


def settings(**changes: Any) -> TrainConfig:
    return TrainConfig(**({"threads": 1, "checkpoint_seconds": 0.0} | changes))


def evaluate_every_batch(source: Path) -> None:
    path = source / HPO_CONFIGURATION
    document = json.loads(path.read_text())
    document["models"][0]["eval_frequency"] = {"type": "evaluate_every_batch", "value": 1}
    path.write_text(json.dumps(document))


def results(output: Path) -> list[tuple[Mapping[str, Any], Mapping[str, Any], int, str]]:
    """Return everything of the trials that must not depend on interruptions."""
    record = read_record(output / "training.json", TrainingRecord)
    return [(trial.hyperparameters, trial.metrics, trial.epochs, trial.state) for trial in record.trials]


def log(output: Path, trial: int = 0) -> list[dict[str, Any]]:
    lines = (output / "trials" / str(trial) / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def same_weights(one: Path, other: Path, trial: int = 0) -> bool:
    name = f"trials/{trial}/model.safetensors"
    first, second = load_file(one / name), load_file(other / name)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


FORMS: list[tuple[Task, dict[str, Any]]] = [
    *((task, {}) for task in Task),
    (Task.NODE_CLASS, {"restart": 0.1, "num-layer": 3, "feature-dropout": 0.3}),
    (Task.NODE_CLASS, {"own-features": True, "number-bins": 4, "label-votes": True}),
    (Task.LINK_PREDICTION, {"mined-rules": True}),
]


@pytest.fixture(scope="module", params=FORMS, ids=str)
def uninterrupted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A processed folder of a task, and the output of its training."""
    task, values = request.param
    folder = tmp_path_factory.mktemp(task)
    source = processed(folder, task, nodes=90, values=FEW | values)
    evaluate_every_batch(source)
    train(settings(), source, folder / "whole")
    return source, folder / "whole"


@pytest.mark.parametrize("interruptions", [(2,), (5, 3)], ids=str)
def test_an_interrupted_training_ends_as_one_that_was_not(
    tmp_path: Path, uninterrupted: tuple[Path, Path], interruptions: tuple[int, ...]
) -> None:
    source, whole = uninterrupted
    for count in interruptions:
        with pytest.raises(Stopped) as caught:
            train(settings(), source, tmp_path / "stopped", stop_at(count, []))
        assert "the same command goes on" in caught.value.__notes__[0]
        assert not (tmp_path / "stopped").exists()
    messages: list[str] = []
    train(settings(), source, tmp_path / "stopped", stop_at(-1, messages))
    assert len(messages) < len(log(whole)) == len(log(tmp_path / "stopped"))
    assert results(whole) == results(tmp_path / "stopped")
    assert log(whole) == log(tmp_path / "stopped")
    assert same_weights(whole, tmp_path / "stopped")
    assert not list(tmp_path.glob(".*"))
    assert not list((tmp_path / "stopped").rglob("checkpoint*"))
    assert not list((tmp_path / "stopped").rglob("request.json"))


def test_drawn_neighbourhoods_go_on_as_well(tmp_path: Path) -> None:
    data = load_data(processed(tmp_path, Task.NODE_CLASS, nodes=90))
    hp = Hyperparameters(num_hidden=8, num_epochs=4, batch_size=20, fanout=(2, 2))

    def fit(name: str, progress: Progress) -> dict[str, torch.Tensor]:
        course = Course(checkpoints=Checkpoints(tmp_path / name, 0.0))
        trainer = Trainer(data, hp, Goal("acc", every_batches=1), seed=0, course=course, sampled=True)
        return dict(trainer.fit(progress).model.state_dict())

    whole = fit("whole", silent)
    with pytest.raises(Stopped):
        fit("stopped", stop_at(3, []))
    resumed = fit("stopped", silent)
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


@pytest.mark.parametrize("every", [1, 3, 40], ids="evaluated after {} batches".format)
def test_a_training_that_pauses_ends_as_one_that_does_not(tmp_path: Path, every: int) -> None:
    data = load_data(processed(tmp_path, Task.LINK_PREDICTION, nodes=60))
    hp = Hyperparameters(num_hidden=8, num_epochs=6, batch_size=200, item_item=True, mined_rules=True)

    def fit(name: str, until: int | None = None) -> Fit:
        course = Course(checkpoints=Checkpoints(tmp_path / name, 1e6), until=until)
        return Trainer(data, hp, Goal("mrr", every_batches=every), seed=0, course=course).fit(silent)

    whole = fit("whole")
    for until in (1, 3, 3):
        paused = fit("paused", until)
        assert (paused.epochs, paused.over) == (until, False)
        assert paused.value is not None
    ended = fit("paused")
    assert (ended.epochs, ended.over, ended.value) == (6, True, whole.value)
    assert all(
        torch.equal(each, whole.model.state_dict()[name]) for name, each in ended.model.state_dict().items()
    )


def test_a_training_that_stopped_early_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LEAST_STEPS", 0)
    data = load_data(processed(tmp_path, Task.EDGE_REGRESSION, nodes=60))
    hp = Hyperparameters(num_hidden=8, lr=1.0, num_epochs=50, window_for_early_stop=1)
    messages: list[str] = []

    def fit(until: int | None) -> Fit:
        course = Course(checkpoints=Checkpoints(tmp_path / "checkpoint", 1e6), until=until)
        return Trainer(data, hp, Goal("mse"), seed=0, course=course).fit(stop_at(-1, messages))

    first = fit(40)
    assert first.over
    assert first.epochs == len(messages) < 40
    again = fit(None)
    assert len(messages) == first.epochs
    assert (again.epochs, again.best_epoch, again.value) == (first.epochs, first.best_epoch, first.value)


def test_two_trainings_with_one_seed_are_equal(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=90, values=FEW)
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        train(settings(seed=seed), source, tmp_path / name)
    assert same_weights(tmp_path / "one", tmp_path / "same")
    assert not same_weights(tmp_path / "one", tmp_path / "other")


def test_without_a_checkpoint_nothing_is_kept(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60, values=FEW)
    with pytest.raises(Stopped):
        train(settings(checkpoint_seconds=1e6), source, tmp_path / "training", stop_at(1, []))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "processed"]


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    """The source of a training that has left a checkpoint for `tmp_path / "training"`."""
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60, values=FEW)
    with pytest.raises(Stopped):
        train(settings(), source, tmp_path / "training", stop_at(3, []))
    return source


def test_other_settings_do_not_go_on(unfinished: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"unfinished work with other settings \(seed\)"):
        train(settings(seed=1), unfinished, tmp_path / "training")
    set_hyperparameters(unfinished, {"lr": 0.02})
    with pytest.raises(InvalidParameter, match=r"model-HPO-configuration.json.* --overwrite to begin anew"):
        train(settings(), unfinished, tmp_path / "training")


def test_overwrite_begins_anew(unfinished: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    train(settings(overwrite=True, seed=1), unfinished, tmp_path / "training", stop_at(-1, messages))
    assert messages[0].startswith("epoch 1:")
    assert len(messages) == len(log(tmp_path / "training"))


def test_an_interrupted_overwrite_goes_on_without_the_flag(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60, values=FEW)
    output = tmp_path / "training"
    train(settings(), source, output)
    with pytest.raises(InvalidParameter, match="not empty"):
        train(settings(seed=1), source, output)
    with pytest.raises(Stopped):
        train(settings(seed=1, overwrite=True), source, output, stop_at(4, []))
    assert read_record(output / "training.json", TrainingRecord).best.seed == 0
    messages: list[str] = []
    train(settings(seed=1), source, output, stop_at(-1, messages))
    assert not messages[0].startswith("epoch 1:")
    assert read_record(output / "training.json", TrainingRecord).best.seed == 1


def test_a_broken_checkpoint_begins_the_trial_anew(unfinished: Path, tmp_path: Path) -> None:
    checkpoint = next(tmp_path.glob(".training.unfinished/trials/0/checkpoint.safetensors"))
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    messages: list[str] = []
    train(settings(), unfinished, tmp_path / "training", stop_at(-1, messages))
    assert messages[0].startswith("epoch 1:")


PROGRAM = [sys.executable, "-m", "neptuneml_plugin.cli", "train"]


def command(source: Path, output: Path, *arguments: str) -> list[str]:
    config = source.parent / "train.json"
    config.write_text(json.dumps({"threads": 1, "checkpoint_seconds": 0.0}))
    return [*PROGRAM, "--input", str(source), "--output", str(output), "--config", str(config), *arguments]


@pytest.mark.parametrize(
    ("sent", "arguments", "line"),
    [
        (signal.SIGTERM, [], "epoch 4:"),
        (signal.SIGKILL, [], "epoch 4:"),
        (signal.SIGTERM, ["--trials", "2"], "trial 1, "),
        (signal.SIGKILL, ["--trials", "4", "--parallel", "2"], "trial 2, "),
    ],
    ids=["one trial ended", "one trial killed", "two trials ended", "four trials by twos killed"],
)
def test_a_killed_command_goes_on(tmp_path: Path, sent: signal.Signals, arguments: list[str], line: str) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=90, values=FEW | {"num-epochs": 40})
    output = tmp_path / "training"
    with subprocess.Popen(command(source, output, *arguments), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        next(said for said in process.stderr if line in said)
        process.send_signal(sent)
        rest = process.stderr.read()
    assert process.returncode in {130, -signal.SIGKILL}
    assert not output.exists()
    if sent == signal.SIGTERM:
        assert rest.splitlines()[-2] == "interrupted"
        assert "the same command goes on" in rest
    finished = {
        path.parent.name: path.stat().st_mtime_ns
        for path in tmp_path.glob(".training.unfinished/trials/*/trial.json")
    }
    done = subprocess.run(command(source, output, *arguments), stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count = int(arguments[1]) if arguments else 1
    parallel = int(arguments[3]) if arguments[3:] else 1
    trained_here(source, tmp_path / "whole", trials=count, parallel=parallel, checkpoint_seconds=1e6)
    assert results(output) == results(tmp_path / "whole")
    assert all(same_weights(output, tmp_path / "whole", trial) for trial in range(count))
    for name, written in finished.items():
        assert (output / "trials" / name / "trial.json").stat().st_mtime_ns == written


def test_two_processes_do_not_write_one_output(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=90, values=FEW | {"num-epochs": 4000})
    output = tmp_path / "training"
    with subprocess.Popen(command(source, output), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        next(said for said in process.stderr if "epoch 2:" in said)
        with pytest.raises(InvalidParameter, match="another process writes"):
            train(settings(), source, output)
        os.kill(process.pid, signal.SIGKILL)
