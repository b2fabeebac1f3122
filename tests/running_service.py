"""A service in a process of its own, as a person would run it, and waiting without guessing."""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.connection import Connection

#: What a busy machine may take for a step of a test; who waits goes on as soon as it is there.
PATIENCE_SECONDS = 300.0

_PROGRAM = """
import json, logging, sys
from neptuneml_plugin.config import ServiceConfig, structure
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.service.app import run
logging.basicConfig(level=logging.DEBUG)
config = structure(ServiceConfig, json.loads(sys.stdin.readline()), "settings")
try:
    run(config, lambda address: print(address, flush=True))
except NeptuneMLError as error:
    sys.exit(f"{error.code}: {error}")
"""


@dataclass(frozen=True)
class RunningService:
    """A service process."""

    url: str
    process: subprocess.Popen[str]
    log: Path
    token: str = ""

    @property
    def client(self) -> ServiceClient:
        return ServiceClient(self.url, self.token or None)

    @property
    def connection(self) -> Connection:
        return Connection(self.url, self.token or None)

    def workers(self) -> list[psutil.Process]:
        """The worker processes; none once the service has died."""
        return [child for child in psutil.Process(self.process.pid).children(recursive=True) if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "neptuneml_plugin.serving.endpoint" in process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return False


@contextlib.contextmanager
def running_service(root: Path, token: str = "", port: int = 0, **settings: Any) -> Iterator[RunningService]:
    """Start a service over `root`, with more `settings` of `ServiceConfig`, and end it."""
    root.mkdir(exist_ok=True)
    log = root / "service.log"
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    with process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes")
        given = {"data_root": str(root), "port": port, "token": token or None, **settings}
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        try:
            yield RunningService(process.stdout.readline().strip(), process, log, token)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def gone(process: psutil.Process) -> bool:
    """Return whether a process has ended; nobody may have asked for its exit code yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return once `condition` holds."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"did not come true within {seconds} s")
        time.sleep(_pause(waited))


async def eventually_async(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return once `condition` holds; the event loop runs meanwhile."""
    async with asyncio.timeout(seconds):
        began = time.monotonic()
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(_pause(time.monotonic() - began))


def _pause(waited: float) -> float:
    """Return how long not to ask: a small part of what was waited for, as asking takes time from who is asked."""
    return min(max(0.02, waited / 20), 0.2)


@contextlib.contextmanager
def served_process(root: Path, *flags: str) -> Iterator[RunningService]:
    """Start `neptuneml serve` over `root` on any free port, as a person would, and end it."""
    root.mkdir(exist_ok=True)
    log = root / "service.log"
    command = [sys.executable, "-m", "neptuneml_plugin.cli", "serve", "--port", "0", "--data-root", str(root)]
    with log.open("w") as stderr, subprocess.Popen([*command, *flags], stderr=stderr, text=True) as process:
        try:
            eventually(lambda: "service on " in log.read_text() or process.poll() is not None)
            found = re.search(r"service on (\S+),", log.read_text())
            if found is None:
                raise AssertionError(f"the service did not start: {log.read_text()}")
            yield RunningService(found[1], process, log)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
