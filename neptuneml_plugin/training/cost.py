"""What training costs, told from the graph and the hyperparameters before it begins: the same on every run.

Counted is what a step does to numbers: those that it moves, and those that products of matrices add up. Constants
are nanoseconds of one core of the machine they were measured on (`tests/benchmarks/selection.py`), so that costs
are about seconds; what is decided by them are ratios.
"""

import math
from collections import Counter
from dataclasses import dataclass

from neptuneml_plugin.artifacts import KGE_MODELS, RGCN, Task
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import (
    MAX_QUICK_EDGES,
    MAX_QUICK_TRAINING_ROWS,
)
from neptuneml_plugin.training.evaluation.weights import WEIGHTS
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import BLOCK_CELLS
from neptuneml_plugin.training.loop import LEAST_STEPS
from neptuneml_plugin.training.models.encoder import has_own
from neptuneml_plugin.training.models.items import MAX_ITEMS, RIDGES
from neptuneml_plugin.training.models.model import has_items, has_rules
from neptuneml_plugin.training.models.propagation import propagates
from neptuneml_plugin.training.models.rules import finds_rules, pair_count, path_count
from neptuneml_plugin.training.objectives import LEAST_EDGE_BATCHES, batch_count
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import output_count

#: Seconds per number that is moved, per two numbers that are multiplied and added up, and per operation.
MOVED, MULTIPLIED, CALLED = 0.6e-9, 0.04e-9, 2e-6
#: A step beside its way forward: the gradient takes two more.
STEP = 3.0
#: Times that a number of a vector of a node is moved by a layer, one of an edge without features, and with these.
OF_NODE, OF_EDGE, OF_FEATURED_EDGE = 8.0, 0.3, 2.5
#: Times that a feature's value is moved to leave it out or not, and one of a bin to be worked out.
OF_DROPPED, OF_BIN = 8.0, 8.0
#: Times that a parameter is moved by a step: gradient, its length, the optimiser's means, and the average.
OF_PARAMETER = 12.0
#: Times that an edge of the target is moved to leave a batch's own out of the messages, for each channel.
OF_WEIGHT = 25.0
#: Times that a score is moved: by a loss over all candidates, and by ranking; and a prediction by metrics.
OF_SCORE, OF_RANK, OF_METRIC = 2.0, 4.0, 20.0
#: Times that a path of two steps is moved to find rules, for each type that may join its ends, and that a pair is.
OF_PATH, OF_PAIR = 8.0, 50.0
#: Seconds of an inverse by Cholesky, for each candidate's cube.
OF_INVERSE = MULTIPLIED / 2
#: Operations of a layer, for each relation.
CALLS = 20


@dataclass(frozen=True)
class Cost:
    """One training's, in about seconds of one core."""

    step: float
    evaluation: float
    #: Steps of an epoch.
    steps: int
    #: Evaluations of an epoch.
    evaluations: float
    #: Of the shortest training, that which stops early as soon as any may.
    least_epochs: int
    #: What trainings of one graph compute once for all of them, and what each computes whenever it ends or pauses.
    start: float = 0.0
    ending: float = 0.0

    @property
    def epoch(self) -> float:
        """Return what an epoch costs."""
        return self.steps * self.step + self.evaluations * self.evaluation

    @property
    def least(self) -> float:
        """Return what the shortest training costs."""
        return self.start + self.of(self.least_epochs)

    def of(self, epochs: int) -> float:
        """Return what some epochs cost, to a pause or the end; none cost nothing."""
        return epochs * self.epoch + self.ending if epochs else 0.0


def cost_of(
    data: TrainingData, hyperparameters: Hyperparameters, goal: Goal, model: str = RGCN, *, sampled: bool = False
) -> Cost:
    """Return what a training costs."""
    hp = hyperparameters
    steps = _steps(data, hp, model)
    evaluations = steps / goal.batches_between(steps)
    least = max(math.ceil(LEAST_STEPS / steps), math.ceil(2 * hp.window_for_early_stop / evaluations))
    asked = sum(len(samples.splits["train"]) for samples in data.samples) / (2 if hp.edge_masking else steps)
    whole = _forward(data, hp, model)
    drawn = (whole + _dropped(data, hp)) * (_drawn_share(data, hp, asked) if sampled else 1.0)
    return Cost(
        STEP * (drawn + _answers(data, hp, asked)) + _changes(data, hp, model),
        whole + _measured(data, hp),
        steps,
        evaluations,
        min(hp.num_epochs, least) if hp.enable_early_stop else hp.num_epochs,
        *(sum(parts) for parts in zip(_item_parts(data, hp), _rules(data, hp), strict=True)),
    )


