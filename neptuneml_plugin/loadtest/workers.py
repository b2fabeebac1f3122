"""Workers of a load test's own: processes that answer for an artifact in the configuration to be measured."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from neptuneml_plugin import workerprocess
from neptuneml_plugin.loadtest.choosing import Configuration
from neptuneml_plugin.loadtest.clients import Address


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
            started = await workerprocess.start(os.environ, configuration.threads)
            processes.append(started)  # at once: should the next not start, it is ended
        reports = await asyncio.gather(*(workerprocess.ready(each, settings) for each in processes))
        yield [Address(report["address"], token) for report in reports]
    finally:
        await asyncio.gather(*map(workerprocess.end, processes))
