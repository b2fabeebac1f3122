"""The split that was dealt, in the format in which `custom_split_filenames` gives one.

So it can be read by eye, asked about, and used again on a later export of the same graph.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from neptuneml_plugin.artifacts import SPLITS, GraphSchema
from neptuneml_plugin.processing.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.splits import Split
from neptuneml_plugin.processing.target import Answers


def write_splits(folder: Path, elements: Elements, answers: Answers, schema: GraphSchema) -> None:
    """Write `splits/<type>/{train,valid,test}.csv` per target type: the ids, or both ends of the edges."""
    for position, node in enumerate(elements.nodes):
        if node.label in answers.splits:
            _write(folder / SPLITS / str(position), _ids(node), answers.splits[node.label])
    ids = {node.label: node.ids for node in elements.nodes}
    for edge in elements.edges:
        if edge.source.type in answers.splits:
            position = schema.edge(edge.source.type)
            _write(folder / SPLITS / str(position), _ends(edge, ids), answers.splits[edge.source.type])


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
