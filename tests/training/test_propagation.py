"""Predict, then propagate: what layers without weights do, features left out, and that few labels are enough."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, Task
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.training.data import Relation, TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.hyperparameters import build
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.presets import BY_NAME, fitting
from neptuneml_plugin.training.search.configuration import read_configuration
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.train import _unused
from tests.quality.planted import planted
from tests.training.graphs import processed, processed_export


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return load_data(processed(tmp_path_factory.mktemp("nodes"), Task.NODE_CLASS, nodes=60))


def steps(data: TrainingData) -> torch.Tensor:
    """Return how a walk goes on, from each node of all types to itself and over each of its edges alike, dense."""
    starts, total = (0, data.counts[0]), sum(data.counts)
    walks = torch.eye(total)
    for relation in data.relations:
        targets, sources = (
            relation.targets + starts[relation.target_type],
            relation.sources + starts[relation.source_type],
        )
        walks.index_put_((targets, sources), torch.ones(len(sources)), accumulate=True)
    return walks / walks.sum(1, keepdim=True)


@pytest.mark.parametrize(
    "options", [{"restart": 0.1, "num-layer": 5}, {"restart": 0.3, "concat-node-embed": False}]
)
def test_layers_walk_over_all_edges_alike_and_start_again(data: TrainingData, options: Mapping[str, Any]) -> None:
    model = Model(data.processed, build({"num-hidden": 8, **options})).eval()
    assert not list(model.encoder.layers.parameters())
    given = zip(model.encoder.inputs, data.features, strict=True)
    first = torch.cat([layer(columns).relu() for layer, columns in given])
    expected, restart = first, options["restart"]
    for _ in model.encoder.layers:
        expected = restart * first + (1 - restart) * steps(data) @ expected
    found = model.encoder(data.features, model.graph(data).messages())
    torch.testing.assert_close(torch.cat(found), expected)


def test_a_vertex_without_edges_keeps_its_own_vector(data: TrainingData) -> None:
    alone = dataclasses.replace(data, relations=tuple(_without(r, data, node=3) for r in data.relations))
    model = Model(data.processed, build({"restart": 0.2, "num-hidden": 8})).eval()
    found = model.encoder(alone.features, model.graph(alone).messages())[0]
    first = model.encoder.inputs[0](data.features[0]).relu()
    torch.testing.assert_close(found[3], first[3])
    assert not torch.isclose(found[4], first[4]).all()


def _without(relation: Relation, data: TrainingData, node: int) -> Relation:
    """Return the relation without the edges of an item."""
    of_items = ((relation.source_type, relation.sources), (relation.target_type, relation.targets))
    kept = ~torch.stack([(rows == node) & (kind == 0) for kind, rows in of_items]).any(0)
    features = {name: values[kept] for name, values in relation.features.items()}
    return dataclasses.replace(
        relation, sources=relation.sources[kept], targets=relation.targets[kept], features=features
    )


def test_what_is_of_convolutions_changes_nothing(data: TrainingData) -> None:
    def outputs(values: Mapping[str, Any]) -> torch.Tensor:
        torch.manual_seed(0)
        model = Model(data.processed, build({"restart": 0.1, "num-hidden": 8, **values})).eval()
        found: torch.Tensor = model.encoder(data.features, model.graph(data).messages())[0]
        return found

    others = {"num-bases": 2, "use-self-loop": False, "diagonal-relations": True, "symmetric-norm": True}
    others |= {"use-edge-features": True, "feature-self-loop": True, "layer-norm": False}
    torch.testing.assert_close(outputs(others), outputs({}), atol=0, rtol=0)
    for value in (1.0, -0.1):
        with pytest.raises(InvalidSettings, match="restart"):
            build({"restart": value})


def test_what_is_of_convolutions_is_named_and_leaves_the_search(tmp_path: Path) -> None:
    values = {"restart": 0.1, "num-bases": 2, "symmetric-norm": True, "use-self-loop": False, "num-epochs": 1}
    said = "layers propagate, as 'restart' is above 0"
    named = {}
    for task in (Task.NODE_CLASS, Task.EDGE_CLASS):
        source = processed(tmp_path / task, task, nodes=60, values=values)
        graph = load_data(source)
        space = read_configuration(source / HPO_CONFIGURATION, graph.processed)
        found = [warning for warning in _unused(space, graph) if warning.endswith(said)]
        named[task] = found, "layer-norm" in {parameter.name for parameter in space.searched(11)}
    names = "layer-norm, num-bases, symmetric-norm"
    assert named[Task.NODE_CLASS] == ([f"hyperparameters {names} have no effect: {said}"], False)
    assert named[Task.EDGE_CLASS][0] == []


def test_edges_are_learned_by_convolutions(tmp_path: Path) -> None:
    for task in (Task.EDGE_REGRESSION, Task.LINK_PREDICTION):
        graph = load_data(processed(tmp_path / task, task, nodes=60)).processed
        sizes = [
            sum(p.numel() for p in Model(graph, build(values)).parameters()) for values in ({}, {"restart": 0.1})
        ]
        assert sizes[0] == sizes[1]


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


def test_learned_vectors_are_propagated_where_there_are_no_features(tmp_path: Path) -> None:
    graph = load_data(processed_export(planted("members", tmp_path / "export")))
    assert [preset.name for preset in fitting(graph)] == ["rgcn", "places", "appnp"]
    propagated = accuracy(graph, BY_NAME["appnp"].values)
    assert propagated > accuracy(graph, BY_NAME["places"].values) + 0.02
    assert propagated > accuracy(graph, {}) + 0.1


def test_few_labels_are_enough_where_neighbours_are_alike(tmp_path: Path) -> None:
    graph = load_data(processed_export(planted("citations", tmp_path / "export", 1000)))
    propagated = accuracy(graph, BY_NAME["appnp"].values)
    assert propagated > accuracy(graph, BY_NAME["features"].values) + 0.05
    assert propagated > accuracy(graph, {}) + 0.05
