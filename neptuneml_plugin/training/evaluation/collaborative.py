"""Trivial competitors of link prediction: popularity, implicit ALS, EASE, denoising EASE, and rules.

Each gives scorers of targets and of sources per target edge type, or None where it would take too long.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import Scorers
from neptuneml_plugin.training.links import Scorer
from neptuneml_plugin.training.models.items import item_parts
from neptuneml_plugin.training.models.parts import Parts
from neptuneml_plugin.training.models.rules import rule_parts

#: Lambda of H. Steck: "Embarrassingly Shallow Autoencoders for Sparse Data", 2019.
EASE_REGULARIZATION = 100.0
ALS_WIDTH = 32
ALS_ROUNDS = 8
#: Weight of a pair that is no edge, beside 1 for an edge (Rendle et al., "Revisiting iALS", 2021).
ALS_UNOBSERVED = 0.05
ALS_REGULARIZATION = 0.5
#: Edges beyond which iALS is left out.
MAX_ALS_EDGES = 1_000_000

Matrix = sparse.csr_array
Floats = npt.NDArray[np.floating]


def popularity(data: TrainingData) -> Scorers:
    """Score every candidate by its number of training edges."""
    return [(_same_for_all(edges.sum(0)), _same_for_all(edges.sum(1))) for edges in _matrices(data)]


def implicit_als(data: TrainingData) -> Scorers | None:
    """Score by factors of the edge matrix, fitted to 1 for edges and, with a small weight, 0 elsewhere."""
    matrices = _matrices(data)
    if any(edges.nnz > MAX_ALS_EDGES for edges in matrices):
        return None
    factors = [_factorise(edges) for edges in matrices]
    return [(_products(u, v), _products(v, u)) for u, v in factors]


def ease(data: TrainingData) -> Scorers | None:
    """Score by a linear model of each candidate's column from all the others, in closed form."""
    return _whole(item_parts(data, regularization=EASE_REGULARIZATION, dropped=0.0))


def denoising_ease(data: TrainingData) -> Scorers | None:
    """Score like EASE, but learned from edges of which half are dropped."""
    return _whole(item_parts(data))


def rules(data: TrainingData) -> Scorers | None:
    """Score by the rules that fit a pair (`models.rules`)."""
    return _whole(rule_parts(data))


def _whole(parts: Parts) -> Scorers | None:
    """Return the parts if every direction has one."""
    whole = [(tails, heads) for tails, heads in parts if tails is not None and heads is not None]
    return whole if len(whole) == len(parts) else None


def _matrices(data: TrainingData) -> list[Matrix]:
    """Return the training edges of each target type as a 0/1 matrix, sources by targets."""
    matrices = []
    for samples in data.samples:
        source, target = data.ends_of(samples.position)
        rows, columns = (end[samples.splits["train"]].cpu().numpy() for end in samples.ends)
        shape = (data.counts[source], data.counts[target])
        edges = sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
        edges.data[:] = 1
        matrices.append(edges)
    return matrices


def _factorise(edges: Matrix) -> tuple[Floats, Floats]:
    random = np.random.default_rng(0)
    factors = [random.normal(0, 0.1, (count, ALS_WIDTH)).astype(np.float32) for count in edges.shape]
    sides = (edges, edges.T.tocsr())
    for _ in range(ALS_ROUNDS):
        for this, other in ((0, 1), (1, 0)):
            factors[this] = _solve(sides[this], factors[other])
    return factors[0], factors[1]


def _solve(edges: Matrix, fixed: Floats) -> Floats:
    """Return the least-squares factors of the rows of `edges` for fixed factors of its columns."""
    width = fixed.shape[1]
    outer = (fixed[:, :, None] * fixed[:, None, :]).reshape(len(fixed), -1)
    grams = (edges @ outer).reshape(-1, width, width) * (1 - ALS_UNOBSERVED)
    grams += ALS_UNOBSERVED * fixed.T @ fixed + ALS_REGULARIZATION * np.eye(width, dtype=np.float32)
    return np.asarray(np.linalg.solve(grams, (edges @ fixed)[:, :, None])[:, :, 0], dtype=np.float32)


def _same_for_all(scores: npt.NDArray[Any]) -> Scorer:
    values = torch.from_numpy(np.asarray(scores))
    return lambda rows: values.repeat(len(rows), 1)


def _products(queries: Floats, candidates: Floats) -> Scorer:
    left, right = torch.from_numpy(queries), torch.from_numpy(candidates)

    def score(rows: Tensor) -> Tensor:
        return left[rows.cpu()] @ right.T

    return score


COLLABORATIVE: Mapping[str, Callable[[TrainingData], Scorers | None]] = {
    "popularity": popularity,
    "ials": implicit_als,
    "ease": ease,
    "denoising_ease": denoising_ease,
    "rules": rules,
}
