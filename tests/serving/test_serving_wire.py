import base64
import json
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import (
    BadRequest,
    InvalidParameter,
    MissingParameter,
    NeptuneMLError,
)
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from tests.invocations import parse_invocation


def parse(document: Any) -> Invocation:
    return parse_invocation(json.dumps(document).encode())


def nodes(*ids: str, **parameters: Any) -> dict[str, Any]:
    return {"data": {"globalParameters": parameters, "nodes": [{"nodeId": name} for name in ids]}}


def test_the_bodies_of_neptunes_own_client() -> None:
    assert parse(
        {
            "version": "v1",
            "mode": "predict_tail",
            "data": {
                "globalParameters": {
                    "topk": 3,
                    "edgeType": "rated",
                    "tailNodeType": "movie",
                    "exclude_flag": "mask",
                },
                "edges": [{"headNodeId": "user_1"}],
            },
        }
    ) == Invocation(
        Mode.PREDICT_TAIL,
        Items(heads=("user_1",), head_types=(None,), tail_types=(None,), excludes=((),)),
        topk=3,
        edge_label="rated",
        tail_type="movie",
        mask_training_edges=True,
    )
    assert parse(
        {
            "version": "v1",
            "data": {"globalParameters": {"topk": 1, "property": "genre"}, "nodes": [{"nodeId": "m1"}]},
        }
    ) == Invocation(Mode.PREDICT, Items(nodes=("m1",)), property_name="genre")
    assert parse(
        {
            "version": "v1",
            "mode": "embed_knn",
            "data": {
                "globalParameters": {"topk": 5, "tailNodeType": "movie", "exclude_flag": "mask"},
                "nodes": [{"nodeId": "movie_1"}],
            },
        }
    ) == Invocation(
        Mode.EMBED_KNN,
        Items(nodes=("movie_1",), excludes=((),)),
        topk=5,
        tail_type="movie",
        mask_training_edges=True,
    )


def test_every_member_of_ours() -> None:
    given = {
        "mode": "predict_head",
        "data": {
            "globalParameters": {
                "edgeType": "rated",
                "headNodeType": "user",
                "threshold": "tuned",
                "exclude": ["9"],
                "deadlineMs": 1500,
                "requestId": "r-1",
                "artifactVersion": "abc",
                "score": True,
            },
            "edges": [{"tailNodeId": "m", "tailNodeType": "movie", "exclude": ["1", "2"]}],
        },
    }
    assert parse(given) == Invocation(
        Mode.PREDICT_HEAD,
        Items(tails=("m",), head_types=(None,), tail_types=("movie",), excludes=(("1", "2"),)),
        edge_label="rated",
        head_type="user",
        threshold="tuned",
        exclude=("9",),
        deadline_seconds=1.5,
        request_id="r-1",
        artifact_version="abc",
        score=True,
    )


