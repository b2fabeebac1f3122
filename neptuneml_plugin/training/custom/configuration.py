"""`model-hpo-configuration.json` of a custom model: what is searched, and how its output tells a metric."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import CUSTOM
from neptuneml_plugin.errors import InvalidData, InvalidSettings, nearest
from neptuneml_plugin.training.search.space import FIXED, TIERS, Parameter, Tiers, defaults_of, searched_of

MODEL = CUSTOM
_STRATEGIES = ("log", "linear", "power2")
_TYPES = ("int", "float", "bool", "str")


@dataclass(frozen=True)
class Objective:
    """The metric that trials are chosen by, found in what a training script prints."""

    name: str
    pattern: re.Pattern[str]
    maximize: bool

    def values(self, line: str) -> list[float]:
        """Return the values that a line holds; matches without a number are passed over."""
        found = []
        for match in self.pattern.finditer(line):
            text = match.group(1) if match.re.groups else match.group(0)
            try:
                found.append(float(text or ""))
            except ValueError:
                continue
        return found

    def better(self, a: float, b: float) -> bool:
        """Return whether `a` is better than `b`."""
        return a > b if self.maximize else a < b


@dataclass(frozen=True)
class CustomSpace:
    """The file as read."""

    objective: Objective
    tiers: Tiers

    def defaults(self) -> dict[str, Any]:
        """See `Searched`."""
        return defaults_of(self.tiers)

    def searched(self, trials: int) -> tuple[Parameter, ...]:
        """See `Searched`."""
        return searched_of(self.tiers, trials)

    @property
    def maximizes(self) -> bool:
        """See `Searched`."""
        return self.objective.maximize


def read_custom_space(path: Path) -> CustomSpace:
    """Read the file.

    Raises:
        InvalidData: missing, or not JSON.
        InvalidSettings: with every problem, each with its path.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidData(f"{path} is not JSON ({error}); correct it") from None
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, list) or len(models) != 1 or not isinstance(models[0], dict):
        raise InvalidSettings(str(path), ["models: must hold exactly one model"])
    reader = _Reader(models[0])
    objective = reader.objective()
    tiers = {tier: reader.parameters(tier) for tier in (*TIERS, FIXED)}
    if reader.problems or objective is None:
        raise InvalidSettings(str(path), reader.problems)
    return CustomSpace(objective, tiers)


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.problems: list[str] = []
        self._model = model
        if model.get("model", MODEL) != MODEL:
            self._problem("model", f"must be '{MODEL}', not '{model['model']}'")

    def objective(self) -> Objective | None:
        """Return what trials are chosen by."""
        metric = self._model.get("eval_metric")
        metric = metric if isinstance(metric, dict) else {}
        wanted, definitions = metric.get("tuning_objective"), metric.get("metric_definitions")
        if not isinstance(wanted, dict) or wanted.get("Type") not in {"Maximize", "Minimize"}:
            self._problem("eval_metric.tuning_objective", "needs MetricName, and a Type of Maximize or Minimize")
            return None
        known = {str(entry.get("Name")): str(entry["Regex"]) for entry in _dicts(definitions) if "Regex" in entry}
        name = str(wanted.get("MetricName"))
        if name not in known:
            self._problem("eval_metric.metric_definitions", f"has no Regex for '{name}'{nearest(name, known)}")
            return None
        try:
            return Objective(name, re.compile(known[name]), wanted["Type"] == "Maximize")
        except re.error as error:
            self._problem("eval_metric.metric_definitions", f"Regex of '{name}' is not one ({error})")
            return None

    def parameters(self, tier: str) -> tuple[Parameter, ...]:
        """Return the hyperparameters of a tier."""
        entries = self._model.get(tier, [])
        if not isinstance(entries, list) or len(_dicts(entries)) != len(entries):
            self._problem(tier, "must be a list of hyperparameters")
            return ()
        found = (self._parameter(f"{tier}[{at}]", entry) for at, entry in enumerate(entries))
        return tuple(parameter for parameter in found if parameter is not None)

    def _parameter(self, where: str, entry: Mapping[str, Any]) -> Parameter | None:
        name, kind, strategy = entry.get("param"), entry.get("type", "float"), entry.get("inc_strategy", "linear")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w-]*", name):
            self._problem(f"{where}.param", f"{name!r} is no name of a flag")
            return None
        if kind not in _TYPES:
            self._problem(f"{where}.type", f"is {kind!r}{nearest(str(kind), _TYPES)}")
        if strategy not in _STRATEGIES:
            self._problem(f"{where}.inc_strategy", f"is {strategy!r}{nearest(str(strategy), _STRATEGIES)}")
        options, limits = entry.get("options"), entry.get("range")
        default = entry.get("default", options[0] if isinstance(options, list) and options else None)
        if limits is None:
            if default is None:
                self._problem(where, f"'{name}' has neither a range nor a default")
            return Parameter(name, kind, default, options=tuple(options or ()))
        if not _are_limits(limits) or (strategy != "linear" and limits[0] <= 0):
            self._problem(f"{where}.range", f"{limits!r} are no two ascending numbers that fit '{strategy}'")
            return None
        low, high = limits
        step = entry.get("inc_val")
        return Parameter(name, kind, low if default is None else default, low, high, strategy, step)

    def _problem(self, where: str, text: str) -> None:
        self.problems.append(f"models[0].{where}: {text}")


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _are_limits(value: Any) -> bool:
    numbers: Sequence[Any] = value if isinstance(value, list) else ()
    are = all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers)
    return len(numbers) == 2 and are and numbers[0] <= numbers[1]
