"""The metrics of all tasks, by the names of `--json` (decision 9 for `f1`).

In numpy: scikit-learn, which the tests compare with, takes a second to load, and every trial would wait for it.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.training.tasks import Answer

#: Name -> whether more is better.
HIGHER_IS_BETTER: Mapping[str, bool] = {
    "acc": True, "acc_topk": True, "balanced_accuracy": True, "f1": True, "f1_macro": True, "f1_micro": True,
    "f1_tuned": True, "mcc": True, "precision": True, "recall": True, "roc_auc": True, "average_precision": True,
    "rmse": False, "mse": False, "mae": False, "r2": True, "mrr": True, "mrr_sources": True, "mrr_targets": True,
    "mr": False, "hits@1": True, "hits@3": True, "hits@10": True, "recall@10": True, "ndcg@10": True,
}  # fmt: skip

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


def single_label(probabilities: Floats, labels: Ints, *, topk: int = 5) -> dict[str, float]:
    """Measure one class per row: probabilities (n, c), labels (n,) of class indices.

    `precision`, `recall` and `f1` are those of the rarer class for two classes, macro averages otherwise.
    """
    count = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    present = np.arange(count) if count == 2 else np.union1d(labels, predicted)
    support, found = (np.bincount(each, minlength=count)[present] for each in (labels, predicted))
    hits = np.bincount(labels[labels == predicted], minlength=count)[present]
    precision, recall, f1 = _ratio(hits, found), _ratio(hits, support), _ratio(2 * hits, found + support)
    rarer = int(np.argmin(support)) if count == 2 else None

    def pick(values: Floats) -> float:
        return float(values.mean() if rarer is None else values[rarer])

    recalls = recall[support > 0]
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, : min(topk, count)]
    return {
        "acc": float((predicted == labels).mean()),
        "acc_topk": float((best == labels[:, None]).any(1).mean()),
        "balanced_accuracy": float(recalls.mean()),
        "f1": pick(f1),
        "f1_macro": float(f1.mean()),
        "f1_micro": float((predicted == labels).mean()),
        "mcc": _correlation(hits, support, found),
        "precision": pick(precision),
        "recall": pick(recall),
    }


def multi_label(probabilities: Floats, labels: Floats, *, threshold: float = 0.5) -> dict[str, float]:
    """Measure any number of classes per row: both (n, c), labels 0 or 1. `acc` asks for the whole row."""
    predicted = (probabilities >= threshold).astype(np.int64)
    truth = labels.astype(np.int64)
    hits, found, wanted = (truth * predicted).sum(0), predicted.sum(0), truth.sum(0)
    f1 = float(_ratio(2 * hits, found + wanted).mean())
    return {
        "acc": float((predicted == truth).all(1).mean()),
        "f1": f1,
        "f1_macro": f1,
        "f1_micro": float(_ratio(2 * hits.sum(), found.sum() + wanted.sum())),
        "precision": float(_ratio(hits, found).mean()),
        "recall": float(_ratio(hits, wanted).mean()),
    }


def _correlation(hits: Ints, support: Ints, predicted: Ints) -> float:
    """Return Matthews' coefficient of several classes (Gorodkin, 2004); 0 where one side is constant."""
    right, total = float(hits.sum()), float(support.sum())
    wanted, found = support.astype(np.float64), predicted.astype(np.float64)
    spread = (total**2 - wanted @ wanted) * (total**2 - found @ found)
    return float((right * total - wanted @ found) / spread**0.5) if spread > 0 else 0.0


def _ratio(part: Ints, whole: Ints) -> Floats:
    """Return part / whole, 0 where there is nothing."""
    shares: Floats = np.where(whole > 0, part / np.maximum(whole, 1), 0.0)
    return shares


def regression(predictions: Floats, labels: Floats) -> dict[str, float]:
    """Measure values: both (n,), in the property's own unit."""
    errors = predictions.astype(np.float64) - labels
    mse = float((errors**2).mean())
    spread = float(((labels - labels.mean()) ** 2).mean())
    values = {"rmse": mse**0.5, "mse": mse, "mae": float(np.abs(errors).mean())}
    return values | ({"r2": 1 - mse / spread} if spread > 0 else {})


def ranking(ranks: Floats) -> dict[str, float]:
    """Measure ranks (n,), best 1."""
    hits = {f"hits@{k}": float((ranks <= k).mean()) for k in (1, 3, 10)}
    return {"mrr": float((1 / ranks).mean()), "mr": float(ranks.mean())} | hits


