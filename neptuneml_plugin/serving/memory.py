"""A worker's ceiling of memory (docs/serving.md, Memory)."""

import asyncio
import contextlib
import ctypes
import gc
import logging
from collections.abc import Callable

import psutil

from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.errors import MemoryLimitExceeded

#: How often a worker looks how much memory it has taken.
MEMORY_LOOK_SECONDS = 1.0

#: Parameter of glibc's `mallopt`: how many pools threads take memory from.
_M_ARENA_MAX = -8

_log = logging.getLogger(__name__)


def own_bytes() -> int:
    """Return the memory that this process has for itself alone; mapped files are shared."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


def use_one_pool() -> None:
    """Have all threads, before there are any, take memory from one pool: of others glibc never returns the end."""
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return to the system what the process keeps though nothing is in it any more."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)


def takes_more_than(most_bytes: int, measure: Callable[[], int] = own_bytes) -> bool:
    """Return whether the process takes more, once it has given back what it does not need.

    Args:
        most_bytes: how much it may take; 0: any.
        measure: tells how much it takes.
    """
    if not 0 < most_bytes < measure():
        return False
    give_back()
    return most_bytes < measure()


def check_memory(config: WorkerConfig) -> None:
    """Refuse to serve what takes more than it may from the beginning.

    Raises:
        MemoryLimitExceeded: it does.
    """
    if takes_more_than(config.memory_mib << 20):
        raise MemoryLimitExceeded(
            f"a worker of endpoint '{config.endpoint}' takes {own_bytes() >> 20} MiB to begin with, "
            f"and memoryMib is {config.memory_mib}; give it more"
        )


async def watch_memory(
    config: WorkerConfig, stop: asyncio.Event, look_seconds: float = MEMORY_LOOK_SECONDS
) -> None:
    """End this worker when it has taken more memory than it may: the service starts another."""
    while config.memory_mib and not stop.is_set():
        await asyncio.sleep(look_seconds)
        if takes_more_than(config.memory_mib << 20):
            _log.warning("%d MiB are more than memoryMib allows (%d)", own_bytes() >> 20, config.memory_mib)
            stop.set()
