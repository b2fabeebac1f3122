"""A caller's WebSocket, before a Gremlin Server in memory that does what a test asks for."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import create_app
from tests.running_service import eventually_async

Client = TestClient[Any, Any]
REQUEST_ID = "8d2f2f6c-1c2a-4f2e-9d6e-0f3c1b5a7e90"
SCRIPT = {"requestId": REQUEST_ID, "op": "eval", "processor": "", "args": {"gremlin": "g.V()"}}
MIB = 1 << 20


class Served(TestServer):
    """A server that ends no handler when its caller has gone, as the service's own does not."""

    async def _make_runner(self, **settings: Any) -> web.BaseRunner:
        return await super()._make_runner(**settings | {"handler_cancellation": False})


class FakeGremlinServer:
    """Echoes messages; some texts are commands."""

    def __init__(self) -> None:
        self.open: set[web.WebSocketResponse] = set()
        self.headers: list[dict[str, str]] = []
        self.closed_with: list[int | None] = []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("b", "c"), max_msg_size=100 * MIB, autoping=False)
        await socket.prepare(request)
        self.open.add(socket)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        with contextlib.suppress(ConnectionError):
            async for message in socket:
                await self._answer(socket, message)
        self.open.discard(socket)
        self.closed_with.append(socket.close_code)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, message: aiohttp.WSMessage) -> None:
        if message.type is WSMsgType.PING:
            await socket.pong(message.data + b"!")
        elif message.data == "ping me":
            await socket.ping(b"you")
        elif message.data == "close":
            await socket.close(code=4001, message=b"enough")
        elif message.data == "die":
            self._abort(socket)
        elif message.type is WSMsgType.TEXT and message.data.startswith("send "):
            await socket.send_bytes(bytes(int(message.data.split()[1])))
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)

    def _abort(self, socket: web.WebSocketResponse) -> None:
        transport = socket.get_extra_info("socket")
        transport.shutdown(2)


@contextlib.asynccontextmanager
async def gateway(config: ServiceConfig) -> AsyncIterator[tuple[Client, FakeGremlinServer]]:
    fake = FakeGremlinServer()
    app = web.Application()
    app.router.add_get("/gremlin", fake.serve)
    async with Served(app) as upstream:
        configured = replace(config, gremlin=f"ws://127.0.0.1:{upstream.port}/gremlin")
        async with TestClient(Served(create_app(configured))) as client:
            yield client, fake


@pytest.fixture
def config(tmp_path: Path) -> ServiceConfig:
    return ServiceConfig(tmp_path, max_body_mib=4)


async def test_texts_bytes_and_pings_pass_both_ways(config: ServiceConfig) -> None:
    async with gateway(config) as (client, _), client.ws_connect("/gremlin", autoping=False) as socket:
        await socket.send_str("tëxt")
        assert await socket.receive_str() == "tëxt"
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes() == b"\x00\xff"
        await socket.ping(b"me")
        assert (await socket.receive()) == (WSMsgType.PONG, b"me!", "")
        await socket.send_str("ping me")
        assert (await socket.receive()) == (WSMsgType.PING, b"you", "")


async def test_the_server_chooses_the_subprotocol_and_sees_no_credentials(config: ServiceConfig) -> None:
    headers = {"Authorization": "Bearer secret", "Cookie": "a=b", "Origin": "http://ok.example"}
    allowed = replace(config, token="secret", allow_origins=("http://ok.example",))
    async with gateway(allowed) as (client, fake):
        async with client.ws_connect("/gremlin", protocols=("a", "b"), headers=headers) as socket:
            assert socket.protocol == "b"
        async with client.ws_connect("/gremlin", headers=headers) as socket:
            assert socket.protocol is None
    assert [seen.get("sec-websocket-protocol") for seen in fake.headers] == ["a,b", None]
    assert not any({"authorization", "cookie", "origin"} & set(seen) for seen in fake.headers)


