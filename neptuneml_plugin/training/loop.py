"""The one training loop: batches of targets, full neighbourhoods, averaged weights, early stopping."""

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import torch
from torch import Tensor

from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training.adam import Adam, Group
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import SLOW_METRICS, Evaluator, training_edges
from neptuneml_plugin.training.evaluation.metrics import HIGHER_IS_BETTER
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import BLOCK_CELLS, directions, sampled_loss, softmax_loss
from neptuneml_plugin.training.models.decoders import LinkDecoder
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.seen import Seen
from neptuneml_plugin.training.stopping import EarlyStopping, Goal
from neptuneml_plugin.training.tasks import KINDS, answer_of, class_weights, label_scale

#: Decay of the exponential average of the weights; what is evaluated and kept is the average.
AVERAGING = 0.98
#: Batches of an epoch of an edge task, at least: a batch's edges are left out of the messages, and a model that
#: sees few of its edges while it learns is at a loss when it sees all.
LEAST_EDGE_BATCHES = 10
_MAX_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class Fit:
    """The best averaged weights of a training."""

    model: Model
    best_epoch: int
    epochs: int


class Trainer:
    """Trains one model on one graph.

    Args:
        log: takes one JSON object per evaluation.
    """

    def __init__(
        self,
        data: TrainingData,
        hyperparameters: Hyperparameters,
        goal: Goal,
        *,
        seed: int,
        log: TextIO | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self._hp, self._goal, self._log = hyperparameters, goal, log
        self._device = data.relations[0].sources.device if data.relations else torch.device("cpu")
        self._seen = Seen(data)
        self._data = self._seen.data
        self._model = Model(self._data.processed, hyperparameters).to(self._device)
        self._model.scale.copy_(label_scale(self._data))
        self._graph = self._model.graph(self._data)
        whole = self._graph if self._seen.is_whole else self._model.graph(data)
        self._evaluator = Evaluator(data, whole, goal.topk, quick=goal.metric not in SLOW_METRICS)
        self._average = copy.deepcopy(self._model)
        self._optimizer = _optimizer(self._model, hyperparameters)
        self._loss = self._loss_function()
        self._steps = 0

    def fit(self, progress: Progress) -> Fit:
        """Train until the metric stops getting better, or for all epochs; return the best averaged weights."""
        validates = any(len(samples.splits["valid"]) for samples in self._evaluator.data.samples)
        split = "valid" if validates else "train"
        stopping = EarlyStopping(self._goal, self._hp.window_for_early_stop)
        best: tuple[float, int, Mapping[str, Tensor]] | None = None
        epoch, started = 0, time.monotonic()
        for epoch, loss in self._evaluations():
            value = self._evaluator.measure(self._seen.whole(self._average), [split])[split]
            newest = value.get(self._goal.metric, -math.inf if HIGHER_IS_BETTER[self._goal.metric] else math.inf)
            self._write(epoch, loss, time.monotonic() - started, {split: value})
            progress(
                f"epoch {epoch}: loss {loss:.4f}, {split} {self._goal.metric} {newest:.4f}",
                epoch / self._hp.num_epochs,
            )
            if best is None or self._goal.better(newest, best[0]):
                best = (newest, epoch, copy.deepcopy(self._average.state_dict()))
            if split == "valid" and self._hp.enable_early_stop and stopping.says_stop(newest):
                break
            if split == "train":  # without validation rows the last weights are the best known
                best = (newest, epoch, copy.deepcopy(self._average.state_dict()))
        if best is not None:
            self._average.load_state_dict(best[2])
        return Fit(self._seen.whole(self._average), best[1] if best else 0, epoch)

    def _evaluations(self) -> Iterator[tuple[int, float]]:
        """Train, and yield (epoch, mean loss since the last time) whenever an evaluation is due."""
        losses: list[float] = []
        for epoch in range(1, self._hp.num_epochs + 1):
            batches = list(self._batches())
            between = self._goal.batches_between(len(batches))
            for position, batch in batches:
                losses.append(self._step(position, batch))
                if self._steps % between == 0:
                    yield epoch, sum(losses) / len(losses)
                    losses = []
        if losses:
            yield self._hp.num_epochs, sum(losses) / len(losses)

    def _batches(self) -> Iterator[tuple[int, Tensor]]:
        """Yield (position of the target type, positions of its samples), shuffled, of about the same size."""
        least = 1 if self._data.task.on_nodes else LEAST_EDGE_BATCHES
        for position, samples in enumerate(self._data.samples):
            rows = samples.splits["train"]
            if len(rows):
                count = min(len(rows), max(least, math.ceil(len(rows) / self._hp.batch_size)))
                for batch in _shuffled(rows, samples.pairs, count):
                    yield position, batch

    def _step(self, position: int, batch: Tensor) -> float:
        self._model.train()
        self._optimizer.zero_grad()
        loss = self._loss(position, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), _MAX_GRADIENT_NORM)
        self._optimizer.step()
        self._steps += 1
        decay = min(AVERAGING, self._steps / (self._steps + 9))
        with torch.no_grad():
            for mean, newest in zip(self._average.parameters(), self._model.parameters(), strict=True):
                mean.lerp_(newest, 1 - decay)
        return float(loss.detach())

    def _loss_function(self) -> Callable[[int, Tensor], Tensor]:
        kind = KINDS[answer_of(self._data.task, self._data.processed.target)]
        if kind.loss is None:
            return self._link_loss()
        labels, weights = self._data.samples[0].labels, None
        if labels is None:
            raise ValueError("link prediction has no labels")
        if labels.is_floating_point():
            labels = ((labels - self._model.scale[0]) / self._model.scale[1]).float()
        if self._hp.use_class_weight and self._data.task.is_class:
            weights = class_weights(self._data).to(self._device)
        loss, targets = kind.loss, labels

        def labelled(_: int, batch: Tensor) -> Tensor:
            vectors = self._model.encoder(self._data.features, self._messages(0, batch))
            return loss(self._model.outputs(vectors, self._data, batch), targets[batch], weights)

        return labelled

    def _link_loss(self) -> Callable[[int, Tensor], Tensor]:
        known = [training_edges(self._data, samples) for samples in self._data.samples]
        decoder, hp = self._model.decoder, self._hp
        if not isinstance(decoder, LinkDecoder):
            raise TypeError("link prediction needs a LinkDecoder")

        def linked(position: int, batch: Tensor) -> Tensor:
            samples = self._data.samples[position]
            source, target = self._data.ends_of(samples.position)
            counts = self._data.counts[source], self._data.counts[target]
            vectors = self._model.encoder(self._data.features, self._messages(position, batch))
            total: Tensor = vectors[0].new_zeros(())
            both = directions(samples.ends, counts)
            scorers = decoder.scorers(vectors[source], vectors[target], position)
            for score, direction, index in zip(scorers, both, known[position], strict=True):
                if direction.candidate_count * min(len(batch), direction.query_count) <= BLOCK_CELLS:
                    total = total + softmax_loss(score, direction, batch, index)
                else:
                    total = total + sampled_loss(score, direction, batch, hp.num_negs, shared=hp.neg_share)
            lengths = (vectors[source] ** 2).mean() + (vectors[target] ** 2).mean()
            loss: Tensor = total + hp.regularization_coef * lengths
            return loss

        return linked

    def _messages(self, position: int, batch: Tensor) -> list[Any]:
        """Leave a batch's own edges out of the messages, so that no edge is predicted from itself."""
        if self._data.task.on_nodes:
            return self._graph.messages()
        return self._graph.messages(self._data.samples[position].position, batch)

    def _write(self, epoch: int, loss: float, seconds: float, values: Mapping[str, Mapping[str, float]]) -> None:
        if self._log is not None:
            record = {"epoch": epoch, "step": self._steps, "loss": loss, "seconds": round(seconds, 3), **values}
            self._log.write(json.dumps(record) + "\n")
            self._log.flush()


def _shuffled(rows: Tensor, pairs: Tensor | None, count: int) -> Sequence[Tensor]:
    """Deal rows out to batches of about the same size; those of one pair go to the same batch."""
    if pairs is None:
        return rows[torch.randperm(len(rows)).to(rows.device)].tensor_split(count)
    order, at = torch.randperm(int(pairs.max()) + 1).to(rows.device)[pairs[rows]].sort(stable=True)
    even = torch.arange(1, count, device=rows.device) * len(rows) // count
    starts = torch.searchsorted(order, order[even])  # of the pair that the even cut would tear apart
    return [batch for batch in rows[at].tensor_split(starts.cpu()) if len(batch)]


def _optimizer(model: Model, hyperparameters: Hyperparameters) -> Adam:
    tables = [value for name, value in model.named_parameters() if name in model.node_tables]
    others = [value for name, value in model.named_parameters() if name not in model.node_tables]
    return Adam(
        [Group(others, hyperparameters.lr, hyperparameters.l2norm), Group(tables, hyperparameters.sparse_lr)]
    )