def _steps(data: TrainingData, hp: Hyperparameters, model: str) -> int:
    """Return the steps of an epoch."""
    if data.task is Task.LINK_PREDICTION and hp.edge_masking and model == RGCN:
        return LEAST_EDGE_BATCHES
    least = 1 if data.task.on_nodes or model in KGE_MODELS else LEAST_EDGE_BATCHES
    return max(1, batch_count(data, hp.batch_size, least))


def _products(rows: float, width: float, outputs: float, *, diagonal: bool = False) -> float:
    """Return what it costs to multiply rows by a matrix, or by one number for each column."""
    return rows * width * (MOVED if diagonal else MOVED + MULTIPLIED * outputs)


def _forward(data: TrainingData, hp: Hyperparameters, model: str) -> float:
    """Return what the embeddings of all nodes cost."""
    if model in KGE_MODELS:  # they are learnt themselves
        return 0.0
    layer = _propagation(data, hp) if propagates(hp, data.processed) else _convolution(data, hp)
    return _first(data, hp) + hp.num_layer * layer


def _first(data: TrainingData, hp: Hyperparameters) -> float:
    """Return what is made of the nodes' features: their first vectors, and what stands beside the layers."""
    width, cost = hp.num_hidden, 0.0
    readers = 2 if has_own(hp, data.processed) else 1
    for node in data.processed.schema.nodes:
        widths = [feature.width for feature in node.features] if hp.node_features else []
        binned = widths.count(1) * hp.number_bins
        features = sum(widths) + binned + hp.structural_features
        if not features:
            continue
        cost += readers * OF_BIN * node.count * binned * MOVED
        cost += _products(node.count, features + (width if hp.concat_node_embed else 0), width)
        if has_own(hp, data.processed):
            cost += _products(node.count, features + width, width) + OF_NODE * node.count * width * MOVED
    return cost


def _convolution(data: TrainingData, hp: Hyperparameters) -> float:
    """Return what a layer of R-GCN costs."""
    width, rows, channels = hp.num_hidden, sum(data.counts), _label_channels(data, hp)
    cost = OF_NODE * rows * width * MOVED + CALLS * CALLED
    if hp.use_self_loop:
        cost += _products(rows, width, width, diagonal=hp.diagonal_relations)
    for relation in data.relations:
        edges, featured = len(relation.sources), bool(relation.features) and hp.use_edge_features
        alike = 1 + (channels if relation.edge_type == data.samples[0].position else 0)
        cost += alike * (edges * width * OF_EDGE * MOVED + CALLS * CALLED)
        cost += alike * _products(data.counts[relation.target_type], width, width, diagonal=hp.diagonal_relations)
        if featured:
            columns = hp.edge_num_hidden
            cost += edges * width * OF_FEATURED_EDGE * (MOVED + MULTIPLIED * columns)
    return cost


def _propagation(data: TrainingData, hp: Hyperparameters) -> float:
    """Return what a layer without weights costs."""
    edges = sum(len(relation.sources) for relation in data.relations)
    moved = hp.num_hidden * (OF_NODE * sum(data.counts) + OF_EDGE * edges)
    return moved * MOVED + (1 + len(data.relations)) * CALLS * CALLED


def _dropped(data: TrainingData, hp: Hyperparameters) -> float:
    """Return what it costs to leave values of features out."""
    features = sum(node.count * feature.width for node in data.processed.schema.nodes for feature in node.features)
    return OF_DROPPED * features * MOVED if hp.feature_dropout and hp.node_features else 0.0


def _drawn_share(data: TrainingData, hp: Hyperparameters, asked: float) -> float:
    """Return which share of the edges sampled neighbourhoods of a batch have, at most 1."""
    rows, drawn, every = asked, 0.0, sum(len(relation.sources) for relation in data.relations)
    for fanout in hp.fanouts:
        hop = sum(min(len(relation.sources), rows * fanout) for relation in data.relations)
        rows, drawn = min(sum(data.counts), rows + hop), drawn + hop
    return min(1.0, drawn / max(1, len(hp.fanouts) * every))


def _label_channels(data: TrainingData, hp: Hyperparameters) -> int:
    """Return in how many columns the labels of edges travel in messages."""
    travel = hp.use_edge_labels and data.task in {Task.EDGE_CLASS, Task.EDGE_REGRESSION}
    return output_count(data.task, data.processed.target) if travel else 0


