"""`neptuneml loadtest`, as its users meet it: against a real service, and with workers of its own."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from neptuneml_plugin.commands.loadtest import loadtest_command
from neptuneml_plugin.loadtest import applying
from neptuneml_plugin.loadtest.choosing import Configuration
from neptuneml_plugin.service.wire.endpoints import NUMBERS
from tests.made_artifacts import make_artifact
from tests.running_service import PATIENCE_SECONDS, RunningService, eventually, running_service
from tests.test_cli import PROGRAM, neptuneml

SHORT = ("--users", "3", "--duration", "0.3", "--confirm", "0.3", "--turns", "1")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    root = tmp_path_factory.mktemp("root")
    make_artifact(root / "artifact")
    with running_service(root, token="secret") as running:
        running.client.create_endpoint("movies", str(root / "artifact"))
        yield running


def loadtest(service: RunningService, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
    env = {"NEPTUNEML_SERVICE_URL": service.url, "NEPTUNEML_SERVICE_TOKEN": service.token}
    done = neptuneml("loadtest", *SHORT, *arguments, env=env)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_an_artifact_over_a_grid(service: RunningService, tmp_path: Path) -> None:
    artifact, output = service.log.parent / "artifact", tmp_path / "out"
    grid = ("--max-batch", "1,64", "--threads", "1")
    target = ("--turns", "2", "--target-rps", "10")
    shown, said = loadtest(service, "--artifact", artifact, *grid, *target, "--output", output)
    assert said.startswith(
        "2 configurations: 2 turns of 0.3 s, then the recommended one again, 0.3 s a turn; 3 s at most"
    )
    assert shown.count("instances 1, batch") == 2
    assert shown.count("recommended") == 1
    assert "The recommended one again: " in said
    assert sorted(path.name for path in output.iterdir()) == ["loadtest.html", "loadtest.json"]
    refused = loadtest(service, "--artifact", artifact, "--output", output, code=2)[1]
    assert "is not empty" in refused


@pytest.mark.parametrize("way", [(), ("--through-service",)])
def test_an_endpoint_as_it_is_served(service: RunningService, way: tuple[str, ...]) -> None:
    shown, _ = loadtest(service, "--endpoint", "movies", "--json", *way)
    found = json.loads(shown)
    assert found["rows"][0]["configuration"] is None
    assert found["rows"][0]["answers"] > 0
    assert found["rows"][0]["errors"] == {}


def test_bodies_of_a_file(service: RunningService, tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"data": {"nodes": [{"nodeId": "a"}]}}\n{"data": {"nodes": [{"nodeId": "b"}]}}\n')
    assert "as served" in loadtest(service, "--endpoint", "movies", "--items", file)[0]
    file.write_text("{\n")
    assert "line 1 is not JSON" in loadtest(service, "--endpoint", "movies", "--items", file, code=2)[1]


def test_nothing_within_the_limits_is_a_failure(service: RunningService) -> None:
    shown, said = loadtest(service, "--endpoint", "movies", "--target-p99-ms", "0.000001", code=1)
    assert "p99 too high" in shown
    assert "No configuration is within the limits" in said


def test_an_error_is_told_by_its_whole_name(service: RunningService, tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"data": {"nodes": [{"nodeId": "a"}]}}\n{"data": {"nodez": []}}\n')
    shown, said = loadtest(service, "--endpoint", "movies", "--items", file, "--max-errors", "2", code=1)
    assert "InvalidParameterException" in shown
    assert "too many errors" in shown
    assert "errors are more than 2" in said


def test_a_cache_that_would_keep_all_that_is_asked_is_remarked(service: RunningService, tmp_path: Path) -> None:
    artifact, file = service.log.parent / "artifact", tmp_path / "items.jsonl"
    file.write_text('{"data": {"nodes": [{"nodeId": "a"}]}}\n')
    told = "The same 1,000 bodies are asked again and again"
    assert told in loadtest(service, "--artifact", artifact, "--cache-mib", "8")[1]
    assert told not in loadtest(service, "--artifact", artifact, "--cache-mib", "8", "--items", file)[1]
    assert told not in loadtest(service, "--artifact", artifact, "--cache-mib", "0")[1]


WRONG = {
    "neither": ((), "give one of --endpoint and --artifact"),
    "both": (("--endpoint", "e", "--artifact", "."), "give one of --endpoint and --artifact"),
    "nothing to choose from": (("--endpoint", "e", "--apply"), "what to choose from"),
    "nobody to give it to": (("--artifact", ".", "--apply", "--max-batch", "1"), "--apply needs --endpoint"),
    "nobody who could be asked so": (("--artifact", ".", "--through-service"), "asks an endpoint as it is served"),
    "no grid of the service's": (
        ("--endpoint", "e", "--through-service", "--max-batch", "1"),
        "asks an endpoint as it is served",
    ),
    "no numbers": (("--artifact", ".", "--max-batch", "1,x"), "is not a list of numbers from 1 on"),
    "too many": (
        ("--artifact", ".", "--max-batch", "1,2,3,4,5,6,7,8,9", "--max-delay-micros", "0,1,2,3,4,5,6,7"),
        "these are 72 configurations",
    ),
    "no artifact": (("--artifact", "."), "is not an artifact"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input(service: RunningService, name: str) -> None:
    arguments, says = WRONG[name]
    assert says in loadtest(service, *arguments, code=2)[1]


def test_an_endpoint_that_is_not_there(service: RunningService) -> None:
    assert "none" in loadtest(service, "--endpoint", "none", code=1)[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_leaves_no_worker_behind(tmp_path: Path, number: signal.Signals) -> None:
    make_artifact(tmp_path / "artifact")
    arguments = ["loadtest", "--artifact", str(tmp_path / "artifact"), "--output", str(tmp_path / "out")]
    with subprocess.Popen(
        [*PROGRAM, *arguments, "--duration", "600"], stderr=subprocess.PIPE, text=True
    ) as process:
        seen = psutil.Process(process.pid)
        eventually(lambda: any(child.net_connections() for child in seen.children()))
        started = seen.children()
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, "interrupted" in said) == (130, True)
    assert psutil.wait_procs(started, timeout=PATIENCE_SECONDS)[1] == []
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_the_page_names_every_flag() -> None:
    text = (Path(__file__).parents[2] / "docs/loadtest.md").read_text()
    flags = {flag for option in loadtest_command.params for flag in option.opts} - {
        "--service",
        "--token",
        "--overwrite",
    }
    assert [flag for flag in sorted(flags) if flag not in text] == []


# --- what is given to an endpoint --------------------------------------------------------------------------------


def test_options_are_those_of_the_wire() -> None:
    given = applying.options(Configuration(2, 1, 64, 100, 16), None)
    assert given == {"instanceCount": 2, "maxBatch": 64, "maxDelayMicros": 100, "cacheMib": 16}
    assert set(given) <= set(NUMBERS)
    assert applying.options(Configuration(), 7) == {"instanceCount": 7}


def test_an_endpoint_gets_what_is_recommended(service: RunningService) -> None:
    grid = ("--max-batch", "16", "--max-delay-micros", "0", "--threads", "2", "--cache-mib", "8")
    _, said = loadtest(service, "--endpoint", "movies", *grid, "--apply")
    assert "Endpoint 'movies' has instanceCount 1, maxBatch 16, maxDelayMicros 0, cacheMib 8." in said
    assert "The service gives its workers 1 thread, not 2." in said
    kept = service.client.get_endpoint("movies")["options"]
    assert kept == {"instanceCount": 1, "maxBatch": 16, "maxDelayMicros": 0, "cacheMib": 8}


def test_a_service_that_refuses_is_quoted(service: RunningService) -> None:
    before = service.client.get_endpoint("movies")["options"]
    arguments = ("--endpoint", "movies", "--max-batch", "16", "--target-rps", "1e9", "--apply")
    said = loadtest(service, *arguments, code=1)[1]
    assert "the service refuses instanceCount" in said
    assert "must be 1 to 64" in said
    assert service.client.get_endpoint("movies")["options"] == before
