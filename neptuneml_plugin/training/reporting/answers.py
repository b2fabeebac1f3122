"""What a model says of elements whose answers are known: where it errs, and how right its probabilities are."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from neptuneml_plugin.charts import Columns, Heat, Lines, Points, Reliability, Series
from neptuneml_plugin.report import Bars, Part, Table
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.links import BLOCK_CELLS, Scorer, directions, filtered_ranks
from neptuneml_plugin.training.tasks import Answer

#: Classes of a confusion matrix; the others are one.
MATRIX_CLASSES = 12
#: Classes of the tables.
LISTED_CLASSES = 50
#: Values drawn as points.
DRAWN_VALUES = 500
BINS = 10
#: Edges that are ranked.
RANKED_EDGES = 1000
#: Ranks up to which bars go.
RANKS = (1, 3, 10, 30, 100, 300, 1000)
Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Names = Sequence[object]


def labelled_parts(answer: Answer, predictions: Floats, labels: Floats, names: Names, support: Ints) -> list[Part]:
    """Return the parts of node and edge tasks.

    Args:
        answer: the task's kind.
        predictions: (rows, classes), or (rows, 1).
        labels: of the rows, as `ProcessedGraph` says.
        names: of the classes.
        support: training rows of each class, (classes,).
    """
    if answer is Answer.VALUE:
        return list(_values(predictions[:, 0].astype(np.float64), labels.astype(np.float64)))
    made: Mapping[Answer, Callable[..., Iterator[Part]]] = {Answer.CLASS: _single, Answer.CLASSES: _several}
    return [*made[answer](predictions, labels, names), *_by_class(answer, predictions, labels, names, support)]


def _single(probabilities: Floats, labels: Ints, names: Names) -> Iterator[Part]:
    labels, first = labels.astype(np.int64), probabilities.argmax(1)
    yield confusion(labels, first, names)
    yield _reliability(probabilities.max(1), labels == first, "how often the first answer is right")
    yield _histogram(probabilities.max(1), "probability of the first answer")


def _several(probabilities: Floats, labels: Floats, _: Names) -> Iterator[Part]:
    yield _reliability(probabilities.ravel(), labels.ravel() > 0, "how often a class is there")
    yield _histogram(probabilities.max(1), "probability of the first answer")


def confusion(labels: Ints, predicted: Ints, names: Names) -> Heat:
    """Return how often each class (rows) was taken for each (columns); rare classes are put together."""
    counts = np.bincount(labels, minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    kept = order[: MATRIX_CLASSES if len(names) > MATRIX_CLASSES else len(names)]
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    size = len(kept) + (len(kept) < len(names))
    matrix = np.zeros((size, size), np.int64)
    np.add.at(matrix, (place[labels], place[predicted]), 1)
    shown = [str(names[at]) for at in kept] + [f"{len(names) - len(kept)} others"] * (size - len(kept))
    rows = tuple(tuple(row) for row in matrix.tolist())
    return Heat(tuple(shown), tuple(shown), rows, "truth", "prediction", "confusion of classes")


def _by_class(
    answer: Answer, probabilities: Floats, labels: Floats, names: Names, support: Ints
) -> Iterator[Part]:
    if answer is Answer.CLASS:
        truth = labels.astype(np.int64)[:, None] == np.arange(len(names))
        said = probabilities.argmax(1)[:, None] == np.arange(len(names))
    else:
        truth, said = labels > 0, probabilities >= 0.5
    right, told, there = ((truth & said).sum(0), said.sum(0), truth.sum(0))
    precision, recall = right / np.maximum(told, 1), right / np.maximum(there, 1)
    f1 = 2 * right / np.maximum(told + there, 1)
    order = np.argsort(-support, kind="stable")[:LISTED_CLASSES].tolist()
    yield Bars(tuple((str(names[at]), float(support[at])) for at in order[:20]), "training rows of each class")
    yield Table(
        ("class", "training rows", "rows here", "predicted", "precision", "recall", "F1"),
        tuple(
            (
                str(names[at]),
                *(int(each[at]) for each in (support, there, told)),
                *(float(each[at]) for each in (precision, recall, f1)),
            )
            for at in order
        ),
        "each class" if len(order) == len(names) else f"the {len(order)} largest of {len(names)} classes",
    )


def _values(predictions: Floats, labels: Floats) -> Iterator[Part]:
    chosen = np.random.default_rng(0).permutation(len(labels))[:DRAWN_VALUES]
    pairs = tuple(zip(labels[chosen].tolist(), predictions[chosen].tolist(), strict=True))
    yield Points((Series("", pairs),), "truth", "prediction", "predictions and truth")
    errors = predictions - labels
    edges = np.histogram_bin_edges(errors, 2 * BINS)
    counts = np.histogram(errors, edges)[0]
    yield Columns(tuple(edges.tolist()), tuple(counts.tolist()), "prediction - truth", "residuals", "elements")
    limits = np.unique(np.quantile(labels, np.linspace(0, 1, BINS + 1)))
    place = np.clip(np.searchsorted(limits, labels, "right") - 1, 0, max(0, len(limits) - 2))
    means = [(labels[place == at].mean(), np.abs(errors[place == at]).mean()) for at in np.unique(place)]
    points = tuple((float(x), float(y)) for x, y in means)
    yield Lines((Series("mean absolute error", points),), "truth", "", "mean absolute error by size of the truth")


def _reliability(said: Floats, so: npt.NDArray[np.bool_], caption: str) -> Reliability:
    place = np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    points = tuple((float(said[place == at].mean()), float(so[place == at].mean())) for at in np.unique(place))
    return Reliability((Series("", points),), "probability said", "share that is so", f"reliability: {caption}")


def _histogram(probabilities: Floats, caption: str) -> Columns:
    counts, edges = np.histogram(np.clip(probabilities, 0, 1), 2 * BINS, (0, 1))
    return Columns(tuple(edges.tolist()), tuple(counts.tolist()), "probability", caption)


def link_parts(
    data: TrainingData, scorers: Sequence[tuple[Scorer, Scorer]], split: str, calibration: tuple[float, float]
) -> list[Part]:
    """Return the parts of link prediction: ranks of known targets, and how right the scores are."""
    ranks, edges, others = [], [], []
    generator = torch.Generator().manual_seed(0)
    for samples, (score, _) in zip(data.samples, scorers, strict=True):
        source, target = data.ends_of(samples.position)
        direction, _ = directions(samples.ends, (data.counts[source], data.counts[target]))
        rows = samples.splits[split]
        rows = rows[torch.randperm(len(rows), generator=generator)[: RANKED_EDGES // len(data.samples) + 1]]
        known = direction.index(torch.arange(len(samples.ends[0])))
        ranks.append(filtered_ranks(score, direction, rows, known).numpy())
        drawn = torch.randint(data.counts[target], (len(rows),), generator=generator)
        edges.append(_scores(score, samples.ends[0][rows], samples.ends[1][rows], data.counts[target]))
        others.append(_scores(score, samples.ends[0][rows], drawn, data.counts[target]))
    return list(_links(np.concatenate(ranks), np.concatenate(edges), np.concatenate(others), calibration))


def _scores(score: Scorer, sources: torch.Tensor, targets: torch.Tensor, count: int) -> Floats:
    """Return the score of each pair; there are `count` candidates."""
    blocks = zip(*(torch.split(rows, max(1, BLOCK_CELLS // count)) for rows in (sources, targets)), strict=True)
    found = [score(asked)[torch.arange(len(asked)), wanted] for asked, wanted in blocks]
    return np.asarray(torch.cat(found).double().cpu().numpy())


def _links(ranks: Floats, edges: Floats, others: Floats, calibration: tuple[float, float]) -> Iterator[Part]:
    scores = np.concatenate([edges, others])
    probabilities = 1 / (1 + np.exp(-np.clip(calibration[0] * scores + calibration[1], -50, 50)))
    yield _reliability(probabilities, np.arange(len(scores)) < len(edges), "edges among as many random pairs")
    yield _histogram(probabilities[: len(edges)], "score of edges that are there")
    yield _histogram(probabilities[len(edges) :], "score of random pairs")
    yield Bars(_by_rank(ranks), "ranks of known targets among all candidates")


def _by_rank(ranks: Floats) -> tuple[tuple[str, float], ...]:
    limits = (0.0, *RANKS, np.inf)
    names = ("first", *(f"up to {rank}" for rank in RANKS[1:]), f"beyond {RANKS[-1]}")
    counts = (float(((ranks > low) & (ranks <= high)).sum()) for low, high in itertools.pairwise(limits))
    return tuple(zip(names, counts, strict=True))
