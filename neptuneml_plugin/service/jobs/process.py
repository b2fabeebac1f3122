"""The process of a job: started with the job's lock, found again by it, and ended with all that it has started."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.jobfolder import JobFolder
from neptuneml_plugin.stage import FOLDER_VARIABLE

#: After SIGTERM, before SIGKILL: a training writes its checkpoint meanwhile.
GRACE_SECONDS = 20.0
POLL_SECONDS = 0.05
#: Below the service and its workers.
NICENESS = 10

#: By their ids.
Members = dict[int, psutil.Process]


async def start(folder: JobFolder, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start a command of `neptuneml` as the job's process; it outlives this one.

    Raises:
        PreconditionsFailed: the job's last process still runs, or none can be started.
    """
    descriptor = folder.lock()
    if descriptor is None:
        raise PreconditionsFailed(f"a process still runs in {folder.path}")
    try:
        folder.clear()
        with folder.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "neptuneml_plugin.cli",
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment, FOLDER_VARIABLE: str(folder.path)},
                pass_fds=(descriptor,),
                start_new_session=True,
            )
    except OSError as error:
        raise PreconditionsFailed(f"the process cannot be started: {error.strerror}") from None
    finally:
        os.close(descriptor)
    with contextlib.suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)


async def ended(folder: JobFolder) -> None:
    """Return once the job's process is no more."""
    while folder.is_locked():  # noqa: ASYNC110 - it may not be a child of ours
        await asyncio.sleep(POLL_SECONDS)


async def end(folder: JobFolder) -> None:
    """End the job's process and all that it has started, politely first, and return once none of them is left."""
    seen = await asyncio.to_thread(_terminate, folder.path)
    if seen:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await ended(folder)
    while await asyncio.to_thread(_kill, folder.path, seen):  # noqa: ASYNC110 - what is killed takes a while to die
        await asyncio.sleep(POLL_SECONDS)
    await ended(folder)


def _terminate(folder: Path) -> Members:
    """Ask the stage to end; what it has started is its own to end."""
    members = _members(folder)
    for process in members.values():
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in members:
                process.terminate()
    return members


def _kill(folder: Path, seen: Members) -> bool:
    """Kill what is left of a job, add it to what was seen of it, and return whether any of that is alive.

    A process that dies has no environment any more while its files are still open.
    """
    seen |= _members(folder)
    alive = [process for process in seen.values() if _is_alive(process)]
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return bool(alive)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _members(folder: Path) -> Members:
    """Return the processes of a job: they carry its folder in their environment."""
    return {process.pid: process for process in psutil.process_iter() if _belongs(process, folder)}


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get(FOLDER_VARIABLE) == str(folder)
    except (psutil.Error, OSError):
        return False
