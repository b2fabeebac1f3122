"""What a training minimises: the batches of an epoch, and the loss of one.

Models and tasks differ here alone; `loop` trains them all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import training_edges
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import (
    BLOCK_CELLS,
    EdgeIndex,
    LinkScorer,
    directions,
    sampled_loss,
    softmax_loss,
)
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models.decoders import LinkDecoder
from neptuneml_plugin.training.models.encoder import Vectors
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.tasks import KINDS, answer_of, class_weights

#: Batches of an epoch of an edge task, at least: a batch's edges are left out of the messages, and a model that
#: sees few of its edges while it learns is at a loss when it sees all.
LEAST_EDGE_BATCHES = 10

#: Position of a target type -> positions of its samples.
Batch = Mapping[int, Tensor]


class Objective(Protocol):
    """How one model learns one task."""

    def batches(self) -> Sequence[Batch]:
        """Return the batches of the next epoch, shuffled."""

    def loss(self, batch: Batch) -> Tensor:
        """Return what a step minimises."""


@dataclass(frozen=True)
class Setting:
    """What an objective is about."""

    model: Model
    data: TrainingData
    graph: MessageGraph
    hyperparameters: Hyperparameters

    def vectors(self, batch: Batch) -> Vectors:
        """Return the embeddings of all nodes.

        A batch's own edges are left out of the messages, so that no edge is predicted from itself.
        """
        samples = self.data.samples
        left_out = {} if self.data.task.on_nodes else {samples[at].position: rows for at, rows in batch.items()}
        embedded: Vectors = self.model.encoder(self.data.features, self.graph.messages(left_out))
        return embedded


class Labelled:
    """Classes and values: the loss of the answer's kind."""

    def __init__(self, setting: Setting) -> None:
        data, model = setting.data, setting.model
        kind = KINDS[answer_of(data.task, data.processed.target)]
        labels = data.samples[0].labels
        if labels is None or kind.loss is None:
            raise ValueError("link prediction has no labels")
        if labels.is_floating_point():
            labels = ((labels - model.scale[0]) / model.scale[1]).float()
        weighs = setting.hyperparameters.use_class_weight and data.task.is_class
        self._weights = class_weights(data).to(labels.device) if weighs else None
        self._setting, self._loss, self._labels = setting, kind.loss, labels

    def batches(self) -> Sequence[Batch]:
        """See `Objective`."""
        least = 1 if self._setting.data.task.on_nodes else LEAST_EDGE_BATCHES
        return dealt(self._setting.data, self._setting.hyperparameters.batch_size, least)

    def loss(self, batch: Batch) -> Tensor:
        """See `Objective`."""
        outputs = self._setting.model.outputs(self._setting.vectors(batch), self._setting.data, batch[0])
        return self._loss(outputs, self._labels[batch[0]], self._weights)


class Links:
    """New edges: each edge's own end among all candidates, or among random ones where these are too many."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._known = [training_edges(setting.data, samples) for samples in setting.data.samples]

    def batches(self) -> Sequence[Batch]:
        """See `Objective`."""
        return dealt(self._setting.data, self._setting.hyperparameters.batch_size, LEAST_EDGE_BATCHES)

    def loss(self, batch: Batch) -> Tensor:
        """See `Objective`."""
        vectors = self._setting.vectors(batch)
        total: Tensor = vectors[0].new_zeros(())
        for position, rows in batch.items():
            total = total + len(rows) * self._of_type(vectors, position, rows)
        return total / sum(len(rows) for rows in batch.values())

    def _of_type(self, vectors: Vectors, position: int, rows: Tensor) -> Tensor:
        data, decoder = self._setting.data, self._setting.model.decoder
        if not isinstance(decoder, LinkDecoder):
            raise TypeError("link prediction needs a LinkDecoder")
        samples = data.samples[position]
        source, target = data.ends_of(samples.position)
        both = directions(samples.ends, (data.counts[source], data.counts[target]))
        scorers = decoder.scorers(vectors[source], vectors[target], position)
        total: Tensor = vectors[source].new_zeros(())
        for score, direction, known in zip(scorers, both, self._known[position], strict=True):
            total = total + self._one_way(score, direction, rows, known)
        lengths = (vectors[source] ** 2).mean() + (vectors[target] ** 2).mean()
        return total + self._setting.hyperparameters.regularization_coef * lengths

    def _one_way(self, score: LinkScorer, direction: Any, rows: Tensor, known: EdgeIndex) -> Tensor:
        hp = self._setting.hyperparameters
        if direction.candidate_count * min(len(rows), direction.query_count) <= BLOCK_CELLS:
            return softmax_loss(score, direction, rows, known)
        return sampled_loss(score, direction, rows, hp.num_negs, shared=hp.neg_share)


def objective_of(setting: Setting) -> Objective:
    """Return how a model learns a task."""
    kind = KINDS[answer_of(setting.data.task, setting.data.processed.target)]
    return Links(setting) if kind.loss is None else Labelled(setting)


def dealt(data: TrainingData, size: int, least: int) -> list[Batch]:
    """Deal all training samples out to at least `least` batches of about `size`, each with samples of every type.

    A type of few samples goes to as many batches as it has samples, which are others in every epoch.
    """
    types = {at: samples for at, samples in enumerate(data.samples) if len(samples.splits["train"])}
    total = sum(len(samples.splits["train"]) for samples in types.values())
    count = min(total, max(least, math.ceil(total / size)))
    batches: list[dict[int, Tensor]] = [{} for _ in range(count)]
    for at, samples in types.items():
        first = int(torch.randint(count, ())) if len(types) > 1 else 0
        rows = samples.splits["train"]
        for place, part in enumerate(shuffled(rows, samples.pairs, min(count, len(rows)))):
            batches[(first + place) % count][at] = part
    return [batch for batch in batches if batch]


def shuffled(rows: Tensor, pairs: Tensor | None, count: int) -> Sequence[Tensor]:
    """Deal rows out to batches of about the same size; those of one pair go to the same batch."""
    if pairs is None:
        return rows[torch.randperm(len(rows)).to(rows.device)].tensor_split(count)
    order, at = torch.randperm(int(pairs.max()) + 1).to(rows.device)[pairs[rows]].sort(stable=True)
    even = torch.arange(1, count, device=rows.device) * len(rows) // count
    starts = torch.searchsorted(order, order[even])  # of the pair that the even cut would tear apart
    return [batch for batch in rows[at].tensor_split(starts.cpu()) if len(batch)]
