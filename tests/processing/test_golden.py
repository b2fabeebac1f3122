"""Each file of `golden/processing` is an export and what processing must make of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import ProcessedGraph, read_record
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.dgl_graph import dgl, load_graph
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing import process
from tests.processing.exports import write_export

CASES = sorted((Path(__file__).parent.parent / "golden" / "processing").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    source = write_export(tmp_path / "export", case["files"], case["configuration"], case.get("schema"))
    process.run(ProcessConfig(), source, tmp_path / "processed")
    actual = describe(tmp_path / "processed")
    assert actual.keys() >= case["expected"].keys()
    for name, expected in case["expected"].items():
        assert actual[name] == expected, name


def test_there_are_cases() -> None:
    assert len(CASES) >= 6


def describe(folder: Path) -> dict[str, Any]:
    """Return everything that a processed folder says, as JSON."""
    record = read_record(folder / "processed.json", ProcessedGraph)
    graph = load_graph(folder / "graph.bin")
    nodes = {
        kind.label: {
            "ids": IdColumn(folder / "ids" / str(i)).texts(),
            "id_type": kind.id_type,
            "types": {feature.name: feature.type for feature in kind.features},
            "data": columns(graph.nodes[kind.label].data),
        }
        for i, kind in enumerate(record.schema.nodes)
    }
    return {
        "task": record.task.value,
        "target": json.loads(json.dumps(vars(record.target), default=lambda edge_type: list(edge_type.triple))),
        "nodes": nodes,
        "edges": {" ".join(triple): described_edges(graph, triple) for triple in sorted(graph.canonical_etypes)},
        "warnings": list(record.warnings),
    }


def described_edges(graph: dgl.DGLGraph, triple: tuple[str, str, str]) -> dict[str, Any]:
    ends = graph.edges(etype=triple, order="eid")
    return {"ends": [end.tolist() for end in ends], "data": columns(graph.edges[triple].data)}


def columns(data: Any) -> dict[str, Any]:
    """Return tensors as lists of 4 decimals, NaN as null."""
    described = {}
    for name in sorted(data):
        array = data[name].numpy()
        if array.dtype == np.float32:
            rounded = array.astype(np.float64).round(4)
            array = np.where(np.isnan(rounded), None, rounded)
        described[name] = array.tolist()
    return described