REFUSALS: list[tuple[Any, type[NeptuneMLError], str]] = [
    ([], InvalidParameter, "the body must be a JSON object"),
    ({}, MissingParameter, "the request lacks 'data'"),
    ({"data": {}}, MissingParameter, "data lacks 'edges'"),
    ({"data": {"nodes": []}, "vershun": "v1"}, InvalidParameter, "did you mean 'version'"),
    ({"data": {"nodes": []}, "version": "v2"}, InvalidParameter, "version is 'v2'"),
    ({"data": {"nodes": [], "edges": []}}, InvalidParameter, "both nodes and edges"),
    ({"data": {"nodes": {}}}, InvalidParameter, "data.nodes must be a list"),
    ({"data": {"nodes": ["a"]}}, InvalidParameter, "list of objects, not of str"),
    ({"data": {"nodes": [{"nodeID": "a"}]}}, InvalidParameter, "did you mean 'nodeId'"),
    ({"data": {"nodes": [{"nodeId": 1}]}}, InvalidParameter, "nodeId must be a text"),
    ({"data": {"nodes": [{"nodeId": "\ud800"}]}}, InvalidParameter, "surrogate"),
    ({"data": {"nodes": [{}]}}, MissingParameter, "lacks 'nodeId'"),
    ({"data": {"edges": [{"headNodeId": "a"}]}}, MissingParameter, "lacks 'tailNodeId'"),
    ({"data": {"edges": [{"headNodeId": "a", "tailNodeId": "b", "exclude": []}]}}, InvalidParameter, "exclude"),
    (
        {"data": {"edges": [{"headNodeId": "a", "tailNodeId": "b", "properties": 3}]}},
        InvalidParameter,
        "properties",
    ),
    ({"mode": "predict_tail", "data": {"nodes": [{"nodeId": "a"}]}}, InvalidParameter, "give data.edges"),
    ({"mode": "predict_tial", "data": {"edges": []}}, InvalidParameter, "did you mean 'predict_tail'"),
    ({"mode": "embed_knn", "data": {}}, MissingParameter, "data lacks 'nodes'"),
    ({"mode": "embed_knn", "data": {"edges": []}}, MissingParameter, "data lacks 'nodes'"),
    ({"mode": "embed_knn", "data": {"items": {"headNodeId": ["a"]}}}, InvalidParameter, "headNodeId"),
    ({"mode": "embed_knn", "data": {"items": {"exclude": [[]]}}}, MissingParameter, "lacks 'nodeId'"),
    ({"data": {"nodes": [{"nodeId": "a", "exclude": []}]}}, InvalidParameter, "unknown member 'exclude'"),
    (nodes("a", includeSelf=True), InvalidParameter, "includeSelf means nothing to mode predict"),
    ({"data": {"subgraph": {}, "nodes": []}}, MissingParameter, "subgraph lacks 'nodes'"),
    (nodes("a", topK=1), InvalidParameter, "did you mean 'topk'"),
    (nodes("a", topk=0), InvalidParameter, "topk must be an integer of at least 1"),
    (nodes("a", topk=True), InvalidParameter, "topk must be"),
    (nodes("a", topk="3"), InvalidParameter, "topk must be"),
    (nodes("a", threshold=1.5), InvalidParameter, "threshold must be a number from 0 to 1"),
    (nodes("a", threshold="0.5"), InvalidParameter, "threshold must be"),
    (nodes("a", threshold=float("nan")), InvalidParameter, "threshold must be"),
    (nodes("a", score="true"), InvalidParameter, "score must be true or false"),
    (nodes("a", deadlineMs=-1), InvalidParameter, "deadlineMs"),
    (nodes("a", deadlineMs=10**400), InvalidParameter, "deadlineMs"),
    (nodes("a", exclude="9"), InvalidParameter, "exclude must be a list of texts"),
    (nodes("a", exclude_flag="unmask"), InvalidParameter, "exclude_flag must be 'mask'"),
]


@pytest.mark.parametrize(("document", "kind", "says"), REFUSALS)
def test_refusals_name_what_is_wrong(document: Any, kind: type[NeptuneMLError], says: str) -> None:
    with pytest.raises(kind, match=says):
        parse(document)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="the body is not JSON"):
        parse_invocation(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "mode",
                    "nodes",
                    "edges",
                    "globalParameters",
                    "nodeId",
                    "headNodeId",
                    "tailNodeId",
                    "topk",
                    "threshold",
                    "exclude",
                    "exclude_flag",
                    "deadlineMs",
                    "score",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_refused_as_the_callers_fault_or_read(body: bytes) -> None:
    try:
        parse_invocation(body)
    except NeptuneMLError as error:
        assert error.http_status == 400  # noqa: PT017 - the point is that nothing else is raised


IDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=5).map(tuple)


