"""The trials: what each was trained with, and what came of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from neptuneml_plugin.artifacts import TrainingRecord, TrialRecord
from neptuneml_plugin.charts import Points, Series
from neptuneml_plugin.report import Cell, Part, Table

#: Trials from which on values of hyperparameters are drawn against the metric.
LEAST_DRAWN = 4


def trial_parts(record: TrainingRecord) -> Iterator[Part]:
    """Yield the table of trials, how varied hyperparameters went with the metric, and those that were fixed."""
    varied = _varied(record)
    rows = tuple(_row(trial, record, varied) for trial in record.trials)
    columns = ("trial", f"{record.metric}, validation", "epochs", "kept after", "seconds", "seed", *varied)
    yield Table(columns, rows, f"trial {record.best_trial} is the best")
    if len(record.trials) >= LEAST_DRAWN:
        yield from (each for each in (_drawn(record, name) for name in varied) if each)
    fixed = {name: value for name, value in record.best.hyperparameters.items() if name not in varied}
    if fixed:
        yield Table(
            ("hyperparameter", "value"), tuple((name, _cell(fixed[name])) for name in fixed), "the same in all"
        )


def _varied(record: TrainingRecord) -> list[str]:
    names = dict.fromkeys(name for trial in record.trials for name in trial.hyperparameters)
    return [name for name in names if len({repr(trial.hyperparameters.get(name)) for trial in record.trials}) > 1]


def judged(trial: TrialRecord, metric: str) -> float | None:
    """Return what a trial was chosen by."""
    split: Mapping[str, float] = trial.metrics.get("valid") or trial.metrics.get("train") or {}
    return split.get(metric)


def _row(trial: TrialRecord, record: TrainingRecord, varied: list[str]) -> tuple[Cell, ...]:
    mark = " (best)" if trial.number == record.best_trial else ""
    value = judged(trial, record.metric)
    known = (trial.epochs, trial.best_epoch, trial.seconds, trial.seed)
    return (f"{trial.number}{mark}", value, *known, *(_cell(trial.hyperparameters.get(name)) for name in varied))


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float | str):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _drawn(record: TrainingRecord, name: str) -> Points | None:
    points = []
    for trial in record.trials:
        value, reached = trial.hyperparameters.get(name), judged(trial, record.metric)
        if isinstance(value, int | float) and not isinstance(value, bool) and reached is not None:
            points.append((float(value), reached))
    if len(points) < LEAST_DRAWN:
        return None
    return Points((Series(name, tuple(points)),), name, record.metric, f"{name} and {record.metric}")
