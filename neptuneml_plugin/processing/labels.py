"""The target's values as arrays: classes of their original type, or numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.sources import (
    LabelSpec,
)
from neptuneml_plugin.processing.reading.tables import Column, numbers, parse_numbers, split_lists

ClassValue = str | int | float | bool

_INTEGERS = ("Byte", "Short", "Integer", "Long")
_INTEGER_LIMIT = 2**31
_LARGEST = float(np.finfo(np.float32).max)
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Labels:
    """Answers of every row of the target type."""

    #: As `ProcessedGraph` says: int64 (rows,), float32 (rows, classes) or float32 (rows,).
    values: npt.NDArray[Any]
    #: Rows that have an answer, (rows,).
    known: npt.NDArray[np.bool_]
    data_type: str
    multi_label: bool = False
    classes: tuple[ClassValue, ...] = ()
    #: Values that are none of the classes given -> their rows, which have no answer.
    unknown: Mapping[str, int] = field(default_factory=dict)

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """What a stratified split deals out evenly: a row's class, of several the rarest; -1 where unknown."""
        if self.values.dtype == np.int64:
            return self.values
        if not self.multi_label:
            return np.zeros(len(self.known), dtype=np.int64)
        chosen = self.values == 1
        rows = np.where(chosen, chosen.sum(0), len(chosen) + 1).argmin(1)
        return np.where(self.known, rows, -1)

    def counts(self, rows: npt.NDArray[np.bool_]) -> tuple[int, ...]:
        """Return how many of the rows are of each class; empty for a regression."""
        if not self.classes:
            return ()
        values = self.values[rows & self.known]
        counts = values.sum(0) if self.multi_label else np.bincount(values, minlength=len(self.classes))
        return tuple(int(count) for count in counts)


def read_labels(
    spec: LabelSpec, column: Column, data_type: str | None, classes: Sequence[ClassValue] = ()
) -> Labels:
    """Return the answers in a column.

    Args:
        spec: classification or regression.
        column: the target property.
        data_type: the property's type as the export recorded it, if it did.
        classes: the classes there are; empty: those of the column.

    Raises:
        InvalidData: no answers, a single class, or a value that is not of the type.
    """
    if column.values.null_count() == len(column.values):
        raise InvalidData(f"{column.file}: target '{column.name}' has no values; nothing can be learnt from it")
    if spec.kind == "regression":
        return _numbers(column, data_type)
    labels = _classes(spec, column, data_type, classes)
    if len(labels.classes) < 2:
        raise InvalidData(
            f"{column.file}: target '{column.name}' has the single class {labels.classes[0]!r}; "
            "a classification needs two or more"
        )
    return labels


def _numbers(column: Column, data_type: str | None) -> Labels:
    values = numbers(column).fill_null(math.nan).to_numpy()
    large = np.abs(values) > _LARGEST
    if large.any():
        row = int(np.argmax(large))
        raise column.fail(row, f"{column.text(row)} is larger than a 32-bit float can be; scale the target")
    return Labels(values.astype(np.float32), ~np.isnan(values), data_type or "Double")


def _classes(spec: LabelSpec, column: Column, data_type: str | None, given: Sequence[ClassValue]) -> Labels:
    lists = column.texts if spec.separator is None else split_lists(column.values, spec.separator)
    frame = lists.alias("text").to_frame().with_row_index("row")
    frame = (frame if spec.separator is None else frame.explode("text")).drop_nulls("text")
    texts = frame["text"].unique().to_list()
    kind = data_type or _infer(texts)
    values = {text: _value(text, kind, column) for text in texts}
    classes = list(given) or sorted(set(values.values()))
    position = {value: i for i, value in enumerate(classes)}
    slots = [position.get(values[text], -1) for text in texts]
    frame = frame.with_columns(slot=pl.col("text").replace_strict(texts, slots, return_dtype=pl.Int64))
    unknown = dict(frame.filter(pl.col("slot") < 0)["text"].value_counts(sort=True).rows())
    frame = frame.filter(pl.col("slot") >= 0)
    rows, index = frame["row"].to_numpy(), frame["slot"].to_numpy()
    known = np.zeros(len(lists), dtype=bool)
    known[rows] = True
    if spec.separator is None:
        single = np.full(len(lists), -1, dtype=np.int64)
        single[rows] = index
        return Labels(single, known, kind, classes=tuple(classes), unknown=unknown)
    several = np.zeros((len(lists), len(classes)), dtype=np.float32)
    several[rows, index] = 1
    several[~known] = math.nan
    return Labels(several, known, kind, multi_label=True, classes=tuple(classes), unknown=unknown)


def _infer(texts: Sequence[str]) -> str:
    """Return the data type of values whose export recorded none."""
    if all(text.lower() in _TRUTH for text in texts):
        return "Boolean"
    parsed = parse_numbers(pl.Series(texts, dtype=pl.String))
    if not parsed.is_finite().fill_null(value=False).all():
        return "String"
    if not all(text.lstrip("+-").isdecimal() for text in texts):
        return "Double"
    return "Integer" if max(abs(int(text)) for text in texts) < _INTEGER_LIMIT else "Long"


def class_value(text: str, data_type: str) -> ClassValue:
    """Return a class of its original type (decision 14).

    Raises:
        ValueError: the text is not of the type; KeyError: of `Boolean`.
    """
    return _PARSERS.get(data_type, str)(text)


def _value(text: str, kind: str, column: Column) -> Any:
    try:
        return class_value(text, kind)
    except (ValueError, KeyError):
        row = int((column.texts.str.contains(text, literal=True).fill_null(value=False)).arg_max() or 0)
        raise column.fail(row, f"'{text}' is not of the type {kind} that config.json records") from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_PARSERS: dict[str, Callable[[str], ClassValue]] = {
    **dict.fromkeys(_INTEGERS, int),
    "Float": _finite,
    "Double": _finite,
    "Boolean": lambda text: _TRUTH[text.lower()],
}
