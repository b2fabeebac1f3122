"""Formats of an export, as the next stage reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig, ProcessConfig
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.request import read_request
from neptuneml_plugin.export.source import MemoryGraph
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


def processed(folder: Path, **params: Any) -> dict[str, bytes]:
    """Export, process, and return the files that describe the graph and its encoders."""
    process.run(ProcessConfig(), exported(folder / "export", **params), folder / "processed")
    names = ("processed.json", "encoders.json", "info.pkl")
    return {name: (folder / "processed" / name).read_bytes() for name in names}


def test_parquet_and_other_separators_give_the_same_graph(tmp_path: Path) -> None:
    graphs = [
        processed(tmp_path / "csv"),
        processed(tmp_path / "parquet", format="parquet"),
        processed(tmp_path / "bar", multiValueSeparator="|"),
    ]
    assert graphs[0] == graphs[1]
    described = [json.loads(files["processed.json"])["schema"] for files in graphs]
    assert described[0] == described[2]


@pytest.mark.parametrize("form", ["csvNoHeaders", "json"])
def test_what_is_not_for_processing_is_refused(form: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData):
        processed(tmp_path, format=form)
