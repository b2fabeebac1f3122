"""The member `subgraph` of a request: what is read, and what is refused."""

from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.export.request.selection import Selected, Selection
from neptuneml_plugin.export.request.subgraph import Direction, NamedSeeds, Subgraph

SEEDS = "has('code', 'ATL')"


def read(**params: Any) -> Subgraph | None:
    return read_request(ExportConfig(gremlin="ws://unused", request={"params": params})).subgraph


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"seeds": SEEDS}, Subgraph(SEEDS)),
        ({"seeds": SEEDS, "hops": 0}, Subgraph(SEEDS, hops=0)),
        (
            {"seeds": {"label": "B::A", "ids": [1, "x", "1"]}, "hops": "2", "direction": "in"},
            Subgraph(NamedSeeds("A;B", ("1", "x")), hops=2, direction=Direction.IN),
        ),
        (
            {"seeds": SEEDS, "nodeLabels": ["a", ["c", "b"]], "edgeLabels": "e", "limitPerHop": 5, "seed": 3},
            Subgraph(
                SEEDS,
                nodes=Selection((Selected("a"), Selected("b;c"))),
                edges=Selection((Selected("e"),)),
                limit_per_hop=5,
                seed=3,
            ),
        ),
    ],
)
def test_a_subgraph_is_read(value: dict[str, Any], expected: Subgraph) -> None:
    assert read(subgraph=value) == expected


def test_none_is_none() -> None:
    assert read() is None
    assert read(subgraph=None) is None


TRIPLE = {"~fromLabels": ["a"], "~label": "e", "~toLabels": ["b"]}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"subgraph": 5}, "params.subgraph: must be an object with 'seeds' and 'hops', not 5"),
        ({"subgraph": {}}, "params.subgraph.seeds: is required"),
        ({"subgraph": {"seeds": SEEDS, "hop": 1}}, "params.subgraph.hop: unknown member (did you mean 'hops'?)"),
        ({"subgraph": {"seeds": SEEDS, "hops": -1}}, "params.subgraph.hops: must be a whole number of at least 0"),
        ({"subgraph": {"seeds": SEEDS, "direction": "up"}}, "params.subgraph.direction: must be one of both, out"),
        ({"subgraph": {"seeds": SEEDS, "limitPerHop": 0}}, "params.subgraph.limitPerHop: must be a whole number"),
        ({"subgraph": {"seeds": "g.V().has('a')"}}, "params.subgraph.seeds: must be steps without a source"),
        ({"subgraph": {"seeds": "drop()"}}, "params.subgraph.seeds: 'drop()' calls 'drop'"),
        ({"subgraph": {"seeds": {"label": "a"}}}, "params.subgraph.seeds.ids: must be one or more ids"),
        ({"subgraph": {"seeds": {"label": "a", "ids": [True]}}}, "params.subgraph.seeds.ids: must be one or more"),
        ({"subgraph": {"seeds": {"ids": [1]}}}, "params.subgraph.seeds.label: must be a label, not None"),
        ({"subgraph": {"seeds": SEEDS, "edgeLabels": [TRIPLE]}}, "params.subgraph.edgeLabels: must be plain"),
        ({"subgraph": {"seeds": SEEDS}, "scope": "edges"}, "params.scope: must not be 'edges' beside 'subgraph'"),
        ({"subgraph": {"seeds": SEEDS}, "gremlinFilter": "has('a')"}, "params.gremlinFilter: stands beside"),
    ],
)  # fmt: skip
def test_a_wrong_subgraph_is_refused(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(**params)
    assert any(text.startswith(problem) for text in caught.value.problems), caught.value.problems
