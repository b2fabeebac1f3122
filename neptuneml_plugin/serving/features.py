"""Properties of live elements as features, by the encoders that processing fitted: one code path.

What a value is encoded as depends on nothing else, so rows are kept by value: names of classes and round numbers
come again in every request, and a column of Polars costs more than a small request has time for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.processing.encoders import Category, Encoder, Matrix, Numerical
from neptuneml_plugin.processing.tables import Column
from neptuneml_plugin.serving.subgraph import Cell

#: Kept per property: 2 MiB of float32.
CACHED_CELLS = 1 << 19
#: Of texts of one property, as an export joins them.
SEPARATOR = ";"


class LiveEncoder:
    """One fitted encoder, with the rows of values that it met."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
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

    def encode(self, cells: Sequence[Cell], ids: Sequence[str], label: str) -> Matrix:
        """Return (cells, width).

        Args:
            cells: the property of each vertex.
            ids: of the vertices, for messages.
            label: of the vertices.

        Raises:
            InvalidParameter: a value does not fit the encoder, or is missing with nothing to stand in for it.
        """
        try:
            return self._rows[[self._slots[cell] for cell in cells]]  # type: ignore[index]  # a list is no text
        except (KeyError, TypeError):  # a value not met before, or several
            return self._encode_texts([self._text(cell) for cell in cells], ids, label)

    def _encode_texts(self, texts: list[str | None], ids: Sequence[str], label: str) -> Matrix:
        new = [text for text in dict.fromkeys(texts) if text not in self._slots]
        if len(self._slots) + len(new) > self._limit:
            self._slots, self._rows = {}, self._rows[:0]
            new = list(dict.fromkeys(texts))
        try:
            self._learn(new)
        except _WrongValueError as error:
            vertex = ids[texts.index(new[error.row])]
            raise InvalidParameter(
                f"property '{self.column}' of vertex '{vertex}' ({label}): {error}; {self._advice(new[error.row])}"
            ) from None
        return self._rows[[self._slots[text] for text in texts]]

    def _learn(self, texts: list[str | None]) -> None:
        if not texts:
            return
        column = _LiveColumn(pl.Series(self.column, texts, dtype=pl.String), "the query's graph", self.column)
        rows = self._encoder.encode(column)
        start = len(self._rows)
        self._rows = np.concatenate([self._rows, rows])
        self._slots |= {text: start + at for at, text in enumerate(texts)}

    def _text(self, cell: Cell) -> str | None:
        """Return what a CSV cell would hold."""
        if not isinstance(cell, list):
            return cell or None
        separator = SEPARATOR
        if isinstance(self._encoder, Category | Numerical):
            separator = self._encoder.separator or SEPARATOR
        return separator.join(item.replace(separator, "\\" + separator) for item in cell) or None

    def _advice(self, text: str | None) -> str:
        if text is None:
            return "or train again with one"
        fill = getattr(self._encoder, "fill", ())
        return "correct it" if fill is None else "correct it, or remove the property"


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
