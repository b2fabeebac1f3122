import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import Index, NewNodeVectors, WarmUp
from neptuneml_plugin.errors import (
    BadRequest,
    InvalidParameter,
    MissingParameter,
    NeptuneMLError,
)
from neptuneml_plugin.service.endpoints.inductive import Inductive
from neptuneml_plugin.service.endpoints.record import EndpointOptions, EndpointRecord, Status
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.wire.description import Version, pinned_version, render_description
from neptuneml_plugin.service.wire.endpoints import NUMBERS, CreateEndpoint, parse_create_endpoint
from neptuneml_plugin.service.wire.members import MOST_LEVELS, Page, load_object, parse_page, render_page
from neptuneml_plugin.service.wire.queries import CANCEL
from neptuneml_plugin.service.wire.requests import MEMBERS, parse_members
from tests.made_artifacts import RATED, Made, make_artifact

#: The artifact `/a`.
A = ("artifactLocation", "/a")


def create(**body: Any) -> CreateEndpoint:
    return parse_create_endpoint(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"artifactLocation": "/a"}, CreateEndpoint(A)),
        ({"artifactLocation": "/a", "id": ""}, CreateEndpoint(A)),
        (
            {"artifactLocation": "/a", "id": "A unique identifier for the new inference endpoint."},
            CreateEndpoint(A),
        ),
        ({"artifactLocation": "/a", "id": "x-1", "mlModelTrainingJobId": ""}, CreateEndpoint(A, "x-1")),
        ({"artifactLocation": "/a", "id": "x", "update": "true"}, CreateEndpoint(A, "x", update=True)),
        ({"artifactLocation": "/a", "id": "x", "update": "TRUE"}, CreateEndpoint(A, "x", update=True)),
        ({"artifactLocation": "/a", "id": "x", "update": True}, CreateEndpoint(A, "x", update=True)),
        ({"artifactLocation": "/a", "id": "x", "update": "False"}, CreateEndpoint(A, "x")),
        ({"artifactLocation": "/a", "id": "x", "update": ""}, CreateEndpoint(A, "x")),
        (
            {"artifactLocation": "/a", "newNodeVectors": "neighbours", "fanouts": [10, 5]},
            CreateEndpoint(A, options=EndpointOptions(NewNodeVectors.NEIGHBOURS, (10, 5))),
        ),
        (
            {"artifactLocation": "/a", "fanouts": "10, 5"},
            CreateEndpoint(A, options=EndpointOptions(fanouts=(10, 5))),
        ),
        (
            {"artifactLocation": "/a", "fanouts": ["7"]},
            CreateEndpoint(A, options=EndpointOptions(fanouts=(7,))),
        ),
        ({"artifactLocation": "/a", "newNodeVectors": "", "fanouts": ""}, CreateEndpoint(A)),
        (
            {"artifactLocation": "/a", "instanceCount": "2", "maxDelayMicros": 0, "maxBatch": 64, "fanouts": [7]},
            CreateEndpoint(A, options=EndpointOptions(fanouts=(7,), instances=2, max_delay_us=0, max_batch=64)),
        ),
        (
            {"artifactLocation": "/a", "instanceCount": "", "maxQueue": 9, "memoryMib": 512, "warmUp": "none"},
            CreateEndpoint(A, options=EndpointOptions(max_queue=9, memory_mib=512, warm_up=WarmUp.NONE)),
        ),
        ({"artifactLocation": "/a", "newNodeVectors": None, "fanouts": []}, CreateEndpoint(A)),
        (
            {"artifactLocation": "/a", "index": "faiss"},
            CreateEndpoint(A, options=EndpointOptions(index=Index.FAISS)),
        ),
        ({"mlModelTrainingJobId": "t"}, CreateEndpoint(("mlModelTrainingJobId", "t"))),
        (
            {"mlModelTransformJobId": "t", "artifactLocation": "", "id": "x", "instanceType": "ml.r5.xlarge"},
            CreateEndpoint(("mlModelTransformJobId", "t"), "x", recorded={"instanceType": "ml.r5.xlarge"}),
        ),
        (
            {"artifactLocation": "/a", "id": "a" * 48, "wait_interval": 5, "instanceType": ""},
            CreateEndpoint(A, "a" * 48),
        ),
        ({"artifactLocation": "/a", "modelName": "kge"}, CreateEndpoint(A, model="kge")),
    ],
)
def test_what_neptunes_clients_send_is_read(body: dict[str, Any], expected: CreateEndpoint) -> None:
    assert create(**body) == expected


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ({}, MissingParameter, "nothing names the artifact to serve; give mlModelTrainingJobId"),
        ({"artifactLocation": ""}, MissingParameter, "nothing names the artifact"),
        (
            {"mlModelTrainingJobId": "t", "mlModelTransformJobId": "f"},
            InvalidParameter,
            "mlModelTrainingJobId and mlModelTransformJobId both name",
        ),
        ({"artifactLocation": "/a", "instanceType": "huge"}, InvalidParameter, "no ML instance type"),
        ({"artifactLocation": "/a", "instanceCount": "-1"}, InvalidParameter, "instanceCount is '-1'"),
        *(
            ({"artifactLocation": "/a", name: value}, InvalidParameter, f"{name} is {value}; it must be .* to ")
            for name, number in NUMBERS.items()
            for value in (number.least - 1, number.most + 1)
            if value >= 0
        ),
        ({"artifactLocation": 3}, InvalidParameter, "artifactLocation must be a text"),
        ({"artifactLocation": "/\udcff"}, InvalidParameter, "surrogate"),
        ({"artifactLocation": "/a", "id": "a" * 49}, InvalidParameter, "1 to 48 letters, digits and hyphens"),
        ({"artifactLocation": "/a", "id": "under_score"}, InvalidParameter, "1 to 48"),
        ({"artifactLocation": "/a", "id": "é"}, InvalidParameter, "1 to 48"),
        ({"artifactLocation": "/a", "id": "x\n"}, InvalidParameter, "1 to 48"),
        ({"artifactLocation": "/a", "update": True}, MissingParameter, "id is missing"),
        ({"artifactLocation": "/a", "id": "x", "update": "yes"}, InvalidParameter, "update is 'yes'"),
        ({"artifactLocation": "/a", "id": "x", "update": 1}, InvalidParameter, "update is '1'"),
        (
            {"artifactLocation": "/a", "newNodeVectors": "types"},
            InvalidParameter,
            "newNodeVectors is 'types'; it must be one of type, neighbours",
        ),
        ({"artifactLocation": "/a", "index": "fais"}, InvalidParameter, "must be one of exact, faiss"),
        ({"artifactLocation": "/a", "newNodeVectors": 3}, InvalidParameter, "newNodeVectors must be a text"),
        *(
            ({"artifactLocation": "/a", "fanouts": fanouts}, InvalidParameter, "fanouts is .*positive integers")
            for fanouts in ("10,", "ten", [0], [-1], [1.5], [True], [[1]], [10**12], 10, {"1": 1}, "10;5", "٣")
        ),
    ],
)
def test_refusals(body: dict[str, Any], kind: type[NeptuneMLError], says: str) -> None:
    with pytest.raises(kind, match=says):
        create(**body)


