"""A chain's document: what is filled in, and what is refused."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import TRAINING_DATA_CONFIGURATION
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import InvalidSettings, NeptuneMLError
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.chains.document import complete
from neptuneml_plugin.service.chains.record import Part
from neptuneml_plugin.service.wire.chains import parse_chain
from tests.made_artifacts import make_artifact


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator["TestClient[Any, Any]"]:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / TRAINING_DATA_CONFIGURATION).write_text("{}")
    async with TestClient(TestServer(create_app(ServiceConfig(tmp_path)))) as running:
        yield running


def filled(**given: Any) -> dict[str, Any]:
    asked = parse_chain({"id": "c", **given})
    return {part.value: body for part, body in complete(asked.id, asked.parts, "/root/c").items()}


def test_the_notebooks_unified_document_is_made_whole() -> None:
    assert filled(
        export={"params": {}}, dataprocessing={}, training={"id": ""}, modeltransform={}, endpoint={}
    ) == {
        "export": {"params": {}, "id": "c-export", "outputS3Path": "/root/c/export"},
        "dataprocessing": {"id": "c-dataprocessing", "processedDataS3Location": "/root/c/dataprocessing"},
        "training": {
            "id": "c-training",
            "dataProcessingJobId": "c-dataprocessing",
            "trainModelS3Location": "/root/c/training",
        },
        "modeltransform": {
            "id": "c-modeltransform",
            "dataProcessingJobId": "c-dataprocessing",
            "mlModelTrainingJobId": "c-training",
            "modelTransformOutputS3Location": "/root/c/modeltransform",
        },
        "endpoint": {"id": "c-endpoint", "mlModelTransformJobId": "c-modeltransform"},
    }


def test_what_a_part_names_itself_stays() -> None:
    found = filled(
        training={"id": "t", "dataProcessingJobId": "p", "trainModelS3Location": "s3://b/t"},
        modeltransform={"dataProcessingJobId": "new"},
        endpoint={"mlModelTrainingJobId": "old", "id": "A unique identifier for the new inference endpoint."},
    )
    assert found["training"] == {"id": "t", "dataProcessingJobId": "p", "trainModelS3Location": "s3://b/t"}
    assert (found["modeltransform"]["dataProcessingJobId"], found["modeltransform"]["mlModelTrainingJobId"]) == (
        "new",
        "t",
    )
    assert found["endpoint"] == {"id": "c-endpoint", "mlModelTrainingJobId": "old"}


def test_a_trial_names_its_graph_itself() -> None:
    transform = filled(modeltransform={"trainingJobName": "x-trial-1"})["modeltransform"]
    assert transform.keys() == {"trainingJobName", "id", "modelTransformOutputS3Location"}
    transform = filled(dataprocessing={}, modeltransform={"trainingJobName": "x-trial-1"})["modeltransform"]
    assert transform["dataProcessingJobId"] == "c-dataprocessing"


GENRE = 'g.V().hasLabel("movie").properties("genre").with("Neptune#ml.classification")'


def test_a_query_stands_for_the_parts_that_make_its_endpoint() -> None:
    asked = parse_chain({"query": GENRE, "training": {"maxHPONumberOfTrainingJobs": 1}, "endpoint": {"id": "e"}})
    assert asked.query == GENRE
    assert [part.value for part in asked.parts] == ["export", "dataprocessing", "training", "endpoint"]
    assert asked.parts[Part.ENDPOINT] == {"id": "e"}
    assert asked.parts[Part.TRAINING] == {"maxHPONumberOfTrainingJobs": 1}
    (target,) = asked.parts[Part.EXPORT]["additionalParams"]["neptune_ml"]["targets"]
    assert target == {"node": "movie", "property": "genre", "type": "classification"}


def test_generated_ids_leave_room_for_the_parts() -> None:
    asked = parse_chain({"dataprocessing": {}})
    (body,) = complete(asked.id, asked.parts, "/c").values()
    assert len(body["id"]) <= 48


#: document, what its refusal says
REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, ["has no part", "export, dataprocessing, training, modeltransform, endpoint"]),
    "unknown parts": (
        {"traning": {}, "modeltransform": []},
        ["traning: unknown part (did you mean 'training'?)", "modeltransform: must be an object"],
    ),
    "a bad query": (
        {"query": "g.V()", "id": "a b", "export": 3},
        ["query: the query asks for no prediction", "id: id 'a b'", "export: must be an object"],
    ),
    "a query without a server": ({"query": GENRE}, ["export: ", "--gremlin"]),
    "a bad id": ({"id": "under_score", "endpoint": {}}, ["id: id 'under_score'"]),
    "gaps": (
        {"id": "c", "dataprocessing": {}, "modeltransform": {}},
        [
            "dataprocessing: inputDataS3Location is missing; give it, or a part 'export' before this one",
            "modeltransform: mlModelTrainingJobId is missing; give it, or a part 'training' before this one",
        ],
    ),
    "no artifact": ({"endpoint": {}}, ["endpoint: nothing names the artifact"]),
    "two artifacts": (
        {"endpoint": {"mlModelTrainingJobId": "a", "mlModelTransformJobId": "b"}},
        ["mlModelTrainingJobId and mlModelTransformJobId both name the artifact"],
    ),
    "shapes": (
        {
            "dataprocessing": {"inputDataS3Location": 3, "processingInstanceType": "big"},
            "training": {"maxHPONumberOfTrainingJobs": "many", "id": 5},
            "endpoint": {"fanouts": "x", "update": "perhaps"},
        },
        [
            "dataprocessing: inputDataS3Location must be a text",
            "dataprocessing: processingInstanceType is 'big'",
            "training: maxHPONumberOfTrainingJobs is 'many'",
            "training: id must be a text",
            "endpoint: fanouts is 'x'",
            "endpoint: update is 'perhaps'",
        ],
    ),
    "ids": (
        {"id": "c" * 40, "dataprocessing": {"inputDataS3Location": "ROOT/export"}, "training": {"id": "t_"}},
        ["cccc-dataprocessing' must be 1 to 48", "training: id 't_' must be 1 to 48"],
    ),
    "no server": ({"export": {"params": {}}, "dataprocessing": {}}, ["export: ", "--gremlin"]),
    "no such folder": ({"dataprocessing": {"inputDataS3Location": "ROOT/none"}}, ["is not a folder"]),
    "no such jobs": (
        {
            "training": {"dataProcessingJobId": "none"},
            "modeltransform": {"dataProcessingJobId": "other"},
            "endpoint": {},
        },
        [
            "training: there is no dataprocessing job 'none'",
            "modeltransform: there is no dataprocessing job 'other'",
        ],
    ),
    "forbidden places": (
        {
            "dataprocessing": {"inputDataS3Location": "ROOT/export"},
            "training": {"trainModelS3Location": "/etc"},
        },
        ["training: location '/etc' lies outside"],
    ),
    "no endpoint to update": (
        {"endpoint": {"id": "none", "update": True, "artifactLocation": "ROOT/export"}},
        ["endpoint: id 'none' names no endpoint"],
    ),
}


def rooted(value: Any, root: Path) -> Any:
    if isinstance(value, dict):
        return {name: rooted(each, root) for name, each in value.items()}
    return value.replace("ROOT", str(root)) if isinstance(value, str) else value


@pytest.mark.parametrize("name", REFUSED)
async def test_all_problems_are_told_at_once(client: "TestClient[Any, Any]", tmp_path: Path, name: str) -> None:
    document, says = REFUSED[name]
    answer = await client.post("/ml/chains", json=rooted(document, tmp_path))
    told = await answer.json()
    assert (answer.status, told["code"]) == (400, "InvalidParameterException"), told
    for words in says:
        assert words in told["message"]
    assert await (await client.get("/ml/chains")).json() == {"ids": []}


async def test_ids_in_use_are_refused_before_anything_runs(client: "TestClient[Any, Any]", tmp_path: Path) -> None:
    make_artifact(tmp_path / "one")
    artifact = {"artifactLocation": str(tmp_path / "one")}
    body = {"inputDataS3Location": str(tmp_path / "export"), "processedDataS3Location": str(tmp_path / "out")}
    assert (await client.post("/ml/endpoints", json={"id": "e", **artifact})).status == 200
    assert (await client.post("/ml/dataprocessing", json={"id": "p", **body})).status == 200
    document = {"id": "c", "dataprocessing": {**body, "id": "p"}, "endpoint": {"id": "e", **artifact}}
    told = (await (await client.post("/ml/chains", json=document)).json())["message"]
    assert "dataprocessing: id 'p' is already in use" in told
    assert "endpoint: id 'e' is already in use" in told
    assert (await client.post("/ml/chains", json={"id": "c", "dataprocessing": body})).status == 200
    answer = await client.post("/ml/chains", json={"id": "c", "dataprocessing": {**body, "id": "q"}})
    assert "already in use by a chain" in (await answer.json())["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*Part, "id", "query"]) | st.text(max_size=8)


@given(st.dictionaries(NAMES, JSON | st.dictionaries(st.sampled_from(["id", "update", "fanouts"]), JSON)))
def test_any_document_is_read_or_refused_by_name(document: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidSettings):
        asked = parse_chain(document)
        with contextlib.suppress(NeptuneMLError):
            complete(asked.id, asked.parts, "/c")
