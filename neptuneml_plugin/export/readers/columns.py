"""Blocks as the plugin sends them: `g.V()….valueMap(keys).with("NeptuneML#columns", rows)`.

docs/readers.md describes their members. Nothing here looks at one value after another.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.cells import texts
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.export.block import Block, Cells, cells
from neptuneml_plugin.export.consistency import State
from neptuneml_plugin.export.elements import ElementType, node_type

#: The option that asks for blocks; its value is the number of rows.
COLUMNS = "NeptuneML#columns"
#: Of the blocks' shape.
VERSION = 2
#: Data types whose values travel as numbers; all others are texts.
_NUMBERS = {"Double": ">f8", "Float": ">f4", "Long": ">i8", "Integer": ">i4", "Short": ">i2", "Byte": ">i1"}
#: The members of a block that hold ids, and those that name their class.
_IDS, _ENDS = ("ids", "idType"), (("sources", "sourceIdType"), ("targets", "targetIdType"))


def is_block(result: Any) -> bool:
    """Whether a server that was asked for a block knows what is meant, and means the same."""
    return isinstance(result, Mapping) and result.get("version") == VERSION and "ids" in result


def read_block(sent: Mapping[str, Any]) -> Block:
    """Return the block that a plugin has sent.

    Raises:
        FailureByQuery: its columns are not as long as it says.
    """
    rows = sent["rows"]
    ends = tuple(_ids(sent, *names) for names in _ENDS if "sourceLabel" in sent)
    block = Block(_type(sent), sent["idType"], _ids(sent, *_IDS), ends, tuple(map(_cells, sent["properties"])))
    if any(len(column) != rows for column in (block.ids, *ends, *(each.values for each in block.properties))):
        raise FailureByQuery(f"the server sent a block of {sent['label']} whose columns are not of {rows} rows")
    return block


def read_state(sent: Mapping[str, Any]) -> State:
    """Return what a plugin says of all rows."""
    return State(sent["rows"], sent["fingerprint"])


def _type(sent: Mapping[str, Any]) -> ElementType:
    if "sourceLabel" not in sent:
        return node_type(sent["label"])
    return EdgeType(node_type(sent["sourceLabel"]), sent["label"], node_type(sent["targetLabel"]))


def _ids(sent: Mapping[str, Any], name: str, kind: str) -> pl.Series:
    return texts(_values(sent[kind], sent[name]))


def _cells(sent: Mapping[str, Any]) -> Cells:
    sizes, codes = sent.get("sizes"), sent.get("codes")
    parts = {kind: _values(kind, values) for kind, values in zip(sent["types"], sent["values"], strict=True)}
    return cells(
        sent["key"],
        None if sizes is None else np.frombuffer(sizes, ">i4").astype(np.int64),
        parts,
        None if codes is None else np.frombuffer(codes, np.uint8),
    )


def _values(kind: str, values: Any) -> pl.Series:
    if kind not in _NUMBERS:
        return _split(values)
    numbers = np.frombuffer(values, _NUMBERS[kind])
    return pl.Series(numbers.astype(numbers.dtype.newbyteorder("=")))


def _split(joined: str) -> pl.Series:
    """Every text follows a separator, the first character, which none of them holds."""
    if not joined:
        return pl.Series([], dtype=pl.String)
    return pl.Series([joined[1:]]).str.split(joined[0]).explode()
