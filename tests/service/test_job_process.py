"""Processes of jobs that are ended: none of them is left, whatever it does with SIGTERM."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from neptuneml_plugin.jobfolder import JobFolder
from neptuneml_plugin.service.jobs import process
from neptuneml_plugin.stage import FOLDER_VARIABLE

#: Ignores SIGTERM, and holds what takes the system a while to take back.
STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = bytearray(64 << 20)
print("ready", flush=True)
signal.pause()
"""


@contextlib.contextmanager
def stubborn(folder: Path) -> Iterator[psutil.Process]:
    """Yield a process of a job whose stage has gone."""
    environment = {**os.environ, FOLDER_VARIABLE: str(folder)}
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, env=environment) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        try:
            yield psutil.Process(started.pid)
        finally:
            started.kill()


async def test_what_a_stage_has_left_is_gone_once_it_is_ended(tmp_path: Path) -> None:
    ours, others = tmp_path / "ours", tmp_path / "others"
    with contextlib.ExitStack() as running:
        left = [running.enter_context(stubborn(ours)) for _ in range(8)]
        other = running.enter_context(stubborn(others))
        await process.end(JobFolder(ours))
        assert {each.status() for each in left} == {psutil.STATUS_ZOMBIE}
        assert other.status() != psutil.STATUS_ZOMBIE
