"""Columns, features and fitted encoders for the tests of encoding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from neptuneml_plugin.processing.encoders.columns import Dropped
from neptuneml_plugin.processing.encoders.fitted import Encoder
from neptuneml_plugin.processing.encoders.fitting import Texts, fit
from neptuneml_plugin.processing.encoders.inference import infer
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import FeatureSpec

Cells = Sequence[str | None]


def column(cells: Cells) -> Column:
    return Column(pl.Series(list(cells), dtype=pl.String), "nodes/a.csv", "x")


def spec(kind: str, **members: Any) -> FeatureSpec:
    return FeatureSpec("x", "x", kind, **members)


def learn(feature: FeatureSpec, cells: Cells, training: Sequence[bool] | None = None) -> Encoder | Dropped:
    """Settle what `auto` stands for and learn the encoder, as processing does."""
    rows = np.ones(len(cells), dtype=bool) if training is None else np.array(training)
    given = column(cells)
    texts = Texts(lambda: [given.values.filter(pl.Series(rows))])
    if feature.type == "auto":
        inferred = infer(feature, given, None)
        return inferred if isinstance(inferred, Dropped) else fit(inferred.spec, given, rows, texts)
    return fit(feature, given, rows, texts)


def fitted(feature: FeatureSpec, cells: Cells, training: Sequence[bool] | None = None) -> Encoder:
    encoder = learn(feature, cells, training)
    assert not isinstance(encoder, Dropped), encoder
    return encoder


def encode(feature: FeatureSpec, cells: Cells, training: Sequence[bool] | None = None) -> list[list[float]]:
    matrix = fitted(feature, cells, training).encode(column(cells))
    assert matrix.dtype == np.float32
    rows: list[list[float]] = matrix.tolist()
    return rows
