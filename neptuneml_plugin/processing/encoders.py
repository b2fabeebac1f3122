"""Fitted encoders: what turns a column of text into a float32 matrix, and their file `encoders.json`.

One code path encodes at processing time and, from the saved state, for elements that come later. A missing or
unknown value becomes a row of zeros, or the imputed number; a value outside the learnt range is not clipped.
Arithmetic is in float64, the result is float32.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
import polars as pl
from cattrs.strategies import configure_tagged_union

from neptuneml_plugin.artifacts import FORMAT_VERSION, EdgeType
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.tables import Column, numbers, parse_dates, split_lists
from neptuneml_plugin.stage import write_json

Matrix = npt.NDArray[np.float32]

MONTHS, WEEKDAYS, HOURS = 12, 7, 24
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Numerical:
    """(value - shift) * scale; with a separator, each number of a list so."""

    column: str
    name: str
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    #: Stands in for a missing value; None: a missing value is an error.
    fill: tuple[float, ...] | None
    separator: str | None = None
    type: str = "numerical"

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.shift)

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width).

        Raises:
            InvalidData: not a number, a list of another length, or missing with nothing to impute.
        """
        values = number_matrix(column, self.separator, self.width)
        missing = np.isnan(values)
        if missing.any():
            if self.fill is None:
                raise missing_value(column, int(np.argmax(missing.any(axis=1))))
            values = np.where(missing, np.array(self.fill), values)
        with np.errstate(over="ignore"):
            values = (values - np.array(self.shift)) * np.array(self.scale)
        encoded: Matrix = np.clip(values, -_LARGEST, _LARGEST).astype(np.float32)
        return encoded


