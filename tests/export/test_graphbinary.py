"""The typed reader, against what gremlin-python's writer and Java's layouts give."""

import io
import struct
import uuid
from typing import Any

import pytest
from gremlin_python import statics
from gremlin_python.process.traversal import Direction, T, Traverser
from gremlin_python.structure.io.graphbinaryV1 import GraphBinaryWriter

from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.readers.graphbinary import ID, IN, Bulked, TypedReader
from neptuneml_plugin.export.values import java_class, java_text

NOT_NULL = b"\x00"


def read(data: bytes) -> Any:
    return TypedReader().read_object(io.BytesIO(data))


def written(value: Any) -> bytes:
    buffer = bytearray()
    GraphBinaryWriter().to_dict(value, buffer)
    return bytes(buffer)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (7, "Integer"),
        (-(2**31), "Integer"),
        (statics.long(2**40), "Long"),
        (statics.short(3), "Short"),
        (statics.SingleByte(-3), "Byte"),
        (0.5, "Double"),
        ("é\n", "String"),
        (True, "Boolean"),
        (uuid.UUID(int=5), "UUID"),
        (statics.bigint(-(2**70)), "BigInteger"),
        (statics.bigdecimal("-1.50"), "BigDecimal"),
    ],
)
def test_a_value_keeps_its_class(value: Any, name: str) -> None:
    found = read(written(value))
    assert found == value
    assert java_class(found) == name


def test_a_float_is_no_double() -> None:
    found = read(b"\x08" + NOT_NULL + struct.pack(">f", 0.1))
    assert (java_class(found), java_text(found)) == ("Float", "0.1")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x04" + NOT_NULL + struct.pack(">q", 1_500), "1970-01-01T00:00:01.500Z"),
        (b"\x05" + NOT_NULL + struct.pack(">q", -1), "1969-12-31T23:59:59.999Z"),
        (b"\x83" + NOT_NULL + struct.pack(">qi", 1, 5), "1970-01-01T00:00:01.000000005Z"),
        (b"\x88" + NOT_NULL + struct.pack(">iBBqi", 2024, 2, 29, 3_600 * 10**9, 7_200), "2024-02-28T23:00:00Z"),
        (b"\x88" + NOT_NULL + struct.pack(">iBBqi", 1969, 12, 31, 0, 0), "1969-12-31T00:00:00Z"),
    ],
    ids=["Date", "Timestamp", "Instant", "OffsetDateTime", "OffsetDateTime before 1970"],
)
def test_every_date_is_an_instant(data: bytes, text: str) -> None:
    found = read(data)
    assert (java_class(found), java_text(found)) == ("Date", text)


def test_collections_tokens_and_nulls() -> None:
    assert read(written({"a": [1, None, "x"], "b": {2}})) == {"a": [1, None, "x"], "b": [2]}
    assert read(written({T.id: 1, "id": 2})) == {ID: 1, "id": 2}
    assert read(written(Direction.IN)) is IN
    assert read(b"\x01\x01") is None, "a typed null"


def test_a_traverser_carries_its_bulk() -> None:
    found = read(written(Traverser("x", bulk=3)))
    assert isinstance(found, Bulked)
    assert (found.object, found.bulk) == ("x", 3)


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(UnsupportedOperation, match=r"type 0x84.*params\.filter"):
        read(b"\x84" + NOT_NULL)
