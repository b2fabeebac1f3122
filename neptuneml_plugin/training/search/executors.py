"""Who runs trials: processes of this machine; `raycluster` has those of a Ray cluster."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from neptuneml_plugin.artifacts import METRICS_LOG, PARTS
from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.search.failures import Failure, Kind, killed
from neptuneml_plugin.training.search.trial import read_request

#: What a trial writes to stderr; there only if it wrote something.
ERRORS = "stderr.txt"
_POLL_SECONDS = 0.05
#: Of a log of metrics; holds many lines.
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Ending:
    """A trial that is over."""

    folder: Path
    #: None: the folder holds its record.
    failure: Failure | None


class Executor(Protocol):
    """Runs trials, each described by the request in its folder (`trial.TrialRequest`)."""

    def run(self, folders: Sequence[Path], progress: Progress) -> Generator[Ending, None, None]:
        """Run trials at the same time and yield each when it is over; stop those that run when closed."""


class LocalProcesses:
    """Runs each trial in a process of this machine.

    Args:
        slots: processes at the same time, at most.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots

    def run(self, folders: Sequence[Path], progress: Progress) -> Generator[Ending, None, None]:
        """See `Executor`."""
        waiting, running = list(folders), list[_Process]()
        try:
            while waiting or running:
                while waiting and len(running) < self._slots:
                    running.append(_Process(waiting.pop(0)))
                time.sleep(_POLL_SECONDS)
                for process in [each for each in running if each.is_over()]:
                    running.remove(process)
                    yield Ending(process.folder, process.failure())
                for process in running:
                    process.metrics.tell(progress)
        finally:
            for process in running:
                process.stop()


class _Process:
    """One trial's process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics = MetricsReader(folder)
        command = [sys.executable, "-m", "neptuneml_plugin.training.search.trialprocess", str(folder)]
        with (folder / ERRORS).open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # its end tells the trial that this process has died
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C reaches this process, which decides
            )

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def failure(self) -> Failure | None:
        """Return how the ended process failed."""
        said = self._process.communicate()[0]
        code = self._process.returncode
        errors = self.folder / ERRORS
        if not errors.stat().st_size:
            errors.unlink()
        if code == 0:
            return None
        if code < 0:
            return killed(-code)
        try:
            document = json.loads(said)
            return Failure(Kind(document["kind"]), document["message"])
        except (ValueError, KeyError, TypeError):
            return Failure(Kind.TRIAL, f"the process ended with exit code {code}; see {errors}")

    def stop(self) -> None:
        """End the process and wait for its end."""
        self._process.terminate()
        self._process.communicate()


class MetricsReader:
    """Reads the newest evaluation in a trial's log of metrics, which is cut where a trial goes on from before."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._told = folder, b""

    @cached_property
    def _epochs(self) -> int:
        """The trial's most epochs, of one that learns: its process tells what is wrong with a request."""
        request = read_request(self._folder)
        return hyperparameters.build(request.hyperparameters, request.model).num_epochs

    def tell(self, progress: Progress) -> None:
        """Report the newest evaluation, if it is another than the last time, and the share of the trial."""
        newest = self._newest()
        if newest and newest != self._told:
            self._told, evaluation = newest, json.loads(newest)
            progress(f"trial {self._folder.name}, {said(evaluation)}", evaluation["epoch"] / self._epochs)

    def _newest(self) -> bytes:
        """Return the last whole line; empty where there is none."""
        try:
            with (self._folder / METRICS_LOG).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                whole, _, _ = log.read().rpartition(b"\n")
        except FileNotFoundError:
            return b""
        return whole.rpartition(b"\n")[2]


def said(evaluation: Mapping[str, Any]) -> str:
    """Return one line of a metrics log as text."""
    split = next(name for name in PARTS[::-1] if name in evaluation)
    values = ", ".join(f"{name} {value:.4g}" for name, value in list(evaluation[split].items())[:2])
    return f"epoch {evaluation['epoch']}: loss {evaluation['loss']:.4f}, {split} {values}"
