"""`model-HPO-configuration.json`: which hyperparameters a trial takes, and where they are searched.

Read strictly: what is unknown or not built is refused by name.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import Target, Task
from neptuneml_plugin.errors import InvalidData, InvalidParameter, InvalidSettings, UnsupportedOperation, nearest
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.search.space import FIXED, TIERS, Parameter, SearchSpace
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import KINDS, answer_of

MODEL = "rgcn"
#: Neptune ML's other models, refused by name.
MODELS_NOT_BUILT = ("transe", "distmult", "rotate", "kge", "custom")
_MODEL_KEYS = ("model", "task_type", "eval_metric", "eval_frequency", *TIERS, FIXED)
_PARAMETER_KEYS = (
    "param", "type", "range", "options", "inc_strategy", "inc_val", "node_strategy", "edge_strategy", "default",
)  # fmt: skip
_FREQUENCIES = ("evaluate_every_epoch", "evaluate_every_batch", "evaluate_every_pct")
_STRATEGIES = ("log", "linear", "power2")


def check_model(name: str) -> str:
    """Return the model's name.

    Raises:
        UnsupportedOperation: one of Neptune ML's models that this release does not train.
        InvalidParameter: unknown.
    """
    if name in MODELS_NOT_BUILT:
        raise UnsupportedOperation(f"model '{name}' is not built yet: this release (0.1) trains '{MODEL}'")
    if name != MODEL:
        raise InvalidParameter(f"unknown model '{name}'{nearest(name, (MODEL, *MODELS_NOT_BUILT))}")
    return name


def read_configuration(path: Path, task: Task, target: Target, model: str | None = None) -> SearchSpace:
    """Read the file.

    `model` is the model if the file names none.

    Raises:
        InvalidData: missing or not JSON.
        InvalidSettings: with every problem, each with its path.
        InvalidParameter, UnsupportedOperation: see `hyperparameters.check_name` and `check_model`.
    """
    entry = _entry(path)
    reader = _Reader(str(path))
    reader.known("models[0]", entry, _MODEL_KEYS)
    name = check_model(str(entry.get("model") or model or MODEL))
    if entry.get("task_type", task.value) not in {task.value, _TASK_ALIASES.get(task, task.value)}:
        reader.problem(
            "models[0].task_type", f"is '{entry['task_type']}', but the graph was processed for '{task}'"
        )
    goal = reader.goal(entry, task, target)
    tiers = {tier: reader.parameters(entry, tier) for tier in (*TIERS, FIXED)}
    reader.no_doubles(tiers)
    if reader.problems:
        raise InvalidSettings(str(path), reader.problems)
    space = SearchSpace(name, goal, tiers)
    hyperparameters.build(space.defaults())
    return space


_TASK_ALIASES = {Task.LINK_PREDICTION: "link_predict"}


def _entry(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidData(f"{path} is missing; is {path.parent} the output of `process`?") from None
    except ValueError as error:
        raise InvalidData(f"{path} is not JSON ({error}); correct it or run `process` again") from None
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, list) or len(models) != 1 or not isinstance(models[0], dict):
        raise InvalidSettings(str(path), ["models: must be a list of exactly one object"])
    unknown = sorted(set(document) - {"models"})
    if unknown:
        raise InvalidSettings(str(path), [f"unknown key '{key}'{nearest(key, ['models'])}" for key in unknown])
    return models[0]


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[str] = []

    def problem(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def known(self, where: str, value: Mapping[str, Any], allowed: Sequence[str]) -> None:
        for key in sorted(set(value) - set(allowed)):
            self.problem(where, f"unknown key '{key}'{nearest(key, allowed)}")

    def goal(self, entry: Mapping[str, Any], task: Task, target: Target) -> Goal:
        kind = KINDS[answer_of(task, target)]
        metric = entry.get("eval_metric", {"metric": kind.metric})
        if not isinstance(metric, dict) or not isinstance(metric.get("metric"), str):
            self.problem("models[0].eval_metric", 'must be an object like {"metric": "acc"}')
            return Goal(kind.metric)
        self.known("models[0].eval_metric", metric, ("metric", "topk"))
        name = metric["metric"].lower()
        if name not in kind.metrics:
            self.problem("models[0].eval_metric.metric", f"'{metric['metric']}'{nearest(name, kind.metrics)}")
            return Goal(kind.metric)
        topk = metric.get("topk", 5)
        if not _is_int(topk) or topk < 1:
            self.problem("models[0].eval_metric.topk", f"must be an integer above 0, not {topk!r}")
        return Goal(name, topk=topk, **self._frequency(entry))

    def _frequency(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        where = "models[0].eval_frequency"
        frequency = entry.get("eval_frequency", {"type": "evaluate_every_epoch", "value": 1})
        kind = frequency.get("type") if isinstance(frequency, dict) else None
        if kind not in _FREQUENCIES:
            self.problem(where, f"type {kind!r}{nearest(str(kind), _FREQUENCIES)}")
            return {}
        self.known(where, frequency, ("type", "value"))
        value = frequency.get("value", 1)
        if kind == "evaluate_every_pct":
            if not _is_number(value) or not 0 < value <= 1:
                self.problem(f"{where}.value", f"must be a number in (0, 1], not {value!r}")
            return {"every_part": value}
        if not _is_int(value) or value < 1:
            self.problem(f"{where}.value", f"must be an integer above 0, not {value!r}")
        return {"every_epochs" if kind == "evaluate_every_epoch" else "every_batches": value}

    def parameters(self, entry: Mapping[str, Any], tier: str) -> tuple[Parameter, ...]:
        listed = entry.get(tier)
        if not isinstance(listed, list):
            self.problem(f"models[0].{tier}", "must be a list; it may be empty")
            return ()
        found = [self._parameter(f"models[0].{tier}[{at}]", value, tier) for at, value in enumerate(listed)]
        return tuple(parameter for parameter in found if parameter is not None)

    def no_doubles(self, tiers: Mapping[str, Sequence[Parameter]]) -> None:
        names = [parameter.name for tier in tiers.values() for parameter in tier]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.problem("models[0]", f"hyperparameter '{name}' is given more than once")

    def _parameter(self, where: str, value: Any, tier: str) -> Parameter | None:
        if not isinstance(value, dict) or not isinstance(value.get("param"), str):
            self.problem(where, 'must be an object with "param"')
            return None
        name = value["param"]
        hyperparameters.check_name(name)
        self.known(f"{where} ({name})", value, _PARAMETER_KEYS)
        if "default" not in value:
            self.problem(f"{where} ({name})", "has no default")
            return None
        kind = value.get("type", "int")
        if kind not in {"bool", "int", "float"}:
            self.problem(f"{where} ({name}).type", f"must be bool, int or float, not {kind!r}")
        if tier == FIXED:
            return Parameter(name, kind, value["default"])
        return self._range(f"{where} ({name})", Parameter(name, kind, value["default"]), value)

    def _range(self, where: str, parameter: Parameter, value: Mapping[str, Any]) -> Parameter:
        options, limits = value.get("options"), value.get("range")
        strategy = value.get("inc_strategy", "linear")
        if strategy not in _STRATEGIES:
            self.problem(f"{where}.inc_strategy", f"'{strategy}'{nearest(str(strategy), _STRATEGIES)}")
        if options is not None:
            if not isinstance(options, list) or not options or limits is not None:
                self.problem(where, "must have either a range or a list of options")
                return parameter
            return _with(parameter, options=tuple(tuple(o) if isinstance(o, list) else o for o in options))
        if parameter.kind == "bool":
            return _with(parameter, options=(True, False))
        if not isinstance(limits, list) or len(limits) != 2 or not all(_is_number(limit) for limit in limits):
            self.problem(where, "must have either a range of two numbers or a list of options")
            return parameter
        if limits[0] > limits[1] or (strategy in {"log", "power2"} and limits[0] <= 0):
            self.problem(f"{where}.range", f"{limits} does not fit '{strategy}'")
        step = value.get("inc_val")
        return _with(parameter, low=limits[0], high=limits[1], strategy=strategy, step=step)


def _with(parameter: Parameter, **changes: Any) -> Parameter:
    return Parameter(**{**vars(parameter), **changes})


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
