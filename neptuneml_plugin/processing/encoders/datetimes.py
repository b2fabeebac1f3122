"""Dates as one-hot arrays of their parts (spec/neptune-ml.md 2.6)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from neptuneml_plugin.processing.encoders.columns import Bools, Matrix, impute, require_present
from neptuneml_plugin.processing.reading.tables import Column, parse_dates
from neptuneml_plugin.trainingdata.features import DATETIME_PARTS, FeatureSpec

MONTHS, WEEKDAYS, HOURS = 12, 7, 24


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
    #: Whether a missing value is an error.
    required: bool = False
    #: Whether a value that is no date counts as missing.
    coerce: bool = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return sum(len(slots) for slots in self.parts.values())

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width) of 0 and 1.

        Raises:
            InvalidData: a cell is no ISO 8601 date, or missing where it must not be.
        """
        if self.required:
            require_present(column)
        dates = dates_of(column, coerce=self.coerce)
        if self.fill is not None:
            dates = dates.fill_null(pl.Series([self.fill]).cast(dates.dtype)[0])
        blocks = []
        for part, slots in self.parts.items():
            values = date_part(dates, part).to_numpy()  # float64 with NaN where there are nulls
            blocks.append((values[:, None] == np.array(slots)[None, :]).astype(np.float32))
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(dates), 0), np.float32)


def fit_datetime(spec: FeatureSpec, column: Column, training: Bools) -> Datetime:
    """Learn the years, and which parts have several values, from the training rows."""
    dates = dates_of(column, coerce=spec.coerces).filter(pl.Series(training)).drop_nulls()
    slots = {"month": range(1, MONTHS + 1), "weekday": range(1, WEEKDAYS + 1), "hour": range(HOURS)}
    parts = {}
    for part in DATETIME_PARTS:
        present = sorted(int(value) for value in date_part(dates, part).unique())
        if part in spec.datetime_parts and len(present) > 1:
            parts[part] = tuple(slots.get(part, present))
    milliseconds = dates.to_physical().to_numpy().astype(np.float64)
    fill = int(impute(spec.filled_by, milliseconds)) if spec.filled_by and len(dates) else None
    return Datetime(spec.column, spec.name, parts, fill, required=spec.required, coerce=spec.coerces)


def dates_of(column: Column, *, coerce: bool = False) -> pl.Series:
    """Return UTC datetimes; with `coerce`, null where a cell is no date.

    Raises:
        InvalidData: a cell is no ISO 8601 date.
    """
    dates = parse_dates(column.values)
    wrong = dates.is_null() & column.values.is_not_null()
    if wrong.any() and not coerce:
        row = int(wrong.arg_max() or 0)
        raise column.fail(row, f"'{column.text(row)}' is not an ISO 8601 date such as 2020-12-06T23:10:00Z")
    return dates


def date_part(dates: pl.Series, part: str) -> pl.Series:
    """Return year, month (1-12), weekday (1-7) or hour (0-23) of dates."""
    parts = {"year": dates.dt.year, "month": dates.dt.month, "weekday": dates.dt.weekday, "hour": dates.dt.hour}
    return parts[part]().cast(pl.Float64)
