"""Endpoints that share a process: loaded on demand, let go by memory, each with its own figures and token."""

import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import SharedConfig, WarmUp, WorkerConfig
from neptuneml_plugin.errors import InvalidData, MemoryLimitExceeded
from neptuneml_plugin.serving.paths import bare_server
from neptuneml_plugin.serving.shared import SharedPaths
from neptuneml_plugin.serving.tenants import Loadable, Tenants
from tests.made_artifacts import Made, make_artifact
from tests.running_service import PATIENCE_SECONDS, eventually_async
from tests.worker_server import BareServer

ASK: dict[str, Any] = {"data": {"nodes": [{"nodeId": "a"}]}}
MIB = 1 << 20


class Memory:
    """A process that takes so much, and so much more for each endpoint that is loaded."""

    def __init__(self, base: int = 40, each: int = 100) -> None:
        self.base, self.each = base, each
        self.tenants: Tenants | None = None
        self.looks = 0

    def __call__(self) -> int:
        self.looks += 1
        return (self.base + self.each * len(self.tenants.loaded if self.tenants else ())) * MIB


class Process:
    """A group's process, in this one."""

    def __init__(self, client: "TestClient[Any, Any]", tenants: Tenants, root: Path) -> None:
        self.client, self.tenants, self.root = client, tenants, root

    async def enter(self, name: str, memory_mib: int = 0, version: str | None = None, **made: Any) -> str:
        if not (self.root / name).exists():
            make_artifact(self.root / name, Made(**made))
        config = WorkerConfig(
            name, self.root / name, token=f"token-{name}", memory_mib=memory_mib, warm_up=WarmUp.NONE
        )
        return await self.tenants.enter(config, str(self.client.make_url("")).rstrip("/"), version)

    async def call(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.client.request(method, path, headers=headers, json=body)
        text = await answer.text()
        return answer.status, json.loads(text) if text.startswith("{") else text

    async def ask(self, name: str) -> tuple[int, Any]:
        return await self.call("POST", "/invocations", f"token-{name}", ASK)


@contextlib.asynccontextmanager
async def process(root: Path, memory: Memory | None = None) -> AsyncIterator[Process]:
    memory = memory or Memory()
    memory.tenants = tenants = Tenants(memory)
    paths = SharedPaths(SharedConfig("small", token="control"), tenants)
    client: TestClient[Any, Any] = TestClient(BareServer(lambda: bare_server(paths.answer, 64)))
    async with client:
        yield Process(client, tenants, root)


async def test_a_token_says_who_is_asked(tmp_path: Path) -> None:
    async with process(tmp_path) as running:
        versions = {name: await running.enter(name, seed=seed) for seed, name in enumerate("xy")}
        for name in "xy":
            code, answer = await running.ask(name)
            assert (code, answer["endpoint"], answer["artifactVersion"]) == (200, name, versions[name])
            code, told = await running.call("GET", "/health", f"token-{name}")
            assert (code, told["endpoint"], told["artifactVersion"]) == (200, name, versions[name])
            code, told = await running.call("GET", "/nothing", f"token-{name}")
            assert (code, told["code"]) == (400, "UnsupportedOperationException")
        code, told = await running.call("POST", "/invocations", "token-z", ASK)
        assert (code, told["code"]) == (403, "AccessDeniedException")


async def test_only_the_service_says_who_is_in(tmp_path: Path) -> None:
    make_artifact(tmp_path / "x")
    body = {"config": {"endpoint": "x", "artifact": str(tmp_path / "x"), "token": "t", "warm_up": "stored"}}
    async with process(tmp_path) as running:
        for path in ("/enter", "/leave"):
            for token in ("t", "", "controls"):
                assert (await running.call("POST", path, token, body))[0] == 403
        assert (await running.call("POST", "/invocations", "control", ASK))[0] == 403
        code, told = await running.call("POST", "/enter", "control", {**body, "version": None})
        assert (code, set(told)) == (200, {"version"})
        # The warm-up is over, and not counted.
        code, text = await running.call("GET", "/metrics", "t")
        counted = [line.split()[-1] for line in text.splitlines() if line.startswith("neptuneml_requests_total")]
        assert (code, counted) == (200, ["0.0"])
        assert (await running.call("POST", "/leave", "control", {"token": "t"}))[0] == 200
        assert (await running.call("POST", "/invocations", "t", ASK))[0] == 403


async def test_the_least_recently_asked_gives_way_and_comes_back(tmp_path: Path) -> None:
    async with process(tmp_path, Memory(40, 100)) as running:
        for name in "xyz":
            await running.enter(name, 260, seed=ord(name))
        assert running.tenants.loaded == ["y", "z"]
        first = await running.ask("y")
        assert running.tenants.loaded == ["z", "y"]
        assert (await running.ask("x"))[0] == 200
        assert running.tenants.loaded == ["y", "x"]
        assert (await running.ask("y"))[1]["answers"] == first[1]["answers"]
        # What was counted before it gave way is counted still.
        await running.ask("z")
        assert running.tenants.loaded == ["y", "z"]
        await running.ask("x")
        _, text = await running.call("GET", "/metrics", "token-x")
        requests = [line for line in text.splitlines() if line.startswith("neptuneml_requests_total")]
        assert [line.split()[-1] for line in requests] == ["2.0"]
        assert 'endpoint="x"' in requests[0]


async def test_the_largest_bound_counts_and_none_is_none(tmp_path: Path) -> None:
    async with process(tmp_path, Memory(40, 100)) as running:
        for name, memory_mib in (("x", 0), ("y", 150), ("z", 250)):
            await running.enter(name, memory_mib, seed=ord(name))
        assert running.tenants.loaded == ["y", "z"]
        running.tenants.leave("token-z")
        running.tenants.leave("token-y")
        await running.enter("w")
        await running.ask("x")
        assert running.tenants.loaded == ["w", "x"]


async def test_who_is_being_asked_stays(tmp_path: Path) -> None:
    async with process(tmp_path, Memory(40, 100)) as running:
        for name in "xy":
            await running.enter(name, 150, seed=ord(name))
        tenant = running.tenants.of("Bearer token-x")
        assert tenant is not None
        async with running.tenants.using(tenant):
            assert (await running.ask("y"))[0] == 200
            assert "x" in running.tenants.loaded
            assert tenant.loadable.is_open


async def test_one_that_is_too_large_alone_is_refused(tmp_path: Path) -> None:
    async with process(tmp_path, Memory(40, 100)) as running:
        with pytest.raises(MemoryLimitExceeded, match=r"takes 140 MiB with endpoint 'x' alone, .* is 120"):
            await running.enter("x", 120)
        assert running.tenants.loaded == []
        assert (await running.ask("x"))[0] == 403


async def test_a_process_that_is_too_large_with_nobody_ends(tmp_path: Path) -> None:
    memory = Memory(40, 100)
    async with process(tmp_path, memory) as running:
        await running.enter("x", 150)
        stop = asyncio.Event()
        watch = asyncio.create_task(running.tenants.watch(stop, 0.01))
        await asyncio.sleep(0.05)
        assert not stop.is_set()
        memory.base = 200
        await asyncio.wait_for(stop.wait(), PATIENCE_SECONDS)
        await watch


async def test_what_is_just_being_opened_ends_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading an artifact takes more than having it does."""
    made = make_artifact(tmp_path / "x", Made(seed=1))
    memory, go_on, open_it = Memory(40, 100), threading.Event(), Loadable.open

    def slowly(loadable: Loadable) -> None:
        memory.base = 500
        go_on.wait(30)
        open_it(loadable)
        memory.base = 40

    monkeypatch.setattr(Loadable, "open", slowly)
    async with process(tmp_path, memory) as running:
        await running.enter("x", 150, version=made.version)
        stop = asyncio.Event()
        asked = asyncio.create_task(running.ask("x"))
        await eventually_async(lambda: memory.base == 500)
        looks = memory.looks
        watch = asyncio.create_task(running.tenants.watch(stop, 0.001))
        await eventually_async(lambda: memory.looks > looks + 9)
        assert not stop.is_set()
        go_on.set()
        assert (await asked)[0] == 200
        stop.set()
        await watch


async def test_after_a_death_each_is_loaded_when_it_is_asked(tmp_path: Path) -> None:
    made = make_artifact(tmp_path / "x", Made(seed=1))
    async with process(tmp_path) as running:
        assert await running.enter("x", version=made.version) == made.version
        assert running.tenants.loaded == []
        assert [(await running.ask("x"))[0] for _ in range(2)] == [200, 200]
        assert running.tenants.loaded == ["x"]


async def test_many_first_requests_load_it_once(tmp_path: Path) -> None:
    made = make_artifact(tmp_path / "x", Made(task=Task.LINK_PREDICTION))
    body = {"mode": "predict_tail", "data": {"edges": [{"headNodeId": "1"}]}}
    async with process(tmp_path) as running:
        await running.enter("x", version=made.version)
        asked = (running.call("POST", "/invocations", "token-x", body) for _ in range(8))
        assert {code for code, _ in await asyncio.gather(*asked)} == {200}


async def test_an_artifact_that_changes_is_not_served(tmp_path: Path) -> None:
    async with process(tmp_path, Memory(40, 100)) as running:
        version = await running.enter("x", 150, seed=1)
        await running.enter("y", 150, seed=2)
        assert running.tenants.loaded == ["y"]
        shutil.rmtree(tmp_path / "x")
        make_artifact(tmp_path / "x", Made(seed=3))
        code, told = await running.ask("x")
        assert (code, "has changed" in told["message"]) == (400, True)
        with pytest.raises(InvalidData, match="has changed"):
            await running.enter("x", version=version)
        (tmp_path / "none").mkdir()
        with pytest.raises(InvalidData, match="is not an artifact"):
            await running.enter("none")
        assert (await running.ask("y"))[0] == 200


async def test_who_leaves_while_asked_answers_first(tmp_path: Path) -> None:
    async with process(tmp_path) as running:
        await running.enter("x")
        tenant = running.tenants.of("Bearer token-x")
        assert tenant is not None
        async with running.tenants.using(tenant) as endpoint:
            running.tenants.leave("token-x")
            running.tenants.leave("token-x")
            assert b'"answers"' in await endpoint.answer(json.dumps(ASK).encode(), "r")
            assert tenant.loadable.is_open
        assert not tenant.loadable.is_open
