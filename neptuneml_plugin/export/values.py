"""Values as Java knows them: their class and their text, which is what a CSV cell holds.

Decoded values keep their Java class as a Python type: `int` is Integer, `float` is Double, and the wrappers of
`gremlin_python.statics` (`long`, `short`, `SingleByte`, …), `Float` and `Instant` stand for the others.
"""

import datetime as dt
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
from gremlin_python import statics

NANOS_PER_SECOND = 1_000_000_000
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
    return _kind(type(value))[0]


def java_text(value: Any) -> str:
    """Return the value as Java's `toString` writes it; dates as ISO-8601 instants in UTC."""
    return _kind(type(value))[1](value)


def _double(value: float) -> str:
    return _number(value, repr(value))


def _float(value: Float) -> str:
    return _number(value, str(np.float32(value)))


def _number(value: float, shortest: str) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = Decimal(shortest).as_tuple()
    if value == 0 or (1e-3 <= abs(value) < 1e7):
        plain = f"{Decimal(shortest):f}"
        return plain if "." in plain else plain + ".0"
    mantissa = "".join(map(str, digits)).rstrip("0")
    power = int(exponent) + len(digits) - 1
    return f"{'-' * sign}{mantissa[0]}.{mantissa[1:] or '0'}E{power}"


_KINDS: dict[type, tuple[str, Callable[[Any], str]]] = {
    bool: ("Boolean", lambda value: "true" if value else "false"),
    int: ("Integer", str),
    statics.long: ("Long", str),
    statics.short: ("Short", str),
    statics.SingleByte: ("Byte", str),
    statics.bigint: ("BigInteger", str),
    statics.BigDecimal: ("BigDecimal", str),
    Decimal: ("BigDecimal", str),
    float: ("Double", _double),
    Float: ("Float", _float),
    str: ("String", str),
    statics.SingleChar: ("Character", str),
    uuid.UUID: ("UUID", str),
    Instant: ("Date", str),
    dt.datetime: ("Date", Instant.of_datetime),
    dt.timedelta: ("Duration", str),
}


def _kind(kind: type) -> tuple[str, Callable[[Any], str]]:
    return _KINDS.get(kind) or (kind.__name__, str)
