"""The one training loop: batches of targets, full neighbourhoods, averaged weights, early stopping."""

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

import torch
from torch import Tensor

from neptuneml_plugin.artifacts import KGE_MODELS, RGCN, TrialState
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training.adagrad import Adagrad
from neptuneml_plugin.training.adam import Adam, Group
from neptuneml_plugin.training.checkpoints import (
    Checkpoint,
    Checkpoints,
    Position,
    named,
    random_state,
    set_random_state,
)
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import SLOW_METRICS, Evaluator
from neptuneml_plugin.training.evaluation.weights import fit_parts
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.knowledge_graph import KnowledgeGraph
from neptuneml_plugin.training.models.decoders import LinkDecoder
from neptuneml_plugin.training.models.kge import KgeDecoder
from neptuneml_plugin.training.models.model import Model, has_items, has_rules
from neptuneml_plugin.training.models.structure import set_structure
from neptuneml_plugin.training.models.votes import set_votes
from neptuneml_plugin.training.objectives import Batch, Objective, Setting, objective_of
from neptuneml_plugin.training.sampling import NeighbourSampler
from neptuneml_plugin.training.seen import Seen
from neptuneml_plugin.training.stopping import EarlyStopping, Goal
from neptuneml_plugin.training.tasks import is_binary, label_scale
from neptuneml_plugin.training.warmstart import Initial

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
    seconds: float
    #: COMPLETE, PRUNED or DIVERGED.
    state: TrialState = TrialState.COMPLETE
    #: The goal's metric of these weights on validation; None where it cannot be measured.
    value: float | None = None
    #: What `Goal.order` says of them, or of the newest weights where that is better.
    order: float | None = None
    steps: int = 0
    #: Whether training longer would change nothing.
    over: bool = True


@dataclass(frozen=True)
class Course:
    """Where a training starts, what it leaves behind while it runs, and where it is cut off."""

    #: Takes one JSON object per evaluation.
    log: TextIO | None = None
    #: Where to go on from, and to store how far the training has come.
    checkpoints: Checkpoints | None = None
    #: Parameters to start from.
    initial: Initial | None = None
    #: By evaluation: the training is pruned where the best value so far is worse; None: anything will do.
    bar: Sequence[float | None] = ()
    #: The epoch to pause after: the next training with the same checkpoints goes on from there.
    until: int | None = None


