"""Trivial competitors: what a model must beat to be worth its training.

They see the training split's targets and are measured on the same rows, by the same code, as the model.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy import sparse

from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.collaborative import COLLABORATIVE
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.evaluation.featured import boosting, own_features, propagated_features
from neptuneml_plugin.training.evaluation.problem import Floats, Problem
from neptuneml_plugin.training.tasks import TASKS, Answer

#: Entries of the two-hop neighbour matrix beyond which neighbours do not vote.
MAX_TWO_HOP_ENTRIES = 50_000_000
#: Shrinks the biases of nodes with few edges, in edges.
BIAS_SHRINKAGE = 5.0

#: Predictions of the wanted rows (rows, c); None: does not apply.
Baseline = Callable[[Problem], Floats | None]


def run_baselines(evaluator: Evaluator, split: str) -> dict[str, dict[str, float]]:
    """Return the metrics of every trivial competitor that applies to the task, by name."""
    data = evaluator.data
    if evaluator.answer is Answer.RANKING:
        found = {}
        for name in TASKS[data.task].baselines:
            scorers = COLLABORATIVE[name](data)
            if scorers is not None:
                found[name] = evaluator.rank(scorers, split)
        return found
    problem = Problem(evaluator, *dict.fromkeys(("valid", split)))
    predictions = {name: PREDICTORS[name](problem) for name in TASKS[data.task].baselines}
    return {
        name: evaluator.judge(
            made[problem.parts[split]], split, threshold=evaluator.tuned_threshold(made[problem.parts["valid"]])
        )
        for name, made in predictions.items()
        if made is not None
    }


def constant(problem: Problem) -> Floats:
    """Predict the training split's mean: the share of each class, or the mean value."""
    return np.repeat(problem.columns.mean(0, keepdims=True), len(problem.wanted), 0)


def bias(problem: Problem) -> Floats:
    """Predict mean + bias of the source + bias of the target, shrunk by the number of edges."""
    values = problem.columns[:, 0]
    mean = values.mean()
    ends = [end.cpu().numpy() for end in problem.samples.ends]
    counts = [problem.data.counts[kind] for kind in problem.data.ends_of(problem.samples.position)]
    biases = [np.zeros(count) for count in counts]
    for _ in range(10):
        for this, other in ((0, 1), (1, 0)):
            rest = values - mean - biases[other][ends[other][problem.train]]
            rows = ends[this][problem.train]
            edges = np.bincount(rows, minlength=counts[this])
            biases[this] = np.bincount(rows, rest, counts[this]) / (edges + BIAS_SHRINKAGE)
    return np.asarray(mean + biases[0][ends[0][problem.wanted]] + biases[1][ends[1][problem.wanted]])[:, None]


def neighbours(problem: Problem) -> Floats | None:
    """Predict the mean of the neighbours' training labels; of an edge: of the edges at both its ends."""
    votes = _node_votes(problem) if problem.data.task.on_nodes else _edge_votes(problem)
    if votes is None:
        return None
    totals, counts = votes
    prior = problem.columns.mean(0)
    # One vote for the prior of a node without neighbours; a hint of it breaks ties elsewhere.
    weight = np.where(counts > 0, 1e-6, 1.0)[:, None]
    return np.asarray((totals + weight * prior) / (counts[:, None] + weight))


def _node_votes(problem: Problem) -> tuple[Floats, Floats] | None:
    position, count = problem.samples.position, problem.data.counts[problem.samples.position]
    adjacency = _neighbour_matrix(problem.data, position)
    if adjacency is None:
        return None
    labels = np.zeros((count, problem.columns.shape[1]))
    labels[problem.train] = problem.columns
    known = np.zeros(count)
    known[problem.train] = 1
    wanted = adjacency[problem.wanted]
    return wanted @ labels, wanted @ known


def _neighbour_matrix(data: TrainingData, position: int) -> sparse.csr_array | None:
    """Return the edges between nodes of one type, else their paths over one node of another type."""
    count = data.counts[position]
    direct = sparse.csr_array((count, count))
    for relation in data.relations:
        if (relation.source_type, relation.target_type) == (position, position):
            direct = direct + _incidence(relation.targets, relation.sources, (count, count))
    if direct.nnz:
        return direct
    paths = sparse.csr_array((count, count))
    for relation in data.relations:
        if relation.target_type == position:
            matrix = _incidence(relation.targets, relation.sources, (count, data.counts[relation.source_type]))
            if (np.bincount(relation.sources.cpu().numpy()).astype(np.float64) ** 2).sum() > MAX_TWO_HOP_ENTRIES:
                return None
            paths = paths + matrix @ matrix.T
    paths.setdiag(0)
    return paths if paths.nnz else None


def _edge_votes(problem: Problem) -> tuple[Floats, Floats]:
    """Each end says the mean of its other edges' labels, and has one voice if it has any."""
    columns = problem.columns
    totals = np.zeros((len(problem.wanted), columns.shape[1]))
    voices = np.zeros(len(problem.wanted))
    for kind, end in zip(problem.data.ends_of(problem.samples.position), problem.samples.ends, strict=True):
        rows = end.cpu().numpy()
        known = _incidence(
            end[problem.train], torch.arange(len(problem.train)), (problem.data.counts[kind], len(columns))
        )
        edges = known.sum(1)
        means = (known @ columns) / np.maximum(edges, 1)[:, None]
        totals += means[rows[problem.wanted]]
        voices += edges[rows[problem.wanted]] > 0
    return totals, voices


def _incidence(rows: torch.Tensor, columns: torch.Tensor, shape: tuple[int, int]) -> sparse.csr_array:
    ones = np.ones(len(rows))
    return sparse.csr_array((ones, (rows.cpu().numpy(), columns.cpu().numpy())), shape=shape)


PREDICTORS: Mapping[str, Baseline] = {
    "majority": constant,
    "mean": constant,
    "bias": bias,
    "own_features": own_features,
    "boosting": boosting,
    "sgc": propagated_features,
    "neighbours": neighbours,
}
