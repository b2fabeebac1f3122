"""The model over posted neighbourhoods: with all neighbours, what the artifact stores; and what new nodes get."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import Manifest, Task, open_artifact
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing.process import run as process
from neptuneml_plugin.serving.inductive import InductiveModel
from neptuneml_plugin.serving.subgraph import parse_subgraph
from neptuneml_plugin.training.data import load_data
from tests.live_graph import LiveGraph, planted_graph
from tests.planted import planted_export
from tests.training.graphs import QUICK, set_hyperparameters, trained

MEAN = {"concat-node-embed": False, "per-feat-name-embed": True, "layer-norm": False, "num-bases": 2}
SYMMETRIC = {"symmetric-norm": True, "concat-node-embed": True, "feature-self-loop": True}
LABELS = {"use-edge-labels": True, "feature-self-loop": True}
CASES = [
    *((task, options) for task in Task for options in (MEAN, SYMMETRIC)),
    (Task.NODE_CLASS, {"use-self-loop": False, "num-layer": 1}),
    (Task.NODE_CLASS, {"num-layer": 3, "symmetric-norm": True, "per-feat-name-embed": True}),
    (Task.EDGE_CLASS, LABELS),
    (Task.EDGE_REGRESSION, LABELS | {"symmetric-norm": True}),
]


@dataclasses.dataclass(frozen=True)
class Served:
    """A trained artifact and the graph that it was trained on, as its messages saw it."""

    artifact: Path
    manifest: Manifest
    graph: LiveGraph
    model: InductiveModel


def served(folder: Path, task: Task, options: dict[str, Any], *, featureless_tags: bool = False) -> Served:
    export = planted_export(folder / "export", task, nodes=60)
    if featureless_tags:
        path = export / "training-data-configuration.json"
        document = json.loads(path.read_text())
        document["graph"]["nodes"][1]["features"] = []
        path.write_text(json.dumps(document))
    process(ProcessConfig(), export, folder / "processed")
    set_hyperparameters(folder / "processed", QUICK | {"num-epochs": 3} | options)
    trained(folder / "processed", folder / "training")
    artifact = folder / "training" / "artifact"
    manifest = open_artifact(artifact)
    silent: set[int] = set()
    if not task.on_nodes:
        splits = load_data(folder / "processed").samples[0].splits
        silent = {row for split in ("valid", "test") for row in splits[split].tolist()}
    return Served(artifact, manifest, planted_graph(export, silent), InductiveModel(artifact, manifest))


def stored(made: Served, label: str) -> tuple[list[str], Any]:
    """Return the ids of a label and their stored embeddings."""
    folder = made.artifact / "nodes" / str(made.manifest.schema.node(label))
    return IdColumn(folder).texts(), np.load(folder / "embeddings.npy", allow_pickle=False)


def embedded(made: Served, label: str, ids: list[str], **sampling: Any) -> Any:
    """Return the embeddings of vertices from their neighbourhood, in one request."""
    hops = made.manifest.hyperparameters["num-layer"]
    graph = made.graph.neighbourhood([(label, name) for name in ids], hops=hops, **sampling)
    result = made.model.embed(parse_subgraph(json.loads(json.dumps(graph))))
    return made.model.embeddings(result, label, result.find(label, ids))


@pytest.mark.parametrize(("task", "options"), CASES, ids=str)
def test_with_all_neighbours_an_embedding_is_the_stored_one(
    tmp_path: Path, task: Task, options: dict[str, Any]
) -> None:
    made = served(tmp_path, task, options)
    for label in ("item", "tag"):
        ids, vectors = stored(made, label)
        np.testing.assert_allclose(embedded(made, label, ids), vectors, atol=1e-5)
        # One at a time: the neighbourhood is the item's own.
        for name, vector in list(zip(ids, vectors, strict=True))[:5]:
            np.testing.assert_allclose(embedded(made, label, [name])[0], vector, atol=1e-5)
