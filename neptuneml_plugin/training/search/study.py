"""The search: which hyperparameters to try next, by Optuna's tree-structured Parzen estimator.

What it asks for depends on the seed, the trial's number and the results told so far, and on nothing else, so a
search that was interrupted goes on where it was from the records of its trials.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from neptuneml_plugin.training.search.space import Parameter, Searched


class Search:
    """Asks for the hyperparameters of trials and learns from their values.

    Args:
        space: where to search.
        trials: how many there will be, which says what is searched.
        seed: the same asks for the same.
    """

    def __init__(self, space: Searched, trials: int, seed: int) -> None:
        self._space, self._seed = space, seed
        self._searched = space.searched(trials)
        self._distributions = {parameter.name: distribution(parameter) for parameter in self._searched}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize" if space.maximizes else "minimize")

    def ask(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the hyperparameters of a generation of trials by name; those of trial 0 are the defaults."""
        return [self._ask(number) for number in numbers]

    def _ask(self, number: int) -> dict[str, Any]:
        values = self._space.defaults()
        if not number or not self._searched:
            return values
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        study = optuna.create_study(
            directions=self._study.directions, sampler=optuna.samplers.TPESampler(seed=seed)
        )
        study.add_trials(self._study.trials)
        asked = study.ask(self._distributions)
        return values | {
            parameter.name: value_of(parameter, asked.params[parameter.name]) for parameter in self._searched
        }

    def tell(self, values: Mapping[str, Any], result: float) -> None:
        """Take the hyperparameters of a trial, and the metric that they led to.

        Hyperparameters that are not searched, or lie outside their range here, say nothing; nor does a metric that
        is no finite number.
        """
        if not math.isfinite(result):
            return
        known = {}
        for parameter in self._searched:
            inner = _inner(parameter, values.get(parameter.name))
            if inner is not None and self._distributions[parameter.name]._contains(inner):
                known[parameter.name] = inner
        distributions = {name: self._distributions[name] for name in known}
        outer = {name: distributions[name].to_external_repr(value) for name, value in known.items()}
        self._study.add_trial(optuna.trial.create_trial(params=outer, distributions=distributions, value=result))


def generations(trials: int, parallel: int) -> Iterator[Sequence[int]]:
    """Yield the numbers of trials that are asked for at once, and run at the same time."""
    for first in range(0, trials, parallel):
        yield range(first, min(first + parallel, trials))


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return where a hyperparameter is searched: choices by position, powers of two by exponent."""
    if parameter.options:
        return CategoricalDistribution(list(range(len(parameter.options))))
    low, high = parameter.low or 0.0, parameter.high or 0.0
    if parameter.strategy == "power2":
        return IntDistribution(max(0, int(low) - 1).bit_length(), int(high).bit_length() - 1)
    log = parameter.strategy == "log"
    step = None if log else parameter.step
    if step:
        first, each = Decimal(str(low)), Decimal(str(step))
        high = float(first + each * ((Decimal(str(high)) - first) // each))
    if parameter.kind == "int":
        return IntDistribution(int(low), int(high), log=log, step=1 if step is None else int(step))
    return FloatDistribution(low, high, log=log, step=step)


def value_of(parameter: Parameter, value: Any) -> Any:
    """Return a hyperparameter's value for what Optuna chose."""
    if parameter.options:
        return parameter.options[value]
    return 2**value if parameter.strategy == "power2" else value


def _inner(parameter: Parameter, value: Any) -> float | None:
    """Return Optuna's number for a hyperparameter's value; None where there is none."""
    value = tuple(value) if isinstance(value, list) else value
    if parameter.options:
        return float(parameter.options.index(value)) if value in parameter.options else None
    if value is None or isinstance(value, str | tuple):
        return None
    if parameter.strategy == "power2":
        exponent = int(value).bit_length() - 1
        return float(exponent) if value == 2**exponent else None
    return float(value)
