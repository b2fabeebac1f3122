"""Connections to the Gremlin Server that wait for the next request over HTTP, which then needs no handshake."""

import asyncio
import contextlib

import aiohttp
from aiohttp import WSMsgType

#: Connections that may wait, at most.
MOST_IDLE = 8
#: How long one waits; servers and proxies end theirs after a minute or more.
IDLE_SECONDS = 30.0

Connection = aiohttp.ClientWebSocketResponse


class Pool:
    """Waiting connections of one server and one login; the newest is taken first, so that others end."""

    def __init__(self, most: int = MOST_IDLE, idle_seconds: float = IDLE_SECONDS) -> None:
        self._most, self._idle_seconds = most, idle_seconds
        #: With what looks after each.
        self._waiting: dict[Connection, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def take(self) -> Connection | None:
        """Return a connection that was alive just now; None where there is none."""
        while self._waiting:
            connection, watch = self._waiting.popitem()
            watch.cancel()
            await asyncio.wait({watch})
            if not connection.closed:
                return connection
        return None

    async def give(self, connection: Connection) -> None:
        """Keep a connection whose last request was answered to the end; end it where enough are waiting."""
        if connection.closed or len(self._waiting) >= self._most:
            await connection.close()
        else:
            self._waiting[connection] = asyncio.create_task(self._watch(connection))

    async def close(self) -> None:
        """End all that wait."""
        waiting, self._waiting = self._waiting, {}
        for watch in waiting.values():
            watch.cancel()
        await asyncio.gather(*waiting.values(), return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in waiting))

    async def _watch(self, connection: Connection) -> None:
        """Answer the server's pings until it ends the connection, or its time is over."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._idle_seconds):
                while (message := await connection.receive()).type in (WSMsgType.PING, WSMsgType.PONG):
                    if message.type is WSMsgType.PING:
                        await connection.pong(message.data)
        self._waiting.pop(connection, None)
        await connection.close()
