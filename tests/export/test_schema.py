"""Inference of types and cardinalities."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from gremlin_python import statics

from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.block import Block, BlockBuilder, in_blocks
from neptuneml_plugin.export.elements import Row
from neptuneml_plugin.export.schema import TypeTable, describe, statistics, widen
from neptuneml_plugin.export.values import data_type


@pytest.mark.parametrize(
    ("first", "second", "wider"),
    [
        ("Integer", "Integer", "Integer"),
        ("Byte", "Short", "Short"),
        ("Double", "Long", "Double"),
        ("Float", "Long", "Float"),
        ("Double", "Date", "Date"),
        ("Integer", "String", "String"),
        ("Date", "String", "String"),
        ("Boolean", "Integer", "String"),
        ("Boolean", "Boolean", "Boolean"),
        ("Boolean", "Date", "String"),
    ],
)
def test_widening(first: str, second: str, wider: str) -> None:
    assert widen(first, second) == widen(second, first) == wider


@pytest.mark.parametrize("value", [uuid.UUID(int=1), statics.bigint(1), statics.SingleChar("c"), "text"])
def test_other_classes_count_as_string(value: Any) -> None:
    assert data_type(value) == "String"


def block_of(*elements: dict[str, Any], ids: Sequence[Any] | None = None) -> Block:
    builder = BlockBuilder()
    for key, properties in zip(ids or range(len(elements)), elements, strict=True):
        builder.add(Row(key, "Thing", (), properties))
    return next(builder.blocks())


@pytest.fixture(params=[1, 2, 100], ids=lambda size: f"blocks of {size}")
def table_of(request: pytest.FixtureRequest) -> Callable[..., TypeTable]:
    def observed(*elements: dict[str, Any]) -> TypeTable:
        table = TypeTable("Thing")
        for part in in_blocks(elements, request.param):
            table.observe(block_of(*part))
        return table

    return observed


def test_cardinalities(table_of: Callable[..., TypeTable]) -> None:
    table = table_of({"one": [1], "many": [1], "none": []}, {"one": [2], "many": [1, 2, 3]})
    one, many, none = table.columns.values()
    assert [column.is_multi_value for column in (one, many, none)] == [False, True, True]
    assert [table.is_nullable(column) for column in (one, many, none)] == [False, False, True]
    assert none.data_type is None
    assert (many.smallest, many.largest) == (1, 3)


def test_schema_document(table_of: Callable[..., TypeTable]) -> None:
    document = describe([table_of({"age": [30]}, {"age": [statics.long(31)]}, {})])
    assert document == {
        "nodes": [
            {
                "label": "Thing",
                "idType": "Integer",
                "properties": [
                    {
                        "property": "age",
                        "dataType": "Long",
                        "isMultiValue": False,
                        "isNullable": True,
                        "allTypes": ["Integer", "Long"],
                    }
                ],
            }
        ],
        "edges": [],
    }


def test_statistics_document(table_of: Callable[..., TypeTable]) -> None:
    document = statistics([table_of({"tags": ["a", "b"]}, {"tags": ["c"]}, {})])
    assert {key: document[key] for key in ("nodes", "edges", "properties")} == {
        "nodes": 3, "edges": 0, "properties": 3,
    }  # fmt: skip
    assert document["details"]["nodes"] == [
        {
            "description": "Thing",
            "labels": ["Thing"],
            "count": 3,
            "properties": [
                {
                    "name": "tags",
                    "count": 3,
                    "numberOfRecords": 2,
                    "minCardinality": 1,
                    "maxCardinality": 2,
                    "isNullable": True,
                    "dataTypes": {"inferred": "String", "counts": [{"String": 3}]},
                }
            ],
        }
    ]


def test_blocks_of_two_id_classes_are_refused() -> None:
    table = TypeTable("Thing")
    table.observe(block_of({}, ids=[1]))
    with pytest.raises(UnsupportedOperation, match="Thing has ids of classes Integer and Long"):
        table.observe(block_of({}, ids=[statics.long(2)]))


def test_rows_of_two_id_classes_are_refused() -> None:
    with pytest.raises(UnsupportedOperation, match="Thing has ids of classes Integer and String"):
        block_of({}, {}, ids=[1, "1"])
