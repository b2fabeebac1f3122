"""Endpoints that share a worker process, through the service and real processes."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.made_artifacts import Made, make_artifact
from tests.running_service import eventually_async, gone
from tests.service.test_lifecycle import ASK, Service, service


async def asked(running: Service, name: str) -> dict[str, Any]:
    """Ask an endpoint by the service's route and, as the plugin does, at the worker's address."""
    code, answer = await running.post(f"/endpoints/{name}/invocations", ASK)
    assert code == 200, answer
    _, described = await running.get(f"/endpoints/{name}")
    headers = {"Authorization": f"Bearer {described['token']}"}
    url = f"{described['addresses'][0]}/invocations"
    async with aiohttp.ClientSession(headers=headers) as client, client.post(url, json=ASK) as direct:
        told = await direct.json()
    assert (direct.status, told["answers"]) == (200, answer["answers"])
    assert told["endpoint"] == name
    return answer


async def test_two_endpoints_in_one_process(tmp_path: Path) -> None:
    made = [make_artifact(tmp_path / f"a{at}", Made(seed=at)) for at in range(3)]
    async with service(tmp_path, pin_seconds=0.2) as running:
        for at in range(2):
            status = await running.put(f"e{at}", f"a{at}", workerGroup="small", memoryMib=4096)
            assert (status["status"], status["options"]["workerGroup"]) == ("InService", "small")
        await running.put("own", "a0")
        pids = {name: running.process(name).pid for name in ("e0", "e1", "own")}
        assert pids["e0"] == pids["e1"] != pids["own"]
        for at in range(2):
            assert (await asked(running, f"e{at}"))["artifactVersion"] == made[at].version
        # Each has figures of its own.
        text = await (await running.client.get("/metrics")).text()
        counted = [line for line in text.splitlines() if line.startswith("neptuneml_requests_total")]
        by_endpoint = {line.partition('endpoint="')[2].partition('"')[0]: line.split()[-1] for line in counted}
        assert by_endpoint == {"e0": "2.0", "e1": "2.0", "own": "0.0"}
        # One's end leaves the other, and the process.
        await running.client.delete("/ml/endpoints/e0")
        await eventually_async(
            lambda: not any(one.instances.endpoint == "e0" for one in running.registry.all_served())
        )
        assert (await asked(running, "e1"))["artifactVersion"] == made[1].version
        assert running.process("e1").pid == pids["e1"]
        process = running.process("e1")
        await running.client.delete("/ml/endpoints/e1")
        await eventually_async(lambda: gone(process))
        # The group begins anew.
        await running.put("e2", "a2", workerGroup="small")
        assert (await asked(running, "e2"))["artifactVersion"] == made[2].version


async def test_updates_fail_no_answer_and_rollbacks_come_back(tmp_path: Path) -> None:
    made = [make_artifact(tmp_path / f"a{at}", Made(seed=at)) for at in range(3)]
    async with service(tmp_path) as running:
        await running.put("e", "a0", workerGroup="small")
        await running.put("other", "a2", workerGroup="small")
        seen: set[str] = set()
        done = asyncio.Event()

        async def keep_asking() -> int:
            count = 0
            while not done.is_set():
                code, answer = await running.post("/endpoints/e/invocations", ASK)
                assert code == 200, answer
                seen.add(answer["artifactVersion"])
                count += 1
            return count

        asking = asyncio.create_task(keep_asking())
        await running.put("e", "a1", update=True)
        await running.post("/ml/endpoints/e/rollback", {})
        await eventually_async(lambda: running.registry.get("e").version == made[0].version)
        await eventually_async(lambda: running.registry.get("e").status == "InService")
        done.set()
        assert await asking > 0
        assert seen == {made[0].version, made[1].version}
        assert running.process("e").pid == running.process("other").pid
        # An update to nothing that can be served leaves the version before.
        make_artifact(tmp_path / "wrong", Made(seed=2))
        (tmp_path / "wrong/nodes/1/predictions.npy").write_bytes(b"cut")
        status = await running.put("e", "wrong", update=True)
        assert "nodes/1/predictions.npy has 3 bytes" in status["endpoint"]["failureReason"]
        assert (await asked(running, "e"))["artifactVersion"] == made[0].version


async def test_after_its_death_all_are_in_again(tmp_path: Path) -> None:
    made = [make_artifact(tmp_path / f"a{at}", Made(seed=at)) for at in range(2)]
    async with service(tmp_path) as running:
        for at in range(2):
            await running.put(f"e{at}", f"a{at}", workerGroup="small")
        before = running.process("e0").pid
        os.kill(before, signal.SIGKILL)
        await eventually_async(lambda: not psutil.pid_exists(before) or running.workers("e0")[0].deaths == 1)
        await eventually_async(lambda: all(running.workers(f"e{at}")[0].running is not None for at in range(2)))
        assert running.process("e0").pid == running.process("e1").pid != before
        for at in range(2):
            assert (await asked(running, f"e{at}"))["artifactVersion"] == made[at].version
        assert [running.workers(f"e{at}")[0].deaths for at in range(2)] == [1, 1]


async def test_one_whose_artifact_has_gone_fails_alone(tmp_path: Path) -> None:
    for at in range(2):
        make_artifact(tmp_path / f"a{at}", Made(seed=at))
    async with service(tmp_path) as running:
        for at in range(2):
            await running.put(f"e{at}", f"a{at}", workerGroup="small")
        (tmp_path / "a0" / "manifest.json").unlink()
        running.process("e0").kill()
        await eventually_async(lambda: running.registry.get("e0").status == "Failed")
        await eventually_async(lambda: running.workers("e1")[0].running is not None)
        assert (await asked(running, "e1"))["endpoint"] == "e1"


async def test_a_group_is_left_and_found_after_a_restart(tmp_path: Path) -> None:
    for at in range(2):
        make_artifact(tmp_path / f"a{at}", Made(seed=at))
    async with service(tmp_path) as running:
        for at in range(2):
            await running.put(f"e{at}", f"a{at}", workerGroup="small")
        process = running.process("e0")
    assert gone(process)
    async with service(tmp_path) as running:
        await eventually_async(
            lambda: all(running.registry.get(f"e{at}").status == "InService" for at in range(2))
        )
        assert running.process("e0").pid == running.process("e1").pid
        await running.put("e0", "a0", update=True, workerGroup="none", instanceCount=2)
        assert len({running.process("e0", number).pid for number in range(2)} | {running.process("e1").pid}) == 3


async def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    make_artifact(tmp_path / "a")
    body = {"id": "e", "artifactLocation": str(tmp_path / "a")}
    async with service(tmp_path) as running:
        code, told = await running.post("/ml/endpoints", {**body, "workerGroup": "small", "instanceCount": 2})
        assert (code, told["code"]) == (400, "InvalidParameterException")
        assert "one process answers for a group" in told["message"]
        code, told = await running.post("/ml/endpoints", {**body, "workerGroup": "small", "index": "faiss"})
        assert (code, "index is faiss and workerGroup 'small'" in told["message"]) == (400, True)
        code, told = await running.post("/ml/endpoints", {**body, "workerGroup": "a/b"})
        assert (code, "workerGroup 'a/b' must be 1 to 48 letters" in told["message"]) == (400, True)
        await running.put("e", "a", instanceCount=2)
        code, told = await running.post("/ml/endpoints", {**body, "update": True, "workerGroup": "small"})
        assert (code, "instanceCount is 2" in told["message"]) == (400, True)
        assert (await running.get("/ml/endpoints/e"))[1]["status"] == "InService"


async def test_one_that_is_too_large_for_its_group_is_told(tmp_path: Path) -> None:
    make_artifact(tmp_path / "a")
    async with service(tmp_path) as running:
        status = await running.put("e", "a", workerGroup="small", memoryMib=1)
        assert status["status"] == "Failed"
        assert "the memoryMib of its group is 1; give it more" in status["endpoint"]["failureReason"]


#: Classes whose names take 30 MiB, which an endpoint of the group has once, and two times more while it is loaded.
HEAVY, HEAVY_MIB = tuple(f"{number:05}".ljust(1000, "-") for number in range(30_000)), 30


async def taken(running: Service) -> int:
    """Return the mebibytes that the one worker process takes for itself."""
    text = await (await running.client.get("/metrics")).text()
    found = (float(line.split()[-1]) for line in text.splitlines() if line.startswith("neptuneml_memory_bytes"))
    return int(max(found)) >> 20


async def test_who_was_asked_least_recently_gives_its_memory_back(tmp_path: Path) -> None:
    make_artifact(tmp_path / "light", Made())
    for at in range(2):
        make_artifact(tmp_path / f"a{at}", Made(seed=at, classes=HEAVY))
    async with service(tmp_path) as running:
        await running.put("light", "light", workerGroup="small")
        limit = await taken(running) + 5 * HEAVY_MIB
        for at in range(2):
            await running.put(f"e{at}", f"a{at}", workerGroup="small")
        first = [(await running.post(f"/endpoints/e{at}/invocations", ASK))[1]["answers"] for at in range(2)]
        process = running.process("e0")
        assert await taken(running) > limit
        # Of a group the largest bound counts, and none had any.
        await running.put("bound", "light", workerGroup="small", memoryMib=limit)
        for at in (0, 1, 0, 1):
            code, answer = await running.post(f"/endpoints/e{at}/invocations", ASK)
            assert (code, answer["answers"]) == (200, first[at])
            async with asyncio.timeout(30):  # the process looks once a second
                while await taken(running) > limit:  # noqa: ASYNC110 - what is waited for has no event
                    await asyncio.sleep(0.05)
        assert {running.process(name).pid for name in ("e0", "e1", "bound")} == {process.pid}
