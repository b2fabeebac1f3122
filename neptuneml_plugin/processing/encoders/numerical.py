"""Numbers, and lists of numbers: shifted and scaled, as they are, or in buckets.

Arithmetic is in float64, the result is float32; a value outside the learnt range is not clipped.
"""

import math
from dataclasses import dataclass

import numpy as np

from neptuneml_plugin.processing.encoders.columns import (
    NO_TRAINING_VALUES,
    Bools,
    Dropped,
    Floats,
    Matrix,
    impute,
    list_length,
    missing_value,
    number_matrix,
)
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import FeatureSpec

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
    #: `numerical` or `vector`.
    type: str = "numerical"
    #: Whether a value that is no number counts as missing.
    coerce: bool = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.shift)

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width).

        Raises:
            InvalidData: not a number, a list of another length, or missing with nothing to impute.
        """
        values = number_matrix(column, self.separator, self.width, coerce=self.coerce)
        return self.of_numbers(_filled(column, values, self.fill))

    def of_numbers(self, values: Floats) -> Matrix:
        """Return (rows, width) of as many finite numbers."""
        with np.errstate(over="ignore"):
            values = (values - np.array(self.shift)) * np.array(self.scale)
        encoded: Matrix = np.clip(values, -_LARGEST, _LARGEST).astype(np.float32)
        return encoded


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
    coerce: bool = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return self.count

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width) of 0 and 1.

        Raises:
            InvalidData: not a number, or missing with nothing to impute.
        """
        matrix = number_matrix(column, None, 1, coerce=self.coerce)
        return self.of_numbers(_filled(column, matrix, None if self.fill is None else (self.fill,)))

    def of_numbers(self, values: Floats) -> Matrix:
        """Return (rows, width) of finite numbers, (rows, 1)."""
        values = values[:, 0]
        first, last = self._bucket(values - self.window / 2), self._bucket(values + self.window / 2)
        slots = np.arange(self.count)
        touched = (slots >= first[:, None]) & (slots <= last[:, None])
        return touched.astype(np.float32)

    def _bucket(self, values: Floats) -> Floats:
        position = np.floor((values - self.low) / (self.high - self.low) * self.count)
        bucket: Floats = np.clip(position, 0, self.count - 1)
        return bucket


def _filled(column: Column, values: Floats, fill: tuple[float, ...] | None) -> Floats:
    """Return values with `fill` in place of NaN.

    Raises:
        InvalidData: a value is missing, and there is no `fill`.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    if fill is None:
        raise missing_value(column, int(np.argmax(missing.any(axis=1))))
    return np.where(missing, np.array(fill), values)


def fit_numerical(spec: FeatureSpec, column: Column, training: Bools) -> Numerical | Dropped:
    """Learn shift, scale and fill from the training rows."""
    width = 1 if spec.separator is None else list_length(spec, column)
    if not width:
        return Dropped("it has no values")
    values = number_matrix(column, spec.separator, width, coerce=spec.coerces)[training]
    learnt = [values_of_one[~np.isnan(values_of_one)] for values_of_one in values.T]
    if not all(len(known) for known in learnt):
        return Dropped(NO_TRAINING_VALUES)
    imputer = spec.filled_by
    fill = tuple(impute(imputer, known) for known in learnt) if imputer else None
    shifts, scales = zip(*(_norm(spec.norm, known) for known in learnt), strict=True)
    return Numerical(spec.column, spec.name, shifts, scales, fill, spec.separator, spec.type, spec.coerces)


def fit_buckets(spec: FeatureSpec, column: Column, training: Bools) -> Buckets | Dropped:
    """Learn what stands in for a missing value from the training rows."""
    values = number_matrix(column, None, 1, coerce=spec.coerces)[training, 0]
    known = values[~np.isnan(values)]
    if not len(known):
        return Dropped(NO_TRAINING_VALUES)
    fill = impute(spec.filled_by, known) if spec.filled_by else None
    return Buckets(spec.column, spec.name, *spec.range, spec.bucket_count, spec.window, fill, coerce=spec.coerces)


def _norm(norm: str, known: Floats) -> tuple[float, float]:
    """Return shift and scale."""
    if norm == "min-max":
        low, high = float(known.min()), float(known.max())
        return low, _inverse(high - low)
    if norm == "standard":  # the guide's word for: divided by the sum of all values
        with np.errstate(over="ignore"):
            return 0.0, _inverse(float(known.sum()))
    if norm == "z-score":
        mean = impute("mean", known)
        with np.errstate(over="ignore"):
            return mean, _inverse(float(np.sqrt(np.mean((known - mean) ** 2))))
    return 0.0, 1.0


def _inverse(span: float) -> float:
    """Return 1/span; 1 where that is no finite number, as for a constant column."""
    inverse = 1 / span if span else math.inf
    return inverse if math.isfinite(inverse) and inverse else 1.0
