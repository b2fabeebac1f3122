"""What a training and a transform of custom models write, made of what the transform script wrote."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from neptuneml_plugin.artifacts import (
    PREDICTIONS,
    TEST_METRICS,
    VALIDATION_METRICS,
    Task,
    TrainingRecord,
    TrialRecord,
)
from neptuneml_plugin.stage import write_json
from neptuneml_plugin.training.custom.artifact import RESULT, custom_scorers, read_scores, write_custom_artifact
from neptuneml_plugin.training.custom.configuration import CustomSpace
from neptuneml_plugin.training.data import SPLITS, TrainingData
from neptuneml_plugin.training.evaluation.baselines import run_baselines
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, calibrate_scorers
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.outputs.applied import (
    write_edge_answers,
    write_link_answers,
    write_node_answers,
)
from neptuneml_plugin.training.outputs.clientfiles import write_client_files

#: Folder of what the script wrote.
MODEL_FOLDER = "model"


def is_served(task: Task, model: Path) -> bool:
    """Return whether an endpoint can answer from the files of a custom model.

    Neptune ML's toolkit has no function that saves the predictions of edges, so not every script does.
    """
    return task.on_nodes or task is Task.LINK_PREDICTION or (model / RESULT).is_file()


def write_custom_outputs(
    folder: Path, artifact: Path, model: Path, source: Path, data: TrainingData, trial: TrialRecord
) -> tuple[TrialRecord, tuple[str, ...]]:
    """Write artifact, client files and table; return the trial, measured as our models are, and warnings.

    Args:
        folder: of the other outputs.
        artifact: folder of the artifact, which may be the same.
        model: what the transform script wrote.
        source: the processed folder.
        data: what it holds.
        trial: what was trained.
    """
    warnings: tuple[str, ...] = ()
    if not is_served(data.task, model):
        why = f"there is no {RESULT} with a row per edge among it"
        warnings = (f"what the script wrote is in {MODEL_FOLDER}/; no endpoint serves it, for {why}",)
    elif data.task is not Task.LINK_PREDICTION:
        trial = _measured(trial, _metrics(model, data))
        write_client_files(folder, artifact, write_custom_artifact(artifact, model, source, data, trial))
        if data.task.on_nodes:
            write_node_answers(folder / PREDICTIONS, artifact, data)
        else:
            write_edge_answers(folder / PREDICTIONS, artifact, data, [read_scores(model, data)])
    else:
        evaluator, scorers = Evaluator(data, MessageGraph(data)), custom_scorers(model, data)
        trial = dataclasses.replace(trial, calibration=calibrate_scorers(evaluator, scorers))
        filled = [split for split in SPLITS if any(len(samples.splits[split]) for samples in data.samples)]
        trial = _measured(trial, {split: evaluator.rank(scorers, split) for split in filled})
        write_client_files(folder, artifact, write_custom_artifact(artifact, model, source, data, trial))
        tails = [score for score, _ in scorers]
        warnings = write_link_answers(folder / PREDICTIONS, artifact, data, tails, trial.calibration)
    shutil.copytree(model, folder / MODEL_FOLDER)
    return trial, warnings


def _metrics(model: Path, data: TrainingData) -> dict[str, dict[str, float]]:
    evaluator, scores = Evaluator(data, MessageGraph(data)), read_scores(model, data)
    rows = {split: evaluator.rows(split).numpy() for split in SPLITS}
    return {split: evaluator.judge(scores[at], split) for split, at in rows.items() if len(at)}


def _measured(trial: TrialRecord, ours: dict[str, dict[str, float]]) -> TrialRecord:
    """Return a trial with metrics of ours beside those that its script said."""
    told = dict(trial.metrics)
    metrics = {split: {**ours.get(split, {}), **told.get(split, {})} for split in ours | told}
    return dataclasses.replace(trial, metrics=metrics)


def training_record(
    data: TrainingData, space: CustomSpace, trials: Sequence[TrialRecord], best: TrialRecord
) -> TrainingRecord:
    """Return what `training.json` says: the trials by the script's objective, competitors by metrics of ours."""
    split = next((name for name in ("test", "valid", "train") if name in best.metrics), "valid")
    has_rows = any(len(samples.splits[split]) for samples in data.samples)
    return TrainingRecord(
        task=data.task,
        target=data.processed.target,
        schema=data.processed.schema,
        metric=space.objective.name,
        trials=tuple(trials),
        best_trial=best.number,
        baselines=run_baselines(Evaluator(data, MessageGraph(data)), split) if has_rows else {},
        baselines_split=split,
    )


def write_metric_files(folder: Path, record: TrainingRecord) -> None:
    """Write the metric files: what the script wrote of validation stands, beside what was measured here."""
    for name, split in ((VALIDATION_METRICS, "valid"), (TEST_METRICS, "test")):
        told = folder / MODEL_FOLDER / name
        try:
            own = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
        except ValueError:
            own = {}
        values = {**record.best.metrics.get(split, {}), **(own if isinstance(own, dict) else {})}
        if values:
            write_json(folder / name, values)
