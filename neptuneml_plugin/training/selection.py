"""Which preset to train: presets race over rounds of the same cost, and those fall out that can no longer win.

Costs follow from the graph and the hyperparameters (`cost`), so a race goes the same way on every machine. Its
unit is the shortest training: one that stops early as soon as any may. Each preset goes on from where it paused,
so that no epoch is trained twice, and trial 0 goes on from where the chosen one is.
"""

import dataclasses
import itertools
import json
import math
import statistics
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
from neptuneml_plugin.training.cost import Cost, cost_of
from neptuneml_plugin.training.data import TrainingData, best_device
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.loop import Course, Trainer
from neptuneml_plugin.training.presets import AUTO, BY_NAME, Preset, fitting, stands_for
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.search.trial import CHECKPOINT, open_log
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.warmstart import Initial, initial_weights

#: Folder of the paused trainings, while a training is unfinished.
PRESETS = "presets"
#: What a round costs, and at most all of them, where the typical preset's shortest training costs 1. With what the
#: first rounds up to whole epochs, that stays below two trainings.
ROUND, LIMIT = 0.4, 1.6
#: What the first epochs of all may cost: a preset that costs more together with the cheaper ones is left out.
DEAREST = 0.8
#: Presets that take part, at most, and those that a round leaves in the race, at least.
MOST, LEAST = 6, 2
#: Of its shortest training, the least that a preset is judged by.
FIRST = 0.05
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


@dataclass(frozen=True)
class Entrant:
    """A preset in the race."""

    name: str
    #: The search around it.
    space: SearchSpace
    hyperparameters: Hyperparameters
    cost: Cost


@dataclass
class Standing:
    """How far a preset has come."""

    #: The goal's metric on validation at the end of each round; None where it could not be measured.
    values: list[float | None] = field(default_factory=list)
    #: The epochs trained by then.
    epochs: list[int] = field(default_factory=list)
    #: Whether training longer would change nothing.
    over: bool = False

    @property
    def trained(self) -> int:
        """Return the epochs trained."""
        return self.epochs[-1] if self.epochs else 0

    def after(self, rounds: int) -> "Standing":
        """Return how it stood after some rounds."""
        return Standing(self.values[:rounds], self.epochs[:rounds], self.over and len(self.values) <= rounds)

    def value(self, goal: Goal) -> float:
        """Return the newest metric."""
        newest = self.values[-1] if self.values else None
        return goal.worst if newest is None else newest

    def in_reach(self, goal: Goal, entrant: Entrant) -> float:
        """Return the metric after all epochs, if each doubling of them goes on to gain as much as the last did."""
        newest = self.value(goal)
        if self.over:
            return newest
        if len(self.values) < 2 or self.trained * entrant.cost.steps < LEAST_STEPS:
            return -goal.worst
        before, earlier = self.values[-2], self.epochs[-2]
        if before is None or not goal.better(newest, before):
            return newest
        doublings = math.log(entrant.hyperparameters.num_epochs / self.trained) / math.log(self.trained / earlier)
        return newest + (newest - before) * doublings


@dataclass
class Budget:
    """What rounds may cost, and have cost."""

    #: The shortest training of the typical preset.
    unit: float
    #: What has been spent, as costs are told.
    spent: float = 0.0
    #: How much of its shortest training each preset in the race may have trained by now.
    share: float = 0.0

    @property
    def part(self) -> float:
        """Return the part of all that has been spent, at most 1."""
        return min(1.0, self.spent / (LIMIT * self.unit))

    def next_round(self, left: Sequence[Entrant], standings: Mapping[str, Standing]) -> dict[str, int]:
        """Spend the next round; return until which epoch it goes for each, nothing where too little is left."""
        room = min(ROUND * self.unit, LIMIT * self.unit - self.spent)
        if room < ROUND * self.unit / 2:
            return {}
        self.share += room / sum(entrant.cost.of(entrant.cost.least_epochs) for entrant in left)
        until = {entrant.name: epochs_of(self.share, entrant, standings[entrant.name]) for entrant in left}
        self.spent += sum(e.cost.of(until[e.name] - standings[e.name].trained) for e in left)
        return until


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


