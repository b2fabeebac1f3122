"""What a training is told to cost before it begins: what counts, and that it is what the training then does."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, Task
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.cost import Cost, cost_of
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.loop import LEAST_STEPS, Trainer
from neptuneml_plugin.training.models import rules
from neptuneml_plugin.training.models.items import MAX_ITEMS
from neptuneml_plugin.training.presets import fitting
from neptuneml_plugin.training.search.configuration import read_configuration
from neptuneml_plugin.training.stopping import Goal
from tests.training.graphs import processed


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Task, Path]:
    return {task: processed(tmp_path_factory.mktemp(task), task, nodes=60) for task in Task}


def cost(folder: Path, goal: Goal | None = None, model: str = "rgcn", **values: Any) -> Cost:
    data = load_data(folder)
    chosen = hyperparameters.build({name.replace("_", "-"): value for name, value in values.items()}, model)
    return cost_of(data, chosen, goal or Goal("acc"), model)


@pytest.mark.parametrize("task", list(Task))
def test_an_epoch_has_as_many_steps_as_it_is_told(folders: Mapping[Task, Path], task: Task) -> None:
    data = load_data(folders[task])
    space = read_configuration(folders[task] / HPO_CONFIGURATION, data.processed)
    for preset in fitting(data, space.model):
        own = preset.applied(space)
        chosen = hyperparameters.build(own.defaults(), own.model)
        trainer = Trainer(data, chosen, own.goal, seed=0, model=own.model)
        told = cost_of(data, chosen, own.goal, own.model)
        assert told.steps == len(trainer._objective.batches())
        assert told.step > told.evaluation / 3 > 0
        assert told == cost_of(data, chosen, own.goal, own.model)


def test_what_makes_a_step_dearer(folders: Mapping[Task, Path]) -> None:
    nodes, edges, links = (folders[task] for task in (Task.NODE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION))
    plain = cost(nodes)
    dearer: Mapping[str, Any] = {
        "num_layer": 3, "num_hidden": 128, "use_edge_features": True, "structural_features": 32,
        "feature_dropout": 0.5, "number_bins": 16, "own_features": True,
    }  # fmt: skip
    for name, value in dearer.items():
        assert cost(nodes, **{name: value}).step > plain.step, name
    cheaper: Mapping[str, Any] = {
        "concat_node_embed": False, "diagonal_relations": True, "use_self_loop": False, "restart": 0.1,
    }  # fmt: skip
    for name, value in cheaper.items():
        assert cost(nodes, **{name: value}).step < plain.step, name
    assert cost(edges, use_edge_labels=True).step > cost(edges).step
    assert cost(links, separate_roles=True).step > cost(links).step
    wider: Mapping[str, Any] = {"use_edge_features": True, "edge_num_hidden": 64}
    assert cost(nodes, **wider).step > cost(nodes, use_edge_features=True).step
    both = cost(nodes, own_features=True, number_bins=16).step
    assert both > cost(nodes, own_features=True).step + cost(nodes, number_bins=16).step - plain.step
    assert cost(edges, own_features=True).step == cost(edges).step
    assert cost(nodes, num_layer=4).step - cost(nodes, num_layer=3).step == pytest.approx(
        cost(nodes, num_layer=3).step - plain.step
    )


def test_a_graph_of_more_edges_costs_more(folders: Mapping[Task, Path]) -> None:
    data = load_data(folders[Task.NODE_CLASS])
    chosen, goal = hyperparameters.build({}), Goal("acc")
    sparse = dataclasses.replace(
        data, relations=tuple(dataclasses.replace(r, sources=r.sources[:1]) for r in data.relations)
    )
    assert cost_of(sparse, chosen, goal).epoch < cost_of(data, chosen, goal).epoch
    few = dataclasses.replace(chosen, fanout=(1,))
    assert cost_of(data, few, goal, sampled=True).step < cost_of(data, few, goal).step


def test_the_shortest_training_is_that_which_may_stop_first(folders: Mapping[Task, Path]) -> None:
    edges = folders[Task.EDGE_CLASS]
    steps = cost(edges).steps
    assert steps == 10
    assert cost(edges).least_epochs == LEAST_STEPS // steps
    assert cost(edges, num_epochs=7).least_epochs == 7
    assert cost(edges, window_for_early_stop=15).least_epochs == 30
    assert cost(edges, Goal("acc", every_epochs=5)).least_epochs == 30
    assert cost(edges, Goal("acc", every_part=0.5)).evaluations == 2
    assert cost(edges, enable_early_stop=False).least_epochs == 100
    whole = cost(edges)
    assert whole.least == whole.least_epochs * (whole.steps * whole.step + whole.evaluation)


def test_knowledge_graph_models_pass_no_messages(folders: Mapping[Task, Path]) -> None:
    links = folders[Task.LINK_PREDICTION]
    of_embeddings = cost(links, Goal("mrr"), "complex")
    assert of_embeddings == cost(links, Goal("mrr"), "distmult")
    assert of_embeddings.step < cost(links, Goal("mrr")).step


def test_parts_of_ease_cost_once_and_whenever_a_training_pauses(folders: Mapping[Task, Path]) -> None:
    links, goal = folders[Task.LINK_PREDICTION], Goal("mrr")
    plain, whole = cost(links, goal), cost(links, goal, item_item=True)
    assert (plain.start, plain.ending) == (0, 0)
    assert min(whole.start, whole.ending) > 0
    assert whole.epoch == plain.epoch
    assert whole.least == pytest.approx(plain.least + whole.start + whole.ending)
    assert whole.of(0) == 0
    assert whole.of(3) == pytest.approx(plain.of(3) + whole.ending)
    assert cost(folders[Task.NODE_CLASS], item_item=True).start == 0
    data, chosen = load_data(links), hyperparameters.build({"item-item": True})
    many = dataclasses.replace(data, counts=tuple(MAX_ITEMS + 1 for _ in data.counts))
    assert cost_of(many, chosen, goal).start == 0
    more = dataclasses.replace(data, counts=tuple(2 * count for count in data.counts))
    assert cost_of(more, chosen, goal).start > whole.start


def test_rules_cost_what_their_paths_do(folders: Mapping[Task, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    links, goal = folders[Task.LINK_PREDICTION], Goal("mrr")
    plain, whole = cost(links, goal, "complex"), cost(links, goal, "complex", mined_rules=True)
    assert (plain.start, plain.ending) == (0, 0)
    assert min(whole.start, whole.ending) > 0
    assert whole.epoch == plain.epoch
    both = cost(links, goal, item_item=True, mined_rules=True)
    items = cost(links, goal, item_item=True)
    assert both.start == pytest.approx(items.start + whole.start)
    assert both.ending > items.ending
    assert cost(folders[Task.NODE_CLASS], mined_rules=True).start == 0
    monkeypatch.setattr(rules, "MOST_PATHS", 1)
    assert cost(links, goal, "complex", mined_rules=True) == plain
