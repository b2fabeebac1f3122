"""The one training loop: batches of targets, full neighbourhoods, averaged weights, early stopping."""

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

import torch
from torch import Tensor

from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training.adam import Adam, Group
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import SLOW_METRICS, Evaluator, fit_item_weights
from neptuneml_plugin.training.evaluation.metrics import HIGHER_IS_BETTER
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.models.decoders import LinkDecoder
from neptuneml_plugin.training.models.model import Model, has_items
from neptuneml_plugin.training.objectives import Batch, Setting, objective_of
from neptuneml_plugin.training.sampling import NeighbourSampler
from neptuneml_plugin.training.seen import Seen
from neptuneml_plugin.training.stopping import EarlyStopping, Goal
from neptuneml_plugin.training.tasks import label_scale

#: Decay of the exponential average of the weights; what is evaluated and kept is the average.
AVERAGING = 0.98
#: Optimiser steps before which no training stops early: many a model first answers all alike, and a metric that
#: stands still but for noise would end it there.
LEAST_STEPS = 200
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
        sampled: draw the neighbourhood of each batch, instead of computing the embeddings of all nodes.
    """

    def __init__(
        self,
        data: TrainingData,
        hyperparameters: Hyperparameters,
        goal: Goal,
        *,
        seed: int,
        log: TextIO | None = None,
        sampled: bool = False,
    ) -> None:
        torch.manual_seed(seed)
        self._hp, self._goal, self._log = hyperparameters, goal, log
        self._device = data.relations[0].sources.device if data.relations else torch.device("cpu")
        self._seen = Seen(data)
        self._data = self._seen.data
        self._model = Model(self._data.processed, hyperparameters).to(self._device)
        self._model.scale.copy_(label_scale(self._data))
        if hyperparameters.popularity_start and isinstance(self._model.decoder, LinkDecoder):
            start_at_popularity(self._model.decoder, self._data)
        self._graph = self._model.graph(self._data)
        whole = self._graph if self._seen.is_whole else self._model.graph(data)
        self._evaluator = Evaluator(data, whole, goal.topk, quick=goal.metric not in SLOW_METRICS)
        self._average = copy.deepcopy(self._model)
        self._optimizer = _optimizer(self._model, hyperparameters)
        sampler = NeighbourSampler(self._graph, self._data, hyperparameters.fanouts) if sampled else None
        self._objective = objective_of(Setting(self._model, self._data, self._graph, hyperparameters, sampler))
        self._steps = 0

    def fit(self, progress: Progress) -> Fit:
        """Train until the metric stops getting better, or for all epochs; return the best averaged weights."""
        validates = any(len(samples.splits["valid"]) for samples in self._evaluator.data.samples)
        split = "valid" if validates else "train"
        stopping = EarlyStopping(self._goal, self._hp.window_for_early_stop)
        best: tuple[float, int, Mapping[str, Tensor]] | None = None
        epoch, started = 0, time.monotonic()
        for epoch, loss in self._evaluations():
            values = self._evaluator.measure(self._seen.whole(self._average), {split: None, "train": None})
            value = values[split]
            newest = value.get(self._goal.metric, -math.inf if HIGHER_IS_BETTER[self._goal.metric] else math.inf)
            self._write(epoch, loss, time.monotonic() - started, values)
            progress(
                f"epoch {epoch}: loss {loss:.4f}, {split} {self._goal.metric} {newest:.4f}",
                epoch / self._hp.num_epochs,
            )
            if best is None or self._goal.better(newest, best[0]):
                best = (newest, epoch, copy.deepcopy(self._average.state_dict()))
            stops = split == "valid" and self._hp.enable_early_stop and stopping.says_stop(newest)
            if stops and self._steps >= LEAST_STEPS:
                break
            if split == "train":  # without validation rows the last weights are the best known
                best = (newest, epoch, copy.deepcopy(self._average.state_dict()))
        if best is not None:
            self._average.load_state_dict(best[2])
        model = self._seen.whole(self._average)
        if has_items(self._hp, self._data.processed):
            fit_item_weights(self._evaluator, model)
        return Fit(model, best[1] if best else 0, epoch)

    def _evaluations(self) -> Iterator[tuple[int, float]]:
        """Train, and yield (epoch, mean loss since the last time) whenever an evaluation is due."""
        losses: list[float] = []
        for epoch in range(1, self._hp.num_epochs + 1):
            batches = self._objective.batches()
            between = self._goal.batches_between(len(batches))
            for batch in batches:
                losses.append(self._step(batch))
                if self._steps % between == 0:
                    yield epoch, sum(losses) / len(losses)
                    losses = []
        if losses:
            yield self._hp.num_epochs, sum(losses) / len(losses)

    def _step(self, batch: Batch) -> float:
        self._model.train()
        self._optimizer.zero_grad()
        loss = self._objective.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), _MAX_GRADIENT_NORM)
        self._optimizer.step()
        self._steps += 1
        decay = min(AVERAGING, self._steps / (self._steps + 9))
        with torch.no_grad():
            for mean, newest in zip(self._average.parameters(), self._model.parameters(), strict=True):
                _move(mean, newest, 1 - decay)
        return float(loss.detach())

    def _write(self, epoch: int, loss: float, seconds: float, values: Mapping[str, Mapping[str, float]]) -> None:
        if self._log is not None:
            record = {"epoch": epoch, "step": self._steps, "loss": loss, "seconds": round(seconds, 3), **values}
            self._log.write(json.dumps(record) + "\n")
            self._log.flush()


def _move(mean: Tensor, newest: Tensor, weight: float) -> None:
    """Move an average; of a table of which a step changes some rows, these alone."""
    if newest.grad is None or not newest.grad.is_sparse:
        mean.lerp_(newest, weight)
        return
    rows = newest.grad.coalesce().indices()[0]
    mean[rows] = mean[rows].lerp_(newest[rows], weight)


def start_at_popularity(decoder: LinkDecoder, data: TrainingData) -> None:
    """Set the biases of link prediction to log(1 + training edges)."""
    for position, samples in enumerate(data.samples):
        for biases, ends in zip((decoder.source_biases, decoder.target_biases), samples.ends, strict=True):
            degrees = torch.bincount(ends[samples.splits["train"]], minlength=len(biases[position]))
            with torch.no_grad():
                biases[position].copy_(degrees.float().log1p())


def _optimizer(model: Model, hyperparameters: Hyperparameters) -> Adam:
    tables = [value for name, value in model.named_parameters() if name in model.node_tables]
    others = [value for name, value in model.named_parameters() if name not in model.node_tables]
    return Adam(
        [Group(others, hyperparameters.lr, hyperparameters.l2norm), Group(tables, hyperparameters.sparse_lr)]
    )
