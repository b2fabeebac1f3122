"""Which preset to train: presets race over rounds of epochs, and those fall out that can no longer win.

Each goes on from where it paused, so that no epoch is trained twice, and trial 0 goes on from where the chosen one
is. All together take at most twice the epochs of one training; most often one that is not chosen trains a sixth.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from neptuneml_plugin.artifacts import METRICS_LOG, SELECTION
from neptuneml_plugin.config import TrainConfig
from neptuneml_plugin.errors import InvalidParameter, NeptuneMLError
from neptuneml_plugin.stage import Progress, write_json
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.checkpoints import Checkpoints
from neptuneml_plugin.training.data import TrainingData, best_device
from neptuneml_plugin.training.loop import Course, Trainer
from neptuneml_plugin.training.presets import AUTO, BY_NAME, Preset, fitting, stands_for
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.search.trial import CHECKPOINT, open_log
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.warmstart import Initial, initial_weights

#: Folder of the paused trainings, while a training is unfinished.
PRESETS = "presets"
#: Of each round: the share of its epochs that a preset has trained at its end, and how many presets take part, at
#: most. Two trainings at most: 6 * 1/6 + 2 * 1/3 = 5/3.
ROUNDS = ((1 / 12, 6), (1 / 6, 6), (1 / 3, 2), (1 / 2, 2))
#: Optimiser steps before which nothing is told from how a preset gains: many a model first answers all alike.
LEAST_STEPS = 100
#: Validation rows of a node task below which a share of the training rows judges presets too, if there are more of
#: these: the order by a hundred rows is chance.
FEW_ROWS, LENT_SHARE = 1000, 0.25


@dataclass(frozen=True)
class Selection:
    """What was chosen."""

    #: The search around the chosen preset; where none is asked for, the search as the file says.
    space: SearchSpace
    #: Which and why, for people; None where none is asked for.
    reason: str | None = None
    #: Folder of the chosen preset's paused training, where that is of the same rows as trial 0.
    begun: Path | None = None


@dataclass(frozen=True)
class Race:
    """What all presets share."""

    #: The processed folder.
    source: Path
    #: The training folder being written.
    folder: Path
    data: TrainingData
    config: TrainConfig

    def initial(self) -> Initial | None:
        """Return the weights to start from."""
        previous = self.config.previous
        return initial_weights(previous, self.source, self.data) if previous is not None else None


@dataclass
class Standing:
    """How far a preset has come."""

    #: The goal's metric on validation at the end of each round; None where it could not be measured.
    values: list[float | None] = field(default_factory=list)
    #: Of the optimiser.
    steps: int = 0
    #: Whether training longer would change nothing.
    over: bool = False

    def value(self, goal: Goal) -> float:
        """Return the newest metric."""
        newest = self.values[-1] if self.values else None
        return goal.worst if newest is None else newest

    def in_reach(self, goal: Goal) -> float:
        """Return the metric after all epochs, if each doubling of them goes on to gain as much as the last did."""
        newest = self.value(goal)
        if self.over:
            return newest
        if len(self.values) < 2 or self.steps < LEAST_STEPS:
            return -goal.worst
        before, share, earlier = self.values[-2], *(ROUNDS[len(self.values) - back][0] for back in (1, 2))
        if before is None or not goal.better(newest, before):
            return newest
        return newest + (newest - before) * math.log(1 / share) / math.log(share / earlier)


def select(space: SearchSpace, race: Race, progress: Progress) -> Selection:
    """Return the preset that the file names, or the best of those that fit.

    Raises:
        InvalidParameter: the named preset is for other tasks or graphs.
    """
    if space.preset is None:
        return Selection(space)
    if space.preset != AUTO:
        preset = BY_NAME[space.preset]
        if not (preset.fits(race.data) and stands_for(preset, space.model)):
            raise InvalidParameter(f"preset '{preset.name}' does not fit here; it is for {preset.when}")
        return Selection(preset.applied(space), f"preset '{preset.name}', as the file says")
    presets = fitting(race.data, space.model)[: ROUNDS[0][1]]
    if len(presets) == 1:
        return Selection(presets[0].applied(space), f"preset '{presets[0].name}': no other fits")
    if not any(len(samples.splits["valid"]) for samples in race.data.samples):
        return Selection(
            presets[0].applied(space), f"preset '{presets[0].name}': there are no validation rows to choose by"
        )
    return _best(space, race, presets, progress)


def with_more_to_judge_by(data: TrainingData) -> TrainingData:
    """Return the data with training rows of a node task among those of validation, where these are few."""
    samples = data.samples[0]
    train, valid = samples.splits["train"], samples.splits["valid"]
    if not data.task.on_nodes or len(valid) >= min(FEW_ROWS, len(train)):
        return data
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).to(train.device)
    lent = min(int(LENT_SHARE * len(train)), FEW_ROWS - len(valid))
    splits = {"train": train[order[lent:]], "valid": torch.cat([valid, train[order[:lent]]])}
    moved = dataclasses.replace(samples, splits={**samples.splits, **splits})
    return dataclasses.replace(data, samples=(moved, *data.samples[1:]))


def _best(space: SearchSpace, race: Race, presets: Sequence[Preset], progress: Progress) -> Selection:
    goal, left, judged = space.goal, list(presets), with_more_to_judge_by(race.data)
    is_lent, race = judged is not race.data, dataclasses.replace(race, data=judged.to(best_device()))
    standings = _stored(race.folder / SELECTION)
    for at, (share, most) in enumerate(ROUNDS):
        left = left[:most]
        for position, preset in enumerate(left):
            standing = standings.setdefault(preset.name, Standing())
            if len(standing.values) <= at and not standing.over:
                done = (at + position / len(left)) / len(ROUNDS)
                progress(f"choosing a preset: '{preset.name}' for {share:.0%} of its epochs", done)
                _go_on(preset.applied(space), race, standing, preset.name, share)
                write_json(race.folder / SELECTION, {name: vars(each) for name, each in standings.items()})
        left = ranked(left, standings, goal)
        if len(left) == 1 or all(standings[preset.name].over for preset in left):
            break
    best, others = left[0], [preset for preset in presets if preset is not left[0]]
    values = {name: f"{standing.value(goal):.4g}" for name, standing in standings.items()}
    against = ", ".join(f"'{preset.name}' {values[preset.name]}" for preset in others)
    said = f"preset '{best.name}': {goal.metric} {values[best.name]} on validation against {against}"
    begun = None if is_lent else race.folder / PRESETS / best.name
    return Selection(best.applied(space), f"{said} after a part of their epochs", begun)


def ranked(presets: Sequence[Preset], standings: Mapping[str, Standing], goal: Goal) -> list[Preset]:
    """Return those that can still win, best first; the earlier of two that are as good stays the earlier."""

    def value(preset: Preset) -> float:
        return standings[preset.name].value(goal)

    order = sorted(presets, key=value, reverse=goal.better(1, 0))
    best = value(order[0])
    reach = (standings[preset.name].in_reach(goal) for preset in order[1:])
    return [order[0], *(each for each, most in zip(order[1:], reach, strict=True) if goal.better(most, best))]


def _go_on(space: SearchSpace, race: Race, standing: Standing, name: str, share: float) -> None:
    """Train a preset on, to a share of its epochs, and take down how it stands; a failure is its worst figure."""
    folder = race.folder / PRESETS / name
    folder.mkdir(parents=True, exist_ok=True)
    chosen = hyperparameters.build(space.defaults(), space.model)
    checkpoints = Checkpoints(folder / CHECKPOINT, race.config.checkpoint_seconds)
    until = max(1, math.ceil(share * chosen.num_epochs))
    with open_log(folder / METRICS_LOG, checkpoints.load()) as log:
        course = Course(log, checkpoints, race.initial(), until=until)
        trainer = Trainer(
            race.data,
            chosen,
            space.goal,
            seed=race.config.seed,
            course=course,
            sampled=space.sampled,
            model=space.model,
        )
        try:
            fit = trainer.fit(lambda *_: None)
        except NeptuneMLError:
            standing.values, standing.over = [*standing.values, None], True
            return
    value = fit.value if fit.value is not None and math.isfinite(fit.value) else None
    standing.values, standing.steps, standing.over = [*standing.values, value], fit.steps, fit.over


def _stored(path: Path) -> dict[str, Standing]:
    """Return how far presets have come before an interruption."""
    try:
        stored: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: Standing(**values) for name, values in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
