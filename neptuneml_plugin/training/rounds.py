"""The rounds of a race among presets: what they may cost, how far each preset goes in them, and who stays.

Costs follow from the graph and the hyperparameters (`cost`), so a race goes the same way on every machine. Its
unit is the shortest training: one that stops early as soon as any may.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from neptuneml_plugin.training.cost import Cost
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.stopping import Goal

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
    order: Sequence[Entrant], count: int, standings: Mapping[str, Standing], goal: Goal, rows: float
) -> list[Entrant]:
    """Return the better half, and those behind it by no more than chance.

    Args:
        order: those that can still win, best first.
        count: of those in the round.
        standings: by name.
        goal: names the metric.
        rows: of validation, which it is measured on, or as many as its chance is of.
    """
    most = max(LEAST, math.ceil(count / 2))
    if len(order) <= most:
        return list(order)
    last = standings[order[most - 1].name].value(goal)
    behind = (abs(standings[entrant.name].value(goal) - last) for entrant in order[most:])
    close = (entrant for entrant, by in zip(order[most:], behind, strict=True) if by <= chance(last, goal, rows))
    return [*order[:most], *close]


def chance(value: float, goal: Goal, rows: float) -> float:
    """Return about one standard error of a metric: of a share at most, or of a mean of squares."""
    return 0.5 / math.sqrt(rows) if goal.better(1, 0) else abs(value) * math.sqrt(2 / rows)
