"""The chains of a service: each submits its next part when the one before is complete, also after a restart."""

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import Any

from neptuneml_plugin.errors import FailureByQuery, InvalidParameter, NeptuneMLError, ResourceNotFound
from neptuneml_plugin.service.chains.document import INPUT
from neptuneml_plugin.service.chains.record import KINDS, ChainRecord, Part
from neptuneml_plugin.service.chains.store import ChainStore
from neptuneml_plugin.service.endpoints.ensembles import locate
from neptuneml_plugin.service.endpoints.record import Status
from neptuneml_plugin.service.endpoints.registry import Registry
from neptuneml_plugin.service.jobs.jobs import Jobs
from neptuneml_plugin.service.jobs.plans import Planner
from neptuneml_plugin.service.jobs.record import JobKind, JobState, now_millis
from neptuneml_plugin.service.retention import forget_ended
from neptuneml_plugin.service.wire.endpoints import read_create_endpoint
from neptuneml_plugin.service.wire.requests import MEMBERS, parse_members

_log = logging.getLogger(__name__)


class Chains:
    """Runs chains.

    Before a part is submitted, its chain's record says so on the disk, and its id is fixed: a service that was
    killed in between submits it again under the same id, and so never twice.
    """

    def __init__(self, store: ChainStore, jobs: Jobs, planner: Planner, registry: Registry) -> None:
        self._store = store
        self._jobs = jobs
        self._planner = planner
        self._registry = registry
        #: Oldest first.
        self._records: dict[str, ChainRecord] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._retention: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Find the chains of an earlier run and go on with those that have not ended."""
        self._records = {record.id: record for record in await self._store.all()}
        for record in self._records.values():
            if not record.state.is_final:
                self._start(record.id)
        days = self._planner.config.job_retention_days
        if days > 0:
            forgetting = forget_ended(days, self._records.values, self._forget)
            self._retention = asyncio.create_task(forgetting, name="retention of chains")

    async def close(self) -> None:
        """Submit nothing any more; the records stay, and the next service goes on."""
        running = [*self._running.values(), *([self._retention] if self._retention else [])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def get(self, chain_id: str) -> ChainRecord:
        """Return a record.

        Raises:
            ResourceNotFound: there is no such chain.
        """
        if chain_id not in self._records:
            raise ResourceNotFound(f"there is no chain '{chain_id}'; GET /ml/chains names those there are")
        return self._records[chain_id]

    def all(self) -> list[ChainRecord]:
        """Return all chains, newest first."""
        return list(reversed(self._records.values()))

    def held(self) -> set[tuple[JobKind, str]]:
        """Return the jobs of chains that have not ended, on which their later parts build."""
        return {
            (part.kind, body["id"])
            for record in self._records.values()
            if not record.state.is_final
            for part, body in record.parts.items()
            if part.kind is not None
        }

    async def submit(self, record: ChainRecord) -> None:
        """Begin a chain; it is on the disk when this returns.

        Raises:
            InvalidParameter: the id is in use.
        """
        if record.id in self._records:
            raise InvalidParameter(f"id '{record.id}' is already in use by a chain; choose another")
        self._records[record.id] = record
        try:
            await self._store.put(record)
        except NeptuneMLError:
            del self._records[record.id]
            raise
        self._start(record.id)

    async def cancel(self, chain_id: str, *, clean: bool) -> ChainRecord:
        """Begin to stop a chain: the part that runs is stopped, those after it never begin.

        Raises:
            ResourceNotFound: there is no such chain.
            InvalidParameter: it has ended.
        """
        record = self.get(chain_id)
        if record.state.is_final:
            raise InvalidParameter(
                f"chain '{chain_id}' is {record.state}: it cannot be stopped, only purged (?purge=true)"
            )
        if record.state is JobState.RUNNING:
            await self._set(record.become(JobState.STOPPING, clean=clean))
        elif clean and not record.clean:
            await self._set(replace(record, clean=True))
        await self._stop_part(chain_id)
        return self.get(chain_id)

    async def purge(self, chain_id: str) -> ChainRecord:
        """Forget a chain that has ended; its jobs and its endpoint stay.

        Raises:
            ResourceNotFound: there is no such chain.
            InvalidParameter: it has not ended.
        """
        record = self.get(chain_id)
        if not record.state.is_final:
            raise InvalidParameter(f"chain '{chain_id}' is {record.state}; stop it before it is purged")
        await self._store.remove(chain_id)
        self._records.pop(chain_id, None)
        return record

    async def _forget(self, record: ChainRecord) -> None:
        await self.purge(record.id)

    async def finished(self, chain_id: str) -> ChainRecord:
        """Return a chain's record once it has ended."""
        while (task := self._running.get(chain_id)) is not None:
            await asyncio.wait({task})
        return self.get(chain_id)

    def _start(self, chain_id: str) -> None:
        self._running[chain_id] = asyncio.create_task(self._run(chain_id), name=f"chain {chain_id}")

    async def _run(self, chain_id: str) -> None:
        """Run what is left of a chain."""
        try:
            for part in self._records[chain_id].parts:
                record = self._records[chain_id]
                if record.state is JobState.STOPPING and part not in record.begun:
                    break
                if part not in record.ended:
                    await self._run_part(chain_id, part)
            await self._end(chain_id, JobState.COMPLETED)
        except (NeptuneMLError, OSError) as error:
            await self._end(chain_id, JobState.FAILED, str(error))
        finally:
            self._running.pop(chain_id)

    async def _run_part(self, chain_id: str, part: Part) -> None:
        """Submit a part unless an earlier service has, and wait for its end.

        Raises:
            NeptuneMLError: it did not succeed; the message names it.
        """
        record = self._records[chain_id]
        again = part in record.begun
        if not again:
            await self._set(record.with_begun(part))
        run = self._run_endpoint if part.kind is None else self._run_job
        try:
            state, reason = await run(chain_id, part, again=again)
        except (NeptuneMLError, OSError) as error:
            is_stopped = self._records[chain_id].state is JobState.STOPPING
            state, reason = JobState.STOPPED if is_stopped else JobState.FAILED, str(error)
        await self._set(self._records[chain_id].with_ended(part, state))
        if state is not JobState.COMPLETED:
            raise FailureByQuery(f"{part}: {reason}")

    async def _run_job(self, chain_id: str, part: Part, *, again: bool) -> tuple[JobState, str | None]:
        record, kind = self._records[chain_id], KINDS[part]
        job_id = record.parts[part]["id"]
        if not (again and any(job.id == job_id for job in self._jobs.all(kind))):
            job = await asyncio.to_thread(self._planner.record, kind, self._body(record, part, kind))
            await self._jobs.submit(job)
        if self._records[chain_id].state is JobState.STOPPING:
            await self._stop_part(chain_id)
        ended = await self._jobs.finished(kind, job_id)
        return ended.state, ended.failure_reason or f"job '{job_id}' was stopped"

    def _body(self, record: ChainRecord, part: Part, kind: JobKind) -> dict[str, Any]:
        """Return the members with which a part is planned, those of an export's output among them."""
        body = dict(record.parts[part])
        if part is Part.DATA_PROCESSING and INPUT not in body:
            export = self._jobs.get(JobKind.EXPORT, record.parts[Part.EXPORT]["id"])
            body[INPUT] = export.plan.location
        return parse_members(body, MEMBERS[kind]) if kind in MEMBERS else body

    async def _run_endpoint(self, chain_id: str, part: Part, *, again: bool) -> tuple[JobState, str | None]:
        body = self._records[chain_id].parts[part]
        asked, endpoint_id = read_create_endpoint(body), body["id"]
        location = await locate(asked.source, self._planner)
        before = None
        with contextlib.suppress(ResourceNotFound):
            before = await self._registry.settled(endpoint_id)
        is_done = again and before is not None and before.location == location
        if asked.update and not is_done:
            await self._registry.update(endpoint_id, location, asked.options, asked.recorded, asked.model)
        elif not is_done:
            await self._registry.create(endpoint_id, location, asked.options, asked.recorded, asked.model)
        if self._records[chain_id].state is JobState.STOPPING:
            await self._stop_part(chain_id)
        found = await self._registry.settled(endpoint_id)
        if found.status is Status.IN_SERVICE and found.failure_reason is None:
            return JobState.COMPLETED, None
        return JobState.FAILED, found.failure_reason

    async def _stop_part(self, chain_id: str) -> None:
        """Stop the part that runs: its job, or the endpoint that it is just making. An update is let go on."""
        record = self._records[chain_id]
        part = next((part for part in record.begun if part not in record.ended), None)
        if part is None:
            return
        part_id = record.parts[part]["id"]
        updates = part.kind is None and read_create_endpoint(record.parts[part]).update
        with contextlib.suppress(ResourceNotFound, InvalidParameter):  # not there yet, or ended meanwhile
            if part.kind is not None:
                await self._jobs.cancel(part.kind, part_id, clean=record.clean)
            elif not updates and self._registry.get(part_id).status is Status.CREATING:
                await self._registry.delete(part_id)

    async def _end(self, chain_id: str, state: JobState, reason: str | None = None) -> None:
        """Record how a chain has ended; a client's wish to stop it comes first."""
        record = self._records[chain_id]
        if record.state is JobState.STOPPING:
            state, reason = JobState.STOPPED, None
        ended = record.become(state, failure_reason=reason, ended_at_millis=now_millis())
        try:
            await self._set(ended)
        except NeptuneMLError:
            _log.exception("the state of chain %s could not be written", chain_id)
        _log.info("chain %s is %s %s", chain_id, state, reason or "")

    async def _set(self, record: ChainRecord) -> None:
        self._records[record.id] = record
        await self._store.put(record)
