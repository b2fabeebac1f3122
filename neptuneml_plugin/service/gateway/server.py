"""The Gremlin Server behind the service: connections to it, as many as the settings allow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import aiohttp
from aiohttp import web
from yarl import URL

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import FailureByQuery, InvalidParameter, TooManyRequests, UnsupportedOperation

CONNECT_SECONDS = 10.0

Connection = aiohttp.ClientWebSocketResponse


class Server:
    """The configured Gremlin Server."""

    def __init__(self, url: URL, max_connections: int, max_message_bytes: int) -> None:
        self.url = url
        #: Without a password that may stand in it.
        self.name = str(url.with_user(None))
        self._max_connections = max_connections
        self._max_message_bytes = max_message_bytes
        self._open = 0
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        #: Callers' connections, ended when the service ends.
        self.callers: set[web.WebSocketResponse] = set()

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    @contextlib.asynccontextmanager
    async def connection(self, protocols: Sequence[str] = ()) -> AsyncIterator[Connection]:
        """Yield a connection of the caller's own; pings and pongs come as messages.

        Raises:
            TooManyRequests: all connections are taken.
            FailureByQuery: the server does not answer.
        """
        if self._open >= self._max_connections:
            raise TooManyRequests(
                f"all {self._max_connections} connections to the Gremlin Server are taken; close some, or raise "
                "'max_gremlin_connections' in the service's configuration"
            )
        self._open += 1
        try:
            async with await self._connect(protocols) as connection:
                yield connection
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
    app[SERVER] = Server(read_url(config.gremlin), config.max_gremlin_connections, config.max_body_mib << 20)
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
