"""Worker processes: started, watched, started again when they die, stopped."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from neptuneml_plugin import workerprocess
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import FailureByQuery, InvalidData, PreconditionsFailed
from neptuneml_plugin.service.endpoints.indices import INDICES
from neptuneml_plugin.service.endpoints.record import EndpointOptions
from neptuneml_plugin.service.security.secretfiles import child_environment

#: Processes that may die before the first one answers.
MOST_STARTS = 3
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
#: A worker that lived this long starts the pauses anew.
STEADY_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """One process that answers."""

    process: asyncio.subprocess.Process
    address: str
    version: str
    port: int = 0
    #: What its indices are, in the words of the description.
    indices: tuple[Mapping[str, Any], ...] = ()


class Group(Protocol):
    """What the workers of a version have in common."""

    @property
    def endpoint(self) -> str:
        """The endpoint's id."""

    @property
    def artifact(self) -> Path:
        """The folder to serve."""

    @property
    def options(self) -> EndpointOptions:
        """How they answer."""

    @property
    def token(self) -> str:
        """What callers must present."""


class Worker:
    """Keeps one process running for one artifact.

    Args:
        group: what it serves, and how.
        number: its place in the group, from 0.
        config: settings of the service.
        ports: where processes may listen.
        on_failure: called once with the reason when the artifact can no longer be served.
    """

    #: What the process runs.
    MODULE = workerprocess.MODULE

    def __init__(
        self,
        group: Group,
        number: int,
        config: ServiceConfig,
        ports: "Ports",
        on_failure: Callable[["Worker", str], None],
    ) -> None:
        self.number = number
        self.version = ""
        #: Requests of the service that it has to answer.
        self.in_hand = 0
        #: Requests of the service that it ever had.
        self.asked = 0
        #: How often its process has ended by itself.
        self.deaths = 0
        #: None while the process is being started again.
        self.running: Running | None = None
        self.group = group
        self._config = config
        self._ports = ports
        self._on_failure = on_failure
        self._watch: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Count a request as in hand."""
        self.in_hand += 1
        self.asked += 1
        try:
            yield
        finally:
            self.in_hand -= 1

    @property
    def _name(self) -> str:
        return f"{self.group.endpoint} ({self.number})"

    async def start(self) -> None:
        """Start the first process and wait until it answers; one that is killed meanwhile is started again.

        Raises:
            InvalidData: the artifact cannot be served; the message says why.
            PreconditionsFailed: no port is free.
            FailureByQuery: the process died without a reason.
        """
        running = await self._spawn_first()
        self.version = running.version
        self.is_now(running)
        self._watch = asyncio.create_task(self._keep(running), name=f"worker {self._name}")

    def is_now(self, running: Running | None) -> None:
        """Note which process answers; None: none does."""
        self.running = running

    async def _spawn_first(self) -> Running:
        for _ in range(MOST_STARTS - 1):
            try:
                return await self._spawn()
            except FailureByQuery as error:
                _log.warning("worker of %s did not start: %s; again", self._name, error)
        return await self._spawn()

    async def stop(self) -> None:
        """End the process and stop watching it."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        running = self.running
        self.is_now(None)
        if running is not None:
            await workerprocess.end(running.process)
            self._ports.release(running.port)

    async def _keep(self, running: Running) -> None:
        """Wait for the process's death and start another, with growing pauses, until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            code = await running.process.wait()
            self.deaths += 1
            self.is_now(None)
            self._ports.release(running.port)
            pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > STEADY_SECONDS else pause
            _log.warning("worker of %s ended with code %s; next in %.1f s", self._name, code, pause)
            replacement = await self._replace(pause)
            if replacement is None:
                return
            running = replacement
            self.is_now(running)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _replace(self, pause: float) -> Running | None:
        """Start another process of the same version; None when that cannot be."""
        while True:
            await asyncio.sleep(pause)
            try:
                running = await self._spawn()
            except InvalidData as error:
                self._on_failure(self, str(error))
                return None
            except (FailureByQuery, PreconditionsFailed) as error:
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                _log.warning("worker of %s cannot be started: %s; again in %.1f s", self._name, error, pause)
                continue
            if running.version == self.version:
                return running
            await workerprocess.end(running.process)
            self._ports.release(running.port)
            self._on_failure(self, f"artifact {self.group.artifact} has changed: it was {self.version}")
            return None

    async def _spawn(self) -> Running:
        port = self._ports.take()
        try:
            return await self._spawn_at(port)
        except BaseException:
            self._ports.release(port)
            raise

    async def _spawn_at(self, port: int) -> Running:
        started = await workerprocess.start(child_environment(self._config), module=self.MODULE)
        try:
            report = await workerprocess.ready(started, self.settings(port))
        except BaseException:
            await workerprocess.end(started)
            raise
        return Running(started, report["address"], report["version"], port, tuple(report.get("indices", ())))

    def settings(self, port: int) -> dict[str, Any]:
        """Return what the process is told (`WorkerConfig`)."""
        return {
            "endpoint": self.group.endpoint,
            "artifact": str(self.group.artifact),
            "host": self._config.worker_host,
            "port": port,
            "token": self.group.token,
            "instance": self.number,
            "log_format": self._config.log_format,
            "max_body_mib": self._config.max_body_mib,
            "indices": str(self._config.data_root / INDICES),
        } | self.group.options.for_worker()


class Ports:
    """The ports that workers may listen on; 0, any free one, where no range is set."""

    def __init__(self, config: ServiceConfig) -> None:
        self._host = config.worker_host
        self._range = config.worker_ports
        self._taken: set[int] = set()

    def take(self) -> int:
        """Return a free port.

        Raises:
            PreconditionsFailed: the range has none.
        """
        if self._range is None:
            return 0
        first, last = self._range
        for port in range(first, last + 1):
            if port not in self._taken and _is_free(self._host, port):
                self._taken.add(port)
                return port
        raise PreconditionsFailed(f"all ports of --worker-ports {first}-{last} are taken; widen the range")

    def release(self, port: int) -> None:
        """Give a port back."""
        self._taken.discard(port)


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
