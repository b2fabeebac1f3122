"""Categories: a column each, or a fixed number of columns that any text is hashed into.

A missing or unknown category is a row of zeros, unless the feature says otherwise.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from neptuneml_plugin.cells import texts
from neptuneml_plugin.processing.encoders.columns import (
    Bools,
    Dropped,
    Matrix,
    one_hot,
    require_present,
)
from neptuneml_plugin.processing.encoders.hashing import signed_slots
from neptuneml_plugin.processing.reading.tables import Column, cells_of, split_lists
from neptuneml_plugin.trainingdata.features import FeatureSpec

#: More categories than this: all but one of them the most frequent ones, and `OTHER`.
MAX_CATEGORIES = 100


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
    #: The cell that stands in for a missing one; None: zeros.
    fill: str | None = None
    #: Whether a missing value is an error.
    required: bool = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.categories) + self.has_other

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width) of 0 and 1.

        Raises:
            InvalidData: a value is missing that must not be.
        """
        if self.required:
            require_present(column)
        cells = column.values
        if self.fill is not None:
            cells = cells_of(cells, self.separator).fill_null(self.fill)
        values = rows_of_values(cells, self.separator)
        slots = values["value"].replace_strict(
            pl.Series(self.categories, dtype=pl.String),
            pl.Series(range(len(self.categories)), dtype=pl.Int64),
            default=len(self.categories) if self.has_other else -1,
            return_dtype=pl.Int64,
        )
        return one_hot(len(cells), values["row"].to_numpy(), slots.to_numpy(), self.width)


@dataclass(frozen=True)
class Hashed:
    """Each text adds 1/2 or -1/2 in four columns that its hash names: any text has a row, unseen ones too.

    Two texts agree in all four columns with a probability of (2 / width)^4. Feature hashing: Weinberger et al.,
    2009.
    """

    column: str
    name: str
    hash_width: int
    separator: str | None = None
    required: bool = False
    type: str = "hash"

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return self.hash_width

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width).

        Raises:
            InvalidData: a value is missing that must not be.
        """
        if self.required:
            require_present(column)
        values = rows_of_values(column.values, self.separator)
        distinct = values["value"].unique()
        slots, signs = signed_slots(distinct.to_list(), self.hash_width)
        at = values.join(distinct.to_frame().with_row_index("at"), on="value", maintain_order="left")["at"]
        rows, found = values["row"].to_numpy(), at.to_numpy()
        matrix = np.zeros((len(column.values), self.hash_width), np.float32)
        for i in range(slots.shape[1]):
            at_slots, halves = (rows, slots[found, i]), signs[found, i].astype(np.float32) / 2
            if self.separator is None:  # one value a row: nothing to add up, and ten times as fast
                matrix[at_slots] = halves
            else:
                np.add.at(matrix, at_slots, halves)
        return matrix


def rows_of_values(cells: pl.Series, separator: str | None) -> pl.DataFrame:
    """Return `row` and `value`, one for each value that a cell has, as text."""
    values = texts(cells) if separator is None else split_lists(cells, separator)
    rows = values.alias("value").to_frame().with_row_index("row")
    return (rows if separator is None else rows.explode("value")).drop_nulls("value")


def fit_category(spec: FeatureSpec, column: Column, training: Bools) -> Category | Dropped:
    """Learn the categories from the training rows."""
    cells = column.values.filter(pl.Series(training))
    counts = rows_of_values(cells, spec.separator)["value"].value_counts()
    # Ties by name, so that the same data gives the same columns.
    ordered = counts.sort(["count", "value"], descending=[True, False])["value"]
    has_other = len(ordered) > MAX_CATEGORIES
    kept = ordered.head(MAX_CATEGORIES - 1) if has_other else ordered
    fill = _most_frequent(cells_of(cells, spec.separator)) if spec.filled_by == "most-frequent" else None
    categories = tuple(kept.sort().to_list())
    return Category(
        spec.column, spec.name, categories, has_other, spec.separator, fill=fill, required=spec.required
    )


def fit_hash(spec: FeatureSpec, column: Column, training: Bools) -> Hashed:
    """Return the encoder, which learns nothing."""
    del column, training
    return Hashed(spec.column, spec.name, spec.hash_width, spec.separator, spec.required)


def _most_frequent(cells: pl.Series) -> str | None:
    """Return the most frequent cell, of several the first by name."""
    found = cells.drop_nulls().mode().min()
    return found if isinstance(found, str) else None
