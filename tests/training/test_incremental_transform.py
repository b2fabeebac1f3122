"""A transform after another computes what a change reaches, and no more, with the answers of a whole one."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from neptuneml_plugin.artifacts import Task, open_artifact
from neptuneml_plugin.config import ProcessConfig, TransformConfig
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing import process
from neptuneml_plugin.training import transform
from neptuneml_plugin.training.outputs import incremental
from tests.processing.snapshots import ITEMS, later, read, write
from tests.training.graphs import QUICK, processed, processed_export, set_hyperparameters, trained

LINKED = "edges/%28item%29-linked-%28item%29.consolidated.csv"


class Told:
    """Takes a transform's progress."""

    computed = total = -1

    def __call__(self, message: str, fraction: float | None = None) -> None:
        found = re.match(r"embeddings of ([\d,]+) of ([\d,]+) vertices computed", message)
        if found:
            self.computed, self.total = (int(text.replace(",", "")) for text in found.groups())


def applied(source: Path, target: Path, training: Path, **settings: Any) -> Told:
    told = Told()
    transform.run(TransformConfig(training, **settings), source, target, told)
    return told


def arrays(folder: Path) -> dict[str, Any]:
    return {path.relative_to(folder).as_posix(): np.load(path) for path in sorted(folder.rglob("*.npy"))}


def changed(source: Path, target: Path) -> Path:
    """Write a snapshot with vertices and edges removed, added, and written anew."""
    later(source, target, gone=["item-3", "item-60"], new=4)
    items = read(target, ITEMS)
    known = pl.col("~id").is_in(["item-7", "item-8"])
    write(target, ITEMS, items.with_columns(size=pl.when(known).then(0.25).otherwise(pl.col("size"))))
    linked = read(target, LINKED)
    added = linked[:2].with_columns(pl.col("~id") + "-again", pl.lit("item-11").alias("~to"))
    write(target, LINKED, pl.concat([linked[5:], added]))
    return target


