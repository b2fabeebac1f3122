"""Trials in processes of their own: what they import, and what becomes of the others when one fails."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from neptuneml_plugin.artifacts import (
    METRICS_LOG,
    ProcessedGraph,
    Task,
    TrainingRecord,
    TrialRecord,
    TrialState,
    read_record,
)
from neptuneml_plugin.config import TrainConfig
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training.checkpoints import Checkpoint, Position
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.search.budget import budget
from neptuneml_plugin.training.search.configuration import read_configuration
from neptuneml_plugin.training.search.executors import LocalProcesses, MetricsReader
from neptuneml_plugin.training.search.failures import Kind
from neptuneml_plugin.training.search.pruning import LEAST_EVALUATIONS, medians
from neptuneml_plugin.training.search.trial import TrialRequest, attempt, open_log, run_trial
from neptuneml_plugin.training.search.trials import Plan, Trials
from neptuneml_plugin.training.train import run as train
from tests.running_service import PATIENCE_SECONDS
from tests.training.graphs import processed, set_hyperparameters, trained_here
from tests.training.test_resume import FEW, command, results, same_weights, settings

#: What no trial imports: each costs a part of a second or more.
SLOW_IMPORTS = {"sklearn", "optuna", "polars", "pandas", "gremlin_python", "dgl", "sympy"}


def requested(folder: Path, graph: Path, **changes: Any) -> Path:
    """Write a request of a quick trial and return its folder."""
    values: dict[str, Any] = {
        "number": 0,
        "source": str(graph),
        "model": "rgcn",
        "goal": {"metric": "acc"},
        "seed": 0,
    }
    values |= {"hyperparameters": {"num-hidden": 8, "num-epochs": 12, "lr": 0.05}, "threads": 1}
    TrialRequest(**(values | {"checkpoint_seconds": 60.0} | changes)).write(folder)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed(tmp_path_factory.mktemp("graph"), Task.NODE_CLASS, nodes=90, values=FEW)


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.LINK_PREDICTION])
def test_a_trial_imports_nothing_slow(tmp_path: Path, task: Task) -> None:
    graph = processed(tmp_path, task, nodes=60)
    goal = {"metric": "mrr" if task is Task.LINK_PREDICTION else "acc"}
    folder = requested(tmp_path / "trial", graph, goal=goal)
    script = (
        "import sys; from pathlib import Path; from neptuneml_plugin.training.search.trial import run_trial; "
        f"run_trial(Path({str(folder)!r})); print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not SLOW_IMPORTS & loaded
    assert "torch._dynamo" not in loaded


def kill(sent: list[str], at: Callable[[str], bool], trial: int) -> Any:
    """Return a progress that kills the process of a trial when a message comes."""

    def progress(message: str, fraction: float | None = None) -> None:
        del fraction
        if at(message):
            for child in psutil.process_iter(["ppid", "cmdline"]):  # has None of one that is gone
                arguments = child.info["cmdline"] or [""]
                if child.info["ppid"] == os.getpid() and arguments[-1].endswith(f"trials/{trial}"):
                    sent.append(message)
                    child.kill()

    return progress


def test_a_trial_killed_for_memory_is_tried_again_from_its_checkpoint(tmp_path: Path, source: Path) -> None:
    set_hyperparameters(source, FEW | {"num-epochs": 60})
    sent: list[str] = []
    said: list[str] = []
    stop = kill(sent, lambda message: not sent and message.startswith("trial 1, "), 1)

    def progress(message: str, fraction: float | None = None) -> None:
        said.append(message)
        stop(message, fraction)

    train(settings(trials=2, parallel=2), source, tmp_path / "killed", progress)
    trained_here(source, tmp_path / "whole", trials=2, parallel=2)
    assert len(sent) == 1
    assert any("SIGKILL, as the system does when memory runs out; it will be tried again" in line for line in said)
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    assert same_weights(tmp_path / "killed", tmp_path / "whole", 1)


def test_a_trial_killed_twice_fails_by_name_and_the_others_go_on(tmp_path: Path, source: Path) -> None:
    set_hyperparameters(source, FEW | {"num-epochs": 60})
    sent: list[str] = []
    stop = kill(sent, lambda message: message.startswith("trial 1, "), 1)
    summary = train(settings(trials=3, parallel=3), source, tmp_path / "training", stop)
    record = read_record(tmp_path / "training" / "training.json", TrainingRecord)
    assert [trial.state for trial in record.trials] == [
        TrialState.COMPLETE,
        TrialState.FAILED,
        TrialState.COMPLETE,
    ]
    assert record.best_trial != 1
    assert any("trial 1 failed: the process was killed by SIGKILL" in warning for warning in summary.warnings)
    assert not (tmp_path / "training" / "trials" / "1" / "model.safetensors").exists()


def test_where_every_trial_fails_the_training_does(tmp_path: Path, source: Path) -> None:
    set_hyperparameters(source, FEW | {"num-epochs": 60})
    stop = kill([], lambda message: message.startswith("trial 0, "), 0)

    def progress(message: str, fraction: float | None = None) -> None:
        stop(message, fraction)
        kill([], lambda said: said.startswith("trial 1, "), 1)(message, fraction)

    with pytest.raises(NeptuneMLError, match="no trial gave a model; trial 0: the process was killed by SIGKILL"):
        train(settings(trials=2, parallel=2), source, tmp_path / "training", progress)
    assert not (tmp_path / "training").exists()


def test_a_trial_that_nobody_waits_for_ends_before_it_imports_torch(tmp_path: Path, source: Path) -> None:
    folder = requested(tmp_path / "trial", source)
    module = "neptuneml_plugin.training.search.trialprocess"
    started = [sys.executable, "-X", "importtime", "-m", module, str(folder)]
    done = subprocess.run(started, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert (done.returncode, "threading" in imported, "torch" in imported) == (1, True, False)
    assert not (folder / METRICS_LOG).exists()


def test_a_trial_dies_with_the_process_that_started_it(tmp_path: Path, source: Path) -> None:
    set_hyperparameters(source, FEW | {"num-epochs": 5000, "enable-early-stop": False})
    arguments = command(source, tmp_path / "training", "--trials", "2")
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        next(line for line in process.stderr if "trial 0, " in line)
        children = psutil.Process(process.pid).children()
        process.kill()
    assert children
    gone, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    assert (len(gone), alive) == (len(children), [])


@pytest.mark.parametrize("arguments", [[], ["--trials", "2", "--parallel", "2"]], ids=["alone", "two"])
def test_a_training_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    tmp_path: Path, source: Path, arguments: list[str]
) -> None:
    set_hyperparameters(source, FEW | {"num-epochs": 4})
    output = tmp_path / "training"

    def nearly_full() -> None:  # room for records and logs, none for weights
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))

    started = command(source, output, *arguments)
    done = subprocess.run(started, stderr=subprocess.PIPE, text=True, check=False, preexec_fn=nearly_full)
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    done = subprocess.run(started, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr


def planned(source: Path, target: Path, trials: int) -> Plan:
    graph = read_record(source / "processed.json", ProcessedGraph)
    space = read_configuration(source / "model-HPO-configuration.json", graph)
    return Plan(source, target, space, trials, parallel=2, seed=0, threads=1, checkpoint_seconds=60.0)


def test_results_do_not_depend_on_who_runs_trials(tmp_path: Path, source: Path) -> None:
    set_hyperparameters(source, FEW | {"num-epochs": 8})
    data = load_data(source)
    records = {}
    for name, executor in (("here", None), ("one at a time", LocalProcesses(1)), ("two", LocalProcesses(2))):
        plan = planned(source, tmp_path / name, 3)
        records[name] = [replace(record, seconds=0) for record in Trials(plan, executor, data, silent).run()]
    assert records["here"] == records["one at a time"] == records["two"]
    for trial in range(3):
        assert same_weights(tmp_path / "here", tmp_path / "two", trial)


@pytest.mark.parametrize(
    ("limits", "threads", "slots"),
    [
        ({"cores": 8, "parallel": 4, "memory_mib": 100_000}, 2, 4),
        ({"cores": 8, "parallel": 3, "memory_mib": 100_000}, 2, 3),
        ({"cores": 2, "parallel": 4, "memory_mib": 100_000}, 1, 2),
        ({"cores": 8, "parallel": 4, "threads": 4, "memory_mib": 100_000}, 4, 2),
        ({"cores": 8, "parallel": 4, "memory_mib": 2100}, 2, 2),
        ({"cores": 8, "parallel": 4, "memory_mib": 10}, 2, 1),
    ],
)
def test_cores_and_memory_are_shared(tmp_path: Path, limits: dict[str, Any], threads: int, slots: int) -> None:
    (tmp_path / "train_instance_recommendation.json").write_text(json.dumps({"mem_size": str(1000 << 20)}))
    found = budget(TrainConfig(**limits), tmp_path)
    assert (found.threads, found.slots) == (threads, slots)
    assert bool(found.warnings) == (slots < limits["parallel"])


def test_the_machine_sets_the_limits_where_none_are_given(tmp_path: Path) -> None:
    found = budget(TrainConfig(), tmp_path)
    assert (found.threads, found.slots) == (len(os.sched_getaffinity(0)), 1)


# --- pruning ---------------------------------------------------------------------------------------------------


def test_the_bar_is_the_median_of_the_best_so_far() -> None:
    curves = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.0] * 7, [0.3] * 6, [0.9], []]
    bar = medians(curves)
    assert bar[:LEAST_EVALUATIONS] == (None,) * LEAST_EVALUATIONS
    assert bar[LEAST_EVALUATIONS:] == pytest.approx((0.45, 0.5))
    assert medians(curves[:3]) == ()
    assert medians([[1.0]] * 4) == (None,)


def test_a_trial_below_the_bar_is_pruned(tmp_path: Path, source: Path) -> None:
    bar = (None,) * 5 + (2.0,)
    pruned = run_trial(requested(tmp_path / "pruned", source, bar=bar))
    assert (pruned.state, pruned.epochs) == (TrialState.PRUNED, 6)
    assert pruned.message == "stopped in epoch 6: worse than half of the trials before it"
    kept = run_trial(requested(tmp_path / "kept", source, bar=(None,) * 5 + (0.0,)))
    assert (kept.state, kept.message) == (TrialState.COMPLETE, None)
    assert kept.epochs > 6


def test_a_search_prunes_weak_trials(tmp_path: Path, source: Path) -> None:
    set_hyperparameters(source, FEW | {"num-epochs": 15, "enable-early-stop": False})
    document = json.loads((source / "model-HPO-configuration.json").read_text())
    model = document["models"][0]
    for tier in ("1-tier-param", "2-tier-param", "3-tier-param"):
        model[tier] = [each for each in model[tier] if each["param"] == "lr"]
    model["1-tier-param"] = [
        {"param": "lr", "type": "float", "range": [1e-5, 0.1], "inc_strategy": "log", "default": 0.05}
    ]
    (source / "model-HPO-configuration.json").write_text(json.dumps(document))
    trials = Trials(planned(source, tmp_path, 12), None, load_data(source), silent).run()
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert min(trial.number for trial in pruned) >= 4
    assert all(5 < trial.epochs < 15 for trial in pruned)
    assert {trial.epochs for trial in trials if trial.state is TrialState.COMPLETE} == {15}


# --- one trial -------------------------------------------------------------------------------------------------


def test_a_request_for_something_else_drops_the_checkpoint(tmp_path: Path, source: Path) -> None:
    folder = requested(tmp_path / "trial", source)
    checkpoint = folder / "checkpoint.safetensors"
    checkpoint.write_bytes(b"")
    requested(folder, source)
    assert checkpoint.exists()
    requested(folder, source, seed=1)
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"hyperparameters": {"lr": "fast"}}, Kind.INPUT, "lr: must be a number"),
        ({"source": "/nowhere"}, Kind.INPUT, "processed.json is missing"),
        ({"goal": {"metric": "acc", "k": 3}}, Kind.TRIAL, "TypeError: "),
    ],
)
def test_a_failed_trial_says_why(
    tmp_path: Path, source: Path, changes: dict[str, Any], kind: Kind, message: str
) -> None:
    folder = requested(tmp_path / "trial", source, **changes)
    failure = attempt(folder)
    assert failure is not None
    assert failure.kind is kind
    assert message in failure.message
    torch.set_num_threads(1)
    ending = next(LocalProcesses(1).run([folder], lambda message, fraction=None: None))
    assert ending.failure == failure
    assert "Traceback" in (folder / "stderr.txt").read_text()


def test_what_stops_listening_stops_the_trials(tmp_path: Path, source: Path) -> None:
    set_hyperparameters(source, {})
    values = {"num-hidden": 8, "num-epochs": 10**6, "enable-early-stop": False}
    endless = requested(tmp_path / "endless", source, hyperparameters=values)
    quick = requested(tmp_path / "quick", source)
    endings = LocalProcesses(2).run([endless, quick], lambda message, fraction=None: None)
    assert next(endings).folder == quick
    child = next(each for each in psutil.Process().children() if each.cmdline()[-1] == str(endless))
    endings.close()
    assert not child.is_running()
    assert read_record(quick / "trial.json", TrialRecord).number == 0


def evaluated(epoch: int, loss: float) -> str:
    return json.dumps({"epoch": epoch, "loss": loss, "valid": {"acc": 0.5}}) + "\n"


def test_progress_is_read_from_a_log_that_is_cut_meanwhile(tmp_path: Path, source: Path) -> None:
    folder = requested(tmp_path / "trial", source)
    log, told = folder / METRICS_LOG, list[tuple[str, float | None]]()

    def progress(message: str, fraction: float | None = None) -> None:
        told.append((message, fraction))

    reader = MetricsReader(folder)
    reader.tell(progress)
    log.write_text("".join(evaluated(epoch, 1.0) for epoch in (1, 2, 3)) + '{"epoch": 4')
    reader.tell(progress)
    reader.tell(progress)
    log.write_text(evaluated(1, 1.0))
    with open_log(log, Checkpoint(Position(evaluations=1), {})) as going_on:
        going_on.write(evaluated(2, 0.123456) + evaluated(3, 0.123456))
    reader.tell(progress)
    assert told == [
        ("trial trial, epoch 3: loss 1.0000, valid acc 0.5", 3 / 12),
        ("trial trial, epoch 3: loss 0.1235, valid acc 0.5", 3 / 12),
    ]


@pytest.mark.parametrize(("evaluations", "kept"), [(0, 0), (1, 1), (2, 2), (5, 2)])
def test_a_log_goes_on_after_what_the_checkpoint_knows(tmp_path: Path, evaluations: int, kept: int) -> None:
    log, lines = tmp_path / METRICS_LOG, [evaluated(1, 1.0), evaluated(2, 0.9), '{"epoch": 3, "lo']
    log.write_text("".join(lines))
    with open_log(log, Checkpoint(Position(evaluations=evaluations), {})) as going_on:
        going_on.write(evaluated(9, 0.1))
    assert log.read_text() == "".join([*lines[:kept], evaluated(9, 0.1)])


def test_signals_have_names() -> None:
    from neptuneml_plugin.training.search.failures import killed

    assert killed(signal.SIGSEGV).message == "the process was killed by SIGSEGV"
