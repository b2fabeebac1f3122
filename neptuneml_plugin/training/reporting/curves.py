"""Loss and metrics while training, from the metrics logs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import METRICS_LOG, PARTS, TRIALS, TrainingRecord, TrialRecord
from neptuneml_plugin.charts import COLOURS, Lines, Point, Series

#: Metrics drawn beside the one that chooses.
FURTHER = 2
_NAMES = {"train": "training", "valid": "validation", "test": "test"}
Evaluation = Mapping[str, Any]


def read_log(path: Path) -> list[Evaluation]:
    """Return the evaluations of a trial, in order; none where it kept no log."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def curves(folder: Path, record: TrainingRecord) -> Iterator[Lines]:
    """Yield the curves of the best trial, and of all trials together where there are several."""
    logs = {trial.number: read_log(folder / TRIALS / str(trial.number) / METRICS_LOG) for trial in record.trials}
    best = logs[record.best_trial]
    if not best:
        return
    axis = _axis(best)
    kept = max((each[axis] for each in best if each["epoch"] <= record.best.best_epoch), default=best[0][axis])
    mark = (float(kept), f"kept: epoch {record.best.best_epoch}")
    if any("loss" in each for each in best):
        points = tuple((float(each[axis]), float(each["loss"])) for each in best if "loss" in each)
        yield Lines((Series("training", points),), axis, "loss", "loss", mark)
    for metric in _drawn(best, record.metric):
        series = (Series(_NAMES[split], _points(best, axis, split, metric)) for split in PARTS)
        yield Lines(tuple(each for each in series if each.points), axis, metric, metric, mark)
    others = [trial for trial in record.trials if logs[trial.number]]
    if len(others) > 1:
        yield _together(others[:COLOURS], logs, record.metric)


def _axis(log: Sequence[Evaluation]) -> str:
    """Return what tells evaluations apart: their epochs, where there is one for each, else steps."""
    epochs = [each["epoch"] for each in log]
    return "epoch" if len(set(epochs)) == len(epochs) or "step" not in log[0] else "step"


def _drawn(log: Sequence[Evaluation], metric: str) -> list[str]:
    """Return the metric that chooses, and the first others that change."""
    known = dict.fromkeys(name for split in PARTS for name in log[0].get(split, {}))
    changing = [name for name in known if name != metric and _changes(log, name)]
    return [metric, *changing[:FURTHER]] if metric in known else changing[:FURTHER]


def _changes(log: Sequence[Evaluation], metric: str) -> bool:
    return any(len({each.get(split, {}).get(metric) for each in log}) > 1 for split in PARTS)


def _points(log: Sequence[Evaluation], axis: str, split: str, metric: str) -> tuple[Point, ...]:
    found = ((each[axis], each.get(split, {}).get(metric)) for each in log)
    return tuple((float(x), float(y)) for x, y in found if y is not None)


def _together(trials: Sequence[TrialRecord], logs: Mapping[int, Sequence[Evaluation]], metric: str) -> Lines:
    series = []
    for trial in trials:
        log = logs[trial.number]
        split = "valid" if "valid" in log[0] else "train"
        series.append(Series(f"trial {trial.number}", _points(log, "epoch", split, metric)))
    return Lines(tuple(series), "epoch", metric, f"{metric} on validation, trials")
