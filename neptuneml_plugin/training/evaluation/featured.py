"""Trivial competitors that read features: of the element alone, linear or boosted trees, or of its neighbourhood.

Of an edge these are the features of both its ends. Large graphs are cut down so that each takes seconds: at most
`MAX_FITTED_ROWS` training rows are fitted on, fewer of many columns. Scikit-learn is imported where it is used: it
takes a second or more, and neither a training on links nor a transform asks for it.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.problem import Floats, Ints, Problem
from neptuneml_plugin.training.tasks import Answer

#: Training rows that a model is fitted on, and cells of their features, at most.
MAX_FITTED_ROWS, MAX_FITTED_CELLS = 20_000, 20_000_000
#: Rounds of boosting; trees of all rounds together, one per class and round, at most.
BOOSTING_ROUNDS, MAX_TREES = 100, 1_000
#: Hops over which features are averaged (Wu et al., "Simplifying Graph Convolutional Networks", 2019).
HOPS = 2
#: Cells of the features of all nodes beyond which they are not averaged.
MAX_AVERAGED_CELLS = 50_000_000

#: (known features, known labels, features of the wanted rows) -> predictions: of one class each, or values.
Fit = Callable[[Floats, Floats, Floats], Floats]


def own_features(problem: Problem) -> Floats | None:
    """Fit a linear model on the features of the element itself."""
    chosen = fitted_rows(problem)
    known, wanted = problem.features(problem.train[chosen]), problem.features(problem.wanted)
    return _linear(problem, chosen, known, wanted)


def boosting(problem: Problem) -> Floats | None:
    """Fit boosted trees on the features of the element itself."""
    from sklearn.ensemble import (  # noqa: PLC0415 - see above
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    chosen = fitted_rows(problem)
    known, wanted = problem.features(problem.train[chosen]), problem.features(problem.wanted)
    if not known.shape[1]:
        return None
    classes = problem.columns.shape[1]
    options = {
        "max_iter": max(1, min(BOOSTING_ROUNDS, MAX_TREES // classes)),
        "min_samples_leaf": max(2, min(20, len(chosen) // 20)),
        "random_state": 0,
    }

    def values(x: Floats, y: Floats, asked: Floats) -> Floats:
        return np.asarray(HistGradientBoostingRegressor(**options).fit(x, y).predict(asked))

    def chances(x: Floats, y: Floats, asked: Floats) -> Floats:
        return np.asarray(HistGradientBoostingClassifier(**options).fit(x, y).predict_proba(asked))

    with threadpool_limits(1):  # its threads spin while they wait, which takes minutes on a busy machine
        return _fitted(problem, chosen, (known, wanted), values, chances)


def propagated_features(problem: Problem) -> Floats | None:
    """Fit a linear model on features averaged over two hops, each type's in columns of its own (SGC)."""
    averaged = _averaged(problem.data)
    if averaged is None:
        return None
    starts = np.cumsum([0, *problem.data.counts])

    def features(rows: Ints) -> Floats:
        ends = zip(problem.kinds, problem.samples.ends, strict=True)
        return np.concatenate([averaged[starts[kind] + end.cpu().numpy()[rows]] for kind, end in ends], 1)

    chosen = fitted_rows(problem)
    return _linear(problem, chosen, features(problem.train[chosen]), features(problem.wanted))


def fitted_rows(problem: Problem) -> Ints:
    """Return which of the training rows models are fitted on."""
    width = sum(column.shape[1] for kind in problem.kinds for column in problem.data.features[kind].values())
    most = min(MAX_FITTED_ROWS, MAX_FITTED_CELLS // max(1, width))
    return np.random.default_rng(0).permutation(len(problem.train))[:most]


def _linear(problem: Problem, chosen: Ints, known: Floats, wanted: Floats) -> Floats | None:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - see above
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    if not known.shape[1]:
        return None
    scaler = StandardScaler().fit(known)

    def values(x: Floats, y: Floats, asked: Floats) -> Floats:
        return np.asarray(Ridge().fit(x, y).predict(asked))

    def chances(x: Floats, y: Floats, asked: Floats) -> Floats:
        return np.asarray(LogisticRegression(max_iter=200).fit(x, y).predict_proba(asked))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _fitted(problem, chosen, (scaler.transform(known), scaler.transform(wanted)), values, chances)


def _fitted(problem: Problem, chosen: Ints, features: tuple[Floats, Floats], values: Fit, chances: Fit) -> Floats:
    """Return what models say of the wanted rows, (rows, classes or 1).

    Args:
        problem: what is to be predicted.
        chosen: training rows to fit on.
        features: of these, and of the wanted rows.
        values: fits numbers.
        chances: fits classes 0..n - 1, each of which is there, and returns (rows, n).
    """
    (known, wanted), columns = features, problem.columns[chosen]
    if problem.answer is Answer.VALUE:
        return values(known, columns[:, 0], wanted)[:, None]
    predictions = np.repeat(columns.mean(0, keepdims=True), len(wanted), 0)
    if problem.answer is Answer.CLASS:
        present, labels = np.unique(columns.argmax(1), return_inverse=True)
        if len(present) > 1:
            predictions[:, present] = chances(known, labels.astype(np.float64), wanted)
        return predictions
    for column in np.flatnonzero((columns.min(0) == 0) & (columns.max(0) == 1)):
        predictions[:, column] = chances(known, columns[:, column], wanted)[:, 1]
    return predictions


def _averaged(data: TrainingData) -> Floats | None:
    """Return S^2 X, S = D^-1/2 (A + I) D^-1/2 over the edges of all types that may be known: (nodes, columns).

    The features of each node type have columns of their own in X, which are standardised.
    """
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - see above

    widths = [sum(column.shape[1] for column in columns.values()) for columns in data.features]
    if not 0 < sum(widths) * sum(data.counts) <= MAX_AVERAGED_CELLS:
        return None
    features = np.zeros((sum(data.counts), sum(widths)), np.float32)
    places = zip(data.features, np.cumsum([0, *data.counts]), np.cumsum([0, *widths]), strict=False)
    for columns, row, left in places:
        if columns:
            block = np.concatenate([column.cpu().numpy() for column in columns.values()], 1)
            features[row : row + len(block), left : left + block.shape[1]] = StandardScaler().fit_transform(block)
    steps = _steps(data)
    for _ in range(HOPS):
        features = np.asarray(steps @ features)
    return features


def _steps(data: TrainingData) -> Any:
    """Return S as a sparse matrix, (nodes, nodes): edges of both directions, and a loop at every node."""
    starts, count = np.cumsum([0, *data.counts]), sum(data.counts)
    rows, columns = [np.arange(count)], [np.arange(count)]
    for relation in data.relations:
        kept = data.known_edges(relation).cpu().numpy()
        rows.append(starts[relation.target_type] + relation.targets.cpu().numpy()[kept])
        columns.append(starts[relation.source_type] + relation.sources.cpu().numpy()[kept])
    into, out = np.concatenate(rows), np.concatenate(columns)
    roots = np.bincount(into, minlength=count) ** -0.5
    weights = (roots[into] * roots[out]).astype(np.float32)
    return sparse.csr_array((weights, (into, out)), shape=(count, count))
