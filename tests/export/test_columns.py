"""Blocks as the plugin sends them: what is read is what was sent, whatever the values are."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.export.block import Block, BlockBuilder
from neptuneml_plugin.export.consistency import State
from neptuneml_plugin.export.elements import Row
from neptuneml_plugin.export.readers.columns import is_block, read_block, read_state

#: What a row may hold: absent, one value, or several.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.one_of(TEXTS, st.floats(), st.booleans(), st.integers(-(2**31), 2**31 - 1))
#: How numbers travel, as `struct` calls it.
CODES = {"Double": "d", "Float": "f", "Long": "q", "Integer": "i", "Short": "h", "Byte": "b"}
ROWS = st.lists(st.none() | VALUES | st.lists(VALUES, max_size=3), min_size=1, max_size=12)

#: Of two edges, as the plugin sends them.
ENDS = {
    "label": "knows",
    "sourceLabel": "B::A",
    "sourceIdType": "UUID",
    "sources": "\0a\0b",
    "targetLabel": "C",
    "targetIdType": "String",
    "targets": "\0c\0",
}


def joined(texts: list[str]) -> str:
    separator = next(sign for sign in map(chr, range(0xD800)) if not any(sign in text for text in texts))
    return "".join(separator + text for text in texts)


def sent(rows: list[Any], /, **members: Any) -> dict[str, Any]:
    """Return a block of one property as the plugin makes it."""
    parts: dict[str, list[Any]] = {}
    sizes, codes = [], []
    for row in rows:
        values = row if isinstance(row, list) else [row]
        sizes.append(-1 if row is None else len(values))
        for value in values if row is not None else ():
            kind = {str: "String", float: "Double", bool: "Boolean", int: "Integer"}[type(value)]
            parts.setdefault(kind, []).append(value)
            codes.append(list(parts).index(kind))
    encoded = [
        struct.pack(f">{len(values)}{CODES[kind]}", *values)
        if kind in CODES
        else joined(list(map(written, values)))
        for kind, values in parts.items()
    ]
    column: dict[str, Any] = {"key": "x", "types": list(parts), "values": encoded}
    if any(size != 1 for size in sizes):
        column["sizes"] = struct.pack(f">{len(sizes)}i", *sizes)
    if len(parts) > 1:
        column["codes"] = bytes(codes)
    known = {"version": 2, "rows": len(rows), "label": "Thing", "idType": "Integer"}
    ids = {"ids": struct.pack(f">{len(rows)}i", *range(len(rows)))}
    return known | ids | {"properties": [column] if any(row is not None for row in rows) else []} | members


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def plain(rows: list[Any]) -> Block:
    builder = BlockBuilder()
    for number, row in enumerate(rows):
        builder.add(Row(number, "Thing", (), {} if row is None else {"x": row}))
    return next(builder.blocks())


def told(block: Block) -> list[Any]:
    types = [cells.types if isinstance(cells.types, str) else cells.types.to_list() for cells in block.properties]
    columns = [(cells.name, cells.values.to_list()) for cells in block.properties]
    return [block.type, block.id_type, block.ids.to_list(), [end.to_list() for end in block.ends], columns, types]


@settings(deadline=None)
@given(ROWS)
def test_a_block_is_that_of_the_plain_reader(rows: list[Any]) -> None:
    assert told(read_block(sent(rows))) == told(plain(rows))


def test_an_edge_has_its_ends() -> None:
    block = read_block(sent([1, 2], **ENDS))
    assert block.type == EdgeType("A;B", "knows", "C")
    assert [end.to_list() for end in block.ends] == [["a", "b"], ["c", ""]]


@pytest.mark.parametrize(
    ("kind", "numbers", "texts"),
    [
        ("Long", [-(2**63), 2**63 - 1], ["-9223372036854775808", "9223372036854775807"]),
        ("Integer", [-(2**31), 7], ["-2147483648", "7"]),
        ("Short", [-(2**15), 0], ["-32768", "0"]),
        ("Byte", [-128, 127], ["-128", "127"]),
        ("Double", [1.0, 1e-7], ["1.0", "1.0E-7"]),
        ("Float", [0.5, 2.0], ["0.5", "2.0"]),
    ],
)
def test_numbers_become_the_text_that_java_writes(kind: str, numbers: list[float], texts: list[str]) -> None:
    packed = struct.pack(f">2{CODES[kind]}", *numbers)
    column = {"key": "x", "types": [kind], "values": [packed]}
    ends = ENDS | {"targetIdType": kind, "targets": packed}
    block = read_block(sent([1, 2], idType=kind, ids=packed, properties=[column], **ends))
    assert (block.id_type, block.ids.to_list(), block.ends[1].to_list()) == (kind, texts, texts)
    assert (block.properties[0].types, block.properties[0].values.to_list()) == (kind, texts)


@pytest.mark.parametrize("members", [{"rows": 3}, {"ids": b"\0\0\0\1"}, {"ids": b""}, ENDS | {"sources": "\0a"}])
def test_columns_of_another_length_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(FailureByQuery, match=r"a block of (Thing|knows) whose columns are not of"):
        read_block(sent([1, None], **members))


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (sent([1]), True),
        (sent([1], version=1), False),
        ({}, False),
        ({"~": ["a"]}, False),
        ({"version": [1], "ids": ["a"]}, False),
        ("text", False),
    ],
)
def test_a_block_is_known_by_its_version(answer: Any, known: bool) -> None:  # noqa: FBT001
    assert is_block(answer) is known


def test_a_fingerprint_is_what_a_plugin_says_of_all_rows() -> None:
    assert read_state({"version": 2, "rows": 7, "fingerprint": -(2**63)}) == State(7, -(2**63))
