"""What a training minimises: the batches of an epoch, and the loss of one.

Models and tasks differ here alone; `loop` trains them all.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from neptuneml_plugin.training.data import Samples, TrainingData
from neptuneml_plugin.training.evaluation.evaluator import training_edges
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import (
    BLOCK_CELLS,
    Direction,
    EdgeIndex,
    LinkScorer,
    directions,
    drawn_loss,
    sampled_loss,
    softmax_loss,
)
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models.decoders import LinkDecoder
from neptuneml_plugin.training.models.embedded import Embedded
from neptuneml_plugin.training.models.encoder import Vectors
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.sampling import LeftOut, NeighbourSampler
from neptuneml_plugin.training.tasks import KINDS, answer_of, class_weights

#: Batches of an epoch of an edge task, at least: a batch's edges are left out of the messages, and a model that
#: sees few of its edges while it learns is at a loss when it sees all.
LEAST_EDGE_BATCHES = 10

#: Random candidates of a batch, times `num-negs`, of which each edge takes its own where they are not shared.
_POOL = 4
#: Of a vertex's edges, the least share that `edge-masking` hides.
LEAST_MASKED = 0.05

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
    #: Draws the neighbourhoods of batches; None: every batch takes whole neighbourhoods.
    sampler: NeighbourSampler | None = None

    def vectors(self, batch: Batch) -> Vectors:
        """Return the embeddings of all nodes, without messages of the batch's own edges."""
        embedded: Vectors = self.model.encoder(self.data.features, self.graph.messages(self._left_out(batch)))
        return embedded

    def embedded(self, batch: Batch, others: Mapping[int, Tensor] = MappingProxyType({})) -> Embedded:
        """Return the embeddings of a batch's nodes at least, and of `others` by their type."""
        if self.sampler is None:
            return Embedded(self.vectors(batch))
        nodes = self._nodes(batch, others)
        around = self.sampler.around(nodes, self._left_out(batch))
        encoder = self.model.encoder
        features = encoder.structured(around.features(self.data), around.rows)
        none = self.data.samples[0].ends[0].new_zeros(0)
        rows = [nodes.get(kind, none) for kind in range(len(self.data.counts))]
        vectors = encoder.along(around.hops, features, encoder.learned(around.rows), encoder.joined_of(rows))
        return Embedded(vectors, rows)

    def _left_out(self, batch: Batch) -> LeftOut:
        """Return a batch's own edges, so that none is predicted from itself."""
        samples = self.data.samples
        return {} if self.data.task.on_nodes else {samples[at].position: rows for at, rows in batch.items()}

    def _nodes(self, batch: Batch, others: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return the distinct rows of each type, ascending."""
        parts: dict[int, list[Tensor]] = {kind: [rows.ravel()] for kind, rows in others.items()}
        for at, chosen in batch.items():
            samples = self.data.samples[at]
            kinds = (samples.position,) if self.data.task.on_nodes else self.data.ends_of(samples.position)
            for kind, end in zip(kinds, samples.ends, strict=True):
                parts.setdefault(kind, []).append(end[chosen])
        return {kind: torch.unique(torch.cat(rows)) for kind, rows in parts.items()}


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
        outputs = self._setting.model.outputs(self._setting.embedded(batch), self._setting.data, batch[0])
        return self._loss(outputs, self._labels[batch[0]], self._weights)


class Links(ABC):
    """New edges: both ends of each are told from other candidates; every edge counts alike, whatever its type."""

    def __init__(self, setting: Setting) -> None:
        if not isinstance(setting.model.decoder, LinkDecoder):
            raise TypeError("link prediction needs a LinkDecoder")
        self._setting, self._decoder = setting, setting.model.decoder

    def batches(self) -> Sequence[Batch]:
        """See `Objective`."""
        return dealt(self._setting.data, self._setting.hyperparameters.batch_size, LEAST_EDGE_BATCHES)

    @abstractmethod
    def _told(self, batch: Batch) -> Iterator[tuple[Tensor, Sequence[Tensor]]]:
        """Yield, for each type of a batch, the loss of its edges and the vectors whose lengths count."""

    def loss(self, batch: Batch) -> Tensor:
        """See `Objective`."""
        told = zip(self._told(batch), batch.values(), strict=True)
        losses = [len(rows) * (loss + self._lengths(vectors)) for (loss, vectors), rows in told]
        return torch.stack(losses).sum() / sum(len(rows) for rows in batch.values())

    def _lengths(self, vectors: Sequence[Tensor]) -> Tensor | float:
        coefficient = self._setting.hyperparameters.regularization_coef
        return coefficient * torch.stack([(each**2).mean() for each in vectors]).sum() if coefficient else 0.0

    def _ends(self, at: int) -> tuple[int, int]:
        """Return the node types of a target type's sources and targets."""
        return self._setting.data.ends_of(self._setting.data.samples[at].position)


class WholeLinks(Links):
    """Links of whole neighbourhoods, from all candidates, or from random ones where these are too many."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._known = [training_edges(setting.data, samples) for samples in setting.data.samples]

    def batches(self) -> Sequence[Batch]:
        """See `Objective`."""
        if self._setting.hyperparameters.edge_masking:
            return [batch for step in range(LEAST_EDGE_BATCHES) if (batch := self._masked(step % 2))]
        return super().batches()

    def _masked(self, end: int) -> Batch:
        """Return a random share of the edges of every vertex at one end, 0 for sources and 1 for targets."""
        data, most = self._setting.data, self._setting.hyperparameters.edge_masking
        drawn = {}
        for at, samples in enumerate(data.samples):
            shares = LEAST_MASKED + (most - LEAST_MASKED) * torch.rand(data.counts[self._ends(at)[end]])
            drawn[at] = masked_rows(samples, end, shares.to(samples.ends[end].device))
        return {at: rows for at, rows in drawn.items() if len(rows)}

    def _told(self, batch: Batch) -> Iterator[tuple[Tensor, Sequence[Tensor]]]:
        """See `Links`."""
        vectors = self._setting.vectors(batch)
        for at, rows in batch.items():
            source, target = self._ends(at)
            counts = self._setting.data.counts[source], self._setting.data.counts[target]
            ways = directions(self._setting.data.samples[at].ends, counts)
            scorers = self._decoder.scorers(vectors[source], vectors[target], at)
            both = zip(scorers, ways, self._known[at], strict=True)
            losses = [self._one_way(score, way, rows, known) for score, way, known in both]
            yield losses[0] + losses[1], (vectors[source], vectors[target])

    def _one_way(self, score: LinkScorer, direction: Direction, rows: Tensor, known: EdgeIndex) -> Tensor:
        hp = self._setting.hyperparameters
        if direction.candidate_count * min(len(rows), direction.query_count) <= BLOCK_CELLS:
            return softmax_loss(score, direction, rows, known)
        return sampled_loss(score, direction, rows, hp.num_negs, shared=hp.neg_share)


class DrawnLinks(Links):
    """Links around which neighbourhoods are drawn, from random candidates."""

    def _told(self, batch: Batch) -> Iterator[tuple[Tensor, Sequence[Tensor]]]:
        """See `Links`."""
        drawn = {at: self._draw(at) for at in batch}
        others: dict[int, list[Tensor]] = {}
        for at, candidates in drawn.items():
            for kind, rows in zip(self._ends(at), candidates, strict=True):
                others.setdefault(kind, []).append(rows)
        embedded = self._setting.embedded(batch, {kind: torch.cat(rows) for kind, rows in others.items()})
        for at, rows in batch.items():
            yield self._of_type(embedded, at, rows, drawn[at])

    def _draw(self, at: int) -> tuple[Tensor, Tensor]:
        """Return sources and targets that the edges of a batch are told from."""
        hp, data = self._setting.hyperparameters, self._setting.data
        count = hp.num_negs if hp.neg_share else _POOL * hp.num_negs
        device = data.samples[at].ends[0].device
        source, target = (torch.randint(data.counts[kind], (count,), device=device) for kind in self._ends(at))
        return source, target

    def _of_type(
        self, embedded: Embedded, at: int, rows: Tensor, drawn: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        ends = [end[rows] for end in self._setting.data.samples[at].ends]
        own = [embedded.of(kind, end) for kind, end in zip(self._ends(at), ends, strict=True)]
        each = None if self._setting.hyperparameters.neg_share else self._setting.hyperparameters.num_negs
        total = own[0].new_zeros(())
        for way in (1, 0):
            asked = [torch.cat([end, drawn[way]]) if side == way else end for side, end in enumerate(ends)]
            sources, targets = (embedded.of(kind, end) for kind, end in zip(self._ends(at), asked, strict=True))
            scores = self._decoder.scorers(sources, targets, at, (asked[0], asked[1]))[1 - way]
            total = total + drawn_loss(scores, ends[way], drawn[way], each)
        return total, own


def objective_of(setting: Setting) -> Objective:
    """Return how a model learns a task."""
    kind = KINDS[answer_of(setting.data.task, setting.data.processed.target)]
    if kind.loss is not None:
        return Labelled(setting)
    return WholeLinks(setting) if setting.sampler is None else DrawnLinks(setting)


def batch_count(data: TrainingData, size: int, least: int) -> int:
    """Return to how many batches of about `size` the training samples are dealt out."""
    total = sum(len(samples.splits["train"]) for samples in data.samples)
    return min(total, max(least, math.ceil(total / size)))


def dealt(data: TrainingData, size: int, least: int) -> list[Batch]:
    """Deal all training samples out to at least `least` batches of about `size`, each with samples of every type.

    A type of few samples goes to as many batches as it has samples, which are others in every epoch.
    """
    types = {at: samples for at, samples in enumerate(data.samples) if len(samples.splits["train"])}
    count = batch_count(data, size, least)
    batches: list[dict[int, Tensor]] = [{} for _ in range(count)]
    for at, samples in types.items():
        first = int(torch.randint(count, ())) if len(types) > 1 else 0
        rows = samples.splits["train"]
        for place, part in enumerate(shuffled(rows, samples.pairs, min(count, len(rows)))):
            batches[(first + place) % count][at] = part
    return [batch for batch in batches if batch]


def masked_rows(samples: Samples, end: int, shares: Tensor) -> Tensor:
    """Draw training rows: of each vertex at an end its share, (vertices,); those of one pair all or none."""
    rows = samples.splits["train"]
    chances, drawn = shares[samples.ends[end][rows]], torch.rand(len(rows)).to(rows.device)
    if samples.pairs is not None and len(rows):
        pairs, at = samples.pairs[rows], torch.arange(len(rows), device=rows.device)
        first = at.new_full((int(pairs.max()) + 1,), len(rows)).scatter_reduce(0, pairs, at, "amin")[pairs]
        chances, drawn = chances[first], drawn[first]
    return rows[drawn < chances]


def shuffled(rows: Tensor, pairs: Tensor | None, count: int) -> Sequence[Tensor]:
    """Deal rows out to batches of about the same size; those of one pair go to the same batch."""
    if pairs is None:
        return rows[torch.randperm(len(rows)).to(rows.device)].tensor_split(count)
    order, at = torch.randperm(int(pairs.max()) + 1).to(rows.device)[pairs[rows]].sort(stable=True)
    even = torch.arange(1, count, device=rows.device) * len(rows) // count
    starts = torch.searchsorted(order, order[even])  # of the pair that the even cut would tear apart
    return [batch for batch in rows[at].tensor_split(starts.cpu()) if len(batch)]