def per_query(ranks: Floats, queries: Ints, k: int = 10) -> dict[str, float]:
    """Measure the list of each query: ranks of all its wanted edges among all candidates (n,), queries (n,)."""
    _, query, wanted = np.unique(queries, return_inverse=True, return_counts=True)
    hit = ranks <= k
    found = np.bincount(query, hit)
    gain = np.bincount(query, np.where(hit, 1 / np.log2(ranks + 1), 0))
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[np.minimum(wanted, k) - 1]
    return {f"recall@{k}": float((found / wanted).mean()), f"ndcg@{k}": float((gain / ideal).mean())}


def yes_or_no(answer: Answer, probabilities: Floats, labels: Floats | Ints) -> tuple[Floats, Ints] | None:
    """Return the probabilities of "yes" and the truth (n,), over all (row, class) pairs.

    Of two classes the second is "yes"; None where an answer is something else.
    """
    if answer is Answer.CLASSES:
        return probabilities.ravel(), labels.astype(np.int64).ravel()
    if answer is Answer.CLASS and probabilities.shape[1] == 2:
        return probabilities[:, 1], labels.astype(np.int64)
    return None


def tuned_threshold(probabilities: Floats, truth: Ints) -> float | None:
    """Return the probability from which on "yes" gives the best F1 (decision 15); see `yes_or_no`."""
    if not truth.any() or truth.all():
        return None
    thresholds, hits, chosen = _curve(truth, probabilities)
    f1 = 2 * hits / (chosen + hits[-1])
    # The lowest of equally good thresholds.
    return float(thresholds[len(f1) - 1 - int(np.argmax(f1[::-1]))])


def f1_from(threshold: float, probabilities: Floats, truth: Ints) -> float:
    """Return the F1 where "yes" is said from a probability on; see `yes_or_no`."""
    said = probabilities >= threshold
    return float(_ratio(2 * (said & (truth > 0)).sum(), said.sum() + truth.sum()))


def _curve(truth: Ints | Floats, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each score, falling, with the true rows and with all rows that score at least as much."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    return falling[last], np.cumsum(truth[order], dtype=np.float64)[last], last + 1.0


def _roc_auc(truth: Ints, scores: Floats) -> float:
    """Return the area under the ROC curve, a trapezium for each score."""
    _, hits, chosen = _curve(truth, scores)
    hits, misses = np.append(0, hits), np.append(0, chosen - hits)
    return float(np.trapezoid(hits, misses) / (hits[-1] * misses[-1]))


def _average_precision(truth: Ints, scores: Floats) -> float:
    """Return the mean precision at each score, weighed by the recall that it adds."""
    _, hits, chosen = _curve(truth, scores)
    return float((np.diff(hits, prepend=0) * hits / chosen).sum() / hits[-1])


def areas(probabilities: Floats, labels: Ints | Floats) -> dict[str, float]:
    """Return macro averages over the classes that occur, but not in every row; for two classes of the second."""
    truth = labels if labels.ndim == 2 else np.eye(probabilities.shape[1])[labels.astype(np.int64)]
    columns = truth.astype(np.int64)
    usable = np.flatnonzero((columns.sum(0) > 0) & (columns.sum(0) < len(columns)))
    if labels.ndim == 1 and columns.shape[1] == 2:
        usable = usable[usable == 1]
    if not len(usable):
        return {}
    roc = [_roc_auc(columns[:, c], probabilities[:, c]) for c in usable]
    average = [_average_precision(columns[:, c], probabilities[:, c]) for c in usable]
    return {"roc_auc": float(np.mean(roc)), "average_precision": float(np.mean(average))}


def measure(
    answer: Answer,
    predictions: Floats,
    labels: Floats | Ints,
    *,
    topk: int = 5,
    slow: bool = True,
    threshold: float | None = None,
) -> dict[str, float]:
    """Return the metrics of predictions (n, c) or, of values, (n, 1); `slow` ones too.

    `f1_tuned` is the F1 from the threshold on that validation found best, where one is given.
    """
    if answer is Answer.VALUE:
        return regression(predictions[:, 0], labels.astype(np.float64))
    if answer is Answer.CLASS:
        values = single_label(predictions, labels.astype(np.int64), topk=topk)
    else:
        values = multi_label(predictions, labels.astype(np.float64))
    if threshold is not None and (pairs := yes_or_no(answer, predictions, labels)) is not None:
        values["f1_tuned"] = f1_from(threshold, *pairs)
    return values | (areas(predictions, labels) if slow else {})