@given(ids=IDS, topk=st.integers(1, 1000), threshold=st.none() | st.just("tuned") | st.floats(0, 1))
def test_round_trip(ids: tuple[str, ...], topk: int, threshold: Any) -> None:
    read = parse(nodes(*ids, topk=topk, threshold=threshold))
    assert read == Invocation(Mode.PREDICT, Items(nodes=ids), topk=topk, threshold=threshold)


# --- columns ---------------------------------------------------------------------------------------------------


def items(mode: str | None = None, **columns: Any) -> dict[str, Any]:
    return {"mode": mode, "data": {"globalParameters": {"columns": True}, "items": columns}}


LISTS: list[tuple[str | None, str, list[dict[str, Any]]]] = [
    (None, "nodes", [{"nodeId": "1"}, {"nodeId": "é"}]),
    (None, "nodes", []),
    (None, "edges", [{"headNodeId": "1", "tailNodeId": "a"}, {"headNodeId": "2", "tailNodeId": "b"}]),
    (
        "predict",
        "edges",
        [
            {"headNodeId": "1", "tailNodeId": "a", "edgeId": "7", "headNodeType": "user"},
            {"headNodeId": "2", "tailNodeId": "b", "tailNodeType": "é", "properties": {"since": 3}},
        ],
    ),
    ("predict_tail", "edges", [{"headNodeId": "1", "exclude": ["a"]}, {"headNodeId": "2"}]),
    ("predict_head", "edges", [{"tailNodeId": "a"}, {"tailNodeId": "b", "tailNodeType": "movie"}]),
    ("predict_tail", "edges", []),
]


@pytest.mark.parametrize(("mode", "member", "listed"), LISTS)
def test_columns_say_the_same_as_a_list_of_items(
    mode: str | None, member: str, listed: list[dict[str, Any]]
) -> None:
    members = {key for item in listed for key in item}
    columns = {key: [item.get(key) for item in listed] for key in members}
    expected = parse({"mode": mode, "data": {member: listed}})
    read = parse(items(mode, **columns))
    assert read.items == expected.items
    assert len(read.items) == len(listed)
    assert (read.columns, expected.columns) == (True, False)


@pytest.mark.parametrize(
    ("document", "kind", "says"),
    [
        ({"data": {"items": []}}, InvalidParameter, "data.items must be a JSON object"),
        ({"data": {"items": {}, "nodes": []}}, InvalidParameter, "both nodes and items"),
        (items(nodeId="a"), InvalidParameter, "data.items.nodeId must be a list, not 'a'"),
        (items(nodeId=None), InvalidParameter, "data.items.nodeId must be a list, not None"),
        (items(nodeID=["a"]), InvalidParameter, "'nodeID' in data.items .did you mean 'nodeId'"),
        (items(nodeId=[1]), InvalidParameter, "nodeId must be a text, not 1"),
        (items(nodeId=["\ud800"]), InvalidParameter, "surrogate"),
        (items(nodeId=["a", None]), MissingParameter, "an item of data.items lacks 'nodeId'"),
        (items(nodeId=["a"], headNodeId=["a"]), InvalidParameter, "both nodeId and members of edges"),
        (items("predict_tail", nodeId=["a"]), InvalidParameter, "'nodeId' in data.items"),
        (items(headNodeId=["a"]), MissingParameter, "lacks 'tailNodeId'"),
        (items(headNodeId=["a"], tailNodeId=[]), InvalidParameter, "equally long, not .*'tailNodeId': 0"),
        (items(headNodeId=["a"], tailNodeId=["b"], exclude=[["c"]]), InvalidParameter, "'exclude' in data.items"),
        (items(headNodeId=["a"], tailNodeId=["b"], headNodeType=[1]), InvalidParameter, "headNodeType must be"),
        (items(headNodeId=["a"], tailNodeId=["b"], edgeId=[1]), InvalidParameter, "edgeId must be a text"),
        (items(headNodeId=["a"], tailNodeId=["b"], properties=[1]), InvalidParameter, "properties must be a JSON"),
        (items("predict_tail", headNodeId=["a"], exclude=["c"]), InvalidParameter, "exclude must be a list"),
        (items(nodeHash=["a"]), InvalidParameter, r"nodeHash must be a text, not \['a'\]"),
        (items(nodeHash="?"), InvalidParameter, "nodeHash is not Base64"),
        (items(nodeHash="é"), InvalidParameter, "nodeHash is not Base64"),
        (
            items(nodeHash="AAAA"),
            InvalidParameter,
            "nodeHash must hold a little-endian uint64 for each .* 3 bytes",
        ),
        (items(nodeHash="", nodeId=[]), InvalidParameter, "'nodeId' in data.items with hashes of ids"),
        (items(nodeHash="", headNodeHash=""), InvalidParameter, "both nodeHash and hashes of edges' ends"),
        (items(headNodeHash=""), MissingParameter, "data.items lacks 'tailNodeHash'"),
        (items(headNodeHash="", tailNodeHash="AAAAAAAAAAA="), InvalidParameter, "equally long, not .*Hash': 1"),
        (items("predict_tail", headNodeHash=""), InvalidParameter, "'headNodeHash' in data.items"),
        (nodes("a", columns="yes"), InvalidParameter, "columns must be true or false"),
        (nodes("a", packed=1), InvalidParameter, "packed must be true or false"),
    ],
)
def test_refusals_of_columns(document: Any, kind: type[NeptuneMLError], says: str) -> None:
    with pytest.raises(kind, match=says):
        parse(document)


