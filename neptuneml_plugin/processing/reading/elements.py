"""Vertices and edges as columns: ids in row order, and edges as pairs of rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.sources import (
    EdgeSource,
    NodeSource,
    Source,
)
from neptuneml_plugin.processing.configuration.trainingdata import (
    TrainingData,
)
from neptuneml_plugin.processing.reading.files import check_columns, check_rows
from neptuneml_plugin.processing.reading.tables import Column, Recent, Rows, TableFile, first_null

Ints = npt.NDArray[np.int64]
_EXAMPLES = 3


@dataclass(frozen=True)
class NodeTable:
    """The vertices of one label."""

    label: str
    ids: pl.Series
    #: None: known only from the ends of edges.
    source: NodeSource | None = None
    #: Its columns; rows are in the order of `ids`.
    file: Rows | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EdgeTable:
    """The edges of one type."""

    source: EdgeSource
    #: Its columns; rows are in the order of the ends.
    file: Rows
    #: Row of each edge's source and target among the vertices of their labels, (edges,) each.
    sources: Ints
    targets: Ints

    def __len__(self) -> int:
        return len(self.sources)


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
    sources: list[Source] = [*data.nodes, *data.edges]
    recent = Recent()
    files = [_open(folder, source, recent) for source in sources]
    node_files, edge_files = files[: len(data.nodes)], files[len(data.nodes) :]
    nodes = {node.label: _read_nodes(file, node) for file, node in zip(node_files, data.nodes, strict=True)}
    for label, ids in _labels_without_file(edge_files, nodes, data.edges).items():
        nodes[label] = NodeTable(label, ids)
    edges = tuple(_read_edges(_by_relation(data.edges, edge_files), nodes))
    if not any(len(edge) for edge in edges):
        raise InvalidData(f"{folder} holds no edges; a graph without edges has nothing to learn from")
    return Elements(tuple(nodes.values()), edges)


def _open(folder: Path, source: Source, recent: Recent) -> Rows:
    """Return the rows of files, each of which has the columns that its entry of the configuration names."""
    keys = [column for column in source.key_columns if column]
    files = tuple(TableFile(folder, file.name, file.delimiter) for file in source.files)
    for file, named in zip(files, source.files, strict=True):
        check_columns(file.path, file.delimiter, [*keys, *named.columns])
        check_rows(file.path, file.delimiter)
    wanted = [column for file in source.files for column in file.columns]
    wanted += [source.relation_column] if isinstance(source, EdgeSource) and source.relation_column else []
    return Rows(files, tuple(dict.fromkeys(wanted)), recent=recent)


def _read_nodes(file: Rows, source: NodeSource) -> NodeTable:
    column = file.column(source.id_column)
    _refuse_missing(column)
    ids = column.texts
    if ids.n_unique() < len(ids):
        first = ids.filter(ids.is_duplicated())[0]
        places = [column.located(row) for row in (ids == first).arg_true().head(_EXAMPLES)]
        alone = len(source.files) == 1
        rows = ", ".join(f"{row + 1}" if alone else f"{name}, row {row + 1}" for name, row in places)
        raise InvalidData(
            f"{source.file_name}: id '{first}' stands in several rows ({rows}); ids of one label must differ "
            "as text, so give these vertices distinct ids and export again"
        )
    return NodeTable(source.label, ids, source, file)


def _refuse_missing(column: Column) -> None:
    row = first_null(column.values)
    if row is not None:
        raise column.fail(row, "the id is missing; every row needs one, export again")


def _labels_without_file(
    files: Sequence[Rows], nodes: Mapping[str, NodeTable], sources: Sequence[EdgeSource]
) -> dict[str, pl.Series]:
    """Return the distinct ids, sorted, of labels that only edges know."""
    ends: dict[str, list[pl.Series]] = {}
    for file, source in zip(files, sources, strict=True):
        for label, key in ((source.type.source, source.source_column), (source.type.target, source.target_column)):
            if label not in nodes:
                distinct = file.scan({"~id": pl.col(key).unique()})["~id"]
                ends.setdefault(label, []).append(distinct)
    return {label: pl.concat(columns).drop_nulls().unique().sort() for label, columns in ends.items()}


def _by_relation(sources: Sequence[EdgeSource], files: Sequence[Rows]) -> list[tuple[EdgeSource, Rows]]:
    """Return each edge type with its rows: a file may hold several types, by the values of a column.

    Raises:
        InvalidData: a value is missing, or two files hold one type.
    """
    found = [typed for pair in zip(sources, files, strict=True) for typed in _relations(*pair)]
    types = [source.type for source, _ in found]
    for source, file in found:
        if types.count(source.type) > 1:
            raise InvalidData(f"{file.name}: edges of {source.type} stand elsewhere too; merge them")
    return found


def _relations(source: EdgeSource, file: Rows) -> Iterator[tuple[EdgeSource, Rows]]:
    if not source.relation_column:
        yield source, file
        return
    relations = file.column(source.relation_column)
    row = first_null(relations.values)
    if row is not None:
        raise relations.fail(row, "the relation is missing; every edge needs one")
    rows = relations.texts.alias("value").to_frame().with_row_index("row")
    by_value = rows.group_by("value").agg("row").sort("value")
    for value, positions in zip(by_value["value"], by_value["row"], strict=True):
        yield _of_relation(source, value), file.at(positions)


def _of_relation(source: EdgeSource, value: str) -> EdgeSource:
    label = f"{source.type.label}-{value}" if source.type.label else value
    return replace(source, type=replace(source.type, label=label), relation_column="")


def _read_edges(sources: Sequence[tuple[EdgeSource, Rows]], nodes: Mapping[str, NodeTable]) -> Iterator[EdgeTable]:
    # An enumeration of its label's ids makes an id's text its row, while the file is read.
    rows_of = {label: pl.Enum(node.ids) for label, node in nodes.items()}
    for source, file in sources:
        start, end = source.source_column, source.target_column
        labels = source.type.source, source.type.target
        ends = file.scan(
            {
                name: pl.col(key).cast(rows_of[label], strict=False).to_physical()
                for name, key, label in zip(("sources", "targets"), (start, end), labels, strict=True)
            }
        )
        ends = ends if file.positions is None else ends[file.positions]
        for rows, key, label in zip(ends, (start, end), labels, strict=True):
            if rows.null_count():
                raise _unknown_end(file.column(key), rows, nodes[label])
        sources_of, targets_of = (rows.cast(pl.Int64).to_numpy() for rows in ends)
        yield EdgeTable(source, file, sources_of, targets_of)


def _unknown_end(column: Column, rows: pl.Series, node: NodeTable) -> InvalidData:
    """Return why some ends have no row."""
    _refuse_missing(column)
    unknown = column.texts.filter(rows.is_null())
    examples = ", ".join(f"'{text}'" for text in unknown.unique(maintain_order=True).head(_EXAMPLES))
    return InvalidData(
        f"{column.file}: {len(unknown)} of {len(rows)} edges have a '{column.name}' that is not a vertex of "
        f"{node.source.file_name if node.source else node.label} (such as {examples}); export vertices and edges "
        "of the same graph, or remove these edges"
    )
