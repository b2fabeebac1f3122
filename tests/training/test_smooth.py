"""What makes a model of few labels: a diagonal self term, features left out, and that it is worth it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.hyperparameters import build
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.presets import BY_NAME
from neptuneml_plugin.training.stopping import Goal
from tests.quality.planted import planted
from tests.training.graphs import processed, processed_export


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return load_data(processed(tmp_path_factory.mktemp("nodes"), Task.NODE_CLASS, nodes=60))


def test_a_diagonal_layer_starts_as_a_plain_sum_of_a_vertex_and_its_neighbours(data: TrainingData) -> None:
    values = {"diagonal-relations": True, "num-layer": 1, "layer-norm": False, "num-hidden": 8}
    model = Model(data.processed, build(values)).eval()
    messages = model.graph(data).messages()
    first = [layer(columns) for layer, columns in zip(model.encoder.inputs, data.features, strict=True)]
    expected = list(first)
    for relation, message in zip(data.relations, messages, strict=True):
        expected[relation.target_type] = expected[relation.target_type] + message.aggregate(
            first[relation.source_type]
        )
    for found, wanted in zip(model.encoder(data.features, messages), expected, strict=True):
        torch.testing.assert_close(found, wanted)
    without = Model(data.processed, build(values | {"use-self-loop": False}))
    assert sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in without.parameters()) == 2 * 8


def test_features_are_left_out_while_it_learns_and_only_then(data: TrainingData) -> None:
    torch.manual_seed(0)
    model = Model(data.processed, build({"feature-dropout": 0.75, "concat-node-embed": False, "num-hidden": 8}))
    layer = model.encoder.inputs[0]
    ones = {name: torch.ones(500, column.shape[1]) for name, column in data.features[0].items()}
    layer.eval()
    torch.testing.assert_close(layer(ones), layer(ones)[:1].expand(500, -1))
    layer.train()
    width = sum(column.shape[1] for column in ones.values())
    bias = dict(layer.named_parameters())["project.bias"]
    nothing = torch.isclose(layer(ones), bias).all(1).float().mean()
    assert float(nothing) == pytest.approx(0.75**width, abs=0.06)
    for value in (1.0, -0.1):
        with pytest.raises(InvalidSettings, match="feature-dropout"):
            build({"feature-dropout": value})


def accuracy(data: TrainingData, values: Mapping[str, Any]) -> float:
    """Train for a while and return the accuracy on test."""
    trainer = Trainer(data, build({**values, "num-epochs": 40}), Goal("acc"), seed=0)
    model = trainer.fit(lambda *_: None).model
    return Evaluator(data, model.graph(data)).measure(model, ["test"])["test"]["acc"]


def test_few_labels_are_enough_where_neighbours_are_alike(tmp_path: Path) -> None:
    graph = load_data(processed_export(planted("citations", tmp_path / "export", 1000)))
    smooth = accuracy(graph, BY_NAME["smooth"].values)
    assert smooth > accuracy(graph, BY_NAME["features"].values) + 0.05
    assert smooth > accuracy(graph, {}) + 0.05
