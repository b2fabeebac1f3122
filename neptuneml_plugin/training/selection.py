"""Which preset to train: a short validated selection, by successive halving over epochs.

It takes at most twice the epochs of one training, and is no trial.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import SLOW_METRICS, Evaluator
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.presets import AUTO, BY_NAME, Preset, fitting, stands_for
from neptuneml_plugin.training.search.space import SearchSpace

#: Shares of the epochs of a training: of a first round with more than two presets, and of the last one with two.
FIRST_ROUND, LAST_ROUND = 1 / 6, 1 / 2
#: Presets of a first round, at most: they and the last round take two trainings together.
MOST = 6


#: Validation rows of a node task below which a share of the training rows judges presets too: the order by a
#: hundred rows is chance.
FEW_ROWS, LENT_SHARE = 1000, 0.25


@dataclass(frozen=True)
class Selection:
    """What was chosen."""

    #: The search around the chosen preset; where none is asked for, the search as the file says.
    space: SearchSpace
    #: Which and why, for people; None where none is asked for.
    reason: str | None = None


def select(space: SearchSpace, data: TrainingData, seed: int, progress: Progress) -> Selection:
    """Return the preset that the file names, or the best of those that fit.

    Raises:
        InvalidParameter: the named preset is for other tasks or graphs.
    """
    if space.preset is None:
        return Selection(space)
    if space.preset != AUTO:
        preset = BY_NAME[space.preset]
        if not (preset.fits(data) and stands_for(preset, space.model)):
            raise InvalidParameter(f"preset '{preset.name}' does not fit here; it is for {preset.when}")
        return Selection(preset.applied(space), f"preset '{preset.name}', as the file says")
    presets = fitting(data, space.model)[:MOST]
    if len(presets) == 1:
        return Selection(presets[0].applied(space), f"preset '{presets[0].name}': no other fits")
    if not any(len(samples.splits["valid"]) for samples in data.samples):
        return Selection(
            presets[0].applied(space), f"preset '{presets[0].name}': there are no validation rows to choose by"
        )
    return _best(space, with_more_to_judge_by(data), presets, seed, progress)


def with_more_to_judge_by(data: TrainingData) -> TrainingData:
    """Return the data with training rows of a node task among those of validation, where these are few."""
    samples = data.samples[0]
    train, valid = samples.splits["train"], samples.splits["valid"]
    if not data.task.on_nodes or len(valid) >= FEW_ROWS:
        return data
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).to(train.device)
    lent = min(int(LENT_SHARE * len(train)), FEW_ROWS - len(valid))
    splits = {"train": train[order[lent:]], "valid": torch.cat([valid, train[order[:lent]]])}
    moved = dataclasses.replace(samples, splits={**samples.splits, **splits})
    return dataclasses.replace(data, samples=(moved, *data.samples[1:]))


def _best(
    space: SearchSpace, data: TrainingData, presets: Sequence[Preset], seed: int, progress: Progress
) -> Selection:
    goal, left = space.goal, list(presets)
    values: dict[str, float] = {}
    for share in (LAST_ROUND,) if len(left) == 2 else (FIRST_ROUND, LAST_ROUND):
        for preset in left:
            progress(f"choosing a preset: '{preset.name}' for {share:.0%} of its epochs")
            values[preset.name] = _tried(preset.applied(space), data, share, seed)
        # Sorting is stable: the earlier of two that are as good stays the earlier.
        left.sort(key=lambda preset: values[preset.name], reverse=goal.better(1, 0))
        left = left[:2]
    best, others = left[0], [preset for preset in presets if preset is not left[0]]
    against = ", ".join(f"'{preset.name}' {values[preset.name]:.4g}" for preset in others)
    said = f"preset '{best.name}': {goal.metric} {values[best.name]:.4g} on validation against {against}"
    return Selection(best.applied(space), f"{said} after a part of their epochs")


def _tried(space: SearchSpace, data: TrainingData, share: float, seed: int) -> float:
    """Return the metric on validation after a share of the epochs."""
    given: Mapping[str, Any] = space.defaults()
    whole = hyperparameters.build(given, space.model)
    epochs = max(1, math.ceil(share * whole.num_epochs))
    shorter = hyperparameters.build({**given, "num-epochs": epochs}, space.model)
    trainer = Trainer(data, shorter, space.goal, seed=seed, sampled=space.sampled, model=space.model)
    model = trainer.fit(lambda *_: None).model
    quick = space.goal.metric not in SLOW_METRICS
    evaluator = Evaluator(data, model.graph(data), space.goal.topk, quick=quick)
    return evaluator.measure(model, ["valid"])["valid"].get(space.goal.metric, space.goal.worst)
