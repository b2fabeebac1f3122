"""The completion file."""

import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidParameter, InvalidSettings, UnsupportedOperation
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.files.completion import Completion
from neptuneml_plugin.export.request.request import read_request
from tests.export.graphs import BOOKS


def export(target: Path, **request: Any) -> None:
    export_graph(BOOKS, read_request(ExportConfig(gremlin="ws://unused", request=request)), target)


@pytest.mark.parametrize(
    ("location", "file"),
    [
        ("done", "done/out.json"),
        ("done/_COMPLETION_ID_.done", "done/out.done"),
        ("_COMPLETION_ID_/done.json", "out/done.json"),
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_it_holds_the_payload_and_the_statistics(scheme: str, location: str, file: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    payload = {"job": 7, "neptuneExport": "replaced"}
    export(target, completionFileS3Path=f"{scheme}{tmp_path}/{location}", completionFilePayload=payload)
    written = json.loads((tmp_path / file).read_text())
    assert written["job"] == 7
    assert written["neptuneExport"]["outputS3Path"] == str(target)
    assert written["neptuneExport"]["stats"] == json.loads((target / "stats.json").read_text())["stats"]


def test_it_is_not_written_for_an_export_that_failed(tmp_path: Path) -> None:
    params = {"nodeLabels": ["Bok"]}
    with pytest.raises(InvalidParameter):
        export(tmp_path / "out", completionFileS3Path=str(tmp_path / "done"), params=params)
    assert list(tmp_path.iterdir()) == []


def test_the_export_stands_where_the_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "done").write_text("a file")
    with pytest.raises(InvalidParameter, match=r"cannot be written .*the export stands in"):
        export(tmp_path / "out", completionFileS3Path=str(tmp_path / "done"))
    assert (tmp_path / "out" / "stats.json").is_file()


def test_the_placeholder_stands_for_the_folder() -> None:
    assert Completion(Path("a")).file(Path("/x/out")) == Path("a/out.json")


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"completionFilePayload": {}}, "completionFilePayload: needs 'completionFileS3Path' beside it"),
        ({"completionFileS3Path": 5}, "completionFileS3Path: must be a path, not 5"),
        (
            {"completionFileS3Path": "d", "completionFilePayload": [1]},
            r"completionFilePayload: must be an object of JSON, not \[1\]",
        ),
        (
            {"completionFileS3Path": "d", "completionFilePayload": {"a": float("nan")}},
            "completionFilePayload: must be an object of JSON",
        ),
    ],
)
def test_wrong_members(request_: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidSettings, match=problem):
        read_request(ExportConfig(gremlin="ws://unused", request=request_))


def test_s3_is_refused_with_the_reason() -> None:
    request = {"completionFileS3Path": "s3://bucket/done"}
    with pytest.raises(UnsupportedOperation, match=r"completionFileS3Path: 's3://.* opens no s3"):
        read_request(ExportConfig(gremlin="ws://unused", request=request))
