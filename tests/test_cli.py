"""The command line as its users meet it: a process with arguments, an exit code, stdout and stderr.

Helps and mistakes are told in the test's own process: to start one for each takes a minute, and shows no more.
"""

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from neptuneml_plugin import cli
from neptuneml_plugin.artifacts import Task
from tests.made_artifacts import make_artifact
from tests.planted import planted_export
from tests.running_service import PATIENCE_SECONDS, RunningService, running_service
from tests.servers import make_data_root

#: The contract: command -> its flags.
FLAGS = {
    "quickstart": {"--data-root", "--keep"},
    "serve": {
        "--host", "--port", "--data-root", "--allow-path", "--allow-host", "--allow-origin", "--public-url",
        "--worker-host", "--worker-ports", "--gremlin", "--gremlin-user", "--gremlin-password-file", "--config",
        "--token-file", "--keys-file", "--tls-certificate", "--tls-key", "--requests-per-second",
    },
    "gremlin-server start": {"--graph", "--port", "--service", "--data-root", "--foreground"},
    "gremlin-server stop": {"--port", "--data-root"},
    "plugin": {"--copy-to"},
    "gremlin-console": {"-e"},
    "export": {"--gremlin", "--output", "--request", "--node-label", "--edge-label", "--config", "--json"},
    "process": {"--input", "--output", "--config-file-name", "--previous", "--config", "--json"},
    "train": {
        "--input", "--output", "--trials", "--parallel", "--model", "--seed", "--previous", "--executor",
        "--ray-address", "--config", "--json",
    },
    "transform": {"--input", "--model", "--output", "--config", "--json"},
    "copy": {"--overwrite"},
    "endpoint create": {
        "--artifact", "--training-job", "--transform-job", "--ensemble", "--new-node-vectors", "--fanouts",
        "--service", "--token",
    },
    "endpoint update": {
        "--artifact", "--training-job", "--transform-job", "--ensemble", "--new-node-vectors", "--fanouts",
        "--service", "--token",
    },
    "endpoint rollback": {"--to", "--service", "--token"},
    "endpoint versions": {"--service", "--token"},
    "job start": {"--json", "--wait", "--service", "--token"},
    "job list": {"--state", "--service", "--token"},
    "job show": {"--json", "--service", "--token"},
    "job wait": {"--service", "--token"},
    "job cancel": {"--clean", "--purge", "--service", "--token"},
    "job logs": {"--follow", "--service", "--token"},
    "loadtest": {
        "--endpoint", "--artifact", "--users", "--spawn-rate", "--duration", "--max-p99-ms", "--max-errors",
        "--items", "--max-batch", "--instances", "--threads", "--cache-mib", "--output", "--target-rps",
        "--target-p99-ms", "--apply", "--service", "--token",
    },
    "learn": {"--endpoint", "--trials", "--service", "--token"},
    "endpoint list": {"--service", "--token"},
    "endpoint delete": {"--service", "--token"},
}  # fmt: skip


PROGRAM = [sys.executable, "-m", "neptuneml_plugin.cli"]


def neptuneml(
    *arguments: str | Path,
    prepare: Callable[[], None] | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 240,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
        preexec_fn=prepare,
        env=os.environ | (env or {}),
    )


def neptuneml_here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Return what `neptuneml` would do, run in this process."""
    out, err, handler = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["neptuneml", *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            cli.main()
    signal.signal(signal.SIGTERM, handler)
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.mark.parametrize("command", FLAGS)
def test_every_command_has_the_flags_of_the_contract_and_a_help(command: str) -> None:
    done = neptuneml_here(*command.split(), "--help")
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
    done = neptuneml("process", "--input", exported, "--output", output, "--no-dgl-graph")
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def training(processed: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The output folder of a training, and what its command said."""
    settings, output = processed.parent / "train.yaml", processed.parent / "training"
    settings.write_text("seed: 3\nthreads: 1\n")
    done = neptuneml("train", "--input", processed, "--output", output, "--config", settings, "--json")
    assert done.returncode == 0, done.stderr
    return output, done


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