def packed(*ids: str) -> str:
    hashes = [xxhash.xxh64_intdigest(name.encode()) for name in ids]
    return base64.b64encode(np.array(hashes, "<u8").tobytes()).decode()


@given(ids=IDS)
def test_hashes_stand_for_ids(ids: tuple[str, ...]) -> None:
    hashes = [xxhash.xxh64_intdigest(name.encode()) for name in ids]
    read = parse(items(nodeHash=packed(*ids))).items
    assert read.node_hashes is not None
    assert read.node_hashes.tolist() == hashes
    assert (len(read), read.are_nodes, read.are_hashed) == (len(ids), bool(ids), True)
    edges = parse(items("predict", headNodeHash=packed(*ids), tailNodeHash=packed(*reversed(ids)))).items
    assert edges.head_hashes is not None
    assert edges.tail_hashes is not None
    assert edges.head_hashes.tolist() == edges.tail_hashes.tolist()[::-1] == hashes
    assert (len(edges), edges.are_nodes, edges.are_hashed) == (len(ids), False, True)


def test_a_subgraph_names_its_vertices_by_ids() -> None:
    document = items(nodeHash=packed("a"))
    document["data"]["subgraph"] = {"nodes": [], "edges": []}
    with pytest.raises(InvalidParameter, match=r"holds hashes of ids; beside data\.subgraph, give the ids"):
        parse(document)


MEMBERS = ["nodeId", "headNodeId", "tailNodeId", "edgeId", "headNodeType", "properties", "exclude"]
HASHES = ["nodeHash", "headNodeHash", "tailNodeHash"]
COLUMNS = st.dictionaries(
    st.sampled_from(HASHES), JSON | st.binary(max_size=16).map(base64.b64encode).map(bytes.decode)
) | st.dictionaries(
    st.sampled_from(MEMBERS + HASHES),
    JSON | st.lists(st.none() | st.text(max_size=2) | JSON, max_size=3),
    max_size=4,
)


@given(columns=COLUMNS, mode=st.none() | st.sampled_from(list(Mode)))
def test_garbage_in_columns_is_refused_as_the_callers_fault_or_read(columns: Any, mode: str | None) -> None:
    try:
        read = parse(items(mode, **columns)).items
    except NeptuneMLError as error:
        assert error.http_status == 400  # noqa: PT017 - the point is that nothing else is raised
    else:
        assert {len(column) for column in vars(read).values() if column is not None} <= {0, len(read)}
