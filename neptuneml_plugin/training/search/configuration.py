"""`model-HPO-configuration.json`: which hyperparameters a trial takes, and where they are searched.

Read strictly: what is unknown or not built is refused by name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import HPO_TEMPLATES, KGE, KGE_MODELS, RGCN, ProcessedGraph, Task
from neptuneml_plugin.errors import InvalidData, InvalidParameter, InvalidSettings, UnsupportedOperation, nearest
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.presets import NAMES as PRESETS
from neptuneml_plugin.training.search.space import FIXED, TIERS, Parameter, SearchSpace
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import KINDS, answer_of

#: Names that stand for a model; `kge` without a score function is our recipe (decision 12).
ALIASES: Mapping[str, str] = {KGE: "complex"}
MODELS = (RGCN, *KGE_MODELS, *ALIASES)
#: Trained by `training.custom`.
MODELS_OF_SCRIPTS = ("custom",)
_MODEL_KEYS = ("model", "preset", "task_type", "eval_metric", "eval_frequency", *TIERS, FIXED)
_PARAMETER_KEYS = (
    "param", "type", "range", "options", "inc_strategy", "inc_val", "node_strategy", "edge_strategy", "default",
)  # fmt: skip
_FREQUENCIES = ("evaluate_every_epoch", "evaluate_every_batch", "evaluate_every_pct")
_STRATEGIES = ("log", "linear", "power2")


def check_model(name: str, task: Task = Task.LINK_PREDICTION) -> str:
    """Return the model's own name.

    Raises:
        UnsupportedOperation: one of Neptune ML's models that this release does not train.
        InvalidParameter: unknown, or not for the task.
    """
    if name in MODELS_OF_SCRIPTS:
        raise UnsupportedOperation(f"model '{name}' needs its scripts: name their folder with --custom-source")
    if name not in MODELS:
        raise InvalidParameter(f"unknown model '{name}'{nearest(name, (*MODELS, *MODELS_OF_SCRIPTS))}")
    chosen = ALIASES.get(name, name)
    if chosen in KGE_MODELS and task is not Task.LINK_PREDICTION:
        raise InvalidParameter(f"model '{name}' is for link prediction; for {task} train '{RGCN}'")
    return chosen


def read_configuration(path: Path, processed: ProcessedGraph, model: str | None = None) -> SearchSpace:
    """Read the file.

    `model` is the model to train instead: the file's own wins if someone has edited the file, or if it names no
    model, which then is this one.

    Raises:
        InvalidData: missing or not JSON.
        InvalidSettings: with every problem, each with its path.
        InvalidParameter, UnsupportedOperation: see `check_model`.
    """
    document = _document(path)
    reader = _Reader(processed)
    reader.known("the file", document, ("models",))
    entry = reader.entry(document)
    if model is not None:
        entry = _of_model(path, entry, check_model(model, processed.task))
    preset = reader.preset(entry)
    goal = reader.goal(entry)
    tiers = {tier: reader.parameters(entry, tier) for tier in (*TIERS, FIXED)}
    reader.no_doubles(tiers)
    if reader.problems:
        raise InvalidSettings(str(path), reader.problems)
    chosen = check_model(str(entry.get("model") or RGCN), processed.task)
    featured = any(edge.features for edge in processed.schema.edges)
    return SearchSpace(chosen, goal, tiers, preset, featured_edges=featured, on_nodes=processed.task.on_nodes)


def _of_model(path: Path, entry: dict[str, Any], model: str) -> dict[str, Any]:
    """Return what to read for a model that was asked for; see `read_configuration`."""
    named = entry.get("model")
    if named is None:
        return entry | {"model": model}
    templates = path.parent / HPO_TEMPLATES
    own, asked = (templates / f"{ALIASES.get(name, name)}.json" for name in (str(named), model))
    given = {key: value for key, value in entry.items() if key != "preset"}
    is_generated = own.is_file() and _template(own) == given
    if str(named) == model or not is_generated:
        return entry
    return _template(asked)


def _template(path: Path) -> dict[str, Any]:
    model: dict[str, Any] = _document(path)["models"][0]
    return model


_TASK_ALIASES = {Task.LINK_PREDICTION: "link_predict"}
#: `node_strategy` and `edge_strategy` -> elements up to which a range is as it is written (decision 10).
_UNITS: Mapping[str, int] = {"perM": 10**6, "per10M": 10**7, "per100M": 10**8}


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidData(f"{path} is missing; is {path.parent} the output of `process`?") from None
    except ValueError as error:
        raise InvalidData(f"{path} is not JSON ({error}); correct it or run `process` again") from None
    return document if isinstance(document, dict) else {}


class _Reader:
    """Reads the file's parts and collects problems."""

    def __init__(self, processed: ProcessedGraph) -> None:
        self._processed = processed
        schema = processed.schema
        self._counts = {
            "node_strategy": sum(node.count for node in schema.nodes),
            "edge_strategy": sum(edge.count for edge in schema.edges),
        }
        self.problems: list[str] = []

    def entry(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the one model."""
        models = document.get("models")
        if not isinstance(models, list) or len(models) != 1 or not isinstance(models[0], dict):
            self.problem("models", "must be a list of exactly one object")
            return {tier: [] for tier in (*TIERS, FIXED)}
        entry: dict[str, Any] = models[0]
        self.known("models[0]", entry, _MODEL_KEYS)
        task = self._processed.task
        if entry.get("task_type", task.value) not in {task.value, _TASK_ALIASES.get(task, task.value)}:
            self.problem(
                "models[0].task_type", f"is '{entry['task_type']}', but the graph was processed for '{task}'"
            )
        return entry

    def problem(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def known(self, where: str, value: Mapping[str, Any], allowed: Sequence[str]) -> None:
        for key in sorted(set(value) - set(allowed)):
            self.problem(where, f"unknown key '{key}'{nearest(key, allowed)}")

    def preset(self, entry: Mapping[str, Any]) -> str | None:
        """Return the preset that is named, if one is."""
        preset = entry.get("preset")
        if preset is not None and preset not in PRESETS:
            self.problem("models[0].preset", f"'{preset}'{nearest(str(preset), PRESETS)}")
        return None if preset is None else str(preset)

    def goal(self, entry: Mapping[str, Any]) -> Goal:
        """Return what chooses epochs and trials."""
        kind = KINDS[answer_of(self._processed.task, self._processed.target)]
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
        name, where = value["param"], f"{where} ({value['param']})"
        self.known(where, value, _PARAMETER_KEYS)
        kind = value.get("type", "int")
        if kind not in {"bool", "int", "float"}:
            self.problem(f"{where}.type", f"must be bool, int or float, not {kind!r}")
        if "default" not in value:
            self.problem(where, "has no default")
            return None
        if not self._is_valid(f"{where}.default", name, value["default"]):
            return None
        kind = hyperparameters.kind_of(name) or kind
        parameter = Parameter(name, kind, value["default"])
        return parameter if tier == FIXED else self._range(where, parameter, value)

    def _is_valid(self, where: str, name: str, value: Any) -> bool:
        """Note what is wrong with a value of a hyperparameter."""
        before = len(self.problems)
        try:
            hyperparameters.build({name: value})
        except InvalidSettings as error:
            self.problems += [f"{where}: {problem}" for problem in error.problems]
        except InvalidParameter as error:
            self.problem(where.rpartition(".")[0], str(error))
        return len(self.problems) == before

    def _range(self, where: str, parameter: Parameter, value: Mapping[str, Any]) -> Parameter:
        options, limits = value.get("options"), value.get("range")
        if options is not None:
            return self._with_options(where, parameter, options, limits)
        if parameter.kind == "bool":
            if limits is not None:
                self.problem(f"{where}.range", "is nothing for true and false; leave it out")
            return replace(parameter, options=(True, False))
        strategy = value.get("inc_strategy", "linear")
        if strategy not in _STRATEGIES:
            self.problem(f"{where}.inc_strategy", f"'{strategy}'{nearest(str(strategy), _STRATEGIES)}")
        if not isinstance(limits, list) or len(limits) != 2 or not all(_is_number(limit) for limit in limits):
            self.problem(where, "must have either a range of two numbers or a list of options")
            return parameter
        low, high = limits[0], self._grown(where, parameter, limits[1], value)
        valid = [self._is_valid(f"{where}.range", parameter.name, end) for end in (low, high)]
        if not all(valid):
            return parameter
        if not _holds_values(low, high, strategy):
            self.problem(f"{where}.range", f"{limits} does not fit '{strategy}'")
        step = self._step(where, parameter, value.get("inc_val"))
        return replace(parameter, low=low, high=high, strategy=strategy, step=step)

    def _with_options(self, where: str, parameter: Parameter, options: Any, limits: Any) -> Parameter:
        if not isinstance(options, list) or not options or limits is not None:
            self.problem(where, "must have either a range or a list of options")
            return parameter
        for option in options:
            self._is_valid(f"{where}.options", parameter.name, option)
        return replace(parameter, options=tuple(tuple(o) if isinstance(o, list) else o for o in options))

    def _grown(self, where: str, parameter: Parameter, high: float, value: Mapping[str, Any]) -> float:
        """Return the upper end of a range for a graph of this size."""
        for key, count in self._counts.items():
            if key not in value:
                continue
            unit = _UNITS.get(value[key]) if isinstance(value[key], str) else None
            if unit is None:
                self.problem(f"{where}.{key}", f"{value[key]!r}{nearest(str(value[key]), _UNITS)}")
                continue
            high *= max(1.0, count / unit)
        return int(high) if parameter.kind == "int" and high > value["range"][1] else high

    def _step(self, where: str, parameter: Parameter, step: Any) -> float | None:
        """Return the step of a range; those of `log` and `power2` have none of their own."""
        if step is None:
            return None
        whole = parameter.kind != "int" or _is_int(step)
        if not _is_number(step) or step <= 0 or not whole:
            kind = "an integer" if parameter.kind == "int" else "a number"
            self.problem(f"{where}.inc_val", f"must be {kind} above 0, not {step!r}")
            return None
        return float(step)


def _holds_values(low: float, high: float, strategy: str) -> bool:
    """Return whether there is anything between the ends of a range."""
    if low > high or (strategy in {"log", "power2"} and low <= 0):
        return False
    return strategy != "power2" or max(0, int(low) - 1).bit_length() <= int(high).bit_length() - 1


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
