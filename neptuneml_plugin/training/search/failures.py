"""How a trial fails, and what that means for the others."""

import errno
import signal
from dataclasses import dataclass
from enum import StrEnum

from neptuneml_plugin.errors import InvalidParameter, NeptuneMLError


class Kind(StrEnum):
    """What a failure means."""

    #: The user's to correct: every trial would fail so, the training ends.
    INPUT = "input"
    #: Of the machine, such as a full disk: the training ends, and goes on when it is asked for again.
    SYSTEM = "system"
    #: There was not enough memory: the trial is tried again while no other runs.
    MEMORY = "memory"
    #: Anything else: the trial is recorded as failed, the others go on.
    TRIAL = "trial"


@dataclass(frozen=True)
class Failure:
    """Why a trial has no result."""

    kind: Kind
    message: str

    def raise_if_shared(self) -> None:
        """Raise what ends the whole training.

        Raises:
            InvalidParameter, OSError: see `Kind`.
        """
        if self.kind is Kind.INPUT:
            raise InvalidParameter(self.message)
        if self.kind is Kind.SYSTEM:
            raise OSError(errno.EIO, self.message)


def failure_of(error: Exception) -> Failure:
    """Return what an exception means."""
    if isinstance(error, NeptuneMLError):
        return Failure(Kind.INPUT if error.exit_code == InvalidParameter.exit_code else Kind.TRIAL, str(error))
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return Failure(Kind.SYSTEM, f"{place}{error.strerror or error}")
    if _is_memory(error):
        return Failure(Kind.MEMORY, f"there was not enough memory ({error})")
    return Failure(Kind.TRIAL, f"{type(error).__name__}: {error}")


def killed(signal_number: int) -> Failure:
    """Return the failure of a process that a signal ended."""
    name = signal.Signals(signal_number).name
    hint = ", as the system does when memory runs out" if signal_number == signal.SIGKILL else ""
    return Failure(Kind.MEMORY, f"the process was killed by {name}{hint}")


def _is_memory(error: Exception) -> bool:
    # torch raises a plain RuntimeError where the CPU's memory is used up.
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in str(error) or "allocate memory" in str(error))
    )
