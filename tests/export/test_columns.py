"""Blocks as the plugin sends them: what is read is what was sent, whatever the values are."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.export.block import Block, BlockBuilder
from neptuneml_plugin.export.elements import Row
from neptuneml_plugin.export.readers.columns import is_block, read_block

#: What a row may hold: absent, one value, or several.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.one_of(TEXTS, st.floats(), st.booleans(), st.integers(-(2**31), 2**31 - 1))
ROWS = st.lists(st.none() | VALUES | st.lists(VALUES, max_size=3), min_size=1, max_size=12)


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
        struct.pack(f">{len(values)}d", *values) if kind == "Double" else joined(list(map(written, values)))
        for kind, values in parts.items()
    ]
    column: dict[str, Any] = {"key": "x", "types": list(parts), "values": encoded}
    if any(size != 1 for size in sizes):
        column["sizes"] = struct.pack(f">{len(sizes)}i", *sizes)
    if len(parts) > 1:
        column["codes"] = bytes(codes)
    known = {"version": 1, "rows": len(rows), "label": "Thing", "idType": "Integer"}
    ids = {"ids": joined([str(number) for number in range(len(rows))])}
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
    ends = {"label": "knows", "sourceLabel": "B::A", "targetLabel": "C", "sources": "\0a\0b", "targets": "\0c\0"}
    block = read_block(sent([1, 2], **ends))
    assert block.type == EdgeType("A;B", "knows", "C")
    assert [end.to_list() for end in block.ends] == [["a", "b"], ["c", ""]]


@pytest.mark.parametrize("members", [{"rows": 3}, {"ids": "\0a"}, {"ids": ""}, {"sources": "\0a"}])
def test_columns_of_another_length_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(FailureByQuery, match="a block of Thing whose columns are not of"):
        read_block(sent([1, None], **members))


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (sent([1]), True),
        (sent([1], version=2), False),
        ({}, False),
        ({"~": ["a"]}, False),
        ({"version": [1], "ids": ["a"]}, False),
        ("text", False),
    ],
)
def test_a_block_is_known_by_its_version(answer: Any, known: bool) -> None:  # noqa: FBT001
    assert is_block(answer) is known
