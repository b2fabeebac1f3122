"""`neptuneml job` and the endpoint commands that name jobs and versions, against a real service."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from neptuneml_plugin.artifacts import Task
from tests.made_artifacts import Made, make_artifact
from tests.planted import planted_export
from tests.running_service import RunningService, running_service
from tests.test_cli import neptuneml


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    root = tmp_path_factory.mktemp("root")
    export = planted_export(root / "export", Task.LINK_PREDICTION, nodes=40)
    (export / "broken.json").write_text("[]")
    with running_service(root, token="secret", parallel_jobs=1) as running:
        yield running


def run(service: RunningService, *arguments: str, code: int = 0) -> str:
    """Run a command and return what it prints: to stdout if it succeeds, to stderr otherwise."""
    env = {"NEPTUNEML_SERVICE_URL": service.url, "NEPTUNEML_SERVICE_TOKEN": service.token}
    done = neptuneml(*arguments, env=env)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def members(service: RunningService, **more: str) -> list[str]:
    root = service.log.parent
    given = {"inputDataS3Location": str(root / "export"), "processedDataS3Location": str(root / "dp"), **more}
    return [f"{name}={value}" for name, value in given.items()]


def test_a_job_from_its_start_to_its_end(service: RunningService) -> None:
    assert run(service, "job", "start", "dataprocessing", *members(service, id="p"), "--wait") == "p\n"
    assert run(service, "job", "wait", "dataprocessing", "p") == ""
    shown = run(service, "job", "show", "dataprocessing", "p")
    assert "dataprocessing p: Completed" in shown
    assert re.search(r"progress\s+done, 100%", shown)
    assert "preloading-output" in shown
    assert "last lines:" in shown
    status = json.loads(run(service, "job", "show", "dataprocessing", "p", "--json"))
    assert status["progress"]["fraction"] == 1.0
    assert "process:" in run(service, "job", "logs", "dataprocessing", "p")
    assert "process:" in run(service, "job", "logs", "dataprocessing", "p", "--follow")
    assert "dataprocessing\tp\tCompleted\tdone\n" in run(service, "job", "list")
    assert "p\tCompleted" in run(service, "job", "list", "dataprocessing", "--state", "Completed")
    assert run(service, "job", "list", "modeltraining") == ""
    assert "cannot be stopped" in run(service, "job", "cancel", "dataprocessing", "p", code=2)
    assert run(service, "job", "cancel", "dataprocessing", "p", "--purge", "--clean") == "p purged\n"
    assert "there is no dataprocessing job 'p'" in run(service, "job", "show", "dataprocessing", "p", code=1)


def test_a_job_that_fails_tells_why_and_by_its_exit_code(service: RunningService, tmp_path: Path) -> None:
    body = tmp_path / "job.yaml"
    body.write_text("id: f\nconfigFileName: overridden.json\n")
    given = [*members(service), "configFileName=broken.json", "--json", str(body)]
    assert run(service, "job", "start", "dataprocessing", *given) == "f\n"
    told = run(service, "job", "wait", "dataprocessing", "f", code=1)
    assert "dataprocessing 'f' is Failed: " in told
    assert "broken.json" in told
    assert re.search(r"failure\s.*broken\.json", run(service, "job", "show", "dataprocessing", "f"))
    assert re.search(r"f\tFailed\t.*broken\.json", run(service, "job", "list", "dataprocessing"))


def test_a_chain_is_one_of_the_kinds(service: RunningService, tmp_path: Path) -> None:
    document = tmp_path / "chain.json"
    source = str(service.log.parent / "export")
    document.write_text(json.dumps({"id": "c", "dataprocessing": {"inputDataS3Location": source}}))
    assert run(service, "job", "start", "chain", "--json", str(document), "--wait") == "c\n"
    shown = run(service, "job", "show", "chain", "c")
    assert "chain c: Completed" in shown
    assert re.search(r"dataprocessing\s+c-dataprocessing\s+Completed\s+done, 100%", shown)
    told = run(service, "job", "logs", "chain", "c", code=2)
    assert "its parts have: dataprocessing c-dataprocessing" in told
    refused = run(service, "job", "start", "chain", "dataprocessing={}", "training={}", code=2)
    assert "dataprocessing: inputDataS3Location is missing" in refused


def test_a_job_is_stopped(service: RunningService) -> None:
    for name in ("running", "waiting"):
        run(service, "job", "start", "dataprocessing", *members(service, id=name))
    assert run(service, "job", "cancel", "dataprocessing", "waiting") == "waiting Stopped\n"
    assert "'waiting' is Stopped" in run(service, "job", "wait", "dataprocessing", "waiting", code=1)


WRONG = {
    "no member": (["job", "start", "export", "outputS3Path"], "'outputS3Path' is not of the form MEMBER=VALUE"),
    "no JSON": (["job", "start", "export", "params={"], "params is not JSON"),
    "no member of it": (
        ["job", "start", "modeltraining", "maxHPONumberOfTrainingJob=1"],
        "unknown member 'maxHPONumberOfTrainingJob' (did you mean 'maxHPONumberOfTrainingJobs'?)",
    ),
    "no member of an export": (
        ["job", "start", "export", "outputS3Path=s3://a", 'params={"nodLabels": "a"}'],
        "params.nodLabels: unknown member (did you mean 'nodeLabels'?)",
    ),
    "no kind": (["job", "start", "training"], "'training' is not one of"),
    "no state": (["job", "list", "--state", "Done"], "'Done' is not one of"),
    "no source": (["endpoint", "create", "e"], "--artifact, --training-job, --transform-job and --ensemble"),
    "two sources": (["endpoint", "update", "e", "--artifact", "/a", "--training-job", "t"], "give one of"),
    "no such job": (["endpoint", "create", "e", "--training-job", "none"], "no modeltraining job 'none'"),
    "no such transform": (["endpoint", "create", "e", "--transform-job", "x"], "no modeltransform job 'x'"),
    "nothing to learn": (["learn", "g.V()"], "asks for no prediction"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input(service: RunningService, name: str) -> None:
    arguments, says = WRONG[name]
    assert says in run(service, *arguments, code=2)


def test_versions_of_an_endpoint(service: RunningService) -> None:
    root = service.log.parent
    made = [make_artifact(root / name, Made(seed=seed)).version for seed, name in enumerate("ab")]
    assert run(service, "endpoint", "create", "e", "--artifact", str(root / "a")) == f"e InService {made[0]}\n"
    run(service, "endpoint", "update", "e", "--artifact", str(root / "b"))
    assert run(service, "endpoint", "rollback", "e") == f"e InService {made[0]}\n"
    assert run(service, "endpoint", "rollback", "e", "--to", made[1]) == f"e InService {made[1]}\n"
    listed = run(service, "endpoint", "versions", "e").splitlines()
    assert [line.split("\t")[0] for line in listed] == [made[1], made[0], made[1], made[0]]
    assert "there are:" in run(service, "endpoint", "rollback", "e", "--to", "none", code=2)
