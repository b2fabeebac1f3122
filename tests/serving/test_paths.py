"""The worker's HTTP: what each path takes, and what is told before the body is read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.opening import open_predictor
from tests.made_artifacts import make_artifact
from tests.worker_server import WorkerServer, worker_client

BODY = b'{"data": {"nodes": [{"nodeId": "a"}]}}'


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[WorkerServer]:
    make_artifact(folder)
    endpoint = Endpoint(WorkerConfig("e", folder, token="t"), *open_predictor(folder))
    server = WorkerServer(endpoint)
    async with server:
        yield server
    endpoint.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/", 400, "nothing is served at /; there are /health, /invocations, /metrics"),
        ("PUT", "/invocations", 405, "/invocations does not take PUT; it takes POST"),
        ("POST", "/health", 405, "/health does not take POST; it takes GET, HEAD"),
    ],
)
async def test_what_is_not_served(tmp_path: Path, method: str, path: str, status: int, says: str) -> None:
    async with running(tmp_path) as server, worker_client(server) as client:
        answer = await client.request(method, path)
        assert (answer.status, (await answer.json())["message"]) == (status, says)


@pytest.mark.parametrize("path", ["/health", "/metrics", "/health?at=now"])
async def test_heads(tmp_path: Path, path: str) -> None:
    async with running(tmp_path) as server, worker_client(server) as client:
        answer = await client.head(path)
        assert (answer.status, await answer.read()) == (200, b"")
        assert "x-amzn-RequestId" in answer.headers
        assert (await client.get(path)).status == 200


async def test_a_callers_request_id_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path) as server, worker_client(server) as client:
        for method, path in (("GET", "/health"), ("GET", "/metrics"), ("POST", "/invocations"), ("GET", "/x")):
            answer = await client.request(method, path, data=BODY, headers={"x-amzn-RequestId": "mine"})
            assert answer.headers.getall("x-amzn-RequestId") == ["mine"]


async def test_who_asks_whether_to_go_on_is_told_so_after_the_token_was_seen(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        for token, first in (("t", b"HTTP/1.1 100 Continue\r\n\r\n"), ("wrong", b"HTTP/1.1 403 Forbidden\r\n")):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            head = (
                f"POST /invocations HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n"
            )
            writer.write(head.encode())
            assert await reader.readexactly(len(first)) == first
            if token == "t":
                writer.write(BODY)
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            writer.close()
