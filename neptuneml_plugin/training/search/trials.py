"""Trials: one after the other, or several at a time, each in a process of its own."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neptuneml_plugin.artifacts import METRICS_LOG, TRIAL, TRIALS, WEIGHTS, TrialRecord, write_record
from neptuneml_plugin.stage import Progress, silent
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.data import SPLITS, TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, calibrate, tune_threshold
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.models.model import save_weights
from neptuneml_plugin.training.search.space import Search, SearchSpace
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import Answer


@dataclass(frozen=True)
class Plan:
    """What all trials of a training share."""

    source: Path
    #: The training folder being written.
    target: Path
    space: SearchSpace
    trials: int
    parallel: int
    seed: int
    #: Threads of one trial.
    threads: int


def run_trials(plan: Plan, data: TrainingData, progress: Progress) -> tuple[TrialRecord, ...]:
    """Run all trials and write their folders; the same plan gives the same trials.

    Trials are asked for in rounds of `parallel`, so that what a trial knows of others does not depend on speed.
    """
    search = Search(plan.space, plan.trials, plan.seed)
    records: list[TrialRecord] = []
    for numbers in _rounds(plan):
        values = [search.ask(number) for number in numbers]
        for record in _run_round(plan, data, numbers, values, progress):
            search.tell(record.number, judged_by(record, plan.space.goal))
            records.append(record)
    return tuple(records)


def judged_by(record: TrialRecord, goal: Goal) -> float:
    """Return the value that trials are compared by: the goal's metric on validation, else on training rows."""
    split = record.metrics.get("valid") or record.metrics["train"]
    return split[goal.metric]


def run_trial(
    plan: Plan, data: TrainingData, number: int, values: Mapping[str, Any], progress: Progress = silent
) -> TrialRecord:
    """Train with one set of hyperparameters, and write `trials/<number>/`."""
    started = time.monotonic()
    torch.set_num_threads(plan.threads)
    chosen = hyperparameters.build(values)
    goal, seed = plan.space.goal, plan.seed + number
    folder = plan.target / TRIALS / str(number)
    folder.mkdir(parents=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    moved = data.to(device)
    with (folder / METRICS_LOG).open("w", encoding="utf-8") as log:
        fit = Trainer(moved, chosen, goal, seed=seed, log=log).fit(progress)
    evaluator = Evaluator(moved, fit.model.graph(moved), goal.topk)
    is_ranking = evaluator.answer is Answer.RANKING
    record = TrialRecord(
        number=number,
        model=plan.space.model,
        hyperparameters=chosen.to_json(),
        metrics=evaluator.measure(fit.model, SPLITS),
        best_epoch=fit.best_epoch,
        epochs=fit.epochs,
        seconds=round(time.monotonic() - started, 3),
        seed=seed,
        threshold=tune_threshold(evaluator, fit.model),
        calibration=calibrate(evaluator, fit.model) if is_ranking else None,
    )
    save_weights(fit.model, folder / WEIGHTS)
    write_record(folder / TRIAL, record)
    return record


def threads_per_trial(threads: int, parallel: int) -> int:
    """Return the threads of one trial; 0 shares the cores that this process may use."""
    return threads or max(1, len(os.sched_getaffinity(0)) // parallel)


def _rounds(plan: Plan) -> Iterator[Sequence[int]]:
    for first in range(0, plan.trials, plan.parallel):
        yield range(first, min(first + plan.parallel, plan.trials))


def _run_round(
    plan: Plan, data: TrainingData, numbers: Sequence[int], values: Sequence[Mapping[str, Any]], progress: Progress
) -> Iterator[TrialRecord]:
    if len(numbers) == 1:
        yield run_trial(plan, data, numbers[0], values[0], progress)
        return
    # Torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    ignore_interrupts = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; this process decides
    with ProcessPoolExecutor(len(numbers), context, signal.signal, ignore_interrupts) as pool:
        try:
            for record in pool.map(_run_in_process, [plan] * len(numbers), numbers, values):
                progress(f"trial {record.number} took {record.seconds:.0f} s", (record.number + 1) / plan.trials)
                yield record
        except BaseException:  # the pool would wait until the trials end
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _run_in_process(plan: Plan, number: int, values: Mapping[str, Any]) -> TrialRecord:
    return run_trial(plan, load_data(plan.source, verify=False), number, values)  # verified by the stage
