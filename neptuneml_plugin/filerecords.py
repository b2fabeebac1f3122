"""Sizes and hashes of the files of a folder: written last, checked by whoever opens it."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from neptuneml_plugin.errors import InvalidData


@dataclass(frozen=True)
class FileRecord:
    """Size and hash of a file."""

    size: int
    sha256: str


def describe_files(folder: Path, leave_out: Collection[str] = ()) -> dict[str, FileRecord]:
    """Return size and hash of every file below `folder` but those left out, by relative name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    return {name: _describe(folder / name) for name in names if name not in leave_out}


def check_files(folder: Path, files: Mapping[str, FileRecord], stage: str, *, verify: bool = True) -> None:
    """Check that files are there, have their size and, to `verify` them, their hash.

    Raises:
        InvalidData: one does not; the message names it, and the stage to run again.
    """
    for name, recorded in files.items():
        path = folder / name
        if not path.is_file():
            raise InvalidData(f"{folder} lacks {name}; run `{stage}` again")
        size = path.stat().st_size
        if size != recorded.size:
            raise InvalidData(
                f"{folder}: {name} has {size} bytes instead of {recorded.size} (truncated or changed); "
                f"run `{stage}` again"
            )
        if verify and _describe(path).sha256 != recorded.sha256:
            raise InvalidData(f"{folder}: {name} has changed since it was written; run `{stage}` again")


def content_version(files: Mapping[str, FileRecord], *facts: str) -> str:
    """Return the artifact's version: a hash over its files' records and further facts."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name].size}\0{files[name].sha256}\n".encode())
    for fact in facts:
        digest.update(f"{fact}\n".encode())
    return digest.hexdigest()[:16]


def _describe(path: Path) -> FileRecord:
    with path.open("rb") as file:
        return FileRecord(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
