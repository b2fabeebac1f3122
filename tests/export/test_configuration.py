"""Golden cases of training-data configurations.

`tests/golden/export/*.json`: whole documents, one case each: a graph (by name, or in place), `neptune_ml`, and
`expected` or the `problems`. `tests/golden/export/rows/<table>/<row>.json`: one case for each row of the tables of
inference, warnings and rejections; of the document it holds what the row is about: `entries` by type without what
names the file, `warnings`, or the `files` written.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.request.request import read_request
from tests.export.graphs import graph
from tests.export.rows import ROWS

GOLDEN = Path(__file__).parents[1] / "golden" / "export"
CASES = sorted(GOLDEN.glob("*.json"))
ROW_CASES = sorted((GOLDEN / "rows").rglob("*.json"))
#: What every entry has, and what names its file: covered by the whole documents.
HEAD = {"file_name", "separator", "node", "source", "relation", "dest"}


def export_case(case: dict[str, Any], target: Path) -> dict[str, Any]:
    """Export; return the configurations by file name."""
    additional = {"neptune_ml": case["neptune_ml"]} if case["neptune_ml"] is not None else {}
    config = ExportConfig(gremlin="ws://unused", request={"additionalParams": additional})
    export_graph(graph(case["graph"]), read_request(config), target)
    files = (file for file in target.glob("*.json") if file.name not in {"config.json", "stats.json"})
    return {file.name: json.loads(file.read_text()) for file in files}


def check_problems(case: dict[str, Any], folder: Path) -> None:
    with pytest.raises(InvalidSettings) as caught:
        export_case(case, folder / "out")
    assert list(caught.value.problems) == case["problems"]
    assert list(folder.iterdir()) == [], "nothing half-written is left"


def entries(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of either version, by type and without their head."""
    graph = configuration["graph"]
    found = graph if isinstance(graph, list) else [*graph["nodes"], *graph["edges"]]
    return {named(entry): {key: entry[key] for key in entry if key not in HEAD} for entry in found}


def named(entry: dict[str, Any]) -> str:
    if "node" in entry:
        return str(entry["node"][1])
    if "dest" in entry:
        return f"({entry['source'][1]})-{entry['relation'][1]}-({entry['dest'][1]})"
    return "(Thing)-joins-(Thing)" if entry["file_name"].startswith("edges/") else "Thing"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_configuration(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text())
    if "problems" in case:
        check_problems(case, tmp_path)
    else:
        assert in_order(export_case(case, tmp_path / "out")) == in_order(case["expected"])


@pytest.mark.parametrize("path", ROW_CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_row(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text())
    if "problems" in case:
        check_problems(case, tmp_path)
        return
    written = export_case(case, tmp_path / "out")
    if "files" in case:
        assert sorted(written) == sorted(case["files"])
        return
    (configuration,) = written.values()
    assert in_order(entries(configuration)) == in_order(case["entries"])
    assert configuration["warnings"] == case["warnings"]
    assert configuration.get("similar") == case.get("similar")


def test_every_row_has_its_case() -> None:
    assert sorted(f"{table}/{row}" for table, rows in ROWS.items() for row in rows) == sorted(
        path.relative_to(GOLDEN / "rows").with_suffix("").as_posix() for path in ROW_CASES
    )


def test_there_are_cases() -> None:
    assert len(CASES) >= 12


def in_order(documents: dict[str, Any]) -> list[tuple[str, str]]:
    """Return documents as text, so that the order of members counts too; that of files does not."""
    return sorted((name, json.dumps(document)) for name, document in documents.items())
