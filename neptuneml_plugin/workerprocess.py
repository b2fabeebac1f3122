"""A worker's process as those see it who start it: begun, told its settings, ended.

It ends by itself when whoever started it dies, because its stdin closes (`serving.endpoint`).
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any

from neptuneml_plugin.errors import FailureByQuery, InvalidData, PreconditionsFailed

#: How long a worker may verify and load its artifact.
READY_SECONDS = 600.0
#: After SIGTERM, before SIGKILL.
STOP_SECONDS = 10.0
#: What a worker of one endpoint runs.
MODULE = "neptuneml_plugin.serving.endpoint"


async def start(environment: Mapping[str, str], threads: int = 1, module: str = MODULE) -> Process:
    """Start a worker that waits for its settings.

    Args:
        environment: what the process finds in its environment.
        threads: of its linear algebra.
        module: what it runs.
    """
    count = str(threads)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=PIPE,
        stdout=PIPE,
        env={**environment, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count},
        start_new_session=True,  # a Ctrl-C at the terminal is for who started it to handle
    )


async def ready(process: Process, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Hand the settings over (`WorkerConfig`) and return what the worker reports once it answers.

    Raises:
        InvalidData: the worker refuses the artifact.
        PreconditionsFailed: the worker cannot listen.
        FailureByQuery: the worker died, or took too long.
    """
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = await _first_line(process, settings)
    except TimeoutError:
        raise FailureByQuery(f"the worker did not answer within {READY_SECONDS:.0f} s") from None
    if not line:
        code = await process.wait()
        raise FailureByQuery(f"the worker ended with code {code} before it answered; the log says more")
    report: dict[str, Any] = json.loads(line)
    if "address" in report:
        return report
    kind = PreconditionsFailed if report["code"] == PreconditionsFailed.code else InvalidData
    raise kind(report["message"])


async def end(process: Process) -> None:
    """End a worker: politely first."""
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


async def _first_line(process: Process, settings: Mapping[str, Any]) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise FailureByQuery("the worker has no pipes")
    with contextlib.suppress(ConnectionError):
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        await process.stdin.drain()
    return await process.stdout.readline()
