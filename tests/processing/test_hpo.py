"""The generated search: form, defaults by task and size, metric by balance."""

from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import (
    KGE_MODELS,
    EdgeSchema,
    EdgeType,
    FeatureSchema,
    GraphSchema,
    NodeType,
    Target,
    Task,
)
from neptuneml_plugin.processing.labels import Labels
from neptuneml_plugin.processing.reports import kge
from neptuneml_plugin.processing.reports.hpo import hpo_configurations, with_preset
from neptuneml_plugin.processing.splits.split import Split
from neptuneml_plugin.processing.target import Answers

TIERS = ("1-tier-param", "2-tier-param", "3-tier-param", "fixed-param")


def answers(task: Task, values: Any = None, rows: int = 100) -> Answers:
    labels = None
    if values is not None:
        array = np.array(values)
        rows = len(array)
        labels = Labels(array, np.ones(rows, dtype=bool), "String", multi_label=array.ndim == 2)
    none = np.zeros(rows, dtype=bool)
    return Answers(task, Target(), (1.0, 0.0, 0.0), {"a": Split(~none, none, none)}, labels)


def schema(nodes: int, *, features: bool = True, edge_features: bool = False) -> GraphSchema:
    given = (FeatureSchema("age", "numerical", 1, "age"),)
    edge = EdgeSchema(EdgeType("person", "went", "place"), 1, given if edge_features else ())
    people = NodeType("person", nodes, features=given if features else ())
    return GraphSchema((people, NodeType("place", 0)), (edge,))


def model(given: Answers, nodes: int = 10, name: str = "rgcn") -> dict[str, Any]:
    (only,) = hpo_configurations(given, schema(nodes))[name]["models"]
    return dict(only)


def parameter(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [p for tier in TIERS for p in document[tier] if p["param"] == name]
    return dict(found)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("featured", [True, False])
def test_features_of_edges_are_a_choice_where_there_are_some(task: Task, *, featured: bool) -> None:
    given = answers(task, None if task is Task.LINK_PREDICTION else [0, 1])
    (document,) = hpo_configurations(given, schema(2, edge_features=featured))["rgcn"]["models"]
    switch = {"param": "use-edge-features", "type": "bool", "default": False}
    assert (switch in document["fixed-param"]) == featured


def test_form() -> None:
    document = model(answers(Task.NODE_CLASS, [0, 1]))
    assert list(document) == ["model", "task_type", "eval_metric", "eval_frequency", *TIERS]
    assert (document["model"], document["task_type"]) == ("rgcn", "node_class")
    for tier in TIERS:
        for entry in document[tier]:
            assert entry["type"] in {"int", "float", "bool"}
            assert "default" in entry
            assert not {"range", "options"} <= entry.keys()
            if "range" in entry:
                assert entry["range"][0] <= entry["default"] <= entry["range"][1]


@pytest.mark.parametrize(
    ("given", "metric"),
    [
        (answers(Task.NODE_CLASS, [0] * 10 + [1]), "acc"),
        (answers(Task.NODE_CLASS, [0] * 11 + [1]), "F1"),
        (answers(Task.EDGE_CLASS, [0, 1, 2]), "acc"),
        (answers(Task.NODE_CLASS, [[0.0, 1.0], [1.0, 1.0]]), "roc_auc"),
        (answers(Task.NODE_REGRESSION, [0.5, 1.0]), "mse"),
        (answers(Task.EDGE_REGRESSION, [0.5, 1.0]), "mse"),
        (answers(Task.LINK_PREDICTION), "mrr"),
    ],
)
def test_metric(given: Answers, metric: str) -> None:
    assert model(given)["eval_metric"] == {"metric": metric}


@pytest.mark.parametrize(
    ("rows", "size"), [(1, 128), (1280, 128), (3000, 256), (20_480, 2048), (10_000_000, 8192)]
)
def test_batches_make_about_ten_steps(rows: int, size: int) -> None:
    assert parameter(model(answers(Task.LINK_PREDICTION, rows=rows)), "batch-size")["default"] == size


@pytest.mark.parametrize(("nodes", "most"), [(10, 200), (1_000_000, 200), (3_000_000, 600)])
def test_range_of_epochs_is_written_resolved(nodes: int, most: int) -> None:
    entry = parameter(model(answers(Task.LINK_PREDICTION), nodes), "num-epochs")
    assert entry["range"] == [20, most]
    assert "node_strategy" not in entry


def test_parameters_of_a_task() -> None:
    def names(task: Task) -> set[str]:
        return {
            entry["param"]
            for entry in model(answers(task, None if task is Task.LINK_PREDICTION else [0, 1]))["fixed-param"]
        }

    assert names(Task.LINK_PREDICTION) - names(Task.NODE_REGRESSION) == {
        "num-negs",
        "neg-share",
        "regularization-coef",
    }
    assert names(Task.NODE_CLASS) - names(Task.NODE_REGRESSION) == {"use-class-weight"}


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("features", [True, False])
def test_the_first_model_is_rgcn_unless_links_have_no_properties(task: Task, *, features: bool) -> None:
    given = answers(task, None if task is Task.LINK_PREDICTION else [0, 1])
    found = list(hpo_configurations(given, schema(5, features=features)))
    links = task is Task.LINK_PREDICTION
    assert set(found) == ({"rgcn", *KGE_MODELS} if links else {"rgcn"})
    assert found[0] == ("complex" if links and not features else "rgcn")


@pytest.mark.parametrize(("task", "name"), [(Task.NODE_CLASS, "rgcn"), (Task.LINK_PREDICTION, "complex")])
def test_the_form_of_the_model_is_chosen_by_training(task: Task, name: str) -> None:
    document = {"models": [model(answers(task, None if task is Task.LINK_PREDICTION else [0, 1]), name=name)]}
    (chosen,) = with_preset(document)["models"]
    assert list(chosen)[:2] == ["model", "preset"]
    assert chosen == document["models"][0] | {"preset": "auto"}


@pytest.mark.parametrize("name", KGE_MODELS)
def test_form_of_a_knowledge_graph_model(name: str) -> None:
    document = model(answers(Task.LINK_PREDICTION), name=name)
    assert list(document) == ["model", "task_type", "eval_metric", "eval_frequency", *TIERS]
    assert (document["model"], document["eval_metric"]) == (name, {"metric": "mrr"})
    every = [entry for tier in TIERS for entry in document[tier]]
    assert len({entry["param"] for entry in every}) == len(every)
    for entry in every:
        if "range" in entry:
            assert entry["range"][0] <= entry["default"] <= entry["range"][1]
        assert entry["default"] in entry.get("options", [entry["default"]])
    assert set(kge.DEFAULTS) == set(KGE_MODELS)


@pytest.mark.parametrize(("vertices", "width"), [(10_000, 512), (10_001, 256), (100_001, 128)])
def test_small_graphs_have_wide_vectors(vertices: int, width: int) -> None:
    given = answers(Task.LINK_PREDICTION)
    assert parameter(model(given, vertices, "complex"), "num-hidden")["default"] == width
    assert parameter(model(given, vertices, "rotate"), "num-hidden")["default"] == 128
