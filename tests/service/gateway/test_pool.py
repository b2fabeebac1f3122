"""Connections for requests over HTTP: kept, bounded, replaced where they have died, and logged in."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import AccessDenied, FailureByQuery, InvalidSettings, MalformedQuery, TooManyRequests
from neptuneml_plugin.gremlin_login import PASSWORD_VARIABLE, USER_VARIABLE, Login, login_of
from neptuneml_plugin.service.gateway import pool
from neptuneml_plugin.service.gateway.answers import Script, ask, ask_all
from neptuneml_plugin.service.gateway.pool import Pool
from neptuneml_plugin.service.gateway.server import Server
from neptuneml_plugin.service.security.secretfiles import child_environment, gremlin_login
from tests.running_service import eventually_async

LOGIN = Login("anna", "s3cret word")


class FakeGremlinServer:
    """Answers a script with its own text; some texts are commands."""

    def __init__(self, password: str | None = None) -> None:
        self.password = password
        self.opened: list[web.WebSocketResponse] = []
        self.scripts: list[str] = []
        self.logins: list[str] = []
        self.pongs = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.opened.append(socket)
        known, waiting = self.password is None, ""
        with contextlib.suppress(ConnectionError):
            async for message in socket:
                if message.type is not web.WSMsgType.BINARY:
                    self.pongs += message.type is web.WSMsgType.PONG
                    continue
                asked = json.loads(message.data[1 + message.data[0] :])
                if asked["op"] == "authentication":
                    self.logins.append(base64.b64decode(asked["args"]["sasl"]).decode())
                    known = self.logins[-1].rpartition("\0")[2] == self.password
                    await (self._run(socket, waiting) if known else self._answer(socket, 401, "who are you"))
                elif known:
                    await self._run(socket, asked["args"]["gremlin"])
                else:
                    waiting = asked["args"]["gremlin"]
                    await self._answer(socket, 407, "")
        return socket

    async def _run(self, socket: web.WebSocketResponse, script: str) -> None:
        self.scripts.append(script)
        if script == "die":
            socket.get_extra_info("socket").shutdown(2)
        elif script == "fail":
            await self._answer(socket, 597, "it fails")
        elif script == "slow":
            await self._answer(socket, 206, "", ["first"])
        else:
            await self._answer(socket, 200, "", [script])

    async def _answer(self, socket: web.WebSocketResponse, code: int, text: str, data: object = ()) -> None:
        status = {"code": code, "message": text, "attributes": {}}
        await socket.send_str(json.dumps({"requestId": "1", "status": status, "result": {"data": data or []}}))

    @property
    def alive(self) -> int:
        return sum(not socket.closed for socket in self.opened)


@contextlib.asynccontextmanager
async def connected(
    fake: FakeGremlinServer, waiting: Pool | None = None, login: Login | None = None, most: int = 20
) -> AsyncIterator[Server]:
    app = web.Application()
    app.add_routes([web.get("/gremlin", fake.serve)])
    async with TestServer(app) as served:
        server = Server(URL(str(served.make_url("/gremlin"))).with_scheme("ws"), most, 1 << 20, login)
        server.pool = server.pool if waiting is None else waiting
        try:
            yield server
        finally:
            await server.close()


async def test_one_connection_answers_one_request_after_the_other() -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        for number in range(20):
            assert await ask_all(server, Script(str(number))) == [str(number)]
        assert (len(fake.opened), len(server.pool)) == (1, 1)
    await eventually_async(lambda: fake.alive == 0)


async def test_many_at_once_leave_a_bounded_number() -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        asked = [ask_all(server, Script(str(number))) for number in range(20)]
        assert await asyncio.gather(*asked) == [[str(number)] for number in range(20)]
        assert len(fake.opened) <= 20
        await eventually_async(lambda: fake.alive == len(server.pool) == pool.MOST_IDLE)


async def test_those_that_are_asked_are_counted_and_those_that_wait_are_not() -> None:
    fake = FakeGremlinServer()
    async with connected(fake, most=1) as server:
        await ask_all(server, Script("a"))
        async with server.asked(b"\x00{}"):
            with pytest.raises(TooManyRequests):
                await ask_all(server, Script("b"))


async def test_a_failed_script_costs_no_connection() -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        for _ in range(3):
            with pytest.raises(MalformedQuery, match="it fails"):
                await ask_all(server, Script("fail"))
        assert len(fake.opened) == 1


async def test_what_waits_too_long_is_ended() -> None:
    fake = FakeGremlinServer()
    async with connected(fake, Pool(idle_seconds=0.05)) as server:
        await ask_all(server, Script("a"))
        await eventually_async(lambda: fake.alive == len(server.pool) == 0)
        assert await ask_all(server, Script("b")) == ["b"]


async def test_pings_are_answered_while_it_waits() -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        await ask_all(server, Script("a"))
        await fake.opened[0].ping(b"you")
        await eventually_async(lambda: fake.pongs == 1)
        await fake.opened[0].ping(b"you")
        await eventually_async(lambda: fake.pongs == 2)
        assert (await ask_all(server, Script("b")), len(fake.opened)) == (["b"], 1)


@pytest.mark.parametrize("politely", [True, False])
async def test_one_that_the_server_ends_is_not_used_again(*, politely: bool) -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        await ask_all(server, Script("a"))
        if politely:
            await fake.opened[0].close()
        else:
            fake.opened[0].get_extra_info("socket").shutdown(2)
        await eventually_async(lambda: len(server.pool) == 0)
        assert (await ask_all(server, Script("b")), len(fake.opened)) == (["b"], 2)


async def test_one_that_dies_before_it_is_sent_on_is_replaced_once() -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        await ask_all(server, Script("a"))
        (waiting,) = server.pool._waiting
        waiting._conn.transport.close()  # type: ignore[union-attr]
        assert await ask_all(server, Script("b")) == ["b"]
        assert (fake.scripts, len(fake.opened)) == (["a", "b"], 2)


async def test_one_that_dies_after_it_was_sent_on_is_not_asked_again() -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        await ask_all(server, Script("a"))
        with pytest.raises(FailureByQuery, match="ended the connection before it had answered"):
            await ask_all(server, Script("die"))
        assert fake.scripts == ["a", "die"]


async def test_an_answer_that_is_left_ends_its_connection() -> None:
    fake = FakeGremlinServer()
    async with connected(fake) as server:
        answer = ask(server, Script("slow"))
        assert (await anext(answer)).items == ["first"]
        await answer.aclose()  # type: ignore[attr-defined]
        await eventually_async(lambda: fake.alive == len(server.pool) == 0)


async def test_a_server_that_asks_is_told_once_for_each_connection() -> None:
    fake = FakeGremlinServer(LOGIN.password)
    async with connected(fake, login=LOGIN) as server:
        for text in "abc":
            assert await ask_all(server, Script(text)) == [text]
    assert (fake.logins, fake.scripts) == (["\0anna\0s3cret word"], ["a", "b", "c"])


@pytest.mark.parametrize("login", [None, Login("anna", "wrong")])
async def test_a_server_that_does_not_know_who_asks(login: Login | None) -> None:
    fake = FakeGremlinServer(LOGIN.password)
    async with connected(fake, login=login) as server:
        with pytest.raises(AccessDenied) as caught:
            await ask_all(server, Script("a"))
    assert not fake.scripts
    assert "wrong" not in str(caught.value)


# --- where the login comes from --------------------------------------------------------------------------------


def password_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "password"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_settings_come_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ServiceConfig(tmp_path)
    assert gremlin_login(config) is None
    monkeypatch.setenv(USER_VARIABLE, "bert")
    monkeypatch.setenv(PASSWORD_VARIABLE, "of the environment")
    assert gremlin_login(config) == login_of() == Login("bert", "of the environment")
    named = ServiceConfig(tmp_path, gremlin_user="anna", gremlin_password_file=password_file(tmp_path, "a b\n"))
    assert gremlin_login(named) == Login("anna", "a b")
    assert "a b" not in repr(gremlin_login(named))


@pytest.mark.parametrize(
    ("text", "mode", "problem"),
    [("a\nb\n", 0o600, "one line"), ("", 0o600, "one line"), ("a", 0o644, "open to others")],
)
def test_a_file_that_holds_no_password(tmp_path: Path, text: str, mode: int, problem: str) -> None:
    path = password_file(tmp_path, text, mode)
    with pytest.raises(InvalidSettings, match=problem):
        gremlin_login(ServiceConfig(tmp_path, gremlin_user="anna", gremlin_password_file=path))


@pytest.mark.parametrize("given", [{"gremlin_user": "anna"}, {"gremlin_password_file": "password"}])
def test_half_a_login_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    path = password_file(tmp_path, "word")
    settings = given | ({"gremlin_password_file": path} if "gremlin_password_file" in given else {})
    with pytest.raises(InvalidSettings, match="lacks"):
        gremlin_login(ServiceConfig(tmp_path, **settings))


def test_children_do_not_see_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_VARIABLE, "bert")
    monkeypatch.setenv(PASSWORD_VARIABLE, "word")
    assert not {USER_VARIABLE, PASSWORD_VARIABLE} & child_environment(ServiceConfig(tmp_path)).keys()
