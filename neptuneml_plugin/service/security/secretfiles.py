"""Files that hold the service's secrets: read once at the start, refused where others may read them."""

import os
import stat
from pathlib import Path

from neptuneml_plugin.config import DATA_ROOT_VARIABLE, SERVICE_TOKEN_VARIABLE, ServiceConfig, load_document
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.gremlin_login import PASSWORD_VARIABLE, USER_VARIABLE, Login

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


def gremlin_login(config: ServiceConfig) -> Login | None:
    """Return who the service is to the Gremlin Server: by its settings, else by its environment; None: nobody.

    Raises:
        InvalidSettings: a name without a password, the reverse, or a file that cannot be used.
    """
    user = config.gremlin_user or os.environ.get(USER_VARIABLE)
    file = config.gremlin_password_file
    password = _read_password(file) if file else os.environ.get(PASSWORD_VARIABLE)
    if bool(user) != bool(password):
        missing = f"a password ({PASSWORD_VARIABLE}, or a file of it)" if user else f"a name ({USER_VARIABLE})"
        raise InvalidSettings("the Gremlin Server's login", [f"lacks {missing}"])
    return Login(user, password) if user and password else None


def _read_password(path: Path) -> str:
    check_private(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InvalidSettings(str(path), ["cannot be read as text"]) from None
    if len(lines) != 1 or not lines[0]:
        raise InvalidSettings(str(path), ["must hold the password alone, on one line"])
    return lines[0]


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
    """Return the environment for processes that the service starts: its data root, and none of its secrets."""
    secrets = {SERVICE_TOKEN_VARIABLE, USER_VARIABLE, PASSWORD_VARIABLE}
    kept = {name: value for name, value in os.environ.items() if name not in secrets}
    return kept | {DATA_ROOT_VARIABLE: str(config.data_root.absolute())}
