"""Values as Java knows them: their class, Neptune's data type, and their text, which is what a CSV cell holds.

Decoded values keep their Java class as a Python type: `int` is Integer, `float` is Double, and the wrappers of
`gremlin_python.statics` (`long`, `short`, `SingleByte`, …), `Float` and `Instant` stand for the others.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from gremlin_python import statics

from neptuneml_plugin.cells import texts

NANOS_PER_SECOND = 1_000_000_000
BOOLEAN, STRING, DATE = "Boolean", "String", "Date"
#: In widening order: of two types the later one holds both.
NUMBERS = ("Byte", "Short", "Integer", "Long", "Float", "Double")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Float(float):
    """A number of Java's 32-bit class."""


class Instant(str):
    """A moment as ISO-8601 text in UTC, as Java's `Instant.toString` writes it."""

    __slots__ = ()

    @classmethod
    def of(cls, seconds: int, nanos: int = 0) -> "Instant":
        """Return the moment `seconds` and `nanos` (0..999999999) after 1970-01-01T00:00:00Z."""
        text = str(np.datetime64(seconds, "s"))
        if len(text) > len("2020-01-01T00:00:00") and text[0] != "-":
            text = "+" + text
        for scale, digits in ((NANOS_PER_SECOND, 0), (1_000_000, 3), (1_000, 6), (1, 9)):
            if nanos % scale == 0:
                return cls(f"{text}.{nanos // scale:0{digits}}Z" if digits else f"{text}Z")
        raise ValueError(f"{nanos} is not a whole number of nanoseconds")

    @classmethod
    def of_datetime(cls, moment: dt.datetime) -> "Instant":
        """Return `moment`, taken as UTC where it has no zone."""
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        micros = (aware - _EPOCH) // dt.timedelta(microseconds=1)
        return cls.of(micros // 1_000_000, micros % 1_000_000 * 1_000)


def java_class(value: Any) -> str:
    """Return the simple name of the value's Java class, such as `Integer` or `UUID`."""
    return _kind(type(value)).name


def java_text(value: Any) -> str:
    """Return the value as Java's `toString` writes it; see `cells.texts`."""
    return _kind(type(value)).text(value)


def data_type(value: Any) -> str:
    """Return a value's data type; every class beside Neptune's counts as String."""
    return _kind(type(value)).data_type


def storage(data_type: str) -> type[pl.DataType]:
    """Return how values of a data type stand in a column before they become texts."""
    if data_type not in NUMBERS:
        return pl.String
    return {"Float": pl.Float32, "Double": pl.Float64}.get(data_type, pl.Int64)


def stored(value: Any) -> tuple[str, Any]:
    """Return a value's data type, and what stands for the value in a column of its `storage`."""
    kind = _kind(type(value))
    return kind.data_type, value if kind.is_number else kind.text(value)


def _float_text(value: float) -> str:
    return str(texts(pl.Series([value], dtype=storage(java_class(value))))[0])


def _duration(value: dt.timedelta) -> str:
    """Return the text of Java's `Duration`, such as `PT1H-0.5S`: days count as hours."""
    micros = value // dt.timedelta(microseconds=1)
    sign = -1 if micros < 0 else 1
    minutes, micros = divmod(abs(micros), 60_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{Decimal(micros).scaleb(-6).normalize():f}"
    parts = [f"{sign * hours}H" if hours else "", f"{sign * minutes}M" if minutes else ""]
    if micros or not any(parts):
        parts.append(f"{'-' if sign < 0 else ''}{seconds}S")
    return "PT" + "".join(parts)


def _map(value: dict[Any, Any]) -> str:
    return "{" + ", ".join(f"{java_text(key)}={java_text(item)}" for key, item in value.items()) + "}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A Java class: its simple name, and its `toString`."""

    name: str
    text: Callable[[Any], str] = str
    data_type: str = field(init=False)
    is_number: bool = field(init=False)

    def __post_init__(self) -> None:
        known = self.name in {*NUMBERS, BOOLEAN, DATE}
        object.__setattr__(self, "data_type", self.name if known else STRING)
        object.__setattr__(self, "is_number", self.name in NUMBERS)


_KINDS: dict[type, _Kind] = {
    type(None): _Kind("Null", lambda _: "null"),
    bool: _Kind("Boolean", lambda value: "true" if value else "false"),
    int: _Kind("Integer"),
    statics.long: _Kind("Long"),
    statics.short: _Kind("Short"),
    statics.SingleByte: _Kind("Byte"),
    statics.bigint: _Kind("BigInteger"),
    statics.BigDecimal: _Kind("BigDecimal"),
    Decimal: _Kind("BigDecimal"),
    float: _Kind("Double", _float_text),
    Float: _Kind("Float", _float_text),
    str: _Kind("String"),
    statics.SingleChar: _Kind("Character"),
    uuid.UUID: _Kind("UUID"),
    Instant: _Kind("Date"),
    dt.datetime: _Kind("Date", Instant.of_datetime),
    dt.timedelta: _Kind("Duration", _duration),
    list: _Kind("List", lambda value: "[" + ", ".join(map(java_text, value)) + "]"),
    dict: _Kind("Map", _map),
}


def _kind(kind: type) -> _Kind:
    return _KINDS.get(kind) or _Kind(kind.__name__)
