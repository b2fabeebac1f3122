"""The jobs of a service: their queue, their processes, and what a restart finds of them."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Set
from dataclasses import replace
from pathlib import Path

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import InvalidParameter, NeptuneMLError, ResourceNotFound
from neptuneml_plugin.jobfolder import INTERRUPTED, JobFolder
from neptuneml_plugin.service.jobs import process
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, now_millis
from neptuneml_plugin.service.jobs.store import JobStore
from neptuneml_plugin.service.locations import resolve_location
from neptuneml_plugin.service.retention import forget_ended
from neptuneml_plugin.service.security.secretfiles import child_environment, gremlin_login
from neptuneml_plugin.stage import unfinished_of, write_json
from neptuneml_plugin.transfer import remove

FOLDER = "jobs"
#: Processes that may be killed under one job before it is given up.
MOST_ATTEMPTS = 3
TOLD_LINES = 5

_log = logging.getLogger(__name__)

Key = tuple[JobKind, str]


class Jobs:
    """Starts jobs in the order in which they came, so many at a time, and knows every one.

    A job's process outlives a service that is killed: its lock and its outcome lie in the job's folder, where the
    next service finds them. A service that is asked to stop ends its processes; the next one begins them again.
    """

    def __init__(self, config: ServiceConfig, store: JobStore) -> None:
        self._config = config
        self._store = store
        #: Oldest first.
        self._records: dict[Key, JobRecord] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._changed = asyncio.Condition()
        #: Serialises changes of states.
        self._lock = asyncio.Lock()
        self._closing = False
        self._retention: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Find the jobs of an earlier run: those whose processes live are watched, the others settled."""
        for record in await self._store.all():
            self._records[record.kind, record.id] = record
        for key, record in self._records.items():
            if record.state in {JobState.RUNNING, JobState.STOPPING}:
                self._running[key] = asyncio.create_task(self._found(key), name=f"job {record.name}")
        self._start_next()

    def begin_retention(self, held: Callable[[], Set[Key]]) -> None:
        """Forget jobs that ended too long ago, from now on.

        Args:
            held: tells the jobs that somebody still builds on, which stay.
        """
        if self._config.job_retention_days > 0:

            def forgettable() -> list[JobRecord]:
                kept = held()
                return [record for key, record in self._records.items() if key not in kept]

            forgetting = forget_ended(self._config.job_retention_days, forgettable, self._forget)
            self._retention = asyncio.create_task(forgetting, name="retention of jobs")

    async def close(self) -> None:
        """End the processes of running jobs; the records stay, and the next service goes on."""
        self._closing = True
        if self._retention is not None:
            self._retention.cancel()
        running = list(self._running.items())
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)
        await asyncio.gather(*(process.end(self.folder(self._records[key])) for key, _ in running))

    def get(self, kind: JobKind, job_id: str) -> JobRecord:
        """Return a record.

        Raises:
            ResourceNotFound: there is no such job.
        """
        if (kind, job_id) not in self._records:
            raise ResourceNotFound(
                f"there is no {kind} job '{job_id}'; `neptuneml job list` names those there are"
            )
        return self._records[kind, job_id]

    def all(self, kind: JobKind) -> list[JobRecord]:
        """Return all jobs of a kind, newest first."""
        return [record for record in reversed(self._records.values()) if record.kind is kind]

    def folder(self, record: JobRecord) -> JobFolder:
        """Return where a job's process leaves its log and its outcome."""
        return JobFolder(self._config.data_root.absolute() / FOLDER / record.kind / record.name)

    async def submit(self, record: JobRecord) -> None:
        """Take a job into the queue; it is on the disk when this returns.

        Raises:
            InvalidParameter: the id is in use.
        """
        key = (record.kind, record.id)
        if key in self._records:
            state = self._records[key].state
            raise InvalidParameter(
                f"id '{record.id}' is already in use: {record.kind} job, {state}; choose another"
            )
        self._records[key] = record
        try:
            await asyncio.to_thread(self._prepare, record)
            await self._store.put(record)
        except (NeptuneMLError, OSError):
            del self._records[key]
            raise
        self._start_next()

    async def cancel(self, kind: JobKind, job_id: str, *, clean: bool) -> JobRecord:
        """Begin to stop a job; of one that is being stopped, its output may still be asked to go.

        Raises:
            ResourceNotFound: there is no such job.
            InvalidParameter: it has ended.
        """
        async with self._lock:
            record = self.get(kind, job_id)
            if record.state.is_final:
                raise InvalidParameter(
                    f"{kind} job '{job_id}' is {record.state}: it cannot be stopped, only purged (?purge=true, "
                    "`neptuneml job cancel --purge`)"
                )
            if record.state is JobState.QUEUED:
                record = record.become(JobState.STOPPED, ended_at_millis=now_millis(), clean=clean)
                await self._set(record)
                await asyncio.to_thread(self._clean, record)
            elif record.state is JobState.RUNNING:
                record = record.become(JobState.STOPPING, clean=clean)
                await self._set(record)
                task = self._running.get((kind, job_id))
                if task is not None:
                    task.cancel()
            elif clean and not record.clean:
                record = replace(record, clean=True)
                await self._set(record)
            return record

    async def purge(self, kind: JobKind, job_id: str, *, clean: bool) -> JobRecord:
        """Forget a job that has ended.

        Raises:
            ResourceNotFound: there is no such job.
            InvalidParameter: it has not ended.
        """
        await asyncio.to_thread(self._clean, replace(self._ended(kind, job_id), clean=clean))
        async with self._lock:
            record = self._ended(kind, job_id)
            await asyncio.to_thread(shutil.rmtree, self.folder(record).path, ignore_errors=True)
            await self._store.remove(kind, job_id)
            del self._records[kind, job_id]
            return record

    def _ended(self, kind: JobKind, job_id: str) -> JobRecord:
        record = self.get(kind, job_id)
        if not record.state.is_final:
            raise InvalidParameter(f"{kind} job '{job_id}' is {record.state}; stop it before it is purged")
        return record

    async def finished(self, kind: JobKind, job_id: str) -> JobRecord:
        """Return a job's record once it has ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.get(kind, job_id).state.is_final)
        return self.get(kind, job_id)

    async def _forget(self, record: JobRecord) -> None:
        await self.purge(record.kind, record.id, clean=False)

    def _start_next(self) -> None:
        """Start the oldest queued jobs, as many as may run."""
        for key, record in self._records.items():
            if self._closing or len(self._running) >= self._config.parallel_jobs:
                return
            if record.state is JobState.QUEUED and key not in self._running:
                self._running[key] = asyncio.create_task(self._run(key), name=f"job {record.name}")

    async def _run(self, key: Key) -> None:
        """Start a job's process and stay with it."""
        record = self._records[key]
        try:
            async with self._lock:
                record = self._records[key]
                if record.state is not JobState.QUEUED:
                    return
                started = record.started_at_millis or now_millis()
                record = record.become(JobState.RUNNING, started_at_millis=started, attempts=record.attempts + 1)
                await self._set(record)
            folder = self.folder(record)
            await process.end(folder)  # what an attempt that was killed has left behind
            await process.start(folder, _command(record, folder), self._environment(record))
            await self._watch(key)
        except asyncio.CancelledError:
            if self._closing:
                raise
            await self._stop(key)
        except (NeptuneMLError, OSError) as error:
            await self._change(key, JobState.FAILED, failure_reason=str(error))
        finally:
            self._leave(key)

    async def _found(self, key: Key) -> None:
        """Take over a job that an earlier service left."""
        try:
            if self._records[key].state is JobState.STOPPING:
                await self._stop(key)
            else:
                await self._watch(key, ended_unseen=not self.folder(self._records[key]).is_locked())
        except asyncio.CancelledError:
            if self._closing:
                raise
            await self._stop(key)
        finally:
            self._leave(key)

    def _leave(self, key: Key) -> None:
        self._running.pop(key, None)
        self._start_next()

    async def _watch(self, key: Key, *, ended_unseen: bool = False) -> None:
        """Wait for the process's end, or for the job's, and settle what became of it."""
        record = self._records[key]
        folder = self.folder(record)
        elapsed = (now_millis() - (record.started_at_millis or now_millis())) / 1000
        try:
            async with asyncio.timeout(max(0.0, record.plan.timeout_seconds - elapsed)):
                await process.ended(folder)
        except TimeoutError:
            await process.end(folder)
            reason = (
                f"it did not finish within {record.plan.timeout_seconds:.0f} s; start it with a longer timeout"
            )
            await self._change(key, JobState.FAILED, failure_reason=reason)
            return
        await self._settle(key, ended_unseen=ended_unseen)

    async def _settle(self, key: Key, *, ended_unseen: bool) -> None:
        """Record how a process has ended; a job whose process was killed is begun again."""
        record = self._records[key]
        folder = self.folder(record)
        outcome = await asyncio.to_thread(folder.outcome)
        whole = not record.plan.publishes and await asyncio.to_thread(_is_whole, Path(record.plan.output))
        was_interrupted = outcome is None or outcome.exit_code == INTERRUPTED
        if (outcome and outcome.exit_code == 0) or (was_interrupted and whole):
            await self._change(key, JobState.COMPLETED)
        elif outcome is not None and not was_interrupted:
            await self._change(key, JobState.FAILED, failure_reason=outcome.reason or _last_lines(folder))
        elif record.attempts < MOST_ATTEMPTS or ended_unseen:
            attempts = record.attempts - 1 if ended_unseen else record.attempts
            what = "ended while no service ran" if ended_unseen else "was killed"
            _log.warning("the process of job %s %s; the job goes on with a new one", record.name, what)
            await process.end(folder)
            await self._change(key, JobState.QUEUED, attempts=attempts)
        else:
            reason = (
                f"its process was killed {record.attempts} times, by the system for its memory or by hand; "
                f"it said last: {_last_lines(folder)}"
            )
            await self._change(key, JobState.FAILED, failure_reason=reason)

    async def _stop(self, key: Key) -> None:
        await process.end(self.folder(self._records[key]))
        await asyncio.to_thread(self._clean, self._records[key])
        await self._change(key, JobState.STOPPED)

    async def _change(self, key: Key, state: JobState, **changes: object) -> None:
        """Bring a running job into its next state; a client's wish to stop it comes first."""
        async with self._lock:
            record = self._records[key]
            if record.state is JobState.STOPPING and state is not JobState.STOPPED:
                state, changes = JobState.STOPPED, {}
                await asyncio.to_thread(self._clean, record)
            ended = now_millis() if state.is_final else None
            await self._set_in_any_case(record.become(state, ended_at_millis=ended, **changes))
        _log.info("job %s is %s %s", record.name, state, changes.get("failure_reason", ""))

    async def _set_in_any_case(self, record: JobRecord) -> None:
        """Set what has happened already; where it cannot be written, a restart finds out again."""
        try:
            await self._set(record)
        except NeptuneMLError:
            _log.exception("the state of job %s could not be written", record.name)
            await self._tell(record)

    async def _set(self, record: JobRecord) -> None:
        await self._store.put(record)
        await self._tell(record)

    async def _tell(self, record: JobRecord) -> None:
        self._records[record.kind, record.id] = record
        async with self._changed:
            self._changed.notify_all()

    def _environment(self, record: JobRecord) -> dict[str, str]:
        """Return what a job's process finds; the Gremlin Server's password is for exports alone."""
        login = gremlin_login(self._config) if record.kind is JobKind.EXPORT else None
        return child_environment(self._config) | (login.variables if login else {})

    def _prepare(self, record: JobRecord) -> None:
        folder = self.folder(record)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.settings, record.plan.settings)

    def _clean(self, record: JobRecord) -> None:
        """Remove what a job has written, here and in an S3, where its client asked for that."""
        if not record.clean:
            return
        output = Path(record.plan.output)
        for path in (output, unfinished_of(output)):
            shutil.rmtree(path, ignore_errors=True)
        if output.parent.name == record.name:
            with contextlib.suppress(OSError):  # never there, or somebody has put something into it
                output.parent.rmdir()
        if record.plan.publishes and record.attempts:
            try:
                remove(resolve_location(record.plan.location, self._config))
            except NeptuneMLError:  # the job is stopped all the same
                _log.exception("the output of job %s could not be removed", record.name)


def _command(record: JobRecord, folder: JobFolder) -> list[str]:
    plan = record.plan
    return [plan.command, *plan.flags, "--output", plan.output, "--config", str(folder.settings)]


def _is_whole(output: Path) -> bool:
    """Return whether a stage has put its output in place, which it does in one step at its end."""
    with contextlib.suppress(OSError):
        return any(output.iterdir())
    return False


def _last_lines(folder: JobFolder) -> str:
    return " / ".join(folder.log_tail(TOLD_LINES)) or "(nothing)"
