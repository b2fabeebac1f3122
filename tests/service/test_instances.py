"""Several workers of one endpoint: who is asked, and what becomes of a request whose worker dies."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import FailureByQuery, TimeLimitExceeded
from neptuneml_plugin.gremlin_server import free_port
from neptuneml_plugin.service.endpoints.instances import Instances
from neptuneml_plugin.service.endpoints.passing import MOST_DEATHS, Answer, pass_on
from neptuneml_plugin.service.endpoints.record import EndpointOptions
from neptuneml_plugin.service.endpoints.workers import Ports, Running
from tests.made_artifacts import Made, make_artifact
from tests.running_service import eventually_async, gone, running_service
from tests.service.test_lifecycle import ASK, service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def instances(count: int, root: Path) -> Instances:
    config = ServiceConfig(root)
    return Instances("e", root, EndpointOptions(instances=count), config, Ports(config), lambda *_: None)


@contextlib.asynccontextmanager
async def answering(
    root: Path, *handlers: Handler | None
) -> AsyncIterator[tuple[Instances, aiohttp.ClientSession]]:
    """Yield instances that answer as told; None: nobody listens where one is said to."""
    group = instances(len(handlers), root)
    process: Any = None
    async with contextlib.AsyncExitStack() as stack:
        for worker, handler in zip(group.workers, handlers, strict=True):
            address = f"http://127.0.0.1:{free_port()}"
            if handler is not None:
                app = web.Application()
                app.router.add_post("/invocations", handler)
                server = await stack.enter_async_context(TestServer(app))
                address = str(server.make_url("")).rstrip("/")
            worker.running = Running(process, address, "v")
        yield group, await stack.enter_async_context(aiohttp.ClientSession())


def says(text: str, status: int = 200, **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        assert request.headers["Authorization"].startswith("Bearer ")
        return web.Response(text=f"{text} {(await request.read()).decode()}", status=status, headers=headers)

    return handle


async def dies(request: web.Request) -> web.Response:
    """Take the request and break the connection off, as a process that is killed does."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def ask(group: Instances, client: aiohttp.ClientSession) -> Answer:
    return await pass_on(b"?", group, client, {"x-amzn-RequestId": "r"})


async def test_the_least_busy_is_asked_and_equals_take_turns(tmp_path: Path) -> None:
    held, entered = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        entered.set()
        await held.wait()
        return web.Response(text="slow")

    async with answering(tmp_path, slow, says("b"), says("c")) as (group, client):
        first = asyncio.create_task(ask(group, client))
        await entered.wait()
        assert [(await ask(group, client)).body for _ in range(4)] == [b"b ?", b"c ?", b"b ?", b"c ?"]
        held.set()
        assert (await first).body == b"slow"
        assert [worker.in_hand for worker in group.workers] == [0, 0, 0]
        assert (await ask(group, client)).body == b"slow"


async def test_who_cannot_be_reached_or_dies_is_passed_over(tmp_path: Path) -> None:
    async with answering(tmp_path, None, None, None, dies, says("last", 200, **{"Retry-After": "7"})) as (
        group,
        client,
    ):
        answer = await ask(group, client)
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (200, b"last ?", "7")


async def test_a_full_one_is_passed_over_and_told_where_all_are(tmp_path: Path) -> None:
    full = says("full", 429, **{"Retry-After": "1"})
    async with answering(tmp_path, full, says("free")) as (group, client):
        assert (await ask(group, client)).body == b"free ?"
    async with answering(tmp_path, full, None) as (group, client):
        answer = await ask(group, client)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


async def test_an_error_of_the_request_is_the_answer(tmp_path: Path) -> None:
    async with answering(tmp_path, says("wrong", 400), says("never")) as (group, client):
        assert (await ask(group, client)).status == 400


async def test_a_request_that_kills_does_not_kill_them_all(tmp_path: Path) -> None:
    async with answering(tmp_path, *[dies] * (MOST_DEATHS + 2)) as (group, client):
        with pytest.raises(FailureByQuery, match=f"{MOST_DEATHS} workers of endpoint 'e' died over this request"):
            await ask(group, client)
        assert sum(worker.asked for worker in group.workers) == MOST_DEATHS


async def test_nobody_answers(tmp_path: Path) -> None:
    async with answering(tmp_path, None) as (group, client):
        with pytest.raises(FailureByQuery, match="no worker of endpoint 'e' can be reached"):
            await ask(group, client)
        group.workers[0].running = None
        with pytest.raises(FailureByQuery, match="has died and is being started again"):
            await ask(group, client)


async def test_an_answer_that_takes_too_long_is_not_asked_for_again(tmp_path: Path) -> None:
    async def never(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with (
        answering(tmp_path, never, says("other")) as (group, _),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.05)) as client,
    ):
        with pytest.raises(TimeLimitExceeded, match="did not answer"):
            await ask(group, client)


# --- real workers ----------------------------------------------------------------------------------------------


