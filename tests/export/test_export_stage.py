"""The stage on graphs held in memory: files, warnings, and nothing left behind on failure."""

import dataclasses
import gc
import itertools
import json
import resource
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import (
    FailureByQuery,
    InvalidParameter,
    NeptuneMLError,
    PreconditionsFailed,
    UnsupportedOperation,
)
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.consistency import State
from neptuneml_plugin.export.elements import Element, Keys
from neptuneml_plugin.export.export import export_graph, run
from neptuneml_plugin.export.readers.connection import Connection
from neptuneml_plugin.export.readers.selected import READ
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.stage import Summary
from tests.export.graphs import BOOKS, PEOPLE


def export(graph: Any, target: Path, request: dict[str, Any] | None = None, **flags: Any) -> Summary:
    config = ExportConfig(gremlin="ws://unused", request=request or {}, **flags)
    return export_graph(graph, read_request(config), target)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_neptunes_layout(tmp_path: Path) -> None:
    summary = export(BOOKS, tmp_path / "out")
    assert files(tmp_path / "out") == {
        "nodes/Book.consolidated.csv",
        "nodes/Reader.consolidated.csv",
        "edges/%28Reader%29-Reviewed-%28Book%29.consolidated.csv",
        "config.json",
        "stats.json",
        "training-data-configuration.json",
    }
    assert (summary.stage, summary.task, summary.warnings) == ("export", None, ())
    assert summary.counts == {"nodes": 4, "edges": 2}
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_vertices_of_several_labels_are_one_type(tmp_path: Path) -> None:
    export(PEOPLE, tmp_path / "out")
    text = (tmp_path / "out/nodes/Admin%3BPerson.consolidated.csv").read_text()
    assert text == '~id,~label,name\n"p1","Admin;Person","Ann"\n"p2","Admin;Person","Bob"\n'
    schema = json.loads((tmp_path / "out/config.json").read_text())
    assert [node["label"] for node in schema["nodes"]] == [["Admin", "Person"], "Person"]
    assert schema["edges"][0]["label"] == {
        "~label": "knows",
        "~fromLabels": ["Admin", "Person"],
        "~toLabels": ["Person"],
    }


def test_labels_and_properties_are_selected(tmp_path: Path) -> None:
    chosen = {"nodes": [{"label": "Book", "properties": ["pages", "price"]}], "edges": []}
    summary = export(BOOKS, tmp_path / "out", {"params": {"filter": chosen}})
    assert (tmp_path / "out/nodes/Book.consolidated.csv").read_text().splitlines()[0] == "~id,~label,pages"
    assert not (tmp_path / "out/nodes/Reader.consolidated.csv").exists()
    assert summary.warnings == (
        "no exported element of 'Book' has the selected property 'price'",
        "(Reader)-Reviewed-(Book): vertices of label 'Reader' are not part of the export",
    )
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert stats["warnings"] == list(summary.warnings)


def test_a_scope_leaves_the_other_folder_empty(tmp_path: Path) -> None:
    assert export(BOOKS, tmp_path / "out", {"params": {"scope": "nodes"}}).counts == {"nodes": 4, "edges": 0}
    assert list((tmp_path / "out/edges").iterdir()) == []


def test_the_schema_alone(tmp_path: Path) -> None:
    export(BOOKS, tmp_path / "whole")
    summary = export(BOOKS, tmp_path / "schema", {"command": "create-pg-config"})
    assert files(tmp_path / "schema") == {"config.json"}
    assert summary.counts == {"nodes": 4, "edges": 2}
    whole, alone = ((tmp_path / name / "config.json").read_text() for name in ("whole", "schema"))
    assert alone == whole


def test_the_schema_of_a_sample(tmp_path: Path) -> None:
    sample = {"command": "create-pg-config", "params": {"sample": True, "sampleSize": 1}}
    assert export(BOOKS, tmp_path / "out", sample).counts == {"nodes": 2, "edges": 1}
    (reader,) = [
        entry
        for entry in json.loads((tmp_path / "out/config.json").read_text())["nodes"]
        if entry["label"] == "Reader"
    ]
    assert reader["properties"][0]["isNullable"] is False, "the one without an age was not looked at"


def test_config_json_may_be_given_back_as_a_filter(tmp_path: Path) -> None:
    export(BOOKS, tmp_path / "first")
    export(BOOKS, tmp_path / "second", {"configFileS3Path": str(tmp_path / "first/config.json")})
    for name in files(tmp_path / "first"):
        assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()


def test_a_part_says_what_it_leaves_out(tmp_path: Path) -> None:
    summary = export(BOOKS, tmp_path / "out", {"params": {"limit": 3}})
    assert summary.counts == {"nodes": 3, "edges": 1}
    assert summary.warnings == ("1 edges were left out, since one of their vertices is not among those chosen",)
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert stats["consistency"]["nodes"][1] == {"label": "Reader", "before": 2, "wanted": 1, "read": 1, "after": 2}


