"""CSV files as columns of text, and the kinds of values that cells hold (spec/formats.md A.4).

Everything is read as text first: what a column means is the encoders' business. An empty cell is null. Rows are
counted from 1, the header not included.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from neptuneml_plugin.errors import InvalidData, nearest

# Instants as the export writes them, then what people write by hand; without an offset: UTC.
_DATE_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
)
_ESCAPED = "\0"


@dataclass(frozen=True)
class Column:
    """One column of a file; `place` names it in messages."""

    values: pl.Series
    file: str
    name: str

    def fail(self, row: int, problem: str) -> InvalidData:
        """Return the error that names file, row and column; `row` counts from 0."""
        return InvalidData(f"{self.file}, row {row + 1}, column '{self.name}': {problem}")


def header(path: Path, delimiter: str) -> list[str]:
    """Return the column names of a file.

    Raises:
        InvalidData: no header, a name twice, or not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _not_csv(path, error) from None
    if not names:
        raise _not_csv(path, "the header is missing")
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise InvalidData(f"{path}: column '{repeated[0]}' stands twice in the header; rename one of them")
    return names


def read_columns(path: Path, delimiter: str, wanted: Sequence[str]) -> pl.DataFrame:
    """Return the wanted columns as text, null where the cell is empty.

    Raises:
        InvalidData: a column is missing, or the file is not CSV as RFC 4180 says.
    """
    names = header(path, delimiter)
    for name in wanted:
        if name not in names:
            raise InvalidData(f"{path} has no column '{name}'{nearest(name, names)}")
    columns = [pl.col(name) for name in dict.fromkeys(wanted)]
    try:
        # Polars leaves doubled quotes in a header as they are, so the names are ours.
        table = pl.scan_csv(
            path, separator=delimiter, infer_schema=False, glob=False, with_column_names=lambda _: names
        )
        frame = table.select(columns).collect()
    except pl.exceptions.PolarsError as error:
        raise _not_csv(path, error) from None
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _not_csv(path: Path, reason: object) -> InvalidData:
    return InvalidData(f"{path} cannot be read as CSV in UTF-8: {str(reason).splitlines()[0]}")


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
