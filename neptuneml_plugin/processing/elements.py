"""Vertices and edges as columns: ids in row order, and edges as pairs of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.tables import Column, first_null, read_columns
from neptuneml_plugin.processing.trainingdata import EdgeSource, NodeSource, Source, TrainingData

Ints = npt.NDArray[np.int64]
_EXAMPLES = 3


@dataclass(frozen=True)
class NodeTable:
    """The vertices of one label."""

    label: str
    ids: pl.Series
    #: The file's columns as text; the row order is that of `ids`.
    frame: pl.DataFrame
    #: None: known only from the ends of edges.
    source: NodeSource | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> Column:
        """Return one column of the file."""
        return Column(self.frame[name], self.source.file_name if self.source else self.label, name)


@dataclass(frozen=True)
class EdgeTable:
    """The edges of one type."""

    source: EdgeSource
    frame: pl.DataFrame
    #: Row of each edge's source and target among the vertices of their labels, (edges,) each.
    sources: Ints
    targets: Ints

    def __len__(self) -> int:
        return len(self.sources)

    def column(self, name: str) -> Column:
        """Return one column of the file."""
        return Column(self.frame[name], self.source.file_name, name)


@dataclass(frozen=True)
class Elements:
    """All vertices and edges of an export, in the order of the configuration."""

    nodes: tuple[NodeTable, ...]
    edges: tuple[EdgeTable, ...]


def read_elements(folder: Path, data: TrainingData) -> Elements:
    """Read every file that the configuration names.

    Raises:
        InvalidData: an id is missing or there twice, or an edge ends at a vertex that its label's file lacks.
    """
    nodes = {source.label: _read_nodes(folder, source) for source in data.nodes}
    frames = [_read(folder, source, [source.source_column, source.target_column]) for source in data.edges]
    for label, ends in _labels_without_file(nodes, data.edges, frames).items():
        nodes[label] = NodeTable(label, ends, ends.to_frame())
    edges = [_edge_table(source, frame, nodes) for source, frame in zip(data.edges, frames, strict=True)]
    if not any(len(edge) for edge in edges):
        raise InvalidData(f"{folder} holds no edges; a graph without edges has nothing to learn from")
    return Elements(tuple(nodes.values()), tuple(edges))


def _read(folder: Path, source: Source, keys: Sequence[str]) -> pl.DataFrame:
    wanted = [*keys, *(feature.column for feature in source.features)]
    if source.target and source.target.column:
        wanted.append(source.target.column)
    frame = read_columns(folder / source.file_name, source.delimiter, wanted)
    for key in keys:
        row = first_null(frame[key])
        if row is not None:
            raise Column(frame[key], source.file_name, key).fail(
                row, "the id is missing; every row needs one, export again"
            )
    return frame


def _read_nodes(folder: Path, source: NodeSource) -> NodeTable:
    frame = _read(folder, source, [source.id_column])
    ids = frame[source.id_column]
    twice = ids.is_duplicated()
    row = twice.arg_max()
    if row is not None and twice[row]:
        rows = ", ".join(str(row + 1) for row in (ids == ids[row]).arg_true().head(_EXAMPLES))
        raise InvalidData(
            f"{source.file_name}: id '{ids[row]}' stands in several rows ({rows}); ids of one label must differ "
            "as text, so give these vertices distinct ids and export again"
        )
    return NodeTable(source.label, ids, frame, source)


def _labels_without_file(
    nodes: Mapping[str, NodeTable], sources: Sequence[EdgeSource], frames: Sequence[pl.DataFrame]
) -> dict[str, pl.Series]:
    """Return the distinct ids, sorted, of labels that only edges know."""
    ends: dict[str, list[pl.Series]] = {}
    for source, frame in zip(sources, frames, strict=True):
        for label, key in ((source.type.source, source.source_column), (source.type.target, source.target_column)):
            if label not in nodes:
                ends.setdefault(label, []).append(frame[key].alias("~id"))
    return {label: pl.concat(columns).unique().sort() for label, columns in ends.items()}


def _edge_table(source: EdgeSource, frame: pl.DataFrame, nodes: Mapping[str, NodeTable]) -> EdgeTable:
    sources = _rows(source, frame, source.source_column, nodes[source.type.source])
    targets = _rows(source, frame, source.target_column, nodes[source.type.target])
    return EdgeTable(source, frame, sources, targets)


def _rows(source: EdgeSource, frame: pl.DataFrame, key: str, node: NodeTable) -> Ints:
    """Return the row of each end among the vertices of its label."""
    known = node.ids.alias("id").to_frame().with_row_index("row")
    ends = frame[key].alias("id").to_frame()
    rows = ends.join(known, on="id", how="left", maintain_order="left")["row"]
    if rows.null_count():
        unknown = ends["id"].filter(rows.is_null())
        examples = ", ".join(f"'{text}'" for text in unknown.unique(maintain_order=True).head(_EXAMPLES))
        file = node.source.file_name if node.source else node.label
        raise InvalidData(
            f"{source.file_name}: {len(unknown)} of {len(ends)} edges have a '{key}' that is not a vertex of "
            f"{file} (such as {examples}); export vertices and edges of the same graph, or remove these edges"
        )
    result: Ints = rows.to_numpy().astype(np.int64)
    return result
