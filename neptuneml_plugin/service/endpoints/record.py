"""What an endpoint is, and which states it passes through."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from neptuneml_plugin.config import Index, NewNodeVectors, WarmUp
from neptuneml_plugin.errors import ConstraintViolation, InvalidParameter

ID_PATTERN = re.compile(r"[A-Za-z0-9-]{1,48}", re.ASCII)


class Status(StrEnum):
    """The states that Neptune's clients know (decision 2)."""

    #: The first worker is being started.
    CREATING = "Creating"
    #: A worker with another artifact is being started; the old one, if any, goes on answering.
    UPDATING = "Updating"
    #: Answers. With a failure reason: an update failed, and the version before goes on.
    IN_SERVICE = "InService"
    #: Does not answer; the failure reason says why.
    FAILED = "Failed"
    #: Unknown by its name; its pinned versions live on for a while.
    DELETING = "Deleting"


#: From a state to those that may follow it. A restart of the service leads from any of them to Creating.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.CREATING: frozenset({Status.CREATING, Status.IN_SERVICE, Status.FAILED, Status.DELETING}),
    Status.UPDATING: frozenset({Status.CREATING, Status.IN_SERVICE, Status.FAILED, Status.DELETING}),
    Status.IN_SERVICE: frozenset({Status.CREATING, Status.UPDATING, Status.FAILED, Status.DELETING}),
    Status.FAILED: frozenset({Status.CREATING, Status.UPDATING, Status.DELETING}),
    Status.DELETING: frozenset(),
}


#: As the name of a group: none.
NO_GROUP = "none"