def test_training_prints_metrics_and_competitors(
    training: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    output, done = training
    summary = json.loads(done.stdout)
    assert set(summary["metrics"]) >= {"train", "valid"}
    assert {"majority", "own_features", "neighbours"} <= set(summary["baselines"])
    assert summary["baselines_split"] in {"test", "valid"}
    assert (output / "artifact" / "manifest.json").is_file()


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
    "no such port": (["serve", "--port", "99999"], 2, "99999"),
    "no such port of a Gremlin Server": (["gremlin-server", "start", "--port", "0"], 2, "--port"),
    "no such graph": (["gremlin-server", "start", "--graph", "air-route"], 2, "did you mean 'air-routes'"),
    "no trials": (["train", "--input", "P", "--output", "O", "--trials", "0"], 2, "at least 1"),
    "no model": (["transform", "--input", "P", "--output", "O"], 2, "model"),
    "output under a file": (["process", "--input", "E", "--output", "BADYAML/a/b"], 2, "bad.yaml is a file"),
    "unknown setting of an export": (["export", "--output", "O", "--config", "BADYAML"], 2, "trails"),
    "unknown setting of a service": (["serve", "--config", "BADYAML"], 2, "trails"),
    "no name": (["endpoint", "create", "", "--artifact", "O"], 2, "1 to 48 letters"),
    "no command": ([], 2, "Usage"),
    "no script": (["gremlin-console", "-e", "nofile.groovy"], 2, "nofile.groovy"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_leaves_nothing(case: str, exported: Path, processed: Path, tmp_path: Path) -> None:
    arguments, code, said = BAD[case]
    (tmp_path / "bad.yaml").write_text("trails: 3\n")
    places = {"P": processed, "E": exported, "O": tmp_path / "out", "BADYAML": tmp_path / "bad.yaml"}
    below = {"BADYAML/a/b": tmp_path / "bad.yaml" / "a" / "b"}
    done = neptuneml_here(*((places | below).get(argument, argument) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def without_ids(export: Path) -> str:
    (table,) = (export / "nodes").glob("item*.csv")
    header, first, *rest = table.read_text().splitlines(keepends=True)
    table.write_text("".join([header, "," + first.partition(",")[2], *rest]))
    return table.name


def with_an_unknown_target(export: Path) -> str:
    configuration = export / "training-data-configuration.json"
    configuration.write_text(configuration.read_text().replace('"kind"', '"kindd"'))
    return "kindd"


def without_a_file(export: Path) -> str:
    (table,) = (export / "nodes").glob("tag*.csv")
    table.unlink()
    return table.name


@pytest.mark.parametrize("spoil", [without_ids, with_an_unknown_target, without_a_file])
def test_an_export_that_is_not_whole_is_named(
    spoil: Callable[[Path], str], exported: Path, tmp_path: Path
) -> None:
    shutil.copytree(exported, tmp_path / "export")
    named = spoil(tmp_path / "export")
    done = neptuneml_here("process", "--input", tmp_path / "export", "--output", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))


@pytest.mark.parametrize("stage", ["export", "process", "train", "transform"])
def test_a_full_disk_fails_clearly_and_leaves_nothing(
    stage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    def folder(name: str) -> Path:
        found: Path = request.getfixturevalue(name)
        return found

    arguments: dict[str, Callable[[], list[str | Path]]] = {
        "export": lambda: ["--gremlin", request.getfixturevalue("gremlin_server").url, "--node-label", "country"],
        "process": lambda: ["--input", folder("exported")],
        "train": lambda: ["--input", folder("processed")],
        "transform": lambda: [
            "--input", folder("processed"), "--model", request.getfixturevalue("training")[0],
        ],
    }  # fmt: skip
    done = neptuneml(stage, *arguments[stage](), "--output", tmp_path / "out", prepare=limited)
    assert done.returncode == 1, done.stderr
    assert str(tmp_path) in done.stderr
    assert "File too large" in done.stderr or "No space" in done.stderr or "full" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["gremlin-server", "start", "--port", "18199"]])
def test_servers_name_the_full_disk(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "jars").symlink_to(make_data_root(tmp_path / "other") / "jars")
    done = neptuneml(*command, "--data-root", tmp_path, prepare=nearly_no_file)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert str(tmp_path) in done.stderr
    assert "too large" in done.stderr or "disk full" in done.stderr
    assert not list(tmp_path.glob("gremlin-server/*/*"))


def nearly_no_file() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))