class Trainer:
    """Trains one model on one graph.

    Args:
        sampled: draw the neighbourhood of each batch, instead of computing the embeddings of all nodes.
        model: see `Model`.
    """

    def __init__(
        self,
        data: TrainingData,
        hyperparameters: Hyperparameters,
        goal: Goal,
        *,
        seed: int,
        course: Course | None = None,
        sampled: bool = False,
        model: str = RGCN,
    ) -> None:
        torch.manual_seed(seed)
        self._hp, self._goal, self._course = hyperparameters, goal, course or Course()
        self._device = data.relations[0].sources.device if data.relations else torch.device("cpu")
        self._seen = Seen(data)
        self._data = self._seen.data
        self._model = Model(self._data.processed, hyperparameters, model).to(self._device)
        self._model.scale.copy_(label_scale(self._data))
        self._model.encoder.fit_bins(self._data.features)
        set_structure(self._model, self._data)
        set_votes(self._model.encoder, self._data)
        if hyperparameters.popularity_start and isinstance(self._model.decoder, LinkDecoder):
            start_at_popularity(self._model.decoder, self._data)
        if self._course.initial is not None:
            self._seen.start_from(self._model, self._course.initial)
        self._graph = self._model.graph(self._data)
        whole = self._graph if self._seen.is_whole else self._model.graph(data)
        self._order = goal.order(binary=is_binary(data.task, data.processed.target))
        self._evaluator = Evaluator(data, whole, goal.topk, quick=self._order.metric not in SLOW_METRICS)
        self._average = copy.deepcopy(self._model)
        self._optimizer = _optimizer(self._model, hyperparameters)
        draws = sampled and model == RGCN  # the others have no neighbourhoods
        sampler = NeighbourSampler(self._graph, self._data, hyperparameters.fanouts) if draws else None
        self._objective = _objective(Setting(self._model, self._data, self._graph, hyperparameters, sampler))
        self._position, self._best = Position(), dict[str, Tensor]()
        #: State of the random generators before the epoch's batches were dealt out.
        self._shuffle = random_state()
        self._diverged, self._paused, self._began = False, False, time.monotonic()

    def fit(self, progress: Progress) -> Fit:
        """Train until the metric stops getting better, or for all epochs; return the best averaged weights.

        Raises:
            NeptuneMLError: the loss left the numbers before there was anything to keep.
        """
        validates = any(len(samples.splits["valid"]) for samples in self._evaluator.data.samples)
        split = "valid" if validates else "train"
        state, position = TrialState.COMPLETE, self._position
        for epoch, loss in self._evaluations():
            values = self._evaluator.measure(self._seen.whole(self._average), {split: None, "train": None})
            newest = self._newest(values[split], self._goal)
            position.newest_order = self._newest(values[split], self._order)
            self._write(epoch, loss, values)
            said = "not measurable" if newest is None else f"{newest:.4f}"
            progress(
                f"epoch {epoch}: loss {loss:.4f}, {split} {self._goal.metric} {said}", epoch / self._hp.num_epochs
            )
            if (not validates and newest is not None and math.isfinite(newest)) or self._is_best(newest):
                position.best_value, position.best_epoch = newest, epoch
                position.best_order = position.newest_order
                self._best = copy.deepcopy(dict(self._average.state_dict()))
            if newest is not None and validates and self._is_over(newest):
                position.over = True
                self._store(now=self._course.until is not None)
                break
            if self._is_pruned():
                state = TrialState.PRUNED
                break
        if self._diverged:
            state = TrialState.DIVERGED
        if self._paused and not self._best:
            self._best = copy.deepcopy(dict(self._average.state_dict()))
        return self._fitted(state, split)

    def _newest(self, values: Mapping[str, float], goal: Goal) -> float | None:
        """Return a goal's metric; None where it cannot be measured, as on rows of one class."""
        value = values.get(goal.metric)
        return goal.worst if value is not None and math.isnan(value) else value

    def _is_best(self, newest: float | None) -> bool:
        """Return whether to keep the newest weights: the last ones, while nothing else can be said of any.

        Of two that are as good, the one that orders better.
        """
        best = self._position.best_value
        if newest is None:
            return best is None
        if not math.isfinite(newest):
            return False
        return self._orders_better() if newest == best else self._goal.better(newest, best)

    def _orders_better(self) -> bool:
        newest, best = self._position.newest_order, self._position.best_order
        return newest is not None and self._order.better(newest, best)

    def _is_over(self, newest: float) -> bool:
        """Take the newest evaluation and return whether training stops early."""
        stopping = EarlyStopping(self._goal, self._hp.window_for_early_stop, self._position.history)
        stops = stopping.says_stop(newest) and self._position.steps >= LEAST_STEPS
        return stops and self._hp.enable_early_stop

    def _is_pruned(self) -> bool:
        evaluation, best, bars = self._position.evaluations - 1, self._position.best_value, self._course.bar
        bar = bars[evaluation] if evaluation < len(bars) else None
        return bar is not None and best is not None and self._goal.better(bar, best)

    def _fitted(self, state: TrialState, split: str) -> Fit:
        position = self._position
        if not self._best:
            hint = self._data.not_finite() or "lower 'lr', and look for extreme values among features and labels"
            raise NeptuneMLError(
                f"the loss is no longer a number in epoch {position.epoch}, before the first evaluation; {hint}"
            )
        self._average.load_state_dict(self._best)
        model, value = self._seen.whole(self._average), position.best_value
        if has_items(self._hp, self._data.processed) or has_rules(self._hp, self._data.processed):
            fit_parts(self._evaluator, model)
            value = None
        if value is None:
            value = self._newest(self._evaluator.measure(model, [split])[split], self._goal)
        return Fit(
            model,
            position.best_epoch,
            position.epoch,
            position.seconds,
            state,
            value,
            order=position.newest_order if self._orders_better() else position.best_order,
            steps=position.steps,
            over=not self._paused,
        )

    def _evaluations(self) -> Iterator[tuple[int, float]]:
        """Train, and yield (epoch, mean loss since the last time) whenever an evaluation is due."""
        position, random = self._position, self._resume()
        while not position.over:
            batches = self._objective.batches()
            between = self._goal.batches_between(len(batches))
            if random:
                set_random_state(random)
                random = None
            for batch in batches[position.batches :]:
                loss = self._step(batch)
                if not math.isfinite(loss):
                    self._diverged = True
                    return
                position.losses.append(loss)
                position.batches += 1
                if position.steps % between == 0:
                    yield self._evaluated()
                self._store()
            if position.epoch == self._hp.num_epochs:
                break
            if position.epoch == self._course.until:
                self._paused = True
                self._store(now=True)
                return
            self._shuffle = random_state()
            position.epoch, position.batches = position.epoch + 1, 0
        if position.losses and not position.over:
            yield self._evaluated()

    def _evaluated(self) -> tuple[int, float]:
        losses, self._position.losses = self._position.losses, []
        return self._position.epoch, sum(losses) / len(losses)

    def _resume(self) -> Mapping[str, Tensor] | None:
        """Go on from the checkpoint, if there is one; return what the random generators were then."""
        checkpoints = self._course.checkpoints
        checkpoint = checkpoints.load() if checkpoints else None
        if checkpoint is None:
            return None
        vars(self._position).update(vars(checkpoint.position))
        self._model.load_state_dict(checkpoint.part("model"))
        self._average.load_state_dict(checkpoint.part("average"))
        self._best = {name: value.to(self._device) for name, value in checkpoint.part("best").items()}
        self._optimizer.load(checkpoint.part("optimizer"))
        self._shuffle = checkpoint.part("shuffle")
        set_random_state(self._shuffle)
        self._began = time.monotonic() - self._position.seconds
        return checkpoint.part("random")

    def _store(self, *, now: bool = False) -> None:
        checkpoints = self._course.checkpoints
        if checkpoints is None or not (now or checkpoints.is_due()):
            return
        self._position.seconds = time.monotonic() - self._began
        tensors = {
            **named("model", self._model.state_dict()),
            **named("average", self._average.state_dict()),
            **named("best", self._best),
            **named("optimizer", self._optimizer.tensors()),
            **named("shuffle", self._shuffle),
            **named("random", random_state()),
        }
        checkpoints.save(Checkpoint(self._position, tensors))

    def _step(self, batch: Batch) -> float:
        """Change the weights and return the loss; where loss or gradient is no number, change nothing."""
        self._model.train()
        self._optimizer.zero_grad()
        loss = self._objective.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = _clipped(self._model)
        if not torch.isfinite(norm):
            return math.nan
        self._optimizer.step()
        self._position.steps += 1
        decay = min(AVERAGING, self._position.steps / (self._position.steps + 9))
        with torch.no_grad():
            for mean, newest in zip(self._average.parameters(), self._model.parameters(), strict=True):
                _move(mean, newest, 1 - decay)
        return float(loss.detach())

    def _write(self, epoch: int, loss: float, values: Mapping[str, Mapping[str, float]]) -> None:
        self._position.seconds = time.monotonic() - self._began
        self._position.evaluations += 1
        if self._course.log is not None:
            seconds = round(self._position.seconds, 3)
            record = {"epoch": epoch, "step": self._position.steps, "loss": loss, "seconds": seconds, **values}
            self._course.log.write(json.dumps(record) + "\n")
            self._course.log.flush()


