"""The metrics of all tasks, by the names of `--json` (decision 9 for `f1`)."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from neptuneml_plugin.training.tasks import Answer

#: Name -> whether more is better.
HIGHER_IS_BETTER: Mapping[str, bool] = {
    "acc": True, "acc_topk": True, "balanced_accuracy": True, "f1": True, "f1_macro": True, "f1_micro": True,
    "mcc": True, "precision": True, "recall": True, "roc_auc": True, "average_precision": True, "rmse": False,
    "mse": False, "mae": False, "r2": True, "mrr": True, "mr": False, "hits@1": True, "hits@3": True,
    "hits@10": True, "recall@10": True, "ndcg@10": True,
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
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        labels, predicted, labels=present, zero_division=0
    )
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
        "mcc": float(sk.matthews_corrcoef(labels, predicted)),
        "precision": pick(precision),
        "recall": pick(recall),
    }


def multi_label(probabilities: Floats, labels: Floats, *, threshold: float = 0.5) -> dict[str, float]:
    """Measure any number of classes per row: both (n, c), labels 0 or 1. `acc` asks for the whole row."""
    predicted = (probabilities >= threshold).astype(np.int64)
    truth = labels.astype(np.int64)
    macro = sk.precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)
    return {
        "acc": float((predicted == truth).all(1).mean()),
        "f1": float(macro[2]),
        "f1_macro": float(macro[2]),
        "f1_micro": float(sk.f1_score(truth, predicted, average="micro", zero_division=0)),
        "precision": float(macro[0]),
        "recall": float(macro[1]),
    }


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


def tuned_threshold(probabilities: Floats, truth: Ints | Floats) -> float | None:
    """Return the probability from which on "yes" gives the best F1, over all (row, class) pairs (decision 15)."""
    scores, wanted = probabilities.ravel(), truth.ravel()
    if not wanted.any() or wanted.all():
        return None
    precision, recall, thresholds = sk.precision_recall_curve(wanted, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[int(np.argmax(f1[:-1]))])


def areas(probabilities: Floats, labels: Ints | Floats) -> dict[str, float]:
    """Return macro averages over the classes that occur, but not in every row; for two classes of the second."""
    truth = labels if labels.ndim == 2 else np.eye(probabilities.shape[1])[labels.astype(np.int64)]
    columns = truth.astype(np.int64)
    usable = np.flatnonzero((columns.sum(0) > 0) & (columns.sum(0) < len(columns)))
    if labels.ndim == 1 and columns.shape[1] == 2:
        usable = usable[usable == 1]
    if not len(usable):
        return {}
    roc = [sk.roc_auc_score(columns[:, c], probabilities[:, c]) for c in usable]
    average = [sk.average_precision_score(columns[:, c], probabilities[:, c]) for c in usable]
    return {"roc_auc": float(np.mean(roc)), "average_precision": float(np.mean(average))}


def measure(
    answer: Answer,
    predictions: Floats,
    labels: Floats | Ints,
    *,
    topk: int = 5,
    slow: bool = True,
) -> dict[str, float]:
    """Return the metrics of predictions (n, c) or, of values, (n, 1); `slow` ones too."""
    if answer is Answer.VALUE:
        return regression(predictions[:, 0], labels.astype(np.float64))
    if answer is Answer.CLASS:
        values = single_label(predictions, labels.astype(np.int64), topk=topk)
    else:
        values = multi_label(predictions, labels.astype(np.float64))
    return values | (areas(predictions, labels) if slow else {})
