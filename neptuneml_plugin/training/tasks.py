"""The five tasks as one table: what a model answers, how it learns it, and how the answer is judged.

Imports torch alone, for a worker loads models too; the metrics themselves stand in `metrics`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from neptuneml_plugin.artifacts import Target, Task

if TYPE_CHECKING:
    from neptuneml_plugin.training.data import TrainingData


class Answer(Enum):
    """The shape of an answer."""

    #: One of a closed set of classes.
    CLASS = "class"
    #: Any number of classes.
    CLASSES = "classes"
    #: A number.
    VALUE = "value"
    #: Candidates, best first.
    RANKING = "ranking"


@dataclass(frozen=True)
class AnswerKind:
    """How outputs are learned, turned into predictions, and measured."""

    #: Metric that chooses the best epoch and trial where the configuration names none.
    metric: str
    #: (outputs, labels, class weights) -> loss; rankings have theirs in `links`.
    loss: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None
    #: (outputs, (mean, std) of the labels) -> predictions, float64.
    predict: Callable[[Tensor, Tensor], Tensor]
    #: What it may be measured by.
    metrics: tuple[str, ...]


CLASS_METRICS = (
    "acc", "acc_topk", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "mcc", "precision", "recall", "roc_auc",
    "average_precision",
)  # fmt: skip
LABEL_METRICS = ("acc", "f1", "f1_macro", "f1_micro", "precision", "recall", "roc_auc", "average_precision")
VALUE_METRICS = ("rmse", "mse", "mae", "r2")
RANKING_METRICS = (
    "mrr",
    "mrr_targets",
    "mrr_sources",
    "mr",
    "hits@1",
    "hits@3",
    "hits@10",
    "recall@10",
    "ndcg@10",
)


def _cross_entropy(outputs: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    return functional.cross_entropy(outputs, labels, weights)


def _binary_cross_entropy(outputs: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    return functional.binary_cross_entropy_with_logits(outputs, labels, pos_weight=weights)


def _squared_error(outputs: Tensor, labels: Tensor, _: Tensor | None) -> Tensor:
    return functional.mse_loss(outputs[:, 0], labels)


KINDS: Mapping[Answer, AnswerKind] = {
    Answer.CLASS: AnswerKind("acc", _cross_entropy, lambda x, _: x.double().softmax(1), CLASS_METRICS),
    Answer.CLASSES: AnswerKind("roc_auc", _binary_cross_entropy, lambda x, _: x.double().sigmoid(), LABEL_METRICS),
    Answer.VALUE: AnswerKind("mse", _squared_error, lambda x, s: x.double() * s[1] + s[0], VALUE_METRICS),
    Answer.RANKING: AnswerKind("mrr", None, lambda x, _: x.double(), RANKING_METRICS),
}


@dataclass(frozen=True)
class TaskRow:
    """One task."""

    single: Answer
    multi: Answer | None = None
    #: The trivial competitors that apply, by name.
    baselines: tuple[str, ...] = ()


#: Competitors that read features: the element's own, and those of its neighbourhood.
_FEATURED = ("own_features", "boosting", "sgc")

TASKS: Mapping[Task, TaskRow] = {
    Task.NODE_CLASS: TaskRow(Answer.CLASS, Answer.CLASSES, ("majority", *_FEATURED, "neighbours")),
    Task.NODE_REGRESSION: TaskRow(Answer.VALUE, baselines=("mean", *_FEATURED, "neighbours")),
    Task.EDGE_CLASS: TaskRow(Answer.CLASS, Answer.CLASSES, ("majority", *_FEATURED, "neighbours")),
    Task.EDGE_REGRESSION: TaskRow(Answer.VALUE, baselines=("mean", "bias", *_FEATURED, "neighbours")),
    Task.LINK_PREDICTION: TaskRow(
        Answer.RANKING, baselines=("popularity", "ials", "ease", "denoising_ease", "rules")
    ),
}


def answer_of(task: Task, target: Target) -> Answer:
    """Return the shape of a task's answers."""
    row = TASKS[task]
    return row.multi if target.multi_label and row.multi else row.single


def is_binary(task: Task, target: Target) -> bool:
    """Return whether an answer is one of two classes."""
    return answer_of(task, target) is Answer.CLASS and len(target.classes) == 2


def output_count(task: Task, target: Target) -> int:
    """Return the number of outputs of the decoder."""
    return len(target.classes) if task.is_class else 1


def label_scale(data: "TrainingData") -> Tensor:
    """Return mean and standard deviation of the training labels, float64 (2,); 0 and 1 but for regressions."""
    if answer_of(data.task, data.processed.target) is not Answer.VALUE:
        return torch.tensor([0.0, 1.0], dtype=torch.float64)
    labels = training_labels(data).double()
    deviation = float(labels.std(correction=0)) or 1.0
    return torch.tensor([float(labels.mean()), deviation], dtype=torch.float64)


def label_columns(data: "TrainingData", scale: Tensor) -> Tensor:
    """Return the labels of an edge task as `columns_of` does, in the order of the edges."""
    labels = data.samples[0].labels
    if labels is None:
        raise ValueError("link prediction has no labels")
    target = data.processed.target
    return columns_of(labels, answer_of(data.task, target), len(target.classes), scale)


def columns_of(labels: Tensor, answer: Answer, classes: int, scale: Tensor) -> Tensor:
    """Return labels as finite columns: (edges, 1) standardised values, or (edges, classes).

    An edge without a label has zeros. `labels` are as `ProcessedGraph` says, `scale` as `label_scale` does.
    """
    if answer is Answer.CLASS:
        return (labels[:, None] == torch.arange(classes, device=labels.device)).float()
    columns = ((labels if labels.dim() > 1 else labels[:, None]) - scale[0]) / scale[1]
    return columns.nan_to_num(0.0).float()


def class_weights(data: "TrainingData") -> Tensor:
    """Return weights that make the classes count alike: (c,) for the loss of the answer's kind."""
    labels = training_labels(data)
    classes = len(data.processed.target.classes)
    counts = (labels.sum(0) if labels.dim() > 1 else torch.bincount(labels, minlength=classes)).double()
    if answer_of(data.task, data.processed.target) is Answer.CLASSES:
        return ((len(labels) - counts) / counts.clamp(min=1)).clamp(max=100).float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), 0).float()


def training_labels(data: "TrainingData") -> Tensor:
    """Return the labels of the training split of a node or edge task."""
    samples = data.samples[0]
    if samples.labels is None:
        raise ValueError("link prediction has no labels")
    return samples.labels[samples.splits["train"]]
