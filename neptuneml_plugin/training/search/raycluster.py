"""Trials on a Ray cluster, for searches that one machine is too small for.

Every node has this package at the same release, and finds the processed folder and the output folder under the
same paths. A trial is what it is as a process of one machine: it reads a request from its folder and writes its
files there.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from neptuneml_plugin.errors import PreconditionsFailed, UnsupportedOperation
from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training.search.executors import Ending, MetricsReader
from neptuneml_plugin.training.search.failures import Failure, Kind

_POLL_SECONDS = 0.2
_REACH_SECONDS = 10


class RayCluster:
    """Runs each trial as a task of a Ray cluster.

    Args:
        ray: the module, connected.
        threads: of one trial; as many of a node's CPUs are taken.
        trial_bytes: memory that a trial is expected to take; 0: not known.
    """

    def __init__(self, ray: Any, threads: int, trial_bytes: int) -> None:
        self._ray = ray
        # A worker runs one trial only, so that its memory is free afterwards; a failed trial is our affair.
        options = {"num_cpus": threads, "memory": trial_bytes or None, "max_calls": 1, "max_retries": 0}
        self._task = ray.remote(**options)(_attempt)

    def run(self, folders: Sequence[Path], progress: Progress) -> Generator[Ending, None, None]:
        """See `executors.Executor`."""
        readers = {folder: MetricsReader(folder) for folder in folders}
        running = {self._task.remote(str(folder.absolute())): folder for folder in folders}
        try:
            while running:
                done, _ = self._ray.wait(list(running), num_returns=1, timeout=_POLL_SECONDS)
                for reference in done:
                    yield Ending(running.pop(reference), self._failure(reference))
                for folder in running.values():
                    readers[folder].tell(progress)
        finally:
            for reference in running:
                self._ray.cancel(reference, force=True)

    def _failure(self, reference: Any) -> Failure | None:
        errors = self._ray.exceptions
        try:
            said = self._ray.get(reference)
        except (errors.OutOfMemoryError, errors.WorkerCrashedError) as error:
            return Failure(Kind.MEMORY, f"its Ray worker died ({_first_line(error)})")
        except errors.RayError as error:
            return Failure(Kind.TRIAL, f"Ray could not run it ({_first_line(error)})")
        return None if said is None else Failure(Kind(said[0]), said[1])


@contextlib.contextmanager
def connected(address: str | None, threads: int, trial_bytes: int) -> Iterator[RayCluster]:
    """Yield the executor of a cluster.

    Args:
        address: `host:port` of its head; None: `RAY_ADDRESS`, else the one that this machine belongs to.
        threads: see `RayCluster`.
        trial_bytes: see `RayCluster`.

    Raises:
        UnsupportedOperation: Ray is not installed.
        PreconditionsFailed: no cluster answers.
    """
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnsupportedOperation("Ray is not installed; install 'neptuneml-plugin[ray]'") from None
    address = address or os.environ.get("RAY_ADDRESS")
    place = address or "this machine"
    try:
        _reach(address)
        ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise PreconditionsFailed(
            f"no Ray cluster answers at {place} ({_first_line(error)}); start one with `ray start`"
        ) from None
    try:
        yield RayCluster(ray, threads, trial_bytes)
    finally:
        ray.shutdown()


def _reach(address: str | None) -> None:
    """Knock at a head's port, since Ray itself tries for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), _REACH_SECONDS).close()


def _attempt(folder: str) -> tuple[str, str] | None:
    """Run a trial in a worker; return the kind of its failure and what it says."""
    from neptuneml_plugin.training.search.trial import attempt  # noqa: PLC0415 - in the worker

    failure = attempt(Path(folder))
    return None if failure is None else (failure.kind.value, failure.message)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
