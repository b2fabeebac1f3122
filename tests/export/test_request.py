"""The request document: what it selects, records and refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidSettings, UnsupportedOperation
from neptuneml_plugin.export.request import ExportRequest, read_request
from neptuneml_plugin.export.selection import Selected, Selection


def read(request: dict[str, Any], **flags: Any) -> ExportRequest:
    return read_request(ExportConfig(gremlin="ws://unused", request=request, **flags))


def problems_of(request: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        read(request)
    return caught.value.problems


def labels(selection: Selection | None) -> list[str] | None:
    return None if selection is None else [entry.label for entry in selection.entries]


def test_an_empty_request_means_everything_and_one_configuration() -> None:
    request = read({})
    assert (labels(request.selections.nodes), labels(request.selections.edges)) == ([], [])
    assert [(job.name, job.targets) for job in request.jobs] == [("training-data-configuration", ())]


@pytest.mark.parametrize(
    ("params", "flags", "nodes", "edges"),
    [
        ({"nodeLabels": ["a", "b"]}, {}, ["a", "b"], []),
        ({"nodeLabel": "a", "edgeLabel": "x"}, {}, ["a"], ["x"]),
        ({"nodeLabels": ["Person::Admin"]}, {}, ["Admin;Person"], []),
        ({"scope": "nodes", "edgeLabels": ["x"]}, {}, [], None),
        ({"scope": "edges", "nodeLabels": ["a"]}, {}, None, []),
        ({"nodeLabels": ["a"]}, {"node_labels": ("b",)}, ["b"], []),
        ({"scope": "nodes"}, {"edge_labels": ("x",)}, [], ["x"]),
        ({"filter": {"nodes": [{"label": "a"}, {"label": "b"}]}, "nodeLabels": ["b"]}, {}, ["b"], []),
        ({"filter": {"nodes": [{"label": ["b", "a"]}]}}, {}, ["a;b"], []),
        ({"filter": '{"edges": [{"label": "x"}]}'}, {}, [], ["x"]),
    ],
)
def test_labels(
    params: dict[str, Any], flags: dict[str, Any], nodes: list[str] | None, edges: list[str] | None
) -> None:
    selections = read({"params": params}, **flags).selections
    assert (labels(selections.nodes), labels(selections.edges)) == (nodes, edges)


def test_a_flag_keeps_the_properties_that_the_filter_gives_its_label() -> None:
    chosen = {"nodes": [{"label": "a", "properties": ["p", {"property": "q", "dataType": "String"}]}]}
    nodes = read({"params": {"filter": chosen}}, node_labels=("a", "b")).selections.nodes
    assert nodes == Selection((Selected("a", ("p", "q")), Selected("b")))


def test_a_filter_may_name_an_edge_type() -> None:
    label = {"~label": "rated", "~fromLabels": ["user"], "~toLabels": ["movie"]}
    edges = read({"params": {"filter": {"edges": [{"label": label, "properties": ["score"]}]}}}).selections.edges
    assert edges == Selection((Selected(EdgeType("user", "rated", "movie"), ("score",)),))
    assert edges.entry(EdgeType("user", "rated", "book")) is None


def test_a_filter_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"nodes": [{"label": "a", "properties": []}], "edges": []}))
    assert labels(read({"params": {"filterConfigFile": str(file)}}).selections.nodes) == ["a"]
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read({"params": {"filterConfigFile": str(tmp_path / "absent.json")}})


def test_cluster_fields_are_recorded() -> None:
    request = read(
        {
            "command": "export-pg",
            "outputS3Path": "s3://bucket/x",
            "jobSize": "small",
            "params": {"endpoint": "db.example", "profile": "neptune_ml", "cloneCluster": False, "concurrency": 4},
        }
    )
    assert request.recorded == {
        "outputS3Path": "s3://bucket/x",
        "jobSize": "small",
        "params.endpoint": "db.example",
        "params.cloneCluster": False,
        "params.concurrency": 4,
    }


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"command": "export-pg-from-queries"}, "command"),
        ({"command": "export-rdf"}, "command"),
        ({"command": "export-pg -e localhost"}, "command"),
        ({"completionFileS3Path": "s3://x"}, "completionFileS3Path"),
        ({"params": {"gremlinFilter": "has('a')"}}, "params.gremlinFilter"),
        ({"params": {"gremlinNodeFilter": "has('a')"}}, "params.gremlinNodeFilter"),
        ({"params": {"gremlinEdgeFilter": "has('a')"}}, "params.gremlinEdgeFilter"),
        ({"params": {"range": 10}}, "params.range"),
        ({"params": {"limit": 10}}, "params.limit"),
        ({"params": {"sample": True}}, "params.sample"),
        ({"params": {"format": "csvNoHeaders"}}, "params.format"),
        ({"params": {"format": "json"}}, "params.format"),
        ({"params": {"profile": "incremental_export"}}, "params.profile"),
        ({"params": {"includeLastEventId": True}}, "params.includeLastEventId"),
        ({"params": {"tokensOnly": "both"}}, "params.tokensOnly"),
        ({"params": {"filterConfigFile": "s3://b/k"}}, "params.filterConfigFile"),
        ({"additionalParams": {"neptune_ml": {"version": "v1.0"}}}, "additionalParams.neptune_ml.version"),
    ],
)
def test_what_a_later_release_brings_is_refused_by_name(request_: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedOperation, match=named.replace(".", r"\.")) as caught:
        read(request_)
    assert caught.value.exit_code == 2


def test_off_is_no_use() -> None:
    read({"params": {"gremlinFilter": "", "sample": False, "includeLastEventId": False, "tokensOnly": "off"}})


def test_all_problems_are_named_at_once() -> None:
    assert problems_of(
        {
            "parms": {},
            "command": "export-gp",
            "params": {"nodelabels": [], "scope": "some", "format": "cvs", "edgeLabels": 5, "limit": 3},
            "additionalParams": {"neptuneml": {}},
        }
    ) == (
        "parms: unknown member (did you mean 'params'?)",
        "command: 'export-gp' is unknown (did you mean 'export-pg'?)",
        "additionalParams.neptuneml: unknown member (did you mean 'neptune_ml'?)",
        "params.nodelabels: unknown member (did you mean 'nodeLabels'?)",
        "params.format: 'cvs' is unknown (did you mean 'csv'?)",
        "params.scope: must be one of all, nodes, edges, not 'some'",
        "params.edgeLabels: must be a label or an array of labels, not 5",
        "params.limit: is not offered by this release",
    )


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"filter": 5}, "params.filter: must be an object with 'nodes' and 'edges', not 5"),
        ({"filter": {"node": []}}, "params.filter.node: unknown member (did you mean 'nodes'?)"),
        ({"filter": {"nodes": [{}]}}, "params.filter.nodes[0]: must be an object with a 'label'"),
        (
            {"filter": {"nodes": [{"label": "a", "properties": [1]}]}},
            "params.filter.nodes[0].properties: must be names or objects with 'property'",
        ),
        (
            {"filter": {"nodes": [{"label": "a"}]}, "nodeLabels": ["b"]},
            "params.nodeLabels: 'b' is not in params.filter",
        ),
        (
            {"filter": {}, "filterConfigFile": 5},
            "params.filterConfigFile: stands beside 'filter'; give one of them",
        ),
    ],
)
def test_a_wrong_selection(params: dict[str, Any], problem: str) -> None:
    assert problem in problems_of({"params": params})


def test_wrong_shapes_have_a_path() -> None:
    assert problems_of({"params": [], "additionalParams": 3}) == (
        "params: must be an object, not []",
        "additionalParams: must be an object, not 3",
    )
