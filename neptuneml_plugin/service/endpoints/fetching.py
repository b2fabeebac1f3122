"""Artifacts of endpoints whose locations are in an S3: fetched to this machine, removed when nobody asks them."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import BadRequest
from neptuneml_plugin.redaction import redact
from neptuneml_plugin.service.locations import FETCHED
from neptuneml_plugin.service.security.secretfiles import child_environment


async def fetch_artifact(location: str, folder: Path, config: ServiceConfig) -> None:
    """Fetch an artifact, by the command line's own command, unless it is on this machine already.

    Raises:
        BadRequest: it could not be fetched; the command's words.
    """
    if folder.parent != config.data_root / FETCHED or await asyncio.to_thread(folder.is_dir):
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "neptuneml_plugin.cli", "copy", location, str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=child_environment(config),
        start_new_session=True,  # a Ctrl-C at the terminal is the service's to handle
    )  # fmt: skip
    try:
        _, said = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        told = next(
            (line for line in said.decode(errors="replace").splitlines() if line.startswith("error: ")), ""
        )
        raise BadRequest(redact(told.removeprefix("error: ")) or f"location {location!r} could not be fetched")


def remove_unused(used: Collection[Path], config: ServiceConfig) -> None:
    """Remove what was fetched, except the folders that are used; none is being fetched."""
    for folder in (config.data_root / FETCHED).glob("*"):
        if folder not in used:
            shutil.rmtree(folder, ignore_errors=True)


def remove_fetched(folder: Path, config: ServiceConfig) -> None:
    """Remove a folder if it was fetched; artifacts of users stay."""
    if folder.parent == config.data_root / FETCHED:
        shutil.rmtree(folder, ignore_errors=True)
