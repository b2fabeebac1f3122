"""The exports of the benchmark are what it says they are."""

from pathlib import Path

import pytest

from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.processing import process
from tests.made_exports import made_export


@pytest.mark.parametrize(("links", "task"), [(False, "node_class"), (True, "link_prediction")])
def test_a_made_export_is_processed_whole(*, links: bool, task: str, tmp_path: Path) -> None:
    source = made_export(tmp_path / "export", 2000, links=links)
    summary = process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "processed")
    assert (summary.task, summary.counts["vertices"], summary.counts["edges"]) == (task, 200, 2000)
    record = open_processed(tmp_path / "processed").record
    assert [feature.type for feature in record.schema.nodes[0].features] == ["numerical"] * 5 + ["category"] * 2
    assert [feature.type for feature in record.schema.edges[0].features] == ["numerical"]
    parts = [summary.counts[part] for part in ("train", "valid", "test")]
    assert sum(parts) == (2000 if links else 200)
