"""Each file of `golden/processing` is an export and what processing must make of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.arrays import Array
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processed import Columns, open_processed
from neptuneml_plugin.processing import process
from tests.processing.exports import write_export

CASES = sorted((Path(__file__).parent.parent / "golden" / "processing").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    source = write_export(tmp_path / "export", case["files"], case["configuration"], case.get("schema"))
    process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "processed")
    actual = describe(tmp_path / "processed")
    assert actual.keys() >= case["expected"].keys()
    for name, expected in case["expected"].items():
        assert actual[name] == expected, name


def test_there_are_cases() -> None:
    assert len(CASES) >= 6


def describe(folder: Path) -> dict[str, Any]:
    """Return everything that a processed folder says, as JSON."""
    opened = open_processed(folder)
    record = opened.record
    nodes = {
        kind.label: {
            "ids": opened.ids(position).texts(),
            "id_type": kind.id_type,
            "types": {feature.name: feature.type for feature in kind.features},
            "data": described(opened.node(position)),
        }
        for position, kind in enumerate(record.schema.nodes)
    }
    edges = {
        " ".join(kind.type.triple): {
            "ends": [end.tolist() for end in opened.ends(position)],
            "data": described(opened.edge(position)),
        }
        for position, kind in enumerate(record.schema.edges)
    }
    return {
        "task": record.task.value,
        "target": json.loads(json.dumps(vars(record.target), default=lambda edge_type: list(edge_type.triple))),
        "nodes": nodes,
        "edges": edges,
        "warnings": list(record.warnings),
    }


def described(columns: Columns) -> dict[str, Any]:
    """Return arrays as lists of 4 decimals, NaN as null."""
    arrays = {**columns.features, **{f"{part}_mask": mask for part, mask in columns.masks.items()}}
    if columns.labels is not None:
        arrays["labels"] = columns.labels
    return {name: listed(arrays[name]) for name in sorted(arrays)}


def listed(array: Array) -> Any:
    if array.dtype != np.float32:
        return array.tolist()
    rounded = array.astype(np.float64).round(4)
    return np.where(np.isnan(rounded), None, rounded).tolist()  # type: ignore[call-overload]
