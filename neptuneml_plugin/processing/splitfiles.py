"""The split that was dealt, in the format in which `custom_split_filenames` gives one.

So it can be read by eye, asked about, and used again on a later export of the same graph.
"""

from pathlib import Path

import polars as pl

from neptuneml_plugin.artifacts import SPLITS, GraphSchema
from neptuneml_plugin.processing.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.target import Answers


def write_splits(folder: Path, elements: Elements, answers: Answers, schema: GraphSchema) -> None:
    """Write `splits/<type>/{train,valid,test}.csv` per target type: the ids, or both ends of the edges."""
    for position, node in enumerate(elements.nodes):
        _write(folder / SPLITS / str(position), node, answers)
    for edge in elements.edges:
        _write(folder / SPLITS / str(schema.edge(edge.source.type)), edge, answers)


def _write(folder: Path, table: NodeTable | EdgeTable, answers: Answers) -> None:
    split = answers.splits.get(table.label if isinstance(table, NodeTable) else table.source.type)
    if split is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    keys = _keys(table)
    for part, mask in split.masks().items():
        keys.filter(pl.Series(mask)).write_csv(folder / f"{part}.csv")


def _keys(table: NodeTable | EdgeTable) -> pl.DataFrame:
    if isinstance(table, NodeTable):
        return table.ids.alias(table.source.id_column if table.source else "~id").to_frame()
    return table.frame.select(table.source.source_column, table.source.target_column)
