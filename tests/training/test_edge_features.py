"""Features of edges in messages: what they change, that they are needed and enough, never those of the asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, Task
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.message_passing import Adjacency, EdgeMessages
from neptuneml_plugin.training.models.encoder import EdgeModule
from neptuneml_plugin.training.models.model import Model
from tests.training.graphs import processed, processed_export, set_hyperparameters, stir, trained
from tests.training.witnesses import witnessed_export

#: Without vectors by which witnesses are known, which 90 items are few to learn from.
VALUES = {"num-hidden": 16, "num-epochs": 100, "lr": 0.05, "concat-node-embed": False, "feature-self-loop": True}


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed_export(witnessed_export(tmp_path_factory.mktemp("witnessed") / "export"))


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed(tmp_path_factory.mktemp("linked"), Task.EDGE_REGRESSION, nodes=90)


def model(data: TrainingData, **values: Any) -> Model:
    torch.manual_seed(0)
    chosen = {"num-hidden": 8, "use-edge-features": True} | {
        name.replace("_", "-"): value for name, value in values.items()
    }
    made = Model(data.processed, hyperparameters.build(chosen)).eval()
    stir(made)
    return made


def embedded(model: Model, data: TrainingData, left_out: dict[int, Tensor] | None = None) -> list[Tensor]:
    with torch.no_grad():
        vectors: list[Tensor] = model.encoder(data.features, model.graph(data).messages(left_out or {}))
    return vectors


def evaluate_every(source: Path, epochs: int) -> None:
    path = source / HPO_CONFIGURATION
    document = json.loads(path.read_text())
    document["models"][0]["eval_frequency"] = {"type": "evaluate_every_epoch", "value": epochs}
    path.write_text(json.dumps(document))


def with_other_features(data: TrainingData, edges: Tensor) -> None:
    """Change the features of some edges in place."""
    for relation in data.relations[:2]:
        for name, values in relation.features.items():
            changed = values.clone()
            changed[edges] += 1
            relation.features[name] = changed  # type: ignore[index]


def test_signal_of_edges_alone_is_learned_with_their_features_and_not_without(
    witnessed: Path, tmp_path: Path
) -> None:
    reached = {}
    for used in (True, False):
        set_hyperparameters(witnessed, VALUES | {"use-edge-features": used})
        evaluate_every(witnessed, 20)
        summary = trained(witnessed, tmp_path / str(used), model="rgcn")
        assert summary.metrics is not None
        reached[used] = summary.metrics["test"]["acc"]
    assert reached[True] >= 0.95
    assert reached[False] < 0.6


def test_the_choice_among_presets_finds_that_they_are_needed(tmp_path: Path) -> None:
    source = processed_export(witnessed_export(tmp_path / "export", 300))
    summary = trained(source, tmp_path / "out")
    assert summary.metrics is not None
    assert summary.metrics["test"]["acc"] >= 0.95
    assert summary.notes[0].startswith("preset 'edges': acc")


def test_they_add_a_module_per_relation_whose_edges_have_some(witnessed: Path, linked: Path) -> None:
    names = dict(model(load_data(witnessed)).named_parameters())
    assert names["encoder.layers.0.carries.0.hidden.weight"].shape == (16, 1)
    assert names["encoder.layers.1.carries.1.output.weight"].shape == (16, 16)
    wider = dict(model(load_data(witnessed), edge_num_hidden=5.0).named_parameters())
    assert wider["encoder.layers.0.carries.0.hidden.weight"].shape == (5, 1)
    assert not any(
        "carries" in name for name in dict(model(load_data(linked), use_edge_features=False).named_parameters())
    )
    # `has` edges, the second type, have no features.
    carried = {
        name.split(".")[4] for name in dict(model(load_data(linked)).named_parameters()) if "carries" in name
    }
    assert carried == {"0", "1"}


def test_a_message_is_what_the_edge_makes_of_its_sender() -> None:
    torch.manual_seed(0)
    sources, targets = torch.tensor([0, 2, 1, 2]), torch.tensor([1, 0, 1, 1])
    features, weights, vectors = torch.randn(4, 2), torch.rand(4), torch.randn(3, 5)
    module = EdgeModule(2, 4, 5)
    torch.testing.assert_close(module(vectors, features[:3]), vectors)  # as it starts
    torch.nn.init.normal_(module.output.weight)
    messages = Adjacency(sources, targets, 3, 2).weighted(weights, features)
    expected = torch.zeros(2, 5)
    for edge in range(4):
        sent = module(vectors[sources[edge]][None], features[edge][None])[0]
        expected[targets[edge]] += weights[edge] * sent
    torch.testing.assert_close(messages.aggregate(vectors, module), expected)
    few = EdgeMessages(sources, targets, weights, 2, features)
    torch.testing.assert_close(few.aggregate(vectors, module), expected)
    plain = Adjacency(sources, targets, 3, 2).weighted(weights)
    torch.testing.assert_close(messages.aggregate(vectors), plain.aggregate(vectors))


@pytest.mark.parametrize("at_once", [3, 10])
def test_gradients_are_those_of_torch_in_one_block_or_several(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neptuneml_plugin.training.message_passing.EDGES_AT_ONCE", at_once)
    torch.manual_seed(0)
    sources, targets = torch.tensor([0, 2, 1, 2, 0, 1]), torch.tensor([1, 0, 1, 1, 4, 4])  # none leads to 2 and 3
    features, weights = torch.randn(6, 2), torch.rand(6)
    module = EdgeModule(2, 4, 5)
    torch.nn.init.normal_(module.output.weight)
    found = []
    for by_hand in (False, True):
        torch.manual_seed(1)
        vectors = torch.randn(3, 5, requires_grad=True)
        module.zero_grad()
        if by_hand:
            sent = module(vectors[sources], features) * weights[:, None]
            total = torch.zeros(5, 5).index_add(0, targets, sent)
        else:
            total = Adjacency(sources, targets, 3, 5).weighted(weights, features).aggregate(vectors, module)
        torch.autograd.backward([(total**2).sum()])
        found.append([vectors.grad, *(parameter.grad for parameter in module.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
def test_an_edge_under_prediction_says_nothing(task: Task, tmp_path: Path) -> None:
    """Neither those of validation and test, nor a batch's own while it is learned."""
    data = load_data(processed(tmp_path, task, nodes=60))
    made, samples = model(data), data.samples[0]
    unseen = torch.cat([samples.splits["valid"], samples.splits["test"]])
    batch = samples.splits["train"][::2]
    before, while_learned = embedded(made, data), embedded(made, data, {samples.position: batch})
    with_other_features(data, unseen)
    for one, other in zip(embedded(made, data), before, strict=True):
        torch.testing.assert_close(one, other)
    with_other_features(data, batch)
    assert not all(torch.allclose(*pair) for pair in zip(embedded(made, data), before, strict=True))
    for one, other in zip(embedded(made, data, {samples.position: batch}), while_learned, strict=True):
        torch.testing.assert_close(one, other)


