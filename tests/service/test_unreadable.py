"""Requests that no handler sees: told in the shape of all errors."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.error_body import Runner
from neptuneml_plugin.service.app import create_app


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    runner = Runner(create_app(ServiceConfig(tmp_path, max_body_mib=1)), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(port: int, sent: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and document of the answer to some bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    body = await reader.readexactly(int(headers["content-length"]))
    writer.close()
    return int(head[0].split()[1]), headers, json.loads(body)


HOST = b"Host: localhost\r\n"
SECRET = b"Authorization: Bearer sec\x00ret"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x16\x03\x01\x02\r\n\r\n", 400, "BadRequestException"),  # https on a port of http
        (b"NO HTTP AT ALL\r\n\r\n", 400, "BadRequestException"),
        (b"GET /health HTTP/1.1\r\n" + HOST + SECRET + b"\r\n\r\n", 400, "BadRequestException"),
        (b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 400, "BadRequestException"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400, "BadRequestException"),
        (b"POST /gremlin HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", 400, "BadRequestException"),
        (b"GET /health HTTP/1.1\r\n" + HOST + b"Expect: a-miracle\r\n\r\n", 400, "BadRequestException"),
        (b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n", 400, "UnsupportedOperationException"),
        (b"PUT /health HTTP/1.1\r\n" + HOST + b"\r\n", 405, "MethodNotAllowedException"),
        (
            b"POST /ml/endpoints HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\n\r\n" + b" " * 2_000_000,
            400,
            "BadRequestException",
        ),
    ],
)
async def test_whatever_is_sent_gets_the_one_shape(port: int, sent: bytes, status: int, code: str) -> None:
    found, headers, document = await ask(port, sent)
    assert (found, document["code"]) == (status, code)
    assert set(document) == {"code", "detailedMessage", "message", "requestId"}
    assert headers["content-type"].startswith("application/json")
    assert headers["x-amzn-requestid"] == document["requestId"]
    assert "sec" not in document["message"]


async def test_what_can_be_read_is_answered_as_ever(port: int) -> None:
    status, _, document = await ask(port, b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (status, document["status"]) == (200, "healthy")
