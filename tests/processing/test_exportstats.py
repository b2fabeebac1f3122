"""Rows are compared with what the export says that it wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig, ProcessConfig
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.processing import process
from tests.export.graphs import BOOKS


def exported(folder: Path) -> Path:
    export_graph(BOOKS, read_request(ExportConfig(gremlin="ws://unused", request={})), folder)
    return folder


def warnings(folder: Path) -> list[str]:
    done = process.run(ProcessConfig(dgl_graph=False), folder, folder.parent / "processed")
    return [warning for warning in done.warnings if "stats.json" in warning]


def changed(folder: Path, change: Callable[[Any], object]) -> Path:
    path = folder / "stats.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return folder


def test_a_whole_export_leaves_no_word(tmp_path: Path) -> None:
    assert warnings(exported(tmp_path / "export")) == []


def test_rows_that_are_gone_are_named(tmp_path: Path) -> None:
    folder = exported(tmp_path / "export")
    (file,) = (folder / "edges").iterdir()
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    (said,) = warnings(folder)
    assert said.startswith("'(Reader)-Reviewed-(Book)': 1 rows were read, but the export wrote 2 (stats.json)")


def test_what_changed_during_the_export_is_named(tmp_path: Path) -> None:
    def grown(document: Any) -> None:
        document["consistency"]["nodes"][0]["after"] += 3

    (said,) = warnings(changed(exported(tmp_path / "export"), grown))
    assert "changed while it was exported: 2 before, 2 wanted, 2 read, 5 after" in said


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("stats"),
        lambda document: document["stats"].update(details=[]),
        lambda document: document["stats"]["details"]["nodes"][0].update(count="many"),
        lambda document: document.update(consistency=[1]),
        lambda document: document.update(consistency={"nodes": [{}]}),
    ],
)
def test_stats_of_another_shape_are_no_reason_to_stop(tmp_path: Path, change: Callable[[Any], object]) -> None:
    (said,) = warnings(changed(exported(tmp_path / "export"), change))
    assert said.startswith("stats.json is not what the export writes")


def test_exports_without_stats_are_not_compared(tmp_path: Path) -> None:
    folder = exported(tmp_path / "export")
    (folder / "stats.json").unlink()
    assert warnings(folder) == []