@dataclass(frozen=True)
class EndpointOptions:
    """How an endpoint answers; None where nobody has said. What they mean, `WorkerConfig` says of those it has."""

    new_node_vectors: NewNodeVectors | None = None
    #: Edges drawn per hop, in place of the model's own fan-outs.
    fanouts: tuple[int, ...] | None = None
    #: Worker processes.
    instances: int | None = None
    max_batch: int | None = None
    max_delay_us: int | None = None
    max_queue: int | None = None
    cache_mib: int | None = None
    warm_up: WarmUp | None = None
    memory_mib: int | None = None
    index: Index | None = None
    #: Name of the endpoints that share one process; `NO_GROUP`: a process of its own.
    worker_group: str | None = None

    @property
    def shared_with(self) -> str | None:
        """The name of the group, if there is one."""
        return None if self.worker_group == NO_GROUP else self.worker_group

    def said(self) -> dict[str, Any]:
        """Return those that somebody has said."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value is not None}

    def over(self, earlier: "EndpointOptions") -> "EndpointOptions":
        """Return the earlier options, overridden by those that are said here."""
        return replace(earlier, **self.said())

    def for_worker(self) -> dict[str, Any]:
        """Return the settings of a worker that somebody has said."""
        return {name: value for name, value in self.said().items() if name not in _NOT_OF_WORKERS}


_NOT_OF_WORKERS = frozenset({"fanouts", "instances", "worker_group"})
NO_OPTIONS = EndpointOptions()
#: Versions that an endpoint remembers.
MOST_VERSIONS = 20


@dataclass(frozen=True)
class EndpointVersion:
    """What an endpoint has answered with."""

    version: str
    #: As the client wrote it.
    location: str
    options: EndpointOptions
    #: When it came into service.
    since_millis: int

    def is_same(self, other: "EndpointVersion") -> bool:
        """Return whether both answer alike."""
        return replace(self, since_millis=other.since_millis) == other


@dataclass(frozen=True)
class EndpointRecord:
    """An endpoint as the store keeps it."""

    id: str
    #: As the client wrote it.
    location: str
    #: The folder on this machine.
    artifact: Path
    status: Status
    created_at_millis: int
    #: Version of the artifact in service; None before the first.
    version: str | None = None
    failure_reason: str | None = None
    options: EndpointOptions = NO_OPTIONS
    #: What has been in service, oldest first; the last is the one that `version` names.
    versions: tuple[EndpointVersion, ...] = ()
    #: Members of its requests that change nothing here.
    recorded: Mapping[str, Any] = field(default_factory=dict)

    def become(
        self,
        status: Status,
        *,
        location: str | None = None,
        artifact: Path | None = None,
        version: str | None = None,
        failure_reason: str | None = None,
        options: EndpointOptions | None = None,
    ) -> "EndpointRecord":
        """Return the record in its next state; what is not given stays, but for the failure reason.

        Raises:
            ConstraintViolation: this state may not follow.
        """
        if status not in TRANSITIONS[self.status]:
            raise ConstraintViolation(f"endpoint '{self.id}' is {self.status} and cannot become {status}")
        after = replace(
            self,
            status=status,
            location=location or self.location,
            artifact=artifact or self.artifact,
            version=version or self.version,
            failure_reason=failure_reason,
            options=options or self.options,
        )
        return after._remembered(version) if status is Status.IN_SERVICE and version else after

    def _remembered(self, version: str) -> "EndpointRecord":
        """Return the record with its version as the last one of its history."""
        entry = EndpointVersion(version, self.location, self.options, time.time_ns() // 1_000_000)
        if self.versions and self.versions[-1].is_same(entry):
            return self
        return replace(self, versions=(*self.versions, entry)[-MOST_VERSIONS:])

    def earlier(self, version: str | None = None) -> EndpointVersion:
        """Return what the endpoint answered with before.

        Args:
            version: which; None: the last one that differs from the one in service.

        Raises:
            InvalidParameter: it has not answered with that, or does so now.
        """
        now = self.versions[-1] if self.versions else None
        before = [entry for entry in self.versions if now is not None and not entry.is_same(now)]
        found = [entry for entry in before if version in (None, entry.version)]
        if not found:
            known = ", ".join(dict.fromkeys(entry.version for entry in reversed(before))) or "none"
            asked = "an earlier version" if version is None else f"version {version[:60]!r} before the present one"
            raise InvalidParameter(f"endpoint '{self.id}' has not answered with {asked}; there are: {known}")
        return found[-1]


def new_record(
    endpoint_id: str | None,
    location: str,
    artifact: Path,
    options: EndpointOptions = NO_OPTIONS,
    recorded: Mapping[str, Any] | None = None,
) -> EndpointRecord:
    """Return the record of an endpoint about to be created; its id is generated where none is given."""
    created = time.time_ns() // 1_000_000
    chosen = endpoint_id or f"endpoint-{created}-{secrets.token_hex(3)}"
    return EndpointRecord(
        chosen, location, artifact, Status.CREATING, created, options=options, recorded=recorded or {}
    )


def check_id(endpoint_id: str, member: str = "id") -> str:
    """Return the id, or another name of its form.

    Raises:
        InvalidParameter: not 1 to 48 letters, digits and hyphens.
    """
    if not ID_PATTERN.fullmatch(endpoint_id):
        raise InvalidParameter(f"{member} {endpoint_id[:60]!r} must be 1 to 48 letters, digits and hyphens")
    return endpoint_id


def check_options(options: EndpointOptions) -> EndpointOptions:
    """Return the options.

    Raises:
        InvalidParameter: they contradict each other.
    """
    if options.shared_with is not None and (options.instances or 1) > 1:
        raise InvalidParameter(
            f"instanceCount is {options.instances} and workerGroup '{options.shared_with}', but one process "
            f"answers for a group; leave instanceCount at 1, or give workerGroup '{NO_GROUP}'"
        )
    if options.shared_with is not None and options.index is Index.FAISS:
        raise InvalidParameter(
            f"index is faiss and workerGroup '{options.shared_with}', whose endpoints come and go; leave the "
            f"index exact, or give workerGroup '{NO_GROUP}'"
        )
    return options
