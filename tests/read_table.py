"""A plain reader of `table.bin`, written from `docs/wire.md`, section 5, alone."""

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import xxhash

HEAD = struct.Struct("<8sqqq")


@dataclass(frozen=True)
class Table:
    """A table's parts."""

    header: dict[str, Any]
    hashes: tuple[int, ...]
    #: Per hash its answers, best first: (value, score), or (value, None).
    rows: tuple[tuple[tuple[Any, float | None], ...], ...]

    def answers(self, name: str) -> tuple[tuple[Any, float | None], ...] | None:
        """Return the answers of an id; None for an unknown one."""
        hashed = xxhash.xxh64_intdigest(name.encode())
        return self.rows[self.hashes.index(hashed)] if hashed in self.hashes else None


def read_table(content: bytes) -> Table:
    """Read every part, and nothing beyond."""
    magic, count, k, length = HEAD.unpack_from(content)
    if magic != b"NMLTAB01" or length % 8:
        raise ValueError("no table")
    header = json.loads(content[HEAD.size : HEAD.size + length])
    at = HEAD.size + length
    hashes = struct.unpack_from(f"<{count}Q", content, at)
    entries = content[at + 8 * count :]
    if len(entries) != 8 * count * k:
        raise ValueError(f"{len(entries)} bytes of entries for {count} rows of {k}")
    each = [_entry(header, entries[start : start + 8]) for start in range(0, len(entries), 8)]
    rows = (each[row * k : (row + 1) * k] for row in range(count))
    return Table(header, hashes, tuple(tuple(pair for pair in row if pair is not None) for row in rows))


def _entry(header: dict[str, Any], entry: bytes) -> tuple[Any, float | None] | None:
    if header["kind"] == "classes":
        position, score = struct.unpack("<if", entry)
        return None if position == -1 else (header["classes"][position], score)
    (value,) = struct.unpack("<d", entry)
    return None if math.isnan(value) else (value, None)
