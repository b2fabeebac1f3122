"""The request document: what it selects, records and refuses."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidSettings, UnsupportedOperation
from neptuneml_plugin.export.request.layout import Format, Layout
from neptuneml_plugin.export.request.request import ExportRequest, check_request, read_request
from neptuneml_plugin.export.request.selection import Selected, Selection, Window


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
        ({"filter": {"nodes": [{"label": "Person;Admin"}]}}, {}, ["Admin;Person"], []),
        ({"nodeLabels": [["Person", "Admin"], "c"]}, {}, ["Admin;Person", "c"], []),
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


def test_an_edge_label_may_be_an_edge_type() -> None:
    label = {"~label": "rated", "~fromLabels": ["user"], "~toLabels": ["movie"]}
    edges = read(
        {"params": {"edgeLabels": [label], "filter": {"edges": [{"label": "rated", "properties": ["p"]}]}}}
    )
    assert edges.selections.edges == Selection((Selected(EdgeType("user", "rated", "movie"), ("p",)),))


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
            "params": {"endpoint": "db.example", "profile": "neptune_ml", "cloneCluster": False, "batchSize": 4},
        }
    )
    assert request.recorded == {
        "outputS3Path": "s3://bucket/x",
        "jobSize": "small",
        "params.endpoint": "db.example",
        "params.cloneCluster": False,
        "params.batchSize": 4,
    }


def test_what_json_cannot_hold_is_recorded_as_text() -> None:
    given = {"jobSize": dt.date(2020, 1, 2), "params": {"tag": float("inf"), "dir": "\ud800"}}
    assert read(given).recorded == {
        "jobSize": "datetime.date(2020, 1, 2)",
        "params.tag": "inf",
        "params.dir": "'\\ud800'",
    }


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"command": "export-rdf"}, "command"),
        ({"command": "add-clone"}, "command"),
        ({"command": "export-pg -e localhost"}, "command"),
        ({"completionFileS3Path": "s3://x"}, "completionFileS3Path"),
        ({"configFileS3Path": "s3://x"}, "params.filterConfigFile"),
        ({"params": {"format": "neptuneStreamsJson"}}, "params.format"),
        ({"params": {"format": "neptuneStreamsSimpleJson"}}, "params.format"),
        ({"params": {"profile": "incremental_export"}}, "params.profile"),
        ({"params": {"filterConfigFile": "s3://b/k"}}, "params.filterConfigFile"),
        ({"params": {"filterConfigFile": "https://b/k"}}, "params.filterConfigFile"),
        (
            {"additionalParams": {"neptune_ml": {"targets": {"predicate": "p"}}}},
            "additionalParams.neptune_ml.targets",
        ),
    ],
)
def test_what_is_not_offered_is_refused_by_name(request_: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedOperation, match=named.replace(".", r"\.")) as caught:
        read(request_)
    assert caught.value.exit_code == 2


def test_off_is_no_use() -> None:
    read({"params": {"gremlinFilter": "", "sample": False, "includeLastEventId": False, "tokensOnly": "off"}})
    read({"command": None, "params": None, "additionalParams": None, "configFileS3Path": ""})


def test_the_part_of_the_elements() -> None:
    request = read({"params": {"skip": 5, "limit": "10", "range": 100, "concurrency": "2"}})
    assert (request.window, request.range_size, request.concurrency) == (Window(5, 10), 100, 2)
    assert not read({"params": {"skip": 0}}).window
    assert read({"params": {"limit": 0}}).window == Window(0, 0)


@pytest.mark.parametrize(
    ("tokens", "nodes", "edges"),
    [("off", False, False), ("nodes", True, False), ("edges", False, True), ("both", True, True)],
)
def test_tokens_only(tokens: str, nodes: bool, edges: bool) -> None:  # noqa: FBT001
    selections = read({"params": {"tokensOnly": tokens}}).selections
    assert (selections.nodes, selections.edges) == (Selection(tokens_only=nodes), Selection(tokens_only=edges))


def test_the_layout() -> None:
    assert read({}).layout == Layout(Format.CSV, ";")
    given = {"format": "parquet", "multiValueSeparator": "|"}
    assert read({"params": given}).layout == Layout(Format.PARQUET, "|")


def test_the_schema_alone_may_come_from_a_sample() -> None:
    command = {"command": "create-pg-config"}
    assert (read(command).schema_only, read(command).sample) == (True, None)
    assert read({**command, "params": {"sample": True}}).sample == 1000
    assert read({**command, "params": {"sample": True, "sampleSize": 3}}).sample == 3
    elsewhere = read({"params": {"sample": True, "sampleSize": 3}})
    assert (elsewhere.sample, elsewhere.recorded) == (None, {"params.sample": True, "params.sampleSize": 3})


def test_without_configurations_what_would_be_learned_is_recorded() -> None:
    learned = {"targets": {"node": "a", "property": "p", "type": "regression"}}
    additional = {"neptune_ml": learned}
    request = read({"command": "create-pg-config", "additionalParams": additional})
    assert (request.jobs, request.recorded) == ((), {"additionalParams": additional})


@pytest.mark.parametrize("member", ["configFileS3Path", "params.configFile", "params.filterConfigFile"])
def test_a_filter_file_has_three_names(member: str, tmp_path: Path) -> None:
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"nodes": [{"label": "a"}]}))
    name = member.removeprefix("params.")
    request = {name: f"file://{file}"} if name == member else {"params": {name: str(file)}}
    assert labels(read(request).selections.nodes) == ["a"]


def test_a_queries_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "queries.json"
    file.write_text(json.dumps([{"name": "a", "queries": ["V()"]}]))
    assert problems_of({"command": "export-pg-from-queries", "queriesFileS3Path": str(file)}) == (
        "params.queriesFile[0]: 'V()' must begin with 'g.'",
    )


def test_what_files_hold_is_not_asked_of_a_document_alone(tmp_path: Path) -> None:
    absent = {"queriesFile": str(tmp_path / "queries.json"), "filterConfigFile": str(tmp_path / "filter.json")}
    document = {"command": "export-pg-from-queries", "params": {**absent, "nodeLabels": ["a"]}}
    check_request(document)
    assert [problem.partition(":")[0] for problem in problems_of(document)] == [
        "params.filterConfigFile", "params.queriesFile",
    ]  # fmt: skip
    with pytest.raises(InvalidSettings, match=r"params\.queriesFile: belongs to the command") as caught:
        check_request({"params": {**absent, "nodLabels": ["a"]}})
    assert "params.nodLabels: unknown member (did you mean 'nodeLabels'?)" in caught.value.problems
    with pytest.raises(UnsupportedOperation, match="opens no s3:// location"):
        check_request({"configFileS3Path": "s3://a/filter.json"})


def test_all_problems_are_named_at_once() -> None:
    assert problems_of(
        {
            "parms": {},
            "command": "export-gp",
            "params": {
                "nodelabels": [], "scope": "some", "format": "cvs", "edgeLabels": 5, "limit": -3, "skip": "x",
                "janus": True,
            },
            "additionalParams": {"neptuneml": {}},
        }
    ) == (
        "parms: unknown member (did you mean 'params'?)",
        "command: 'export-gp' is unknown (did you mean 'export-pg'?)",
        "params.nodelabels: unknown member (did you mean 'nodeLabels'?)",
        "params.scope: must be one of all, nodes, edges, not 'some'",
        "params.edgeLabels: must be a label or an array of labels, not 5",
        "additionalParams.neptuneml: unknown member (did you mean 'neptune_ml'?)",
        "params.format: 'cvs' is unknown (did you mean 'csv'?)",
        "params.skip: must be a whole number of at least 0, not 'x'",
        "params.limit: must be a whole number of at least 0, not -3",
        "params.janus: is not offered: the server's own serializer is spoken",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"neptune_ml": {}}, "neptune_ml: belongs into additionalParams"),
        ({"targets": []}, "targets: belongs into additionalParams.neptune_ml"),
        ({"jobs": []}, "jobs: belongs into additionalParams.neptune_ml"),
        ({"nodeLabels": ["Book"]}, "nodeLabels: belongs into params"),
        ({"command": "export-pg-from-queries"}, "params.queries: is required by export-pg-from-queries"),
        ({"params": {"queries": "g.V()"}}, "params.queries: belongs to the command export-pg-from-queries"),
        ({"params": {"tokensOnly": True}}, "params.tokensOnly: must be one of off, nodes, edges, both, not True"),
        ({"params": {"sample": 1}}, "params.sample: must be true or false, not 1"),
        ({"params": {"concurrency": 0}}, "params.concurrency: must be a whole number of at least 1, not 0"),
        ({"params": {"range": 0}}, "params.range: must be a whole number of at least 1, not 0"),
        ({"params": {"limit": True}}, "params.limit: must be a whole number of at least 0, not True"),
        (
            {"params": {"nodeLabel": "a", "nodeLabels": ["b"]}},
            "params.nodeLabels: stands beside 'nodeLabels'; give one of them",
        ),
        (
            {"configFileS3Path": "a", "params": {"configFile": "b"}},
            "configFileS3Path: stands beside 'params.filterConfigFile'; give one of them",
        ),
        *[
            (
                {"params": {"multiValueSeparator": sign}},
                f"params.multiValueSeparator: must be one sign that no cell is written with, not {sign!r}",
            )
            for sign in ("::", "1", "a", ".", "\\", '"', ",", 5)
        ],
    ],
)
def test_a_wrong_member(request_: dict[str, Any], problem: str) -> None:
    assert problem in problems_of(request_)


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