def _clipped(model: Model) -> Tensor:
    """Shorten the gradient to the most that is allowed, and return how long it was.

    Where a step changes some rows of a table, there is one gradient for each row afterwards, rows ascending.
    """
    for parameter in model.parameters():
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), _MAX_GRADIENT_NORM)
    for parameter in model.parameters():
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad._coalesced_(True)  # noqa: FBT003  # clipping forgets it; finding out takes a sort
    return norm


def _move(mean: Tensor, newest: Tensor, weight: float) -> None:
    """Move an average; of a table of which a step changes some rows, these alone."""
    if newest.grad is None or not newest.grad.is_sparse:
        mean.lerp_(newest, weight)
        return
    rows = newest.grad.coalesce().indices()[0]
    mean.index_copy_(0, rows, mean.index_select(0, rows).lerp_(newest.index_select(0, rows), weight))


def start_at_popularity(decoder: LinkDecoder, data: TrainingData) -> None:
    """Set the biases of link prediction to log(1 + training edges)."""
    for position, samples in enumerate(data.samples):
        for biases, ends in zip((decoder.source_biases, decoder.target_biases), samples.ends, strict=True):
            degrees = torch.bincount(ends[samples.splits["train"]], minlength=len(biases[position]))
            with torch.no_grad():
                biases[position].copy_(degrees.float().log1p())


def _objective(setting: Setting) -> Objective:
    """Return how a model learns a task."""
    return KnowledgeGraph(setting) if isinstance(setting.model.decoder, KgeDecoder) else objective_of(setting)


def _optimizer(model: Model, hyperparameters: Hyperparameters) -> Adam | Adagrad:
    tables = [value for name, value in model.named_parameters() if name in model.node_tables]
    others = [value for name, value in model.named_parameters() if name not in model.node_tables]
    groups = [Group(others, hyperparameters.lr, hyperparameters.l2norm), Group(tables, hyperparameters.sparse_lr)]
    return Adagrad(groups) if model.name in KGE_MODELS else Adam(groups)
