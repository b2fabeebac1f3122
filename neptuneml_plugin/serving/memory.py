"""A worker's ceiling of memory (docs/serving.md, Memory)."""

import asyncio
import gc
import logging

import psutil

from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.errors import MemoryLimitExceeded

#: How often a worker looks how much memory it has taken.
MEMORY_LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


def own_bytes() -> int:
    """Return the memory that this process has for itself alone; mapped files are shared."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


def check_memory(config: WorkerConfig) -> None:
    """Refuse to serve what takes more than it may from the beginning.

    Raises:
        MemoryLimitExceeded: it does.
    """
    if config.memory_mib and own_bytes() > config.memory_mib << 20:
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
        if own_bytes() > config.memory_mib << 20:
            gc.collect()
        if own_bytes() > config.memory_mib << 20:
            _log.warning("%d MiB are more than memoryMib allows (%d)", own_bytes() >> 20, config.memory_mib)
            stop.set()
