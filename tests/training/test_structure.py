"""Structural features against plain numpy, and what may not reach them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.models.structure import set_structure, structure
from neptuneml_plugin.training.stopping import Goal
from tests.training.graphs import processed

OPTIONS = Hyperparameters(num_hidden=8, num_epochs=2, structural_features=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return load_data(processed(tmp_path_factory.mktemp("links"), Task.LINK_PREDICTION, nodes=60))


def dense(data: TrainingData, kind: int) -> np.ndarray:
    """Return a type's normalised adjacency to all types, by the edges that may be known."""
    blocks = []
    for relation in data.relations:
        if relation.target_type != kind:
            continue
        matrix = np.zeros((data.counts[kind], data.counts[relation.source_type]))
        known = np.ones(len(relation.sources), bool)
        if relation.edge_type == data.samples[0].position:
            known[torch.cat([data.samples[0].splits[part] for part in ("valid", "test")]).numpy()] = False
        np.add.at(matrix, (relation.targets.numpy()[known], relation.sources.numpy()[known]), 1)
        ends = np.maximum(matrix.sum(1, keepdims=True), 1), np.maximum(matrix.sum(0), 1)
        blocks.append(matrix / np.sqrt(ends[0] * ends[1]))
    return np.concatenate(blocks, 1)


@pytest.mark.parametrize("kind", [0, 1])
def test_they_are_the_singular_vectors_of_the_adjacency(data: TrainingData, kind: int) -> None:
    vectors = np.linalg.svd(dense(data, kind))[0][:, :3]
    expected = (vectors - vectors.mean(0)) / vectors.std(0)
    found = structure(data, 3)[kind].numpy()
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=0.02)


def test_edges_under_prediction_do_not_reach_them(data: TrainingData) -> None:
    samples = data.samples[0]
    kept = samples.splits["train"]
    relations = [
        dataclasses.replace(each, sources=each.sources[kept], targets=each.targets[kept])
        if each.edge_type == samples.position
        else each
        for each in data.relations
    ]
    only = dataclasses.replace(
        samples,
        ends=tuple(end[kept] for end in samples.ends),
        splits={"train": torch.arange(len(kept)), "valid": kept[:0], "test": kept[:0]},
    )
    without = dataclasses.replace(data, relations=tuple(relations), samples=(only,))
    for one, other in zip(structure(data, 3), structure(without, 3), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_a_small_graph_has_zeros_for_what_it_lacks(data: TrainingData) -> None:
    (item, tag) = structure(data, 50)
    assert item.shape == (60, 50)
    assert tag.shape == (20, 50)
    assert not tag[:, 20:].any()


def test_embeddings_depend_on_them_and_new_vertices_take_the_mean(data: TrainingData) -> None:
    torch.manual_seed(0)
    model = Model(data.processed, OPTIONS)
    evaluator = Evaluator(data, model.graph(data))
    before = evaluator.embed(model)[0]
    set_structure(model, data)
    assert (evaluator.embed(model)[0] - before).abs().max() > 1e-3
    assert {name: kind for name, kind in model.node_tables.items() if name.endswith("structure")} == {
        "encoder.inputs.0.structure": 0,
        "encoder.inputs.1.structure": 1,
    }
    assert structure(data, 4)[0].mean(0).abs().max() < 1e-4


def test_training_leaves_them_as_they_are(data: TrainingData) -> None:
    fitted = Trainer(data, OPTIONS, Goal("mrr"), seed=0).fit(silent).model
    torch.testing.assert_close(fitted.state_dict()["encoder.inputs.0.structure"], structure(data, 4)[0])


def test_a_vertex_without_edges_is_no_trouble(tmp_path: Path) -> None:
    data = load_data(processed(tmp_path, Task.NODE_CLASS, nodes=60))
    alone = dataclasses.replace(
        data,
        relations=tuple(
            dataclasses.replace(r, sources=r.sources[:0], targets=r.targets[:0]) for r in data.relations
        ),
    )
    assert all(torch.isfinite(each).all() for each in structure(alone, 4))