def _best(space: SearchSpace, race: Race, presets: Sequence[Preset], progress: Progress) -> Selection:
    judged = with_more_to_judge_by(race.data)
    is_lent, race = judged is not race.data, dataclasses.replace(race, data=judged.to(best_device()))
    every = [_entrant(preset, space, race) for preset in presets]
    unit = statistics.median_low(entrant.cost.least for entrant in every)
    entrants, standings = affordable(every, unit), _stored(race.folder / SELECTION)
    budget = Budget(unit, spent=max(entrant.cost.start for entrant in entrants))
    best = _winner(entrants, standings, budget, space.goal, race, progress)
    values = {name: f"{standing.value(space.goal):.4g}" for name, standing in standings.items()}
    against = ", ".join(f"'{entrant.name}' {values[entrant.name]}" for entrant in entrants if entrant is not best)
    said = f"preset '{best.name}': {space.goal.metric} {values[best.name]} on validation against {against}"
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
        goal: what is compared.
        race: what all share.
        progress: told what goes on.
    """
    left, rows = list(entrants), sum(len(samples.splits["valid"]) for samples in race.data.samples)
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
        left = better_half(ranked(left, now, goal), len(left), now, goal, rows)
        if len(left) == 1 or all(now[entrant.name].over for entrant in left):
            break
    return left[0]


def _entrant(preset: Preset, space: SearchSpace, race: Race) -> Entrant:
    own = preset.applied(space)
    chosen = hyperparameters.build(own.defaults(), own.model)
    return Entrant(preset.name, own, chosen, cost_of(race.data, chosen, own.goal, own.model, sampled=own.sampled))


def affordable(entrants: Sequence[Entrant], unit: float) -> list[Entrant]:
    """Return those that the first round has room for, in their order: two, and more while they are cheap."""
    price, taken = 0.0, set[str]()
    for entrant in sorted(entrants, key=lambda each: each.cost.epoch):
        price += entrant.cost.of(max(1, round(FIRST * entrant.cost.least_epochs)))
        if len(taken) < LEAST or (price <= DEAREST * unit and len(taken) < MOST):
            taken.add(entrant.name)
    return [entrant for entrant in entrants if entrant.name in taken]


def epochs_of(share: float, entrant: Entrant, standing: Standing) -> int:
    """Return how many epochs a share of the shortest training is: one more than trained, at least."""
    if standing.over:
        return standing.trained
    wanted = max(standing.trained + 1, round(share * entrant.cost.least_epochs))
    return min(wanted, entrant.hyperparameters.num_epochs)


def ranked(entrants: Sequence[Entrant], standings: Mapping[str, Standing], goal: Goal) -> list[Entrant]:
    """Return those that can still win, best first; the earlier of two that are as good stays the earlier."""

    def value(entrant: Entrant) -> float:
        return standings[entrant.name].value(goal)

    order = sorted(entrants, key=value, reverse=goal.better(1, 0))
    best = value(order[0])
    reach = (standings[entrant.name].in_reach(goal, entrant) for entrant in order[1:])
    return [order[0], *(each for each, most in zip(order[1:], reach, strict=True) if goal.better(most, best))]


def better_half(
    order: Sequence[Entrant], count: int, standings: Mapping[str, Standing], goal: Goal, rows: int
) -> list[Entrant]:
    """Return the better half, and those behind it by no more than chance.

    Args:
        order: those that can still win, best first.
        count: of those in the round.
        standings: by name.
        goal: names the metric.
        rows: of validation, which it is measured on.
    """
    most = max(LEAST, math.ceil(count / 2))
    if len(order) <= most:
        return list(order)
    last = standings[order[most - 1].name].value(goal)
    behind = (abs(standings[entrant.name].value(goal) - last) for entrant in order[most:])
    close = (entrant for entrant, by in zip(order[most:], behind, strict=True) if by <= chance(last, goal, rows))
    return [*order[:most], *close]


def chance(value: float, goal: Goal, rows: int) -> float:
    """Return about one standard error of a metric: of a share at most, or of a mean of squares."""
    return 0.5 / math.sqrt(rows) if goal.better(1, 0) else abs(value) * math.sqrt(2 / rows)


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
            value, standing.over = fit.value, fit.over
    standing.values = [*standing.values, value if value is not None and math.isfinite(value) else None]
    standing.epochs = [*standing.epochs, until]


def _stored(path: Path) -> dict[str, Standing]:
    """Return how far presets have come before an interruption."""
    try:
        stored: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: Standing(**values) for name, values in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
