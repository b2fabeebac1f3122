"""From a training folder to its report."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from neptuneml_plugin.artifacts import TrainingRecord
from neptuneml_plugin.report import Part
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers, predict
from neptuneml_plugin.training.evaluation.metrics import HIGHER_IS_BETTER
from neptuneml_plugin.training.models.encoder import Vectors
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.reporting.answers import labelled_parts, link_parts
from neptuneml_plugin.training.reporting.embeddings import projections
from neptuneml_plugin.training.reporting.page import SPLITS, Report, write_report
from neptuneml_plugin.training.tasks import Answer, training_labels
from neptuneml_plugin.training.transform import load_model


def report_training(
    folder: Path, record: TrainingRecord, source: Path, data: TrainingData, warnings: Sequence[str]
) -> None:
    """Write `report.html`.

    Args:
        folder: the training folder, with its trials.
        record: its description.
        source: the processed folder.
        data: what it holds.
        warnings: what the training says of itself.

    Raises:
        OSError: the file could not be written.
    """
    model, _ = load_model(record.best, folder, source, data)
    evaluator = Evaluator(data, model.graph(data))
    after = evaluator.embed(model)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(record.best.seed)
        before = evaluator.embed(Model(data.processed, model.hyperparameters, model.name))
        answers: list[tuple[str, Sequence[Part]]] = [
            (f"Answers on {SPLITS[record.baselines_split]} rows", list(_answers(evaluator, model, after, record))),
            ("Embeddings", list(projections(before, after, data))),
        ]
    write_report(Report(folder, record, warnings, answers, HIGHER_IS_BETTER[record.metric]))


def _answers(evaluator: Evaluator, model: Model, vectors: Vectors, record: TrainingRecord) -> Iterator[Part]:
    data, split = evaluator.data, record.baselines_split
    if evaluator.answer is Answer.RANKING:
        scorers = link_scorers(model, vectors, data)
        yield from link_parts(data, scorers, split, record.best.calibration or (1.0, 0.0))
        return
    predictions, names = predict(model, vectors, data, evaluator.rows(split)), data.processed.target.classes
    labels = training_labels(data)
    support = labels.sum(0) if labels.dim() > 1 else (labels[:, None] == torch.arange(len(names))).sum(0)
    yield from labelled_parts(evaluator.answer, predictions, evaluator.labels(split), names, support.numpy())
