"""Ensembles as clients ask for them: their members found, their folders written and removed."""

import asyncio
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.ensembles.definition import Definition, read_definition
from neptuneml_plugin.errors import InvalidParameter, InvalidSettings, NeptuneMLError, UnsupportedOperation
from neptuneml_plugin.service.endpoints.record import EndpointRecord
from neptuneml_plugin.service.jobs.plans import Planner
from neptuneml_plugin.service.locations import resolve_folder, resolve_location
from neptuneml_plugin.service.wire.endpoints import ENSEMBLE, SOURCES

#: Below the data root: ensembles, each in a folder that bears its version.
ENSEMBLES = "ensembles"
#: Members of a definition's members of which one names the artifact.
NAMES = tuple(name for name in SOURCES if name != ENSEMBLE)


async def locate(source: tuple[str, Any], planner: Planner) -> str:
    """Return where the artifact lies that a request for an endpoint names; that of an ensemble is written first.

    Args:
        source: the member that names it, and its value.
        planner: knows jobs.

    Raises:
        BadRequest: no such job, it is not completed, or a member of an ensemble is no artifact.
        InvalidSettings: the ensemble has problems; all of them.
    """
    name, value = source
    if name != ENSEMBLE:
        return planner.artifact(name, value)
    return str(await asyncio.to_thread(_write, _definition(value, planner), planner.config))


def _definition(given: Mapping[str, Any], planner: Planner) -> Definition:
    """Read a definition whose members are named as requests name artifacts."""
    problems: list[str] = []
    members = given.get("members")
    found: list[Any] = []
    for at, member in enumerate(members if isinstance(members, list) else []):
        try:
            found.append(_found(member, planner))
        except NeptuneMLError as error:
            problems.append(f"members[{at}]: {error}")
            found.append({"artifact": "/"})
    try:
        definition = read_definition({**given, "members": found} if isinstance(members, list) else given, ENSEMBLE)
    except InvalidSettings as error:
        problems += error.problems
    if problems:
        raise InvalidSettings(ENSEMBLE, problems)
    return definition


def _found(member: Any, planner: Planner) -> dict[str, Any]:
    """Return a member with the folder of its artifact.

    Raises:
        NeptuneMLError: nothing names it, several do, or it may not be read.
    """
    given = member if isinstance(member, dict) else {}
    named = [name for name in NAMES if name in given]
    if len(named) != 1 or not isinstance(given[named[0]], str) or "artifact" in given:
        raise InvalidParameter(f"must be an object that names its artifact by one of {', '.join(NAMES)}, a text")
    location = planner.artifact(named[0], given[named[0]])
    if resolve_location(location, planner.config).is_remote:
        raise UnsupportedOperation(f"{location} is in an S3; fetch it with `neptuneml copy`, and name the folder")
    folder = resolve_folder(location, planner.config)
    return {name: value for name, value in given.items() if name not in NAMES} | {"artifact": str(folder)}


def _write(definition: Definition, config: ServiceConfig) -> Path:
    """Write the folder of an ensemble; one of the same version is replaced by its like."""
    from neptuneml_plugin.ensembles.building import build  # noqa: PLC0415  # numpy, which the service does without

    root = config.data_root / ENSEMBLES
    fresh = root / f".{secrets.token_hex(8)}"
    version = build(definition, fresh, ENSEMBLE).version
    folder = root / version
    shutil.rmtree(folder, ignore_errors=True)
    return fresh.replace(folder)


def remove_ensembles(records: Iterable[EndpointRecord], config: ServiceConfig) -> None:
    """Remove the folders of ensembles that no endpoint has answered with lately, nor is to."""
    used = {location for record in records for location in _locations(record)}
    for folder in (config.data_root / ENSEMBLES).glob("*"):
        if str(folder) not in used:
            shutil.rmtree(folder, ignore_errors=True)


def _locations(record: EndpointRecord) -> set[str]:
    return {record.location, str(record.artifact), *(entry.location for entry in record.versions)}
