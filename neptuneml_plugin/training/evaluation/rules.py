"""The trivial competitor of knowledge graphs: what other edges between two vertices say of a new one.

Rules of one and two steps, as AnyBURL finds them (Meilicke et al., "Anytime Bottom-Up Rule Learning", 2019): an
edge r(x, y) is likely where s(x, y), s(y, x), or s(x, z) and t(z, y) hold, whichever way s and t lead. A rule is
as good as the share of the pairs it fits that r joins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import Scorers
from neptuneml_plugin.training.evaluation.problem import known_edges
from neptuneml_plugin.training.links import Scorer

Matrix = sparse.csr_array
Floats = npt.NDArray[np.float32]
#: Pairs added to those that a rule fits: one of few pairs is worth less (AnyBURL's `c`).
PESSIMISM = 5
#: Rules count by this power of their confidence, so that the best one says nearly all: MRR of UMLS and Nations is
#: .72 and .50 with 1, .83 and .58 with 4, .86 and .72 with 16.
SHARPNESS = 16
#: Pairs of vertices of all target types, and paths of two steps, beyond which there is no such competitor.
MOST_SCORES, MOST_PATHS = 2**25, 2 * 10**7


@dataclass(frozen=True)
class Step:
    """The edges of a type that may be known, one way, as a 0/1 matrix."""

    ends: tuple[int, int]
    #: Position of the type; None in reverse.
    forward: int | None
    edges: Matrix


def rules(data: TrainingData) -> Scorers | None:
    """Score every pair by the rules that fit it; None where none does, or there are too many pairs."""
    steps = _steps(data)
    if not _is_small(data, steps):
        return None
    groups: dict[tuple[int, int], list[int]] = {}
    for at, samples in enumerate(data.samples):
        groups.setdefault(data.ends_of(samples.position), []).append(at)
    made: dict[int, Floats] = {}
    for ends, members in groups.items():
        types = [data.samples[at].position for at in members]
        shape = data.counts[ends[0]], data.counts[ends[1]]
        made |= dict(zip(members, _scores(ends, types, steps).reshape(-1, *shape), strict=True))
    if not any(scores.any() for scores in made.values()):
        return None
    return [(_rows_of(made[at]), _rows_of(made[at].T)) for at in range(len(data.samples))]


def _steps(data: TrainingData) -> list[Step]:
    steps, seen = list[Step](), set[int]()
    for relation in data.relations:
        ends = relation.source_type, relation.target_type
        kept = known_edges(data, relation.edge_type, len(relation.sources))
        rows, columns = (each.cpu().numpy()[kept] for each in (relation.sources, relation.targets))
        shape = data.counts[ends[0]], data.counts[ends[1]]
        edges = sparse.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
        edges.data[:] = 1
        # The relations of a type come forward first.
        steps.append(Step(ends, None if relation.edge_type in seen else relation.edge_type, edges))
        seen.add(relation.edge_type)
    return steps


def _is_small(data: TrainingData, steps: Sequence[Step]) -> bool:
    ends = [data.ends_of(samples.position) for samples in data.samples]
    if sum(data.counts[source] * data.counts[target] for source, target in ends) > MOST_SCORES:
        return False
    into, out = ([np.zeros(count) for count in data.counts] for _ in range(2))
    for step in steps:
        out[step.ends[0]] += step.edges.sum(1)
        into[step.ends[1]] += step.edges.sum(0)
    return sum(float(a @ b) for a, b in zip(into, out, strict=True)) <= MOST_PATHS


def _scores(ends: tuple[int, int], types: Sequence[int], steps: Sequence[Step]) -> Floats:
    """Return the scores of all pairs of two node types for some edge types between them: (types, pairs)."""
    own = {step.forward: step.edges for step in steps if step.forward is not None}
    truth = sparse.vstack([own[kind].reshape((1, -1)) for kind in types]).T.tocsr()
    totals = np.zeros((len(types), truth.shape[0]), np.float32)
    for bodies, named in _bodies(ends, steps):
        fits = np.asarray(bodies.sum(1)).reshape(-1, 1)
        confidences = (bodies @ truth).toarray() / (fits + PESSIMISM)
        for row, kind in enumerate(named):
            if kind in types:  # it would only say what is known
                confidences[row, types.index(kind)] = 0
        totals += sparse.csr_array(confidences.T**SHARPNESS) @ bodies
    return np.asarray(totals ** (1 / SHARPNESS), dtype=np.float32)


def _bodies(ends: tuple[int, int], steps: Sequence[Step]) -> Iterator[tuple[Matrix, Sequence[int | None]]]:
    """Yield 0/1 matrices (rules, pairs) of what bodies fit; and the edge types of those that are one, forward."""
    single = [step for step in steps if step.ends == ends]
    if single:
        yield _flat([step.edges for step in single]), [step.forward for step in single]
    for first in (step for step in steps if step.ends[0] == ends[0]):
        seconds = [step.edges for step in steps if step.ends == (first.ends[1], ends[1])]
        if seconds:
            yield _flat([first.edges @ edges for edges in seconds]), ()


def _flat(matrices: Sequence[Any]) -> Matrix:
    """Return a row per matrix, 1 wherever it is not 0."""
    rows: Matrix = sparse.vstack([each.tocsr().reshape((1, -1)) for each in matrices]).tocsr()
    rows.data[:] = 1
    return rows


def _rows_of(scores: Floats) -> Scorer:
    values = torch.from_numpy(np.ascontiguousarray(scores))

    def score(rows: Tensor) -> Tensor:
        return values[rows.cpu()]

    return score
