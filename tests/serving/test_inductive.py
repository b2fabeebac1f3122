"""The model over posted neighbourhoods: with all neighbours, what the artifact stores; and what new nodes get."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import Manifest, Task, TrainingRecord, open_artifact, read_record
from neptuneml_plugin.config import NewNodeVectors, ProcessConfig
from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing.process import run as process
from neptuneml_plugin.serving.hops import Channel
from neptuneml_plugin.serving.inductive import InductiveModel
from neptuneml_plugin.serving.subgraph import parse_subgraph
from neptuneml_plugin.training import transform
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from tests.live_graph import HAS, LINKED, Edge, LiveGraph, planted_graph
from tests.planted import planted_export
from tests.training.graphs import QUICK, set_hyperparameters, trained
from tests.training.test_neighbours_only import NEIGHBOURS_ONLY

MEAN = {"concat-node-embed": False, "per-feat-name-embed": True, "layer-norm": False, "num-bases": 2}
SYMMETRIC = {"symmetric-norm": True, "concat-node-embed": True, "feature-self-loop": True}
LABELS = {"use-edge-labels": True, "feature-self-loop": True}
CASES = [
    *((task, options) for task in Task for options in (MEAN, SYMMETRIC)),
    (Task.NODE_CLASS, {"use-self-loop": False, "num-layer": 1}),
    (Task.NODE_CLASS, {"num-layer": 3, "symmetric-norm": True, "per-feat-name-embed": True}),
    (Task.EDGE_CLASS, LABELS),
    (Task.NODE_CLASS, {"structural-features": 8, "concat-node-embed": False}),
    (Task.NODE_CLASS, {"label-votes": True, "diagonal-relations": True}),
    (Task.NODE_CLASS, {"restart": 0.2, "num-layer": 3, "label-votes": True}),
    (Task.NODE_REGRESSION, {"restart": 0.1, "concat-node-embed": False, "own-features": True}),
    (Task.NODE_CLASS, {"own-features": True, "number-bins": 4, "structural-features": 8}),
    (Task.NODE_REGRESSION, {"own-features": True, "number-bins": 4, "label-votes": True}),
    (Task.LINK_PREDICTION, NEIGHBOURS_ONLY | {"edge-masking": 0.9}),
    (Task.EDGE_REGRESSION, LABELS | {"symmetric-norm": True}),
    (Task.NODE_CLASS, {"use-edge-features": True}),
    (Task.EDGE_CLASS, LABELS | {"use-edge-features": True}),
    (Task.LINK_PREDICTION, {"use-edge-features": True, "num-layer": 1}),
]


@dataclasses.dataclass(frozen=True)
class Served:
    """A trained artifact and the graph that it was trained on, as its messages saw it."""

    folder: Path
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
    return Served(folder, artifact, manifest, planted_graph(export, silent), InductiveModel(artifact, manifest))


def stored(made: Served, label: str) -> tuple[list[str], Any]:
    """Return the ids of a label and their stored embeddings."""
    folder = made.artifact / "nodes" / str(made.manifest.schema.node(label))
    return IdColumn(folder).texts(), np.load(folder / "embeddings.npy", allow_pickle=False)


def embedded(made: Served, label: str, ids: list[str], **sampling: Any) -> Any:
    """Return the embeddings of vertices from their neighbourhood, in one request."""
    hops = made.manifest.hyperparameters["num-layer"]
    graph = made.graph.neighbourhood([(label, name) for name in ids], hops=hops, **sampling)
    result = made.model.embed(parse_subgraph(json.loads(json.dumps(graph))), ids)
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


def renamed(graph: LiveGraph, label: str, old: str, new: str) -> LiveGraph:
    """Return the graph with another id for one vertex: one that the model does not know."""

    def name(kind: str, given: str) -> str:
        return new if (kind, given) == (label, old) else given

    vertices = {(kind, name(kind, given)): properties for (kind, given), properties in graph.vertices.items()}
    edges = [
        (kind, name(kind.source, source), name(kind.target, target), properties)
        for kind, source, target, properties in graph.edges
    ]
    return LiveGraph(vertices, edges)


def with_vector(made: Served, label: str, row: int, vector: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the embeddings by label of torch's own model, with another learned vector of one vertex."""
    source, training = made.folder / "processed", made.folder / "training"
    record, data = read_record(training / "training.json", TrainingRecord), load_data(source)
    model, _ = transform.load_model(record.best, training, source, data)
    tables: list[Any] = [layer.embedding for layer in model.encoder.inputs]
    with torch.no_grad():
        tables[made.manifest.schema.node(label)][row] = vector(tables)
    vectors = Evaluator(data, model.graph(data)).embed(model)
    return {node.label: h.numpy() for node, h in zip(made.manifest.schema.nodes, vectors, strict=True)}


