"""The whole loop on a graph that changes: process, train, add and delete, process after it, transform, ask."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from neptuneml_plugin.artifacts import Task, open_artifact
from neptuneml_plugin.config import ProcessConfig, TransformConfig
from neptuneml_plugin.errors import ConstraintViolation
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing import process
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.training import transform
from tests.listed_answers import Answer, listed
from tests.processing.snapshots import ITEMS, later, read
from tests.training.graphs import QUICK, processed, trained

GONE = ("item-3", "item-140")


def answers(artifact: Path, task: Task, names: list[str]) -> list[list[Answer]]:
    """Ask for items, or for the edges from each of them to `item-0`."""
    items, edge_label = Items(nodes=tuple(names)), None
    if not task.on_nodes:
        to, none = ("item-0",) * len(names), (None,) * len(names)
        items = Items(heads=tuple(names), tails=to, head_types=none, tail_types=none, excludes=((),) * len(names))
    mode = Mode.PREDICT
    if task is Task.LINK_PREDICTION:
        mode, edge_label = Mode.PREDICT_TAIL, "linked"
    _, predictor = open_predictor(artifact)
    invocation = Invocation(
        mode, items, topk=1 if task is not Task.LINK_PREDICTION else 500, edge_label=edge_label
    )
    return listed(predictor.answer(invocation, lambda: None))


@pytest.mark.parametrize("task", Task)
def test_a_graph_changes(task: Task, tmp_path: Path) -> None:
    source = processed(tmp_path, task, nodes=150, values={"num-epochs": 3})
    trained(source, tmp_path / "training")
    other = later(tmp_path / "export", tmp_path / "later", gone=GONE, new=5)
    process.run(ProcessConfig(dgl_graph=False, previous=source), other, tmp_path / "next")
    summary = transform.run(TransformConfig(tmp_path / "training"), tmp_path / "next", tmp_path / "artifact")
    assert any("5 'item' vertices were not in the training graph" in text for text in summary.warnings)
    new = [f"new-{i}" for i in range(5)]
    known, unknown = answers(tmp_path / "artifact", task, ["item-7", *new]), None
    assert all(known)
    unknown = answers(tmp_path / "artifact", task, list(GONE))
    assert unknown == [[], []]
    if task is Task.LINK_PREDICTION:
        candidates = {answer.id for answer in known[0]}
        assert set(new) <= candidates
        assert not candidates & set(GONE)


def test_learned_vectors_go_along_by_id(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=150, values={"num-epochs": 3})
    trained(source, tmp_path / "training")
    other = later(tmp_path / "export", tmp_path / "later", gone=GONE, new=5)
    process.run(ProcessConfig(dgl_graph=False, previous=source), other, tmp_path / "next")
    transform.run(TransformConfig(tmp_path / "training"), tmp_path / "next", tmp_path / "artifact")
    item = open_artifact(tmp_path / "artifact").schema.node("item")
    name = f"encoder.inputs.{item}.embedding"
    before = load_file(tmp_path / "training" / "artifact" / "model.safetensors")[name]
    after = load_file(tmp_path / "artifact" / "model.safetensors")[name]
    ids = IdColumn(tmp_path / "artifact" / "nodes" / str(item)).texts()
    rows = IdColumn(tmp_path / "training" / "artifact" / "nodes" / str(item)).rows(ids)
    assert len(ids) == len(after) == 153
    assert not set(ids) & set(GONE)
    kept = torch.from_numpy(rows[rows >= 0])
    assert len(kept) == 148
    torch.testing.assert_close(after[:148], before[kept], rtol=0, atol=0)
    torch.testing.assert_close(after[148:], before.mean(0).expand(5, -1))


def test_unchanged_answers_where_nothing_changes(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=150, values=QUICK | {"num-epochs": 5})
    trained(source, tmp_path / "training")
    other = later(tmp_path / "export", tmp_path / "later")  # rows in another order
    process.run(ProcessConfig(dgl_graph=False, previous=source), other, tmp_path / "next")
    transform.run(TransformConfig(tmp_path / "training"), tmp_path / "next", tmp_path / "artifact")
    first, second = (
        np.load(folder / "nodes/0/predictions.npy")
        for folder in (tmp_path / "training/artifact", tmp_path / "artifact")
    )
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_graph_processed_anew_is_refused_where_its_encoders_differ(tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=150, values={"num-epochs": 2})
    trained(source, tmp_path / "training")
    other = later(tmp_path / "export", tmp_path / "later")
    items = read(other, ITEMS)
    items.with_columns(shape=items["shape"].replace("cone", "disc")).write_csv(other / ITEMS)
    process.run(ProcessConfig(dgl_graph=False), other, tmp_path / "anew")
    with pytest.raises(ConstraintViolation, match="differs from the training's in vertex 'item'"):
        transform.run(TransformConfig(tmp_path / "training"), tmp_path / "anew", tmp_path / "artifact")
    shutil.rmtree(tmp_path / "anew")
    process.run(ProcessConfig(dgl_graph=False, previous=source), other, tmp_path / "anew")
    transform.run(TransformConfig(tmp_path / "training"), tmp_path / "anew", tmp_path / "artifact")
