"""A Ray cluster of two nodes, both on this machine, runs the trials that local processes run."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from neptuneml_plugin.artifacts import Task, TrainingRecord, TrialRecord, read_record
from tests.training.graphs import processed
from tests.training.test_resume import FEW, PROGRAM

pytestmark = pytest.mark.ray

RAY = Path(sys.executable).with_name("ray")
READY = "Ray runtime started"
#: Everything that a trial gives must be this close on both.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Variables of the cluster's processes and of its callers; `RAY_ADDRESS` is the cluster's."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # sockets have short paths only
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # above the ports of Ray's workers
        port = listener.getsockname()[1]
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_ADDRESS": f"127.0.0.1:{port}"}
    variables = {**os.environ, **own, "RAY_USAGE_STATS_ENABLED": "0"}
    head = ["--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false"]
    head += [f"--temp-dir={folder}/ray"]
    without = {name: value for name, value in variables.items() if name != "RAY_ADDRESS"}
    try:
        with node(head, without), node([f"--address=127.0.0.1:{port}"], without):
            yield variables
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def node(arguments: list[str], variables: dict[str, str]) -> Iterator[None]:
    """Run a node of one CPU."""
    command = [str(RAY), "start", "--block", "--num-cpus=1", "--object-store-memory=80000000", *arguments]
    with subprocess.Popen(
        command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, env=variables, start_new_session=True
    ) as process:
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if READY in line:
                break
        try:
            assert said, "no word from ray start"
            assert READY in said[-1], "".join(said)
            yield
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """End a node and all of its processes, by their ids."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(tree, timeout=15)
    for each in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed(tmp_path_factory.mktemp("graph"), Task.NODE_CLASS, nodes=90, values=FEW)


def command(source: Path, output: Path, *arguments: str) -> list[str]:
    settings = source.parent / "train.json"
    settings.write_text(json.dumps({"threads": 1, "checkpoint_seconds": 0.0}))
    return [*PROGRAM, "--input", str(source), "--output", str(output), "--config", str(settings), *arguments]


def trials(output: Path) -> tuple[TrialRecord, ...]:
    return read_record(output / "training.json", TrainingRecord).trials


def same(ours: tuple[TrialRecord, ...], theirs: tuple[TrialRecord, ...]) -> None:
    """Compare everything but the time that trials took."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.hyperparameters, one.epochs, one.state) == (other.hyperparameters, other.epochs, other.state)
        for split, values in one.metrics.items():
            assert values == pytest.approx(other.metrics[split], abs=TOLERANCE)


def test_both_run_the_same_trials(environment: dict[str, str], source: Path, tmp_path: Path) -> None:
    search = ["--trials", "6", "--parallel", "2"]
    for name, chosen in (("local", "local"), ("cluster", "ray")):
        arguments = command(source, tmp_path / name, *search, "--executor", chosen)
        done = subprocess.run(arguments, env=environment, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "trial 5 took" in done.stderr
    same(trials(tmp_path / "local"), trials(tmp_path / "cluster"))


def test_a_killed_worker_s_trial_is_tried_again(environment: dict[str, str], source: Path, tmp_path: Path) -> None:
    arguments = command(source, tmp_path / "killed", "--trials", "2", "--parallel", "2", "--executor", "ray")
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        next(line for line in process.stderr if "trial 0, epoch" in line)
        running_trial().kill()
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert "its Ray worker died" in said
    assert "it will be tried again, alone" in said
    subprocess.run(command(source, tmp_path / "local", "--trials", "2", "--parallel", "2"), check=True)
    same(trials(tmp_path / "local"), trials(tmp_path / "killed"))


def running_trial() -> psutil.Process:
    """Return a Ray worker that runs a trial."""
    return next(
        process
        for process in psutil.process_iter(["cmdline"])
        if any("ray::_attempt" in part for part in process.info["cmdline"] or ())
    )


def test_no_cluster_is_named(environment: dict[str, str], source: Path, tmp_path: Path) -> None:
    nowhere = {**environment, "RAY_ADDRESS": ""}
    arguments = command(source, tmp_path / "training", "--executor", "ray", "--ray-address", "127.0.0.1:9")
    done = subprocess.run(arguments, env=nowhere, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "no Ray cluster answers at 127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
