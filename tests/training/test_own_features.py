"""What a vertex's own numbers say: bins between quantiles, and hidden layers beside those of messages."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.baselines import run_baselines
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.hyperparameters import build
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.models import encoder
from neptuneml_plugin.training.models.encoder import InputLayer, NumberBins
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.presets import BY_NAME
from neptuneml_plugin.training.stopping import Goal
from tests.quality.planted import planted
from tests.training.graphs import processed, processed_export

VALUES = {"own-features": True, "number-bins": 4, "num-hidden": 8, "concat-node-embed": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return load_data(processed(tmp_path_factory.mktemp("nodes"), Task.NODE_CLASS, nodes=60))


def test_a_number_fills_the_bins_below_it_and_a_part_of_its_own() -> None:
    values = torch.from_numpy(np.exp(np.random.default_rng(0).normal(size=(1001, 2)))).float()
    bins = NumberBins(2, 4)
    bins.fit(values)
    edges = np.quantile(values.numpy(), [0, 0.25, 0.5, 0.75, 1], axis=0)
    np.testing.assert_allclose(bins.edges.T.numpy(), edges, rtol=1e-6)
    asked = torch.tensor([[-1.0, 1e9], [float(edges[2, 0]), float(edges[1:3, 1].mean())]])
    expected = [[0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 1, 0.5, 0, 0]]
    torch.testing.assert_close(bins(asked), torch.tensor(expected), atol=1e-5, rtol=0)


def test_values_that_many_share_leave_bins_empty() -> None:
    bins = NumberBins(2, 4)
    yes_or_no = torch.tensor([0.0] * 90 + [1.0] * 10)
    bins.fit(torch.stack([yes_or_no, torch.ones(100)], 1))
    found = bins(torch.tensor([[0.0, 1.0], [1.0, 2.0], [0.25, 0.0]]))
    assert found.sum(1).tolist() == [0, 1, 0.25]  # one bin of the first number, none of the second
    bins.fit(torch.zeros(0, 2))
    torch.testing.assert_close(bins(torch.tensor([[1.0, 1.0]])).sum(), torch.tensor(1.0))


def test_bins_are_fitted_to_a_part_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "MAX_FITTED_ROWS", 100)
    bins = NumberBins(1, 2)
    bins.fit(torch.arange(1000.0)[:, None])
    assert bins.edges.tolist() == [[0.0, 500.0, 990.0]]  # of every tenth row


def test_bins_are_those_of_the_features_of_one_number(data: TrainingData) -> None:
    model = Model(data.processed, build(VALUES | {"structural-features": 1}))
    model.encoder.fit_bins(data.features)
    items = model.encoder.inputs[0]
    assert isinstance(items, InputLayer)
    size = data.features[0]["size"]
    torch.testing.assert_close(items.numbers(data.features[0]), size)
    assert items.bins is not None
    assert (items.bins.edges[0, 0], items.bins.edges[0, -1]) == (size.min(), size.max())
    assert items.width == sum(column.shape[1] for column in data.features[0].values()) + 1 + 4


def test_an_embedding_ends_in_what_its_own_features_say(data: TrainingData) -> None:
    torch.manual_seed(0)
    model = Model(data.processed, build(VALUES)).eval()
    messages = model.graph(data).messages()
    before = model.encoder(data.features, messages)
    assert before[0].shape == (60, 16) == (60, model.width)
    changed = {name: values.clone() for name, values in data.features[0].items()}
    changed["size"][0] = 5.0
    after = model.encoder([changed, data.features[1]], messages)
    differs = (after[0][:, 8:] != before[0][:, 8:]).any(1)
    assert torch.nonzero(differs).tolist() == [[0]]
    bare = dataclasses.replace(data, features=({}, {}))
    plain = Model(_without_features(data), build(VALUES))
    assert not plain.encoder(bare.features, messages)[0][:, 8:].any()


def _without_features(data: TrainingData) -> Any:
    schema = data.processed.schema
    nodes = tuple(dataclasses.replace(node, features=()) for node in schema.nodes)
    return dataclasses.replace(data.processed, schema=dataclasses.replace(schema, nodes=nodes))


def test_bins_are_worked_out_once_for_both_that_read_them(data: TrainingData) -> None:
    model = Model(data.processed, build(VALUES | {"feature-self-loop": True}))
    items = model.encoder.inputs[0]
    assert isinstance(items, InputLayer)
    assert items.bins is not None
    asked: list[int] = []
    items.bins.register_forward_hook(lambda _, given, __: asked.append(len(given[0])))
    model.encoder(data.features, model.graph(data).messages())
    assert asked == [60]


def test_other_tasks_have_bins_and_no_such_layers(tmp_path: Path) -> None:
    edges = load_data(processed(tmp_path, Task.EDGE_REGRESSION, nodes=60))
    model = Model(edges.processed, build(VALUES))
    assert (model.width, len(model.encoder.own)) == (8, 0)
    assert any("bins" in name for name in model.state_dict())
    with pytest.raises(InvalidSettings, match="number-bins"):
        build({"number-bins": -1})


def accuracy(data: TrainingData, values: Mapping[str, Any]) -> float:
    """Train for a while and return the accuracy on test."""
    model = (
        Trainer(data, build({**values, "num-epochs": 25, "batch-size": 256}), Goal("acc"), seed=0)
        .fit(lambda *_: None)
        .model
    )
    return Evaluator(data, model.graph(data)).measure(model, ["test"])["test"]["acc"]


def test_thresholds_of_long_tails_are_found_where_neighbours_tell_nothing(tmp_path: Path) -> None:
    graph = load_data(processed_export(planted("applicants", tmp_path / "export", 2000)))
    values = BY_NAME["features"].values
    plain = {name: value for name, value in values.items() if name not in {"number-bins", "own-features"}}
    competitors = run_baselines(Evaluator(graph, Model(graph.processed, build({})).graph(graph)), "test")
    found = accuracy(graph, values)
    assert found > accuracy(graph, plain) + 0.03
    assert found > competitors["own_features"]["acc"] + 0.03
    assert found > competitors["boosting"]["acc"] - 0.03
