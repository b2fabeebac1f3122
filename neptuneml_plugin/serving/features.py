"""Properties of live elements as features, by the encoders that processing fitted: one code path.

What a value is encoded as depends on nothing else, so rows are kept by value: names of classes and round numbers
come again in every request, and a column of Polars costs more than a small request has time for. Numbers, which
seldom come again, are read without one.

A value that does not fit its encoder counts as missing: one neighbour or candidate with an odd value must not fail
all queries near it. Where the encoder has nothing for a missing one, as for numbers without an imputer, it is
refused by name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.processing.encoders.columns import Floats, Matrix
from neptuneml_plugin.processing.encoders.fitted import Encoder
from neptuneml_plugin.processing.encoders.numerical import Buckets, Numerical
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.serving.subgraph import Cell

#: Kept per property: 2 MiB of float32.
CACHED_CELLS = 1 << 19
#: Of texts of one property, as an export joins them.
SEPARATOR = ";"
#: A number as most are written, in which Python and Polars read the same.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


class Names(Protocol):
    """What elements are called in messages, by their rows."""

    def __getitem__(self, row: int, /) -> str:
        """Return the name of an element."""


class LiveEncoder:
    """One fitted encoder, with the rows of values that it met.

    Args:
        encoder: as processing fitted it.
        of: what it encodes properties of, for messages.
    """

    def __init__(self, encoder: Encoder, of: str = "vertex") -> None:
        self._encoder, self._of = encoder, of
        self._limit = CACHED_CELLS // max(1, encoder.width)
        self._slots: dict[str | None, int] = {}
        self._rows = np.zeros((0, encoder.width), np.float32)

    @property
    def name(self) -> str:
        """The feature."""
        return self._encoder.name

    @property
    def column(self) -> str:
        """The property."""
        return self._encoder.column

    def encode(self, cells: Sequence[Cell], names: Names, label: str) -> Matrix:
        """Return (cells, width).

        Args:
            cells: the property of each element.
            names: of the elements, for messages.
            label: of the elements.

        Raises:
            InvalidParameter: a value is missing or does not fit the encoder, with nothing to stand in for it.
        """
        try:
            return self._rows[[self._slots[cell] for cell in cells]]  # type: ignore[index]  # a list is no text
        except (KeyError, TypeError):  # a value not met before, or several
            return self._encode_texts([self._text(cell) for cell in cells], names, label)

    def _encode_texts(self, texts: list[str | None], names: Names, label: str) -> Matrix:
        new = [text for text in dict.fromkeys(texts) if text not in self._slots]
        if len(self._slots) + len(new) > self._limit:
            self._slots, self._rows = {}, self._rows[:0]
            new = list(dict.fromkeys(texts))
        try:
            self._learn(new)
        except _WrongValueError as error:
            name = names[texts.index(new[error.row])]
            raise InvalidParameter(
                f"property '{self.column}' of {self._of} '{name}' ({label}): {error}; {_advice(new[error.row])}"
            ) from None
        return self._rows[[self._slots[text] for text in texts]]

    def _learn(self, texts: list[str | None]) -> None:
        if not texts:
            return
        rows = self._fitting(texts)
        start = len(self._rows)
        self._rows = np.concatenate([self._rows, rows])
        self._slots |= {text: start + at for at, text in enumerate(texts)}

    def _fitting(self, texts: list[str | None]) -> Matrix:
        """Return the rows of texts; one by one where some do not fit, which is rare."""
        try:
            return self._encode_column(texts)
        except _WrongValueError:
            return np.concatenate([self._encode_or_fill(row, text) for row, text in enumerate(texts)])

    def _encode_or_fill(self, row: int, text: str | None) -> Matrix:
        try:
            return self._encode_column([text])
        except _WrongValueError as error:
            wrong = _WrongValueError(row, str(error))
        try:
            return self._encode_column([None])
        except _WrongValueError:
            raise wrong from None

    def _encode_column(self, texts: list[str | None]) -> Matrix:
        if isinstance(self._encoder, Numerical | Buckets) and getattr(self._encoder, "separator", None) is None:
            numbers = _plain_numbers(texts)
            if numbers is not None:
                return self._encoder.of_numbers(numbers)
        values = pl.Series(self.column, texts, dtype=pl.String)
        return self._encoder.encode(_LiveColumn(values, "the query's graph", self.column))

    def _text(self, cell: Cell) -> str | None:
        """Return what a CSV cell would hold."""
        if not isinstance(cell, list):
            return cell or None
        separator: str = getattr(self._encoder, "separator", None) or SEPARATOR
        return separator.join(item.replace(separator, "\\" + separator) for item in cell) or None


def _plain_numbers(texts: list[str | None]) -> Floats | None:
    """Return (texts, 1); None where one is not written as most are, or not finite."""
    read = [float(text) for text in texts if text is not None and _NUMBER.fullmatch(text)]
    values = np.array(read)[:, None]
    return values if len(read) == len(texts) and np.isfinite(values).all() else None


def _advice(text: str | None) -> str:
    return "or train again with one" if text is None else "correct it, or train again with an imputer"


class _WrongValueError(InvalidData):
    """A cell that does not fit."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row


@dataclass(frozen=True)
class _LiveColumn(Column):
    def fail(self, row: int, problem: str) -> InvalidData:
        """Return an error that the vertex can still be found for."""
        return _WrongValueError(row, problem)
