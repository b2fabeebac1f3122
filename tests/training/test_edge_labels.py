"""Labels of training edges in messages, and the other options that edge tasks have of ours."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training import objectives
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.message_passing import Adjacency, MessageGraph, channel_ends
from neptuneml_plugin.training.models.encoder import InputLayer
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import label_columns, label_scale
from tests.training.graphs import processed, trained

EDGE_TASKS = (Task.EDGE_CLASS, Task.EDGE_REGRESSION)
OPTIONS = Hyperparameters(num_hidden=8, num_layer=1, use_edge_labels=True, feature_self_loop=True)


def planted(folder: Path, task: Task) -> TrainingData:
    return load_data(processed(folder, task, nodes=60))


def model_of(data: TrainingData, options: Hyperparameters = OPTIONS) -> Model:
    torch.manual_seed(0)
    made = Model(data.processed, options).eval()
    made.scale.copy_(label_scale(data))
    return made


def with_labels(data: TrainingData, rows: torch.Tensor, labels: torch.Tensor) -> TrainingData:
    """Return the data with other labels of some edges."""
    samples = data.samples[0]
    assert samples.labels is not None
    changed = samples.labels.clone()
    changed[rows] = labels
    return dataclasses.replace(data, samples=(dataclasses.replace(samples, labels=changed),))


def test_label_columns_are_standardised_values_or_one_column_per_class(tmp_path: Path) -> None:
    values = planted(tmp_path / "values", Task.EDGE_REGRESSION)
    train = values.samples[0].splits["train"]
    columns = label_columns(values, label_scale(values))
    assert columns.shape == (len(values.samples[0].ends[0]), 1)
    np.testing.assert_allclose([columns[train].mean(), columns[train].std()], [0, 1], atol=1e-2)
    classes = planted(tmp_path / "classes", Task.EDGE_CLASS)
    columns = label_columns(classes, label_scale(classes))
    torch.testing.assert_close(columns.argmax(1), classes.samples[0].labels)
    assert set(columns.sum(1).tolist()) == {1}


def test_an_edge_without_a_label_says_nothing(tmp_path: Path) -> None:
    values = planted(tmp_path / "values", Task.EDGE_REGRESSION)
    edge = torch.tensor([3])
    unknown = with_labels(values, edge, torch.tensor([float("nan")]))
    assert label_columns(unknown, label_scale(values))[3].tolist() == [0]
    classes = planted(tmp_path / "classes", Task.EDGE_CLASS)
    unknown = with_labels(classes, edge, torch.tensor([-1]))
    assert label_columns(unknown, label_scale(classes))[3].tolist() == [0, 0]


@pytest.mark.parametrize("task", EDGE_TASKS)
def test_the_channels_come_in_the_order_of_the_layer(tmp_path: Path, task: Task) -> None:
    data = planted(tmp_path, task)
    labels = label_columns(data, label_scale(data))
    messages = MessageGraph(data, labels=labels).messages()
    ends = channel_ends(data.processed.schema, labels.shape[1], data.processed.target.edges[0])
    assert len(messages) == len(ends) == len(data.relations) + 2 * labels.shape[1]
    for channel, (source, target) in zip(messages, ends, strict=True):
        assert channel.aggregate(torch.ones(data.counts[source], 1)).shape == (data.counts[target], 1)


@pytest.mark.parametrize("task", EDGE_TASKS)
@pytest.mark.parametrize("split", ["valid", "test"])
def test_no_embedding_knows_a_held_out_label(tmp_path: Path, task: Task, split: str) -> None:
    data = planted(tmp_path, task)
    model, rows = model_of(data), data.samples[0].splits[split]
    assert data.samples[0].labels is not None
    other = with_labels(data, rows, 1 - data.samples[0].labels[rows])
    before = model.encoder(data.features, model.graph(data).messages())
    after = model.encoder(data.features, model.graph(other).messages())
    for one, two in zip(before, after, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize("task", EDGE_TASKS)
def test_no_edge_knows_its_own_label_while_it_is_predicted(tmp_path: Path, task: Task) -> None:
    data = planted(tmp_path, task)
    model, samples = model_of(data), data.samples[0]
    assert samples.labels is not None
    train = samples.splits["train"]
    batch, rest = train[:20], train[20:]
    embeddings = []
    for changed in (batch[:0], batch, rest):
        given = with_labels(data, changed, 1 - samples.labels[changed])
        messages = model.graph(given).messages({samples.position: batch})
        embeddings.append(torch.cat(model.encoder(data.features, messages)))
    torch.testing.assert_close(embeddings[1], embeddings[0], rtol=0, atol=0)
    # The labels of the others do travel.
    assert (embeddings[2] - embeddings[0]).abs().max() > 1e-3


@pytest.mark.parametrize("features_only", [True, False])
def test_the_self_loop_of_features_knows_no_learned_vector(tmp_path: Path, *, features_only: bool) -> None:
    data = planted(tmp_path, Task.EDGE_REGRESSION)
    model = model_of(data, dataclasses.replace(OPTIONS, feature_self_loop=features_only))
    item, linked = data.processed.schema.node("item"), data.samples[0]
    # Without the edges between items, an item's own vector can reach it by its self term alone.
    messages = model.graph(data).messages({linked.position: linked.splits["train"]})
    layer = model.encoder.inputs[item]
    assert isinstance(layer, InputLayer)
    assert layer.embedding is not None
    with torch.no_grad():
        before = model.encoder(data.features, messages)[item]
        layer.embedding.add_(1)
        moved = (model.encoder(data.features, messages)[item] - before).abs().max()
    assert (float(moved) > 1e-3) != features_only


def test_symmetric_weights_are_those_of_both_degrees() -> None:
    sources, targets = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 0, 1])
    adjacency = Adjacency(sources, targets, 3, 2)
    expected = [1 / 6**0.5, 1 / 3**0.5, 1 / 3**0.5, 1 / 2**0.5]
    torch.testing.assert_close(adjacency.norm(symmetric=True), torch.tensor(expected))
    kept = adjacency.norm(torch.tensor([1, 0, 1, 0]), symmetric=True)
    torch.testing.assert_close(kept, torch.tensor([1 / 2**0.5, 0, 1 / 2**0.5, 0]))


def test_a_batch_leaves_out_a_tenth_of_the_edges_at_most(tmp_path: Path) -> None:
    data = planted(tmp_path, Task.EDGE_REGRESSION)
    trainer = Trainer(data, dataclasses.replace(OPTIONS, batch_size=10**6), Goal("mse"), seed=0)
    batches = [batch[0] for batch in trainer._objective.batches()]
    assert len(batches) == objectives.LEAST_EDGE_BATCHES
    assert sorted(torch.cat(batches).tolist()) == data.samples[0].splits["train"].tolist()


def test_one_batch_per_epoch_would_have_been_too_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = processed(tmp_path, Task.EDGE_REGRESSION)
    good = trained(source, tmp_path / "ten")
    monkeypatch.setattr(objectives, "LEAST_EDGE_BATCHES", 1)
    bad = trained(source, tmp_path / "one")
    assert good.metrics is not None
    assert bad.metrics is not None
    assert good.metrics["test"]["r2"] > 0.9 > bad.metrics["test"]["r2"]


def test_classes_of_edges_are_learned_with_the_labels_of_other_edges(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.EDGE_CLASS, values={"num-epochs": 15, "dropout": 0.5})
    summary = trained(source, tmp_path / "training")
    assert summary.hyperparameters is not None
    assert summary.hyperparameters["use-edge-labels"] is True
    assert summary.metrics is not None
    assert summary.metrics["test"]["acc"] > 0.9
