"""Files that hold the service's secrets: read once at the start, refused where others may read them."""

import os
import stat
from pathlib import Path

from neptuneml_plugin.config import DATA_ROOT_VARIABLE, SERVICE_TOKEN_VARIABLE, ServiceConfig, load_document
from neptuneml_plugin.errors import InvalidSettings

#: Where container engines mount secrets: files there belong to one container, whatever their mode.
MOUNTED_SECRETS = Path("/run/secrets")


def read_token(path: Path) -> str:
    """Return the token that a file holds: its only line.

    Raises:
        InvalidSettings: unreadable, open to others, empty, or of more than one word.
    """
    check_private(path)
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        raise InvalidSettings(str(path), ["cannot be read as ASCII text"]) from None
    if len(words) != 1:
        raise InvalidSettings(str(path), ["must hold the token alone, one word on one line"])
    return words[0]


def read_keys(path: Path) -> dict[str, str]:
    """Return the access keys of a YAML or JSON file with their secrets.

    Raises:
        InvalidSettings: unreadable, open to others, or not one mapping of texts.
    """
    check_private(path)
    keys = load_document(path)
    if not keys or not all(isinstance(text, str) and text for pair in keys.items() for text in pair):
        raise InvalidSettings(str(path), ["must map access keys to their secrets, such as `AKIDEXAMPLE: secret`"])
    return keys


def check_private(path: Path) -> None:
    """Refuse a file of secrets that is open to others than its owner.

    Raises:
        InvalidSettings: missing, or its mode lets group or others in.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise InvalidSettings(str(path), [f"cannot be read: {error.strerror}"]) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not path.is_relative_to(MOUNTED_SECRETS):
        raise InvalidSettings(str(path), [f"is open to others (mode {mode & 0o777:o}); run `chmod 600 {path}`"])


def child_environment(config: ServiceConfig) -> dict[str, str]:
    """Return the environment for processes that the service starts: its data root, without its callers' secret."""
    kept = {name: value for name, value in os.environ.items() if name != SERVICE_TOKEN_VARIABLE}
    return kept | {DATA_ROOT_VARIABLE: str(config.data_root.absolute())}