NORMS: dict[str, dict[str, Any]] = {"mean": {}, "symmetric": SYMMETRIC, "all edges alike": {"restart": 0.2}}


@pytest.fixture(scope="module")
def by_norm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Served]:
    return {
        norm: served(tmp_path_factory.mktemp(norm), Task.NODE_CLASS, options, featureless_tags=True)
        for norm, options in NORMS.items()
    }


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("label", ["item", "tag"])
def test_a_new_vertex_takes_the_average_of_its_type(by_norm: dict[str, Served], norm: str, label: str) -> None:
    made = by_norm[norm]
    kind = made.manifest.schema.node(label)
    ids, _ = stored(made, label)
    expected = with_vector(made, label, 3, lambda tables: tables[kind].mean(0))
    live = dataclasses.replace(made, graph=renamed(made.graph, label, ids[3], "new"))
    asked = [*ids[:3], "new", *ids[4:]]
    np.testing.assert_allclose(embedded(live, label, asked), expected[label], atol=1e-5)
    np.testing.assert_allclose(embedded(live, label, ["new"])[0], expected[label][3], atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_or_of_its_known_neighbours(by_norm: dict[str, Served], norm: str) -> None:
    made = by_norm[norm]
    ids, _ = stored(made, "item")
    tags, _ = stored(made, "tag")
    rows = {"item": ids.index, "tag": tags.index}
    old = ids[3]

    def mean_of_neighbours(tables: Any) -> Any:
        ends = [(kind.target, target) for kind, source, target, _ in made.graph.edges if source == old]
        ends += [(kind.source, source) for kind, source, target, _ in made.graph.edges if target == old]
        vectors = [tables[made.manifest.schema.node(label)][rows[label](name)] for label, name in ends]
        return torch.stack(vectors).mean(0)

    expected = with_vector(made, "item", 3, mean_of_neighbours)
    model = InductiveModel(made.artifact, made.manifest, NewNodeVectors.NEIGHBOURS)
    live = dataclasses.replace(made, graph=renamed(made.graph, "item", old, "new"), model=model)
    np.testing.assert_allclose(embedded(live, "item", ["new"])[0], expected["item"][3], atol=1e-5)
    # One without neighbours falls back to its type's average.
    alone = LiveGraph({("tag", "t"): {}})
    without = [
        embedded(dataclasses.replace(live, graph=alone, model=m), "tag", ["t"]) for m in (model, made.model)
    ]
    np.testing.assert_array_equal(*without)


@pytest.mark.parametrize("norm", NORMS)
def test_an_item_alone_and_in_a_batch_agree(by_norm: dict[str, Served], norm: str) -> None:
    made = by_norm[norm]
    ids, _ = stored(made, "item")
    together = embedded(made, "item", ids)
    for name, vector in zip(ids[:20], together, strict=False):
        np.testing.assert_allclose(embedded(made, "item", [name])[0], vector, rtol=0, atol=1e-6)


@pytest.mark.parametrize("norm", ["mean", "all edges alike"])
def test_a_sampled_neighbourhood_gives_the_same_each_time_and_something_near(
    by_norm: dict[str, Served], norm: str
) -> None:
    made = by_norm[norm]
    ids, vectors = stored(made, "item")
    sampled = embedded(made, "item", ids, fanout=3)
    np.testing.assert_array_equal(sampled, embedded(made, "item", ids, fanout=3))
    shuffled = vectors[np.random.default_rng(0).permutation(len(vectors))]
    assert np.linalg.norm(sampled - vectors) < np.linalg.norm(sampled - shuffled)
    assert not np.allclose(sampled, vectors)


def test_what_the_model_does_not_know_changes_nothing(by_norm: dict[str, Served]) -> None:
    made = by_norm["symmetric"]
    ids, _ = stored(made, "item")
    likes = dataclasses.replace(LINKED, label="likes")
    owns = dataclasses.replace(LINKED, source="robot", label="owns")
    coloured = {**made.graph.vertices["item", ids[0]], "colour": ["a", "b"]}
    vertices = {**made.graph.vertices, ("robot", "r"): {"arms": "2"}, ("item", ids[0]): coloured}
    edges = [*made.graph.edges, (likes, ids[0], ids[1], {"much": "1"}), (owns, "r", ids[0], {})]
    more = dataclasses.replace(made, graph=LiveGraph(vertices, edges))
    np.testing.assert_array_equal(embedded(more, "item", ids[:2]), embedded(made, "item", ids[:2]))


def test_loops_and_parallel_edges_count_as_edges(by_norm: dict[str, Served]) -> None:
    made = by_norm["mean"]
    ids, _ = stored(made, "item")
    vertices = {key: value for key, value in made.graph.vertices.items() if key[1] in ids[:2]}

    def with_links(*ends: tuple[int, int]) -> Any:
        edges: list[Edge] = [(LINKED, ids[source], ids[target], {}) for source, target in ends]
        return embedded(dataclasses.replace(made, graph=LiveGraph(vertices, edges)), "item", [ids[0]])

    once, twice, mixed = with_links((1, 0)), with_links((1, 0), (1, 0)), with_links((1, 0), (1, 0), (0, 0))
    np.testing.assert_allclose(once, twice, atol=1e-6)  # a mean of two equal ones
    assert np.isfinite(mixed).all()
    assert not np.allclose(mixed, once)


def test_a_value_that_does_not_fit_counts_as_missing(by_norm: dict[str, Served]) -> None:
    made = by_norm["mean"]
    ids, _ = stored(made, "item")

    def with_seventh(properties: dict[str, Any]) -> Any:
        vertices = {**made.graph.vertices, ("item", ids[7]): properties}
        return embedded(dataclasses.replace(made, graph=LiveGraph(vertices, made.graph.edges)), "item", ids)

    np.testing.assert_array_equal(with_seventh({"size": "big"}), with_seventh({}))
    assert not np.allclose(with_seventh({"size": "big"}), with_seventh({"size": "9"}))


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION])
def test_edges_without_a_label_say_that_they_are_there(tmp_path: Path, task: Task) -> None:
    made = served(tmp_path, task, LABELS)
    ids, vectors = stored(made, "item")
    silent: list[Edge] = [(kind, source, target, {}) for kind, source, target, _ in made.graph.edges]
    without = embedded(dataclasses.replace(made, graph=LiveGraph(made.graph.vertices, silent)), "item", ids)
    assert np.isfinite(without).all()
    assert not np.allclose(without, vectors, atol=1e-3)
    half = [
        (kind, s, t, p if kind is HAS or at % 2 else {}) for at, (kind, s, t, p) in enumerate(made.graph.edges)
    ]
    partly = embedded(dataclasses.replace(made, graph=LiveGraph(made.graph.vertices, half)), "item", ids)
    assert not np.allclose(partly, without, atol=1e-3)
    if task is Task.EDGE_REGRESSION:
        wrong = [(kind, s, t, {"strength": "strong"}) for kind, s, t, _ in made.graph.edges]
        with pytest.raises(InvalidParameter, match=r"property 'strength' of an edge 'linked'.*'strong'.*finite"):
            embedded(dataclasses.replace(made, graph=LiveGraph(made.graph.vertices, wrong)), "item", ids)


