"""Formats of an export, as the next stage reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig, ProcessConfig
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.export.values import Instant
from neptuneml_plugin.processing import process

#: Texts that CSV has to quote, numbers that Java writes with an exponent, lists, dates, and what is missing.
GRAPH = MemoryGraph(
    vertices={
        f"i{n}": (
            "item",
            {
                "kind": ("red", 'bl"ue', "gr,een\nish")[n % 3],
                "size": n * 1e6,
                "tags": ["a;b", "c"][: 1 + n % 2],
                "made": Instant(f"20{n + 10}-01-02T03:04:05Z"),
                **({"mark": n} if n % 4 else {}),
            },
        )
        for n in range(40)
    },
    edges={f"e{n}": (f"i{n}", "next", f"i{(n * 7 + 1) % 40}", {"weight": n / 8}) for n in range(40)},
)
LEARNED = {
    "targets": {"node": "item", "property": "kind", "type": "classification", "split_rate": [0.6, 0.2, 0.2]},
    "features": [{"node": "item", "property": "tags", "type": "category"}],
}


def exported(folder: Path, **params: Any) -> Path:
    request = {"params": params, "additionalParams": {"neptune_ml": LEARNED}}
    export_graph(GRAPH, read_request(ExportConfig(gremlin="ws://unused", request=request)), folder)
    return folder


def processed(folder: Path, **params: Any) -> dict[str, Any]:
    """Export, process, and return the description of the graph, with the hashes of its arrays."""
    process.run(ProcessConfig(), exported(folder / "export", **params), folder / "processed")
    described: dict[str, Any] = json.loads((folder / "processed" / "processed.json").read_text())
    del described["files"]["graph.bin"]  # DGL writes the same graph in other bytes
    return described


def test_parquet_and_other_separators_give_the_same_graph(tmp_path: Path) -> None:
    of_csv = processed(tmp_path / "csv")
    assert len(of_csv["files"]) >= 10
    assert processed(tmp_path / "parquet", format="parquet") == of_csv
    assert processed(tmp_path / "bar", multiValueSeparator="|")["schema"] == of_csv["schema"]


@pytest.mark.parametrize("form", ["csvNoHeaders", "json"])
def test_what_is_not_for_processing_is_refused(form: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData):
        processed(tmp_path, format=form)


def test_version_1_is_exported_and_processed(tmp_path: Path) -> None:
    learned = {**LEARNED, "version": "v1.0"}
    request = {"additionalParams": {"neptune_ml": learned}}
    export_graph(GRAPH, read_request(ExportConfig(gremlin="ws://unused", request=request)), tmp_path / "export")
    settings = ProcessConfig("training-job-configuration.json", dgl_graph=False)
    process.run(settings, tmp_path / "export", tmp_path / "processed")
    described = json.loads((tmp_path / "processed" / "processed.json").read_text())
    assert described["task"] == "node_class"
    assert described["target"]["property_name"] == "kind"
    features = {feature["name"]: feature["type"] for feature in described["schema"]["nodes"][0]["features"]}
    assert features == {"tags": "category", "size": "numerical", "mark": "numerical"}


def test_what_neptune_does_not_know_needs_no_hand(tmp_path: Path) -> None:
    learned = {
        "targets": {
            "node": "item", "property": "kind", "type": "classification", "split_rate": [0.6, 0.2, 0.2],
            "split": {"kind": "time", "property": "made"},
        },
        "features": [
            {"node": "item", "property": "tags", "type": "hash", "hash_width": 16},
            {"node": "item", "property": "size", "type": "numerical", "norm": "z-score", "on_error": "raise"},
            {"edge": ["item", "next", "item"], "property": "weight", "type": "vector"},
        ],
        "similar": {"node": "item", "features": ["tags"], "edge": "like", "top_k": 2},
    }  # fmt: skip
    request = read_request(
        ExportConfig(gremlin="ws://unused", request={"additionalParams": {"neptune_ml": learned}})
    )
    export_graph(GRAPH, request, tmp_path / "export")
    process.run(ProcessConfig(dgl_graph=False), tmp_path / "export", tmp_path / "processed")
    described = json.loads((tmp_path / "processed" / "processed.json").read_text())
    (split,) = described["splits"]
    assert (split["kind"], split["periods"]["train"][0]) == ("time", "2010-01-02T03:04:05Z")
    (node,), edges = described["schema"]["nodes"], described["schema"]["edges"]
    types = {feature["name"]: feature["type"] for feature in node["features"]}
    assert (types["tags"], types["size"]) == ("hash", "numerical")
    assert [edge["type"]["label"] for edge in edges] == ["next", "like"]
    assert [feature["type"] for feature in edges[0]["features"]] == ["vector"]
