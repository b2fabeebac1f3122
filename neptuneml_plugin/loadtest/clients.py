"""How a load asks: kept connections, and the instance that has the fewest of its requests in hand."""

import asyncio
import json
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from neptuneml_plugin.errors import FailureByQuery

#: How long one answer may take.
ANSWER_SECONDS = 120.0
#: What errors are called that no server names.
UNREACHABLE = "unreachable"
TIMED_OUT = "timed out"

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:\s*close", re.IGNORECASE)
#: Sum and count of the items of batches, as a worker's metrics have them.
_BATCHES = re.compile(r"^\w*batch_items_(sum|count)(?:\{[^}]*\})? ([0-9.eE+]+)$", re.MULTILINE)

#: Where workers take invocations.
WORKER_PATH = "/invocations"

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Address:
    """Where something is asked."""

    #: Such as `http://127.0.0.1:41873`.
    url: str
    token: str = field(default="", repr=False)
    path: str = WORKER_PATH


class Instance:
    """One address, with its kept connections."""

    def __init__(self, address: Address) -> None:
        self.in_hand = 0
        parts = urlsplit(address.url)
        secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if secure else 80)
        self._tls = ssl.create_default_context() if secure else None
        self._path = parts.path.rstrip("/") + address.path
        token = f"Authorization: Bearer {address.token}\r\n" if address.token else ""
        self._head = f"Host: {parts.netloc}\r\n{token}Content-Type: application/json\r\n"
        self._idle: list[_Connection] = []

    async def ask(self, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of an invocation's answer.

        Raises:
            OSError, asyncio.IncompleteReadError: it cannot be reached.
            TimeoutError: it takes too long.
        """
        head = f"POST {self._path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        return await self._exchange(head.encode() + body)

    async def batches(self) -> tuple[float, float] | None:
        """Return how many items, in how many batches, a worker has answered; None where it does not say."""
        if self._path != WORKER_PATH:  # a service counts those of all endpoints
            return None
        status, body = await self._exchange(f"GET /metrics HTTP/1.1\r\n{self._head}\r\n".encode())
        return parse_batches(body.decode(errors="replace")) if status == 200 else None

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        self.in_hand += 1
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = self._idle.pop() if self._idle else await self._open()
                status, body, is_kept = await _exchange(connection, request)
            if is_kept:
                self._idle.append(connection)
                connection = None
            return status, body
        finally:
            self.in_hand -= 1
            if connection is not None:
                connection[1].close()

    async def _open(self) -> _Connection:
        return await asyncio.open_connection(self._host, self._port, ssl=self._tls)


async def _exchange(connection: _Connection, request: bytes) -> tuple[int, bytes, bool]:
    """Return status and body of the answer, and whether the connection may be used again."""
    reader, writer = connection
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    return int(head[9:12]), body, length is not None and _CLOSE.search(head) is None


def parse_batches(metrics: str) -> tuple[float, float] | None:
    """Return items and batches of Prometheus' text, summed over its labels; None where they do not stand there."""
    sums = {"sum": 0.0, "count": 0.0}
    found = _BATCHES.findall(metrics)
    for name, value in found:
        sums[name] += float(value)
    return (sums["sum"], sums["count"]) if found else None


class Client:
    """Asks several instances of an endpoint."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._instances = [Instance(address) for address in addresses]

    async def ask(self, body: bytes) -> str | None:
        """Ask the least busy instance and return the code of its error; None where it has answered."""
        instance = min(self._instances, key=lambda each: each.in_hand)
        try:
            status, answer = await instance.ask(body)
        except TimeoutError:
            return TIMED_OUT
        except (OSError, asyncio.IncompleteReadError):
            return UNREACHABLE
        return None if status == 200 else error_code(status, answer)

    async def try_out(self, body: bytes) -> None:
        """Ask every instance once.

        Raises:
            FailureByQuery: one does not answer; the message is its own.
        """
        for instance in self._instances:
            try:
                status, answer = await instance.ask(body)
            except (OSError, asyncio.IncompleteReadError) as error:
                raise FailureByQuery(f"the endpoint cannot be reached ({error or type(error).__name__})") from None
            if status != 200:
                told = answer.decode(errors="replace")[:400]
                raise FailureByQuery(f"the endpoint does not answer the first body (HTTP {status}): {told}")

    async def batches(self) -> tuple[float, float] | None:
        """Return items and batches of all instances; None where they do not count them."""
        counts = [await instance.batches() for instance in self._instances]
        known = [count for count in counts if count is not None]
        return (sum(items for items, _ in known), sum(batches for _, batches in known)) if known else None

    def close(self) -> None:
        """Close all connections."""
        for instance in self._instances:
            instance.close()


def error_code(status: int, answer: bytes) -> str:
    """Return the code that an error's body names, else its status."""
    try:
        document = json.loads(answer)
    except ValueError:
        document = None
    code = document.get("code") if isinstance(document, dict) else None
    return code if isinstance(code, str) and code else f"HTTP {status}"
