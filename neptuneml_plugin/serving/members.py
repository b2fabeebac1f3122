"""The members of a JSON body, each checked as it is read; what is wrong is refused by name."""

from collections.abc import Collection, Mapping
from typing import Any

from neptuneml_plugin.errors import InvalidParameter, MissingParameter, nearest


def known(given: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    """Refuse members that are not allowed.

    Raises:
        InvalidParameter: there is one.
    """
    for name in given:
        if name not in allowed:
            raise InvalidParameter(f"unknown member '{name}' in {where}{nearest(name, allowed)}")


def required(given: Mapping[str, Any], name: str, where: str) -> Any:
    """Return a member that must be there.

    Raises:
        MissingParameter: it is absent, or null.
    """
    if given.get(name) is None:
        raise MissingParameter(f"{where} lacks '{name}'")
    return given[name]


def json_object(value: Any, where: str) -> dict[str, Any]:
    """Return an object.

    Raises:
        InvalidParameter: it is none.
    """
    if not isinstance(value, dict):
        raise InvalidParameter(f"{where} must be a JSON object, not {shown(value)}")
    return value


def json_list(value: Any, where: str) -> list[Any]:
    """Return a list.

    Raises:
        InvalidParameter: it is none.
    """
    if not isinstance(value, list):
        raise InvalidParameter(f"{where} must be a list, not {shown(value)}")
    return value


def text(value: Any, where: str) -> str:
    """Return a text.

    Raises:
        InvalidParameter: it is none, or cannot be written as UTF-8.
    """
    if not isinstance(value, str):
        raise InvalidParameter(f"{where} must be a text, not {shown(value)}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidParameter(f"{where} holds half a surrogate pair, which no UTF-8 text can")
    return value


def texts(value: Any, where: str) -> list[str]:
    """Return a list of texts.

    Raises:
        InvalidParameter: it is none.
    """
    if not isinstance(value, list):
        raise InvalidParameter(f"{where} must be a list of texts, not {shown(value)}")
    if not all_ascii(value):
        for entry in value:
            text(entry, where)
    return value


def all_ascii(values: list[Any]) -> bool:
    """Return whether all are ASCII texts: nearly always so, and a tenth of the time of asking each."""
    try:
        return "".join(values).isascii()
    except TypeError:
        return False


def all_texts(values: list[Any]) -> bool:
    """Return whether all are texts that can be written as UTF-8."""
    try:
        "".join(values).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def flag(value: Any, where: str) -> bool:
    """Return true or false.

    Raises:
        InvalidParameter: it is neither.
    """
    if not isinstance(value, bool):
        raise InvalidParameter(f"{where} must be true or false, not {shown(value)}")
    return value


def same_length(columns: Mapping[str, Any], where: str) -> int:
    """Return how long the lists of `where` are, 0 where there are none.

    Raises:
        InvalidParameter: not all are equally long.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidParameter(f"the lists of {where} must be equally long, not {lengths}")
    return next(iter(lengths.values()), 0)


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    written = repr(value)
    return written if len(written) <= 60 else written[:57] + "..."