TRAINING = {"dataProcessingJobId": "p", "trainModelS3Location": "s3://a"}
#: What graph-notebook sends for `%neptune_ml modeltransform start` without `--s3-output-uri`.
NO_LOCATION = "The URI of the S3 bucket/location to store your transform result."


@pytest.mark.parametrize(
    ("kind", "given_members", "read"),
    [
        (JobKind.MODEL_TRAINING, {"id": "", "modelName": "", "subnets": [], "maxWaitTime": None}, {}),
        (JobKind.MODEL_TRAINING, {"wait_interval": 5, "anything": {"at": ["all"]}}, {}),
        (JobKind.MODEL_TRAINING, {"maxWaitTime": "7", "enableManagedSpotTraining": "FALSE"},
         {"maxWaitTime": 7, "enableManagedSpotTraining": False}),
        (JobKind.MODEL_TRAINING, {"customModelParameters": {"sourceS3DirectoryPath": "s3://b", "other": ""}},
         {"customModelTrainingParameters": {"sourceS3DirectoryPath": "s3://b"}}),
        (JobKind.MODEL_TRAINING, {"customModelTrainingParameters": {"a": "1"}, "customModelParameters": {}},
         {"customModelTrainingParameters": {"a": "1"}}),
        (JobKind.MODEL_TRAINING, {"modelName": "custom", "trainingInstanceType": ""}, {"modelName": "custom"}),
    ],
)  # fmt: skip
def test_members_are_read_as_clients_send_them(
    kind: JobKind, given_members: dict[str, Any], read: dict[str, Any]
) -> None:
    assert parse_members(TRAINING | given_members, MEMBERS[kind]) == TRAINING | read