@pytest.mark.parametrize("name", ["model.safetensors", "encoders.json", "edges/0/source_degrees.npy"])
def test_a_damaged_artifact_says_so(by_norm: dict[str, Served], tmp_path: Path, name: str) -> None:
    made = by_norm["symmetric"]
    shutil.copytree(made.artifact, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(InvalidData, match=Path(name).name):
        InductiveModel(tmp_path, made.manifest)


def test_a_vertex_that_was_expanded_shows_its_degree_others_what_is_seen() -> None:
    ends = {"from": "item", "label": "linked", "to": "item"}
    forward = ends | {"reverse": False, "sources": [0], "targets": [1], "drawnFrom": [4]}
    reverse = ends | {"reverse": True, "sources": [0, 0], "targets": [1, 2], "drawnFrom": [9, 9]}
    graph = parse_subgraph({"nodes": [{"type": "item", "ids": ["a", "b", "c"]}], "edges": [forward, reverse]})
    into_targets, into_sources = (
        Channel.of(graph.edges[LINKED, way], (0, 0), reverse=way) for way in (False, True)
    )
    assert into_targets.degrees(3).tolist() == [0, 4, 0]
    assert into_sources.degrees(3).tolist() == [9, 0, 0]
    assert into_targets.seen_degrees(into_sources, 3).tolist() == [9, 0, 0]
    assert into_sources.seen_degrees(into_targets, 3).tolist() == [0, 4, 1]
