"""Pruning: a trial that does worse than half of those before it, at the same evaluation, is stopped.

The rule of Optuna's median pruner, but a trial is compared with finished generations alone, so that what is pruned
does not depend on how fast trials run: they take the medians along and ask nobody.
"""

import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from neptuneml_plugin.artifacts import METRICS_LOG
from neptuneml_plugin.training.stopping import Goal

#: Finished trials, at least, before any is pruned.
LEAST_TRIALS = 4
#: Evaluations that every trial is given.
LEAST_EVALUATIONS = 5


def best_so_far(folder: Path, goal: Goal) -> list[float]:
    """Return the best validation metric up to each evaluation of a finished trial; empty without validation."""
    path = folder / METRICS_LOG
    if not path.is_file():
        return []
    values = [json.loads(line).get("valid", {}).get(goal.metric) for line in path.read_text("utf-8").splitlines()]
    return list(_running_best([value for value in values if value is not None], goal))


def _running_best(values: Sequence[float], goal: Goal) -> Iterator[float]:
    best: float | None = None
    for value in values:
        best = value if best is None or goal.better(value, best) else best
        yield best


def medians(curves: Sequence[Sequence[float]]) -> tuple[float | None, ...]:
    """Return the median of the best values so far at each evaluation; None where nothing is asked yet.

    Args:
        curves: of finished trials; one that ended early keeps its last value.
    """
    curves = [curve for curve in curves if curve]
    if len(curves) < LEAST_TRIALS:
        return ()
    length = max(len(curve) for curve in curves)
    bar = [statistics.median(curve[min(at, len(curve) - 1)] for curve in curves) for at in range(length)]
    return (None,) * min(LEAST_EVALUATIONS, length) + tuple(bar[LEAST_EVALUATIONS:])
