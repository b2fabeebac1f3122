"""Golden cases: `tests/golden/export/*.json`, one file each, name -> graph, `neptune_ml` and what comes out."""

import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.request import read_request
from tests.export.graphs import GRAPHS

CASES = sorted((Path(__file__).parents[1] / "golden" / "export").glob("*.json"))


def export_case(case: dict[str, Any], target: Path) -> None:
    additional = {"neptune_ml": case["neptune_ml"]} if case["neptune_ml"] is not None else {}
    config = ExportConfig(gremlin="ws://unused", request={"additionalParams": additional})
    export_graph(GRAPHS[case["graph"]], read_request(config), target)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_configuration(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text())
    target = tmp_path / "out"
    if "problems" in case:
        with pytest.raises(InvalidSettings) as caught:
            export_case(case, target)
        assert list(caught.value.problems) == case["problems"]
        assert list(tmp_path.iterdir()) == [], "nothing half-written is left"
        return
    export_case(case, target)
    written = {
        file.name: json.loads(file.read_text())
        for file in target.glob("*.json")
        if file.name not in {"config.json", "stats.json"}
    }
    assert written == case["expected"]


def test_there_are_cases() -> None:
    assert len(CASES) >= 12