async def test_all_instances_are_described_under_one_token_and_each_answers(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        status = await running.put("e", "one", instanceCount="2", maxQueue=7)
        assert status["options"] == {"instanceCount": 2, "maxQueue": 7}
        described = (await running.get("/endpoints/e"))[1]
        assert len(set(described["addresses"])) == 2
        headers = {"Authorization": f"Bearer {described['token']}"}
        answers = []
        for address in described["addresses"]:
            async with running.client.session.post(f"{address}/invocations", json=ASK, headers=headers) as answer:
                answers.append((await answer.json())["answers"])
        assert answers[0] == answers[1]
        processes = [running.process("e", number) for number in range(2)]
        assert (await running.put("e", "one", update=True, instanceCount=1))["options"]["instanceCount"] == 1
        assert len((await running.get("/endpoints/e"))[1]["addresses"]) == 1
    assert all(gone(process) for process in processes)


async def test_killing_one_instance_after_the_other_loses_no_request(tmp_path: Path) -> None:
    made = make_artifact(tmp_path / "one", Made(seed=3))
    async with service(tmp_path) as running:
        await running.put("e", "one", instanceCount=2)
        expected = (await running.post("/endpoints/e/invocations", ASK))[1]["answers"]
        told: list[tuple[int, Any]] = []
        stop = asyncio.Event()

        async def keep_asking() -> None:
            while not stop.is_set():
                told.append(await running.post("/endpoints/e/invocations", ASK))

        callers = [asyncio.create_task(keep_asking()) for _ in range(4)]
        for number in (0, 1):
            worker = running.workers("e")[number]
            before = len(told)
            await eventually_async(lambda before=before: len(told) > before + 50)  # type: ignore[misc]
            running.process("e", number).kill()
            await eventually_async(lambda worker=worker, number=number: worker.deaths == 1)  # type: ignore[misc]
            assert len((await running.get("/endpoints/e"))[1]["addresses"]) == 1
            await eventually_async(lambda worker=worker: worker.running is not None)  # type: ignore[misc]
        stop.set()
        await asyncio.gather(*callers)
        assert {status for status, _ in told} == {200}
        assert all(body["answers"] == expected for _, body in told)
        assert {body["artifactVersion"] for _, body in told} == {made.version}


async def test_an_instance_that_cannot_be_started_again_is_missed_by_nobody(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        await running.put("e", "one", instanceCount=2)
        first, second = running.workers("e")
        (tmp_path / "one/nodes/1/ids.npy").unlink()
        running.process("e").kill()
        await eventually_async(lambda: first.deaths == 1)
        assert [(await running.post("/endpoints/e/invocations", ASK))[0] for _ in range(3)] == [200] * 3
        running.process("e", 1).kill()
        await eventually_async(lambda: running.registry.get("e").status == "Failed")
        assert "lacks nodes/1/ids.npy" in str(running.registry.get("e").failure_reason)
        assert (first.running, second.running) == (None, None)


async def test_an_endpoint_that_may_take_too_little_memory_says_so(tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    async with service(tmp_path) as running:
        status = await running.put("e", "one", memoryMib=1)
        assert status["status"] == "Failed"
        assert "and memoryMib is 1; give it more" in status["endpoint"]["failureReason"]
        assert (await running.put("e", "one", update=True, memoryMib=1024))["status"] == "InService"


def test_a_restarted_service_starts_as_many_instances(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make_artifact(root / "one")
    with running_service(root) as first:
        first.client.create_endpoint("e", str(root / "one"), {"instanceCount": 2})
        assert len(first.workers()) == 2
        os.kill(first.process.pid, signal.SIGKILL)
    with running_service(root) as second:
        second.client._wait_until_in_service("e", 60)
        assert len(second.workers()) == 2
        assert len(second.client.describe_endpoint("e")["addresses"]) == 2


async def test_instances_share_an_index_that_goes_with_its_endpoint(tmp_path: Path) -> None:
    movies = [f"m{number}" for number in range(10_000)]
    made = make_artifact(tmp_path / "links", Made(Task.LINK_PREDICTION, movies=movies))
    ask = {"mode": "predict_tail", "data": {"edges": [{"headNodeId": "1"}]}}
    async with service(tmp_path, pin_seconds=0.2) as running:
        for name in ("one", "other"):
            await running.put(name, "links", index="faiss", instanceCount=2)
        (file,) = (tmp_path / "indices").glob("*/*.faiss")
        assert file.parent.name == made.version
        for name, number in itertools.product(("one", "other"), range(2)):
            assert str(file) in {one.path for one in running.process(name, number).memory_maps()}
        await running.put("exact", "links")
        await running.client.delete("/ml/endpoints/one")
        await eventually_async(
            lambda: {one.instances.endpoint for one in running.registry.all_served()} == {"other", "exact"}
        )
        assert file.exists()
        await running.client.delete("/ml/endpoints/other")
        await eventually_async(lambda: not file.exists())
        assert (await running.post("/endpoints/exact/invocations", ask))[0] == 200
