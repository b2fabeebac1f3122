"""How many trials run at the same time on one machine, and with how many threads."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from neptuneml_plugin.artifacts import TRAIN_INSTANCE
from neptuneml_plugin.config import TrainConfig, TrialExecutor

_CONTROL_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Budget:
    """What trials may use; what they compute depends on the threads alone."""

    #: Of one trial.
    threads: int
    #: Trials at the same time.
    slots: int
    #: Of one trial, bytes, as estimated when the graph was processed; 0: not known.
    trial_bytes: int
    warnings: tuple[str, ...] = ()
    #: Whether a trial on whole neighbourhoods is estimated to fit.
    fits: bool = True


def budget(config: TrainConfig, source: Path) -> Budget:
    """Share the cores and the memory among trials.

    Args:
        config: the limits.
        source: the processed folder.
    """
    if config.executor is TrialExecutor.RAY:  # whose nodes know their own limits
        return Budget(config.threads or 1, config.parallel, _trial_bytes(source))
    cores = config.cores or len(os.sched_getaffinity(0))
    threads = threads_per_trial(config.threads, config.parallel, cores)
    need, memory = _trial_bytes(source), (config.memory_mib << 20) or free_bytes()
    by_memory = memory // need if need else config.parallel
    slots = max(1, min(config.parallel, cores // threads, by_memory))
    warnings = []
    if by_memory < 1:
        warnings.append(
            f"a trial on whole neighbourhoods takes about {need >> 20} MiB, and there are {memory >> 20} MiB"
        )
    if slots < config.parallel:
        reason = "memory" if by_memory <= cores // threads else "cores"
        warnings.append(f"{slots} of {config.parallel} trials ran at a time, as the {reason} allowed no more")
    return Budget(threads, slots, need, tuple(warnings), fits=by_memory >= 1)


def threads_per_trial(threads: int, parallel: int, cores: int | None = None) -> int:
    """Return the threads of one trial; 0 shares the cores, by default those that this process may use."""
    return threads or max(1, (cores or len(os.sched_getaffinity(0))) // parallel)


def free_bytes() -> int:
    """Return the memory that this process and its children may still take, bytes."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((_CONTROL_GROUP / name).read_text() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no control group, or "max"
        return free


def _trial_bytes(source: Path) -> int:
    try:
        return int(json.loads((source / TRAIN_INSTANCE).read_text(encoding="utf-8"))["mem_size"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
