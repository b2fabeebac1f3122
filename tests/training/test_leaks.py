"""Leaks, each planted: what is held out changes nothing that is learnt, and would if it were not held out."""

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training.data import SPLITS, Samples, TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.objectives import shuffled
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import KINDS, answer_of
from tests.processing.exports import twins
from tests.training.graphs import processed, processed_export

EDGE_TASKS = [Task.EDGE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION]
HELD_OUT = SPLITS[1:]


@functools.cache
def load(folder: Path, task: Task, kind: str | None) -> TrainingData:
    return load_data(processed(folder, task, nodes=60, split={"kind": kind} if kind else None))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leaks")


def learnt(data: TrainingData, **values: object) -> list[Tensor]:
    """Return the weights after two epochs, which no evaluation chose."""
    hp = Hyperparameters(num_hidden=8, num_epochs=2, batch_size=64, enable_early_stop=False, **values)  # type: ignore[arg-type]
    goal = Goal(KINDS[answer_of(data.task, data.processed.target)].metric)
    trainer = Trainer(data, hp, goal, seed=0)
    trainer.fit(silent)
    return [weights.detach().clone() for weights in trainer._model.parameters()]


def same(a: Iterable[Tensor], b: Iterable[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def with_samples(data: TrainingData, samples: Samples) -> TrainingData:
    return dataclasses.replace(data, samples=(samples,))


# messages


@pytest.mark.parametrize("task", EDGE_TASKS)
def test_held_out_edges_carry_no_message_in_either_direction(task: Task, folder: Path) -> None:
    data = load(folder / task, task, None)
    (samples,) = data.samples
    assert heard(data, samples) == 0
    forgotten = {**samples.splits, "valid": samples.splits["valid"][:0]}
    assert heard(with_samples(data, dataclasses.replace(samples, splits=forgotten)), samples) > 0


def heard(data: TrainingData, samples: Samples) -> int:
    """Return how many held-out edges the messages show, forward and in reverse."""
    ends = torch.stack(samples.ends)
    learnt = set(zip(*ends[:, samples.splits["train"]].tolist(), strict=True))
    found = 0
    for relation, messages in zip(data.relations, MessageGraph(data).messages(), strict=True):
        if relation.edge_type != samples.position:
            continue
        shown = messages.aggregate(torch.eye(data.counts[relation.source_type])).T != 0
        reverse = relation is not next(r for r in data.relations if r.edge_type == samples.position)
        for source, target in ends[:, torch.cat([samples.splits[part] for part in HELD_OUT])].T.tolist():
            visible = shown[target, source] if reverse else shown[source, target]
            found += int(visible and (source, target) not in learnt)
    return found


# labels


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.LINK_PREDICTION])
def test_labels_that_are_held_out_change_nothing(task: Task, folder: Path) -> None:
    data = load(folder / task, task, None)
    (samples,) = data.samples
    own = {} if task.on_nodes else {"use_edge_labels": True}
    before = learnt(data, **own)
    held = torch.cat([samples.splits[part] for part in HELD_OUT])
    assert same(learnt(relabelled(data, held), **own), before)
    assert not same(learnt(relabelled(data, samples.splits["train"]), **own), before)


def relabelled(data: TrainingData, rows: Tensor) -> TrainingData:
    (samples,) = data.samples
    assert samples.labels is not None
    labels = samples.labels.clone()
    labels[rows] = labels[rows].flip(0) if data.task.is_class else labels[rows] + 1000
    return with_samples(data, dataclasses.replace(samples, labels=labels))


# twins


