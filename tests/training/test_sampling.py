"""Sampled neighbourhoods: all edges are the whole graph, few are right on average, left-out ones never travel."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.evaluation.metrics import HIGHER_IS_BETTER
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.models.encoder import Vectors
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.models.structure import set_structure
from neptuneml_plugin.training.models.votes import set_votes
from neptuneml_plugin.training.objectives import DrawnLinks, Setting, objective_of
from neptuneml_plugin.training.sampling import NeighbourSampler
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.tasks import KINDS, answer_of
from tests.training.graphs import processed, stir

#: More than any node of the planted graph has.
ALL = 1000
CASES: Mapping[str, tuple[Task, Mapping[str, Any]]] = {
    "nodes": (Task.NODE_CLASS, {}),
    "bases, one layer": (Task.NODE_REGRESSION, {"num-bases": 2, "num-layer": 1}),
    "links": (Task.LINK_PREDICTION, {}),
    "symmetric": (Task.LINK_PREDICTION, {"symmetric-norm": True}),
    "roles": (Task.LINK_PREDICTION, {"separate-roles": True, "num-layer": 1, "use-self-loop": False}),
    "structure": (Task.NODE_CLASS, {"structural-features": 4, "concat-node-embed": False}),
    "votes": (Task.NODE_REGRESSION, {"label-votes": True, "diagonal-relations": True}),
    "propagation": (Task.NODE_CLASS, {"restart": 0.2, "num-layer": 3}),
    "own features": (Task.NODE_CLASS, {"own-features": True, "number-bins": 4, "label-votes": True}),
    "labels": (Task.EDGE_REGRESSION, {"use-edge-labels": True, "symmetric-norm": True, "feature-self-loop": True}),
    "class labels": (Task.EDGE_CLASS, {"use-edge-labels": True}),
    "edge features": (Task.LINK_PREDICTION, {"use-edge-features": True, "symmetric-norm": True}),
    "little memory": (Task.EDGE_REGRESSION, {"use-edge-labels": True, "use-edge-features": True, "low-mem": True}),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Task, Path]:
    return {
        task: processed(tmp_path_factory.mktemp(task.value), task) for task in {case[0] for case in CASES.values()}
    }


def model_of(folder: Path, values: Mapping[str, Any]) -> tuple[Model, TrainingData]:
    torch.manual_seed(0)
    data = load_data(folder)
    model = Model(data.processed, hyperparameters.build({"num-hidden": 8} | dict(values))).eval()
    model.encoder.fit_bins(data.features)
    set_structure(model, data)
    set_votes(model.encoder, data)
    stir(model)
    return model, data


def embedded(
    model: Model, data: TrainingData, nodes: dict[int, Tensor], fanout: int, left_out: Mapping[int, Tensor]
) -> Vectors:
    sampler = NeighbourSampler(model.graph(data), data, [fanout] * len(model.encoder.layers))
    around = sampler.around(nodes, left_out)
    encoder, none = model.encoder, torch.zeros(0, dtype=torch.int64)
    joined = encoder.joined_of([nodes.get(kind, none) for kind in range(len(data.counts))])
    return encoder.along(
        around.hops, encoder.structured(around.features(data), around.rows), encoder.learned(around.rows), joined
    )


@pytest.mark.parametrize("every", [None, 3])
@pytest.mark.parametrize("case", CASES)
def test_all_neighbours_drawn_give_the_embeddings_of_the_whole_graph(
    case: str, every: int | None, folders: Mapping[Task, Path]
) -> None:
    task, values = CASES[case]
    model, data = model_of(folders[task], values)
    samples = data.samples[0]
    left_out = {} if every is None or task.on_nodes else {samples.position: samples.splits["train"][::every]}
    whole = model.encoder(data.features, model.graph(data).messages(left_out))
    nodes = {kind: torch.randperm(count)[:7] for kind, count in enumerate(data.counts)}
    found = embedded(model, data, nodes, ALL, left_out)
    for kind, rows in nodes.items():
        torch.testing.assert_close(found[kind], whole[kind][rows], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("task", "values"),
    [
        (Task.LINK_PREDICTION, {}),
        (Task.LINK_PREDICTION, {"symmetric-norm": True}),
        (Task.NODE_CLASS, {"restart": 0.2}),
    ],
)
def test_a_few_neighbours_are_right_on_average(
    task: Task, values: dict[str, Any], folders: Mapping[Task, Path]
) -> None:
    model, data = model_of(folders[task], {"layer-norm": False, "num-layer": 1} | values)
    nodes = {0: torch.arange(20)}
    expected = embedded(model, data, nodes, ALL, {})[0]
    drawn = torch.stack([embedded(model, data, nodes, 2, {})[0] for _ in range(200)])
    error = drawn.mean(0) - expected
    spread = drawn.std(0) / 200**0.5
    assert bool((drawn.std(0) > 0).any())
    assert bool((error.abs() <= 5 * spread + 1e-4).all())


def test_a_seed_draws_the_same_in_the_same_order(folders: Mapping[Task, Path]) -> None:
    model, data = model_of(folders[Task.NODE_CLASS], {})
    sampler = NeighbourSampler(model.graph(data), data, [ALL, ALL])
    drawn = []
    for _ in range(10):
        torch.manual_seed(0)
        around = sampler.around({0: torch.arange(20)})
        messages = [each for hop in around.hops for each in hop.messages]
        drawn.append([*around.rows, *(each.aggregate(torch.eye(_sources(each))) for each in messages)])
    for other in drawn[1:]:
        torch.testing.assert_close(other, drawn[0], atol=0, rtol=0)


def _sources(messages: Any) -> int:
    return int(messages._forward.shape[1])


def test_no_node_is_computed_that_nobody_needs(folders: Mapping[Task, Path]) -> None:
    model, data = model_of(folders[Task.NODE_CLASS], {})
    sampler = NeighbourSampler(model.graph(data), data, [1, 1])
    around = sampler.around({0: torch.tensor([5])})
    relations = len(data.relations)
    assert sum(map(len, around.rows)) <= (1 + relations) ** 2
    assert around.hops[-1].kept == [slice(1), slice(0)]


def test_edges_under_prediction_and_of_other_parts_are_never_drawn(folders: Mapping[Task, Path]) -> None:
    model, data = model_of(folders[Task.LINK_PREDICTION], {"num-layer": 1})
    samples = data.samples[0]
    unseen = torch.cat([samples.splits[part] for part in ("valid", "test", "train")])[::2]
    left_out = unseen[torch.isin(unseen, samples.splits["train"])]
    sampler = NeighbourSampler(model.graph(data), data, [ALL])
    nodes = {0: torch.arange(data.counts[0])}
    around = sampler.around(nodes, {samples.position: left_out})
    carried = [int(messages._forward._nnz()) for messages in around.hops[0].messages]  # type: ignore[attr-defined]
    training = len(samples.splits["train"]) - len(left_out)
    at = [at for at, relation in enumerate(data.relations) if relation.edge_type == samples.position]
    assert [carried[position] for position in at] == [training, training]


@pytest.mark.parametrize(
    "case", ["nodes", "labels", "symmetric", "roles", "structure", "edge features", "little memory"]
)
def test_a_batch_teaches_the_same_where_all_neighbours_are_drawn(case: str, folders: Mapping[Task, Path]) -> None:
    task, values = CASES[case]
    model, data = model_of(folders[task], values)
    graph = model.graph(data)
    gradients = []
    for sampler in (None, NeighbourSampler(graph, data, [ALL, ALL][: len(model.encoder.layers)])):
        setting = Setting(model, data, graph, model.hyperparameters, sampler)
        model.zero_grad()
        batch = {0: data.samples[0].splits["train"][:20]}
        objective = DrawnLinks(setting) if task is Task.LINK_PREDICTION else objective_of(setting)
        torch.manual_seed(1)
        torch.autograd.backward([objective.loss(batch)])
        gradients.append(
            {name: value.grad.to_dense() for name, value in model.named_parameters() if value.grad is not None}
        )
    whole, drawn = gradients
    assert whole.keys() == drawn.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(drawn[name], gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("task", list(Task))
def test_drawn_neighbourhoods_learn_as_well(task: Task, tmp_path: Path) -> None:
    values = {"num-epochs": 60, "fanout": 4, "num-negs": 64, "batch-size": 512, "num-hidden": 16}
    data = load_data(processed(tmp_path, task, nodes=300, values=values))
    chosen = hyperparameters.build(values | {"dropout": 0.1})
    goal = Goal(KINDS[answer_of(task, data.processed.target)].metric)
    reached = {}
    for sampled in (False, True):
        fit = Trainer(data, chosen, goal, seed=0, sampled=sampled).fit(silent)
        reached[sampled] = Evaluator(data, fit.model.graph(data)).measure(fit.model, ["valid"])["valid"][
            goal.metric
        ]
    better = reached[False] * (0.9 if HIGHER_IS_BETTER[goal.metric] else 1.25)
    assert not goal.better(better, reached[True]), reached
