"""The folder of a job: what the process of a stage leaves there for whoever started it.

The service makes the folder, locks its lock file and hands the lock to the process, so that the lock ends when the
process does, whoever its parent is by then. The process writes its progress while it runs, and its outcome last.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.filelock import take_lock
from neptuneml_plugin.stage import FOLDER_VARIABLE, Progress, Summary, write_json

SETTINGS = "settings.json"
LOG = "log.txt"
PROGRESS_SECONDS = 0.2
#: Exit code of a process that was asked to end.
INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    exit_code: int
    reason: str | None = None


@dataclass(frozen=True)
class Step:
    """What a process was doing when it last said so."""

    message: str
    #: 0..1, where it is known.
    fraction: float | None = None


class JobFolder:
    """The files of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def log(self) -> Path:
        """What the process prints."""
        return self.path / LOG

    @property
    def settings(self) -> Path:
        """The stage's settings."""
        return self.path / SETTINGS

    def lock(self) -> int | None:
        """Take the lock and return its descriptor, to be handed to the process; None while another holds it."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        if take_lock(descriptor):
            return descriptor
        os.close(descriptor)
        return None

    def is_locked(self) -> bool:
        """Return whether the process lives."""
        if not (self.path / "lock").exists():
            return False
        descriptor = self.lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def clear(self) -> None:
        """Forget what an earlier process said."""
        for path in (self._outcome, self._step, self._summary):
            path.unlink(missing_ok=True)

    def write_outcome(self, outcome: Outcome) -> None:
        """Say how the process ends; the last that it writes."""
        write_json(self._outcome, asdict(outcome))

    def outcome(self) -> Outcome | None:
        """Return how the process ended; None where it could not say, as after a kill."""
        document = _read(self._outcome)
        return None if document is None else Outcome(**document)

    def write_summary(self, summary: Summary) -> None:
        """Keep what the stage did."""
        write_json(self._summary, json.loads(json.dumps(summary.to_json(), default=str)))

    def summary(self) -> Mapping[str, Any] | None:
        """Return what the stage did, as `--json` prints it; None where it did not finish."""
        return _read(self._summary)

    def step(self) -> Step | None:
        """Return what the process is doing; None before it said anything."""
        document = _read(self._step)
        return None if document is None else Step(**document)

    def recorded(self, progress: Progress) -> Progress:
        """Return a progress that is told to `progress` and written to the folder."""
        return _Recorded(self._step, progress)

    def log_tail(self, lines: int, most_bytes: int = 1 << 16) -> list[str]:
        """Return the last lines of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - most_bytes))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return []
        return text.splitlines()[-lines:] if lines else []

    @property
    def _outcome(self) -> Path:
        return self.path / "outcome.json"

    @property
    def _summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def _step(self) -> Path:
        return self.path / "progress.json"


def own_folder() -> JobFolder | None:
    """Return the folder of the job that this process runs; None where a person has started it."""
    path = os.environ.get(FOLDER_VARIABLE)
    return JobFolder(Path(path)) if path else None


class _Recorded:
    """Writes at most a few times a second: a step that follows at once replaces the one before."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path, self._progress = path, progress
        self._last, self._written, self._furthest = Step(""), 0.0, 0.0
        self._lock = threading.Lock()  # trials may tell of themselves at the same time

    def __call__(self, message: str, fraction: float | None = None) -> None:
        with self._lock:
            self._tell(message, fraction)

    def _tell(self, message: str, fraction: float | None) -> None:
        self._progress(message, fraction)
        self._furthest = max(
            self._furthest, fraction or 0.0
        )  # parts of a stage may overlap; nobody sees it go back
        step = Step(message, self._furthest or None)
        now = time.monotonic()
        if step == self._last or now - self._written < PROGRESS_SECONDS:
            return
        self._last, self._written = step, now
        temporary = self._path.with_suffix(".partial")
        with contextlib.suppress(OSError):  # a full disk is told by the stage's own files
            temporary.write_text(json.dumps(asdict(step)), encoding="utf-8")
            temporary.replace(self._path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
