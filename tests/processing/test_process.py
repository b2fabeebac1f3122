"""The stage as a whole: every task on planted graphs, determinism, and every refusal of data."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import EdgeType, Task
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.processed import ProcessedFolder, open_processed
from neptuneml_plugin.processing import process
from neptuneml_plugin.processing.configuration.trainingdata import (
    read_training_data,
)
from neptuneml_plugin.processing.encoders.fitted import read_encoders
from neptuneml_plugin.processing.graph import features
from neptuneml_plugin.processing.reading.elements import read_elements
from tests.planted import planted_export
from tests.processing.exports import BOOKS, REVIEWS, configuration, edge, feature, library, node, write_export

PARTS = ("train", "valid", "test")
SHELF = {"label": ["shelf", "classification"], "split_rate": [0.5, 0.5, 0.0]}
LINKED = EdgeType("item", "linked", "item")


def run(source: Path, target: Path, seed: int = 0) -> ProcessedFolder:
    process.run(ProcessConfig(seed=seed, dgl_graph=False), source, target)
    return open_processed(target)


@pytest.mark.parametrize("task", Task)
def test_every_task(task: Task, tmp_path: Path) -> None:
    opened = run(planted_export(tmp_path / "export", task), tmp_path / "processed")
    record = opened.record
    assert record.task is task
    assert [(node.label, node.count, node.id_type) for node in record.schema.nodes] == [
        ("item", 300, "String"),
        ("tag", 100, "Integer"),
    ]
    if task.on_nodes:
        assert record.target.node == "item"
        columns = opened.node(0)
    else:
        assert record.target.edges == (LINKED,)
        columns = opened.edge(record.schema.edge(LINKED))
    masks = np.stack([columns.masks[part] for part in PARTS])
    assert masks.dtype == bool
    assert (masks.sum(0) == 1).all()
    assert masks.mean(1).tolist() == pytest.approx([0.7, 0.15, 0.15], abs=0.01)
    types = {Task.NODE_CLASS: np.int64, Task.EDGE_CLASS: np.int64, Task.LINK_PREDICTION: None}
    assert (None if columns.labels is None else columns.labels.dtype) == types.get(task, np.float32)


def test_several_labels(tmp_path: Path) -> None:
    opened = run(planted_export(tmp_path / "e", Task.NODE_CLASS, multi_label=True), tmp_path / "p")
    assert opened.record.target.multi_label
    labels = opened.node(0).labels
    assert labels is not None
    assert labels.sum(1).tolist() == [1.0, 2.0] * 150


def test_ids_come_back(tmp_path: Path) -> None:
    opened = run(planted_export(tmp_path / "e", Task.NODE_CLASS), tmp_path / "p")
    tags = opened.ids(opened.record.schema.node("tag"))
    assert tags.texts() == [str(1000 + i) for i in range(100)]
    assert tags.rows(["1099", "nobody", "1000"]).tolist() == [99, -1, 0]


def test_ends_are_rows_of_the_ids(tmp_path: Path) -> None:
    opened = run(library(tmp_path / "e"), tmp_path / "p")
    sources, targets = opened.ends(0)
    assert sources.dtype == targets.dtype == np.int32
    assert (sources.tolist(), targets.tolist()) == ([0, 0, 1, 1], [0, 1, 2, 3])
    assert (opened.ids(1).texts()[1], opened.ids(0).texts()[2]) == ("r2", "3")


def test_same_seed_same_folder(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS)
    opened = [run(source, tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    masks = [folder.node(0).masks["train"] for folder in opened]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
    assert opened[0].record == opened[1].record  # hashes of all files


def test_saved_encoders_give_the_graphs_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BLOCK", 64)  # several blocks, as a large graph has
    source = planted_export(tmp_path / "e", Task.LINK_PREDICTION)
    opened = run(source, tmp_path / "p")
    encoders = read_encoders(tmp_path / "p" / "encoders.json")
    elements = read_elements(source, read_training_data(source, "training-data-configuration.json"))
    for position, table in enumerate(elements.nodes):
        assert table.file is not None
        for encoder in encoders.nodes[table.label]:
            encoded = encoder.encode(table.file.column(encoder.column))
            assert np.array_equal(encoded, opened.node(position).features[encoder.name])
    edge_type, (since,) = encoders.edges[0]
    assert (edge_type, since.name) == (LINKED, "since")
    encoded = since.encode(elements.edges[0].file.column("since"))
    assert np.array_equal(encoded, opened.edge(0).features["since"])


def test_encoders_learn_nothing_from_held_out_rows(tmp_path: Path) -> None:
    labels = [
        {
            "label": ["shelf", "classification"],
            "custom_split_filenames": {"train": "train.csv", "valid": "valid.csv"},
        }
    ]
    files = {"train.csv": "~id\n1\n2\n", "valid.csv": "~id\n4\n"}
    source = library(
        tmp_path / "e", book_features=[feature("pages", "numerical")], book_labels=labels, files=files
    )
    opened = run(source, tmp_path / "p")
    # 500 pages are held out, so 100..300 are 0..1.
    assert opened.node(0).features["pages"].flatten().tolist() == [0.0, 1.0, 0.5, 2.0]


def test_summary(tmp_path: Path) -> None:
    source = library(tmp_path / "e", book_labels=[SHELF], review_features=[feature("stars", "numerical")])
    lines: list[str] = []
    summary = process.run(ProcessConfig(), source, tmp_path / "p", lambda message, _=None: lines.append(message))
    assert summary.counts == {"vertices": 6, "edges": 4, "features": 2, "train": 2, "valid": 2, "test": 0}
    assert (summary.stage, summary.task, summary.warnings) == ("process", "node_class", ())
    assert json.loads(json.dumps(summary.to_json()))["output"] == str(tmp_path / "p")
    assert lines[-1] == "done"


def test_without_labels_it_says_how_to_name_a_target(tmp_path: Path) -> None:
    summary = process.run(ProcessConfig(), library(tmp_path / "e"), tmp_path / "p")
    assert summary.task == "link_prediction"
    assert "to predict a property instead, name it in `labels`" in summary.warnings[0]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown target": (
        {"book_labels": [{"label": ["shelv", "classification"]}]},
        r"nodes/Book\.csv has no column 'shelv' \(did you mean 'shelf'\?\)",
    ),
    "unknown feature": (
        {"book_features": [feature("page", "numerical")]},
        r"has no column 'page' \(did you mean 'pages'",
    ),
    "missing id": (
        {"files": {"nodes/Book.csv": BOOKS.replace("3,Book", ",Book")}},
        r"nodes/Book\.csv, row 3, column '~id': the id is missing",
    ),
    "id twice": (
        {"files": {"nodes/Book.csv": BOOKS.replace("3,Book", "1,Book")}},
        r"nodes/Book\.csv: id '1' stands in several rows \(1, 3\)",
    ),
    "missing end": (
        {"files": {"edges/Reviewed.csv": REVIEWS.replace("r1,2", "r1,")}},
        r"edges/Reviewed\.csv, row 2, column '~to': the id is missing",
    ),
    "unknown end": (
        {"files": {"edges/Reviewed.csv": REVIEWS + "e,Reviewed,r1,77,1\nf,Reviewed,r1,78,1\n"}},
        r"Reviewed\.csv: 2 of 6 edges have a '~to' that is not a vertex of nodes/Book\.csv \(such as '77', '78'\)",
    ),
    "no edges": ({"files": {"edges/Reviewed.csv": "~id,~from,~to\n"}}, "holds no edges"),
    "no id column": ({"files": {"nodes/Book.csv": BOOKS.replace("~id", "id")}}, "has no column '~id'"),
    "not numeric": (
        {"book_features": [feature("shelf", "numerical")]},
        r"nodes/Book\.csv, row 1, column 'shelf': 'crime' is not a finite number",
    ),
    "split of nothing": (
        {
            "book_labels": [
                {
                    "label": ["shelf", "classification"],
                    "custom_split_filenames": {"train": "t.csv", "valid": "v.csv"},
                }
            ],
            "files": {"t.csv": "~id\n", "v.csv": "~id\n1\n"},
        },
        "no row of the target is left to train on",
    ),
    "unknown id in split": (
        {
            "book_labels": [
                {
                    "label": ["shelf", "classification"],
                    "custom_split_filenames": {"train": "t.csv", "valid": "v.csv"},
                }
            ],
            "files": {"t.csv": "~id\n2\n", "v.csv": "~id\n1\n9\n"},
        },
        r"v\.csv: 1 of 2 rows are not in nodes/Book\.csv \(such as \('9',\)\)",
    ),
    "split overlap": (
        {
            "book_labels": [
                {
                    "label": ["shelf", "classification"],
                    "custom_split_filenames": {"train": "t.csv", "valid": "v.csv"},
                }
            ],
            "files": {"t.csv": "~id\n1\n2\n", "v.csv": "~id\n2\n"},
        },
        r"v\.csv: \('2',\) is also in another split file",
    ),
    "schema of another shape": (
        {"schema": {"nodes": [3]}},
        r"config\.json is not the schema that the export writes",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data(case: str, tmp_path: Path) -> None:
    members, message = BAD[case]
    source = library(tmp_path / "e", **members)
    with pytest.raises(InvalidData, match=message) as caught:
        process.run(ProcessConfig(), source, tmp_path / "p")
    assert caught.value.exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e"]


def test_reverse_name_clash(tmp_path: Path) -> None:
    files = {"edges/r.csv": "~from,~to\n1,2\n", "edges/rev-r.csv": "~from,~to\n2,1\n"}
    source = write_export(tmp_path / "e", files, configuration(edge("a", "r", "b"), edge("b", "rev-r", "a")))
    with pytest.raises(InvalidData, match="has the name of the reverse edges of"):
        process.run(ProcessConfig(), source, tmp_path / "p")


def test_source_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="is no folder"):
        process.run(ProcessConfig(), tmp_path / "nowhere", tmp_path / "p")


def test_target_is_not_overwritten(tmp_path: Path) -> None:
    source = library(tmp_path / "e", book_labels=[SHELF])
    process.run(ProcessConfig(), source, tmp_path / "p")
    with pytest.raises(InvalidParameter, match="is not empty"):
        process.run(ProcessConfig(), source, tmp_path / "p")
    process.run(ProcessConfig(overwrite=True), source, tmp_path / "p")


def test_another_configuration(tmp_path: Path) -> None:
    source = library(tmp_path / "e", book_labels=[SHELF])
    document = configuration(
        node("Book"),
        node("Reader"),
        edge("Reader", "Reviewed", "Book", labels=[{"label": ["stars", "regression"]}]),
    )
    (source / "stars.json").write_text(json.dumps(document), encoding="utf-8")
    summary = process.run(ProcessConfig(config_file_name="stars.json"), source, tmp_path / "p")
    assert summary.task == "edge_regression"


FULL_DISK = """
import resource, sys
from pathlib import Path
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processing import process
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    process.run(ProcessConfig(), Path(sys.argv[1]), Path(sys.argv[2]))
except OSError:
    sys.exit(3)
"""


@pytest.mark.parametrize("limit", [100, 3_000, 20_000])
def test_full_disk_leaves_nothing(tmp_path: Path, limit: int) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS)
    command = [sys.executable, "-c", FULL_DISK, str(source), str(tmp_path / "p"), str(limit)]
    done = subprocess.run(
        command, capture_output=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert done.returncode == 3, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e"]
