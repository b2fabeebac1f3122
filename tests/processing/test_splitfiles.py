import json
from pathlib import Path

import polars as pl
import pytest

from neptuneml_plugin.artifacts import SPLITS, TRAINING_DATA_CONFIGURATION, Task
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.processing import process
from tests.planted import planted_export

PARTS = ("train", "valid", "test")


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
def test_the_files_hold_each_row_of_the_masks(task: Task, tmp_path: Path) -> None:
    export = planted_export(tmp_path / "export", task, nodes=60)
    process.run(ProcessConfig(dgl_graph=False), export, tmp_path / "processed")
    (folder,) = (tmp_path / "processed" / SPLITS).iterdir()
    opened = open_processed(tmp_path / "processed")
    columns = (opened.node if task.on_nodes else opened.edge)(int(folder.name))
    for part in PARTS:
        rows = pl.read_csv(folder / f"{part}.csv", infer_schema=False)
        assert len(rows) == columns.masks[part].sum()
        assert rows.columns == (["~id"] if task.on_nodes else ["~from", "~to"])


def test_the_files_deal_the_same_split_again(tmp_path: Path) -> None:
    export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
    process.run(ProcessConfig(seed=5, dgl_graph=False), export, tmp_path / "first")
    (dealt,) = (tmp_path / "first" / SPLITS).iterdir()
    path = export / TRAINING_DATA_CONFIGURATION
    configuration = json.loads(path.read_text())
    (label,) = (label for node in configuration["graph"]["nodes"] for label in node.get("labels", []))
    del label["split_rate"]
    label["custom_split_filenames"] = {part: f"{part}.csv" for part in PARTS}
    path.write_text(json.dumps(configuration))
    for part in PARTS:
        (export / f"{part}.csv").write_bytes((dealt / f"{part}.csv").read_bytes())
    process.run(ProcessConfig(seed=6, dgl_graph=False), export, tmp_path / "second")
    (again,) = (tmp_path / "second" / SPLITS).iterdir()
    for part in PARTS:
        assert (again / f"{part}.csv").read_bytes() == (dealt / f"{part}.csv").read_bytes()