@pytest.mark.parametrize("form", ["csv", "csvNoHeaders", "json", "parquet"])
@pytest.mark.parametrize("version", ["v1.0", "v2.0"])
def test_configurations_name_the_files_and_the_separator(form: str, version: str, tmp_path: Path) -> None:
    target = {"node": "Book", "property": "genre", "type": "classification"}
    learned = {"name": "it", "version": version, "targets": target}
    params = {"format": form, "multiValueSeparator": "|"}
    summary = export(BOOKS, tmp_path / "out", {"params": params, "additionalParams": {"neptune_ml": learned}})
    configuration = json.loads((tmp_path / "out/it.json").read_text())
    graph = configuration["graph"]
    entries = graph if version == "v1.0" else [*graph["nodes"], *graph["edges"]]
    assert {entry["file_name"] for entry in entries} == {name for name in files(tmp_path / "out") if "/" in name}
    (label,) = [label for entry in entries for label in entry.get("labels", [])]
    assert label["separator"] == "|"
    unread = (f"files of the format '{form}' cannot be processed; export csv or parquet for that",)
    expected = () if form in {"csv", "parquet"} else unread
    assert (summary.warnings, tuple(configuration["warnings"])) == (expected, expected)


def test_what_has_no_effect_stands_in_the_statistics(tmp_path: Path) -> None:
    export(BOOKS, tmp_path / "out", {"params": {"clusterId": "c1"}})
    assert json.loads((tmp_path / "out/stats.json").read_text())["withoutEffect"] == {"params.clusterId": "c1"}


def test_an_unknown_label_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"no node label 'Bok' \(did you mean 'Book'\?\)") as caught:
        export(BOOKS, tmp_path / "out", node_labels=("Bok",))
    assert caught.value.exit_code == 2
    with pytest.raises(InvalidParameter, match="no edge label 'reviewed'"):
        export(BOOKS, tmp_path / "out", edge_labels=("reviewed",))
    assert list(tmp_path.iterdir()) == []


def test_ids_that_the_text_does_not_tell_apart_are_refused(tmp_path: Path) -> None:
    graph = MemoryGraph(vertices={1: ("Thing", {}), "1": ("Thing", {})}, edges={})
    with pytest.raises(UnsupportedOperation, match="Thing has ids of classes Integer and String"):
        export(graph, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


class _Shrinking(MemoryGraph):
    """A graph whose first element vanishes between the listing and the reading."""

    def blocks(
        self, element: Element, label: str, keys: Keys, ids: Sequence[Any] | None = None
    ) -> Iterator[Block]:
        return super().blocks(element, label, keys, self.ids(element, label)[1:])


def test_elements_that_vanish_are_reported(tmp_path: Path) -> None:
    summary = export(_Shrinking(BOOKS.vertices, {}), tmp_path / "out")
    assert summary.counts == {"nodes": 2, "edges": 0}
    assert summary.warnings == (
        "nodes of 'Book' changed during the export: 2 before it, 1 read, 2 after it",
        "nodes of 'Reader' changed during the export: 2 before it, 1 read, 2 after it",
    )
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert stats["consistency"]["nodes"][0] == {"label": "Book", "before": 2, "read": 1, "after": 2}


@dataclasses.dataclass(frozen=True)
class _Restless(MemoryGraph):
    """A graph that is another each time it is looked at, with as many elements."""

    looks: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    def state(self, element: Element, label: str, keys: Keys) -> State:
        return dataclasses.replace(super().state(element, label, keys), fingerprint=next(self.looks))


def test_other_elements_of_the_same_number_are_reported(tmp_path: Path) -> None:
    summary = export(_Restless(BOOKS.vertices, {}), tmp_path / "out")
    assert summary.warnings == tuple(
        f"nodes of '{label}' changed during the export: as many as before it, 2, but not the same"
        for label in ("Book", "Reader")
    )
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert stats["consistency"]["nodes"][0] == {
        "label": "Book",
        "before": 2,
        "read": 2,
        "after": 2,
        "changed": True,
    }


@dataclasses.dataclass(frozen=True)
class _Failing(MemoryGraph):
    """A graph whose server dies after the vertices."""

    failure: NeptuneMLError = dataclasses.field(default_factory=lambda: FailureByQuery("gone"))

    def blocks(
        self, element: Element, label: str, keys: Keys, ids: Sequence[Any] | None = None
    ) -> Iterator[Block]:
        yield from super().blocks(element, label, keys, ids)
        if element is Element.EDGE:
            raise self.failure


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FailureByQuery, match="gone"):
        export(_Failing(BOOKS.vertices, BOOKS.edges), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    graph = MemoryGraph({number: ("Thing", {"text": "x" * 100}) for number in range(2_000)}, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            export(graph, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    config = ExportConfig(gremlin="ws://unused")
    export_graph(
        BOOKS, read_request(config), tmp_path / "out", progress=lambda text, part=None: told.append((text, part))
    )
    assert told[0][0] == "nodes of 'Book': 2 of 2"
    fractions = [part for _, part in told if part is not None]
    assert fractions == pytest.approx([READ * share / 3 for share in (1, 2, 3)])  # of three labels
    assert told[-1][0] == "writing csv files"


def test_no_server_is_said_with_its_url(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"ws://127.0.0.1:{port}/gremlin"
    with pytest.raises(PreconditionsFailed, match=f"no Gremlin Server answers at {url}") as caught:
        run(ExportConfig(gremlin=url), tmp_path / "out")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []
    gc.collect()  # an open session would warn


def test_a_server_that_has_answered_before_has_gone_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"ws://127.0.0.1:{port}/gremlin"
    with (
        Connection(ExportConfig(gremlin=url), is_reached=True) as connection,
        pytest.raises(FailureByQuery, match=f"the Gremlin Server at {url} went away while exporting"),
    ):
        connection.send("g.V()", 1)
    gc.collect()  # an open session would warn


def test_a_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="must be a URL like ws://"):
        run(ExportConfig(gremlin="localhost:8182"), tmp_path / "out")
