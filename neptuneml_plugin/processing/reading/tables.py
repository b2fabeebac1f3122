"""The files of a vertex label or edge type as columns, and the kinds of values that cells hold.

A file whose name ends with `.parquet` is read as Parquet, all others as CSV (spec/formats.md A.4). CSV is read as
text: what a column means is the encoders' business. Columns of Parquet keep their type, and mean what CSV with the
same values means. An empty cell is null. Rows are counted from 1, the header not included.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path

import polars as pl

from neptuneml_plugin.cells import LIST_SEPARATOR, item_texts, texts
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.reading.files import header, read_cells, row_count, scan_texts

# Instants as the export writes them, then what people write by hand; without an offset: UTC.
_DATE_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
)
_ESCAPED = "\0"
#: Bytes of a file whose cells are held at a time; as text in memory they are some three times as many.
HELD = 1 << 26


@dataclass(frozen=True)
class Column:
    """One column of a type's files; messages name it and the file."""

    #: Texts, or numbers, truth values, dates in UTC, lists of these.
    values: pl.Series
    file: str
    name: str
    #: Position of the first value among the rows of the files.
    first_row: int = 0
    #: Position of each value among the rows of the files, where rows are left out.
    positions: pl.Series | None = None
    #: Tells which row of which file a position is; None: that of the one file.
    place: Callable[[int], tuple[str, int]] | None = field(default=None, compare=False)

    @property
    def texts(self) -> pl.Series:
        """What a CSV file has in the column."""
        return texts(self.values)

    def text(self, row: int) -> str:
        """Return what a CSV file has in a row, which counts from 0."""
        return str(texts(self.values.slice(row, 1))[0])

    def fail(self, row: int, problem: str) -> InvalidData:
        """Return the error that names file, row and column; `row` counts from 0."""
        file, place = self.located(row)
        return InvalidData(f"{file}, row {place + 1}, column '{self.name}': {problem}")

    def located(self, row: int) -> tuple[str, int]:
        """Return the file that a row stands in, and its position there."""
        place = self.first_row + row
        place = place if self.positions is None else self.positions[place]
        return (self.file, place) if self.place is None else self.place(place)

    def blocks(self, rows: int) -> Iterator["Column"]:
        """Return the same column in pieces of so many rows."""
        for start in range(0, len(self.values), rows):
            yield replace(self, values=self.values.slice(start, rows), first_row=self.first_row + start)


class Recent:
    """The columns that were read last, of one table at a time: what is asked for again is not read again."""

    def __init__(self) -> None:
        self._files: tuple[TableFile, ...] = ()
        self._frame = pl.DataFrame()

    def column(self, rows: "Rows", name: str) -> pl.Series:
        """Return a column, read with those that follow it if they are small."""
        if self._files != rows.files or name not in self._frame.columns:
            self._frame = pl.DataFrame()  # freed before the next ones are read
            self._files, self._frame = rows.files, _stacked(rows.files, rows.following(name))
        return self._frame[name]


@dataclass(frozen=True)
class TableFile:
    """One file of a vertex label or edge type."""

    folder: Path
    #: As the configuration names it, and so messages do.
    name: str
    delimiter: str = ","

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.name


