import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import (
    EdgeSchema,
    EdgeType,
    FeatureSchema,
    GraphSchema,
    Manifest,
    NodeType,
    ProcessedGraph,
    Target,
    Task,
    join_labels,
    open_artifact,
    read_record,
    write_record,
)
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.filerecords import content_version, describe_files

ROUTE = EdgeType("airport", "route", "airport")
SCHEMA = GraphSchema(
    nodes=(NodeType("airport", 3, "Integer", (FeatureSchema("elev", "numerical", 1),)), NodeType("country", 1)),
    edges=(EdgeSchema(ROUTE, 2),),
)


def processed(**changes: object) -> ProcessedGraph:
    target = Target(node="airport", property_name="country", classes=("US", "DE"))
    return ProcessedGraph(**({"task": Task.NODE_CLASS, "target": target, "schema": SCHEMA} | changes))  # type: ignore[arg-type]


@given(
    classes=st.lists(
        st.text()
        | st.integers(-(2**53), 2**53)
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False),
        max_size=5,
    ),
    label=st.text(),
    warnings=st.lists(st.text(), max_size=3),
)
def test_a_record_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    classes: list[str | int | float | bool],
    label: str,
    warnings: list[str],
) -> None:
    path = tmp_path_factory.mktemp("record") / "processed.json"
    target = Target(node=label, property_name="p", classes=tuple(classes))
    record = processed(target=target, warnings=tuple(warnings))
    write_record(path, record)
    again = read_record(path, ProcessedGraph)
    assert again == record
    assert [type(value) for value in again.target.classes] == [type(value) for value in classes]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is missing; is .* the output of the stage before"),
        ("{", "is not JSON"),
        ('{"format_version": 99}', "has format version 99, this release reads 2"),
        ("[]", "does not hold a ProcessedGraph"),
        ('{"task": "node_clas", "target": {}, "schema": {"nodes": [], "edges": []}}', r"expected Task @ \$\.task"),
        ('{"task": "node_class", "target": {}}', "schema"),
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "processed.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidData, match=said) as raised:
        read_record(path, ProcessedGraph)
    assert str(path) in str(raised.value)


def test_types_have_positions() -> None:
    assert (SCHEMA.node("country"), SCHEMA.edge(ROUTE)) == (1, 0)
    with pytest.raises(KeyError, match="airports"):
        SCHEMA.node("airports")
    assert ROUTE.triple == ("airport", "route", "airport")
    assert ROUTE.reverse == ("airport", "rev-route", "airport")
    assert join_labels(["Person", "Admin"]) == "Admin;Person"


@pytest.mark.parametrize(
    ("task", "on_nodes", "is_class"),
    [
        (Task.NODE_CLASS, True, True),
        (Task.NODE_REGRESSION, True, False),
        (Task.EDGE_CLASS, False, True),
        (Task.EDGE_REGRESSION, False, False),
        (Task.LINK_PREDICTION, False, False),
    ],
)
def test_tasks(task: Task, on_nodes: bool, is_class: bool) -> None:  # noqa: FBT001
    assert (task.on_nodes, task.is_class) == (on_nodes, is_class)


def artifact(folder: Path) -> Manifest:
    (folder / "nodes" / "0").mkdir(parents=True)
    (folder / "nodes" / "0" / "embeddings.npy").write_bytes(b"embedding" * 100)
    (folder / "model.safetensors").write_bytes(b"weights")
    files = describe_files(folder)
    manifest = Manifest(
        version=content_version(files),
        created_at="2026-01-01T00:00:00Z",
        task=Task.NODE_CLASS,
        target=Target(node="airport", property_name="country"),
        schema=SCHEMA,
        model="rgcn",
        hyperparameters={"num-layer": 2},
        metrics={"test": {"acc": 0.5}},
        files=files,
    )
    write_record(folder / "manifest.json", manifest)
    return manifest


def test_an_artifact_is_verified_when_opened(tmp_path: Path) -> None:
    manifest = artifact(tmp_path)
    assert open_artifact(tmp_path) == manifest
    assert set(manifest.files) == {"model.safetensors", "nodes/0/embeddings.npy"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "lacks nodes/0/embeddings.npy"),
        (b"embedding", "embeddings.npy has 9 bytes instead of 900 .truncated or changed"),
        (b"EMBEDDING" * 100, "embeddings.npy has changed since it was written"),
    ],
)
def test_a_damaged_artifact_names_the_file(tmp_path: Path, content: bytes | None, said: str) -> None:
    artifact(tmp_path)
    path = tmp_path / "nodes" / "0" / "embeddings.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidData, match=said):
        open_artifact(tmp_path)


def test_a_folder_without_manifest_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"is not an artifact: it has no manifest\.json"):
        open_artifact(tmp_path)
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(InvalidData, match=r"manifest\.json cannot be read: Is a directory"):
        read_record(tmp_path / "manifest.json", Manifest)


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    artifact(tmp_path)
    before = content_version(describe_files(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"Weights")
    assert content_version(describe_files(tmp_path)) != before
    assert len(before) == 16


def test_records_are_plain_json(tmp_path: Path) -> None:
    write_record(tmp_path / "processed.json", processed())
    assert json.loads((tmp_path / "processed.json").read_text())["task"] == "node_class"