@pytest.mark.parametrize(
    ("arguments", "last_line", "left"),
    [
        ([], "epoch 1:", [".out.unfinished"]),  # of the race of presets
        (["--trials", "4", "--parallel", "2"], "trial 1 took", [".out.unfinished"]),
    ],
)
def test_a_terminated_training_leaves_what_it_can_go_on_from(
    arguments: list[str], last_line: str, left: list[str], processed: Path, tmp_path: Path
) -> None:
    command = [*PROGRAM, "train", "--input", str(processed), "--output", str(tmp_path / "out"), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        next(line for line in process.stderr if last_line in line)
        process.terminate()
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "\ninterrupted\n" in f"\n{rest}"
    assert ("the same command goes on" in rest) == bool(left)
    assert "Traceback" not in rest
    assert [path.name for path in tmp_path.iterdir()] == left


def test_an_export_is_interrupted_while_the_server_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"ws://127.0.0.1:{silent.getsockname()[1]}/gremlin"
        command = [*PROGRAM, "export", "--gremlin", address, "--output", str(tmp_path / "out")]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            with connection:
                _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert said.strip().startswith("interrupted")
    assert list(tmp_path.iterdir()) == []


# --- servers and endpoints -------------------------------------------------------------------------------------


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["serve", "gremlin-server start"])
def test_a_taken_port_is_named(command: str, taken_port: int, tmp_path: Path) -> None:
    done = neptuneml(*command.split(), "--port", str(taken_port), "--data-root", tmp_path)
    assert done.returncode == 1
    assert str(taken_port) in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_java_the_gremlin_server_says_what_to_install(tmp_path: Path) -> None:
    empty = {"PATH": str(tmp_path), "JAVA_HOME": ""}
    done = neptuneml("gremlin-server", "start", "--port", "18198", "--data-root", tmp_path, env=empty)
    assert done.returncode == 1
    assert "no Java on the PATH" in done.stderr
    assert "install" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_data_root_is_the_flag_else_the_variable(tmp_path: Path) -> None:
    env = {"NEPTUNEML_DATA_ROOT": str(tmp_path / "variable")}
    assert str(tmp_path / "variable") in neptuneml("gremlin-server", "stop", env=env).stderr
    flag = neptuneml("gremlin-server", "stop", "--data-root", tmp_path / "flag", env=env)
    assert flag.returncode == 1
    assert f"{tmp_path / 'flag'} " in flag.stderr


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with an artifact `good`, one `cut`, and another outside its data root."""
    root = tmp_path_factory.mktemp("service") / "root"
    for place in (root / "good", root / "cut", root.parent / "outside"):
        make_artifact(place)
    os.truncate(root / "cut" / "nodes/1/predictions.npy", 20)
    with running_service(root) as running:
        yield running


def endpoint(service: RunningService, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return neptuneml_here("endpoint", *arguments, "--service", service.url)


def test_the_life_of_an_endpoint(service: RunningService) -> None:
    good = service.log.parent / "good"
    created = endpoint(service, "create", "life", "--artifact", good)
    name, status, version = created.stdout.split()
    assert (created.returncode, name, status) == (0, "life", "InService")
    twice = endpoint(service, "create", "life", "--artifact", good)
    assert (twice.returncode, twice.stdout) == (2, "")
    assert "`neptuneml endpoint update`" in twice.stderr
    assert endpoint(service, "update", "life", "--artifact", good).stdout.split()[1:] == ["InService", version]
    assert f"life\tInService\t{version}\n" in endpoint(service, "list").stdout
    failed = endpoint(service, "update", "life", "--artifact", service.log.parent / "cut")
    assert failed.returncode == 1
    assert f"version {version} goes on answering" in failed.stderr
    options = ("--fanouts", "7,3", "--new-node-vectors", "neighbours")
    assert endpoint(service, "update", "life", "--artifact", good, *options).returncode == 0
    assert service.client.describe_endpoint("life")["inductive"]["fanouts"] == [7, 3]
    assert endpoint(service, "delete", "life").stdout == "life deleted\n"
    assert "life" not in endpoint(service, "list").stdout


BAD_ENDPOINTS = {
    "truncated": (
        ["create", "cut", "--artifact", "ROOT/cut"],
        1,
        "nodes/1/predictions.npy has 20 bytes instead of",
    ),
    "no artifact": (["create", "none", "--artifact", "ROOT"], 2, "is not an artifact: it has no manifest.json"),
    "no folder": (["create", "none", "--artifact", "ROOT/nothing"], 2, "is not a folder"),
    "no S3 folder": (["create", "none", "--artifact", "s3://b/k"], 2, "location 's3://b/k' is not a folder"),
    "not allowed": (["create", "out", "--artifact", "ROOT/../outside"], 2, "`--allow-path "),
    "bad name": (["create", "a_b", "--artifact", "ROOT/good"], 2, "1 to 48 letters, digits and hyphens"),
    "no fan-outs": (
        ["create", "fan", "--artifact", "ROOT/good", "--fanouts", "10,none"],
        2,
        "fanouts is '10,none'; it must be positive integers",
    ),
    "no vectors": (
        ["create", "new", "--artifact", "ROOT/good", "--new-node-vectors", "types"],
        2,
        "'types' is not one of 'type', 'neighbours'",
    ),
    "unknown to update": (["update", "nobody", "--artifact", "ROOT/good"], 2, "`neptuneml endpoint create`"),
    "unknown to delete": (["delete", "nobody"], 1, "there is no endpoint 'nobody'"),
    "a path as a name": (["delete", "../health"], 1, "there is no endpoint '../health'"),
}


@pytest.mark.parametrize("case", BAD_ENDPOINTS)
def test_what_cannot_be_served_is_named(case: str, service: RunningService) -> None:
    arguments, code, said = BAD_ENDPOINTS[case]
    done = endpoint(service, *(argument.replace("ROOT", str(service.log.parent)) for argument in arguments))
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr


def test_a_service_is_ended_by_ctrl_c_and_says_where_it_is(tmp_path: Path) -> None:
    command = [*PROGRAM, "serve", "--port", "0", "--data-root", str(tmp_path / "root")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("service on http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_make_in_a_clone_without_maven_says_what_to_install(tmp_path: Path) -> None:
    clone, tools = tmp_path / "clone", tmp_path / "bin"
    (clone / "gremlin_steps/jvm/src/main").mkdir(parents=True)
    (clone / ".venv/bin").mkdir(parents=True)
    tools.mkdir()
    shutil.copy2(Path(__file__).parents[1] / "Makefile", clone)
    for name in (
        "gremlin_steps/jvm/pom.xml",
        "pyproject.toml",
        "requirements.lock",
        ".venv/bin/uv",
        ".venv/.installed",
    ):
        (clone / name).touch()
    for name in ("bash", "find", "mkdir", "cp", "touch", "awk", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    make = str(shutil.which("make"))
    done = subprocess.run(
        [make, "setup"], cwd=clone, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Maven (mvn) is not on the PATH: install Maven 3.8 or later and a JDK 17 or 21" in done.stderr
    assert not (clone / "gremlin_steps/_jars").exists()