CASES: list[tuple[Task, dict[str, Any]]] = [
    *((task, {}) for task in Task),
    (Task.NODE_CLASS, {"symmetric-norm": True, "num-layer": 3}),
    (Task.EDGE_REGRESSION, {"use-edge-labels": True, "feature-self-loop": True, "num-layer": 1}),
    (Task.LINK_PREDICTION, {"separate-roles": True, "concat-node-embed": False}),
    (Task.NODE_CLASS, {"use-edge-features": True}),
    (Task.NODE_CLASS, {"structural-features": 4, "concat-node-embed": False}),
    (Task.NODE_REGRESSION, {"label-votes": True, "diagonal-relations": True}),
    (Task.NODE_CLASS, {"restart": 0.2, "num-layer": 3, "concat-node-embed": False}),
    (Task.NODE_CLASS, {"own-features": True, "number-bins": 4, "structural-features": 4}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_ways_give_the_same(case: tuple[Task, dict[str, Any]], tmp_path: Path, monkeypatch: Any) -> None:
    task, values = case
    source = processed(tmp_path, task, nodes=120, values={"num-epochs": 3, **values})
    trained(source, tmp_path / "training")
    other = changed(tmp_path / "export", tmp_path / "later")
    process.run(ProcessConfig(dgl_graph=False, previous=source), other, tmp_path / "next")
    found = {}
    for name, limit in (("whole", -1.0), ("part", 1e9)):
        monkeypatch.setattr(incremental, "WORTHWHILE", limit)
        found[name] = applied(tmp_path / "next", tmp_path / name, tmp_path / "training")
    assert found["whole"].computed == found["whole"].total
    assert found["part"].computed < found["part"].total
    whole, part = arrays(tmp_path / "whole"), arrays(tmp_path / "part")
    assert whole.keys() == part.keys()
    for name, values_ in whole.items():
        np.testing.assert_allclose(part[name], values_, rtol=1e-6, atol=1e-6, err_msg=name)


def ring(folder: Path, count: int, *, wide: int | None = None, without: int | None = None) -> Path:
    """Write an export of a ring of vertices; one has another size, one edge is missing."""
    (folder / "nodes").mkdir(parents=True)
    (folder / "edges").mkdir()
    sizes = [99 if row == wide else row % 7 for row in range(count)]
    items = (f"{row},item,{size},kind {row % 3}" for row, size in enumerate(sizes))
    (folder / "nodes/item.csv").write_text("~id,~label,size,kind\n" + "\n".join(items) + "\n")
    edges = (f"e{row},next,{row},{(row + 1) % count}" for row in range(count) if row != without)
    (folder / "edges/next.csv").write_text("~id,~label,~from,~to\n" + "\n".join(edges) + "\n")
    item: dict[str, Any] = {"file_name": "nodes/item.csv", "separator": ",", "node": ["~id", "item"]}
    item["features"] = [{"feature": ["size", "size", "numerical"], "norm": "min-max"}]
    item["labels"] = [{"label": ["kind", "classification"], "split_rate": [0.8, 0.1, 0.1]}]
    edge: dict[str, Any] = {"file_name": "edges/next.csv", "separator": ",", "source": ["~from", "item"]}
    edge |= {"relation": ["", "next"], "dest": ["~to", "item"], "features": []}
    document = {"version": "v2.0", "graph": {"nodes": [item], "edges": [edge]}, "warnings": []}
    (folder / "training-data-configuration.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training on a ring, and later snapshots of it."""
    folder = tmp_path_factory.mktemp("rings")
    source = processed_export(ring(folder / "export", 400))
    set_hyperparameters(source, QUICK | {"num-epochs": 2, "num-layer": 2})
    trained(source, folder / "training")
    for name, change in (("wide", {"wide": 50}), ("cut", {"without": 50}), ("both", {"wide": 50, "without": 51})):
        exported = ring(folder / f"export-{name}", 400, **change)
        process.run(ProcessConfig(dgl_graph=False, previous=source), exported, folder / name)
    return folder


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("processed", 0),
        ("wide", 5),  # itself and two on either side
        ("cut", 4),  # both ends, and one beyond each of them
        ("both", 6),  # 48 to 51, and beyond the cut 52, which lost a neighbour, and 53, which sees 52
    ],
)
def test_only_what_a_change_reaches_is_computed(rings: Path, name: str, reached: int, tmp_path: Path) -> None:
    told = applied(rings / name, tmp_path / "out", rings / "training")
    assert (told.computed, told.total) == (reached, 400)
    open_artifact(tmp_path / "out")


def test_a_snapshot_after_a_snapshot(rings: Path, tmp_path: Path) -> None:
    applied(rings / "wide", tmp_path / "first", rings / "training")
    again = applied(rings / "wide", tmp_path / "second", rings / "training", previous=tmp_path / "first")
    assert again.computed == 0
    first, second = (open_artifact(tmp_path / name) for name in ("first", "second"))
    assert first.version == second.version


def test_an_artifact_of_another_model_is_no_help(rings: Path, tmp_path: Path) -> None:
    trained(rings / "processed", tmp_path / "other", seed=9)
    told = applied(rings / "wide", tmp_path / "out", rings / "training", previous=tmp_path / "other/artifact")
    assert told.computed == told.total
    with pytest.raises(InvalidData, match=r"manifest\.json is missing"):
        applied(rings / "wide", tmp_path / "none", rings / "training", previous=tmp_path / "nowhere")


def test_a_change_of_most_computes_all(rings: Path, tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    exported = ring(tmp_path / "e" / "export", 400)
    (exported / "nodes/item.csv").write_text(
        re.sub(r"item,(\d)", r"item,2\1", (exported / "nodes/item.csv").read_text())
    )
    process.run(ProcessConfig(dgl_graph=False, previous=rings / "processed"), exported, tmp_path / "next")
    told = applied(tmp_path / "next", tmp_path / "out", rings / "training")
    assert told.computed == told.total
