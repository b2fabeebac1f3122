"""Encodes every feature of a node label or edge type."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.arrays import save_blocks
from neptuneml_plugin.artifacts import FeatureSchema
from neptuneml_plugin.processing.elements import EdgeTable, NodeTable
from neptuneml_plugin.processing.encoders import Encoder
from neptuneml_plugin.processing.fitting import Dropped, fit
from neptuneml_plugin.processing.trainingdata import SPLIT_FILES, FeatureSpec

#: Names in the graph's data that are not features.
RESERVED = {"labels"} | {f"{prefix}{part}_mask" for prefix in ("", "rev_") for part in SPLIT_FILES}

#: Numbers that are encoded at a time: 8 MiB of float32.
BLOCK = 1 << 21


@dataclass(frozen=True)
class Features:
    """The encoded features of one node label or edge type."""

    encoders: tuple[Encoder, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def schema(self) -> tuple[FeatureSchema, ...]:
        """Name, type and width of each."""
        return tuple(FeatureSchema(e.name, e.type, e.width, e.column) for e in self.encoders)


def write_features(folder: Path, table: NodeTable | EdgeTable, learnable: npt.NDArray[np.bool_]) -> Features:
    """Learn the encoders of a label's or type's features, and write what they make of each row.

    Args:
        folder: takes `<position>.npy` per feature.
        table: its vertices or edges.
        learnable: rows that encoders may learn from, (rows,).

    Raises:
        InvalidData: a cell does not fit its feature's type.
        OSError: a file could not be written.
    """
    source, file = table.source, table.file
    if source is None or file is None:
        return Features()
    folder.mkdir(parents=True)
    encoders: list[Encoder] = []
    warnings = []
    target = source.target.column if source.target else None
    if any(spec.column == target for spec in source.features):
        warnings.append(f"{source.file_name}: '{target}' is the target, so it is no feature")
    specs = [spec for spec in source.features if spec.column != target]
    columns = file.columns([spec.column for spec in specs], len(table))
    for spec, column in zip(specs, columns, strict=True):
        named = _named(spec, {encoder.name for encoder in encoders})
        if named != spec:
            warnings.append(
                f"{source.file_name}: feature '{spec.name}' is called '{named.name}', as the name is taken"
            )
        encoder = fit(named, column, learnable)
        if isinstance(encoder, Dropped):
            warnings.append(f"{source.file_name}: feature '{spec.column}' is left out: {encoder.reason}")
            continue
        blocks = (encoder.encode(block) for block in column.blocks(_rows_at_once(encoder)))
        save_blocks(folder / f"{len(encoders)}.npy", (len(table), encoder.width), np.float32, blocks)
        encoders.append(encoder)
    return Features(tuple(encoders), tuple(warnings))


def _rows_at_once(encoder: Encoder) -> int:
    return max(1, BLOCK // max(1, encoder.width))


def _named(spec: FeatureSpec, taken: Collection[str]) -> FeatureSpec:
    name = spec.name
    while name in RESERVED or name in taken:
        name += "-feature"
    return replace(spec, name=name)
