"""The recommended instance holds what a training takes."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeSchema, EdgeType, FeatureSchema, GraphSchema, NodeType
from neptuneml_plugin.processing.reports.instances import (
    BASE_BYTES,
    INSTANCES,
    instance_recommendation,
    training_bytes,
)

RATED = EdgeType("user", "rated", "movie")


def graph(nodes: int, edges: int, width: int = 8) -> GraphSchema:
    features = (FeatureSchema("f", "numerical", width),)
    return GraphSchema((NodeType("user", nodes, features=features),), (EdgeSchema(RATED, edges),))


def test_a_small_graph_fits_the_smallest_instance() -> None:
    document = instance_recommendation(graph(3_000, 50_000))
    assert document["instance"] == document["cpu_instance"] == "ml.r5.large"
    assert BASE_BYTES < int(document["mem_size"]) < 2 << 30
    assert document["note"].startswith("estimates of a training")


@pytest.mark.parametrize(
    ("edges", "measured_mb"),
    [
        (100_000, 856),  # classes of vertices, preset rgcn
        (100_000, 1000),  # edges
        (100_000, 1022),  # values of edges
        (100_000, 1090),  # links
        (1_000_000, 1951),  # classes of vertices, preset rgcn
        (1_000_000, 2136),  # values of edges
        (10_000_000, 6626),  # classes of vertices, preset rgcn
    ],
)
def test_estimates_are_near_what_was_measured(edges: int, measured_mb: int) -> None:
    """Figures of `tests.benchmarks.training_memory`, whose vertices have 65 columns of features."""
    item = EdgeType("item", "linked", "item")
    features = (FeatureSchema("f", "numerical", 65),)
    schema = GraphSchema(
        (NodeType("item", edges // 10, features=features),),
        (EdgeSchema(item, edges, (FeatureSchema("weight", "numerical", 1),)),),
    )
    assert 0.95 * measured_mb * 1e6 < training_bytes(schema) < 1.3 * measured_mb * 1e6


@pytest.mark.parametrize("measured_mb", [1772, 2007])  # classes of vertices, presets rgcn and features
def test_numbers_are_put_into_bins(measured_mb: int) -> None:
    """Of 200,000 vertices with ten numbers each, trained as `tests.benchmarks.training_memory` does it."""
    numbers = tuple(FeatureSchema(f"f{at}", "numerical", 1) for at in range(10))
    person = NodeType("user", 200_000, features=numbers)
    edges = (EdgeSchema(EdgeType("user", "knows", "user"), 400_000),)
    assert measured_mb * 1e6 < training_bytes(GraphSchema((person,), edges)) < 1.35 * measured_mb * 1e6
    joined = dataclasses.replace(person, features=(FeatureSchema("f", "numerical", 10),))
    assert training_bytes(GraphSchema((joined,), edges)) < 2007e6  # which are in no bins


def test_what_fits_nowhere_takes_the_largest() -> None:
    assert instance_recommendation(graph(10**10, 10**11))["instance"] == "ml.r5.24xlarge"


@given(st.integers(0, 10**8), st.integers(0, 10**9), st.integers(1, 500))
def test_memory_fits_the_instance_and_grows_with_the_graph(nodes: int, edges: int, width: int) -> None:
    schema = graph(nodes, edges, width)
    document = instance_recommendation(schema)
    gib = next(size for size, name in INSTANCES.items() if name == document["instance"])
    assert training_bytes(schema) <= gib << 30 or gib == max(INSTANCES)
    assert training_bytes(graph(nodes + 1, edges + 1, width)) > training_bytes(schema)
