"""What is known of each feature after it was encoded, or why it was not."""

from dataclasses import dataclass

import polars as pl

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.cells import texts
from neptuneml_plugin.processing.encoders.columns import finite_numbers
from neptuneml_plugin.processing.encoders.datetimes import dates_of
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import FeatureSpec

CONFIGURED = "as configured"
#: Types whose values are texts of a closed set.
_CATEGORIES = frozenset({"category", "hash"})
#: With fewer rows, values of their own mean nothing.
_FEW_ROWS = 20


@dataclass(frozen=True)
class FeatureFacts:
    """One feature of a vertex label or edge type."""

    owner: str | EdgeType
    column: str
    name: str
    #: The type in the configuration, and the one that encodes; None: left out.
    requested: str
    chosen: str | None
    #: Why this type was chosen.
    reason: str
    #: Columns of the matrix.
    width: int
    rows: int
    missing: int
    #: Values that did not fit and counted as missing (`coerce`).
    unfit: int
    #: Distinct values, missing ones not counted.
    distinct: int
    #: Why the feature is left out; None: it is not.
    dropped: str | None = None
    #: Whether a row may have several values.
    lists: bool = False

    @property
    def constant(self) -> bool:
        """Whether the column has one value only, so that it tells no rows apart but by what is missing."""
        return self.chosen != "none" and self.distinct == 1

    @property
    def id_like(self) -> bool:
        """Whether every row has a category of its own, as an id has."""
        known = self.rows - self.missing
        return self.chosen in _CATEGORIES and not self.lists and known >= _FEW_ROWS and self.distinct == known

    def __str__(self) -> str:
        named = f"feature '{self.column}'"
        if self.dropped is not None:
            return f"{named} is left out: {self.dropped}"
        if self.constant:
            return f"{named} has one value only, so it tells no rows apart"
        if self.id_like:
            return f"{named} has a value of its own in every row, like an id, so nothing can be learnt from it"
        if self.unfit:
            return f"{named} has {self.unfit} values that do not fit {self.chosen} and count as missing"
        return f"{named} is encoded as {self.chosen}: {self.reason}"

    @property
    def notable(self) -> bool:
        """Whether a user should read it."""
        return self.dropped is not None or self.constant or self.id_like or self.unfit > 0


def facts_of(
    owner: str | EdgeType,
    requested: FeatureSpec,
    spec: FeatureSpec,
    column: Column,
    *,
    reason: str = CONFIGURED,
    dropped: str | None = None,
) -> FeatureFacts:
    """Count what is missing, does not fit, and differs in a column; the width is not known yet."""
    values = column.values
    return FeatureFacts(
        owner,
        spec.column,
        spec.name,
        requested.type,
        None if dropped else spec.type,
        reason,
        0,
        len(values),
        values.null_count(),
        _unfit(spec, column) if spec.coerces else 0,
        _distinct(values.drop_nulls()),
        dropped,
        spec.separator is not None,
    )


def _distinct(values: pl.Series) -> int:
    """Return how many values differ as text."""
    if isinstance(values.dtype, pl.List):
        values = texts(values)
    if values.dtype.is_float():  # as text, 0.0 and -0.0 differ
        return pl.Series(values.to_numpy().view(f"i{values.to_numpy().itemsize}")).n_unique()
    return values.hash().n_unique()  # half the time of the texts' own


def _unfit(spec: FeatureSpec, column: Column) -> int:
    if spec.type == "datetime":
        parsed = dates_of(column, coerce=True)
    elif spec.type in {"numerical", "bucket_numerical"} and spec.separator is None:
        parsed = finite_numbers(column, coerce=True)
    else:
        return 0
    return parsed.null_count() - column.values.null_count()
