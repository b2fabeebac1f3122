"""Folders that come from an S3 and go there: whole or not at all, as far as S3 lets one tell."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import (
    EXPORT_SCHEMA,
    MANIFEST,
    PROCESSED,
    TRAINING,
    TRAINING_DATA_CONFIGURATION,
)
from neptuneml_plugin.errors import (
    BadRequest,
    FailureByQuery,
    InvalidData,
    InvalidParameter,
    NeptuneMLError,
    PreconditionsFailed,
)
from neptuneml_plugin.locations import AWS, Place, Policy, resolve, split_s3
from neptuneml_plugin.stage import Progress, Stopwatch, Summary, output_folder, silent

#: Without one of these a folder is nothing that a stage reads; they go last, and are the first to be removed.
MARKERS = frozenset({EXPORT_SCHEMA, MANIFEST, PROCESSED, TRAINING, TRAINING_DATA_CONFIGURATION})
#: Below the data root: what the stages of the command line have fetched, or will publish.
STAGING = "staging"
#: Parts of a large file that travel at once, and their size.
PARTS, PART_BYTES = 4, 16 << 20
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 60, 3


@dataclass(frozen=True)
class Limits:
    """The largest folder that is fetched."""

    files: int = 100_000
    gib: float = 1024.0


@dataclass(frozen=True)
class _Listed:
    """One object of an S3."""

    #: Bucket and key.
    path: str
    #: Relative to the folder that is fetched.
    name: str
    size: int


def fetch(place: Place, folder: Path, limits: Limits = Limits(), progress: Progress = silent) -> None:
    """Copy all files of a place into a fresh folder, which appears when it is whole.

    Raises:
        BadRequest: nothing is there, or it may not be read.
        InvalidData: it is larger than the limits or the disk, or has names that no folder can hold.
        FailureByQuery: the S3 did not answer, or no longer.
    """
    if place.folder is not None:
        _copy(place, folder)
        return
    with _asked(place) as files:
        listed = _list(files, place)
        _check_size(listed, place, limits, folder)
        with output_folder(folder) as fresh:
            for position, one in enumerate(listed):
                progress(f"fetching {place.location}/{one.name}", position / len(listed))
                target = fresh / one.name
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(one.path, str(target), chunksize=PART_BYTES, max_concurrency=PARTS)
                if target.stat().st_size != one.size:
                    raise InvalidData(f"{place.location}/{one.name} has changed while it was fetched; try again")


def publish(folder: Path, place: Place, *, overwrite: bool = False, progress: Progress = silent) -> None:
    """Copy a folder to a place; a reader finds no marker of a whole folder before everything else is there.

    Raises:
        InvalidParameter: something is there already, and may not be overwritten.
        BadRequest: the place may not be written.
        FailureByQuery: the S3 did not answer, or no longer; what is there of the folder has no marker.
    """
    if place.folder is not None:
        with output_folder(place.folder, overwrite=overwrite) as fresh:
            shutil.copytree(folder, fresh, dirs_exist_ok=True)
        return
    names = sorted((path.relative_to(folder).as_posix() for path in _files(folder)), key=_turn)
    with _asked(place) as files:
        there = _names(files, place)
        if overwrite:
            _remove(files, place, there)
        elif not _is_ours(files, place, there, folder):
            _refuse_others(there, place)
        for position, name in enumerate(names):
            progress(f"publishing {place.location}/{name}", position / len(names))
            target = f"{_base(place)}{name}"
            files.put_file(str(folder / name), target, chunksize=PART_BYTES, max_concurrency=PARTS)


def check_free(place: Place, *, overwrite: bool = False) -> None:
    """Refuse a place in an S3 where something is already, before work is done for it.

    Raises:
        InvalidParameter: there is, and it may not be overwritten.
        BadRequest: the place may not be read.
        FailureByQuery: the S3 does not answer.
    """
    if place.is_remote and not overwrite:
        with _asked(place) as files:
            _refuse_others(_names(files, place), place)


def remove(place: Place) -> None:
    """Remove all that lies below a place, the markers of a whole folder first.

    Raises:
        BadRequest: the place may not be written.
        FailureByQuery: the S3 does not answer.
    """
    if place.folder is not None:
        shutil.rmtree(place.folder, ignore_errors=True)
        return
    with _asked(place) as files:
        _remove(files, place, _names(files, place))


def _turn(name: str) -> tuple[bool, bool, int, str]:
    """Order files for publishing: data, other records, markers; within these the deepest first."""
    base = name.rpartition("/")[2]
    return base in MARKERS, base.endswith(".json"), -name.count("/"), name


def _remove(files: Any, place: Place, names: Iterable[str]) -> None:
    """Remove what a place holds, the markers first."""
    for name in sorted(names, key=_turn, reverse=True):
        files.rm_file(f"{_base(place)}{name}")


def _is_ours(files: Any, place: Place, there: Iterable[str], folder: Path) -> bool:
    """Tell whether a place holds but what an earlier attempt to publish this very folder has left."""
    return all(
        (folder / name).is_file()
        and (_turn(name)[0] is False or files.cat_file(f"{_base(place)}{name}") == (folder / name).read_bytes())
        for name in there
    )


def _refuse_others(there: Iterable[str], place: Place) -> None:
    if any(there):
        raise InvalidParameter(f"{place.location} is not empty; name another location or pass --overwrite")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _copy(place: Place, folder: Path) -> None:
    if place.folder is None or not place.folder.is_dir():
        raise BadRequest(f"location {place.location!r} is not a folder (looked for {place.folder})")
    with output_folder(folder) as fresh:
        shutil.copytree(place.folder, fresh, dirs_exist_ok=True)


# --- the S3 ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _asked(place: Place) -> Iterator[Any]:
    """Yield s3fs's file system; what goes wrong becomes an error of this project's.

    Raises:
        PreconditionsFailed: s3fs is missing, or there are no credentials.
        BadRequest: what S3 refuses.
        FailureByQuery: an S3 that does not answer.
    """
    try:
        import s3fs  # noqa: PLC0415 - 0.5 s that only locations in an S3 pay
        from botocore.exceptions import (  # noqa: PLC0415
            BotoCoreError,
            ClientError,
            NoCredentialsError,
        )
    except ImportError:
        raise PreconditionsFailed(f"{place.location} needs s3fs: pip install 'neptuneml-plugin[aws]'") from None
    try:
        yield s3fs.S3FileSystem(
            endpoint_url=None if place.s3_endpoint == AWS else place.s3_endpoint,
            config_kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": READ_SECONDS,
                "retries": {"max_attempts": ATTEMPTS},
                # a bucket is part of the path, never of the host that is asked
                **({} if place.s3_endpoint == AWS else {"s3": {"addressing_style": "path"}}),
            },
            skip_instance_cache=True,
            use_listings_cache=False,
        )
    except NeptuneMLError:
        raise
    except NoCredentialsError:
        raise PreconditionsFailed(
            f"{place.location}: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PROFILE"
        ) from None
    except (FileNotFoundError, PermissionError, ClientError) as error:
        raise BadRequest(f"{place.location}: S3 refuses ({_told(error)})") from None
    except (BotoCoreError, ConnectionError, TimeoutError) as error:
        raise FailureByQuery(
            f"{place.location}: the S3 at {place.s3_endpoint} does not answer ({_told(error)}); try again"
        ) from None
    except OSError as error:
        if error.filename is not None or error.errno is None or error.errno == 28:  # the disk, not the S3
            raise
        raise FailureByQuery(f"{place.location}: S3 failed ({_told(error)})") from None


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _base(place: Place) -> str:
    """Return what the paths of all objects below a place begin with."""
    bucket, key = split_s3(place.location)
    return f"{bucket}/{key}".rstrip("/") + "/"


def _names(files: Any, place: Place) -> list[str]:
    """Return the names of all objects below a place."""
    base = _base(place)
    return sorted(path.removeprefix(base) for path in files.find(base) if path.startswith(base))


def _list(files: Any, place: Place) -> list[_Listed]:
    """Return the objects of a place, by names that a folder can hold.

    Raises:
        BadRequest: there are none.
        InvalidData: a name climbs out of the folder, or is that of a folder too.
    """
    base = _base(place)
    found = files.find(base, detail=True)
    listed = [
        _Listed(path, path.removeprefix(base), int(each["size"]))
        for path, each in sorted(found.items())
        if each["type"] == "file" and path.startswith(base) and not path.endswith("/")
    ]
    if not listed:
        raise BadRequest(f"location {place.location!r} is not a folder: the S3 has nothing below it")
    folders = {str(parent) for one in listed for parent in Path(one.name).parents}
    for one in listed:
        _check_name(one, folders, place)
    return listed


def _check_name(one: _Listed, folders: set[str], place: Place) -> None:
    parts = one.name.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in one.name or one.name in folders:
        raise InvalidData(f"{place.location} has {one.name!r}, which is no file's name in a folder")


def _check_size(listed: list[_Listed], place: Place, limits: Limits, folder: Path) -> None:
    size = sum(one.size for one in listed)
    if len(listed) > limits.files or size > limits.gib * 2**30:
        raise InvalidData(
            f"{place.location} has {len(listed)} files of {size / 2**30:.1f} GiB; no more than "
            f"{limits.files} files and {limits.gib:g} GiB are fetched"
        )
    above = next(parent for parent in folder.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(above).free
    if size > free:
        raise InvalidData(
            f"{place.location} has {size / 2**30:.1f} GiB, and {above} has room for {free / 2**30:.1f} GiB"
        )


# --- the folders of a stage ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Output:
    """A folder that is to be published."""

    place: Place
    folder: Path
    overwrite: bool
    #: Whether the folder stays here as well.
    is_kept: bool


class Folders:
    """The folders that a stage of the command line reads and writes, wherever its locations lie.

    Args:
        allowed: what locations may name.
        data_root: where fetched folders lie while the stage runs.
        publish_to: where the output is copied to as well.
    """

    def __init__(self, allowed: Policy, data_root: Path, publish_to: str | None = None) -> None:
        self._allowed = allowed
        self._staging = data_root / STAGING
        self._publish_to = publish_to
        self._fetched: list[Path] = []
        self._output: _Output | None = None

    def __enter__(self) -> "Folders":
        """Begin."""
        _remove_left_behind(self._staging)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was fetched."""
        for folder in self._fetched:
            shutil.rmtree(folder, ignore_errors=True)

    def input(self, location: str, progress: Progress = silent) -> Path:
        """Return a location's folder, fetched where it lies in an S3.

        Raises:
            NeptuneMLError: what `resolve` and `fetch` refuse.
        """
        place = self._resolve(location)
        if place.folder is not None:
            return place.folder
        folder = self._staging / f"input-{os.getpid()}-{len(self._fetched)}"
        self._fetched.append(folder)
        fetch(place, folder, progress=progress)
        return folder

    def output(self, location: str, *, overwrite: bool = False) -> Path:
        """Return the folder to write, which `publish` then copies where it is to go to an S3.

        It is the same one each time, so that a training that was interrupted goes on.

        Raises:
            NeptuneMLError: what `resolve` and `check_free` refuse.
        """
        place = self._resolve(location)
        folder = place.folder or self._staged(place)
        if self._publish_to is not None:
            self._output = _Output(self._resolve(self._publish_to), folder, overwrite, is_kept=True)
        elif place.is_remote:
            self._output = _Output(place, folder, overwrite, is_kept=False)
        if self._output is not None and self.finished() is None:
            check_free(self._output.place, overwrite=overwrite)
        return folder

    def finished(self) -> Summary | None:
        """Return a summary where only the publishing is left of what an earlier call began."""
        output = self._output
        if output is None or output.overwrite or not output.is_kept or not any(output.folder.glob("*")):
            return None
        return Summary("publish", str(output.folder), 0.0, Stopwatch().peak_memory_mib)

    def publish(self, progress: Progress = silent) -> str | None:
        """Copy what the stage wrote to where it is to go, and return that location.

        Raises:
            NeptuneMLError: what `publish` refuses; a note says where the folder is.
        """
        output = self._output
        if output is None:
            return None
        try:
            publish(output.folder, output.place, overwrite=output.overwrite, progress=progress)
        except NeptuneMLError as error:
            again = f"neptuneml copy {output.folder} {output.place.location} --overwrite"
            error.add_note(f"it stays in {output.folder}; then: {again}")
            raise
        if not output.is_kept:
            shutil.rmtree(output.folder.parent, ignore_errors=True)
        return output.place.location

    def _staged(self, place: Place) -> Path:
        name = place.location.rstrip("/")
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self._staging / f"output-{digest}" / name.rpartition("/")[2]

    def _resolve(self, location: str) -> Place:
        if "://" not in location:
            return Place(location, Path(location))
        return resolve(location, self._allowed)


def _remove_left_behind(staging: Path) -> None:
    """Remove what processes have fetched that were killed."""
    for folder in staging.glob("*input-*"):
        process = folder.name.partition("input-")[2].partition("-")[0]
        if not (process.isdecimal() and Path("/proc", process).exists()):
            shutil.rmtree(folder, ignore_errors=True)
