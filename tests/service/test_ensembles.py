"""Endpoints of ensembles, with real workers: created, asked, updated, rolled back, deleted, refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.service.endpoints.ensembles import ENSEMBLES
from tests.made_artifacts import Made, make_artifact
from tests.read_table import read_table
from tests.running_service import RunningService, eventually, eventually_async, running_service
from tests.service.test_lifecycle import ASK, Service, service
from tests.test_job_commands import run

LINK = {"mode": "predict_tail", "data": {"edges": [{"headNodeId": "1"}], "globalParameters": {"topk": 9}}}


def of(root: Path, *folders: str, **given: Any) -> dict[str, Any]:
    return {"members": [{"artifactLocation": str(root / folder)} for folder in folders], **given}


def folders(root: Path) -> set[str]:
    return {path.name for path in (root / ENSEMBLES).iterdir()}


async def put(running: Service, name: str, ensemble: dict[str, Any], *, update: bool = False) -> dict[str, Any]:
    code, told = await running.post("/ml/endpoints", {"id": name, "ensemble": ensemble, "update": update})
    assert code == 200, told
    await eventually_async(lambda: running.registry.get(name).status in ("InService", "Failed"))
    return (await running.get(f"/ml/endpoints/{name}"))[1]


async def test_the_life_of_an_ensemble(tmp_path: Path) -> None:
    for at in range(3):
        make_artifact(tmp_path / f"m{at}", Made(seed=at))
    async with service(tmp_path, pin_seconds=0.2) as running:
        one = await put(running, "e", of(tmp_path, "m0", "m1"))
        assert (one["status"], one["endpoint"]["outputLocation"]) == (
            "InService",
            str(tmp_path / ENSEMBLES / one["version"]),
        )
        _, first = await running.post("/endpoints/e/invocations", ASK)
        assert first["artifactVersion"] == one["version"]
        # The plugin's table says what the worker says.
        table = read_table(await (await running.client.get("/endpoints/e/tables/movie")).read())
        best = next(iter(table.answers("a") or ()))
        assert best[0] == first["answers"][0][0]["value"]
        # Another member is another version, and the one before may come back.
        two = await put(running, "e", of(tmp_path, "m0", "m2"), update=True)
        assert two["version"] != one["version"]
        await running.post("/ml/endpoints/e/rollback", {})
        await eventually_async(lambda: running.registry.get("e").status == "InService")
        _, again = await running.post("/endpoints/e/invocations", ASK)
        assert (again["artifactVersion"], again["answers"]) == (one["version"], first["answers"])
        assert folders(tmp_path) == {one["version"], two["version"]}
        await running.client.delete("/ml/endpoints/e")
        await eventually_async(lambda: not folders(tmp_path))
        assert (tmp_path / "m0").is_dir()


async def test_a_member_that_changes_is_another_version(tmp_path: Path) -> None:
    for at in range(2):
        make_artifact(tmp_path / f"m{at}", Made(seed=at))
    async with service(tmp_path) as running:
        one = await put(running, "e", of(tmp_path, "m0", "m1"))
        shutil.rmtree(tmp_path / "m1")
        make_artifact(tmp_path / "m1", Made(seed=7))
        two = await put(running, "e", of(tmp_path, "m0", "m1"), update=True)
        assert (two["status"], two["endpoint"].get("failureReason")) == ("InService", None)
        assert two["version"] != one["version"]
        # What the version before was made of is gone: the present one goes on.
        await running.post("/ml/endpoints/e/rollback", {})
        await eventually_async(lambda: running.registry.get("e").failure_reason is not None)
        assert "was made of" in str(running.registry.get("e").failure_reason)
        assert (await running.post("/endpoints/e/invocations", ASK))[1]["artifactVersion"] == two["version"]


async def test_after_a_restart_it_answers_again_and_leftovers_are_gone(tmp_path: Path) -> None:
    for at in range(2):
        make_artifact(tmp_path / f"m{at}", Made(task=Task.LINK_PREDICTION, seed=at))
    async with service(tmp_path) as running:
        one = await put(running, "e", of(tmp_path, "m0", "m1", combine="rescore", candidates=3))
        _, first = await running.post("/endpoints/e/invocations", LINK)
        assert len(first["answers"][0]) == 3
    (tmp_path / ENSEMBLES / "leftover").mkdir()
    async with service(tmp_path) as running:
        await eventually_async(lambda: running.registry.get("e").status == "InService")
        assert folders(tmp_path) == {one["version"]}
        _, again = await running.post("/endpoints/e/invocations", LINK)
        assert again["answers"] == first["answers"]


async def test_a_caller_gathers_only_where_all_members_can_be_asked_so(tmp_path: Path) -> None:
    make_artifact(tmp_path / "m0", Made(hyperparameters={"num-layer": 2, "fanout": [3, 5]}))
    make_artifact(tmp_path / "m1", Made(seed=1, hyperparameters={"num-layer": 1, "fanout": [8]}))
    make_artifact(tmp_path / "m2", Made(seed=2, model="custom"))
    async with service(tmp_path) as running:
        await put(running, "both", of(tmp_path, "m0", "m1"))
        await put(running, "stored", of(tmp_path, "m0", "m2"))
        _, both = await running.get("/endpoints/both")
        assert (both["modes"], both["inductive"]["fanouts"]) == (["transductive", "inductive"], [8, 8])
        _, stored = await running.get("/endpoints/stored")
        assert (stored["modes"], stored["inductive"]) == (["transductive"], None)


async def test_every_problem_is_told_at_once_and_nothing_is_left(tmp_path: Path) -> None:
    make_artifact(tmp_path / "m0", Made())
    make_artifact(tmp_path / "m1", Made(task=Task.NODE_REGRESSION))
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    make_artifact(elsewhere, Made())
    wrong: dict[str, Any] = {
        "members": [
            {"artifactLocation": str(elsewhere)},
            {"mlModelTrainingJobId": "none"},
            {"weight": 2},
            {"artifactLocation": str(tmp_path / "m0"), "mlModelTransformJobId": "t"},
            {"artifactLocation": str(tmp_path / "nothing")},
            {"artifactLocation": str(tmp_path / "m0"), "wieght": 2},
            "m0",
        ],
        "temprature": 2,
    }
    async with service(tmp_path) as running:
        code, told = await running.post("/ml/endpoints", {"id": "e", "ensemble": wrong})
        assert (code, told["code"]) == (400, "InvalidParameterException")
        for expected in (
            r"members[0]: location",
            "outside the data root",
            "members[1]: there is no modeltraining job 'none'",
            "members[2]: must be an object that names its artifact by one of mlModelTraining",
            "members[3]: must be an object",
            "members[4]: location",
            "unknown setting 'wieght'",
            "members[6]: must be an object",
            "unknown setting 'temprature' (did you mean 'temperature'?)",
        ):
            assert expected in told["detailedMessage"], told["detailedMessage"].replace(expected, "")
        code, told = await running.post("/ml/endpoints", {"id": "e", "ensemble": of(tmp_path, "m0", "m1")})
        assert (code, told["code"]) == (400, "InvalidParameterException")
        assert "members[1]: is a node_regression" in told["detailedMessage"]
        both = {"id": "e", "ensemble": of(tmp_path, "m0"), "artifactLocation": str(tmp_path / "m0")}
        assert "both name the artifact" in (await running.post("/ml/endpoints", both))[1]["detailedMessage"]
        for text in ("m0", [of(tmp_path, "m0")]):
            code, told = await running.post("/ml/endpoints", {"id": "e", "ensemble": text})
            assert (code, "ensemble is" in told["detailedMessage"]) == (400, True)
        assert (await running.get("/ml/endpoints"))[1]["ids"] == []
        assert not (tmp_path / ENSEMBLES).exists() or not folders(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("ensembles")
    with running_service(root) as found:
        yield found


def test_the_command_takes_paths_from_beside_the_file(running: RunningService, tmp_path: Path) -> None:
    root = running.log.parent
    for at in range(2):
        make_artifact(root / f"c{at}", Made(seed=at))
    file = root / "both.yaml"
    file.write_text("members:\n- artifactLocation: c0\n  weight: 2\n- artifactLocation: ./c1\ntemperature: 0.5\n")
    said = run(running, "endpoint", "create", "both", "--ensemble", str(file))
    assert said.startswith("both InService ")
    written = json.loads((root / ENSEMBLES / said.split()[-1] / "ensemble.json").read_text())
    assert [Path(member["artifact"]).name for member in written["definition"]["members"]] == ["c0", "c1"]
    file.write_text("members: [c0]\ncombine: averge\n")
    assert "members[0]: must be an object" in run(
        running, "endpoint", "update", "both", "--ensemble", str(file), code=2
    )
    assert "cannot be read" in run(
        running, "endpoint", "update", "both", "--ensemble", str(tmp_path / "no"), code=2
    )
    eventually(lambda: running.client.get_endpoint("both")["status"] == "InService")
