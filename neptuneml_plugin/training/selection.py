"""Which preset to train: presets race (`rounds`), and those fall out that can no longer win.

Each preset goes on from where it paused, so that no epoch is trained twice, and trial 0 goes on from where the
chosen one is.
"""

import dataclasses
import itertools
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neptuneml_plugin.artifacts import METRICS_LOG, SELECTION
from neptuneml_plugin.config import TrainConfig
from neptuneml_plugin.errors import InvalidParameter, NeptuneMLError
from neptuneml_plugin.stage import Progress, write_json
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.checkpoints import Checkpoints
from neptuneml_plugin.training.cost import cost_of
from neptuneml_plugin.training.data import TrainingData, best_device
from neptuneml_plugin.training.loop import Course, Trainer
from neptuneml_plugin.training.presets import AUTO, BY_NAME, Preset, fitting, stands_for
from neptuneml_plugin.training.rounds import Budget, Entrant, Standing, affordable, better_half, ranked
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.search.trial import CHECKPOINT, open_log
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import is_binary
from neptuneml_plugin.training.warmstart import Initial, initial_weights

#: Folder of the paused trainings, while a training is unfinished.
PRESETS = "presets"
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
    presets = fitting(race.data, space.model)
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


def compared_by(goal: Goal, data: TrainingData) -> tuple[Goal, float]:
    """Return what presets are compared by, and of how many answers a share is as uncertain (`rounds.chance`).

    The variance of the area under a ROC curve is 1/12 (1/m + 1/n) for answers in any order of m and n rows (Hanley
    and McNeil, 1982), that of a share of k answers 1/4k at most.
    """
    rows = sum(len(samples.splits["valid"]) for samples in data.samples)
    order, labels = goal.order(binary=is_binary(data.task, data.processed.target)), data.samples[0].labels
    if order == goal or labels is None:
        return goal, rows
    first, second = torch.bincount(labels[data.samples[0].splits["valid"]], minlength=2).tolist()
    return (order, 3 * first * second / rows) if first and second else (goal, rows)


def _best(space: SearchSpace, race: Race, presets: Sequence[Preset], progress: Progress) -> Selection:
    judged = with_more_to_judge_by(race.data)
    is_lent, race = judged is not race.data, dataclasses.replace(race, data=judged.to(best_device()))
    every = [_entrant(preset, space, race) for preset in presets]
    unit = statistics.median_low(entrant.cost.least for entrant in every)
    entrants, standings = affordable(every, unit), _stored(race.folder / SELECTION)
    budget = Budget(unit, spent=max(entrant.cost.start for entrant in entrants))
    best = _winner(entrants, standings, budget, space.goal, race, progress)
    goal, _ = compared_by(space.goal, race.data)
    values = {name: f"{standing.value(goal):.4g}" for name, standing in standings.items()}
    against = ", ".join(f"'{entrant.name}' {values[entrant.name]}" for entrant in entrants if entrant is not best)
    said = f"preset '{best.name}': {goal.metric} {values[best.name]} on validation against {against}"
    dear = "".join(f"; '{entrant.name}' costs too much to try" for entrant in every if entrant not in entrants)
    begun = None if is_lent else race.folder / PRESETS / best.name
    return Selection(best.space, f"{said} after a part of their epochs{dear}", begun)


def _winner(
    entrants: Sequence[Entrant],
    standings: dict[str, Standing],
    budget: Budget,
    goal: Goal,
    race: Race,
    progress: Progress,
) -> Entrant:
    """Run rounds until one is left, none can be trained on, or nothing is left to spend; return the first.

    Args:
        entrants: who takes part.
        standings: how far each has come before an interruption, by name; kept up to date.
        budget: what rounds may cost.
        goal: what is learned.
        race: what all share.
        progress: told what goes on.
    """
    left, (compared, rows) = list(entrants), compared_by(goal, race.data)
    for at in itertools.count():
        before = {entrant.name: standings.setdefault(entrant.name, Standing()).after(at) for entrant in left}
        began = budget.part
        until = budget.next_round(left, before)
        if not until:
            break
        for position, entrant in enumerate(left):
            standing = standings[entrant.name]
            if len(standing.values) <= at and not standing.over:
                said = f"choosing a preset: '{entrant.name}' for {until[entrant.name]} epochs"
                progress(said, began + (budget.part - began) * position / len(left))
                _go_on(entrant, race, standing, until[entrant.name])
                write_json(race.folder / SELECTION, {name: vars(each) for name, each in standings.items()})
        now = {entrant.name: standings[entrant.name].after(at + 1) for entrant in left}
        left = better_half(ranked(left, now, compared), len(left), now, compared, rows)
        if len(left) == 1 or all(now[entrant.name].over for entrant in left):
            break
    return left[0]


def _entrant(preset: Preset, space: SearchSpace, race: Race) -> Entrant:
    own = preset.applied(space)
    chosen = hyperparameters.build(own.defaults(), own.model)
    return Entrant(preset.name, own, chosen, cost_of(race.data, chosen, own.goal, own.model, sampled=own.sampled))


def _go_on(entrant: Entrant, race: Race, standing: Standing, until: int) -> None:
    """Train a preset on to an epoch, and take down how it stands; a failure is its worst figure."""
    folder = race.folder / PRESETS / entrant.name
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(folder / CHECKPOINT, race.config.checkpoint_seconds)
    space, value = entrant.space, None
    with open_log(folder / METRICS_LOG, checkpoints.load()) as log:
        course = Course(log, checkpoints, race.initial(), until=until)
        trainer = Trainer(
            race.data,
            entrant.hyperparameters,
            space.goal,
            seed=race.config.seed,
            course=course,
            sampled=space.sampled,
            model=space.model,
        )
        try:
            fit = trainer.fit(lambda *_: None)
        except NeptuneMLError:
            standing.over = True
        else:
            is_goal = compared_by(space.goal, race.data)[0] == space.goal
            value, standing.over = fit.value if is_goal else fit.order, fit.over
    standing.values = [*standing.values, value if value is not None and math.isfinite(value) else None]
    standing.epochs = [*standing.epochs, until]


def _stored(path: Path) -> dict[str, Standing]:
    """Return how far presets have come before an interruption."""
    try:
        stored: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: Standing(**values) for name, values in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
