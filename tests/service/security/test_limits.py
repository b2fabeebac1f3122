"""Callers that send too much, too often or too slowly."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import TooManyRequests
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.security import ratelimit
from neptuneml_plugin.service.security.ratelimit import RateLimit
from tests.running_service import PATIENCE_SECONDS, served_process

Client = TestClient[Any, Any]


class Clock:
    """Tells the time that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(0.5, 3, clock)
    for _ in range(3):
        limit.check("one")
    with pytest.raises(TooManyRequests, match=r"more than 0\.5 requests a second come from one; try again in 2 s"):
        limit.check("one")
    limit.check("another")
    clock.seconds += 2
    limit.check("one")
    with pytest.raises(TooManyRequests) as refused:
        limit.check("one")
    assert refused.value.retry_after_seconds == 2


@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.1, 10), st.integers(1, 10))
def test_never_more_than_the_rate_allows(pauses: list[float], per_second: float, burst: int) -> None:
    clock = Clock()
    limit, passed = RateLimit(per_second, burst, clock), 0
    for pause in pauses:
        clock.seconds += pause
        try:
            limit.check("one")
            passed += 1
        except TooManyRequests as refused:
            assert refused.retry_after_seconds >= 1  # noqa: PT017
    assert passed <= burst + clock.seconds * per_second + 1e-6


def test_no_limit_by_default_and_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free = RateLimit(0, 1)
    for _ in range(1000):
        free.check("one")
    monkeypatch.setattr(ratelimit, "MOST_ADDRESSES", 5)
    limit = RateLimit(1, 1, Clock())
    for number in range(100):
        limit.check(str(number))
    assert len(limit._buckets) == 5


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    config = ServiceConfig(tmp_path, requests_per_second=0.2, request_burst=2)
    async with TestClient(TestServer(create_app(config))) as client:
        yield client


async def test_the_answer_says_when_to_come_back(client: Client) -> None:
    answers = [await client.get("/ml/endpoints") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (await answers[-1].json())["code"] == "TooManyRequestsException"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 5  # what is left of a request's five seconds
    assert [(await client.get("/health")).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-%d: 1\r\n" * 200 + b"\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["address", "header", "headers", "nonsense"],
)
async def test_heads_that_are_too_large(client: Client, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head)
    first = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert first.split()[1] == b"400"


async def drip(port: int) -> bytes:
    """Send a request's head a little at a time, for ever; return what comes once the service hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
    answer = asyncio.create_task(reader.read())
    while not answer.done():
        writer.write(b"X: 1\r\n")
        await asyncio.wait([answer], timeout=0.05)
    writer.close()
    try:
        return await answer
    except ConnectionError:
        return b""


async def test_slow_clients_are_hung_up_on_and_hold_nobody_up(tmp_path: Path) -> None:
    settings = tmp_path / "service.yaml"
    settings.write_text("idle_seconds: 0.5\n")
    with served_process(tmp_path / "data", "--config", str(settings)) as service:
        port = int(service.url.rpartition(":")[2])
        async with asyncio.timeout(PATIENCE_SECONDS):
            slow = [asyncio.create_task(drip(port)) for _ in range(20)]
            answered = await asyncio.to_thread(lambda: [service.client.health()["status"] for _ in range(20)])
            ends = await asyncio.gather(*slow)
    assert answered == ["healthy"] * 20
    assert not any(b"200" in end for end in ends)
