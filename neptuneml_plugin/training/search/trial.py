"""One trial: a training with one set of hyperparameters, described by a file in its folder.

It imports no more than it needs, as its process (`trialprocess`) waits for that.
"""

import dataclasses
import json
import shutil
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch

from neptuneml_plugin.artifacts import METRICS_LOG, TRIAL, WEIGHTS, TrialRecord, TrialState, write_record
from neptuneml_plugin.stage import Progress, silent, write_json, write_text
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.checkpoints import Checkpoint, Checkpoints
from neptuneml_plugin.training.data import SPLITS, TrainingData, best_device, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, calibrate, tune_threshold
from neptuneml_plugin.training.loop import Course, Fit, Trainer
from neptuneml_plugin.training.models.model import save_weights
from neptuneml_plugin.training.search.failures import Failure, failure_of
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import Answer
from neptuneml_plugin.training.warmstart import initial_weights

REQUEST = "request.json"
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class TrialRequest:
    """`trials/<n>/request.json`: what to train."""

    number: int
    #: The processed folder.
    source: str
    model: str
    goal: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]
    seed: int
    threads: int
    checkpoint_seconds: float
    #: Folder of an earlier training, whose weights to start from.
    previous: str | None = None
    #: See `Course.bar`.
    bar: tuple[float | None, ...] = ()
    #: See `Trainer`.
    sampled: bool = False
    #: Folder of a paused training of the same, to go on from.
    begun: str | None = None

    def write(self, folder: Path) -> None:
        """Write the file, and drop what is left of a trial that was asked for something else."""
        folder.mkdir(parents=True, exist_ok=True)
        document = json.loads(json.dumps(dataclasses.asdict(self)))
        path = folder / REQUEST
        if path.is_file() and json.loads(path.read_text(encoding="utf-8")) == document:
            return
        (folder / CHECKPOINT).unlink(missing_ok=True)
        write_json(path, document)


def read_request(folder: Path) -> TrialRequest:
    """Return what `TrialRequest.write` wrote."""
    return TrialRequest(**json.loads((folder / REQUEST).read_text(encoding="utf-8")))


def run_trial(folder: Path, data: TrainingData | None = None, progress: Progress = silent) -> TrialRecord:
    """Train as the request in a folder says, from the checkpoint where there is one, and write the trial's files.

    Args:
        folder: of the trial.
        data: the request's processed folder, where it is loaded already.
        progress: told of each evaluation.
    """
    request = read_request(folder)
    started = time.monotonic()
    torch.set_num_threads(request.threads)
    data = data or load_data(Path(request.source), verify=False)  # verified by the stage
    data = data.to(best_device())
    if request.begun is not None:
        _take_over(Path(request.begun), folder)
    checkpoints = Checkpoints(folder / CHECKPOINT, request.checkpoint_seconds)
    chosen, goal = hyperparameters.build(request.hyperparameters, request.model), Goal(**request.goal)
    initial = initial_weights(Path(request.previous), Path(request.source), data) if request.previous else None
    with open_log(folder / METRICS_LOG, checkpoints.load()) as log:
        course = Course(log, checkpoints, initial, request.bar)
        trainer = Trainer(
            data,
            chosen,
            goal,
            seed=request.seed,
            course=course,
            model=request.model,
            sampled=request.sampled,
        )
        fit = trainer.fit(progress)
    seconds = time.monotonic() - started
    evaluator = Evaluator(data, fit.model.graph(data), goal.topk)
    record = _record(request, chosen, fit, evaluator, max(seconds, fit.seconds))
    save_weights(fit.model, folder / WEIGHTS)
    write_record(folder / TRIAL, record)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return record


def _record(
    request: TrialRequest,
    chosen: hyperparameters.Hyperparameters,
    fit: Fit,
    evaluator: Evaluator,
    seconds: float,
) -> TrialRecord:
    is_ranking = evaluator.answer is Answer.RANKING
    threshold = tune_threshold(evaluator, fit.model)
    return TrialRecord(
        number=request.number,
        model=request.model,
        hyperparameters=chosen.to_json(request.model),
        metrics=evaluator.measure(fit.model, SPLITS, threshold=threshold),
        best_epoch=fit.best_epoch,
        epochs=fit.epochs,
        seconds=round(seconds, 3),
        seed=request.seed,
        threshold=threshold,
        calibration=calibrate(evaluator, fit.model) if is_ranking else None,
        metrics_by_type=evaluator.measure_types(fit.model, SPLITS) if len(evaluator.data.samples) > 1 else {},
        state=fit.state,
        message=_message(fit),
    )


def _message(fit: Fit) -> str | None:
    if fit.state is TrialState.DIVERGED:
        return f"the loss left the numbers in epoch {fit.epochs}; the weights of epoch {fit.best_epoch} were kept"
    if fit.state is TrialState.PRUNED:
        return f"stopped in epoch {fit.epochs}: worse than half of the trials before it"
    return None


def _take_over(begun: Path, folder: Path) -> None:
    """Copy how far a paused training has come, unless the trial has come farther."""
    if (folder / CHECKPOINT).is_file() or not (begun / CHECKPOINT).is_file():
        return
    for name in (METRICS_LOG, CHECKPOINT):
        temporary = folder / f".{name}.partial"
        shutil.copyfile(begun / name, temporary)
        temporary.replace(folder / name)


def open_log(path: Path, checkpoint: Checkpoint | None) -> TextIO:
    """Open a log of metrics after the evaluations that the checkpoint knows of.

    It is cut in one step, so that a kill here loses none of them.
    """
    kept = checkpoint.position.evaluations if checkpoint else 0
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:kept] if path.is_file() else []
    write_text(path, "".join(line for line in lines if line.endswith("\n")))
    return path.open("a", encoding="utf-8")


def attempt(folder: Path) -> Failure | None:
    """Run a trial and return how it failed, if it did."""
    try:
        run_trial(folder)
    except Exception as error:  # noqa: BLE001 - a trial that fails, however it does, is no reason to end the others
        traceback.print_exc()
        return failure_of(error)
    return None
