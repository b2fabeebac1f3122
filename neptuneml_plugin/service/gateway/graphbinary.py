"""Requests in GraphBinary 1.0: read strictly, rewritten, refused.

Values are stepped over, not built: only what `Found` names is kept. Format:
https://tinkerpop.apache.org/docs/current/dev/io/#graphbinary
"""

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from neptuneml_plugin.service.gateway.messages import GREMLIN_LANG, MAX_DEPTH, Found, Message, Unreadable

_VERSION = 0x81
_STRING, _NULL, _BYTECODE, _LAMBDA = 0x03, 0xFE, 0x15, 0x1D
#: Bytes of values whose length never varies, by the code of their type.
_FIXED = {
    0x01: 4, 0x02: 8, 0x04: 8, 0x05: 8, 0x07: 8, 0x08: 4, 0x0C: 16, 0x24: 1, 0x26: 2, 0x27: 1, 0x81: 12, 0x83: 12,
    0x84: 6, 0x85: 14, 0x86: 8, 0x87: 2, 0x88: 18, 0x89: 12, 0x8A: 12, 0x8B: 4, 0x8C: 5, 0x8D: 18, 0x8E: 4,
}  # fmt: skip
#: Barrier, Cardinality, Column, Direction, Operator, Order, Pick, Pop, Scope, T, Merge, DT, GType: a text each.
_ENUMERATIONS = frozenset({0x13, *range(0x16, 0x1D), 0x1F, 0x20, 0x2E, 0x2F, 0x30})


@dataclass(frozen=True)
class _Argument:
    """Where an argument of a request stands."""

    start: int
    value_start: int
    end: int


@dataclass(frozen=True)
class _Read:
    message: Message
    arguments: dict[str, _Argument]
    #: Where the number of arguments stands.
    count_at: int


def read_request(body: bytes) -> Message:
    """Read a request, without the name of its format.

    Raises:
        Unreadable: it is not one.
    """
    return _read(body).message


def in_gremlin_lang(body: bytes) -> bytes:
    """Return a request that was read, with its script's language replaced."""
    read = _read(body)
    kept = [body[at.start : at.end] for key, at in read.arguments.items() if key != "language"]
    language = _text("language") + _text(GREMLIN_LANG)
    return b"".join([body[: read.count_at], struct.pack(">i", len(kept) + 1), *kept, language])


def refusal(request_id: uuid.UUID, status: int, message: str) -> bytes:
    """Return a response that tells a refusal."""
    text = message.encode()
    empty_map = struct.pack(">i", 0)
    head = bytes([_VERSION, 0]) + request_id.bytes + struct.pack(">ibi", status, 0, len(text)) + text
    return head + empty_map + empty_map + bytes([_NULL, 1])


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">BBi", _STRING, 0, len(encoded)) + encoded


def _read(body: bytes) -> _Read:
    reader = _Reader(body)
    if reader.take(1)[0] != _VERSION:
        raise Unreadable("is not of GraphBinary 1.0")
    request_id = uuid.UUID(bytes=reader.take(16))
    op, processor = reader.text(), reader.text()
    count_at = reader.at
    arguments = _arguments(reader)
    if reader.at != len(body):
        raise Unreadable("goes on after its end")
    message = Message(
        request_id,
        op,
        processor,
        _text_argument(body, arguments, "language"),
        _text_argument(body, arguments, "gremlin") if op == "eval" else None,
        reader.found,
    )
    return _Read(message, arguments, count_at)


def _arguments(reader: "_Reader") -> dict[str, _Argument]:
    arguments: dict[str, _Argument] = {}
    for _ in range(reader.count()):
        start = reader.at
        if reader.take(2) != bytes([_STRING, 0]):
            raise Unreadable("has an argument whose name is no text")
        name = reader.text()
        value_start = reader.at
        reader.value(0)
        if name in arguments:
            raise Unreadable("has an argument twice")
        arguments[name] = _Argument(start, value_start, reader.at)
    return arguments


def _text_argument(body: bytes, arguments: dict[str, _Argument], name: str) -> str | None:
    if name not in arguments:
        return None
    reader = _Reader(body)
    reader.at = arguments[name].value_start
    code, is_null = reader.take(2)
    if is_null:
        return None
    if code != _STRING:
        raise Unreadable(f"has an argument '{name}' that is no text")
    return reader.text()


