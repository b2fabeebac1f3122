"""Trivial competitors on planted graphs and on matrices worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.evaluation import collaborative
from neptuneml_plugin.training.evaluation.baselines import Problem, bias, neighbours, run_baselines
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models import items
from neptuneml_plugin.training.tasks import TASKS
from tests.planted import Signal
from tests.training.graphs import processed


def evaluator(folder: Path, task: Task, signal: Signal = "neighbours") -> Evaluator:
    data = load_data(processed(folder, task, signal=signal))
    return Evaluator(data, MessageGraph(data))


@pytest.mark.parametrize("task", list(Task))
def test_every_competitor_of_the_table_answers(tmp_path: Path, task: Task) -> None:
    found = run_baselines(evaluator(tmp_path, task), "test")
    assert set(found) == set(TASKS[task].baselines)
    for values in found.values():
        assert all(np.isfinite(value) for value in values.values())


def test_own_features_find_what_is_in_own_features_only(tmp_path: Path) -> None:
    own = run_baselines(evaluator(tmp_path / "own", Task.NODE_CLASS, "own"), "test")
    others = run_baselines(evaluator(tmp_path / "others", Task.NODE_CLASS), "test")
    assert own["own_features"]["acc"] > 0.8
    assert others["own_features"]["acc"] < 0.6
    assert others["neighbours"]["acc"] > 0.8


def test_majority_is_the_largest_share(tmp_path: Path) -> None:
    made = evaluator(tmp_path, Task.NODE_CLASS)
    labels = Problem(made, "test").labels
    majority = np.bincount(labels.astype(int)).argmax()
    assert run_baselines(made, "test")["majority"]["acc"] == (made.labels("test") == majority).mean()


def test_mean_has_no_explained_variance(tmp_path: Path) -> None:
    found = run_baselines(evaluator(tmp_path, Task.NODE_REGRESSION), "test")
    assert found["mean"]["r2"] <= 0 < found["neighbours"]["r2"]


def test_bias_finds_additive_values(tmp_path: Path) -> None:
    found = run_baselines(evaluator(tmp_path, Task.EDGE_REGRESSION), "test")
    assert found["bias"]["rmse"] < 0.8 * found["mean"]["rmse"]


def test_bias_and_neighbours_see_training_labels_only(tmp_path: Path) -> None:
    made = evaluator(tmp_path, Task.EDGE_REGRESSION)
    labels = made.data.samples[0].labels
    assert labels is not None
    before = [bias(Problem(made, "test")), neighbours(Problem(made, "test"))]
    labels[made.data.samples[0].splits["test"]] = 1e6
    after = [bias(Problem(made, "test")), neighbours(Problem(made, "test"))]
    for one, other in zip(before, after, strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one, other)


def test_popularity_counts_training_edges(tmp_path: Path) -> None:
    data = evaluator(tmp_path, Task.LINK_PREDICTION).data
    samples = data.samples[0]
    tails, heads = collaborative.popularity(data)[0]
    for score, end in ((tails, 1), (heads, 0)):
        counts = torch.bincount(samples.ends[end][samples.splits["train"]], minlength=data.counts[0])
        assert score(torch.tensor([0, 1])).tolist() == [counts.tolist()] * 2


def test_als_solves_the_weighted_least_squares_of_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = sparse.csr_array(np.array([[1.0, 0, 1], [0, 1, 0]], dtype=np.float32))
    fixed = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    monkeypatch.setattr(collaborative, "ALS_WIDTH", 2)
    got = collaborative._solve(edges, fixed)
    for row, wanted in zip(got, edges.toarray(), strict=True):
        weights = np.where(wanted > 0, 1, collaborative.ALS_UNOBSERVED)
        gram = fixed.T @ (weights[:, None] * fixed) + collaborative.ALS_REGULARIZATION * np.eye(2)
        np.testing.assert_allclose(row, np.linalg.solve(gram, fixed.T @ wanted), rtol=1e-4)


def test_ease_is_the_closed_form_and_large_sets_are_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = evaluator(tmp_path, Task.LINK_PREDICTION).data
    scorers = collaborative.ease(data)
    assert scorers is not None
    edges = collaborative._matrices(data)[0].toarray().astype(float)
    inverse = np.linalg.inv(edges.T @ edges + collaborative.EASE_REGULARIZATION * np.eye(edges.shape[1]))
    weights = np.eye(len(inverse)) - inverse / np.diag(inverse)
    np.testing.assert_allclose(scorers[0][0](torch.arange(5)).numpy(), edges[:5] @ weights, atol=1e-8)
    monkeypatch.setattr(items, "MAX_ITEMS", 10)
    assert collaborative.ease(data) is None
