"""Collects what is wrong with a request, so that it is said all at once."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from neptuneml_plugin.errors import InvalidSettings, UnsupportedOperation, nearest


class Problems:
    """What is invalid, and what is known but not offered; each with the path of its member."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._invalid: list[str] = []
        self._unsupported: list[str] = []

    def invalid(self, path: str, message: str) -> None:
        """Note a member that cannot be right."""
        self._invalid.append(f"{path}: {message}")

    def unsupported(self, path: str, message: str = "is not offered by this release") -> None:
        """Note a member that Neptune knows and this release does not do."""
        self._unsupported.append(f"{path}: {message}")

    def check_members(self, value: Mapping[str, Any], allowed: Iterable[str], path: str) -> None:
        """Note members that do not exist."""
        names = set(allowed)
        for key in value:
            if key not in names:
                place = f"{path}.{key}" if path else str(key)
                self.invalid(place, f"unknown member{nearest(str(key), names)}")

    def raise_if_any(self) -> None:
        """Raise what has been noted.

        Raises:
            InvalidSettings: something is invalid; it names what is not offered too.
            UnsupportedOperation: everything is valid, but something is not offered.
        """
        if self._invalid:
            raise InvalidSettings(self._source, [*self._invalid, *self._unsupported])
        if self._unsupported:
            raise UnsupportedOperation(f"{self._source}: " + "; ".join(self._unsupported))


def as_json(value: Any) -> Any:
    """Return the value if JSON can hold it, else its text: YAML has dates and infinities."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return ascii(value)
    return value


def is_text(value: Any) -> TypeGuard[str]:
    """Whether the value is a text, not empty, that a file in UTF-8 can hold: JSON knows half characters too."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
