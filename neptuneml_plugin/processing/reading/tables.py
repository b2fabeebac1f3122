"""CSV and Parquet files as columns of text, and the kinds of values that cells hold (spec/formats.md A.4).

Everything is read as text first: what a column means is the encoders' business. An empty cell is null. Rows are
counted from 1, the header not included. A file whose name ends with `.parquet` is read as Parquet; its numbers,
truth values and dates count as the texts that CSV would hold.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from neptuneml_plugin.errors import InvalidData, nearest
from neptuneml_plugin.processing.reading.widths import refuse_uneven

# Instants as the export writes them, then what people write by hand; without an offset: UTC.
_DATE_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
)
_ESCAPED = "\0"
#: How the name of a Parquet file ends; all others are CSV.
PARQUET = ".parquet"
#: Bytes of a file whose cells are held at a time; as text in memory they are some three times as many.
HELD = 1 << 26


@dataclass(frozen=True)
class Column:
    """One column of a file; `place` names it in messages."""

    values: pl.Series
    file: str
    name: str
    #: Position of the first value in its file.
    first_row: int = 0
    #: Position of each value in its file, where rows are left out.
    positions: pl.Series | None = None

    def fail(self, row: int, problem: str) -> InvalidData:
        """Return the error that names file, row and column; `row` counts from 0."""
        place = self.first_row + row
        place = place if self.positions is None else self.positions[place]
        return InvalidData(f"{self.file}, row {place + 1}, column '{self.name}': {problem}")

    def blocks(self, rows: int) -> Iterator["Column"]:
        """Return the same column in pieces of so many rows."""
        for start in range(0, len(self.values), rows):
            yield replace(self, values=self.values.slice(start, rows), first_row=self.first_row + start)


class Recent:
    """The columns that were read last, of one file at a time: what is asked for again is not read again."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._frame = pl.DataFrame()

    def column(self, file: "CsvFile", name: str) -> pl.Series:
        """Return a column, read with those that follow it if they are small."""
        if self._path != file.path or name not in self._frame.columns:
            self._frame = pl.DataFrame()  # freed before the next ones are read
            self._path, self._frame = file.path, read_columns(file.path, file.delimiter, file.following(name))
        return self._frame[name]


