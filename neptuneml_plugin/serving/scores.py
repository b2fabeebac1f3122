"""The score functions of link prediction with numpy, approximate in float32 and exact in float64 (decision 31).

A relation moves the vector that asks, and what comes out is compared with each candidate: `artifacts.Scores`.
Complex numbers are all real parts followed by all imaginary ones.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Scores

Vectors = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

#: Numbers of candidates whose distances are taken at once: few enough to stay in a processor's cache.
NUMBERS_PER_BLOCK = 1 << 16
#: The same where one query alone meets each block: calls are to be few.
NUMBERS_FOR_ONE_QUERY = 1 << 17
_EPSILON = float(np.finfo(np.float32).eps)
#: Squares below float32's smallest number are lost, and with them a distance of up to this.
_LOST = 1e-18
#: Numbers whose squares float32 holds.
LARGEST_SQUARED = 1e18


@dataclass(frozen=True)
class ScoreFunction:
    """How pairs are scored; arrays of vectors are (rows, d)."""

    #: What there is of a relation to be computed once, float64.
    prepare: Callable[[Vectors], Floats]
    #: (vectors, prepared relation) -> moved vectors, float64.
    move: Callable[[Vectors, Floats], Floats]
    #: (moved queries in float32, candidates) -> scores (queries, candidates).
    approximate: Callable[[Floats32, Vectors], Floats32]
    #: (moved query (d,), or one for each candidate, and candidates) -> scores, summed from left to right.
    exact: Callable[[Floats, Vectors], Floats]
    #: vectors -> a size of each, which the rounding grows with.
    sizes: Callable[[Vectors], Floats]
    #: (moved query (1, d), largest size of a candidate) -> bound on the sum of the terms' absolute values, or what
    #: makes the same of the bound on the error.
    total: Callable[[Floats, float], float]

    def rounding(self, moved: Floats, largest: float, more_terms: int = 0, added: float = 0.0) -> float:
        """Return a bound on the error of `approximate` for one query: the usual one for a sum, doubled.

        Args:
            moved: the query, (d,).
            largest: size of a candidate.
            more_terms: what else is added to a score in float32, such as biases;
            added: and the sum of its largest absolute values.
        """
        terms = len(moved) + more_terms + 8
        return 2 * terms * (_EPSILON * (self.total(moved[None], largest) + added) + _LOST)


def _as_float64(relation: Vectors) -> Floats:
    return relation.astype(np.float64)


def _turns(angles: Vectors) -> Floats:
    return np.concatenate([np.cos(angles, dtype=np.float64), np.sin(angles, dtype=np.float64)])


def _multiply(vectors: Vectors, relation: Floats) -> Floats:
    return np.asarray(vectors.astype(np.float64) * relation)


def _multiply_complex(vectors: Vectors, relation: Floats) -> Floats:
    (a, b), (c, d) = np.split(vectors.astype(np.float64), 2, axis=-1), np.split(relation, 2)
    return np.concatenate([a * c - b * d, a * d + b * c], axis=-1)


def _add(vectors: Vectors, relation: Floats) -> Floats:
    return np.asarray(vectors.astype(np.float64) + relation)


def _products(moved: Floats32, candidates: Vectors) -> Floats32:
    # In this order, and turned around, a product takes two thirds of the time.
    return np.asarray(candidates @ moved.T, dtype=np.float32).T


def _exact_products(moved: Floats, candidates: Vectors) -> Floats:
    return np.asarray(np.cumsum(moved * candidates.astype(np.float64), axis=1)[:, -1])


def _lengths(vectors: Vectors) -> Floats:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)))


def _product_of_lengths(moved: Floats, largest: float) -> float:
    return float(np.linalg.norm(moved)) * largest


def _city_blocks(differences: Vectors) -> Vectors:
    return np.abs(differences)


def _moduli(differences: Vectors) -> Vectors:
    real, imaginary = np.split(differences, 2, axis=-1)
    return np.asarray(np.sqrt(real * real + imaginary * imaginary))


def _sums(vectors: Vectors) -> Floats:
    return np.asarray(np.abs(vectors).sum(axis=1, dtype=np.float64))


def _sum_of_sums(moved: Floats, largest: float) -> float:
    return float(_sums(moved)[0]) + largest


def _sum_of_squarable_sums(moved: Floats, largest: float) -> float:
    total = _sum_of_sums(moved, largest)
    return total if total < LARGEST_SQUARED else np.inf


def _root_of_squares(moved: Floats, largest: float) -> float:
    """Return what `rounding` makes sqrt(2 n epsilon) (|q| + |c|) of, for n terms or more.

    The square of a distance is off by 2 n epsilon (|q| + |c|)² at most, and a root by the root of that.
    """
    total = float(np.linalg.norm(moved)) + largest
    return total / math.sqrt(2 * (moved.shape[1] + 8) * _EPSILON) if total < LARGEST_SQUARED else np.inf


def _euclidean(moved: Floats32, candidates: Vectors) -> Floats32:
    """Return -|q - c|, from |q|² + |c|² - 2 q c, for blocks of candidates, whose squares stay in the cache."""
    scores = np.empty((len(moved), len(candidates)), np.float32)
    own = np.einsum("ij,ij->i", moved, moved)[:, None]
    size = max(1, NUMBERS_PER_BLOCK // max(1, moved.shape[1]))
    for start in range(0, len(candidates), size):
        block = np.asarray(candidates[start : start + size], np.float32)
        squares = own + np.einsum("ij,ij->i", block, block) - 2 * _products(moved, block)
        scores[:, start : start + size] = -np.sqrt(np.maximum(squares, 0))
    return scores


def _exact_euclidean(moved: Floats, candidates: Vectors) -> Floats:
    differences = candidates.astype(np.float64) - moved
    return np.asarray(-np.sqrt(np.cumsum(differences * differences, axis=1)[:, -1]))


def _distances(negative_sums: Callable[[Floats32, Floats32], None]) -> Callable[[Floats32, Vectors], Floats32]:
    """Return negative distances for blocks of candidates.

    Each block meets all queries while it is in the processor's cache, and their differences take one place there.
    """

    def approximate(moved: Floats32, candidates: Vectors) -> Floats32:
        count, width = candidates.shape
        scores = np.empty((len(moved), count), np.float32)
        numbers = NUMBERS_FOR_ONE_QUERY if len(moved) == 1 else NUMBERS_PER_BLOCK
        size = max(1, numbers // max(1, width))
        room = np.empty((min(size, count), width), np.float32)
        for start in range(0, count, size):
            block = np.asarray(candidates[start : start + size])
            differences = room[: len(block)]
            for row, query in enumerate(moved):
                np.subtract(block, query, out=differences)
                negative_sums(differences, scores[row, start : start + size])
        return scores

    return approximate


def _negative_city_blocks(differences: Floats32, out: Floats32) -> None:
    np.abs(differences, out=differences)
    _negative_row_sums(differences, out)


def _negative_moduli(differences: Floats32, out: Floats32) -> None:
    np.multiply(differences, differences, out=differences)
    real, imaginary = np.split(differences, 2, axis=1)
    np.add(real, imaginary, out=real)
    np.sqrt(real, out=real)
    _negative_row_sums(real, out)


def _negative_row_sums(rows: Floats32, out: Floats32) -> None:
    # A product adds up in a third of the time of `sum`.
    np.matmul(rows, _minus_ones(rows.shape[1]), out=out)


@functools.lru_cache(maxsize=8)
def _minus_ones(count: int) -> Floats32:
    ones = np.full(count, -1, np.float32)
    ones.flags.writeable = False
    return ones


def _exact_distances(parts: Callable[[Vectors], Vectors]) -> Callable[[Floats, Vectors], Floats]:
    def exact(moved: Floats, candidates: Vectors) -> Floats:
        return np.asarray(-np.cumsum(parts(candidates.astype(np.float64) - moved), axis=1)[:, -1])

    return exact


FUNCTIONS: Mapping[Scores, ScoreFunction] = {
    Scores.PRODUCT: ScoreFunction(
        _as_float64, _multiply, _products, _exact_products, _lengths, _product_of_lengths
    ),
    Scores.COMPLEX: ScoreFunction(
        _as_float64, _multiply_complex, _products, _exact_products, _lengths, _product_of_lengths
    ),
    Scores.ROTATE: ScoreFunction(
        _turns,
        _multiply_complex,
        _distances(_negative_moduli),
        _exact_distances(_moduli),
        _sums,
        _sum_of_squarable_sums,
    ),
    Scores.TRANSE: ScoreFunction(
        _as_float64, _add, _distances(_negative_city_blocks), _exact_distances(_city_blocks), _sums, _sum_of_sums
    ),
    Scores.TRANSE_L2: ScoreFunction(_as_float64, _add, _euclidean, _exact_euclidean, _lengths, _root_of_squares),
}
