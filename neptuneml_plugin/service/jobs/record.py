"""What a job is, and which states it passes through."""

import re
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from neptuneml_plugin.errors import ConstraintViolation


class JobKind(StrEnum):
    """The stages that jobs run; the value is the last part of the path under which clients know them."""

    EXPORT = "export"
    DATA_PROCESSING = "dataprocessing"
    MODEL_TRAINING = "modeltraining"
    MODEL_TRANSFORM = "modeltransform"


class JobState(StrEnum):
    """The states of a job; on the wire a queued one is in progress (decision 2)."""

    #: Waits for its turn, at first or after its process was killed.
    QUEUED = "Queued"
    #: Its process runs, or ran when the service ended.
    RUNNING = "InProgress"
    #: Its process is being ended on a client's wish.
    STOPPING = "Stopping"
    #: Its output is whole.
    COMPLETED = "Completed"
    #: The failure reason says why.
    FAILED = "Failed"
    #: A client has stopped it.
    STOPPED = "Stopped"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return not TRANSITIONS[self]


#: From a state to those that may follow it.
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.STOPPED, JobState.FAILED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.STOPPING, JobState.COMPLETED, JobState.FAILED}),
    JobState.STOPPING: frozenset({JobState.STOPPED}),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.STOPPED: frozenset(),
}


@dataclass(frozen=True)
class Plan:
    """A stage's command, as a person would type it."""

    #: Such as `train`.
    command: str
    #: Folders that the stage reads, as `--input FOLDER`.
    flags: tuple[str, ...]
    #: The file for `--config`.
    settings: Mapping[str, Any]
    #: The folder that the stage writes.
    output: str
    #: The same as the client names it, such as `s3://bucket/key`.
    location: str
    timeout_seconds: float

    @property
    def publishes(self) -> bool:
        """Whether the stage copies its output to an S3 once it is whole here."""
        return "--publish" in self.flags


@dataclass(frozen=True)
class JobRecord:
    """A job as the store keeps it."""

    kind: JobKind
    id: str
    #: Tells outputs of jobs apart, as Neptune's names do.
    name: str
    created_at_millis: int
    #: The members that the client gave.
    request: Mapping[str, Any]
    plan: Plan
    #: The jobs that this one builds on.
    inputs: Mapping[str, str] = field(default_factory=dict)
    state: JobState = JobState.QUEUED
    started_at_millis: int | None = None
    ended_at_millis: int | None = None
    #: Processes that were started for it.
    attempts: int = 0
    failure_reason: str | None = None
    #: Whether its output is removed once it is stopped.
    clean: bool = False

    def become(self, state: JobState, **changes: Any) -> "JobRecord":
        """Return the record in its next state.

        Raises:
            ConstraintViolation: this state may not follow.
        """
        if state not in TRANSITIONS[self.state]:
            raise ConstraintViolation(f"{self.kind} job '{self.id}' is {self.state} and cannot become {state}")
        return replace(self, state=state, **changes)


def now_millis() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """Return an id for a job whose client gave none."""
    return str(uuid.uuid4())


def job_name(job_id: str, what: str) -> str:
    """Return a name of the shape `<first 8 characters of the id>-<what>-<time>-<random>`."""
    begin = re.sub(r"[^A-Za-z0-9-]", "-", job_id[:8])
    moment = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime())
    return f"{begin}-{what}-{moment}-{secrets.token_hex(3)}"