@dataclass(frozen=True)
class CsvFile:
    """A file whose columns are read when they are asked for: all at once may be more than fits."""

    folder: Path
    #: As the configuration names it, and so messages do.
    name: str
    delimiter: str
    #: Columns that will be asked for, in this order.
    wanted: tuple[str, ...] = ()
    #: Positions of the rows that count; None: all.
    positions: pl.Series | None = None
    #: Shared by the files of an export.
    recent: Recent = field(default_factory=Recent, compare=False, repr=False)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.name

    def read(self, names: Sequence[str]) -> pl.DataFrame:
        """Return columns as text; see `read_columns`."""
        frame = read_columns(self.path, self.delimiter, names)
        return frame if self.positions is None else frame[self.positions]

    def scan(self, wanted: Mapping[str, pl.Expr]) -> pl.DataFrame:
        """Return what expressions make of the columns, of all rows; see `scan_columns`."""
        return scan_columns(self.path, self.delimiter, wanted)

    def head(self, names: Sequence[str], rows: int) -> pl.DataFrame:
        """Return columns of the first rows."""
        return scan_columns(self.path, self.delimiter, {name: pl.col(name) for name in names}, rows)

    def at(self, positions: pl.Series) -> "CsvFile":
        """Return the file with these of its rows, in this order."""
        kept = positions if self.positions is None else self.positions.gather(positions)
        return replace(self, positions=kept)

    def column(self, name: str) -> Column:
        """Return one column as text, null where the cell is empty."""
        values = self.recent.column(self, name)
        values = values if self.positions is None else values[self.positions]
        return Column(values, self.name, name, positions=self.positions)

    def following(self, name: str) -> tuple[str, ...]:
        """Return a column and those wanted after it that may be held together."""
        if name not in self.wanted:
            return (name,)
        each = self.path.stat().st_size / len(header(self.path, self.delimiter))
        start = self.wanted.index(name)
        return self.wanted[start : start + max(1, int(HELD // max(1.0, each)))]


@dataclass(frozen=True)
class NoRows(CsvFile):
    """Stands in for the file of a type that has no rows."""

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


def header(path: Path, delimiter: str) -> list[str]:
    """Return the column names of a file.

    Raises:
        InvalidData: no header, a name twice, or not UTF-8; not Parquet.
    """
    if path.suffix == PARQUET:
        return list(_parquet_schema(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None
    if not names:
        raise _unreadable(path, "the header is missing")
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise InvalidData(f"{path}: column '{repeated[0]}' stands twice in the header; rename one of them")
    return names


def read_columns(path: Path, delimiter: str, wanted: Sequence[str]) -> pl.DataFrame:
    """Return the wanted columns as text, null where the cell is empty.

    Raises:
        InvalidData: a column is missing, or the file is not CSV as RFC 4180 says, or not Parquet.
    """
    check_columns(path, delimiter, wanted)
    return scan_columns(path, delimiter, {name: pl.col(name) for name in wanted})


def check_columns(path: Path, delimiter: str, wanted: Sequence[str]) -> None:
    """Refuse a file that lacks a column.

    Raises:
        InvalidData: a column is missing, or the header cannot be read.
    """
    names = header(path, delimiter)
    for name in wanted:
        if name not in names:
            raise InvalidData(f"{path} has no column '{name}'{nearest(name, names)}")


def check_rows(path: Path, delimiter: str) -> None:
    """Refuse a CSV file that has a row of another width than its header.

    Raises:
        InvalidData: with the row.
    """
    if path.suffix != PARQUET:
        refuse_uneven(path, delimiter, len(header(path, delimiter)))


def scan_columns(
    path: Path, delimiter: str, wanted: Mapping[str, pl.Expr], rows: int | None = None
) -> pl.DataFrame:
    """Return what expressions make of the cells, a piece of the file at a time.

    Args:
        path: the file.
        delimiter: between its cells.
        wanted: name of the result -> expression over columns of text, null where the cell is empty.
        rows: read so many at most.

    Raises:
        InvalidData: the file is not CSV as RFC 4180 says, or not Parquet.
    """
    columns = sorted({column for expression in wanted.values() for column in expression.meta.root_names()})
    scan = _scan_parquet if path.suffix == PARQUET else _scan_csv
    try:
        cells = scan(path, delimiter, columns, rows)
        texts = cells.select(pl.when(pl.col(column) != "").then(pl.col(column)) for column in columns)
        return texts.select(**wanted).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from None


def _scan_csv(path: Path, delimiter: str, columns: Sequence[str], rows: int | None) -> pl.LazyFrame:
    names = header(path, delimiter)
    # Polars leaves doubled quotes in a header as they are, so the names are ours.
    table = pl.scan_csv(
        path, separator=delimiter, infer_schema=False, glob=False, with_column_names=lambda _: names, n_rows=rows
    )
    return table.select(columns)


def _scan_parquet(path: Path, _delimiter: str, columns: Sequence[str], rows: int | None) -> pl.LazyFrame:
    schema = _parquet_schema(path)
    for name in columns:
        kind = schema[name]
        if kind.is_nested() or kind in {pl.Binary, pl.Object}:
            raise InvalidData(
                f"{path}, column '{name}': holds {kind}; write several values as one text, joined by the "
                "separator that the configuration names"
            )
    return pl.scan_parquet(path, glob=False, n_rows=rows).select(pl.col(columns).cast(pl.String))


def _parquet_schema(path: Path) -> Mapping[str, pl.DataType]:
    try:
        return pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, reason: object) -> InvalidData:
    form = "Parquet" if path.suffix == PARQUET else "CSV in UTF-8"
    return InvalidData(f"{path} cannot be read as {form}: {str(reason).splitlines()[0]}")


def split_lists(values: pl.Series, separator: str) -> pl.Series:
    r"""Return lists of items; `\;` inside an item stands for the separator itself. Null stays null."""
    escaped = values.str.replace_all("\\" + separator, _ESCAPED, literal=True)
    item = pl.element().str.replace_all(_ESCAPED, separator, literal=True)
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
        raise column.fail(row, f"'{column.values[row]}' is not a finite number")
    return parsed.fill_nan(None)


def parse_numbers(values: pl.Series) -> pl.Series:
    """Return float64, null where a cell is no number."""
    return values.str.strip_chars().cast(pl.Float64, strict=False)


def parse_dates(values: pl.Series) -> pl.Series:
    """Return UTC datetimes in milliseconds, null where a cell is no ISO 8601 date."""
    text = values.str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d) (\d)", "${1}T${2}").alias("text")
    formats = [
        pl.col("text").str.to_datetime(form, time_unit="ms", time_zone="UTC", strict=False)
        for form in _DATE_FORMATS
    ]
    return text.to_frame().select(pl.coalesce(formats)).to_series()


def first_null(values: pl.Series) -> int | None:
    """Return the position of the first null."""
    return values.is_null().arg_max() if values.null_count() else None
