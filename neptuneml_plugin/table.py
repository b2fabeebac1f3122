"""The table of one vertex label: what an endpoint answers without computing (`docs/wire.md`, section 5).

The plugin keeps it instead of asking, so it must say what the worker says: both rank with `rank_classes`.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.ids import IdColumn

MAGIC = b"NMLTAB01"
#: Answers per vertex, at most; a caller that wants more asks the worker.
LARGEST_K = 8
CLASS_ENTRY = np.dtype([("class", "<i4"), ("score", "<f4")])
NO_ANSWER = -1


Real = TypeVar("Real", bound=np.floating[Any])


def rank_classes(probabilities: npt.NDArray[Real], k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[Real]]:
    """Return the best classes of each row and their scores, shape (rows, at most k); ties by class index.

    What is not finite comes last, with the score -1: no answer.
    """
    ranked = np.where(np.isfinite(probabilities), probabilities, probabilities.dtype.type(-1))
    best = ranked.argmax(axis=1)[:, None] if k == 1 else np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    return best, np.take_along_axis(ranked, best, axis=1)


def write_class_table(
    path: Path,
    ids: IdColumn,
    classes: Sequence[str | int | float | bool],
    blocks: Iterable[npt.NDArray[np.float32]],
) -> None:
    """Write the best classes of every vertex; `blocks` of (rows, classes) follow the order of the ids."""
    hashes, order = ids.by_hash()
    entries, start = np.empty((len(order), min(len(classes), LARGEST_K)), CLASS_ENTRY), 0
    for probabilities in blocks:
        rows = slice(start, start + len(probabilities))
        best, scores = rank_classes(probabilities, LARGEST_K)
        entries["class"][rows] = np.where(scores < 0, NO_ANSWER, best)
        entries["score"][rows] = np.where(scores < 0, 0, scores)
        start = rows.stop
    _write(path, {"kind": "classes", "classes": list(classes)}, hashes, entries[order])


def write_value_table(path: Path, ids: IdColumn, values: npt.NDArray[np.float64]) -> None:
    """Write the value of every vertex; shape (len(ids),)."""
    hashes, rows = ids.by_hash()
    entries = np.where(np.isfinite(values), values, np.nan)[rows, None].astype("<f8")
    _write(path, {"kind": "values"}, hashes, entries)


def write_id_table(path: Path, ids: IdColumn) -> None:
    """Write which ids are known."""
    hashes, rows = ids.by_hash()
    _write(path, {"kind": "ids"}, hashes, np.empty((len(rows), 0), "<f8"))


def _write(path: Path, header: dict[str, Any], hashes: npt.NDArray[np.uint64], entries: npt.NDArray[Any]) -> None:
    text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(MAGIC)
        file.write(np.array([*entries.shape, len(text)], "<i8").tobytes())
        file.write(text)
        file.write(hashes.astype("<u8").tobytes())
        file.write(entries.tobytes())
