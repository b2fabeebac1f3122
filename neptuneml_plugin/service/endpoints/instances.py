"""The instances of an endpoint at one version: worker processes that answer alike, and who of them is asked."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from pathlib import Path

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import ConstraintViolation
from neptuneml_plugin.service.endpoints.groups import Groups
from neptuneml_plugin.service.endpoints.record import EndpointOptions
from neptuneml_plugin.service.endpoints.workers import Ports, Running, Worker

_log = logging.getLogger(__name__)


class Instances:
    """The workers of one artifact; each is started again by itself when it dies.

    Args:
        endpoint: the endpoint's id.
        artifact: the folder to serve; all of them map the same files.
        options: how many there are, and how they answer.
        config: settings of the service.
        ports: where processes may listen.
        on_failure: called once with the reason when none of them can be started any more.
        groups: the processes that endpoints share; those that name a group are among its tenants.
    """

    def __init__(
        self,
        endpoint: str,
        artifact: Path,
        options: EndpointOptions,
        config: ServiceConfig,
        ports: Ports,
        on_failure: Callable[["Instances", str], None],
        groups: Groups | None = None,
    ) -> None:
        self.endpoint, self.artifact, self.options = endpoint, artifact, options
        #: Of all of them, so that a caller may ask any.
        self.token = secrets.token_urlsafe(32)
        self._on_failure = on_failure
        self._lost: set[Worker] = set()
        self.workers: list[Worker] = (
            [groups.tenant(options.shared_with, self, self._lose)]
            if groups is not None and options.shared_with is not None
            else [Worker(self, number, config, ports, self._lose) for number in range(options.instances or 1)]
        )

    @property
    def version(self) -> str:
        """The version that they answer for; empty before they have started."""
        return self.workers[0].version

    @property
    def running(self) -> list[Running]:
        """The processes that answer just now."""
        return [worker.running for worker in self.workers if worker.running is not None]

    async def start(self) -> None:
        """Start all of them and wait until they answer.

        Raises:
            InvalidData: the artifact cannot be served; the message says why.
            PreconditionsFailed: there are not enough free ports.
            FailureByQuery: a process died without a reason.
            ConstraintViolation: the artifact changed meanwhile.
        """
        started = await asyncio.gather(*(worker.start() for worker in self.workers), return_exceptions=True)
        for result in started:
            if result is not None:
                raise result
        if len({worker.version for worker in self.workers}) > 1:
            raise ConstraintViolation(f"the artifact {self.artifact} changed while its workers started")

    async def stop(self) -> None:
        """End all processes."""
        await asyncio.gather(*(worker.stop() for worker in self.workers))

    def least_busy(self, tried: Collection[Worker] = ()) -> Worker | None:
        """Return the running worker that has the least in hand, of those the one asked least; None: no other."""
        running = [worker for worker in self.workers if worker.running is not None and worker not in tried]
        return min(running, key=lambda worker: (worker.in_hand, worker.asked), default=None)

    def _lose(self, worker: Worker, reason: str) -> None:
        """Note that a worker cannot be started again; the others go on with what they have mapped."""
        self._lost.add(worker)
        if len(self._lost) == len(self.workers):
            self._on_failure(self, reason)
        else:
            _log.error("instance %d of %s is lost: %s", worker.number, self.endpoint, reason)
