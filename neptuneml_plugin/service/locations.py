"""Where clients' locations lie on this machine (decision 4)."""

import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import BadRequest, InvalidParameter

S3_FOLDER = "s3"


def resolve_folder(location: str, config: ServiceConfig) -> Path:
    """Return the existing folder that a path, `file://` or `s3://` location names, symbolic links followed.

    Raises:
        InvalidParameter: not a location that this service reads.
        BadRequest: outside the data root and the allowed paths, or no folder.
    """
    path = resolve(location, config)
    try:
        is_folder = path.is_dir()
    except (ValueError, OSError) as error:
        raise InvalidParameter(f"location {location!r} cannot be read: {error}") from None
    if not is_folder:
        raise BadRequest(f"location {location!r} is not a folder (looked for {path})")
    return path


def resolve(location: str, config: ServiceConfig) -> Path:
    """Return where a location lies, symbolic links followed, whether or not anything is there.

    Raises:
        InvalidParameter: not a location that this service reads or writes.
        BadRequest: outside the data root and the allowed paths.
    """
    try:
        path = _path(location, config).resolve()
        allowed = any(path.is_relative_to(root.resolve()) for root in (config.data_root, *config.allow_paths))
    except (ValueError, OSError, RuntimeError) as error:  # a NUL, a name too long, a loop of links
        raise InvalidParameter(f"location {location!r} cannot be read: {error}") from None
    if not allowed:
        raise BadRequest(
            f"location {location!r} lies outside the data root {config.data_root} and the allowed paths; "
            f"start the service with `--allow-path {shlex.quote(str(path))}`, or with a folder above it"
        )
    return path


def _path(location: str, config: ServiceConfig) -> Path:
    parts = urlsplit(location)
    if parts.scheme == "s3":
        return config.data_root / S3_FOLDER / parts.netloc / parts.path.lstrip("/")
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise InvalidParameter(f"location {location!r} names another machine; write file:///path")
        return Path(unquote(parts.path))
    if not location.startswith("/"):
        raise InvalidParameter(f"location {location!r} is neither an absolute path, nor file://, nor s3://")
    return Path(location)
