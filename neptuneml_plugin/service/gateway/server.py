"""The Gremlin Server behind the service: connections to it, as many as the settings allow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

import aiohttp
from aiohttp import web
from yarl import URL

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import FailureByQuery, InvalidParameter, TooManyRequests, UnsupportedOperation
from neptuneml_plugin.gremlin_login import Login
from neptuneml_plugin.service.gateway.pool import Connection, Pool
from neptuneml_plugin.service.security.secretfiles import gremlin_login

CONNECT_SECONDS = 10.0


class Server:
    """The configured Gremlin Server."""

    def __init__(self, url: URL, max_connections: int, max_message_bytes: int, login: Login | None = None) -> None:
        self.url = url
        #: What the service's own requests, and those over HTTP, are made with.
        self.login = login
        #: Without a password that may stand in it.
        self.name = str(url.with_user(None))
        self._max_connections = max_connections
        self._max_message_bytes = max_message_bytes
        self._open = 0
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        #: Of connections for requests over HTTP; callers over WebSocket have their own.
        self.pool = Pool()
        #: Callers' connections, ended when the service ends.
        self.callers: set[web.WebSocketResponse] = set()

    async def close(self) -> None:
        """End all connections."""
        await self.pool.close()
        await self._session.close()

    @contextlib.asynccontextmanager
    async def connection(self, protocols: Sequence[str] = ()) -> AsyncIterator[Connection]:
        """Yield a connection of the caller's own; pings and pongs come as messages.

        Raises:
            TooManyRequests: all connections are taken.
            FailureByQuery: the server does not answer.
        """
        with self._counted():
            async with await self._connect(protocols) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def asked(self, frame: bytes) -> AsyncIterator[Connection]:
        """Send a request, and yield the connection for its answer; it waits for others if nothing fails.

        Raises:
            TooManyRequests: all connections are taken.
            FailureByQuery: the server does not answer.
        """
        with self._counted():
            connection = await self._sent(frame)
            try:
                yield connection
            except BaseException:  # the rest of an answer may be on its way
                await connection.close()
                raise
            await self.pool.give(connection)

    async def _sent(self, frame: bytes) -> Connection:
        """Return the connection on which a request was sent: one that waited, else a new one.

        A connection that has died meanwhile is replaced where sending fails, since the server has then not heard
        the whole request; after that nobody knows what the server has done, and the request is not sent again.
        """
        waiting = await self.pool.take()
        if waiting is not None:
            try:
                await waiting.send_bytes(frame)
            except ConnectionError:
                await waiting.close()
            else:
                return waiting
        connection = await self._connect(())
        try:
            await connection.send_bytes(frame)
        except ConnectionError:
            await connection.close()
            raise FailureByQuery(f"the Gremlin Server at {self.name} ended a new connection at once") from None
        return connection

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        if self._open >= self._max_connections:
            raise TooManyRequests(
                f"all {self._max_connections} connections to the Gremlin Server are taken; close some, or raise "
                "'max_gremlin_connections' in the service's configuration"
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def _connect(self, protocols: Sequence[str]) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._session.ws_connect(
                    self.url,
                    protocols=protocols,
                    autoping=False,
                    max_msg_size=self._max_message_bytes + 1,  # aiohttp refuses the limit itself
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
        except aiohttp.WSServerHandshakeError as error:
            problem = f"refuses a WebSocket with HTTP status {error.status}; its channelizer must take WebSockets"
        except TimeoutError:
            problem = f"did not answer within {CONNECT_SECONDS:.0f} s"
        except (aiohttp.ClientError, OSError) as error:
            problem = f"cannot be reached ({type(error).__name__}); start it, or name another one with --gremlin"
        raise FailureByQuery(f"the Gremlin Server at {self.name} {problem}")


SERVER = web.AppKey("gremlin_server", Server)


async def lifetime(app: web.Application, config: ServiceConfig) -> AsyncIterator[None]:
    """Hold the configured server while the application lives."""
    if config.gremlin is None:
        yield
        return
    app[SERVER] = Server(
        read_url(config.gremlin), config.max_gremlin_connections, config.max_body_mib << 20, gremlin_login(config)
    )
    yield
    await app[SERVER].close()


async def end_callers(app: web.Application) -> None:
    """Close callers' connections, which would otherwise hold up the end of the service."""
    callers = set(app[SERVER].callers) if SERVER in app else set()
    message = b"the service ends"
    await asyncio.gather(
        *(caller.close(code=aiohttp.WSCloseCode.GOING_AWAY, message=message) for caller in callers)
    )


def server_of(request: web.Request) -> Server:
    """Return the configured server.

    Raises:
        UnsupportedOperation: none is configured.
    """
    if SERVER not in request.app:
        raise UnsupportedOperation(
            f"{request.path} needs a Gremlin Server; start the service with --gremlin ws://host:port/gremlin"
        )
    return request.app[SERVER]


def read_url(text: str) -> URL:
    """Return the address of a Gremlin Server.

    Raises:
        InvalidParameter: it is none.
    """
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("ws", "wss") or not url.host:
        raise InvalidParameter(f"'{text}' is no Gremlin Server; give ws://host:port/gremlin or wss://…")
    return url
