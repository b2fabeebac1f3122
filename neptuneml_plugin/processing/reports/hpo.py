"""The generated `model-HPO-configuration.json`: which hyperparameters to search, and their defaults.

One table; form and names are Neptune's (spec/neptune-ml.md 4.2), tiers say from how many trials on a
hyperparameter is searched. Ranges that Neptune scales with the graph are written resolved (decision 10).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import KGE_MODELS, RGCN, GraphSchema, Task
from neptuneml_plugin.processing.labels import Labels
from neptuneml_plugin.processing.reports.kge import kge_parameters
from neptuneml_plugin.processing.reports.parameters import tuned
from neptuneml_plugin.processing.target import Answers

#: Largest / smallest training class beyond which accuracy says little (decision 9).
IMBALANCE = 10
#: Optimiser steps of an epoch that the default batch size aims at (decision 13).
STEPS_PER_EPOCH = 10
SMALLEST_BATCH, LARGEST_BATCH = 128, 8192
#: Vertices for which the range of `num-epochs` is written; more of them widen it in proportion (`perM`).
EPOCHS_UNIT = 1_000_000
MOST_EPOCHS = 200
#: Defaults that differ by task, measured on air-routes (tests/quality/LOG.md): one step of link prediction scores
#: every candidate.
DEFAULTS: Mapping[Task, Mapping[str, Any]] = {
    Task.LINK_PREDICTION: {"num-epochs": 25},
}

#: Not Neptune's (`training.hyperparameters` says what they do).
OWN_EDGE_PARAMETERS = ("feature-self-loop", "symmetric-norm", "use-edge-labels")


def hpo_configurations(answers: Answers, schema: GraphSchema) -> dict[str, dict[str, Any]]:
    """Return the document of each model that can be trained on a processed graph; that of the default comes first.

    Link prediction without properties of vertices is for knowledge-graph embeddings, all else for R-GCN.
    """
    nodes = sum(node.count for node in schema.nodes)
    batch = _batch_size(sum(int(split.train.sum()) for split in answers.splits.values()))
    epochs = int(MOST_EPOCHS * max(1.0, nodes / EPOCHS_UNIT))
    found = {RGCN: _document(RGCN, answers, _rgcn_parameters(answers, batch, epochs, schema))}
    if answers.task is not Task.LINK_PREDICTION:
        return found
    kge = {name: _document(name, answers, kge_parameters(name, batch, nodes, epochs)) for name in KGE_MODELS}
    has_properties = any(node.features for node in schema.nodes)
    return found | kge if has_properties else kge | found


def with_preset(document: Mapping[str, Any]) -> dict[str, Any]:
    """Let `train` choose the form of the model first (`training.presets`), by a member that is not Neptune's."""
    (model,) = document["models"]
    return {"models": [{"model": model["model"], "preset": "auto"} | model]}


def _document(model: str, answers: Answers, tiers: Mapping[str, Any]) -> dict[str, Any]:
    head = {
        "model": model,
        "task_type": answers.task.value,
        "eval_metric": {"metric": _metric(answers)},
        "eval_frequency": {"type": "evaluate_every_epoch", "value": 1},
    }
    return {"models": [head | dict(tiers)]}


def _rgcn_parameters(
    answers: Answers, batch: int, epochs: int, schema: GraphSchema
) -> dict[str, list[dict[str, Any]]]:
    featured = any(edge.features for edge in schema.edges)
    defaults = DEFAULTS.get(answers.task, {})
    return {
        "1-tier-param": [
            tuned("num-hidden", "int", default=64, range=[16, 128], inc_strategy="power2"),
            tuned(
                "num-epochs",
                "int",
                default=defaults.get("num-epochs", 100),
                range=[20, epochs],
                inc_strategy="linear",
                inc_val=1,
            ),
            tuned("lr", "float", default=0.01, range=[0.001, 0.05], inc_strategy="log"),
        ],
        "2-tier-param": [
            tuned(
                "dropout", "float", default=defaults.get("dropout", 0.3), range=[0.0, 0.5], inc_strategy="linear"
            ),
            tuned("layer-norm", "bool", default=defaults.get("layer-norm", True)),
        ],
        "3-tier-param": [
            tuned(
                "batch-size", "int", default=batch, range=[SMALLEST_BATCH, LARGEST_BATCH], inc_strategy="power2"
            ),
            tuned("fanout", "int", default=[10, 15, 15], options=[[10, 30], [15, 30], [15, 30]]),
            tuned(
                "num-layer",
                "int",
                default=defaults.get("num-layer", 2),
                range=[1, 3],
                inc_strategy="linear",
                inc_val=1,
            ),
            tuned("num-bases", "int", default=0, range=[0, 8], inc_strategy="linear", inc_val=2),
        ],
        "fixed-param": [
            tuned("concat-node-embed", "bool", default=True),
            tuned("use-self-loop", "bool", default=True),
            tuned("low-mem", "bool", default=True),
            tuned("l2norm", "float", default=0.0),
            tuned("enable-early-stop", "bool", default=True),
            tuned("window-for-early-stop", "int", default=3),
            tuned("sparse-lr", "float", default=0.01),
            *([tuned("use-edge-features", "bool", default=False)] if featured else []),
            *_task_parameters(answers.task),
        ],
    }


def _task_parameters(task: Task) -> list[dict[str, Any]]:
    if task is Task.LINK_PREDICTION:
        return [
            tuned("num-negs", "int", default=256),
            tuned("neg-share", "bool", default=True),
            tuned("regularization-coef", "float", default=0.0),
        ]
    weights = [tuned("use-class-weight", "bool", default=False)] if task.is_class else []
    if task.on_nodes:
        return weights
    return weights + [tuned(name, "bool", default=False) for name in OWN_EDGE_PARAMETERS]


def _metric(answers: Answers) -> str:
    if answers.labels is None:
        return "mrr"
    if not answers.task.is_class:
        return "mse"
    if answers.labels.multi_label:
        return "roc_auc"
    train = next(iter(answers.splits.values())).train
    return "F1" if is_imbalanced(answers.labels, train) else "acc"


def is_imbalanced(labels: Labels, train: npt.NDArray[np.bool_]) -> bool:
    """Return whether the largest training class is more than `IMBALANCE` times the smallest."""
    counts = np.bincount(labels.values[train])
    counts = counts[counts > 0]
    return bool(counts.max() > IMBALANCE * counts.min())


def _batch_size(training_rows: int) -> int:
    """Return the power of two that takes about `STEPS_PER_EPOCH` steps."""
    power = 1 << max(0, round(np.log2(max(1, training_rows / STEPS_PER_EPOCH))))
    return int(min(max(power, SMALLEST_BATCH), LARGEST_BATCH))
