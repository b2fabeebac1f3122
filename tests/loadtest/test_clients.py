"""Kept connections, errors by their code, and the least busy instance, against real servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.gremlin_server import free_port
from neptuneml_plugin.loadtest.clients import UNREACHABLE, Address, Client, error_code, parse_batches

Handler = Callable[[web.Request], Awaitable[web.Response]]


@contextlib.asynccontextmanager
async def answering(handler: Handler, metrics: str | None = None) -> AsyncIterator[Address]:
    app = web.Application()
    app.router.add_post("/invocations", handler)
    if metrics is not None:

        async def told(_: web.Request) -> web.Response:
            return web.Response(text=metrics)

        app.router.add_get("/metrics", told)
    async with TestServer(app) as server:
        yield Address(f"http://127.0.0.1:{server.port}", "secret")


async def test_what_is_sent_arrives_over_one_connection() -> None:
    seen: list[tuple[bytes, str, object]] = []

    async def handler(request: web.Request) -> web.Response:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        seen.append((await request.read(), request.headers["Authorization"], peer))
        return web.Response(body=b"x" * 100_000)

    async with answering(handler) as address:
        with closing(Client([address])) as client:
            assert [await client.ask(b'{"a": 1}') for _ in range(3)] == [None] * 3
    assert seen == [(b'{"a": 1}', "Bearer secret", seen[0][2])] * 3


async def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    async def handler(_: web.Request) -> web.Response:
        response = web.Response()
        response.force_close()
        return response

    async with answering(handler) as address:
        client = Client([address])
        assert [await client.ask(b"{}") for _ in range(3)] == [None] * 3


async def test_errors_are_told_by_their_code() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"code": "TooManyRequestsException"}, status=429)

    async with answering(handler) as address:
        with closing(Client([address])) as client:
            assert await client.ask(b"{}") == "TooManyRequestsException"
            with pytest.raises(FailureByQuery, match=r"does not answer the first body .HTTP 429.*TooManyRequests"):
                await client.try_out(b"{}")


async def test_an_address_where_nothing_listens() -> None:
    client = Client([Address(f"http://127.0.0.1:{free_port()}")])
    assert await client.ask(b"{}") == UNREACHABLE
    with pytest.raises(FailureByQuery, match="cannot be reached"):
        await client.try_out(b"{}")


async def test_a_server_that_says_no_more_is_unreachable() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    async with answering(handler) as address:
        assert await Client([address]).ask(b"{}") == UNREACHABLE


async def test_the_least_busy_instance_is_asked() -> None:
    go, held = asyncio.Event(), asyncio.Event()
    counts = [0, 0]

    async def slow(_: web.Request) -> web.Response:
        counts[0] += 1
        held.set()
        await go.wait()
        return web.Response()

    async def quick(_: web.Request) -> web.Response:
        counts[1] += 1
        return web.Response()

    async with answering(slow) as first, answering(quick) as second:
        with closing(Client([first, second])) as client:
            waiting = asyncio.create_task(client.ask(b"{}"))
            await held.wait()
            for _ in range(5):
                await client.ask(b"{}")
            assert counts == [1, 5]
            go.set()
            assert await waiting is None


METRICS = """# HELP neptuneml_batch_items Items answered together
neptuneml_batch_items_bucket{le="1"} 3
neptuneml_batch_items_sum 40
neptuneml_batch_items_count 8
"""


async def test_batches_are_those_that_workers_count() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    async with answering(handler, METRICS) as first, answering(handler, METRICS) as second:
        with closing(Client([first, second])) as client:
            assert await client.batches() == (80.0, 16.0)
        through_service = Address(first.url, path="/endpoints/e/invocations")
        assert await Client([through_service]).batches() is None
    async with answering(handler) as address:
        with closing(Client([address])) as silent:
            assert await silent.batches() is None


def test_labels_are_summed_over() -> None:
    labelled = 'x_batch_items_sum{endpoint="a"} 1.5\nx_batch_items_count{endpoint="a"} 1\n'
    assert parse_batches(labelled * 2) == (3.0, 2.0)
    assert parse_batches("other_items_sum 3\n") is None


@given(st.binary(max_size=60), st.integers(400, 599))
def test_any_error_has_a_code(answer: bytes, status: int) -> None:
    assert error_code(status, answer)


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b'{"code": "A"}', "A"), (b"[]", "HTTP 500"), (b'{"code": 1}', "HTTP 500"), (b"", "HTTP 500")],
)
def test_codes(answer: bytes, code: str) -> None:
    assert error_code(500, answer) == code
