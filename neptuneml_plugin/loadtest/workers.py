"""Workers of a load test's own: processes that answer for an artifact in the configuration to be measured."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from neptuneml_plugin.errors import FailureByQuery, InvalidData
from neptuneml_plugin.loadtest.choosing import Configuration
from neptuneml_plugin.loadtest.clients import Address

#: How long a worker may verify and load its artifact.
READY_SECONDS = 600.0
#: After SIGTERM, before SIGKILL.
STOP_SECONDS = 10.0


@contextlib.asynccontextmanager
async def running_workers(artifact: Path, configuration: Configuration) -> AsyncIterator[list[Address]]:
    """Start the instances of a configuration, yield where they answer, and end them.

    Raises:
        InvalidData: the artifact cannot be served; the message says why.
        FailureByQuery: a process died.
    """
    token = secrets.token_urlsafe(32)
    settings: dict[str, Any] = {"endpoint": "loadtest", "artifact": str(artifact), "token": token}
    settings |= configuration.for_worker()
    processes: list[asyncio.subprocess.Process] = []
    try:
        for _ in range(configuration.instances):
            processes.append(await _start(configuration.threads))  # noqa: PERF401 - those there are, are ended
        addresses = await asyncio.gather(*(_ready(process, settings) for process in processes))
        yield [Address(address, token) for address in addresses]
    finally:
        await asyncio.gather(*map(_end, processes))


async def _start(threads: int) -> asyncio.subprocess.Process:
    count = str(threads)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "neptuneml_plugin.serving.endpoint",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count},
        start_new_session=True,  # a Ctrl-C at the terminal is the load test's to handle
    )


async def _ready(process: asyncio.subprocess.Process, settings: dict[str, Any]) -> str:
    """Hand the settings over and return the worker's address."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = await _first_line(process, settings)
    except TimeoutError:
        raise FailureByQuery(f"a worker did not answer within {READY_SECONDS:.0f} s") from None
    if not line:
        raise FailureByQuery(f"a worker ended with code {await process.wait()} before it answered")
    report: dict[str, str] = json.loads(line)
    if "address" not in report:
        raise InvalidData(report["message"])
    return report["address"]


async def _first_line(process: asyncio.subprocess.Process, settings: dict[str, Any]) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise FailureByQuery("the worker has no pipes")
    with contextlib.suppress(ConnectionError):
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        await process.stdin.drain()
    return await process.stdout.readline()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.stdin is not None:
        process.stdin.close()
