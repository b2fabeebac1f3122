"""The item-item part against plain numpy, and its weight."""

import dataclasses

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers
from neptuneml_plugin.training.evaluation.weights import best_weights, fit_parts, item_ridges
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import LinkScorer
from neptuneml_plugin.training.models import items
from neptuneml_plugin.training.models.items import ItemPart, item_parts, parts_of
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.models.parts import WithPart, with_parts
from tests.training.graphs import processed

OPTIONS = Hyperparameters(num_hidden=4, item_item=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return load_data(processed(tmp_path_factory.mktemp("items"), Task.LINK_PREDICTION, nodes=60))


def tails(data: TrainingData) -> ItemPart:
    part = item_parts(data)[0][0]
    assert part is not None
    return part


def adjacency(data: TrainingData) -> np.ndarray:
    samples = data.samples[0]
    matrix = np.zeros((data.counts[0], data.counts[0]))
    matrix[tuple(end[samples.splits["train"]].numpy() for end in samples.ends)] = 1
    return matrix


@pytest.mark.parametrize("dropped", [0.0, 0.5])
def test_the_matrix_is_the_closed_form(data: TrainingData, dropped: float) -> None:
    edges = adjacency(data)
    gram = edges.T @ edges
    inverse = np.linalg.inv(gram + np.diag(10 + dropped / (1 - dropped) * gram.diagonal()))
    expected = -inverse / inverse.diagonal()
    np.fill_diagonal(expected, 0)
    part = item_parts(data, regularization=10.0, dropped=dropped)[0][0]
    assert part is not None
    np.testing.assert_allclose(part.matrix.numpy(), expected, atol=1e-5)


def test_scores_add_the_rows_of_training_neighbours(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "ROWS_AT_ONCE", 7)
    part, rows = tails(data), torch.tensor([5, 3, 5])
    expected = adjacency(data)[rows.numpy()] @ part.matrix.numpy()
    np.testing.assert_allclose(part(rows).numpy(), expected, atol=1e-5)
    flat = LinkScorer(torch.zeros(60, 2), torch.ones(60), torch.zeros(60, 2), torch.zeros(60))
    scorer, columns = WithPart(flat, part, 3.0), torch.tensor([[1, 2], [0, 0], [59, 4]])
    np.testing.assert_allclose(scorer(rows).numpy(), 1 + 3 * expected, atol=1e-5)
    torch.testing.assert_close(scorer.some(rows, columns), scorer(rows).gather(1, columns))


def test_a_graph_keeps_the_parts_of_its_models(data: TrainingData) -> None:
    (tails, heads), *_ = parts_of(data, (30.0, 100.0))
    same, other = (parts_of(data.to(torch.device("cpu")), ridges)[0] for ridges in ((30.0, 100.0), (100.0, 100.0)))
    assert same[0] is tails
    assert same[1] is heads is other[1]
    for part, ridge, way in ((tails, 30.0, 0), (other[0], 100.0, 0), (heads, 100.0, 1)):
        expected = item_parts(data, regularization=ridge)[0][way]
        assert part is not None
        assert expected is not None
        assert part.matrix.equal(expected.matrix)
    changed = parts_of(with_train(data, data.samples[0].splits["train"][:50]), (30.0, 100.0))[0][0]
    assert tails is not None
    assert changed is not None
    assert not changed.matrix.equal(tails.matrix)


def with_train(data: TrainingData, rows: torch.Tensor) -> TrainingData:
    splits = dict(data.samples[0].splits) | {"train": rows}
    return dataclasses.replace(data, samples=(dataclasses.replace(data.samples[0], splits=splits),))


def test_there_is_none_for_many_candidates(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MAX_ITEMS", 59)
    assert list(item_parts(data)) == [(None, None)]
    assert item_ridges(Evaluator(data, Model(data.processed, OPTIONS).graph(data))) == (300.0, 300.0)
    flat = LinkScorer(torch.zeros(60, 2), torch.ones(60), torch.zeros(60, 2), torch.zeros(60))
    assert with_parts([(flat, flat)], item_parts(data), [1.0, 1.0]) == [(flat, flat)]


def test_a_weight_is_fitted_for_each_direction_with_the_ridges(data: TrainingData) -> None:
    torch.manual_seed(0)
    model = Model(data.processed, OPTIONS)
    evaluator = Evaluator(data, model.graph(data))
    vectors = evaluator.embed(model)
    scorers = link_scorers(model, vectors, data)
    fit_parts(evaluator, model)
    assert tuple(model.item_ridges.tolist()) == item_ridges(evaluator)
    parts = parts_of(data, model.item_ridges.tolist())
    assert tuple(model.item_weights.tolist()) == best_weights(evaluator, scorers, parts)
    # An untrained model ranks by chance, so the links within blocks help.
    assert max(model.item_weights.tolist()) > 0
    with torch.no_grad():
        whole, rows = link_scorers(model, vectors, data)[0], torch.arange(60)
        for scorer, base, part, weight in zip(
            whole, scorers[0], parts[0], model.item_weights.tolist(), strict=True
        ):
            assert part is not None
            torch.testing.assert_close(scorer(rows), base(rows) + weight * part(rows))


def test_the_ridges_are_those_that_rank_validation_best(data: TrainingData) -> None:
    evaluator = Evaluator(data, Model(data.processed, OPTIONS).graph(data))
    found = {}
    for ridge in items.RIDGES:
        tail, head = item_parts(data, regularization=ridge)[0]
        assert tail is not None
        assert head is not None
        found[ridge] = evaluator.rank([(tail, head)], "valid")
    for metric, chosen in zip(("mrr_targets", "mrr_sources"), item_ridges(evaluator), strict=True):
        assert found[chosen][metric] == max(each[metric] for each in found.values())


def test_without_validation_rows_nothing_is_added(data: TrainingData) -> None:
    samples = data.samples[0]
    splits = dict(samples.splits) | {"valid": samples.splits["valid"][:0]}
    unjudged = dataclasses.replace(data, samples=(dataclasses.replace(samples, splits=splits),))
    model = Model(data.processed, OPTIONS)
    fit_parts(Evaluator(unjudged, model.graph(unjudged)), model)
    assert model.item_weights.tolist() == [0, 0]


def test_only_models_that_may_have_the_part_keep_its_weights(data: TrainingData) -> None:
    names = {"item_weights", "item_ridges"}
    assert names <= Model(data.processed, OPTIONS).state_dict().keys()
    assert not names & Model(data.processed, Hyperparameters()).state_dict().keys()