def _answers(data: TrainingData, hp: Hyperparameters, asked: float) -> float:
    """Return what the answers for a batch cost once its nodes have embeddings."""
    width = hp.num_hidden
    if data.task.on_nodes:
        width *= 2 if has_own(hp, data.processed) else 1
        return _products(asked, width, output_count(data.task, data.processed.target))
    if data.task is not Task.LINK_PREDICTION:
        return _products(asked, 3 * width, width) + OF_NODE * asked * width * MOVED
    cost = 0.0
    for samples in data.samples:
        ends = [data.counts[kind] for kind in data.ends_of(samples.position)]
        for queries, candidates in (ends, ends[::-1]):
            several = queries * -math.expm1(-asked / len(data.samples) / max(1, queries))
            scored = candidates if several * candidates <= BLOCK_CELLS else min(candidates, hp.num_negs)
            cost += several * scored * (OF_SCORE * MOVED + MULTIPLIED * width)
            cost += OF_NODE * asked / len(data.samples) * width * MOVED
    return cost


def _changes(data: TrainingData, hp: Hyperparameters, model: str) -> float:
    """Return what it costs to leave a batch's edges out of the messages, and to change the parameters."""
    tables = sum(data.counts) * hp.num_hidden * int(hp.concat_node_embed or model in KGE_MODELS)
    roles = sum(data.counts) * hp.num_hidden * int(hp.separate_roles)
    cost = OF_PARAMETER * (tables + roles) * MOVED + CALLS * CALLED
    if data.task.on_nodes or model in KGE_MODELS:
        return cost
    edges = sum(len(samples.ends[0]) for samples in data.samples)
    return cost + 2 * (1 + _label_channels(data, hp)) * OF_WEIGHT * edges * MOVED


def _measured(data: TrainingData, hp: Hyperparameters) -> float:
    """Return what an evaluation costs once all nodes have embeddings."""
    valid = sum(len(samples.splits["valid"]) for samples in data.samples)
    asked = valid + MAX_QUICK_TRAINING_ROWS
    if data.task is not Task.LINK_PREDICTION:
        outputs = output_count(data.task, data.processed.target)
        return _answers(data, hp, asked) + OF_METRIC * asked * outputs * MOVED
    asked = min(valid, MAX_QUICK_EDGES) + MAX_QUICK_TRAINING_ROWS
    cells = sum(data.counts[kind] for samples in data.samples for kind in data.ends_of(samples.position))
    return asked * cells / len(data.samples) * (OF_RANK * MOVED + MULTIPLIED * hp.num_hidden)


def _item_parts(data: TrainingData, hp: Hyperparameters) -> tuple[float, float]:
    """Return what the ridges and parts of EASE cost, and what their weights do."""
    start = ending = 0.0
    for samples in data.samples if has_items(hp, data.processed) else ():
        edges, ends = len(samples.splits["train"]), [data.counts[kind] for kind in data.ends_of(samples.position)]
        asked = min(len(samples.splits["valid"]), MAX_QUICK_EDGES)
        for queries, candidates in (ends, ends[::-1]):
            if candidates > MAX_ITEMS:
                continue
            degree, cells = edges / max(1, queries), asked * candidates
            fit = edges * degree * OF_SCORE * MOVED + candidates**2 * (candidates * OF_INVERSE + OF_SCORE * MOVED)
            added, ranked = degree * cells * OF_SCORE * MOVED, OF_RANK * cells * MOVED
            start += len(RIDGES) * (fit + added + ranked) + fit
            ending += added + cells * hp.num_hidden * MULTIPLIED + len(WEIGHTS) * ranked
    return start, ending


def _rules(data: TrainingData, hp: Hyperparameters) -> tuple[float, float]:
    """Return what it costs to look for rules, and what their weights do."""
    if not has_rules(hp, data.processed) or not finds_rules(data):
        return 0.0, 0.0
    alike = Counter(data.ends_of(samples.position) for samples in data.samples)
    start = (path_count(data) * max(alike.values()) * OF_PATH + pair_count(data) * OF_PAIR) * MOVED
    cells = sum(data.counts[kind] for samples in data.samples for kind in data.ends_of(samples.position))
    asked = min(sum(len(samples.splits["valid"]) for samples in data.samples), MAX_QUICK_EDGES)
    scored = asked * cells / len(data.samples)
    return start, scored * (hp.num_hidden * MULTIPLIED + len(WEIGHTS) * OF_RANK * MOVED)
