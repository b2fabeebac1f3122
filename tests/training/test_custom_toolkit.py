"""The names that scripts of custom models import, on a graph that processing wrote; and the example."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Task, open_artifact
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.processing import process
from neptuneml_plugin.training.custom.neptuneml_toolkit import train, transform, utils
from neptuneml_plugin.training.custom.neptuneml_toolkit.graphloader import GraphLoader
from neptuneml_plugin.training.custom.neptuneml_toolkit.metrics import (
    classification_report,
    mrr,
    save_eval_metrics,
)
from tests.planted import planted_export
from tests.readme import ROOT, blocks

EXAMPLE = ROOT / "examples" / "custom_model"
LINKED, BACK = ("item", "linked", "item"), ("item", "rev-linked", "item")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Path]:
    found = {}
    for task in (Task.NODE_CLASS, Task.LINK_PREDICTION):
        folder = tmp_path_factory.mktemp(task.value)
        process.run(ProcessConfig(), planted_export(folder / "export", task, nodes=120), folder / "processed")
        found[task] = folder / "processed"
    return found


def test_nodes_of_the_splits(graphs: Any) -> None:
    source = graphs[Task.NODE_CLASS]
    loader, opened = GraphLoader(str(source)), open_processed(source)
    columns = opened.node(opened.record.schema.node("item"))
    for name, rows in (
        ("train", train.get_train_nids(loader.graph, "item")),
        ("valid", train.get_valid_nids(loader.graph, "item")),
        ("test", transform.get_test_nids(loader.graph, "item")),
    ):
        assert rows is not None
        assert rows.tolist() == np.flatnonzero(columns.masks[name]).tolist()
    assert columns.labels is not None
    assert train.get_node_labels(loader.graph, "item").tolist() == np.asarray(columns.labels).tolist()
    assert loader.label_map["item"] == dict(enumerate(opened.record.target.classes))
    assert loader.id2node["item"][3] == opened.ids(opened.record.schema.node("item")).text(3)
    assert {name: list(columns) for name, columns in loader.get_node_features().items()} == {
        node.label: [feature.name for feature in node.features] for node in opened.record.schema.nodes
    }
    assert set(loader.get_edge_features()) == {edge.type.triple for edge in opened.record.schema.edges}


def test_edges_of_the_splits(graphs: Any) -> None:
    graph = GraphLoader(str(graphs[Task.LINK_PREDICTION])).graph
    both, forward = train.get_train_eids(graph), train.get_train_eids(graph, include_reverse_etypes=False)
    assert set(forward) == {LINKED}
    assert set(both) == {LINKED, BACK}
    assert both[BACK].tolist() == both[LINKED].tolist() == forward[LINKED].tolist()
    assert set(train.get_valid_eids(graph)) == {LINKED}
    parts = [
        train.get_train_eids(graph, LINKED),
        train.get_valid_eids(graph, LINKED),
        transform.get_test_eids(graph, LINKED),
    ]
    assert sorted(torch.cat([part[LINKED] for part in parts]).tolist()) == list(range(graph.num_edges(LINKED)))
    sources, targets, kinds = train.get_all_forward_edges(graph)
    names = [kind for kind in graph.canonical_etypes if not kind[1].startswith("rev-")]
    assert len(sources) == len(targets) == len(kinds) == sum(graph.num_edges(kind) for kind in names)
    assert {graph.canonical_etypes[kind] for kind in kinds.tolist()} == set(names)


def test_the_artifact_of_link_prediction(graphs: Any, tmp_path: Path) -> None:
    loader = GraphLoader(str(graphs[Task.LINK_PREDICTION]))
    graph = loader.graph
    vectors = {label: torch.randn(graph.num_nodes(label), 3) for label in graph.ntypes}
    relations = torch.randn(len(graph.canonical_etypes), 3)
    params = {"task": "link_predict", "model": "custom", "name": "link_predict-custom"}
    transform.save_link_prediction_model_artifacts(graph, str(tmp_path), loader, params, vectors, relations)
    entity, rows = np.load(tmp_path / "entity.npy"), np.load(tmp_path / "relation.npy")
    assert entity.shape == (sum(map(len, vectors.values())), 3)
    np.testing.assert_allclose(entity, np.concatenate([vectors[label] for label in sorted(vectors)]), rtol=1e-6)
    forward = sorted(kind for kind in graph.canonical_etypes if not kind[1].startswith("rev-"))
    numbers = [graph.canonical_etypes.index(kind) for kind in forward]
    np.testing.assert_allclose(rows, relations[numbers].numpy())
    assert json.loads((tmp_path / "config.json").read_text())["infer_type"] == "online-transductive-infer"
    with pytest.raises(ValueError, match="tnid2gnid"):
        transform.save_entity_embeddings(vectors, str(tmp_path))


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("SM_CHANNEL_TRAIN", "SM_DATA_DIR", "SM_MODEL_DIR", "SM_OUTPUT_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("SM_NUM_GPUS", "0")
    assert train.get_training_config() == (
        str(tmp_path / "SM_CHANNEL_TRAIN"),
        str(tmp_path / "SM_MODEL_DIR"),
        [-1],
    )
    details = tmp_path / "SM_DATA_DIR" / "training_job_details.json"
    details.write_text(json.dumps({"TrainingJobParameters": {"hidden-size": 8}}))
    assert transform.get_transform_config()[3] == {"hidden-size": 8}
    details = tmp_path / "SM_OUTPUT_DIR" / "tuning_job_details.json"
    details.write_text(json.dumps({"BestTrainingJob": {"TrainingJobParameters": {"hidden-size": 16}}}))
    assert transform.get_transform_config()[3] == {"hidden-size": 16}
    assert transform.normalize_hyperparameter_keys({"hidden-size": 16}) == {"hidden_size": 16}
    monkeypatch.setenv("SM_NUM_GPUS", "2")
    assert utils.get_available_devices() == [0, 1]
    assert (utils.get_device_type(-1), utils.get_device_type(1)) == ("cpu", "cuda:1")


def test_ranks_leave_known_edges_out() -> None:
    vectors = torch.tensor([[1.0], [2.0], [3.0]])
    edges = (torch.tensor([0]), torch.tensor([1]), torch.tensor([0]))

    def score(sources: torch.Tensor, targets: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return (sources * targets).sum(1)

    value, hits = mrr(vectors, edges, score, hits=[1, 2])
    assert value == pytest.approx((1 / 3 + 1 / 2) / 2)  # as a source third of three, as a target second
    assert hits == [0, 0.5]
    known = (torch.tensor([0, 2]), torch.tensor([2, 1]), torch.tensor([0, 0]))
    assert mrr(vectors, edges, score, masked_edges=known)[0] == pytest.approx((1 / 2 + 1) / 2)
    by_type = {"a": vectors, "b": vectors}
    assert mrr(by_type, edges, score, src_type="a", dst_type="b", hits=[1, 2]) == (value, hits)
    ties = mrr(torch.ones(3, 1), edges, score)[0]
    assert ties == pytest.approx(1 / 2)  # in the middle of three


def test_reports_are_printed_and_saved(tmp_path: Path, capsys: Any) -> None:
    report = classification_report(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), label_map={0: "no", 1: "yes"})
    assert report is not None
    assert report["yes"]["recall"] == 0.5
    assert "yes" in capsys.readouterr().out
    assert classification_report([0, 1], [0, 1], return_dict=False) is None
    save_eval_metrics({"mrr": 0.5}, str(tmp_path))
    assert json.loads((tmp_path / "eval_metrics_info.json").read_text()) == {"mrr": 0.5}


def test_the_example_as_its_page_says(graphs: Any, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "processed").symlink_to(graphs[Task.NODE_CLASS])
    (commands,) = blocks((EXAMPLE / "README.md").read_text(encoding="utf-8"), "bash")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (open_artifact(tmp_path / "run" / name) for name in ("own/artifact", "own-artifact"))
    assert first.files == second.files
    assert first.model == "custom"
    assert first.metrics["test"]["acc"] > 0.7  # the signal is in the neighbours: own features reach about a third
    assert len(IdColumn(tmp_path / "run/own-artifact/nodes" / str(first.schema.node("item")))) == 120
    assert json.loads((tmp_path / "run/own/eval_metrics_info.json").read_text())["accuracy"] > 0.7
