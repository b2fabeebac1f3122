"""A reader of GraphBinary that keeps Java's classes, which gremlin-python's own reader forgets.

That one turns Byte, Short, Integer and Long into `int`, Float and Double into `float`, and does not know Instant;
an export needs the class of every id and property (decisions 17 and 30). It also reads maps, lists and traversers
about twice as fast. Format: https://tinkerpop.apache.org/docs/current/dev/io/#graphbinary
"""

import struct
from collections.abc import Callable
from typing import Any, Protocol

from gremlin_python import statics
from gremlin_python.structure.io.graphbinaryV1 import DataType, GraphBinaryReader

from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.values import NANOS_PER_SECOND, Float, Instant

_NULL = 0xFE


class Token:
    """A member of an enumeration (`T.id`, `Direction.OUT`), told from a property key of the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


ID, LABEL, OUT, IN = Token("T.id"), Token("T.label"), Token("Direction.OUT"), Token("Direction.IN")
_TOKENS = {b"id": ID, b"label": LABEL, b"OUT": OUT, b"IN": IN}


class Bulked:
    """A result and how often it stands in the answer."""

    __slots__ = ("bulk", "object")

    def __init__(self, item: Any, bulk: int) -> None:
        self.object = item
        self.bulk = bulk


class Buffer(Protocol):
    """Bytes to read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""


_Read = Callable[[Buffer, "TypedReader"], Any]


class TypedReader(GraphBinaryReader):  # type: ignore[misc]  # gremlin-python has no types
    """Reads values as `values` describes them, and tokens as `ID`, `LABEL`, `OUT`, `IN`."""

    def __init__(self) -> None:
        super().__init__({kind: _Deserializer(read) for kind, read in _READS.items()})
        self._by_code = {kind.value: entry.objectify for kind, entry in self.deserializers.items()}

    def read_object(self, b: Any) -> Any:
        """Read the next value with its type."""
        return self.to_object(b)

    def to_object(self, buff: Buffer, data_type: Any = None, nullable: bool = True) -> Any:  # noqa: FBT001, FBT002
        """Read the next value, of a type given or read first."""
        if data_type is not None:
            return self.deserializers[data_type].objectify(buff, self, nullable)
        code = buff.read(1)[0]
        if code == _NULL:
            buff.read(1)
            return None
        objectify = self._by_code.get(code)
        if objectify is None:
            raise UnsupportedOperation(
                f"the server sent a value of GraphBinary type 0x{code:02x}, which cannot be exported; leave its "
                "property out with params.filter"
            )
        return objectify(buff, self, nullable)


class _Deserializer:
    """One entry of gremlin-python's table of readers."""

    def __init__(self, read: _Read) -> None:
        self._read = read

    def objectify(self, buff: Buffer, reader: TypedReader, nullable: bool = True) -> Any:  # noqa: FBT001, FBT002
        if nullable and buff.read(1)[0]:
            return None
        return self._read(buff, reader)


_int32 = struct.Struct(">i").unpack
_OFFSET_DATE_TIME = struct.Struct(">iBBqi")
_INSTANT = struct.Struct(">qi")


def _scalar(layout: str, kind: Callable[[Any], Any]) -> _Read:
    packed = struct.Struct(layout)
    size, unpack = packed.size, packed.unpack
    return lambda buff, _: kind(unpack(buff.read(size))[0])


def _read_string(buff: Buffer, _: TypedReader) -> str:
    return buff.read(_int32(buff.read(4))[0]).decode()


def _read_bytes(buff: Buffer, _: TypedReader) -> bytes:
    return buff.read(_int32(buff.read(4))[0])


def _read_big_integer(buff: Buffer, _: TypedReader) -> statics.bigint:
    return statics.bigint(int.from_bytes(buff.read(_int32(buff.read(4))[0]), "big", signed=True))


def _read_list(buff: Buffer, reader: TypedReader) -> list[Any]:
    read = reader.to_object
    return [read(buff) for _ in range(_int32(buff.read(4))[0])]


def _read_map(buff: Buffer, reader: TypedReader) -> dict[Any, Any]:
    read = reader.to_object
    return {read(buff): read(buff) for _ in range(_int32(buff.read(4))[0])}


def _read_traverser(buff: Buffer, reader: TypedReader) -> Bulked:
    bulk = int.from_bytes(buff.read(8), "big")
    return Bulked(reader.to_object(buff), bulk)


def _read_token(buff: Buffer, _: TypedReader) -> Any:
    buff.read(2)  # an enumeration's value is a whole string, with type and null flag
    name = buff.read(_int32(buff.read(4))[0])
    return _TOKENS.get(name) or Token(name.decode())


def _read_date(buff: Buffer, _: TypedReader) -> Instant:
    seconds, millis = divmod(int.from_bytes(buff.read(8), "big", signed=True), 1000)
    return Instant.of(seconds, millis * 1_000_000)


def _read_instant(buff: Buffer, _: TypedReader) -> Instant:
    return Instant.of(*_INSTANT.unpack(buff.read(_INSTANT.size)))


def _read_offset_date_time(buff: Buffer, _: TypedReader) -> Instant:
    year, month, day, nanos, offset = _OFFSET_DATE_TIME.unpack(buff.read(_OFFSET_DATE_TIME.size))
    seconds, nanos = divmod(nanos, NANOS_PER_SECOND)
    return Instant.of(_days(year, month, day) * 86_400 + seconds - offset, nanos)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar, for any year."""
    shifted = year - (month <= 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


_READS: dict[Any, _Read] = {
    DataType.int: _scalar(">i", int),
    DataType.long: _scalar(">q", statics.long),
    DataType.short: _scalar(">h", statics.short),
    DataType.byte: _scalar(">b", statics.SingleByte),
    DataType.bytebuffer: _read_bytes,
    DataType.biginteger: _read_big_integer,
    DataType.double: _scalar(">d", float),
    DataType.float: _scalar(">f", Float),
    DataType.string: _read_string,
    DataType.list: _read_list,
    DataType.set: _read_list,
    DataType.map: _read_map,
    DataType.traverser: _read_traverser,
    DataType.t: _read_token,
    DataType.direction: _read_token,
    DataType.date: _read_date,
    DataType.timestamp: _read_date,
    DataType.instant: _read_instant,
    DataType.offsetdatetime: _read_offset_date_time,
}
