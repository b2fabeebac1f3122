"""A worker process under load: what is queued is answered before it ends, and nothing for who has gone."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from neptuneml_plugin.artifacts import Task
from tests.made_artifacts import Made, make_artifact
from tests.running_service import PATIENCE_SECONDS, running_service
from tests.serving.test_endpoint import TOKEN, report, worker_process

USERS = [str(number) for number in range(400)]
MOVIES = [str(number) for number in range(4000)]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose answers take a while."""
    folder = tmp_path_factory.mktemp("root") / "links"
    make_artifact(folder, Made(task=Task.LINK_PREDICTION, users=USERS, movies=MOVIES))
    return folder


def asks(topk: int, users: int = 40) -> dict[str, Any]:
    items = {"headNodeId": USERS[:users]}
    return {"mode": "predict_tail", "data": {"globalParameters": {"topk": topk, "columns": True}, "items": items}}


async def test_a_worker_that_is_told_to_end_answers_what_it_has(artifact: Path) -> None:
    settings = {"endpoint": "e", "artifact": str(artifact), "token": "secret-token", "max_batch": 1}
    with worker_process(settings) as process:
        url = (await asyncio.to_thread(report, process))["address"]
        async with aiohttp.ClientSession(headers=TOKEN, connector=aiohttp.TCPConnector(limit=0)) as client:

            async def ask(topk: int) -> tuple[int, int]:
                async with client.post(f"{url}/invocations", json=asks(topk)) as answer:
                    return answer.status, len((await answer.json())["columns"]["ids"])

            tasks = [asyncio.create_task(ask(300 + number)) for number in range(20)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            process.terminate()
            told = await asyncio.gather(*tasks)
            assert told == [(200, 40 * (300 + number)) for number in range(20)]
            with pytest.raises(aiohttp.ClientConnectionError):
                await ask(1)
        assert await asyncio.to_thread(process.wait, 30) == 0


async def _metric(client: aiohttp.ClientSession, url: str, line: str) -> float:
    name, _, wanted = line.partition("{")
    async with client.get(f"{url}/metrics") as answer:
        found = [text for text in (await answer.text()).splitlines() if text.startswith(name)]
    return sum(float(text.rsplit(" ", 1)[1]) for text in found if wanted in text)


async def test_nothing_is_computed_for_callers_of_the_service_who_have_gone(artifact: Path) -> None:
    with running_service(artifact.parent) as running:
        options = {"maxBatch": 1}
        await asyncio.to_thread(running.client.create_endpoint, "e", str(artifact), options)
        url = f"{running.url}/endpoints/e/invocations"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            (worker,) = running.workers()
            os.kill(worker.pid, signal.SIGSTOP)  # so that all of them wait
            leaving = [asyncio.create_task(client.post(url, json=asks(1500))) for _ in range(20)]
            taken = 'neptuneml_passed_requests_total{endpoint="e"'
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await _metric(client, running.url, taken) < 20:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.02)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            await _gone(client, running.url)
            os.kill(worker.pid, signal.SIGCONT)
            async with client.post(url, json=asks(1)) as answer:
                assert answer.status == 200
            assert await _metric(client, running.url, 'neptuneml_requests_total{code="OK"') == 1
            assert await _metric(client, running.url, 'neptuneml_items_total{endpoint="e"') == 40
            assert await _metric(client, running.url, "neptuneml_batch_items_count{") < 20


async def _gone(client: aiohttp.ClientSession, url: str) -> None:
    """Return once the service has noticed; its connections to the worker are then closed."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _metric(client, url, "neptuneml_requests_in_hand{") > 0:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)