class _Reader:
    """Steps over values and notes what they hold."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.found = Found()

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise Unreadable(f"ends at byte {len(self.data)}, amid a value")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def count(self) -> int:
        """Return a number of bytes or of items."""
        number: int = struct.unpack(">i", self.take(4))[0]
        if number < 0:
            raise Unreadable(f"has a negative length before byte {self.at}")
        return number

    def text(self) -> str:
        """Return a text without the code of its type."""
        try:
            return self.take(self.count()).decode()
        except UnicodeDecodeError:
            raise Unreadable(f"has a text before byte {self.at} that is no UTF-8") from None

    def value(self, depth: int) -> None:
        """Step over a value with the code of its type."""
        if depth > MAX_DEPTH:
            raise Unreadable(f"is nested more than {MAX_DEPTH} deep")
        code, flag = self.take(2)
        if flag == 1:
            return
        if flag or code == _NULL:
            raise Unreadable(f"has a value before byte {self.at} that is neither there nor null")
        if code in _FIXED:
            self.take(_FIXED[code])
        elif code in _ENUMERATIONS:
            self.value(depth + 1)
        elif code in _READS:
            _READS[code](self, depth + 1)
        else:
            raise Unreadable(f"holds a value of GraphBinary type 0x{code:02x}, which requests have no use for")

    def values(self, number: int, depth: int) -> None:
        """Step over several values."""
        for _ in range(number):
            self.value(depth)


def _list(reader: _Reader, depth: int) -> None:
    reader.values(reader.count(), depth)


def _map(reader: _Reader, depth: int) -> None:
    reader.values(2 * reader.count(), depth)


def _bulk_set(reader: _Reader, depth: int) -> None:
    for _ in range(reader.count()):
        reader.value(depth)
        reader.take(8)


def _string(reader: _Reader, _: int) -> None:
    reader.text()


def _bytes(reader: _Reader, _: int) -> None:
    reader.take(reader.count())


def _class(reader: _Reader, _: int) -> None:
    reader.found.classes.add(reader.text())


def _lambda(reader: _Reader, _: int) -> None:
    reader.found.lambdas = True
    reader.text()
    reader.text()
    reader.take(4)


def _bytecode(reader: _Reader, depth: int) -> None:
    for _ in ("steps", "sources"):
        for _ in range(reader.count()):
            reader.found.steps.add(reader.text())
            reader.values(reader.count(), depth)


def _strategy(reader: _Reader, depth: int) -> None:
    _class(reader, depth)
    _map(reader, depth)


def _predicate(reader: _Reader, depth: int) -> None:
    reader.text()
    reader.values(reader.count(), depth)


def _binding(reader: _Reader, depth: int) -> None:
    reader.text()
    reader.value(depth)


def _traverser(reader: _Reader, depth: int) -> None:
    reader.take(8)
    reader.value(depth)


def _decimal(reader: _Reader, depth: int) -> None:
    reader.take(4)
    _bytes(reader, depth)


def _character(reader: _Reader, _: int) -> None:
    first = reader.take(1)[0]
    if 0x80 <= first < 0xC0:
        raise Unreadable(f"has a character before byte {reader.at} that is no UTF-8")
    reader.take(0 if first < 0x80 else 1 if first < 0xE0 else 2 if first < 0xF0 else 3)


def _vertex(reader: _Reader, depth: int) -> None:
    reader.value(depth)
    reader.text()
    reader.value(depth)


def _edge(reader: _Reader, depth: int) -> None:
    for _ in ("edge", "in vertex", "out vertex"):
        reader.value(depth)
        reader.text()
    reader.values(2, depth)


def _property(reader: _Reader, depth: int) -> None:
    reader.text()
    reader.values(2, depth)


def _vertex_property(reader: _Reader, depth: int) -> None:
    reader.value(depth)
    reader.text()
    reader.values(3, depth)


def _path(reader: _Reader, depth: int) -> None:
    reader.values(2, depth)


_READS: dict[int, Callable[[_Reader, int], None]] = {
    _STRING: _string,
    0x06: _class,
    0x09: _list,
    0x0A: _map,
    0x0B: _list,
    0x0D: _edge,
    0x0E: _path,
    0x0F: _property,
    0x11: _vertex,
    0x12: _vertex_property,
    0x14: _binding,
    _BYTECODE: _bytecode,
    _LAMBDA: _lambda,
    0x1E: _predicate,
    0x21: _traverser,
    0x22: _decimal,
    0x23: _bytes,
    0x25: _bytes,
    0x28: _predicate,
    0x29: _strategy,
    0x2A: _bulk_set,
    0x80: _character,
    0x82: _bytes,
}