@pytest.mark.parametrize("task", EDGE_TASKS)
def test_a_batch_holds_whole_pairs(task: Task, tmp_path: Path) -> None:
    data = load_data(processed_export(twins(tmp_path / "export", task)))
    (samples,) = data.samples
    assert samples.pairs is not None
    torch.manual_seed(0)
    rows = samples.splits["train"]
    batches = list(shuffled(rows, samples.pairs, 7))
    assert torch.equal(torch.cat(batches).sort().values, rows.sort().values)
    assert max(map(len, batches)) <= min(map(len, batches)) + 4
    owners = [set(samples.pairs[batch].tolist()) for batch in batches]
    assert sum(map(len, owners)) == len(set().union(*owners))
    torn = [set(samples.pairs[batch].tolist()) for batch in shuffled(rows, None, 7)]
    assert sum(map(len, torn)) > len(set().union(*torn))


def test_twins_tell_nothing(tmp_path: Path) -> None:
    """The values are random but for their twins: only a leak predicts them."""
    folder = processed_export(twins(tmp_path / "export", Task.EDGE_REGRESSION))
    assert measured(load_data(folder)) < 0.1
    torn = processed_export(twins(tmp_path / "torn", Task.EDGE_REGRESSION), split={"keep_pairs": False})
    assert measured(load_data(torn)) > 0.5


def measured(data: TrainingData) -> float:
    """Return r2 on the held-out edges."""
    values = {"num_hidden": 16, "num_epochs": 60, "batch_size": 64, "num_layer": 1, "dropout": 0.0}
    hp = Hyperparameters(**values, layer_norm=False, use_edge_labels=True, enable_early_stop=False)  # type: ignore[arg-type]
    fit = Trainer(data, hp, Goal("mse"), seed=0).fit(silent)
    return Evaluator(data, fit.model.graph(data)).measure(fit.model, ["test"])["test"]["r2"]


# held-out nodes


@pytest.mark.parametrize("task", Task)
def test_nodes_that_are_held_out_change_nothing(task: Task, folder: Path) -> None:
    data = load(folder / f"{task}-inductive", task, "inductive")
    before = learnt(data)
    assert same(learnt(disturbed(data)), before)
    assert not same(learnt(dataclasses.replace(disturbed(data), held_out=())), before)


def disturbed(data: TrainingData) -> TrainingData:
    """Return the data with other features of the held-out nodes, and other ends of their edges."""
    held = data.held_out[0]
    assert held is not None
    features = {name: torch.where(held[:, None], 1e3, values) for name, values in data.features[0].items()}
    unseen = torch.nonzero(held)[:, 0]
    relations = []
    for relation in data.relations:
        sources, targets = relation.sources.clone(), relation.targets.clone()
        for kind, rows in ((relation.source_type, sources), (relation.target_type, targets)):
            if kind == 0:
                rows[held[rows]] = unseen[0]
        relations.append(dataclasses.replace(relation, sources=sources, targets=targets))
    return dataclasses.replace(data, features=(features, *data.features[1:]), relations=tuple(relations))


# later edges


@pytest.mark.parametrize("task", Task)
def test_edges_that_are_later_change_nothing(task: Task, folder: Path) -> None:
    data = load(folder / task, task, None)
    hidden = dataclasses.replace(data, later=tuple(later_context(data)))
    before = learnt(hidden)
    assert same(learnt(turned(hidden)), before)
    assert not same(learnt(dataclasses.replace(turned(hidden), later=())), before)


def later_context(data: TrainingData) -> Iterable[Tensor]:
    """Call every second edge of each type later that nothing is learnt from."""
    for position in range(len(data.processed.schema.edges)):
        relation = next(one for one in data.relations if one.edge_type == position)
        later = torch.arange(len(relation.sources)) % 2 == 0
        for samples in data.samples:
            if not data.task.on_nodes and samples.position == position:
                later[samples.splits["train"]] = False
        yield later


def turned(data: TrainingData) -> TrainingData:
    """Return the data with other sources of the later edges."""
    relations = []
    for relation in data.relations:
        later = data.later[relation.edge_type]
        assert later is not None
        sources = torch.where(later, 0, relation.sources)
        relations.append(dataclasses.replace(relation, sources=sources))
    return dataclasses.replace(data, relations=tuple(relations))
