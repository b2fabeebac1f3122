"""The parts of the neighbours-only form of link prediction, each alone."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers
from neptuneml_plugin.training.hyperparameters import Hyperparameters, build
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.models.decoders import RolesLinkDecoder
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.objectives import (
    LEAST_EDGE_BATCHES,
    LEAST_MASKED,
    Setting,
    masked_rows,
    objective_of,
)
from neptuneml_plugin.training.stopping import Goal
from tests.training.graphs import processed, trained

NEIGHBOURS_ONLY: dict[str, Any] = {
    "node-features": False, "diagonal-relations": True, "use-self-loop": False, "separate-roles": True,
    "layer-norm": False, "num-layer": 1,
}  # fmt: skip
OPTIONS = build(NEIGHBOURS_ONLY | {"num-hidden": 8})


def ranked_by(data: TrainingData, scores: torch.Tensor) -> dict[str, float]:
    def score(rows: torch.Tensor) -> torch.Tensor:
        return scores[rows].clone()

    return Evaluator(data, model_of(data).graph(data)).rank([(score, score)], "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return load_data(processed(tmp_path_factory.mktemp("links"), Task.LINK_PREDICTION, nodes=60))


def model_of(data: TrainingData, options: Hyperparameters = OPTIONS) -> Model:
    torch.manual_seed(0)
    return Model(data.processed, options).eval()


def vectors_of(model: Model, data: TrainingData) -> list[torch.Tensor]:
    return Evaluator(data, model.graph(data)).embed(model)


def test_a_diagonal_layer_starts_as_a_plain_sum_of_a_vertex_and_its_neighbours(tmp_path: Path) -> None:
    data = load_data(processed(tmp_path, Task.NODE_CLASS, nodes=60))
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


def test_a_vertex_asks_with_its_neighbours_vectors_alone(data: TrainingData) -> None:
    model = model_of(data)
    item, tag = data.processed.schema.node("item"), data.processed.schema.node("tag")
    before = vectors_of(model, data)
    assert before[item].shape == (data.counts[item], 16)
    with torch.no_grad():
        model.get_parameter(f"encoder.inputs.{tag}.embedding").add_(1)
    after = vectors_of(model, data)
    # Every item has tags, and a mean of vectors that each grow by one grows by one, as the relation is of ones.
    torch.testing.assert_close(after[item][:, :8], before[item][:, :8] + 1)
    torch.testing.assert_close(after[tag][:, :8], before[tag][:, :8])
    # And is found by a vector of its own.
    torch.testing.assert_close(after[item][:, 8:], model.encoder.roles[item])


@pytest.mark.parametrize("reads", [True, False])
def test_without_node_features_they_change_nothing(data: TrainingData, *, reads: bool) -> None:
    model = model_of(data, dataclasses.replace(OPTIONS, node_features=reads))
    other = dataclasses.replace(
        data, features=tuple({name: -values for name, values in columns.items()} for columns in data.features)
    )
    pairs = zip(vectors_of(model, data), vectors_of(model, other), strict=True)
    assert any(not torch.equal(*pair) for pair in pairs) == reads


def test_a_diagonal_relation_weighs_columns(data: TrainingData) -> None:
    model = model_of(data)
    weights = model.get_parameter("encoder.layers.0.weights")
    assert torch.equal(weights, torch.ones(len(data.relations), 8))
    full = model_of(data, dataclasses.replace(OPTIONS, diagonal_relations=False))
    assert full.get_parameter("encoder.layers.0.weights").shape == (len(data.relations), 8, 8)
    before = vectors_of(model, data)
    with torch.no_grad():
        weights[:, 3] = 0
    after = vectors_of(model, data)
    assert not any(each[:, 3].any() for each in after)
    torch.testing.assert_close(after[0][:, :3], before[0][:, :3])


def test_each_direction_has_its_own_relation(data: TrainingData) -> None:
    model = model_of(data)
    assert isinstance(model.decoder, RolesLinkDecoder)
    rows = torch.arange(5)
    vectors = vectors_of(model, data)
    with torch.no_grad():
        tails, heads = (score(rows) for score in link_scorers(model, vectors, data)[0])
        model.decoder.relations[0, 0] *= 2
        twice, same = (score(rows) for score in link_scorers(model, vectors, data)[0])
    torch.testing.assert_close(twice, 2 * tails)
    torch.testing.assert_close(same, heads)


def test_biases_start_at_popularity(data: TrainingData) -> None:
    samples, options = data.samples[0], {"num-epochs": 1, "lr": 1e-9, "sparse-lr": 0.0, "num-hidden": 4}
    degrees = torch.bincount(samples.ends[1][samples.splits["train"]], minlength=data.counts[0])
    for starts in (True, False):
        chosen = build(options | {"popularity-start": starts})
        fitted = Trainer(data, chosen, Goal("mrr"), seed=0).fit(lambda *_: None).model
        biases = fitted.get_parameter("decoder.target_biases.0").detach()
        torch.testing.assert_close(biases, degrees.float().log1p() if starts else torch.zeros(len(degrees)))


@pytest.mark.parametrize("end", [0, 1])
def test_each_vertex_hides_its_share_of_edges(data: TrainingData, end: int) -> None:
    samples = dataclasses.replace(data.samples[0], pairs=None)
    vertices = samples.ends[end][samples.splits["train"]]
    shares = torch.where(torch.arange(data.counts[0]) % 2 == 0, 1.0, 0.0)
    torch.manual_seed(0)
    hidden = masked_rows(samples, end, shares)
    assert set(samples.ends[end][hidden].tolist()) == {v for v in vertices.tolist() if v % 2 == 0}
    assert len(hidden) == int((vertices % 2 == 0).sum())


def test_edges_of_one_pair_are_hidden_together(data: TrainingData) -> None:
    samples = data.samples[0]
    rows = samples.splits["train"]
    pairs = torch.zeros(len(samples.ends[0]), dtype=torch.long)
    pairs[rows] = torch.arange(len(rows)) // 2
    torch.manual_seed(0)
    hidden = masked_rows(dataclasses.replace(samples, pairs=pairs), 0, torch.rand(data.counts[0]))
    assert 0 < len(hidden) < len(rows)
    _, count = torch.unique(pairs[hidden], return_counts=True)
    assert int(count[:-1].min()) == 2


def test_a_step_hides_between_the_least_and_the_largest_share(data: TrainingData) -> None:
    for most in (0.1, 0.9):
        options = dataclasses.replace(OPTIONS, edge_masking=most)
        model = model_of(data, options)
        torch.manual_seed(0)
        batches = objective_of(Setting(model, data, model.graph(data), options)).batches()
        assert len(batches) == LEAST_EDGE_BATCHES
        shares = [len(batch[0]) / len(data.samples[0].splits["train"]) for batch in batches]
        assert np.mean(shares) == pytest.approx((LEAST_MASKED + most) / 2, abs=0.06)


def test_the_artifact_scores_as_the_model_in_both_directions(tmp_path: Path) -> None:
    values = NEIGHBOURS_ONLY | {"edge-masking": 0.9, "popularity-start": True, "item-item": True, "num-epochs": 5}
    source = processed(tmp_path, Task.LINK_PREDICTION, nodes=60, values=values)
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    folder = tmp_path / "training" / "artifact"
    edge = next(path.parent for path in folder.glob("edges/*/relation.npy"))
    item = load_data(source).processed.schema.node("item")
    source_role, target_role = (
        np.load(folder / "nodes" / str(item) / f"{name}.npy") for name in ("embeddings", "candidates")
    )
    biases = np.load(edge / "source_bias.npy")[:, None] + np.load(edge / "target_bias.npy")
    for name, way in (("tails", "targets"), ("heads", "sources")):
        relation = np.load(edge / ("relation.npy" if name == "tails" else "relation_heads.npy"))
        scores = (source_role * relation) @ target_role.T + biases
        scores = scores if name == "tails" else scores.T
        if (edge / f"{name}_items.npy").exists():
            known = np.zeros_like(scores)
            indptr, indices = (np.load(edge / f"{name}_{part}.npy") for part in ("indptr", "indices"))
            known[np.repeat(np.arange(len(scores)), np.diff(indptr)), indices] = 1
            scores += known @ np.load(edge / f"{name}_items.npy")
        ranks = ranked_by(load_data(source), torch.from_numpy(scores))
        assert ranks[f"mrr_{way}"] == pytest.approx(summary.metrics["test"][f"mrr_{way}"], rel=1e-4)