def test_a_sentence_of_help_is_no_location() -> None:
    with pytest.raises(MissingParameter, match="modelTransformOutputS3Location"):
        parse_members({"modelTransformOutputS3Location": NO_LOCATION}, MEMBERS[JobKind.MODEL_TRANSFORM])


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"modelName": "gpt"}, "modelName is 'gpt'; it must be one of rgcn"),
        ({"customModelParameters": "s3://b"}, "customModelParameters is 's3://b'; it must be an object"),
        ({"subnets": ["a", 1]}, "list of texts"),
        ({"trainingInstanceType": "ml.p3"}, "no ML instance type"),
        ({"maxWaitTime": True}, "whole number"),
        ({"maxWaitTime": 1.5}, "whole number"),
        ({"enableManagedSpotTraining": "yes"}, "must be true or false"),
    ],
)
def test_members_of_the_wrong_shape(members: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidParameter, match=says):
        parse_members(TRAINING | members, MEMBERS[JobKind.MODEL_TRAINING])


@pytest.mark.parametrize(("spelled", "meant"), [("TRUE", True), ("True", True), ("true", True), ("FALSE", False),
                                                ("False", False), ("false", False)])  # fmt: skip
def test_flags_of_a_query_string(spelled: str, meant: bool) -> None:  # noqa: FBT001
    assert parse_members({"clean": spelled}, CANCEL) == {"clean": meant}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e999}', b"\xff{}",
     b'{"a": ' + b"9" * 5000 + b"}",
     b'{"a": ' + b"[" * MOST_LEVELS + b"]" * MOST_LEVELS + b"}", b'{"a":' * 100_000],
)  # fmt: skip
def test_bodies_that_are_no_object_of_json(body: bytes) -> None:
    with pytest.raises(BadRequest):
        load_object(body)


def test_a_body_holds_texts_that_can_be_written() -> None:
    with pytest.raises(InvalidParameter, match="half a surrogate pair"):
        load_object(b'{"params": [{"a": "\\ud800"}]}')
    assert load_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_a_body_may_be_nested() -> None:
    body = b'{"a": ' + b"[" * (MOST_LEVELS - 1) + b"1.5" + b"]" * (MOST_LEVELS - 1) + b"}"
    assert json.dumps(load_object(body)).encode() == body


@given(
    st.binary() | st.dictionaries(st.text(), st.integers() | st.text()).map(lambda body: json.dumps(body).encode())
)
def test_garbage_is_the_callers_fault(body: bytes) -> None:
    try:
        parse_create_endpoint(body)
    except NeptuneMLError as error:
        assert error.http_status == 400  # noqa: PT017 - the point is that nothing else is raised
    assert pinned_version(body) is None


@pytest.mark.parametrize("body", [b"[]", b"3", b'"x"', b"", b"{", b"[" * 100_000])
def test_what_is_no_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="the body"):
        parse_create_endpoint(body)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, Page()),
        ({"maxItems": ""}, Page(10)),
        ({"maxItems": "1"}, Page(1)),
        ({"maxItems": "1024", "nextToken": "x", "neptuneIamRoleArn": "arn"}, Page(1024, "x")),
    ],
)
def test_pages(query: dict[str, str], page: Page) -> None:
    assert parse_page(query) == page


@pytest.mark.parametrize("value", ["0", "1025", "-1", "ten", "1e3", "٣", "9" * 400])
def test_max_items_out_of_its_range(value: str) -> None:
    with pytest.raises(InvalidParameter, match="it must be 1 to 1024"):
        parse_page({"maxItems": value})


