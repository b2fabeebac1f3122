"""Finds the most similar pairs of rows by cosine: exactly, a block of the n x n cosines at a time.

Candidates are chosen in float32 and weighed again in float64, so that the threshold holds exactly and a pair
weighs the same from either side.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Rows and columns of a block of cosines: 32 MiB of float32.
BLOCK_ROWS, BLOCK_COLUMNS = 1 << 10, 1 << 13
#: By how much a cosine in float32 may be wrong.
_MARGIN = 1e-5
#: Numbers that are multiplied at a time to weigh pairs: 16 MiB of float64.
_CELLS = 1 << 21


@dataclass(frozen=True)
class Pairs:
    """Unordered pairs of rows, the first of each the smaller, (pairs,) each; in the order of `first`, `second`."""

    first: Ints
    second: Ints
    cosines: Floats


def similar_pairs(
    vectors: Matrix, *, top_k: int | None = None, threshold: float | None = None, max_edges: int
) -> Pairs:
    """Return the pairs of rows that are joined.

    A pair is joined if one of the two is among the `top_k` most similar of the other, its cosine is at least
    the threshold, and it is among the `max_edges` most similar ones of both. Of equal cosines, smaller rows come
    first. A row of zeros is similar to none.

    Args:
        vectors: (rows, width).
        top_k: None: all that the threshold admits.
        threshold: smallest cosine; None: any above 0.
        max_edges: pairs that a row is in at most.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.flatnonzero(lengths[:, 0] > 0)
    unit = (vectors[rows] / lengths[rows]).astype(np.float32)
    least = 0.0 if threshold is None else threshold
    some = min(top_k or max_edges, max(len(rows) - 1, 1))
    near = [_nearest(unit, start, some, least - _MARGIN) for start in range(0, len(unit), BLOCK_ROWS)]
    one, other = (np.concatenate([block[at] for block in near] or [np.zeros(0, np.int64)]) for at in (0, 1))
    keys = np.unique(np.minimum(one, other) * len(unit) + np.maximum(one, other))
    first, second = np.divmod(keys, max(len(unit), 1))
    cosines = _weigh(vectors[rows], first, second)
    chosen = (cosines >= least) & (cosines > 0)
    pairs = Pairs(rows[first[chosen]], rows[second[chosen]], cosines[chosen])
    return _thinned(pairs, max_edges)


def _nearest(unit: Matrix, start: int, some: int, least: float) -> tuple[Ints, Ints]:
    """Return pairs of a row of the block from `start`, and one of `some` rows most similar to it."""
    block = unit[start : start + BLOCK_ROWS]
    floor = np.full(len(block), least, np.float32)
    best = pl.DataFrame(schema={"row": pl.Int64, "column": pl.Int64, "cosine": pl.Float32})
    for left, cosines in _cosines(unit, block):
        at = np.arange(max(start, left), min(start + len(block), left + cosines.shape[1]))
        cosines[at - start, at - left] = -np.inf  # of a row with itself
        found = _above(cosines, floor, some)
        best = pl.concat([best, found.with_columns(pl.col("column") + left)])
        best = best.sort("row", "cosine", "column", descending=[False, True, False])
        best = best.group_by("row", maintain_order=True).head(some)
        full = best.group_by("row").agg(pl.len(), pl.col("cosine").last()).filter(pl.col("len") == some)
        floor[full["row"].to_numpy()] = np.maximum(full["cosine"].to_numpy(), least)
    return best["row"].to_numpy() + start, best["column"].to_numpy()


def _cosines(unit: Matrix, block: Matrix) -> Iterator[tuple[int, Matrix]]:
    """Yield the cosines of a block of rows with blocks of all rows, each with its first column."""
    for left in range(0, len(unit), BLOCK_COLUMNS):
        yield left, block @ unit[left : left + BLOCK_COLUMNS].T


def _above(cosines: Matrix, floor: Matrix, some: int) -> pl.DataFrame:
    """Return the cells above their row's floor, of many the `some` greatest of each row."""
    above = cosines > floor[:, None]
    if np.count_nonzero(above) > 4 * some * len(cosines) and some < cosines.shape[1]:
        kept = np.partition(cosines, -some, axis=1)[:, -some]
        above &= cosines >= kept[:, None]
    # Ten times as fast as `numpy.nonzero` of two dimensions.
    rows, columns = np.divmod(np.flatnonzero(above), cosines.shape[1])
    return pl.DataFrame({"row": rows, "column": columns, "cosine": cosines[rows, columns]})


def _weigh(vectors: Matrix, first: Ints, second: Ints) -> Floats:
    """Return the cosines of pairs of rows in float64, (pairs,)."""
    cosines = np.empty(len(first))
    step = max(1, _CELLS // max(1, vectors.shape[1]))
    for start in range(0, len(first), step):
        pairs = slice(start, start + step)
        a, b = (vectors[rows[pairs]].astype(np.float64) for rows in (first, second))
        lengths = np.sqrt((a * a).sum(1) * (b * b).sum(1))
        cosines[pairs] = (a * b).sum(1) / lengths
    return cosines


def _thinned(pairs: Pairs, most: int) -> Pairs:
    """Return the pairs that are among the `most` first ones of both their rows."""
    count = len(pairs.first)
    ends = pl.DataFrame(
        {
            "row": np.concatenate([pairs.first, pairs.second]),
            "other": np.concatenate([pairs.second, pairs.first]),
            "cosine": np.tile(pairs.cosines, 2),
            "pair": np.tile(np.arange(count), 2),
        }
    ).sort("row", "cosine", "other", descending=[False, True, False])
    counted = ends.with_columns(place=pl.int_range(pl.len()).over("row")).filter(pl.col("place") < most)
    kept = np.bincount(counted["pair"].to_numpy(), minlength=count) == 2
    return Pairs(pairs.first[kept], pairs.second[kept], pairs.cosines[kept])