@dataclass(frozen=True)
class Rows:
    """The rows of one or more files, whose columns are read when asked for: all at once may be more than fits."""

    files: tuple[TableFile, ...]
    #: Columns that will be asked for, in this order.
    wanted: tuple[str, ...] = ()
    #: Positions of the rows that count; None: all.
    positions: pl.Series | None = None
    #: Shared by the tables of an export.
    recent: Recent = field(default_factory=Recent, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The files, for messages."""
        return ", ".join(file.name for file in self.files)

    def read(self, names: Sequence[str]) -> pl.DataFrame:
        """Return columns as text."""
        frame = _as_texts(_stacked(self.files, names))
        return frame if self.positions is None else frame[self.positions]

    def scan(self, wanted: Mapping[str, pl.Expr]) -> pl.DataFrame:
        """Return what expressions make of the columns, which are text, of all rows of each file."""
        return pl.concat([scan_texts(file.path, file.delimiter, wanted) for file in self.files])

    def head(self, names: Sequence[str], rows: int) -> pl.DataFrame:
        """Return columns of the first rows as text."""
        return _as_texts(_stacked(self.files, names, rows).head(rows))

    def at(self, positions: pl.Series) -> "Rows":
        """Return these of the rows, in this order."""
        kept = positions if self.positions is None else self.positions.gather(positions)
        return replace(self, positions=kept)

    def column(self, name: str) -> Column:
        """Return one column, null where the cell is empty or the row's file lacks it."""
        values = self.recent.column(self, name)
        values = values if self.positions is None else values[self.positions]
        return Column(values, self.name, name, positions=self.positions, place=self._place)

    def has(self, name: str) -> bool:
        """Return whether a file has a column."""
        return any(name in header(file.path, file.delimiter) for file in self.files)

    def following(self, name: str) -> tuple[str, ...]:
        """Return a column and those wanted after it that may be held together."""
        if name not in self.wanted:
            return (name,)
        size = sum(file.path.stat().st_size for file in self.files)
        each = size / max(len(header(file.path, file.delimiter)) for file in self.files)
        start = self.wanted.index(name)
        return self.wanted[start : start + max(1, int(HELD // max(1.0, each)))]

    def _place(self, position: int) -> tuple[str, int]:
        if len(self.files) == 1:
            return self.files[0].name, position
        starts = [0, *accumulate(row_count(file.path, file.delimiter) for file in self.files)]
        number = bisect_right(starts, position) - 1
        return self.files[number].name, position - starts[number]


@dataclass(frozen=True)
class NoRows(Rows):
    """Stands in for the files of a type that has no rows."""

    def read(self, names: Sequence[str]) -> pl.DataFrame:
        """Return empty columns."""
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))

    def head(self, names: Sequence[str], rows: int) -> pl.DataFrame:
        """Return empty columns."""
        del rows
        return self.read(names)

    def column(self, name: str) -> Column:
        """Return an empty column."""
        return Column(self.read([name])[name], self.name, name)

    def has(self, name: str) -> bool:
        """Return whether it has a column: any."""
        return bool(name)


def _stacked(files: Sequence[TableFile], names: Sequence[str], rows: int | None = None) -> pl.DataFrame:
    """Return columns of files one below the other; as text where the files have them in several types."""
    frames = [read_cells(file.path, file.delimiter, names, rows) for file in files]
    if len(frames) == 1:
        return frames[0]
    return pl.DataFrame([_one_column([frame[name] for frame in frames]) for name in names])


def _one_column(parts: Sequence[pl.Series]) -> pl.Series:
    kinds = {part.dtype for part in parts} - {pl.Null}
    if len(kinds) > 1:
        return pl.concat([texts(part.cast(pl.String) if part.dtype == pl.Null else part) for part in parts])
    kind = kinds.pop() if kinds else pl.String()
    return pl.concat([part.cast(kind) for part in parts])


def _as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(texts(column).alias(column.name) for column in frame.get_columns())


def split_lists(values: pl.Series, separator: str) -> pl.Series:
    r"""Return lists of items as texts; `\;` inside an item stands for the separator itself. Null stays null."""
    item = pl.element()
    if isinstance(values.dtype, pl.List):
        return item_texts(values).list.eval(item.filter(item != ""))
    escaped = texts(values).str.replace_all("\\" + separator, _ESCAPED, literal=True)
    item = item.str.replace_all(_ESCAPED, separator, literal=True)
    return escaped.str.split(separator).list.eval(item.filter(item != ""))


def numbers(column: Column) -> pl.Series:
    """Return float64, null where the cell is empty or NaN.

    Raises:
        InvalidData: a cell is not a finite number.
    """
    parsed = parse_numbers(column.values)
    wrong = (parsed.is_null() & column.values.is_not_null()) | parsed.is_infinite().fill_null(value=False)
    row = wrong.arg_max()
    if row is not None and wrong[row]:
        raise column.fail(row, f"'{column.text(row)}' is not a finite number")
    return parsed.fill_nan(None)


def parse_numbers(values: pl.Series) -> pl.Series:
    """Return float64, null where a cell is no number."""
    if values.dtype.is_numeric():
        return values.cast(pl.Float64)
    return texts(values).str.strip_chars().cast(pl.Float64, strict=False)


def parse_dates(values: pl.Series) -> pl.Series:
    """Return UTC datetimes in milliseconds, null where a cell is no ISO 8601 date."""
    if isinstance(values.dtype, pl.Datetime):
        return values.cast(pl.Datetime("ms", "UTC"))
    text = texts(values).str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d) (\d)", "${1}T${2}").alias("text")
    formats = [
        pl.col("text").str.to_datetime(form, time_unit="ms", time_zone="UTC", strict=False)
        for form in _DATE_FORMATS
    ]
    return text.to_frame().select(pl.coalesce(formats)).to_series()


def first_null(values: pl.Series) -> int | None:
    """Return the position of the first null."""
    return values.is_null().arg_max() if values.null_count() else None


def cells_of(values: pl.Series, separator: str | None) -> pl.Series:
    """Return what a CSV file has in a column whose lists are joined by a separator."""
    return texts(values, separator or LIST_SEPARATOR)
