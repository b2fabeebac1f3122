"""What has been read, on disk until the last row: blocks in, whole columns out, in bounded memory.

Columns, and whether a property has several values, are known only when the last row has been read. So blocks are
gathered into chunks, which go to temporary files; `frames` gives them back with the columns of the whole type.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.elements import ElementType
from neptuneml_plugin.export.schema import PropertyColumn, Tables, TypeTable

#: Names of the columns of ids in a frame; properties stand under `column_name`.
ID, SOURCE, TARGET = "id", "source", "target"
#: Blocks held in memory, all types together. Writing a chunk takes ten times its size for a moment.
_CHUNK_BYTES = 4 << 20
_TEXTS = pl.List(pl.String)


def column_name(column: PropertyColumn) -> str:
    """Return where a property stands in a frame: its name may be that of any other column."""
    return f"property-{column.index}"


class Spool:
    """Takes blocks of all types in any order, then gives each type's rows back."""

    def __init__(self, folder: Path, chunk_bytes: int = _CHUNK_BYTES) -> None:
        self._folder = folder
        self._chunk_bytes = chunk_bytes
        self._tables = Tables()
        self._waiting: dict[ElementType, list[pl.DataFrame]] = {}
        self._waiting_bytes = 0
        self._chunks: dict[ElementType, list[Path]] = {}

    @property
    def tables(self) -> list[TypeTable]:
        """What is known of each type: nodes, then edges, each in first-seen order."""
        return self._tables.all

    def add(self, block: Block) -> None:
        """Take one block.

        Raises:
            UnsupportedOperation: ids of two Java classes under one label.
        """
        table = self._tables.add(block)
        frame = _frame(table, block)
        self._waiting.setdefault(block.type, []).append(frame)
        self._waiting_bytes += int(frame.estimated_size())
        if self._waiting_bytes > self._chunk_bytes:
            self._flush()

    def frames(self, table: TypeTable) -> Iterator[pl.DataFrame]:
        """Return a type's rows, in order: columns `ID`, for edges `SOURCE` and `TARGET`, then every property.

        A property is List(String) where it `is_multi_value`, else String; null where a row lacks it.
        """
        self._flush()
        for path in self._chunks.get(table.type, []):
            yield _completed(table, pl.read_ipc(path))

    def _flush(self) -> None:
        for kind, frames in self._waiting.items():
            chunks = self._chunks.setdefault(kind, [])
            path = self._folder / f"{list(self._chunks).index(kind)}-{len(chunks)}.arrow"
            # Not straight into the file: Polars' errors would not say that the disk is full.
            with path.open("wb") as file, io.BytesIO() as content:
                _stacked(frames).write_ipc(content, compression="lz4")
                file.write(content.getbuffer())
            chunks.append(path)
        self._waiting.clear()
        self._waiting_bytes = 0


def _frame(table: TypeTable, block: Block) -> pl.DataFrame:
    ids = dict(zip((ID, SOURCE, TARGET), (block.ids, *block.ends), strict=False))
    properties = {column_name(table.columns[cells.name]): cells.values for cells in block.properties}
    return pl.DataFrame(ids | properties)


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Put frames one below the other; a column of one text per row becomes one of lists if it is so elsewhere."""
    lists = {name for frame in frames for name, dtype in frame.schema.items() if dtype == _TEXTS}
    alike = [frame.with_columns(_as_lists(frame, name) for name in lists & {*frame.columns}) for frame in frames]
    return pl.concat(alike, how="diagonal")


def _completed(table: TypeTable, frame: pl.DataFrame) -> pl.DataFrame:
    """Give a chunk the columns of its type."""
    own = [name for name in (ID, SOURCE, TARGET) if name in frame.columns]
    return frame.select(*own, *(_property(frame, column) for column in table.columns.values()))


def _property(frame: pl.DataFrame, column: PropertyColumn) -> pl.Expr:
    name = column_name(column)
    if name not in frame.columns:
        return pl.lit(None, dtype=_TEXTS if column.is_multi_value else pl.String).alias(name)
    return _as_lists(frame, name) if column.is_multi_value else pl.col(name)


def _as_lists(frame: pl.DataFrame, name: str) -> pl.Expr:
    if frame.schema[name] == _TEXTS:
        return pl.col(name)
    return pl.when(pl.col(name).is_not_null()).then(pl.concat_list(name)).alias(name)
