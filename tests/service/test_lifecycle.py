"""What becomes of endpoints, with real workers: created, updated, deleted, crashed, found after a restart."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psutil
import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from neptuneml_plugin.artifacts import Manifest, Task
from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import FailureByQuery, NeptuneMLError
from neptuneml_plugin.gremlin_server import free_port
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.endpoints.registry import Registry
from neptuneml_plugin.service.endpoints.workers import Worker
from neptuneml_plugin.service.routes.requests import REGISTRY
from neptuneml_plugin.serving.index import LEAST_CANDIDATES
from tests.made_artifacts import Made, make_artifact
from tests.running_service import PATIENCE_SECONDS, eventually, eventually_async, gone, running_service

ASK = {"data": {"nodes": [{"nodeId": "a"}]}}


class Service:
    """A service in this process."""

    def __init__(self, client: "TestClient[Any, Any]", registry: Registry, root: Path) -> None:
        self.client = client
        self.registry = registry
        self.root = root

    async def post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post(path, json=body)
        return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = await self.client.get(path)
        return answer.status, await answer.json()

    async def put(self, name: str, folder: str, *, update: bool = False, **options: Any) -> dict[str, Any]:
        """Create or update an endpoint and return its status once it changes no more."""
        body = {"id": name, "artifactLocation": str(self.root / folder), "update": update, **options}
        status, document = await self.post("/ml/endpoints", body)
        assert status == 200, document
        await eventually_async(lambda: self.registry.get(name).status in ("InService", "Failed"))
        return (await self.get(f"/ml/endpoints/{name}"))[1]

    def workers(self, name: str) -> list[Worker]:
        served = self.registry.served(name)
        assert served is not None
        return served.instances.workers

    def process(self, name: str, number: int = 0) -> psutil.Process:
        running = self.workers(name)[number].running
        assert running is not None
        return psutil.Process(running.process.pid)


@contextlib.asynccontextmanager
async def service(root: Path, **settings: Any) -> AsyncIterator[Service]:
    app = create_app(ServiceConfig(root, **settings))
    async with TestClient(TestServer(app)) as client:
        yield Service(client, app[REGISTRY], root)


@pytest.mark.parametrize("task", list(Task))
async def test_an_endpoint_of_every_task(tmp_path: Path, task: Task) -> None:
    made = make_artifact(tmp_path / "one", Made(task=task))
    edge = {"headNodeId": "1", "tailNodeId": "a"}
    ask: dict[str, Any] = {"data": {"edges": [edge]}}
    if task.on_nodes:
        ask = ASK
    elif task is Task.LINK_PREDICTION:
        ask = {"mode": "predict_tail", "data": {"edges": [{"headNodeId": "1"}]}}
    async with service(tmp_path) as running:
        status = await running.put("e", "one")
        assert (status["status"], status["version"]) == ("InService", made.version)
        code, answer = await running.post("/endpoints/e/invocations", ask)
        assert (code, answer["endpoint"], answer["artifactVersion"]) == (200, "e", made.version)
        assert [len(item) for item in answer["answers"]] == [1]
        process = running.process("e")
    assert gone(process)


async def test_neighbours_by_the_services_own_route(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    vectors = np.load(tmp_path / "one/nodes/1/embeddings.npy").astype(float)
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    best = sorted(zip((units[1:] @ units[0]).tolist(), "bcde", strict=True), reverse=True)
    parameters = {"topk": 3, "tailNodeType": "movie", "exclude_flag": "mask"}
    ask = {"mode": "embed_knn", "data": {"globalParameters": parameters, "nodes": [{"nodeId": "a"}]}}
    async with service(tmp_path) as running:
        await running.put("e", "one")
        code, answer = await running.post("/endpoints/e/invocations", ask)
        assert code == 200
        (found,) = answer["answers"]
        assert [pair["id"] for pair in found] == [name for _, name in best[:3]]
        assert [pair["score"] for pair in found] == pytest.approx([score for score, _ in best[:3]], rel=1e-9)
        ask["data"]["globalParameters"] = {"tailNodeType": "moovie"}  # type: ignore[index]
        code, answer = await running.post("/endpoints/e/invocations", ask)
        assert (code, answer["code"]) == (400, "InvalidParameterException")


async def test_an_approximate_index_and_its_recall_in_the_description(tmp_path: Path) -> None:
    movies, users = ([str(number) for number in range(count)] for count in (LEAST_CANDIDATES, 300))
    make_artifact(tmp_path / "one", Made(task=Task.LINK_PREDICTION, movies=movies, users=users))
    ask = {"mode": "predict_tail", "data": {"globalParameters": {"topk": 10}, "edges": [{"headNodeId": "7"}]}}
    async with service(tmp_path) as running:
        status = await running.put("e", "one")
        assert ("indices" in (await running.get("/endpoints/e"))[1]) is False
        exact = (await running.post("/endpoints/e/invocations", ask))[1]["answers"][0]
        status = await running.put("e", "one", update=True, index="faiss")
        assert (status["status"], status["options"]) == ("InService", {"index": "faiss"})
        (index,) = (await running.get("/endpoints/e"))[1]["indices"]
        assert (index["of"], index["kind"]) == ("predict_tail (user)-rated-(movie)", "HNSW")
        assert (index["candidates"], index["recall"] > 0.8) == (LEAST_CANDIDATES, True)
        found = (await running.post("/endpoints/e/invocations", ask))[1]["answers"][0]
        assert len(found) == 10
        assert [pair for pair in found if pair in exact]


async def test_the_worker_answers_directly_with_the_descriptions_token(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        await running.put("e", "one")
        described = (await running.get("/endpoints/e"))[1]
        headers = {"Authorization": f"Bearer {described['token']}"}
        session = running.client.session
        async with session.post(described["addresses"][0] + "/invocations", json=ASK, headers=headers) as answer:
            assert (await answer.json())["answers"] == (await running.post("/endpoints/e/invocations", ASK))[1][
                "answers"
            ]
        async with session.post(described["addresses"][0] + "/invocations", json=ASK) as answer:
            assert answer.status == 403


def pinned(manifest: Manifest) -> dict[str, Any]:
    return {"data": {**ASK["data"], "globalParameters": {"artifactVersion": manifest.version}}}


async def test_an_update_keeps_the_old_version_for_those_who_hold_it(tmp_path: Path) -> None:
    old, new = make_artifact(tmp_path / "old"), make_artifact(tmp_path / "new", Made(seed=1))
    async with service(tmp_path, pin_seconds=1000.0) as running:
        await running.put("e", "old")
        status = await running.put("e", "new", update=True)
        assert (status["status"], status["version"]) == ("InService", new.version)
        assert status["endpoint"]["outputLocation"] == str(tmp_path / "new")
        for version in (old, new):
            assert (await running.post("/endpoints/e/invocations", pinned(version)))[1][
                "artifactVersion"
            ] == version.version
            described = (await running.get(f"/endpoints/e?version={version.version}"))[1]
            assert (described["version"], len(described["addresses"])) == (version.version, 1)
        assert (await running.post("/endpoints/e/invocations", ASK))[1]["artifactVersion"] == new.version
        await running.client.delete("/ml/endpoints/e")
        assert (await running.get("/endpoints/e"))[0] == 404
        assert (await running.get("/ml/endpoints"))[1] == {"ids": []}
        assert (await running.post("/endpoints/e/invocations", pinned(new)))[0] == 200
        assert (await running.put("e", "old"))["version"] == old.version


async def test_pins_end(tmp_path: Path) -> None:
    old = make_artifact(tmp_path / "old")
    make_artifact(tmp_path / "new", Made(seed=1))
    async with service(tmp_path, pin_seconds=0.05) as running:
        await running.put("e", "old")
        process = running.process("e")
        await running.put("e", "new", update=True)
        await eventually_async(lambda: gone(process))
        assert (await running.get(f"/endpoints/e?version={old.version}"))[0] == 404
        code, told = await running.post("/endpoints/e/invocations", pinned(old))
        assert (code, told["code"]) == (400, "ConstraintViolationException")


async def test_a_failed_update_leaves_the_version_before(tmp_path: Path) -> None:
    old = make_artifact(tmp_path / "old")
    make_artifact(tmp_path / "bad", Made(seed=1))
    (tmp_path / "bad/nodes/1/predictions.npy").write_bytes(b"cut")
    async with service(tmp_path) as running:
        await running.put("e", "old")
        status = await running.put("e", "bad", update=True)
        assert (status["status"], status["version"]) == ("InService", old.version)
        assert "nodes/1/predictions.npy has 3 bytes" in status["endpoint"]["failureReason"]
        assert (await running.post("/endpoints/e/invocations", ASK))[1]["artifactVersion"] == old.version


@pytest.mark.parametrize(
    ("model", "right", "wrong"),
    [
        ("rgcn", ("rgcn", ""), ("kge", "transe", "custom")),
        ("distmult", ("distmult", "kge"), ("rgcn", "transe")),
        ("custom", ("custom",), ("rgcn",)),
    ],
)
async def test_a_model_that_is_named_must_be_the_artifacts(
    tmp_path: Path, model: str, right: tuple[str, ...], wrong: tuple[str, ...]
) -> None:
    make_artifact(tmp_path / "a", Made(model=model))
    async with service(tmp_path) as running:
        for name in wrong:
            for body in ({"id": "none"}, {"id": "e", "update": True}):
                body |= {"artifactLocation": str(tmp_path / "a"), "modelName": name}
                status, refusal = await running.post("/ml/endpoints", body)
                assert (status, refusal["code"]) == (400, "IllegalArgumentException")
                assert f"modelName is '{name}', and the artifact holds the model '{model}'" in refusal["message"]
        assert (await running.get("/ml/endpoints"))[1] == {"ids": []}
        for name in right:
            made = await running.put(f"e{name}", "a", modelName=name)
            assert made["status"] == "InService", made


async def test_a_failed_endpoint_can_be_updated_or_deleted(tmp_path: Path) -> None:
    make_artifact(tmp_path / "good")
    make_artifact(tmp_path / "bad")
    (tmp_path / "bad/nodes/1/ids.npy").unlink()
    async with service(tmp_path) as running:
        status = await running.put("e", "bad")
        assert (status["status"], status["version"]) == ("Failed", None)
        assert "lacks nodes/1/ids.npy" in status["endpoint"]["failureReason"]
        described = (await running.get("/endpoints/e"))[1]
        assert (described["status"], described["addresses"]) == ("Failed", [])
        assert (await running.put("e", "good", update=True))["status"] == "InService"
        await running.put("f", "bad")
        assert (await (await running.client.delete("/ml/endpoints/f")).json()) == {"status": "Deleting"}
        assert (await running.get("/ml/endpoints"))[1] == {"ids": ["e"]}


async def test_deleting_what_is_just_being_created(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        await running.post("/ml/endpoints", {"id": "e", "artifactLocation": str(tmp_path / "one")})
        code, told = await running.post(
            "/ml/endpoints", {"id": "e", "artifactLocation": str(tmp_path / "one"), "update": True}
        )
        assert (code, told["code"]) == (400, "ConstraintViolationException")
        assert (await running.client.delete("/ml/endpoints/e")).status == 200
        assert (await running.put("e", "one"))["status"] == "InService"
    assert not [child for child in psutil.Process().children() if "endpoint" in " ".join(child.cmdline())]


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        await running.put("e", "one")
        before = (await running.get("/endpoints/e"))[1]
        running.process("e").kill()
        (worker,) = running.workers("e")
        await eventually_async(lambda: worker.running is None)
        code, told = await running.post("/endpoints/e/invocations", ASK)
        assert (code, told["code"]) == (500, "FailureByQueryException")
        assert (await running.get("/endpoints/e"))[1]["addresses"] == []
        await eventually_async(lambda: worker.running is not None)
        assert (await running.post("/endpoints/e/invocations", ASK))[0] == 200
        after = (await running.get("/endpoints/e"))[1]
        assert after["token"] == before["token"]
        assert after["addresses"] != before["addresses"]


async def test_a_worker_whose_artifact_has_changed_meanwhile_fails_its_endpoint(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        await running.put("e", "one")
        shutil.rmtree(tmp_path / "one")
        make_artifact(tmp_path / "one", Made(seed=1))
        running.process("e").kill()
        await eventually_async(lambda: running.registry.get("e").status == "Failed")
        assert "has changed" in str(running.registry.get("e").failure_reason)


async def test_many_callers_at_once(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        await running.put("e", "one")
        answers = await asyncio.gather(*(running.post("/endpoints/e/invocations", ASK) for _ in range(60)))
    assert {code for code, _ in answers} == {200}


async def test_workers_listen_where_they_are_told(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    port = free_port()
    async with service(tmp_path, worker_ports=(port, port)) as running:
        assert (await running.put("e", "one"))["status"] == "InService"
        assert (await running.get("/endpoints/e"))[1]["addresses"] == [f"http://127.0.0.1:{port}"]
        status = await running.put("f", "one")
        assert status["status"] == "Failed"
        assert f"all ports of --worker-ports {port}-{port} are taken" in status["endpoint"]["failureReason"]


# --- tables and options ----------------------------------------------------------------------------------------


async def test_a_table_whole_in_ranges_and_of_the_version_asked_for(tmp_path: Path) -> None:
    old, new = make_artifact(tmp_path / "old"), make_artifact(tmp_path / "new", Made(seed=1))
    contents = {
        made.version: (tmp_path / name / "nodes/1/table.bin").read_bytes()
        for name, made in (("old", old), ("new", new))
    }
    assert contents[old.version] != contents[new.version]
    async with service(tmp_path, pin_seconds=1000.0) as running:
        await running.put("e", "old")
        await running.put("e", "new", update=True)
        for version, content in contents.items():
            described = (await running.get(f"/endpoints/e?version={version}"))[1]["tables"]
            (table,) = described
            assert (table["label"], table["bytes"]) == ("movie", len(content))
            assert table["path"] == str(
                tmp_path / ("old" if version == old.version else "new") / "nodes/1/table.bin"
            )
            path = f"/endpoints/e/tables/movie?version={version}"
            answer = await running.client.get(path)
            assert (answer.status, await answer.read()) == (200, content)
            assert answer.headers["Content-Type"] == "application/octet-stream"
            answer = await running.client.get(path, headers={"Range": "bytes=8-15"})
            assert (answer.status, await answer.read()) == (206, content[8:16])
            assert answer.headers["Content-Range"] == f"bytes 8-15/{len(content)}"
            assert "x-amzn-RequestId" in answer.headers
            assert (await running.client.get(path, headers={"Range": "bytes=9999-"})).status == 416
        answer = await running.client.get("/endpoints/e/tables/movie")
        assert await answer.read() == contents[new.version]
        for path in ("user", "none", "..", "%2e%2e%2fmanifest.json", "movie?version=none"):
            code, told = await running.get(f"/endpoints/e/tables/{path}")
            assert (code, told["code"]) in {
                (404, "MLResourceNotFoundException"),
                (400, "UnsupportedOperationException"),
            }, path


async def test_tables_of_labels_with_any_character(tmp_path: Path) -> None:
    make_artifact(tmp_path / "plain")
    text = (tmp_path / "plain/manifest.json").read_text()
    (tmp_path / "plain/manifest.json").write_text(text.replace('"movie"', '"a/b é?;%2F{c}"'))
    async with service(tmp_path) as running:
        await running.put("e", "plain")
        url = running.client.make_url("/endpoints/e/tables/")
        quoted = URL(f"{url}{quote('a/b é?;%2F{c}', safe='')}", encoded=True)
        async with running.client.session.get(quoted) as answer:
            assert answer.status == 200
            assert await answer.read() == (tmp_path / "plain/nodes/1/table.bin").read_bytes()


async def test_a_table_wants_the_token_and_its_own_file(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path, token="secret") as running:
        running.client.session.headers["Authorization"] = "Bearer secret"
        await running.put("e", "one")
        (tmp_path / "one/nodes/1/table.bin").write_bytes(b"other")
        code, told = await running.get("/endpoints/e/tables/movie")
        assert (code, told["code"]) == (400, "ConstraintViolationException")
        del running.client.session.headers["Authorization"]
        assert (await running.get("/endpoints/e/tables/movie"))[0] == 403


async def test_options_reach_the_description_and_stay_until_others_are_said(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one", Made(hyperparameters={"num-layer": 2, "fanout": [20, 15]}))
    make_artifact(tmp_path / "bad", Made(seed=1))
    (tmp_path / "bad/nodes/1/ids.npy").unlink()
    async with service(tmp_path) as running:

        async def fanouts(folder: str, *, update: bool = True, **options: Any) -> Any:
            await running.put("e", folder, update=update, **options)
            served = running.registry.served("e")
            assert served is not None
            described = (await running.get("/endpoints/e"))[1]["inductive"]["fanouts"]
            return described, served.instances.options.new_node_vectors

        assert await fanouts("one", update=False, newNodeVectors="neighbours") == ([20, 15], "neighbours")
        assert await fanouts("one", fanouts=[4, 3]) == ([4, 3], "neighbours")
        assert await fanouts("one") == ([4, 3], "neighbours")
        assert await fanouts("bad", fanouts="9,9", newNodeVectors="type") == ([4, 3], "neighbours")
        assert running.registry.get("e").options.fanouts == (4, 3)
        assert await fanouts("one", newNodeVectors="type") == ([4, 3], "type")


# --- restarts, with the service in a process of its own --------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def test_a_restarted_service_finds_its_endpoints(root: Path) -> None:
    versions = [make_artifact(root / name, Made(seed=seed)).version for seed, name in enumerate(("a", "b"))]
    with running_service(root) as first:
        for name in ("a", "b"):
            first.client.create_endpoint(name, str(root / name), {"fanouts": [6, 5]} if name == "b" else None)
        workers = first.workers()
        assert len(workers) == 2
        os.kill(first.process.pid, signal.SIGKILL)
        eventually(lambda: all(gone(worker) for worker in workers))
    with running_service(root) as second:
        assert second.client.list_endpoints() == ["b", "a"]
        for name, version in zip(("a", "b"), versions, strict=True):
            eventually(lambda name=name: second.client.get_endpoint(name)["status"] == "InService")  # type: ignore[misc]
            assert second.client.invoke(name, ASK)["artifactVersion"] == version
        fanouts = {name: second.client.describe_endpoint(name)["inductive"]["fanouts"] for name in ("a", "b")}
        assert fanouts == {"a": [10], "b": [6, 5]}
        workers = second.workers()
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(PATIENCE_SECONDS) == 0
        assert all(gone(worker) for worker in workers)


def test_an_artifact_that_changed_or_vanished_meanwhile_fails_its_endpoint(root: Path) -> None:
    for name in ("changed", "gone", "same"):
        make_artifact(root / name)
    with running_service(root) as first:
        for name in ("changed", "gone", "same"):
            first.client.create_endpoint(name, str(root / name))
    shutil.rmtree(root / "changed")
    make_artifact(root / "changed", Made(seed=1))
    shutil.rmtree(root / "gone")
    with running_service(root) as second:
        client = second.client
        eventually(
            lambda: all(client.get_endpoint(name)["status"] != "Creating" for name in client.list_endpoints())
        )
        states = {name: client.get_endpoint(name) for name in client.list_endpoints()}
        assert {name: state["status"] for name, state in states.items()} == {
            "changed": "Failed",
            "gone": "Failed",
            "same": "InService",
        }
        assert "has changed" in states["changed"]["endpoint"]["failureReason"]
        assert "has vanished" in states["gone"]["endpoint"]["failureReason"]
        client.update_endpoint("changed", str(root / "changed"))
        assert client.invoke("changed", ASK)["answers"]


def test_secrets_are_never_logged(root: Path) -> None:
    make_artifact(root / "one")
    with running_service(root, token="service-secret") as running:
        running.client.create_endpoint("e", str(root / "one"))
        worker_token = running.client.describe_endpoint("e")["token"]
        running.client.invoke("e", ASK)
        with pytest.raises(NeptuneMLError):
            ServiceClient(running.url, "a-wrong-secret").list_endpoints()
        with pytest.raises(NeptuneMLError):
            running.client.create_endpoint("e", "/etc")
        for process in (psutil.Process(running.process.pid), *running.workers()):
            shown = " ".join([*process.cmdline(), *process.environ().values()])
            assert worker_token not in shown
            assert "service-secret" not in shown
    log = running.log.read_text()
    assert "endpoint e answers with version" in log
    for secret in (worker_token, "service-secret", "a-wrong-secret"):
        assert secret not in log
    assert "service-secret" not in repr(replace(ServiceConfig(root), token="service-secret"))


def test_a_failed_creation_is_told_by_the_client(root: Path) -> None:
    make_artifact(root / "one")
    (root / "one/model.safetensors").write_bytes(b"")
    with (
        running_service(root) as running,
        pytest.raises(FailureByQuery, match=r"'e': .*model.safetensors has 0 bytes"),
    ):
        running.client.create_endpoint("e", str(root / "one"))
