"""Edges whose vertices are left out, whatever the order and number of blocks."""

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.readers.intake import Intake
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.export.request.selection import Selection

KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=20, unique=True)


class Kept:
    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def add(self, block: Block) -> None:
        self.blocks.append(block)


def series(keys: list[str]) -> pl.Series:
    return pl.Series(keys, dtype=pl.String)


@given(st.lists(KEYS, max_size=4), KEYS, KEYS)
def test_only_edges_between_known_vertices_pass(
    parts: list[list[str]], sources: list[str], targets: list[str]
) -> None:
    kept = Kept()
    params: dict[str, Any] = {"gremlinFilter": "has('a')"}
    intake = Intake(read_request(ExportConfig(gremlin="ws://unused", request={"params": params})), kept)
    intake.expect("A")
    for part in parts:
        intake.take(Block("A", "String", series(part), (), ()), Selection())
    pairs = list(zip(sources, targets, strict=False))
    ends = tuple(series([pair[end] for pair in pairs]) for end in (0, 1))
    edges = Block(EdgeType("A", "x", "A"), "String", series([f"e{i}" for i in range(len(pairs))]), ends, ())
    intake.take(edges, Selection())
    known = {key for part in parts for key in part}
    expected = [f"e{i}" for i, pair in enumerate(pairs) if known.issuperset(pair)]
    found = [key for block in kept.blocks if isinstance(block.type, EdgeType) for key in block.ids]
    assert found == expected
    assert intake.loose_edges == len(pairs) - len(expected)