def record(name: str) -> EndpointRecord:
    return EndpointRecord(name, "/a", Path("/a"), Status.CREATING, 1)


def test_pages_follow_each_other() -> None:
    records = list("abcde")
    assert render_page(records, Page(2)) == {"ids": ["a", "b"], "nextToken": "b"}
    assert render_page(records, Page(2, "b")) == {"ids": ["c", "d"], "nextToken": "d"}
    assert render_page(records, Page(2, "d")) == {"ids": ["e"]}
    assert render_page([], Page()) == {"ids": []}
    with pytest.raises(InvalidParameter, match="nextToken is 'zz'"):
        render_page(records, Page(2, "zz"))


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ({"data": {"globalParameters": {"artifactVersion": "abc"}}}, "abc"),
        ({"data": {"globalParameters": {"artifactVersion": 3}}}, None),
        ({"data": {"artifactVersion": "abc"}}, None),
        ({"data": {}}, None),
    ],
)
def test_the_pin(body: Any, version: str | None) -> None:
    assert pinned_version(json.dumps(body).encode()) == version


@pytest.mark.parametrize(
    ("task", "target", "labels"),
    [
        (
            Task.NODE_CLASS,
            {"element": "node", "label": "movie", "property": "genre", "dataType": "String", "multiLabel": False},
            {"movie": 1},
        ),
        (
            Task.EDGE_REGRESSION,
            {
                "element": "edge",
                "from": "user",
                "label": "rated",
                "to": "movie",
                "property": "score",
                "dataType": "Double",
                "multiLabel": False,
            },
            {},
        ),
        (
            Task.LINK_PREDICTION,
            {"element": "edge", "edges": [{"from": "user", "label": "rated", "to": "movie"}]},
            {"user": 0, "movie": 1},
        ),
    ],
)
def test_the_description(tmp_path: Path, task: Task, target: dict[str, Any], labels: dict[str, int]) -> None:
    manifest = make_artifact(tmp_path, Made(task=task, threshold=0.25))
    tables = [
        {
            "label": label,
            "bytes": (tmp_path / f"nodes/{position}/table.bin").stat().st_size,
            "path": f"/srv/a/nodes/{position}/table.bin",
        }
        for label, position in labels.items()
    ]
    version = Version(manifest, Path("/srv/a"), addresses=("http://h:1", "http://h:2"), token="t")
    assert render_description("e", Status.IN_SERVICE, None, version) == {
        "name": "e",
        "status": "InService",
        "version": manifest.version,
        "task": task.value,
        "target": target,
        "schema": {
            "nodes": [
                {"label": "user", "idType": "Integer", "count": 3},
                {"label": "movie", "idType": "String", "count": 5},
            ],
            "edges": [{"from": "user", "label": "rated", "to": "movie", "count": 3}],
        },
        "threshold": 0.25,
        "modes": ["transductive"],
        "tables": tables,
        "idHashes": task is not Task.LINK_PREDICTION,
        "inductive": None,
        "addresses": ["http://h:1", "http://h:2"],
        "token": "t",
    }
    failed = render_description("e", Status.FAILED, "why", None)
    assert failed == {"name": "e", "status": "Failed", "failureReason": "why", "addresses": [], "token": ""}


def test_the_description_of_what_a_caller_gathers(tmp_path: Path) -> None:
    gathered = Inductive((10, 5), (("user", ("age",)), ("movie", ())), ((RATED, ("since", "stars")),), 1000)
    version = Version(make_artifact(tmp_path), tmp_path, gathered)
    described = render_description("e", Status.IN_SERVICE, None, version)
    assert described["modes"] == ["transductive", "inductive"]
    assert described["inductive"] == {
        "fanouts": [10, 5],
        "nodes": {"user": ["age"], "movie": []},
        "edges": [{"from": "user", "label": "rated", "to": "movie", "properties": ["since", "stars"]}],
        "maxNewCandidates": 1000,
    }
    assert (described["addresses"], described["token"]) == ([], "")
