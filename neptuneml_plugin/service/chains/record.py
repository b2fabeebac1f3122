"""What a chain is: its parts, their bodies, and the states it passes through."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from neptuneml_plugin.errors import ConstraintViolation
from neptuneml_plugin.service.jobs.record import TRANSITIONS, JobKind, JobState, now_millis


class Part(StrEnum):
    """The parts of a chain in the order in which they run; the value is the member of the document."""

    EXPORT = "export"
    DATA_PROCESSING = "dataprocessing"
    TRAINING = "training"
    TRANSFORM = "modeltransform"
    ENDPOINT = "endpoint"

    @property
    def kind(self) -> JobKind | None:
        """The kind of job that it is; None for an endpoint."""
        return KINDS.get(self)


#: The parts that are jobs.
KINDS: Mapping[Part, JobKind] = {
    Part.EXPORT: JobKind.EXPORT,
    Part.DATA_PROCESSING: JobKind.DATA_PROCESSING,
    Part.TRAINING: JobKind.MODEL_TRAINING,
    Part.TRANSFORM: JobKind.MODEL_TRANSFORM,
}


@dataclass(frozen=True)
class ChainRecord:
    """A chain as the store keeps it. It is in progress from the start, or stopping, or has ended."""

    id: str
    created_at_millis: int
    #: The body of each part, complete but for the location of an export that is not there yet.
    parts: Mapping[Part, Mapping[str, Any]]
    #: The Gremlin query that the parts were derived from, where there was one.
    query: str | None = None
    state: JobState = JobState.RUNNING
    #: Parts that were submitted, or were about to be.
    begun: tuple[Part, ...] = ()
    #: Parts that have ended, and how.
    ended: Mapping[Part, JobState] = field(default_factory=dict)
    ended_at_millis: int | None = None
    failure_reason: str | None = None
    #: Whether the output of the part that runs is removed once it is stopped.
    clean: bool = False

    def become(self, state: JobState, **changes: Any) -> "ChainRecord":
        """Return the record in its next state.

        Raises:
            ConstraintViolation: this state may not follow.
        """
        if state not in TRANSITIONS[self.state]:
            raise ConstraintViolation(f"chain '{self.id}' is {self.state} and cannot become {state}")
        return replace(self, state=state, **changes)

    def with_begun(self, part: Part) -> "ChainRecord":
        """Return the record with a part that is about to be submitted."""
        return self if part in self.begun else replace(self, begun=(*self.begun, part))

    def with_ended(self, part: Part, state: JobState) -> "ChainRecord":
        """Return the record with a part that has ended."""
        return replace(self, ended={**self.ended, part: state})


def new_chain_id() -> str:
    """Return an id for a chain whose client gave none; those of its parts fit behind it."""
    return f"chain-{now_millis()}-{secrets.token_hex(3)}"
