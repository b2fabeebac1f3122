from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import EdgeSchema, EdgeType, FeatureSchema, Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.endpoints.inductive import Inductive, inductive, per_hop
from neptuneml_plugin.service.endpoints.record import NO_OPTIONS, EndpointOptions
from tests.made_artifacts import RATED, Made, make_artifact

CONFIG = ServiceConfig(Path("/data"))


def described(folder: Path, options: EndpointOptions = NO_OPTIONS, **made: Any) -> Inductive | None:
    return inductive(make_artifact(folder, Made(**made)), options, CONFIG)


@pytest.mark.parametrize(
    ("hyperparameters", "fanouts", "expected"),
    [
        ({"num-layer": 2, "fanout": []}, None, (10, 10)),
        ({"num-layer": 3, "fanout": []}, None, (10, 10, 10)),
        ({"num-layer": 2, "fanout": [15, 7]}, None, (15, 7)),
        ({"num-layer": 3, "fanout": [15, 7]}, None, (15, 7, 7)),
        ({"num-layer": 1, "fanout": [15, 7]}, None, (15,)),
        ({"num-layer": 2, "fanout": [15, 7]}, (3,), (3, 3)),
        ({"num-layer": 2, "fanout": []}, (3, 4, 5), (3, 4)),
    ],
)
def test_one_fan_out_per_hop(
    tmp_path: Path, hyperparameters: dict[str, Any], fanouts: tuple[int, ...] | None, expected: tuple[int, ...]
) -> None:
    gathered = described(tmp_path, EndpointOptions(fanouts=fanouts), hyperparameters=hyperparameters)
    assert gathered is not None
    assert gathered.fanouts == expected


def test_settings_of_the_service(tmp_path: Path) -> None:
    manifest = make_artifact(tmp_path, Made(hyperparameters={"num-layer": 2, "fanout": []}))
    gathered = inductive(manifest, NO_OPTIONS, replace(CONFIG, inductive_fanout=4, max_new_candidates=7))
    assert gathered is not None
    assert (gathered.fanouts, gathered.max_new_candidates) == ((4, 4), 7)


def test_properties_are_those_that_features_are_encoded_from_each_once(tmp_path: Path) -> None:
    user = tuple(FeatureSchema(f"f{column}", "numerical", 1, column) for column in ("age", "name", "age", ""))
    edge = (FeatureSchema("since", "datetime", 1, "since"),)
    gathered = described(tmp_path, user_features=user, edge_features=edge)
    assert gathered is not None
    assert gathered.nodes == (("user", ("age", "name")), ("movie", ()))
    assert gathered.edges == ((RATED, ()),), "no model reads features of edges"


@pytest.mark.parametrize(
    ("task", "labels", "properties"),
    [
        (Task.EDGE_CLASS, True, ("score",)),
        (Task.EDGE_REGRESSION, True, ("score",)),
        (Task.EDGE_CLASS, False, ()),
        (Task.LINK_PREDICTION, True, ()),
        (Task.NODE_CLASS, True, ()),
    ],
)
def test_the_target_is_read_where_labels_travel(
    tmp_path: Path,
    task: Task,
    labels: bool,  # noqa: FBT001
    properties: tuple[str, ...],
) -> None:
    gathered = described(tmp_path, task=task, hyperparameters={"use-edge-labels": labels})
    assert gathered is not None
    assert gathered.edges == ((RATED, properties),)


def test_a_target_that_is_a_feature_too_is_named_once(tmp_path: Path) -> None:
    edge = (FeatureSchema("score", "numerical", 1, "score"),)
    gathered = described(
        tmp_path, task=Task.EDGE_CLASS, hyperparameters={"use-edge-labels": True}, edge_features=edge
    )
    assert gathered is not None
    assert gathered.edges == ((RATED, ("score",)),)


def test_other_models_cannot_be_asked(tmp_path: Path) -> None:
    assert described(tmp_path, model="custom") is None


def test_knowledge_graph_embeddings_read_the_neighbours_of_new_vertices_alone(tmp_path: Path) -> None:
    gathered = described(tmp_path, task=Task.LINK_PREDICTION, model="transe", hyperparameters={"num-hidden": 8})
    assert gathered is not None
    assert len(gathered.fanouts) == 1


@pytest.mark.parametrize(
    ("fanouts", "hops", "expected"), [((1,), 3, (1, 1, 1)), ((1, 2), 2, (1, 2)), ((1, 2), 1, (1,)), ((5,), 0, ())]
)
def test_fan_outs_by_the_rule(fanouts: tuple[int, ...], hops: int, expected: tuple[int, ...]) -> None:
    assert per_hop(fanouts, hops) == expected


def test_edges_that_processing_built_are_not_asked_for(tmp_path: Path) -> None:
    manifest = make_artifact(tmp_path, Made(hyperparameters={"num-layer": 2}))
    alike = EdgeSchema(EdgeType("movie", "similarTo", "movie"), 3, built=True)
    schema = replace(manifest.schema, edges=(*manifest.schema.edges, alike))
    gathered = inductive(replace(manifest, schema=schema), NO_OPTIONS, CONFIG)
    assert gathered is not None
    assert [kind for kind, _ in gathered.edges] == [RATED]
