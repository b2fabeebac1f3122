"""The command line as its users meet it: a process with arguments, an exit code, stdout and stderr."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from neptuneml_plugin.artifacts import Task
from tests.planted import planted_export

#: The contract: command -> its flags.
FLAGS = {
    "quickstart": {"--data-root", "--keep"},
    "serve": {
        "--host", "--port", "--data-root", "--allow-path", "--allow-host", "--allow-origin", "--worker-host",
        "--worker-ports", "--gremlin", "--config",
    },
    "gremlin-server start": {"--graph", "--port", "--service", "--data-root", "--foreground"},
    "gremlin-server stop": {"--port", "--data-root"},
    "plugin": {"--copy-to"},
    "gremlin-console": {"-e"},
    "export": {"--gremlin", "--output", "--request", "--node-label", "--edge-label", "--config", "--json"},
    "process": {"--input", "--output", "--config-file-name", "--config", "--json"},
    "train": {"--input", "--output", "--trials", "--parallel", "--model", "--seed", "--config", "--json"},
    "transform": {"--input", "--model", "--output", "--config", "--json"},
    "endpoint create": {"--artifact", "--service", "--token"},
    "endpoint update": {"--artifact", "--service", "--token"},
    "endpoint list": {"--service", "--token"},
    "endpoint delete": {"--service", "--token"},
}  # fmt: skip


def neptuneml(
    *arguments: str | Path, prepare: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "neptuneml_plugin.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, preexec_fn=prepare)


@pytest.mark.parametrize("command", FLAGS)
def test_every_command_has_the_flags_of_the_contract_and_a_help(command: str) -> None:
    done = neptuneml(*command.split(), "--help")
    assert done.returncode == 0
    for flag in FLAGS[command]:
        assert f"{flag} " in done.stdout or f"{flag}," in done.stdout, flag
    assert len(done.stdout.splitlines()) > 4


def test_version() -> None:
    assert neptuneml("--version").stdout == "neptuneml, version 0.1.0\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_export(tmp_path_factory.mktemp("planted") / "export", Task.NODE_CLASS, nodes=60)


@pytest.fixture(scope="module")
def processed(exported: Path) -> Path:
    output = exported.parent / "processed"
    done = neptuneml("process", "--input", exported, "--output", output)
    assert done.returncode == 0, done.stderr
    return output


def test_a_stage_prints_one_json_object_and_its_progress_elsewhere(exported: Path, tmp_path: Path) -> None:
    done = neptuneml("process", "--input", exported, "--output", tmp_path / "out", "--json")
    summary = json.loads(done.stdout)
    assert summary["stage"] == "process"
    assert summary["task"] == "node_class"
    assert summary["output"] == str(tmp_path / "out")
    assert summary["seconds"] > 0
    assert summary["peak_memory_mib"] > 0
    assert isinstance(summary["warnings"], list)
    assert "process:" in done.stderr


def test_training_prints_metrics_and_competitors(processed: Path, tmp_path: Path) -> None:
    settings = tmp_path / "train.yaml"
    settings.write_text("seed: 3\nthreads: 1\n")
    done = neptuneml("train", "--input", processed, "--output", tmp_path / "out", "--config", settings, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert set(summary["metrics"]) >= {"train", "valid"}
    assert {"majority", "own_features", "neighbours"} <= set(summary["baselines"])
    assert summary["baselines_split"] in {"test", "valid"}
    assert (tmp_path / "out" / "artifact" / "manifest.json").is_file()


BAD = {
    "unknown setting": (
        ["train", "--input", "P", "--output", "O", "--config", "BADYAML"],
        2,
        "did you mean 'trials'",
    ),
    "no such folder": (["process", "--input", "nowhere", "--output", "O"], 2, "nowhere"),
    "not a processed folder": (["train", "--input", "E", "--output", "O"], 2, "processed.json is missing"),
    "unknown model": (["train", "--input", "P", "--output", "O", "--model", "rgcnn"], 2, "rgcn"),
    "output not empty": (["process", "--input", "E", "--output", "E"], 2, "not empty"),
    "unknown configuration": (
        ["process", "--input", "E", "--output", "O", "--config-file-name", "x.json"],
        2,
        "x.json",
    ),
    "unknown command": (["trian"], 2, "No such command"),
    "missing flag": (["export", "--output", "O"], 2, "gremlin"),
    "server down": (
        ["export", "--gremlin", "ws://127.0.0.1:1/gremlin", "--output", "O"],
        1,
        "ws://127.0.0.1:1/gremlin",
    ),
    "service down": (["endpoint", "list", "--service", "http://127.0.0.1:1"], 1, "http://127.0.0.1:1"),
    "bad ports": (["serve", "--worker-ports", "9-x"], 2, "--worker-ports"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_leaves_nothing(case: str, exported: Path, processed: Path, tmp_path: Path) -> None:
    arguments, code, said = BAD[case]
    (tmp_path / "bad.yaml").write_text("trails: 3\n")
    places = {"P": processed, "E": exported, "O": tmp_path / "out", "BADYAML": tmp_path / "bad.yaml"}
    done = neptuneml(*(places.get(argument, argument) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))


@pytest.mark.parametrize("stage", ["process", "train", "transform"])
def test_a_full_disk_fails_clearly_and_leaves_nothing(
    stage: str, exported: Path, processed: Path, tmp_path: Path
) -> None:
    source = exported if stage == "process" else processed
    model: list[str | Path] = ["--model", tmp_path / "model"] if stage == "transform" else []
    if model:
        assert neptuneml("train", "--input", processed, "--output", tmp_path / "model").returncode == 0
    done = neptuneml(stage, "--input", source, "--output", tmp_path / "out", *model, prepare=limited)
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr or "No space" in done.stderr or "full" in done.stderr
    assert "Traceback" not in done.stderr
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    assert list(tmp_path.iterdir()) == []
