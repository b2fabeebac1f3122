"""Forgets what ended too long ago: jobs and chains."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.service.jobs.record import now_millis

#: Between looks.
RETENTION_SECONDS = 3600.0
_DAY_MILLIS = 86_400_000


class Ending(Protocol):
    """Something that ends."""

    @property
    def ended_at_millis(self) -> int | None:
        """When; None before."""


Record = TypeVar("Record", bound=Ending)


async def forget_ended(
    days: float, records: Callable[[], Iterable[Record]], forget: Callable[[Record], Awaitable[None]]
) -> None:
    """Forget records that ended more than so many days ago, now and from time to time."""
    while True:
        oldest = now_millis() - days * _DAY_MILLIS
        for record in list(records()):
            if record.ended_at_millis is not None and record.ended_at_millis < oldest:
                with contextlib.suppress(NeptuneMLError):  # a full disk: the next look finds it again
                    await forget(record)
        await asyncio.sleep(RETENTION_SECONDS)
