"""Processes that several endpoints share: who is in them, and that all are in again after a death.

Each endpoint keeps its token, by which the process tells them apart (`serving.shared`), so that callers know no
more than an address and a token, as of any worker.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import FailureByQuery, InvalidData
from neptuneml_plugin.service.endpoints.record import NO_OPTIONS, EndpointOptions
from neptuneml_plugin.service.endpoints.workers import Group, Ports, Running, Worker
from neptuneml_plugin.workerprocess import READY_SECONDS

#: How long to wait before a process that has just died is asked again.
AGAIN_SECONDS = 0.1

_log = logging.getLogger(__name__)


class Groups:
    """The groups of a service, by name."""

    def __init__(self, config: ServiceConfig, ports: Ports) -> None:
        self._config, self._ports = config, ports
        self._shared: dict[str, SharedWorker] = {}

    def tenant(self, name: str, group: Group, on_failure: Callable[[Worker, str], None]) -> "Tenant":
        """Return who answers for one version of an endpoint in a group's process."""
        if name not in self._shared:
            self._shared[name] = SharedWorker(name, self._config, self._ports)
        return Tenant(self._shared[name], group, self._config, self._ports, on_failure)


class Tenant(Worker):
    """One version of an endpoint in a process that others share."""

    def __init__(
        self,
        shared: "SharedWorker",
        group: Group,
        config: ServiceConfig,
        ports: Ports,
        on_failure: Callable[[Worker, str], None],
    ) -> None:
        super().__init__(group, 0, config, ports, on_failure)
        self._shared, self.fail = shared, on_failure

    async def start(self) -> None:
        """See `Worker`: the process is started unless it runs."""
        await self._shared.add(self)

    async def stop(self) -> None:
        """See `Worker`: the process ends with its last tenant."""
        self.is_now(None)
        await self._shared.remove(self)


class _OfGroup:
    """What the worker of a group has in place of an endpoint."""

    artifact = Path()
    options: EndpointOptions = NO_OPTIONS

    def __init__(self, name: str) -> None:
        self.endpoint, self.token = f"group {name}", secrets.token_urlsafe(32)


class SharedWorker(Worker):
    """Keeps one process running for all tenants of a group."""

    MODULE = "neptuneml_plugin.serving.shared"

    def __init__(self, name: str, config: ServiceConfig, ports: Ports) -> None:
        super().__init__(_OfGroup(name), 0, config, ports, self._lost)
        self._tenants: list[Tenant] = []
        #: Tenants come and go one after the other.
        self._changing = asyncio.Lock()

    async def add(self, tenant: Tenant) -> None:
        """Have the process load a tenant, and start it first if it does not run.

        Raises:
            InvalidData: the artifact cannot be served.
            FailureByQuery: the process cannot be started.
        """
        async with self._changing:
            if not self._tenants and self.running is None:
                await self.start()
            end = asyncio.get_running_loop().time() + READY_SECONDS
            while asyncio.get_running_loop().time() < end:
                running = self.running
                with contextlib.suppress(aiohttp.ClientError):
                    version = None if running is None else await self._enter(running, tenant, None)
                    if running is not None and version is not None and self.running is running:
                        tenant.version = version
                        self._tenants.append(tenant)
                        tenant.is_now(replace(running, version=version))
                        return
                await asyncio.sleep(AGAIN_SECONDS)
            raise FailureByQuery(f"the process of {self.group.endpoint} did not take '{tenant.group.endpoint}' in")

    async def remove(self, tenant: Tenant) -> None:
        """Have the process forget a tenant, and end it with the last one."""
        async with self._changing:
            if tenant in self._tenants:
                self._tenants.remove(tenant)
            if not self._tenants:
                await self.stop()
            elif self.running is not None:
                with contextlib.suppress(aiohttp.ClientError, InvalidData):
                    await self._tell(self.running, "leave", {"token": tenant.group.token})

    def is_now(self, running: Running | None) -> None:
        """See `Worker`; so it is for the tenants."""
        super().is_now(running)
        for tenant in self._tenants:
            tenant.deaths += running is None
            tenant.is_now(running and replace(running, version=tenant.version))

    def settings(self, port: int) -> dict[str, Any]:
        """Return what the process is told (`SharedConfig`)."""
        of_process = {"host", "port", "token", "max_body_mib", "log_format"}
        told = {name: value for name, value in super().settings(port).items() if name in of_process}
        return {"group": self.group.endpoint, **told}

    async def _spawn_at(self, port: int) -> Running:
        running = await super()._spawn_at(port)
        for tenant in list(self._tenants):
            try:
                await self._enter(running, tenant, tenant.version)
            except InvalidData as error:
                self._tenants.remove(tenant)
                tenant.is_now(None)
                tenant.fail(tenant, str(error))
            except aiohttp.ClientError as error:
                raise FailureByQuery(f"the process ended before it had all tenants ({error})") from None
        return running

    async def _enter(self, running: Running, tenant: Tenant, version: str | None) -> str:
        """Have a process take a tenant in, which it loads at once if its version is not known yet."""
        told = await self._tell(running, "enter", {"config": tenant.settings(0), "version": version})
        return str(told["version"])

    async def _tell(self, running: Running, what: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.group.token}"}
        timeout = aiohttp.ClientTimeout(total=READY_SECONDS)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as client,
            client.post(f"{running.address}/{what}", json=body) as answer,
        ):
            told: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise InvalidData(told["message"])
            return told

    def _lost(self, worker: Worker, reason: str) -> None:
        """Pass on to the tenants that the process cannot be started any more."""
        del worker
        for tenant in list(self._tenants):
            self._tenants.remove(tenant)
            tenant.fail(tenant, reason)
