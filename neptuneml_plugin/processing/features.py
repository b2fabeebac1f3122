"""Encodes every feature of a node label or edge type."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import FeatureSchema
from neptuneml_plugin.processing.elements import EdgeTable, NodeTable
from neptuneml_plugin.processing.encoders import Encoder, Matrix
from neptuneml_plugin.processing.fitting import Dropped, fit
from neptuneml_plugin.processing.trainingdata import SPLIT_FILES, FeatureSpec

#: Names in the graph's data that are not features.
RESERVED = {"labels"} | {f"{prefix}{part}_mask" for prefix in ("", "rev_") for part in SPLIT_FILES}


@dataclass(frozen=True)
class Features:
    """The encoded features of one node label or edge type."""

    encoders: tuple[Encoder, ...] = ()
    #: Name -> float32 (rows, width).
    matrices: Mapping[str, Matrix] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def schema(self) -> tuple[FeatureSchema, ...]:
        """Name, type and width of each."""
        return tuple(FeatureSchema(e.name, e.type, e.width, e.column) for e in self.encoders)


def encode_features(table: NodeTable | EdgeTable, learnable: npt.NDArray[np.bool_]) -> Features:
    """Learn and apply the encoders of a label's or type's features.

    Args:
        table: its vertices or edges.
        learnable: rows that encoders may learn from, (rows,).

    Raises:
        InvalidData: a cell does not fit its feature's type.
    """
    source = table.source
    if source is None:
        return Features()
    encoders: list[Encoder] = []
    matrices: dict[str, Matrix] = {}
    warnings = []
    for spec in source.features:
        if source.target and source.target.column == spec.column:
            warnings.append(f"{source.file_name}: '{spec.column}' is the target, so it is no feature")
            continue
        named = _named(spec, matrices)
        if named != spec:
            warnings.append(
                f"{source.file_name}: feature '{spec.name}' is called '{named.name}', as the name is taken"
            )
        column = table.column(spec.column)
        encoder = fit(named, column, learnable)
        if isinstance(encoder, Dropped):
            warnings.append(f"{source.file_name}: feature '{spec.column}' is left out: {encoder.reason}")
            continue
        encoders.append(encoder)
        matrices[encoder.name] = encoder.encode(column)
    return Features(tuple(encoders), matrices, tuple(warnings))


def _named(spec: FeatureSpec, taken: Mapping[str, Matrix]) -> FeatureSpec:
    name = spec.name
    while name in RESERVED or name in taken:
        name += "-feature"
    return replace(spec, name=name)
