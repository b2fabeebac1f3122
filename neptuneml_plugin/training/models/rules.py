"""What other edges between two vertices say of a new one: a part of the scores of link prediction.

Rules of one and two steps, as AnyBURL finds them (Meilicke et al., "Anytime Bottom-Up Rule Learning", 2019): an
edge r(x, y) is likely where s(x, y), s(y, x), or s(x, z) and t(z, y) hold, whichever way s and t lead. A rule is
as good as the share of the pairs it fits that r joins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neptuneml_plugin.training.models.parts import Parts

if TYPE_CHECKING:
    from scipy import sparse

    from neptuneml_plugin.training.data import TrainingData

Floats = npt.NDArray[np.float32]
#: Pairs added to those that a rule fits: one of few pairs is worth less (AnyBURL's `c`).
PESSIMISM = 5
#: Rules count by this power of their confidence, so that the best one says nearly all (tests/quality/LOG.md).
SHARPNESS = 16
#: Scores are log(1 + confidence / this), as those that they are added to are logarithms too; no rule says 0.
LEAST = 0.01
#: Pairs of vertices of all target types, and paths of two steps, beyond which no rules are looked for.
MOST_SCORES, MOST_PATHS = 2**25, 2 * 10**7


@dataclass(frozen=True)
class RulePart:
    """One direction's part."""

    #: What the rules say of all pairs, (queries, candidates).
    matrix: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """See `parts.Part`."""
        return self.matrix[rows]


@dataclass(frozen=True)
class Step:
    """The edges of a type that may be known, one way, as a 0/1 matrix."""

    ends: tuple[int, int]
    #: Position of the type; None in reverse.
    forward: int | None
    edges: "sparse.csr_array"


def rule_parts(data: "TrainingData") -> Parts:
    """Return the parts of all directions, from all edges that may be known; they stay with the data.

    There are none where no rule fits, or too many pairs or paths.
    """
    return data.once("rules", lambda: _rule_parts(data))


def finds_rules(data: "TrainingData") -> bool:
    """Return whether pairs and paths are few enough."""
    return pair_count(data) <= MOST_SCORES and path_count(data) <= MOST_PATHS


def pair_count(data: "TrainingData") -> int:
    """Return how many scores all target types have."""
    ends = [data.ends_of(samples.position) for samples in data.samples]
    return sum(data.counts[source] * data.counts[target] for source, target in ends)


def path_count(data: "TrainingData") -> int:
    """Return how many paths of two steps edges make that may be known."""
    into, out = ([torch.zeros(count, dtype=torch.int64) for count in data.counts] for _ in range(2))
    for relation in data.relations:
        kept = data.known_edges(relation)
        for kind, found, ends in (
            (relation.source_type, out, relation.sources),
            (relation.target_type, into, relation.targets),
        ):
            found[kind] += torch.bincount(ends[kept], minlength=data.counts[kind]).cpu()
    return sum(int(a @ b) for a, b in zip(into, out, strict=True))


def _rule_parts(data: "TrainingData") -> Parts:
    none = [(None, None) for _ in data.samples]
    if not finds_rules(data):
        return none
    steps = _steps(data)
    groups: dict[tuple[int, int], list[int]] = {}
    for at, samples in enumerate(data.samples):
        groups.setdefault(data.ends_of(samples.position), []).append(at)
    made: dict[int, Floats] = {}
    for ends, members in groups.items():
        types = [data.samples[at].position for at in members]
        shape = data.counts[ends[0]], data.counts[ends[1]]
        made |= dict(zip(members, _scores(ends, types, steps).reshape(-1, *shape), strict=True))
    if not any(scores.any() for scores in made.values()):
        return none
    device = data.samples[0].ends[0].device
    whole = (torch.from_numpy(made[at]).to(device) for at in range(len(data.samples)))
    return [(RulePart(scores), RulePart(scores.T.contiguous())) for scores in whole]


def _steps(data: "TrainingData") -> list[Step]:
    from scipy import sparse  # noqa: PLC0415  # takes a while, and few trainings need it

    steps, seen = list[Step](), set[int]()
    for relation in data.relations:
        ends = relation.source_type, relation.target_type
        kept = data.known_edges(relation)
        rows, columns = (each[kept].cpu().numpy() for each in (relation.sources, relation.targets))
        shape = data.counts[ends[0]], data.counts[ends[1]]
        edges = sparse.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
        edges.data[:] = 1
        # The relations of a type come forward first.
        steps.append(Step(ends, None if relation.edge_type in seen else relation.edge_type, edges))
        seen.add(relation.edge_type)
    return steps


def _scores(ends: tuple[int, int], types: Sequence[int], steps: Sequence[Step]) -> Floats:
    """Return the scores of all pairs of two node types for some edge types between them: (types, pairs)."""
    own = {step.forward: step.edges for step in steps if step.forward is not None}
    truth = _fitting([own[kind] for kind in types]).T.tocsr()
    totals = np.zeros((truth.shape[0], len(types)), np.float32)
    for bodies, named in _bodies(ends, steps):
        fits = np.asarray(bodies.sum(1)).reshape(-1, 1)
        confidences = (bodies @ truth).toarray() / (fits + PESSIMISM)
        for row, kind in enumerate(named):
            if kind in types:  # it would only say what is known
                confidences[row, types.index(kind)] = 0
        totals += bodies.T @ confidences**SHARPNESS
    # In place: there are up to `MOST_SCORES` of them.
    np.power(totals, 1 / SHARPNESS, out=totals)
    totals /= LEAST
    return np.ascontiguousarray(np.log1p(totals, out=totals).T)


def _bodies(
    ends: tuple[int, int], steps: Sequence[Step]
) -> Iterator[tuple["sparse.csr_array", Sequence[int | None]]]:
    """Yield 0/1 matrices (rules, pairs) of what bodies fit; and the edge types of those that are one, forward."""
    from scipy import sparse  # noqa: PLC0415

    single = [step for step in steps if step.ends == ends]
    if single:
        yield _fitting([step.edges for step in single]), [step.forward for step in single]
    for first in (step for step in steps if step.ends[0] == ends[0]):
        seconds = [step.edges for step in steps if step.ends == (first.ends[1], ends[1])]
        if seconds:
            joined = first.edges @ sparse.hstack(seconds, format="csr")
            yield _side_by_side(joined, len(seconds)), ()


def _fitting(matrices: Sequence[Any]) -> "sparse.csr_array":
    """Return a row per matrix: 1 at each pair that it joins."""
    from scipy import sparse  # noqa: PLC0415

    return _side_by_side(sparse.hstack(matrices, format="csr"), len(matrices))


def _side_by_side(matrices: "sparse.csr_array", count: int) -> "sparse.csr_array":
    """Return a row per matrix, (count, queries * candidates), of some that stand side by side: 1 where not 0."""
    from scipy import sparse  # noqa: PLC0415

    queries, candidates = matrices.shape[0], matrices.shape[1] // count
    cells = matrices.tocoo()
    rule, candidate = np.divmod(cells.col.astype(np.int64), candidates)
    pairs = cells.row.astype(np.int64) * candidates + candidate
    ones = np.ones(len(pairs), np.float32)
    return sparse.csr_array((ones, (rule, pairs)), shape=(count, queries * candidates))
