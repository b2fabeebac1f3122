"""Locations: a path, `file://` or `s3://` (decision 4): what they may name, and where that lies.

Where an S3 is configured (`NEPTUNEML_S3_ENDPOINT`, else AWS's own `AWS_ENDPOINT_URL_S3`), `s3://` means that one,
with region and credentials from AWS's standard environment. Where none is, `s3://bucket/key` is the folder
`<data root>/s3/bucket/key`, so that clients who write `s3://` run unmodified.
"""

import ipaddress
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from neptuneml_plugin.errors import BadRequest, InvalidSettings

S3_ENDPOINT_VARIABLE = "NEPTUNEML_S3_ENDPOINT"
AWS_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_S3"
#: Value of the variable for AWS itself, at the address of the region.
AWS = "aws"
S3_FOLDER = "s3"
#: Of a location: what Linux takes for a path.
MOST_CHARACTERS = 4096
_S3 = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True)
class Policy:
    """What locations may name, and what `s3://` means."""

    #: The folder that `s3://` is mapped to where no S3 is configured.
    s3_folder: Path
    #: Folders that local locations must lie under; None: any, as on the command line.
    roots: tuple[Path, ...] | None = None
    #: Address of the S3 server, or `aws`; None: no S3 is configured.
    s3_endpoint: str | None = None


@dataclass(frozen=True)
class Place:
    """What a location means here."""

    #: As it was written, and as it is reported.
    location: str
    #: The folder on this machine, symbolic links followed; None: in an S3.
    folder: Path | None = None
    s3_endpoint: str | None = None

    @property
    def is_remote(self) -> bool:
        """Whether its files must be fetched, or published, by way of the network."""
        return self.folder is None

    def child(self, name: str) -> "Place":
        """Return the place of a folder below it, such as a job's own."""
        _check_key(name, name)
        folder = None if self.folder is None else self.folder / name
        return replace(self, location=f"{self.location.rstrip('/')}/{name}", folder=folder)


def policy(data_root: Path, roots: tuple[Path, ...] | None = None) -> Policy:
    """Return the policy of this process's environment.

    Args:
        data_root: where everything is kept.
        roots: folders that local locations must lie under; None: any.

    Raises:
        InvalidSettings: the configured S3 is no address that may be asked.
    """
    return Policy(data_root / S3_FOLDER, roots, s3_endpoint(os.environ))


def s3_endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the configured S3: an address, `aws`, or None.

    Raises:
        InvalidSettings: it is no http address of a host, or one that answers machines' own credentials.
    """
    for variable in (S3_ENDPOINT_VARIABLE, AWS_ENDPOINT_VARIABLE):
        given = environment.get(variable, "").strip()
        if given:
            return given if given == AWS else _checked_endpoint(variable, given)
    return None


def _checked_endpoint(variable: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise InvalidSettings(variable, [f"'{url}' must be '{AWS}' or look like https://s3.example:9000"])
    if _is_link_local(parts.hostname):
        raise InvalidSettings(variable, [f"'{url}' is where clouds keep credentials of machines, and no S3"])
    return url.rstrip("/")


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def resolve(location: str, allowed: Policy) -> Place:
    """Return what a location means; nothing need be there yet.

    Raises:
        BadRequest: it is none that is read here, or lies outside the folders that are allowed.
    """
    if len(location) > MOST_CHARACTERS:  # errors repeat a location, and a body may be large
        raise BadRequest(
            f"location {location[:60]!r} has {len(location):,} characters; at most {MOST_CHARACTERS:,} name one"
        )
    bucket, key = split_s3(location) if location.startswith(_S3) else ("", "")
    if bucket and allowed.s3_endpoint is not None:
        return Place(location, None, allowed.s3_endpoint)
    try:
        path = allowed.s3_folder / bucket / key if bucket else _local_path(location, allowed)
        folder = path.resolve()
        roots = (allowed.s3_folder,) if bucket and allowed.roots is None else allowed.roots
        is_allowed = roots is None or any(folder.is_relative_to(root.resolve()) for root in roots)
    except (ValueError, OSError, RuntimeError) as error:  # a NUL, a name too long, a loop of links
        raise BadRequest(f"location {location!r} cannot be read: {error}") from None
    if not is_allowed:
        raise BadRequest(
            f"location {location!r} lies outside the data root and the allowed paths; "
            f"start the service with `--allow-path {shlex.quote(str(folder))}`, or with a folder above it"
        )
    return Place(location, folder)


def split_s3(location: str) -> tuple[str, str]:
    """Return bucket and key of an `s3://` location, the key without a slash at its end.

    Raises:
        BadRequest: the bucket is no bucket's name, or the key climbs.
    """
    bucket, _, key = location.removeprefix(_S3).partition("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or _is_address(bucket):
        raise BadRequest(f"location {location!r} names no bucket; write s3://bucket/key")
    key = key.removesuffix("/")
    if key:
        _check_key(key, location)
    return bucket, key


def _check_key(key: str, location: str) -> None:
    if _CONTROL.search(key) or any(part in {"", ".", ".."} for part in key.split("/")):
        raise BadRequest(
            f"location {location!r} has an empty, '.' or '..' part, a backslash or a control character in its key"
        )


def _is_address(bucket: str) -> bool:
    try:
        ipaddress.ip_address(bucket)
    except ValueError:
        return False
    return True


def _local_path(location: str, allowed: Policy) -> Path:
    parts = urlsplit(location)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise BadRequest(f"location {location!r} names another machine; write file:///path")
        return Path(unquote(parts.path))
    if "://" in location or (allowed.roots is not None and not location.startswith("/")):
        raise BadRequest(f"location {location!r} is neither an absolute path, nor file://, nor s3://")
    return Path(location)
