"""Metrics against scikit-learn and against lists worked out by hand."""

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from neptuneml_plugin.training.evaluation import metrics
from neptuneml_plugin.training.evaluation.logistic import fit_logistic
from neptuneml_plugin.training.evaluation.metrics import measure
from neptuneml_plugin.training.tasks import KINDS, Answer

RANDOM = np.random.default_rng(0)


def classified(classes: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    labels = RANDOM.integers(classes, size=rows)
    raw = RANDOM.random((rows, classes)) + np.eye(classes)[labels] * 0.4
    return raw / raw.sum(1, keepdims=True), labels


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_single_label_equals_scikit_learn(classes: int) -> None:
    probabilities, labels = classified(classes)
    predicted = probabilities.argmax(1)
    rarer = int(np.bincount(labels, minlength=2).argmin())
    average = {"average": "binary", "pos_label": rarer} if classes == 2 else {"average": "macro"}
    score = probabilities[:, 1] if classes == 2 else probabilities
    truth = np.eye(classes)[labels]
    got = measure(Answer.CLASS, probabilities, labels, topk=2)
    expected = {
        "acc": sk.accuracy_score(labels, predicted),
        "acc_topk": sk.top_k_accuracy_score(labels, score, k=2) if classes > 2 else 1.0,
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "f1": sk.f1_score(labels, predicted, **average),
        "f1_macro": sk.f1_score(labels, predicted, average="macro"),
        "f1_micro": sk.f1_score(labels, predicted, average="micro"),
        "mcc": sk.matthews_corrcoef(labels, predicted),
        "precision": sk.precision_score(labels, predicted, **average),
        "recall": sk.recall_score(labels, predicted, **average),
        "roc_auc": sk.roc_auc_score(labels, score, multi_class="ovr"),
        "average_precision": sk.average_precision_score(labels if classes == 2 else truth, score, average="macro"),
    }
    assert got == pytest.approx(expected)
    assert set(got) == set(KINDS[Answer.CLASS].metrics)


def test_multi_label_equals_scikit_learn() -> None:
    labels = (RANDOM.random((100, 4)) < 0.4).astype(float)
    probabilities = np.clip(labels * 0.3 + RANDOM.random((100, 4)) * 0.7, 0, 1)
    predicted = probabilities >= 0.5
    got = measure(Answer.CLASSES, probabilities, labels)
    expected = {
        "acc": sk.accuracy_score(labels, predicted),
        "f1": sk.f1_score(labels, predicted, average="macro"),
        "f1_macro": sk.f1_score(labels, predicted, average="macro"),
        "f1_micro": sk.f1_score(labels, predicted, average="micro"),
        "precision": sk.precision_score(labels, predicted, average="macro"),
        "recall": sk.recall_score(labels, predicted, average="macro"),
        "roc_auc": sk.roc_auc_score(labels, probabilities),
        "average_precision": sk.average_precision_score(labels, probabilities),
    }
    assert got == pytest.approx(expected)


def test_classes_that_never_occur_do_not_break_the_areas() -> None:
    probabilities, labels = classified(3)
    labels = np.minimum(labels, 1)
    got = measure(Answer.CLASS, probabilities, labels)
    one = sk.roc_auc_score(labels == 0, probabilities[:, 0])
    other = sk.roc_auc_score(labels == 1, probabilities[:, 1])
    assert got["roc_auc"] == pytest.approx((one + other) / 2)


def test_a_split_of_one_class_has_no_areas() -> None:
    probabilities, labels = classified(2)
    assert "roc_auc" not in measure(Answer.CLASS, probabilities, np.zeros_like(labels))


def test_regression_equals_scikit_learn() -> None:
    labels = RANDOM.normal(50, 10, 100)
    predictions = labels + RANDOM.normal(0, 3, 100)
    expected = {
        "rmse": sk.root_mean_squared_error(labels, predictions),
        "mse": sk.mean_squared_error(labels, predictions),
        "mae": sk.mean_absolute_error(labels, predictions),
        "r2": sk.r2_score(labels, predictions),
    }
    assert measure(Answer.VALUE, predictions[:, None], labels) == pytest.approx(expected)


def test_ranking_by_hand() -> None:
    got = metrics.ranking(np.array([1.0, 2.0, 3.5, 20.0]))
    assert got["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3.5 + 1 / 20) / 4)
    assert got["mr"] == pytest.approx(26.5 / 4)
    assert (got["hits@1"], got["hits@3"], got["hits@10"]) == (0.25, 0.5, 0.75)


def test_lists_per_query_by_hand() -> None:
    # Query 7 wants two, found at 1 and 11; query 9 wants one, found at 2.
    got = metrics.per_query(np.array([1.0, 11.0, 2.0]), np.array([7, 7, 9]))
    assert got["recall@10"] == pytest.approx((1 / 2 + 1) / 2)
    ideal = 1 + 1 / np.log2(3)
    assert got["ndcg@10"] == pytest.approx((1 / ideal + 1 / np.log2(3)) / 2)


def test_the_tuned_threshold_gives_the_best_f1() -> None:
    truth = np.array([0, 0, 1, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.25, 0.3, 0.4, 0.9])
    threshold = metrics.tuned_threshold(scores, truth)
    best = max(sk.f1_score(truth, scores >= t) for t in scores)
    assert threshold is not None
    assert sk.f1_score(truth, scores >= threshold) == best
    assert metrics.f1_from(threshold, scores, truth) == pytest.approx(best)


@pytest.mark.parametrize(
    ("answer", "labels", "said"),
    [
        (Answer.CLASS, [0, 1, 1], [1, 0, 0]),  # of the second class
        (Answer.CLASSES, [[1, 0], [0, 1], [1, 1]], [1, 1, 1, 0, 1, 0]),
    ],
)
def test_f1_from_a_threshold_on(answer: Answer, labels: list[int], said: list[int]) -> None:
    probabilities, truth = np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2]]), np.array(labels)
    got = metrics.measure(answer, probabilities, truth, threshold=0.35)
    assert got["f1_tuned"] == pytest.approx(sk.f1_score(truth.ravel(), said))
    assert "f1_tuned" not in metrics.measure(answer, probabilities, truth)


def test_of_three_classes_nothing_is_tuned() -> None:
    probabilities = np.full((2, 3), 1 / 3)
    assert metrics.yes_or_no(Answer.CLASS, probabilities, np.array([0, 1])) is None
    assert "f1_tuned" not in metrics.measure(Answer.CLASS, probabilities, np.array([0, 1]), threshold=0.2)


def test_no_threshold_where_all_are_alike() -> None:
    assert metrics.tuned_threshold(np.array([0.1, 0.9]), np.array([1, 1])) is None
    assert metrics.tuned_threshold(np.array([0.1, 0.9]), np.array([0, 0])) is None


def test_every_metric_has_a_direction() -> None:
    named = {name for kind in KINDS.values() for name in (*kind.metrics, kind.metric)}
    assert {*named, "f1_tuned"} == set(metrics.HIGHER_IS_BETTER)  # whose threshold is chosen when all is over


@pytest.mark.parametrize("shift", [0.0, 1.0, 30.0])
def test_the_logistic_fit_equals_scikit_learn(shift: float) -> None:
    truth = RANDOM.integers(2, size=300)
    values = RANDOM.normal(size=300) + shift * truth
    fitted = LogisticRegression(tol=1e-10, max_iter=1000).fit(values[:, None], truth)
    assert fit_logistic(values, truth) == pytest.approx((fitted.coef_[0, 0], fitted.intercept_[0]), rel=1e-3)
