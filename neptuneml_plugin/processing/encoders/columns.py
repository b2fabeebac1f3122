"""What encoders share: numbers of a column, rows of zeros and ones, and the error of a missing value.

What is learnt of a training row and what any row is encoded as never depends on the rows beside it.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.cells import texts
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.reading.tables import Column, numbers, parse_numbers, split_lists
from neptuneml_plugin.trainingdata.features import DROP_ROW, FeatureSpec

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Numbers of lists that are read at a time: 16 MiB.
_BLOCK = 1 << 21
NO_TRAINING_VALUES = "it has no values in the training rows"


@dataclass(frozen=True)
class Dropped:
    """A feature that is left out, and why."""

    reason: str


def require_present(column: Column) -> None:
    """Refuse a column with a missing value.

    Raises:
        InvalidData: a value is missing.
    """
    if column.values.null_count():
        raise missing_value(column, int(column.values.is_null().arg_max() or 0))


def missing_value(column: Column, row: int) -> InvalidData:
    """Return the error of a missing value that nothing may stand in for."""
    return column.fail(
        row, "is missing; fill it in, or set an imputer (mean, median, most-frequent) in the configuration"
    )


def finite_numbers(column: Column, *, coerce: bool) -> pl.Series:
    """Return float64, null where the cell is empty or NaN; with `coerce`, also where it is no finite number.

    Raises:
        InvalidData: a cell is not a finite number.
    """
    if not coerce:
        return numbers(column)
    parsed = parse_numbers(column.values)
    return parsed.set(~parsed.is_finite().fill_null(value=False), None)


def number_matrix(column: Column, separator: str | None, width: int, *, coerce: bool = False) -> Floats:
    """Return (rows, width) with NaN where a value is missing.

    Raises:
        InvalidData: not a number, or a list that is not `width` long, unless `coerce` takes these for missing.
    """
    if separator is None:
        return finite_numbers(column, coerce=coerce).fill_null(math.nan).to_numpy()[:, None]
    matrix = np.full((len(column.values), width), math.nan)
    step = max(1, _BLOCK // max(1, width))
    for start in range(0, len(matrix), step):
        _fill_lists(matrix, column, start, lists_of(column.values[start : start + step], separator), coerce=coerce)
    return matrix


def lists_of(values: pl.Series, separator: str) -> pl.Series:
    """Return the items of lists, which may stand in brackets: numbers, or texts."""
    if isinstance(values.dtype, pl.List):
        return values
    return split_lists(texts(values).str.strip_chars(" []"), separator)


def list_length(spec: FeatureSpec, column: Column) -> int:
    """Return how many numbers a row has: the most; where other lists are left out, the most frequent count."""
    lengths = lists_of(column.values, spec.separator or "").list.len().drop_nulls()
    lengths = lengths.filter(lengths > 0)
    if lengths.is_empty():
        return 0
    tolerant = spec.coerces or spec.on_error == DROP_ROW
    return int(lengths.mode().max() if tolerant else lengths.max())  # type: ignore[arg-type]  # integers


def _fill_lists(matrix: Floats, column: Column, start: int, lists: pl.Series, *, coerce: bool) -> None:
    """Write the numbers of lists, the first of which stands in row `start`."""
    width = matrix.shape[1]
    lengths = lists.list.len().fill_null(0)
    wrong = (lengths != width) & (lengths > 0)
    if wrong.any() and not coerce:
        row = int(wrong.arg_max() or 0)
        text = column.text(start + row)
        raise column.fail(start + row, f"'{text}' has {lengths[row]} numbers, other rows have {width}")
    rows = np.flatnonzero((lengths == width).to_numpy())
    if width and len(rows):
        items = lists.gather(rows).explode().alias(column.name)
        parsed = _numbers_at(column, items, np.repeat(rows + start, width), coerce=coerce)
        matrix[rows + start] = parsed.reshape(-1, width)


def _numbers_at(column: Column, items: pl.Series, rows: npt.NDArray[np.int64], *, coerce: bool) -> Floats:
    """Return the numbers of list items that stand in `rows` of a column."""
    try:
        found = finite_numbers(Column(items, column.file, column.name), coerce=coerce)
    except InvalidData:
        parsed = parse_numbers(items).fill_null(math.nan).to_numpy()
        item = int(np.argmin(np.isfinite(parsed)))
        raise column.fail(int(rows[item]), f"'{items[item]}' is not a finite number") from None
    return found.fill_null(math.nan).to_numpy()


def one_hot(rows: int, at: npt.NDArray[Any], slots: npt.NDArray[np.int64], width: int) -> Matrix:
    """Return (rows, width) with 1 at (at, slots); slot -1 sets nothing."""
    matrix = np.zeros((rows, width), np.float32)
    known = slots >= 0
    matrix[at[known], slots[known]] = 1
    return matrix


def impute(imputer: str, known: Floats) -> float:
    """Return the number that stands in for a missing one."""
    if imputer == "most-frequent":
        values, counts = np.unique(known, return_counts=True)
        return float(values[np.argmax(counts)])  # of several the smallest
    average = np.mean if imputer == "mean" else np.median
    with np.errstate(over="ignore"):
        value = float(average(known))
    if math.isfinite(value):
        return value
    # Numbers near the largest of float64 overflow in the sum, and when they are rounded on the way back.
    parts = 2 * len(known)
    return float(np.clip(float(average(known / parts)) * parts, known.min(), known.max()))
