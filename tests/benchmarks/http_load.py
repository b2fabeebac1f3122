"""A load of small requests over kept connections, by as little of a client as can be, and what it measured."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Load:
    """What a number of clients saw."""

    per_second: float
    p50_ms: float
    p99_ms: float


async def load(address: str, token: str, bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Return what `clients` measure that ask one thing after the other, each on a connection of its own.

    Args:
        address: as `http://host:port`.
        token: of the worker.
        bodies: what is asked, in turn.
        clients: at the same time.
        seconds: how long; as long again goes before, uncounted, up to one second.
    """
    requests = [_request(address, token, body) for body in bodies]
    await _ask_all(address, requests, clients, min(1.0, seconds))
    began = time.perf_counter()
    taken = await _ask_all(address, requests, clients, seconds)
    elapsed = time.perf_counter() - began
    milliseconds = np.array(taken) * 1000
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return Load(round(len(taken) / elapsed, 1), round(float(p50), 2), round(float(p99), 2))


async def _ask_all(address: str, requests: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    taken = await asyncio.gather(*(_ask(address, requests, number, until) for number in range(clients)))
    return [one for client in taken for one in client]


async def _ask(address: str, requests: Sequence[bytes], number: int, until: float) -> list[float]:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    taken = []
    while (began := time.perf_counter()) < until:
        writer.write(requests[number % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        body = await reader.readexactly(int(length.split(b":")[1]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head!r} {body!r}")
        taken.append(time.perf_counter() - began)
        number += 1
    writer.close()
    return taken


def _request(address: str, token: str, body: bytes) -> bytes:
    host = address.removeprefix("http://")
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
