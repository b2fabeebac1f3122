"""The published splits as files that `process` reads."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.quality.__main__ import cases
from tests.quality.knowledge_graphs import KNOWLEDGE_GRAPHS, triples, write_graph

ROWS = {
    "train": "brazil\ttrades\tcuba\nchina\ttrades\tcuba\ncuba\tvisits\tchina\n",
    "valid": "cuba\ttrades\tchina\n",
    "test": "brazil\tvisits\tchina\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "pykeen-0.whl", "w") as wheel:
        for part, rows in ROWS.items():
            wheel.writestr(f"pykeen/datasets/nations/{part}.txt", rows)
    return tmp_path


def test_triples_are_head_relation_tail(package: Path) -> None:
    assert triples("nations", "valid", package) == [("cuba", "trades", "china")]


def test_every_relation_has_its_edges_and_their_parts(package: Path, tmp_path: Path) -> None:
    write_graph("nations", tmp_path / "export", package)
    graph = json.loads((tmp_path / "export/training-data-configuration.json").read_text())["graph"]
    assert [edge["relation"][1] for edge in graph["edges"]] == ["trades", "visits"]
    assert (tmp_path / "export/nodes/thing.csv").read_text().split() == [
        "~id,~label", "brazil,thing", "china,thing", "cuba,thing",
    ]  # fmt: skip
    trades, visits = (edge["labels"][0]["custom_split_filenames"] for edge in graph["edges"])
    assert (tmp_path / "export" / trades["valid"]).read_text() == "~from,~to\ncuba,china\n"
    assert (tmp_path / "export" / visits["valid"]).read_text() == "~from,~to\n"
    assert (tmp_path / "export" / visits["test"]).read_text() == "~from,~to\nbrazil,china\n"


def test_the_table_has_both_graphs_with_every_model() -> None:
    models = {(case.graph, case.model) for case in cases() if case.graph in KNOWLEDGE_GRAPHS}
    assert len(models) == 10
