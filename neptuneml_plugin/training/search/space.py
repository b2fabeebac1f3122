"""The space of a search, and the search over it.

Tier rule (Neptune ML): tier 1 is always searched, tier 2 with more than 10 trials, tier 3 with more than 50; the
others keep their defaults. Trial 0 is the defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna

from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.evaluation.metrics import HIGHER_IS_BETTER
from neptuneml_plugin.training.stopping import Goal

#: Tier -> it is searched with more trials than this.
TIERS: Mapping[str, int] = {"1-tier-param": 0, "2-tier-param": 10, "3-tier-param": 50}
FIXED = "fixed-param"


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter and where it may be searched."""

    name: str
    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    strategy: str = "linear"
    step: float | None = None
    options: tuple[Any, ...] = ()

    @property
    def is_searchable(self) -> bool:
        """Whether there is more than the default."""
        return bool(self.options) or self.low is not None

    def suggest(self, trial: optuna.Trial) -> Any:
        """Return the value that a trial should take."""
        if self.options:
            # Optuna takes scalars only, so the choice is the position.
            return self.options[trial.suggest_categorical(self.name, list(range(len(self.options))))]
        low, high = self.low or 0.0, self.high or 0.0
        if self.strategy == "power2":
            exponent = trial.suggest_int(self.name, max(0, int(low) - 1).bit_length(), int(high).bit_length() - 1)
            return 2**exponent
        if self.kind == "int":
            return trial.suggest_int(self.name, int(low), int(high), step=int(self.step or 1))
        log = self.strategy == "log"
        return trial.suggest_float(self.name, low, high, log=log, step=None if log else self.step)


@dataclass(frozen=True)
class SearchSpace:
    """The file as read."""

    model: str
    goal: Goal
    tiers: Mapping[str, tuple[Parameter, ...]] = field(default_factory=dict)

    def defaults(self) -> dict[str, Any]:
        """Return the default of every hyperparameter."""
        return {parameter.name: parameter.default for tier in self.tiers.values() for parameter in tier}

    def searched(self, trials: int) -> tuple[Parameter, ...]:
        """Return the hyperparameters that are searched with so many trials."""
        tiers = [self.tiers.get(tier, ()) for tier, above in TIERS.items() if trials > above]
        found = (parameter for tier in tiers for parameter in tier if parameter.is_searchable)
        return tuple(parameter for parameter in found if parameter.name not in hyperparameters.WITHOUT_EFFECT)


class Search:
    """Asks for the hyperparameters of trials and learns from their values; the same seed asks the same."""

    def __init__(self, space: SearchSpace, trials: int, seed: int) -> None:
        self._space, self._searched = space, space.searched(trials)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        higher = HIGHER_IS_BETTER[space.goal.metric]
        direction = optuna.study.StudyDirection.MAXIMIZE if higher else optuna.study.StudyDirection.MINIMIZE
        self._study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=seed))
        self._asked: dict[int, optuna.Trial] = {}

    def ask(self, number: int) -> dict[str, Any]:
        """Return the hyperparameters of a trial by name; those of trial 0 are the defaults."""
        values = self._space.defaults()
        if number and self._searched:
            trial = self._asked[number] = self._study.ask()
            values |= {parameter.name: parameter.suggest(trial) for parameter in self._searched}
        return values

    def tell(self, number: int, value: float) -> None:
        """Take the metric of a trial."""
        if number in self._asked:
            self._study.tell(self._asked[number], value)