@dataclass(frozen=True)
class Category:
    """One column per category, and one for all others where there were too many.

    With a separator, a row may have several.
    """

    column: str
    name: str
    categories: tuple[str, ...]
    has_other: bool = False
    separator: str | None = None
    type: str = "category"

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.categories) + self.has_other

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width) of 0 and 1."""
        values = column.values.alias("value").to_frame().with_row_index("row")
        if self.separator is not None:
            lists = split_lists(column.values, self.separator).alias("value")
            values = values.with_columns(lists).explode("value")
        values = values.drop_nulls("value")
        slots = values["value"].replace_strict(
            pl.Series(self.categories, dtype=pl.String),
            pl.Series(range(len(self.categories)), dtype=pl.Int64),
            default=len(self.categories) if self.has_other else -1,
            return_dtype=pl.Int64,
        )
        return one_hot(len(column.values), values["row"].to_numpy(), slots.to_numpy(), self.width)


@dataclass(frozen=True)
class Buckets:
    """`count` buckets of equal width between `low` and `high`; every one that the window around a value touches.

    Buckets are [lo, hi), the last one closed; values outside fall into the first or the last (decision 10).
    """

    column: str
    name: str
    low: float
    high: float
    count: int
    window: float
    fill: float | None
    type: str = "bucket_numerical"

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return self.count

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width) of 0 and 1.

        Raises:
            InvalidData: not a number, or missing with nothing to impute.
        """
        values = number_matrix(column, None, 1)[:, 0]
        missing = np.isnan(values)
        if missing.any():
            if self.fill is None:
                raise missing_value(column, int(np.argmax(missing)))
            values = np.where(missing, self.fill, values)
        first, last = self._bucket(values - self.window / 2), self._bucket(values + self.window / 2)
        slots = np.arange(self.count)
        touched = (slots >= first[:, None]) & (slots <= last[:, None])
        return touched.astype(np.float32)

    def _bucket(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        position = np.floor((values - self.low) / (self.high - self.low) * self.count)
        bucket: npt.NDArray[np.float64] = np.clip(position, 0, self.count - 1)
        return bucket


@dataclass(frozen=True)
class Datetime:
    """One-hot arrays of year, month, weekday (Monday first) and hour, in UTC."""

    column: str
    name: str
    #: Part -> the values that have a column each.
    parts: Mapping[str, tuple[int, ...]]
    #: Milliseconds since 1970 that stand in for a missing value; None: a row of zeros.
    fill: int | None = None
    type: str = "datetime"

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return sum(len(slots) for slots in self.parts.values())

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width) of 0 and 1.

        Raises:
            InvalidData: a cell is no ISO 8601 date.
        """
        dates = dates_of(column)
        if self.fill is not None:
            dates = dates.fill_null(pl.Series([self.fill]).cast(dates.dtype)[0])
        blocks = []
        for part, slots in self.parts.items():
            values = date_part(dates, part).to_numpy()  # float64 with NaN where there are nulls
            blocks.append((values[:, None] == np.array(slots)[None, :]).astype(np.float32))
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(dates), 0), np.float32)


Encoder = Numerical | Category | Buckets | Datetime


@dataclass(frozen=True)
class FittedEncoders:
    """`encoders.json`: the encoders of each node label and edge type, in the order of the features."""

    nodes: Mapping[str, tuple[Encoder, ...]] = field(default_factory=dict)
    edges: tuple[tuple[EdgeType, tuple[Encoder, ...]], ...] = ()
    format_version: int = FORMAT_VERSION


_converter = cattrs.Converter()
configure_tagged_union(Encoder, _converter, tag_name="encoder")


def write_encoders(path: Path, encoders: FittedEncoders) -> None:
    """Write the fitted state as JSON; numbers keep all their digits."""
    write_json(path, _converter.unstructure(encoders))


def read_encoders(path: Path) -> FittedEncoders:
    """Read the fitted state.

    Raises:
        InvalidData: missing, or not written by `write_encoders`.
    """
    if not path.is_file():
        raise InvalidData(f"{path} is missing; is {path.parent} the output of `process`?")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format_version"] == FORMAT_VERSION:
            return _converter.structure(raw, FittedEncoders)
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"{path} does not hold fitted encoders ({error}); run `process` again") from None
    raise InvalidData(f"{path} has format version {raw['format_version']}, this release reads {FORMAT_VERSION}")


def number_matrix(column: Column, separator: str | None, width: int) -> npt.NDArray[np.float64]:
    """Return (rows, width) with NaN where a value is missing.

    Raises:
        InvalidData: not a number, or a list that is not `width` long.
    """
    if separator is None:
        return numbers(column).fill_null(math.nan).to_numpy()[:, None]
    lists = split_lists(column.values, separator)
    lengths = lists.list.len().fill_null(0)
    wrong = (lengths != width) & (lengths > 0)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise column.fail(row, f"'{column.values[row]}' has {lengths[row]} numbers, other rows have {width}")
    rows = np.flatnonzero(lengths.to_numpy() > 0)
    items = lists.gather(rows).explode().alias(column.name)
    parsed = numbers_at(column, items, np.repeat(rows, width))
    matrix = np.full((len(lists), width), math.nan)
    matrix[rows] = parsed.reshape(-1, width)
    return matrix


def numbers_at(column: Column, items: pl.Series, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the numbers of list items that stand in `rows` of a column."""
    try:
        return numbers(Column(items, column.file, column.name)).fill_null(math.nan).to_numpy()
    except InvalidData:
        parsed = items.str.strip_chars().cast(pl.Float64, strict=False)
        item = int(np.argmin(np.isfinite(parsed.fill_null(math.nan).to_numpy())))
        raise column.fail(int(rows[item]), f"'{items[item]}' is not a finite number") from None


def dates_of(column: Column) -> pl.Series:
    """Return UTC datetimes.

    Raises:
        InvalidData: a cell is no ISO 8601 date.
    """
    dates = parse_dates(column.values)
    wrong = dates.is_null() & column.values.is_not_null()
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise column.fail(row, f"'{column.values[row]}' is not an ISO 8601 date such as 2020-12-06T23:10:00Z")
    return dates


def date_part(dates: pl.Series, part: str) -> pl.Series:
    """Return year, month (1-12), weekday (1-7) or hour (0-23) of dates."""
    parts = {"year": dates.dt.year, "month": dates.dt.month, "weekday": dates.dt.weekday, "hour": dates.dt.hour}
    return parts[part]().cast(pl.Float64)


def one_hot(rows: int, at: npt.NDArray[Any], slots: npt.NDArray[np.int64], width: int) -> Matrix:
    """Return (rows, width) with 1 at (at, slots); slot -1 sets nothing."""
    matrix = np.zeros((rows, width), np.float32)
    known = slots >= 0
    matrix[at[known], slots[known]] = 1
    return matrix


def missing_value(column: Column, row: int) -> InvalidData:
    """Return the error of a missing value that nothing may stand in for."""
    return column.fail(
        row, "is missing; fill it in, or set an imputer (mean, median, most-frequent) in the configuration"
    )
