"""The endpoints of a service: their records, their workers, and the versions that queries may still hold."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import KGE, KGE_MODELS, Manifest, read_manifest
from neptuneml_plugin.config import Index, ServiceConfig
from neptuneml_plugin.errors import (
    ConstraintViolation,
    IllegalArgument,
    InvalidData,
    InvalidParameter,
    NeptuneMLError,
    ResourceNotFound,
)
from neptuneml_plugin.service.endpoints.ensembles import ENSEMBLES, remove_ensembles
from neptuneml_plugin.service.endpoints.fetching import fetch_artifact, remove_fetched, remove_unused
from neptuneml_plugin.service.endpoints.groups import Groups
from neptuneml_plugin.service.endpoints.indices import remove_indices
from neptuneml_plugin.service.endpoints.instances import Instances
from neptuneml_plugin.service.endpoints.record import (
    NO_OPTIONS,
    EndpointOptions,
    EndpointRecord,
    Status,
    check_options,
    new_record,
)
from neptuneml_plugin.service.endpoints.store import EndpointStore
from neptuneml_plugin.service.endpoints.workers import Ports
from neptuneml_plugin.service.locations import resolve_folder, resolve_location

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """A version that answers."""

    instances: Instances
    manifest: Manifest


@dataclass(frozen=True)
class Source:
    """What a version is made from."""

    location: str
    artifact: Path
    options: EndpointOptions
    #: The version that it must be; None: any.
    version: str | None = None
    #: The model that its client says it is; None: any.
    model: str | None = None


class Registry:
    """Creates, updates and deletes endpoints, and knows who answers for which version."""

    def __init__(self, config: ServiceConfig, store: EndpointStore) -> None:
        self._config = config
        self._store = store
        self._ports = Ports(config)
        self._groups = Groups(config, self._ports)
        #: Newest first.
        self._records: dict[str, EndpointRecord] = {}
        self._current: dict[str, Served] = {}
        #: Replaced and deleted versions, until their pins have ended (decision 21).
        self._pinned: dict[tuple[str, str], Served] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        #: Pins that have not ended.
        self._pins: set[asyncio.Task[None]] = set()
        #: What must not be interrupted: workers that are being stopped, records that are being written.
        self._endings: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Find the endpoints of an earlier run and start their workers again."""
        for record in await self._store.all():
            again = record.become(Status.CREATING)
            self._records[again.id] = again
            self._start(again, Source(again.location, again.artifact, again.options, again.version))
        used = {record.artifact for record in self._records.values()}
        await asyncio.to_thread(remove_unused, used, self._config)
        await asyncio.to_thread(remove_ensembles, self.records(), self._config)
        await asyncio.to_thread(remove_indices, self.records(), self._config)

    async def close(self) -> None:
        """Stop all workers; the records stay."""
        tasks = [*self._starting.values(), *self._pins]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        served = [*self._current.values(), *self._pinned.values()]
        self._current, self._pinned = {}, {}
        await asyncio.gather(*self._endings, return_exceptions=True)
        await asyncio.gather(*(one.instances.stop() for one in served))

    def get(self, endpoint_id: str) -> EndpointRecord:
        """Return a record.

        Raises:
            ResourceNotFound: no such endpoint.
        """
        if endpoint_id not in self._records:
            raise ResourceNotFound(
                f"there is no endpoint '{endpoint_id}'; `neptuneml endpoint list` names those there are"
            )
        return self._records[endpoint_id]

    def records(self) -> list[EndpointRecord]:
        """Return all records, newest first."""
        return list(self._records.values())

    def all_served(self) -> list[Served]:
        """Return every version that answers, those that queries may still hold included."""
        return [*self._current.values(), *self._pinned.values()]

    def served(self, endpoint_id: str, version: str | None = None) -> Served | None:
        """Return who answers for an endpoint; None while nobody does.

        Raises:
            ResourceNotFound: no such endpoint, or the version is no longer loadable.
        """
        current = self._current.get(endpoint_id)
        if version is None:
            self.get(endpoint_id)
            return current
        if current is not None and current.manifest.version == version:
            return current
        if (endpoint_id, version) not in self._pinned:
            raise ResourceNotFound(f"version {version} of endpoint '{endpoint_id}' is not loadable (any more)")
        return self._pinned[endpoint_id, version]

    async def settled(self, endpoint_id: str) -> EndpointRecord:
        """Return a record once its worker answers, or could not be started.

        Raises:
            ResourceNotFound: no such endpoint (any more).
        """
        while (starting := self._starting.get(endpoint_id)) is not None and not starting.done():
            await asyncio.wait({starting})
        return self.get(endpoint_id)

    async def create(
        self,
        endpoint_id: str | None,
        location: str,
        options: EndpointOptions = NO_OPTIONS,
        recorded: Mapping[str, Any] | None = None,
        model: str | None = None,
    ) -> EndpointRecord:
        """Record a new endpoint and begin to start its worker.

        Args:
            endpoint_id: its id; None: to be generated.
            location: its artifact.
            options: how it answers.
            recorded: what its client gave that changes nothing.
            model: the artifact's model, as its client says; None: any.

        Raises:
            InvalidParameter: the id is in use, or options contradict each other.
            BadRequest: the location may not be read, or holds no artifact.
            IllegalArgument: the artifact holds another model.
        """
        artifact = await asyncio.to_thread(self._artifact, location, model)
        if endpoint_id in self._records:
            raise InvalidParameter(
                f"id '{endpoint_id}' is already in use; "
                "`neptuneml endpoint update` (update: true) gives it a new version"
            )
        source = Source(location, artifact, check_options(options), model=model)
        record = new_record(endpoint_id, location, artifact, options, recorded)
        self._records = {record.id: record, **self._records}
        try:
            await self._store.put(record)
        except NeptuneMLError:
            del self._records[record.id]
            raise
        self._start(record, source)
        return record

    async def update(
        self,
        endpoint_id: str,
        location: str,
        options: EndpointOptions = NO_OPTIONS,
        recorded: Mapping[str, Any] | None = None,
        model: str | None = None,
    ) -> EndpointRecord:
        """Begin to replace an endpoint's artifact; the version before answers until the new one does.

        Args:
            endpoint_id: the endpoint.
            location: the new version's artifact.
            options: those to change.
            recorded: what its client gave that changes nothing; what was given before stays.
            model: the new version's model, as its client says; None: any.

        Raises:
            InvalidParameter: no such endpoint (in a body: 400), or options contradict each other.
            BadRequest: the location may not be read, or holds no artifact.
            IllegalArgument: the artifact holds another model.
            ConstraintViolation: it is just being created or updated.
        """
        artifact = await asyncio.to_thread(self._artifact, location, model)
        if endpoint_id not in self._records:
            raise InvalidParameter(
                f"id '{endpoint_id}' names no endpoint; `neptuneml endpoint create` (without update) makes one"
            )
        record = self._records[endpoint_id].become(Status.UPDATING)
        record = replace(record, recorded={**record.recorded, **(recorded or {})})
        source = Source(location, artifact, check_options(options.over(record.options)), model=model)
        await self._set(record)
        self._start(record, source)
        return record

    async def rollback(self, endpoint_id: str, version: str | None = None) -> EndpointRecord:
        """Begin to bring an earlier version back, with its options, as an update does.

        Args:
            endpoint_id: the endpoint.
            version: which; None: the one before the one in service.

        Raises:
            ResourceNotFound: no such endpoint.
            InvalidParameter: it has not answered with that version.
            BadRequest: the version's artifact is not there any more.
            ConstraintViolation: the endpoint is just being created or updated.
        """
        earlier = self.get(endpoint_id).earlier(version)
        artifact = await asyncio.to_thread(resolve_folder, earlier.location, self._config)
        record = self.get(endpoint_id).become(Status.UPDATING)
        await self._set(record)
        self._start(record, Source(earlier.location, artifact, earlier.options, earlier.version))
        return record

    async def delete(self, endpoint_id: str) -> None:
        """Forget an endpoint; its version stays loadable for those who hold it.

        Raises:
            ResourceNotFound: no such endpoint.
        """
        self.get(endpoint_id).become(Status.DELETING)
        del self._records[endpoint_id]
        starting = self._starting.pop(endpoint_id, None)
        if starting is not None and not starting.done():
            starting.cancel()
            self._keep(starting, self._endings)
        self._pin(endpoint_id)
        await self._store.remove(endpoint_id)

    def _artifact(self, location: str, model: str | None) -> Path:
        """Return the folder of an artifact, which holds the model, or is yet to be fetched.

        Raises:
            BadRequest: the location may not be read, or holds no artifact.
            IllegalArgument: it holds another model.
        """
        folder = resolve_folder(location, self._config)
        if not resolve_location(location, self._config).is_remote:
            _check_artifact(folder, model)
        return folder

    def _start(self, record: EndpointRecord, source: Source) -> None:
        task = asyncio.create_task(self._bring_up(record.id, source), name=f"start {record.id}")
        self._starting[record.id] = task

    async def _bring_up(self, endpoint_id: str, source: Source) -> None:
        """Start workers, then put their version into service, or record why not."""
        instances = Instances(
            endpoint_id,
            source.artifact,
            source.options,
            self._config,
            self._ports,
            self._on_failure,
            self._groups,
        )
        try:
            await fetch_artifact(source.location, source.artifact, self._config)
            await asyncio.to_thread(_check_artifact, source.artifact, source.model)
            manifest = await _start_all(instances, source.version)
        except NeptuneMLError as error:
            self._end(self._retire(instances))
            await self._failed(endpoint_id, source.location, str(error))
            return
        except BaseException:
            self._end(instances.stop())
            raise
        self._pin(endpoint_id)
        self._current[endpoint_id] = Served(instances, manifest)
        record = self._records[endpoint_id].become(
            Status.IN_SERVICE,
            location=source.location,
            artifact=source.artifact,
            version=manifest.version,
            options=source.options,
        )
        await self._set(record)
        _log.info("endpoint %s answers with version %s", endpoint_id, manifest.version)

    async def _failed(self, endpoint_id: str, location: str, reason: str) -> None:
        record, current = self._records[endpoint_id], self._current.get(endpoint_id)
        _log.error("endpoint %s: %s", endpoint_id, reason)
        if current is None:
            await self._set(record.become(Status.FAILED, failure_reason=reason))
            return
        told = f"the update to {location} failed: {reason}; version {current.manifest.version} goes on answering"
        await self._set(record.become(Status.IN_SERVICE, failure_reason=told))

    def _pin(self, endpoint_id: str) -> None:
        """Keep the version in service, if there is one, for those who hold it."""
        served = self._current.pop(endpoint_id, None)
        if served is None:
            return
        key = (endpoint_id, served.manifest.version)
        earlier = self._pinned.pop(key, None)
        self._pinned[key] = served
        self._keep(asyncio.create_task(self._unpin(key, served)), self._pins)
        if earlier is not None:
            self._end(earlier.instances.stop())

    async def _unpin(self, key: tuple[str, str], served: Served) -> None:
        await asyncio.sleep(self._config.pin_seconds)
        if self._pinned.get(key) is served:
            del self._pinned[key]
            self._end(self._retire(served.instances))

    async def _retire(self, instances: Instances) -> None:
        """End the workers of a version that nobody can ask any more."""
        await instances.stop()
        if instances.artifact not in {record.artifact for record in self._records.values()}:
            await asyncio.to_thread(remove_fetched, instances.artifact, self._config)
        if instances.artifact.parent == self._config.data_root / ENSEMBLES:
            await asyncio.to_thread(remove_ensembles, self.records(), self._config)
        if instances.options.index is Index.FAISS:
            await asyncio.to_thread(remove_indices, self.records(), self._config)

    def _on_failure(self, instances: Instances, reason: str) -> None:
        """Note that none of a version's workers can be started again."""
        for key, served in list(self._pinned.items()):
            if served.instances is instances:
                del self._pinned[key]
        current = self._current.get(instances.endpoint)
        if current is not None and current.instances is instances:
            del self._current[instances.endpoint]
            if self._records[instances.endpoint].status is Status.IN_SERVICE:
                self._end(self._failed(instances.endpoint, str(instances.artifact), reason))

    async def _set(self, record: EndpointRecord) -> None:
        self._records[record.id] = record
        await self._store.put(record)

    def _end(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.create_task(work), self._endings)

    def _keep(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        """Hold a task until it is done; the event loop itself does not."""
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def _check_artifact(artifact: Path, named: str | None) -> None:
    """Refuse a folder that is no artifact, or holds another model than its client says.

    Raises:
        InvalidData: it is none, or is no longer there.
        IllegalArgument: it holds another model.
    """
    if not artifact.is_dir():
        raise InvalidData(f"the artifact {artifact} has vanished; update the endpoint with another")
    model = read_manifest(artifact).model
    if named is not None and model not in (KGE_MODELS if named == KGE else (named,)):
        raise IllegalArgument(
            f"modelName is '{named}', and the artifact holds the model '{model}'; name that one, or leave it out"
        )


async def _start_all(instances: Instances, expected: str | None) -> Manifest:
    """Start workers and return the manifest of what they serve.

    Raises:
        ConstraintViolation: it is not the version that the endpoint was created with.
    """
    await instances.start()
    manifest = await asyncio.to_thread(read_manifest, instances.artifact)
    if manifest.version != instances.version or expected not in (None, manifest.version):
        raise ConstraintViolation(
            f"the artifact {instances.artifact} has changed: it is {manifest.version}, the endpoint was created "
            f"with {expected or instances.version}; update the endpoint"
        )
    return manifest