async def test_large_messages_up_to_the_limit(config: ServiceConfig) -> None:
    async with gateway(config) as (client, _):
        async with client.ws_connect("/gremlin", max_msg_size=100 * MIB) as socket:
            await socket.send_bytes(bytes(4 * MIB))
            assert len(await socket.receive_bytes()) == 4 * MIB
            with contextlib.suppress(ConnectionError):  # told amid the message
                await socket.send_bytes(bytes(4 * MIB + 1))
            assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        async with client.ws_connect("/gremlin") as socket:
            await socket.send_str(f"send {4 * MIB + 1}")
            ended = await socket.receive()
            assert (ended.type, ended.data) == (WSMsgType.CLOSE, WSCloseCode.MESSAGE_TOO_BIG)


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("close", 4001, "enough"),
        ("die", WSCloseCode.INTERNAL_ERROR, "the Gremlin Server has ended the connection"),
    ],
)
async def test_the_servers_end_is_the_callers(config: ServiceConfig, command: str, code: int, reason: str) -> None:
    async with gateway(config) as (client, _), client.ws_connect("/gremlin") as socket:
        await socket.send_str(command)
        ended = await socket.receive()
        assert (ended.type, ended.data, ended.extra) == (WSMsgType.CLOSE, code, reason)


async def test_the_callers_end_is_the_servers(config: ServiceConfig) -> None:
    async with gateway(config) as (client, fake):
        socket = await client.ws_connect("/gremlin")
        await socket.close(code=4002)
        await eventually_async(lambda: fake.closed_with == [4002])
        assert fake.open == set()
        socket = await client.ws_connect("/gremlin")
        await eventually_async(lambda: len(fake.open) == 1)
        socket.get_extra_info("socket").shutdown(2)  # gone without a word
        await eventually_async(lambda: fake.open == set())


async def test_the_end_of_the_service_ends_its_callers(config: ServiceConfig) -> None:
    async with gateway(config) as (client, _):
        socket = await client.ws_connect("/gremlin")
        await socket.send_str("x")
        assert await socket.receive_str() == "x"
        ended = asyncio.create_task(socket.receive())
        async with asyncio.timeout(30):  # half of what aiohttp gives its handlers
            await client.server.close()
            assert (await ended).data == WSCloseCode.GOING_AWAY


async def test_a_slow_caller_slows_the_server(config: ServiceConfig) -> None:
    """Nobody holds what a caller does not take: the server's own sending stops."""
    sent = 0

    async def flood(request: web.Request) -> web.WebSocketResponse:
        nonlocal sent
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(300):
                await socket.send_bytes(bytes(MIB))
                sent += 1
        return socket

    app = web.Application()
    app.router.add_get("/gremlin", flood)
    async with Served(app) as upstream:
        configured = replace(config, gremlin=f"ws://127.0.0.1:{upstream.port}/gremlin")
        client = TestClient(Served(create_app(configured)))
        async with client, client.ws_connect("/gremlin") as socket:
            await eventually_async(lambda: sent > 0)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.5)
            assert 0 < sent < 100
            for _ in range(300):
                assert len(await socket.receive_bytes()) == MIB


