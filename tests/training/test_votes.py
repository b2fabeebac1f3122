"""Votes of labels against plain numpy, and that nobody is told of itself."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training.data import Relation, TrainingData, load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.models import votes
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.models.votes import set_votes
from tests.training.graphs import processed, trained

CASES: Mapping[str, tuple[Task, bool]] = {
    "classes": (Task.NODE_CLASS, False),
    "several classes each": (Task.NODE_CLASS, True),
    "numbers": (Task.NODE_REGRESSION, False),
}
VOTES = Hyperparameters(num_hidden=8, label_votes=True)


def data_of(folder: Path, case: str) -> TrainingData:
    task, multi_label = CASES[case]
    return load_data(processed(folder, task, nodes=60, multi_label=multi_label))


def labels_of(data: TrainingData) -> np.ndarray:
    """Return labels as columns, (items, columns)."""
    labels = data.samples[0].labels
    assert labels is not None
    if data.task is Task.NODE_REGRESSION:
        train = labels[data.samples[0].splits["train"]]
        return ((labels - train.mean()) / train.std(correction=0)).numpy()[:, None]
    return labels.numpy() if labels.dim() > 1 else np.eye(3)[labels.numpy()]


def known_labels(data: TrainingData) -> dict[int, np.ndarray]:
    """Return the training labels less their mean, by item."""
    samples, labels = data.samples[0], labels_of(data)
    own, train = samples.ends[0].numpy(), samples.splits["train"].numpy()
    return {int(own[row]): labels[row] - labels[train].mean(0) for row in train}


def near(data: TrainingData) -> np.ndarray:
    """Return the votes of items one and two edges away by going along every path to another item."""
    known, count = known_labels(data), data.counts[0]
    blocks: list[list[list[tuple[int, float]]]] = []
    for relation in data.relations[::2]:
        edges = list(zip(relation.sources.tolist(), relation.targets.tolist(), strict=True))
        if (relation.source_type, relation.target_type) == (0, 0):
            edges = [(a, b) for a, b in edges if a != b]
            blocks.append([[(a, 1.0) for a, b in edges if b == node] for node in range(count)])
            blocks.append([[(b, 1.0) for a, b in edges if a == node] for node in range(count)])
            edges += [(b, a) for a, b in edges]
        elif relation.target_type == 0:
            edges = [(b, a) for a, b in edges]
        pairs = set(edges)
        degrees = np.bincount([b for _, b in pairs])
        paths = [(n, a, degrees[b] ** -0.5) for n, b in pairs for a, c in pairs if c == b and a != n]
        blocks.append([[(a, weight) for n, a, weight in paths if n == node] for node in range(count)])
    columns = []
    for block in blocks:
        heard = [[(known[a], weight) for a, weight in votes if a in known] for votes in block]
        nothing = np.zeros(labels_of(data).shape[1])
        columns.append([sum((v * w for v, w in h), nothing) / (sum(w for _, w in h) + 1) for h in heard])
    return np.concatenate(columns, 1)


def walked(data: TrainingData) -> np.ndarray:
    """Return the mean label at the ends of walks, by the dense matrix of all steps."""
    known, starts = known_labels(data), (0, data.counts[0])
    total = sum(data.counts)
    matrix = np.zeros((total, total))
    for relation in data.relations:
        rows = (relation.targets + starts[relation.target_type], relation.sources + starts[relation.source_type])
        np.add.at(matrix, tuple(end.numpy() for end in rows), 1)
    degrees = np.maximum(matrix.sum(0), 1)
    matrix /= np.sqrt(degrees[:, None] * degrees)
    ended = begun = votes.RESTART * np.eye(total)
    for _ in range(votes.STEPS):
        ended = (1 - votes.RESTART) * matrix @ ended + begun
    items = list(known)
    chances = ended[: data.counts[0], items]
    chances[items, range(len(items))] = 0
    means = chances @ np.stack([known[item] for item in items]) / chances.sum(1, keepdims=True)
    return np.asarray(means / means.std(0))


@pytest.mark.parametrize("case", CASES)
def test_they_are_means_over_others_one_and_two_edges_away(case: str, tmp_path: Path) -> None:
    data = data_of(tmp_path, case)
    model = Model(data.processed, VOTES)
    set_votes(model.encoder, data)
    found = model.encoder.vote_tables()[0]
    width = labels_of(data).shape[1]
    # By walks; from and to other items, two edges on, and over tags.
    assert found.shape == (60, 5 * width)
    np.testing.assert_allclose(found[:, :width].numpy(), walked(data), atol=1e-3)
    np.testing.assert_allclose(found[:, width:].numpy(), near(data), atol=1e-4)
    assert not model.encoder.vote_tables()[1].any()  # tags have no labels
    embedded = model.encoder(data.features, model.graph(data).messages())
    torch.testing.assert_close(embedded[0][:, 8:], found)
    assert model.width == embedded[0].shape[1]


def test_a_label_reaches_others_and_not_itself(tmp_path: Path) -> None:
    data = data_of(tmp_path, "numbers")
    samples = data.samples[0]
    assert samples.labels is not None
    train, held_out = samples.splits["train"], samples.splits["test"]
    before = votes.votes(data)
    # Two labels change places, so that their mean stays; the first item has no way to the second but a long one.
    first, second = (int(samples.ends[0][row]) for row in train[:2])
    labels = samples.labels.clone()
    labels[train[0]], labels[train[1]] = samples.labels[train[1]], samples.labels[train[0]]
    changed = dataclasses.replace(data, samples=(dataclasses.replace(samples, labels=labels),))
    alone = dataclasses.replace(changed, relations=tuple(_only(each, first, second) for each in data.relations))
    assert not torch.equal(votes.votes(changed), before)
    assert not votes.votes(alone)[[first, second]].any()
    hidden = samples.labels.index_fill(0, held_out, 1e6)
    unseen = dataclasses.replace(data, samples=(dataclasses.replace(samples, labels=hidden),))
    torch.testing.assert_close(votes.votes(unseen), before)


def _only(relation: Relation, *items: int) -> Relation:
    """Return the edges between each of some items and itself, or a tag of its own."""
    rows = torch.tensor(items)
    if relation.source_type == relation.target_type == 0:
        return dataclasses.replace(relation, sources=rows, targets=rows)
    tags = torch.arange(len(items))
    sources, targets = (rows, tags) if relation.source_type == 0 else (tags, rows)
    return dataclasses.replace(relation, sources=sources, targets=targets)


def test_too_many_walks_are_left_out(tmp_path: Path, monkeypatch: Any) -> None:
    data = data_of(tmp_path, "classes")
    whole = votes.votes(data)
    monkeypatch.setattr(votes, "MAX_CELLS", 1)  # one labelled item at a time
    torch.testing.assert_close(votes.votes(data), whole)
    monkeypatch.setattr(votes, "MAX_WALKED", 1)
    fewer = votes.votes(data)
    assert not fewer[:, :3].any()
    torch.testing.assert_close(fewer[:, 3:], whole[:, 3:])


def test_there_are_none_of_other_tasks_nor_of_very_many_classes(tmp_path: Path, monkeypatch: Any) -> None:
    links = load_data(processed(tmp_path / "links", Task.LINK_PREDICTION, nodes=60))
    assert Model(links.processed, VOTES).width == 8
    data = data_of(tmp_path / "nodes", "classes")
    assert Model(data.processed, VOTES, "rgcn").width == 8 + 15
    monkeypatch.setattr(votes, "MAX_OUTPUTS", 2)
    assert Model(data.processed, VOTES).width == 8


def test_labels_of_neighbours_alone_are_enough(tmp_path: Path) -> None:
    """Without features, vectors or layers, links within a class say it all."""
    values = {"label-votes": True, "node-features": False, "num-epochs": 120, "num-hidden": 4, "sparse-lr": 0.0}
    accuracies = {}
    for name, more in (("with", {}), ("without", {"label-votes": False})):
        source = processed(tmp_path / name, Task.NODE_CLASS, nodes=200, values=values | {"num-layer": 1} | more)
        metrics = trained(source, tmp_path / name / "training").metrics
        assert metrics is not None
        accuracies[name] = metrics["test"]["acc"]
    assert accuracies["with"] >= 0.9
    assert accuracies["with"] > accuracies["without"] + 0.1
