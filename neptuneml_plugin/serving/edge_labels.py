"""Labels of live edges, as processing reads them, for models whose messages carry them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Manifest, Target
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.processing.labels import class_value
from neptuneml_plugin.serving.subgraph import Cell


def read_labels(cells: Sequence[Cell], manifest: Manifest) -> npt.NDArray[Any]:
    """Return labels as `ProcessedGraph` says: classes, columns of classes, or values.

    A class that the model does not know is no label.

    Raises:
        InvalidParameter: a value is not of the target's type.
    """
    target = manifest.target
    if not manifest.task.is_class:
        return np.array([_number(text, target) for text in _singles(cells, target)], np.float64)
    slots = {value: slot for slot, value in enumerate(target.classes)}
    if not target.multi_label:
        texts = _singles(cells, target)
        return np.array([-1 if text is None else slots.get(_class(text, target), -1) for text in texts], np.int64)
    labels = np.full((len(cells), len(target.classes)), math.nan)
    for row, cell in enumerate(cells):
        values = [_class(text, target) for text in ([cell] if isinstance(cell, str) else cell or ())]
        known = [slots[value] for value in values if value in slots]
        if known:
            labels[row] = 0
            labels[row, known] = 1
    return labels


def _singles(cells: Sequence[Cell], target: Target) -> list[str | None]:
    for cell in cells:
        if isinstance(cell, list) and len(cell) > 1:
            raise _wrong(target, cell, "one value")
    return [cell[0] if isinstance(cell, list) and cell else cell or None for cell in cells]  # type: ignore[misc]


def _number(text: str | None, target: Target) -> float:
    if text is None:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise _wrong(target, text, "a finite number")
    return value


def _class(text: str, target: Target) -> str | int | float | bool:
    try:
        return class_value(text, target.data_type)
    except (ValueError, KeyError):
        raise _wrong(target, text, f"of the type {target.data_type}") from None


def _wrong(target: Target, value: Cell, wanted: str) -> InvalidParameter:
    edge = target.edges[0]
    return InvalidParameter(
        f"property '{target.property_name}' of an edge '{edge.label}' from '{edge.source}' to '{edge.target}' is "
        f"{value!r}, which is not {wanted}; correct it, or remove the property"
    )