async def test_connections_are_bounded(config: ServiceConfig) -> None:
    async with gateway(replace(config, max_gremlin_connections=2)) as (client, fake):
        sockets = [await client.ws_connect("/gremlin") for _ in range(2)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("/gremlin")
        assert refused.value.status == 429
        answer = await client.post("/gremlin", json={"gremlin": "g.V()"})
        assert (answer.status, (await answer.json())["code"]) == (429, "TooManyRequestsException")
        await sockets[0].close()
        await eventually_async(lambda: len(fake.open) == 1)
        async with client.ws_connect("/gremlin") as socket:
            await socket.send_str("x")
            assert await socket.receive_str() == "x"


@pytest.mark.parametrize("path", ["/gremlin", "/gremlin/explain"])
async def test_a_server_that_is_not_there(config: ServiceConfig, path: str, unused_tcp_port: int) -> None:
    configured = replace(config, gremlin=f"ws://me:secret@127.0.0.1:{unused_tcp_port}/gremlin")
    async with TestClient(Served(create_app(configured))) as client:
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        for answer in (
            await client.post(path, json={"gremlin": "g.V()"}),
            await client.get("/gremlin", headers=upgrade),
        ):
            document = await answer.json()
            assert (answer.status, document["code"]) == (500, "FailureByQueryException")
            assert "cannot be reached" in document["message"]
            assert "--gremlin" in document["message"]
            assert "secret" not in document["message"]
        status = await (await client.get("/status")).json()
        assert status["status"] == "recovery"
        assert "cannot be reached" in status["detailedMessage"]


async def test_a_server_without_websockets(config: ServiceConfig) -> None:
    async with TestServer(web.Application()) as upstream:
        configured = replace(config, gremlin=f"ws://127.0.0.1:{upstream.port}/gremlin")
        async with TestClient(Served(create_app(configured))) as client:
            document = await (await client.post("/gremlin", json={"gremlin": "g.V()"})).json()
            assert "refuses a WebSocket with HTTP status 404" in document["message"]


async def test_no_server_is_configured(config: ServiceConfig) -> None:
    async with TestClient(TestServer(create_app(config))) as client:
        answer = await client.get("/gremlin", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        document = await answer.json()
        assert (answer.status, document["code"]) == (400, "UnsupportedOperationException")
        assert "--gremlin ws://" in document["message"]


async def test_foreign_pages_and_callers_without_the_token_stay_outside(config: ServiceConfig) -> None:
    async with gateway(replace(config, token="secret")) as (client, fake):
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/gremlin", headers=headers)
            assert refused.value.status == 403
        assert fake.headers == []


# --- callers elsewhere -------------------------------------------------------------------------------------------


#: Without one, nobody else is served.
TOKEN = "a token of many letters"
CALLER = {"Authorization": f"Bearer {TOKEN}"}


async def elsewhere(
    config: ServiceConfig, talk: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[None]]
) -> FakeGremlinServer:
    """Talk to a gateway that is bound to all addresses."""
    elsewhere = replace(config, host="0.0.0.0", token=TOKEN)
    async with gateway(elsewhere) as (client, fake), client.ws_connect("/gremlin", headers=CALLER) as socket:
        await talk(socket)
        return fake


async def test_scripts_from_elsewhere_become_gremlin_lang(config: ServiceConfig) -> None:
    async def talk(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str(json.dumps(SCRIPT))
        passed = json.loads(await socket.receive_str())
        assert passed == SCRIPT | {"args": {"gremlin": "g.V()", "language": "gremlin-lang"}}

    await elsewhere(config, talk)


async def test_a_refusal_leaves_the_connection_open(config: ServiceConfig) -> None:
    lambda_ = SCRIPT | {"op": "bytecode", "args": {"gremlin": {"@type": "g:Lambda", "@value": {}}}}
    frame = b"\x10application/json" + json.dumps(lambda_).encode()

    async def talk(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str(json.dumps(lambda_))
        for told in (json.loads(await socket.receive_str()), None):
            if told is None:
                await socket.send_bytes(frame + b" " * (1 << 17))  # read in a thread
                told = json.loads(await socket.receive_bytes())  # noqa: PLW2901
            assert told["requestId"] == REQUEST_ID
            assert told["status"]["code"] == 403
            assert "lambdas are code" in told["status"]["message"]
        await socket.send_str(json.dumps(SCRIPT))
        assert "gremlin-lang" in await socket.receive_str()

    await elsewhere(config, talk)


async def test_what_cannot_be_read_from_elsewhere_ends_the_connection(config: ServiceConfig) -> None:
    async def talk(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str("{")
        ended = await socket.receive()
        assert (ended.type, ended.data) == (WSMsgType.CLOSE, WSCloseCode.POLICY_VIOLATION)
        assert (ended.extra or "").startswith("the request is no JSON")

    fake = await elsewhere(config, talk)
    await eventually_async(lambda: len(fake.closed_with) == 1)


async def test_allow_groovy_passes_everything_on(config: ServiceConfig) -> None:
    open_to_all = replace(config, host="0.0.0.0", token=TOKEN, allow_groovy=True)
    async with gateway(open_to_all) as (client, _), client.ws_connect("/gremlin", headers=CALLER) as socket:
        await socket.send_str("{")
        assert await socket.receive_str() == "{"
