"""`graph.bin` and `info.pkl`, which custom models of the original read (spec/formats.md B.2)."""

import io
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.dgl_graph import dgl, load_graph
from neptuneml_plugin.processed import Columns, ProcessedFolder, open_processed
from neptuneml_plugin.processing import process
from tests.planted import planted_export
from tests.processing.exports import feature, library, write_export

CASES = sorted((Path(__file__).parent.parent / "golden" / "processing").glob("*.json"))
SHELF = {"label": ["shelf", "classification"], "split_rate": [0.5, 0.5, 0.0]}


def processed(source: Path, target: Path) -> tuple[ProcessedFolder, dgl.DGLGraph, dict[str, Any]]:
    process.run(ProcessConfig(), source, target)
    return open_processed(target), load_graph(target / "graph.bin"), read_info(target)


class BuiltinsOnly(pickle.Unpickler):
    """Stricter than the loader of graph-notebook, which also permits numpy."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")


def read_info(folder: Path) -> dict[str, Any]:
    info = BuiltinsOnly(io.BytesIO((folder / "info.pkl").read_bytes())).load()
    assert isinstance(info, dict)
    return info


def expected(columns: Columns) -> dict[str, Any]:
    masks = {f"{part}_mask": mask for part, mask in columns.masks.items()}
    answers = {} if columns.labels is None else {"labels": columns.labels}
    return {**columns.features, **masks, **answers}


def assert_equal(data: Any, columns: dict[str, Any]) -> None:
    assert set(data) == set(columns)
    for name, column in columns.items():
        assert np.array_equal(data[name].numpy(), column, equal_nan=column.dtype == np.float32), name


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_graph_is_the_native_one_with_reverse_edges(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    source = write_export(tmp_path / "e", case["files"], case["configuration"], case.get("schema"))
    opened, graph, info = processed(source, tmp_path / "p")
    schema = opened.record.schema
    assert sorted(graph.ntypes) == sorted(node.label for node in schema.nodes)
    for position, node in enumerate(schema.nodes):
        assert graph.num_nodes(node.label) == node.count
        columns = expected(opened.node(position))
        if not node.features:
            columns["constant"] = np.ones((node.count, 1), np.float32)
        assert_equal(graph.nodes[node.label].data, columns)
        assert info["node_id_map"][node.label] == {t: i for i, t in enumerate(opened.ids(position).texts())}
        assert set(info["node_feat_meta"][node.label]) == set(columns) - {"labels"} - set(masks(columns))
    triples = [edge.type.triple for edge in schema.edges] + [edge.type.reverse for edge in schema.edges]
    assert sorted(graph.canonical_etypes) == sorted(triples)
    for position, edge in enumerate(schema.edges):
        sources, targets = (end.tolist() for end in opened.ends(position))
        assert [end.tolist() for end in graph.edges(etype=edge.type.triple, order="eid")] == [sources, targets]
        assert [end.tolist() for end in graph.edges(etype=edge.type.reverse, order="eid")] == [targets, sources]
        columns = expected(opened.edge(position))
        assert_equal(graph.edges[edge.type.triple].data, columns)
        assert_equal(graph.edges[edge.type.reverse].data, {f"rev_{n}": columns[n] for n in masks(columns)})


def masks(columns: dict[str, Any]) -> list[str]:
    return [name for name in columns if name.endswith("_mask")]


@pytest.mark.parametrize("task", Task)
def test_shapes_and_types_are_those_that_custom_models_read(task: Task, tmp_path: Path) -> None:
    _, graph, _ = processed(planted_export(tmp_path / "e", task, nodes=60), tmp_path / "p")
    assert graph.idtype == torch.int64
    for label in graph.ntypes:
        features = {n: v for n, v in graph.nodes[label].data.items() if n != "labels" and not n.endswith("_mask")}
        assert features
        assert all((value.dim(), value.dtype) == (2, torch.float32) for value in features.values())
    frames = graph.ndata if task.on_nodes else graph.edata
    if task is not Task.LINK_PREDICTION:
        (labels,) = frames["labels"].values()
        assert (labels.dim(), labels.is_floating_point()) == (1, not task.is_class)


def test_info(tmp_path: Path) -> None:
    source = library(tmp_path / "e", book_features=[feature("pages", "numerical")], book_labels=[SHELF])
    _, _, info = processed(source, tmp_path / "p")
    assert info == {
        "node_id_map": {"Book": {"1": 0, "2": 1, "3": 2, "4": 3}, "Reader": {"r1": 0, "r2": 1}},
        "label_map": {"Book": {0: "crime", 1: "poetry"}},
        "label_properties": {"Book": "shelf"},
        "is_multilabel": False,
        "node_feat_meta": {
            "Book": {"pages": {"type": "numerical", "width": 1}},
            "Reader": {"age": {"type": "numerical", "width": 1}},
        },
        "edge_feat_meta": {("Reader", "Reviewed", "Book"): {}},
    }


WITHOUT = """
import sys
from pathlib import Path
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processing import process
process.run(ProcessConfig(dgl_graph=False), Path(sys.argv[1]), Path(sys.argv[2]))
print(sorted({"torch", "dgl"} & set(sys.modules)))
"""


def test_without_them_processing_needs_no_torch(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=60)
    command = [sys.executable, "-c", WITHOUT, str(source), str(tmp_path / "p")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not {"graph.bin", "info.pkl"} & {path.name for path in (tmp_path / "p").iterdir()}
    assert open_processed(tmp_path / "p").record.task is Task.NODE_CLASS
