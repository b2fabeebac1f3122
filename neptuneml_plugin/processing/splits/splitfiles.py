"""Splits as files: those that `custom_split_filenames` gives, and the one that was dealt, in the same format.

So it can be read by eye, asked about, and used again on a later export of the same graph.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import SPLITS, EdgeType, GraphSchema
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.sources import (
    EdgeSource,
    LabelSpec,
    NodeSource,
)
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.reading.files import check_columns, check_rows, header
from neptuneml_plugin.processing.reading.tables import Column, Rows, TableFile, first_null
from neptuneml_plugin.processing.splits.split import Split

_EXAMPLES = 3


def write_splits(
    folder: Path, elements: Elements, splits: Mapping[str | EdgeType, Split], schema: GraphSchema
) -> None:
    """Write `splits/<type>/{train,valid,test}.csv` per target type: the ids, or both ends of the edges."""
    for position, node in enumerate(elements.nodes):
        if node.label in splits:
            _write(folder / SPLITS / str(position), _ids(node), splits[node.label])
    ids = {node.label: node.ids for node in elements.nodes}
    for edge in elements.edges:
        if edge.source.type in splits:
            position = schema.edge(edge.source.type)
            _write(folder / SPLITS / str(position), _ends(edge, ids), splits[edge.source.type])


def _write(folder: Path, keys: pl.DataFrame, split: Split) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, mask in split.masks().items():
        keys.filter(pl.Series(mask)).write_csv(folder / f"{part}.csv")


def _ids(table: NodeTable) -> pl.DataFrame:
    return table.ids.alias(table.source.id_column if table.source else "~id").to_frame()


def _ends(table: EdgeTable, ids: Mapping[str, pl.Series]) -> pl.DataFrame:
    source = table.source
    starts, ends = ids[source.type.source].gather(table.sources), ids[source.type.target].gather(table.targets)
    return pl.DataFrame([starts.alias(source.source_column), ends.alias(source.target_column)])


def read_split(
    folder: Path, source: NodeSource | EdgeSource, file: Rows, spec: LabelSpec
) -> tuple[Split, pl.Series]:
    """Return the split that the files give, and the answers that they override (null elsewhere).

    Edges are matched by both ends, so parallel edges go together.

    Raises:
        InvalidData: a row that the main file does not have, or that two files list.
    """
    keys = [source.id_column] if isinstance(source, NodeSource) else [source.source_column, source.target_column]
    rows = file.read(keys)
    taken = np.zeros(len(rows), dtype=bool)
    split = Split(taken, taken, taken)
    overrides = pl.Series([None] * len(rows), dtype=pl.String)
    for part, file_name in spec.split_files.items():
        listed = _split_file(folder, file_name, source.delimiter, keys, spec.column)
        _all_known(listed, rows, keys, file_name, source.file_name)
        found = rows.join(listed, on=keys, how="left", maintain_order="left", nulls_equal=False)
        mask = found["listed"].fill_null(value=False).to_numpy()
        if (mask & taken).any():
            row = rows.row(int(np.argmax(mask & taken)))
            raise InvalidData(f"{file_name}: {row} is also in another split file; each may be in one")
        split, taken = replace(split, **{part: mask}), taken | mask
        overrides = overrides.to_frame("old").select(pl.coalesce(found["answer"], "old")).to_series()
    return split, overrides


def _split_file(folder: Path, file_name: str, delimiter: str, keys: list[str], target: str) -> pl.DataFrame:
    """Return the keys that a file lists, with `listed` and, where it has the target's column, `answer`."""
    path = folder / file_name
    check_rows(path, delimiter)
    has_answer = bool(target) and target in header(path, delimiter)
    check_columns(path, delimiter, keys)
    frame = Rows((TableFile(folder, file_name, delimiter),)).read([*keys, target] if has_answer else keys)
    for key in keys:
        row = first_null(frame[key])
        if row is not None:
            raise Column(frame[key], file_name, key).fail(row, "the id is missing; every row needs one")
    answer = pl.col(target) if has_answer else pl.lit(None, dtype=pl.String)
    listed = frame.select(*keys, answer.alias("answer"), listed=True).unique(maintain_order=True)
    twice = listed.select(keys).is_duplicated()
    if twice.any():
        raise InvalidData(
            f"{file_name}: {listed.select(keys).filter(twice).row(0)} stands there with several values of "
            f"'{target}'; keep one, or leave the column out, so that those of the main file count"
        )
    return listed


def _all_known(listed: pl.DataFrame, rows: pl.DataFrame, keys: list[str], file_name: str, main: str) -> None:
    unknown = listed.join(rows, on=keys, how="anti", maintain_order="left").select(keys)
    if len(unknown):
        examples = ", ".join(str(row) for row in unknown.head(_EXAMPLES).rows())
        raise InvalidData(
            f"{file_name}: {len(unknown)} of {len(listed)} rows are not in {main} (such as {examples}); remove "
            "them, or export the same graph again"
        )
