"""What every stage shares: its summary, its progress, and an output folder that is whole or absent."""

import contextlib
import errno
import glob
import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.filelock import take_lock

Metrics = Mapping[str, float]
#: In the environment of a job's process, and of all that it starts: its folder.
FOLDER_VARIABLE = "NEPTUNEML_JOB_FOLDER"
#: In an unfinished folder: the settings that it was begun with.
UNFINISHED = "unfinished.json"


class Progress(Protocol):
    """Told what a stage is doing; `fraction` in 0..1 where it is known."""

    def __call__(self, message: str, fraction: float | None = None) -> None:
        """Take one line of progress."""


def silent(message: str, fraction: float | None = None) -> None:
    """Drop the progress."""


def part_of(progress: Progress, begin: float, end: float) -> Progress:
    """Return a progress for a part of a stage: its 0..1 is `begin`..`end` of the whole."""

    def told(message: str, fraction: float | None = None) -> None:
        progress(message, None if fraction is None else begin + (end - begin) * fraction)

    return told


@dataclass(frozen=True)
class Summary:
    """What a stage did, as `--json` prints it."""

    stage: str
    output: str
    seconds: float
    peak_memory_mib: float
    task: str | None = None
    #: Not fatal, but the user should read them.
    warnings: tuple[str, ...] = ()
    #: Rows, vertices, edges, features: whatever the stage counts.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Training: split -> metric -> value.
    metrics: Mapping[str, Metrics] | None = None
    #: Training: trivial competitor -> metric -> value, on `baselines_split`.
    baselines: Mapping[str, Metrics] | None = None
    baselines_split: str | None = None
    #: Training: name of the hyperparameter -> value of the best trial.
    hyperparameters: Mapping[str, Any] | None = None
    #: What was decided on the user's behalf, and why.
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the members that are set, in JSON's types."""
        return {key: value for key, value in vars(self).items() if value is not None}


class Stopwatch:
    """Seconds since its creation, and this process's peak memory."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Elapsed wall-clock seconds."""
        return round(time.monotonic() - self._start, 3)

    @property
    def peak_memory_mib(self) -> float:
        """Largest resident set of this process or of any finished child, MiB."""
        kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return round(kib / 1024, 1)


@contextlib.contextmanager
def output_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder to write into; it becomes `target` in one rename, or vanishes on failure.

    Raises:
        InvalidParameter: `target` exists, is not empty, and may not be overwritten.
    """
    target = target.absolute()
    _check_target(target, overwrite=overwrite)
    _remove_abandoned(target)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    partial.mkdir()
    try:
        with _locked(partial, target):
            yield partial
            _sync_tree(partial)
            _replace(partial, target)
    except OSError as error:
        error.filename = error.filename or str(target)  # a failed write() does not name its file
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def resumable_folder(
    target: Path, settings: Mapping[str, Any], is_worth: Callable[[Path], bool], *, overwrite: bool = False
) -> Iterator[Path]:
    """Yield a folder to write into, as `output_folder` does, but one that outlives a failure and a kill.

    It is `unfinished_of(target)`; the next call with the same settings finds in it what is there.

    Args:
        target: the output folder.
        settings: what the output depends on, by name; JSON.
        is_worth: whether what a failure leaves behind is of use to the next call.
        overwrite: replace `target`, and begin anew.

    Raises:
        InvalidParameter: `target` may not be overwritten; another process writes it; what there is of it was
            written under other settings.
    """
    target = target.absolute()
    unfinished = unfinished_of(target)
    stored = _stored_settings(unfinished)
    _check_target(target, overwrite=overwrite or stored.pop("overwrite", False))
    unfinished.mkdir(exist_ok=True)
    with _locked(unfinished, target):
        if overwrite:
            _clear(unfinished)
        elif stored:
            _check_settings(unfinished, stored, settings)
        try:
            write_json(unfinished / UNFINISHED, {**settings, "overwrite": overwrite or target.is_dir()})
            yield unfinished
            (unfinished / UNFINISHED).unlink()
            _sync_tree(unfinished)
            _replace(unfinished, target)
        except BaseException as error:
            if isinstance(error, OSError):
                error.filename = error.filename or str(target)
            if is_worth(unfinished):
                error.add_note(_way_on(unfinished))
            else:
                shutil.rmtree(unfinished, ignore_errors=True)
            raise


def unfinished_of(target: Path) -> Path:
    """Return the folder beside an output folder that holds what a failure or a kill has left of it."""
    return target.with_name(f".{target.name}.unfinished")


def _way_on(unfinished: Path) -> str:
    """Return what becomes of unfinished work: a command line's, or a job's, which has a folder of its own."""
    if FOLDER_VARIABLE not in os.environ:
        return f"the same command goes on from what {unfinished} holds; --overwrite begins anew"
    return (
        f"what is done stays in {unfinished}: a service that is started again goes on from it, a job that has "
        "ended does not; `DELETE …?purge=true&clean=true` (`neptuneml job cancel --purge --clean`) removes it"
    )


def clear_but(folder: Path, kept: Collection[str]) -> None:
    """Remove what an earlier attempt has left in an unfinished folder, but the entries named."""
    for path in folder.iterdir():
        if path.name not in {*kept, UNFINISHED}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _stored_settings(unfinished: Path) -> dict[str, Any]:
    try:
        stored = json.loads((unfinished / UNFINISHED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _check_settings(unfinished: Path, stored: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    given = json.loads(json.dumps(settings))
    differing = sorted(name for name in stored.keys() | given.keys() if stored.get(name) != given.get(name))
    if differing:
        way_on = "give the same ones to go on, or --overwrite to begin anew"
        raise InvalidParameter(
            f"{unfinished} holds unfinished work with other settings ({', '.join(differing)}); "
            + ("start another job" if FOLDER_VARIABLE in os.environ else way_on)
        )


@contextlib.contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    """Hold a folder for this process alone; the lock ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not take_lock(descriptor):
            raise InvalidParameter(f"another process writes {target}; wait for it, or name another folder")
        yield
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _check_target(target: Path, *, overwrite: bool) -> None:
    """Make the folder above the output, or refuse."""
    if target.exists() and not target.is_dir():
        raise InvalidParameter(f"{target} is a file; name a folder for the output")
    if not overwrite and target.is_dir() and any(target.iterdir()):
        raise InvalidParameter(f"{target} is not empty; name another folder or pass --overwrite")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next((path for path in target.parents if path.is_file()), target.parent)
        raise InvalidParameter(f"{target} cannot be made: {file} is a file") from None


def _remove_abandoned(target: Path) -> None:
    """Remove what processes have left that were killed while they wrote `target`."""
    for partial in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):
        with contextlib.suppress(InvalidParameter), _locked(partial, target):
            shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none: temporary file, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; see `write_text`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _replace(partial: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old-{os.getpid()}")
    if target.exists():
        target.rename(old)
    partial.rename(target)
    _sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without fsync on folders
            raise
    finally:
        os.close(descriptor)