def test_features_that_are_not_finite_are_named(linked: Path) -> None:
    data = load_data(linked)
    with_other_features(data, torch.tensor([0]))
    name, values = next(iter(data.relations[0].features.items()))
    values[0] = float("nan")
    assert (
        data.not_finite()
        == f"feature '{name}' of '(item)-linked->(item)' holds values that are not finite".replace("->", "-")
    )


def test_what_has_no_effect_is_named(linked: Path, witnessed: Path, tmp_path: Path) -> None:
    set_hyperparameters(witnessed, {"num-epochs": 1, "use-edge-features": False, "edge-num-hidden": 8})
    summary = trained(witnessed, tmp_path / "off", model="rgcn")
    said = "hyperparameter edge-num-hidden has no effect: 'use-edge-features' is false"
    assert said in summary.warnings
    set_hyperparameters(witnessed, {"num-epochs": 1, "use-edge-features": True})
    assert not any("edge-num-hidden" in warning for warning in trained(witnessed, tmp_path / "on").warnings)


def test_edges_without_features_are_named(tmp_path: Path) -> None:
    export = witnessed_export(tmp_path / "export", 60)
    path = export / "training-data-configuration.json"
    text = path.read_text()
    start = text.index('"features": [{"feature": ["trust"')
    path.write_text(text[:start] + '"features": []}]}, "warnings": []}')
    source = processed_export(export)
    set_hyperparameters(source, {"num-epochs": 1, "use-edge-features": True, "edge-num-hidden": 8})
    said = "hyperparameters use-edge-features, edge-num-hidden have no effect: no edge has features"
    assert said in trained(source, tmp_path / "out", model="rgcn").warnings
