"""What clients' locations may name (decision 4)."""

import secrets
from pathlib import Path

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import BadRequest, UnsupportedOperation
from neptuneml_plugin.locations import Place, Policy, policy, resolve

#: Below the data root: artifacts of endpoints whose locations are in an S3.
FETCHED = "fetched"


def client_policy(config: ServiceConfig) -> Policy:
    """Return what clients of this service may name: the data root, the allowed paths, and S3."""
    return policy(config.data_root, (config.data_root, *config.allow_paths))


def resolve_location(location: str, config: ServiceConfig) -> Place:
    """Return what a client's location means.

    Raises:
        BadRequest: not a location that this service reads, or outside the data root and the allowed paths.
    """
    return resolve(location, client_policy(config))


def resolve_folder(location: str, config: ServiceConfig) -> Path:
    """Return the existing folder that a location names; for one in an S3, a fresh one that it may be fetched to.

    Raises:
        BadRequest: not a location that this service reads, outside the data root and the allowed paths, or no
            folder.
    """
    place = resolve_location(location, config)
    if place.folder is None:
        return config.data_root / FETCHED / secrets.token_hex(8)
    try:
        is_folder = place.folder.is_dir()
    except OSError as error:  # a name too long
        raise BadRequest(f"location {location!r} cannot be read: {error}") from None
    if not is_folder:
        raise BadRequest(f"location {location!r} is not a folder (looked for {place.folder})")
    return place.folder


def resolve_file(location: str, config: ServiceConfig) -> Path:
    """Return where a file lies that a client names, whether or not anything is there.

    Raises:
        BadRequest: not a location that this service reads or writes, or outside the data root and the allowed
            paths.
        UnsupportedOperation: in an S3.
    """
    place = resolve_location(location, config)
    if place.folder is None:
        raise UnsupportedOperation(
            f"{location} is in an S3, from which folders are read but no single files; name a file on this machine"
        )
    return place.folder
