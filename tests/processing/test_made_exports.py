"""The exports of the benchmark are what it says they are."""

from pathlib import Path

import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.processing import process
from tests.made_exports import made_export


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
def test_a_made_export_is_processed_whole(task: Task, tmp_path: Path) -> None:
    source = made_export(tmp_path / "export", 2000, task=task)
    summary = process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "processed")
    assert (summary.task, summary.counts["vertices"], summary.counts["edges"]) == (task, 200, 2000)
    record = open_processed(tmp_path / "processed").record
    assert [feature.type for feature in record.schema.nodes[0].features] == ["numerical"] * 5 + ["category"] * 2
    numbers = ["numerical"] * (task is not Task.EDGE_REGRESSION)
    assert [feature.type for feature in record.schema.edges[0].features] == numbers
    parts = [summary.counts[part] for part in ("train", "valid", "test")]
    assert sum(parts) == (200 if task.on_nodes else 2000)
