"""Learns encoders from columns: which encoding `auto` stands for, and the numbers that an encoding needs.

Rules of Neptune ML's guide (spec/neptune-ml.md 2.5-2.7); the order of the rules of `auto` is ours: numbers, then
truth values, then dates, then text, then categories. What `auto` stands for is seen on all rows, the numbers are
learnt on the training rows only.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.processing.encoders import (
    HOURS,
    MONTHS,
    WEEKDAYS,
    Buckets,
    Category,
    Datetime,
    Encoder,
    Numerical,
    date_part,
    dates_of,
    number_matrix,
)
from neptuneml_plugin.processing.tables import Column, parse_dates, parse_numbers, split_lists
from neptuneml_plugin.processing.trainingdata import DATETIME_PARTS, FeatureSpec

#: More categories than this: all but one of them the most frequent ones, and `OTHER`.
MAX_CATEGORIES = 100
#: `auto`: numbers with fewer distinct values than both limits are categories.
FEW_VALUES, FEW_VALUES_SHARE = 100, 0.1
#: `auto`: text has at least so many words on average, and more distinct values than the share.
TEXT_WORDS, TEXT_DISTINCT_SHARE = 3, 0.1
TRUTH_VALUES = ("true", "false")

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dropped:
    """A feature that is left out, and why."""

    reason: str


def fit(spec: FeatureSpec, column: Column, training: Bools) -> Encoder | Dropped:
    """Learn the encoder of one feature.

    Args:
        spec: the feature.
        column: all its rows.
        training: the rows to learn from, (rows,).

    Raises:
        InvalidData: a cell does not fit the feature's type; file, row and column are named.
    """
    if spec.type == "auto":
        inferred = infer(spec, column)
        return inferred if isinstance(inferred, Dropped) else fit(inferred, column, training)
    encoder = _FITS[spec.type](spec, column, training)
    if isinstance(encoder, Dropped) or encoder.width:
        return encoder
    return Dropped("no value in the training rows tells it apart")


def infer(spec: FeatureSpec, column: Column) -> FeatureSpec | Dropped:
    """Return the feature that `auto` stands for."""
    values = column.values.drop_nulls()
    if values.is_empty():
        return Dropped("it has no values")
    if spec.separator is not None:
        return _infer_list(spec, values)
    parsed = parse_numbers(values)
    if parsed.is_finite().fill_null(value=False).all():
        return _infer_number(spec, parsed)
    return _infer_text(spec, values)


def _infer_text(spec: FeatureSpec, values: pl.Series) -> FeatureSpec | Dropped:
    if values.str.to_lowercase().is_in(TRUTH_VALUES).all():
        return replace(spec, type="category")
    if parse_dates(values).null_count() == 0:
        return replace(spec, type="datetime")
    distinct = values.n_unique()
    words = values.str.count_matches(r"\S+").mean()
    if distinct > TEXT_DISTINCT_SHARE * len(values) and isinstance(words, float) and words >= TEXT_WORDS:
        return Dropped("it is free text, which this release does not encode")
    if distinct == len(values) > 1:
        return Dropped("every row has a value of its own, like an id")
    return replace(spec, type="category")


def _infer_number(spec: FeatureSpec, parsed: pl.Series) -> FeatureSpec:
    distinct = parsed.n_unique()
    if distinct < FEW_VALUES and distinct < FEW_VALUES_SHARE * len(parsed):
        return replace(spec, type="category")
    return replace(spec, type="numerical", imputer=spec.imputer or "median")


def _infer_list(spec: FeatureSpec, values: pl.Series) -> FeatureSpec:
    lists = split_lists(values, spec.separator or "")
    lists = lists.filter(lists.list.len() > 0)
    numeric = parse_numbers(lists.explode()).is_finite().fill_null(value=False).all()
    if len(lists) and numeric and lists.list.len().n_unique() == 1:
        return replace(spec, type="numerical", imputer=spec.imputer or "median")
    return replace(spec, type="category")


def _fit_numerical(spec: FeatureSpec, column: Column, training: Bools) -> Encoder | Dropped:
    width = 1
    if spec.separator is not None:
        lengths = split_lists(column.values, spec.separator).list.len()
        longest = lengths.max()
        width = longest if isinstance(longest, int) else 0
        if not width:
            return Dropped("it has no values")
    values = number_matrix(column, spec.separator, width)
    learnt = [column_values[~np.isnan(column_values)] for column_values in values[training].T]
    if not all(len(known) for known in learnt):
        return Dropped("it has no values in the training rows")
    imputer = spec.imputer
    fill = tuple(_impute(imputer, known) for known in learnt) if imputer else None
    shifts, scales = zip(*(_norm(spec.norm, known) for known in learnt), strict=True)
    return Numerical(spec.column, spec.name, shifts, scales, fill, spec.separator)


def _fit_category(spec: FeatureSpec, column: Column, training: Bools) -> Encoder | Dropped:
    values = column.values.filter(pl.Series(training))
    if spec.separator is not None:
        values = split_lists(values, spec.separator).explode()
    counts = values.drop_nulls().alias("value").value_counts()
    # Ties by name, so that the same data gives the same columns.
    ordered = counts.sort(["count", "value"], descending=[True, False])["value"]
    has_other = len(ordered) > MAX_CATEGORIES
    kept = ordered.head(MAX_CATEGORIES - 1) if has_other else ordered
    return Category(spec.column, spec.name, tuple(kept.sort().to_list()), has_other, spec.separator)


def _fit_buckets(spec: FeatureSpec, column: Column, training: Bools) -> Encoder | Dropped:
    values = number_matrix(column, None, 1)[training, 0]
    known = values[~np.isnan(values)]
    if not len(known):
        return Dropped("it has no values in the training rows")
    fill = _impute(spec.imputer, known) if spec.imputer else None
    return Buckets(spec.column, spec.name, *spec.range, spec.bucket_count, spec.window, fill)


def _fit_datetime(spec: FeatureSpec, column: Column, training: Bools) -> Encoder | Dropped:
    dates = dates_of(column).filter(pl.Series(training)).drop_nulls()
    slots = {"month": range(1, MONTHS + 1), "weekday": range(1, WEEKDAYS + 1), "hour": range(HOURS)}
    parts = {}
    for part in DATETIME_PARTS:
        present = sorted(int(value) for value in date_part(dates, part).unique())
        if part in spec.datetime_parts and len(present) > 1:
            parts[part] = tuple(slots.get(part, present))
    milliseconds = dates.to_physical().to_numpy().astype(np.float64)
    fill = int(_impute(spec.imputer, milliseconds)) if spec.imputer and len(dates) else None
    return Datetime(spec.column, spec.name, parts, fill)


_FITS: dict[str, Callable[[FeatureSpec, Column, Bools], Encoder | Dropped]] = {
    "numerical": _fit_numerical,
    "category": _fit_category,
    "bucket_numerical": _fit_buckets,
    "datetime": _fit_datetime,
}


def _impute(imputer: str, known: Floats) -> float:
    if imputer == "most-frequent":
        values, counts = np.unique(known, return_counts=True)
        return float(values[np.argmax(counts)])  # of several the smallest
    average = np.mean if imputer == "mean" else np.median
    with np.errstate(over="ignore"):
        value = float(average(known))
    # Numbers near the largest of float64 overflow in the sum.
    return value if math.isfinite(value) else float(average(known / len(known))) * len(known)


def _norm(norm: str, known: Floats) -> tuple[float, float]:
    """Return shift and scale."""
    if norm == "min-max":
        low, high = float(known.min()), float(known.max())
        return low, _inverse(high - low)
    if norm == "standard":  # the guide's word for: divided by the sum of all values
        with np.errstate(over="ignore"):
            return 0.0, _inverse(float(known.sum()))
    return 0.0, 1.0


def _inverse(span: float) -> float:
    """Return 1/span; 1 where that is no finite number, as for a constant column."""
    inverse = 1 / span if span else math.inf
    return inverse if math.isfinite(inverse) and inverse else 1.0
