"""What serving computes with numpy from an artifact is what the model computes with torch."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file

from neptuneml_plugin.artifacts import Manifest, Task, TrainingRecord, open_artifact, read_record, table_name
from neptuneml_plugin.config import TransformConfig
from neptuneml_plugin.errors import ConstraintViolation, InvalidData
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.training import transform
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers, predict
from tests.listed_answers import listed
from tests.read_table import read_table
from tests.training.graphs import processed, trained

CASES = [(task, False) for task in Task] + [(Task.NODE_CLASS, True)]
Floats = npt.NDArray[np.float64]


class Trained:
    """A processed folder, its training, and the model in torch."""

    def __init__(self, folder: Path, task: Task, *, multi_label: bool) -> None:
        self.source = processed(folder, task, multi_label=multi_label, nodes=120, values={"num-epochs": 5})
        self.output = folder / "training"
        trained(self.source, self.output)
        self.artifact = self.output / "artifact"
        self.manifest: Manifest = open_artifact(self.artifact)
        self.data: TrainingData = load_data(self.source)
        record = read_record(self.output / "training.json", TrainingRecord)
        self.model, self.unseen = transform.load_model(record.best, self.output, self.source, self.data)
        self.vectors = Evaluator(self.data, self.model.graph(self.data)).embed(self.model)

    def array(self, name: str) -> Floats:
        return np.asarray(np.load(self.artifact / name, allow_pickle=False), dtype=np.float64)


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Task, bool], Trained]:
    return {case: Trained(tmp_path_factory.mktemp(case[0].value), case[0], multi_label=case[1]) for case in CASES}


def torch_predictions(made: Trained) -> Floats:
    rows = torch.arange(len(made.data.samples[0].ends[0]))
    with torch.no_grad():
        return np.asarray(predict(made.model, made.vectors, made.data, rows), dtype=np.float64)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_node_type_has_ids_and_embeddings(trainings: Any, case: tuple[Task, bool]) -> None:
    made = trainings[case]
    for position, node in enumerate(made.manifest.schema.nodes):
        embeddings = made.array(f"nodes/{position}/embeddings.npy")
        assert len(IdColumn(made.artifact / "nodes" / str(position))) == len(embeddings) == node.count
        np.testing.assert_allclose(embeddings, made.vectors[position].numpy(), atol=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case[0].on_nodes], ids=str)
def test_stored_node_predictions(trainings: Any, case: tuple[Task, bool]) -> None:
    made = trainings[case]
    stored = made.array(f"nodes/{made.data.samples[0].position}/predictions.npy")
    np.testing.assert_allclose(stored, torch_predictions(made), atol=1e-5)
    if case == (Task.NODE_CLASS, False):
        np.testing.assert_allclose(stored.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case[0].on_nodes], ids=str)
def test_the_table_says_what_the_worker_says(trainings: Any, case: tuple[Task, bool]) -> None:
    made = trainings[case]
    (name,) = (name for name in made.manifest.files if name.endswith("table.bin"))
    assert name == table_name(made.data.samples[0].position)
    table = read_table((made.artifact / name).read_bytes())
    ids = tuple(IdColumn(made.artifact / name.removesuffix("/table.bin")).texts())
    assert len(table.hashes) == len(ids) == 120
    invocation = Invocation(Mode.PREDICT, Items(nodes=ids), topk=8, score=case[0].is_class)
    answers = listed(open_predictor(made.artifact)[1].answer(invocation, lambda: None))
    for name, item in zip(ids, answers, strict=True):
        assert table.answers(name) == tuple((answer.value, answer.score) for answer in item)
        assert item


def test_link_prediction_has_a_table_of_ids_for_both_ends_and_edge_tasks_have_none(trainings: Any) -> None:
    made = trainings[Task.LINK_PREDICTION, False]
    kinds = set(made.data.ends_of(made.data.samples[0].position))
    named = {name for name in made.manifest.files if name.endswith("table.bin")}
    assert named == {table_name(kind) for kind in kinds}
    for kind in kinds:
        table = read_table((made.artifact / table_name(kind)).read_bytes())
        assert table.header == {"kind": "ids"}
        ids = IdColumn(made.artifact / "nodes" / str(kind)).texts()
        assert {table.answers(name) for name in ids} == {()}
        assert len(table.hashes) == len(ids)
    for task in (Task.EDGE_CLASS, Task.EDGE_REGRESSION):
        assert not [name for name in trainings[task, False].manifest.files if name.endswith("table.bin")]


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION])
def test_edge_formula(trainings: Any, task: Task) -> None:
    made = trainings[task, False]
    source, target = made.data.ends_of(made.data.samples[0].position)
    rows, columns = (end.numpy() for end in made.data.samples[0].ends)
    names = (
        "hidden_weight",
        "hidden_bias",
        "output_weight",
        "output_bias",
        "dot_weight",
        "source_bias",
        "target_bias",
    )
    d = {name: made.array(f"decoder/{name}.npy") for name in names}
    u, v = (
        made.array(f"nodes/{source}/embeddings.npy")[rows],
        made.array(f"nodes/{target}/embeddings.npy")[columns],
    )
    hidden = np.maximum(np.concatenate([u, v, u * v], 1) @ d["hidden_weight"] + d["hidden_bias"], 0)
    output = hidden @ d["output_weight"] + d["output_bias"]
    output += (u * v).sum(1, keepdims=True) / np.sqrt(u.shape[1]) * d["dot_weight"]
    output += d["source_bias"][rows] + d["target_bias"][columns]
    if task is Task.EDGE_REGRESSION:
        answers = output * made.manifest.decoder["std"] + made.manifest.decoder["mean"]
    else:
        answers = np.exp(output - output.max(1, keepdims=True))
        answers /= answers.sum(1, keepdims=True)
    np.testing.assert_allclose(answers, torch_predictions(made), rtol=1e-5, atol=1e-5)


def test_link_formula(trainings: Any) -> None:
    made = trainings[Task.LINK_PREDICTION, False]
    samples = made.data.samples[0]
    source, target = made.data.ends_of(samples.position)
    edge = f"edges/{samples.position}"
    u = made.array(f"nodes/{source}/embeddings.npy")
    v = made.array(f"nodes/{target}/candidates.npy")
    scores = (u * made.array(f"{edge}/relation.npy")) @ v.T
    scores += made.array(f"{edge}/target_bias.npy") + made.array(f"{edge}/source_bias.npy")[:, None]
    tails, heads = link_scorers(made.model, made.vectors, made.data)[0]
    with torch.no_grad():
        np.testing.assert_allclose(scores, tails(torch.arange(len(u))).numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores.T, heads(torch.arange(len(v))).numpy(), rtol=1e-4, atol=1e-5)


def test_link_artifact_holds_the_training_edges_and_a_rising_calibration(trainings: Any) -> None:
    made = trainings[Task.LINK_PREDICTION, False]
    samples = made.data.samples[0]
    train = samples.splits["train"]
    expected = {(int(a), int(b)) for a, b in zip(*(end[train].tolist() for end in samples.ends), strict=True)}
    folder = made.artifact / "edges" / str(samples.position)
    for name, turn in (("tails", False), ("heads", True)):
        indptr, indices = np.load(folder / f"{name}_indptr.npy"), np.load(folder / f"{name}_indices.npy")
        rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        pairs = zip(indices, rows, strict=True) if turn else zip(rows, indices, strict=True)
        assert indices.dtype == indptr.dtype == np.int64
        assert {(int(a), int(b)) for a, b in pairs} == expected
    assert made.manifest.calibration is not None
    assert made.manifest.calibration[0] > 0


def test_threshold_is_tuned_for_multi_label_only(trainings: Any) -> None:
    tuned = trainings[Task.NODE_CLASS, True].manifest.threshold
    assert tuned is not None
    assert 0 < tuned < 1
    assert trainings[Task.NODE_CLASS, False].manifest.threshold is None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_transform_of_the_same_graph_writes_the_same_artifact(
    trainings: Any, case: tuple[Task, bool], tmp_path: Path
) -> None:
    made = trainings[case]
    summary = transform.run(TransformConfig(made.output), made.source, tmp_path / "artifact")
    assert summary.warnings == ()
    assert open_artifact(tmp_path / "artifact").version == made.manifest.version


def test_transform_finds_learned_vectors_by_id_and_averages_for_new_nodes(trainings: Any, tmp_path: Path) -> None:
    made = trainings[Task.NODE_CLASS, False]
    other = processed(tmp_path, Task.NODE_CLASS, nodes=150)
    data = load_data(other)
    record = read_record(made.output / "training.json", TrainingRecord)
    model, unseen = transform.load_model(record.best, made.output, other, data)
    item = data.processed.schema.node("item")
    name = f"encoder.inputs.{item}.embedding"
    learned, aligned = made.model.state_dict()[name], model.state_dict()[name]
    known = IdColumn(made.source / "ids" / str(item)).rows(IdColumn(other / "ids" / str(item)).texts())
    for row, learned_row in enumerate(known.tolist()):
        wanted = learned[learned_row] if learned_row >= 0 else learned.mean(0)
        torch.testing.assert_close(aligned[row], wanted)
    assert unseen["item"] == 30
    assert (known >= 0).sum() == 120


def test_the_weights_of_an_artifact_are_in_the_order_of_its_ids(trainings: Any, tmp_path: Path) -> None:
    made = trainings[Task.EDGE_CLASS, False]
    # Other items, and so other rows: the artifact's own, not the training's.
    other = processed(tmp_path, Task.EDGE_CLASS, nodes=150)
    transform.run(TransformConfig(made.output), other, tmp_path / "artifact")
    record = read_record(made.output / "training.json", TrainingRecord)
    model, _ = transform.load_model(record.best, made.output, other, load_data(other))
    weights = load_file(tmp_path / "artifact" / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=0)
    manifest = open_artifact(tmp_path / "artifact")
    for name, kind in model.node_tables.items():
        assert len(weights[name]) == manifest.schema.nodes[kind].count
    item = manifest.schema.node("item")
    ids = IdColumn(tmp_path / "artifact" / "nodes" / str(item))
    before = load_file(made.artifact / "model.safetensors")[f"encoder.inputs.{item}.embedding"]
    row = IdColumn(made.artifact / "nodes" / str(item)).rows(["item-7"])[0]
    after = weights[f"encoder.inputs.{item}.embedding"]
    torch.testing.assert_close(after[ids.rows(["item-7"])[0]], before[row], rtol=0, atol=0)


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.LINK_PREDICTION])
def test_symmetric_models_carry_the_degrees_of_their_messages(tmp_path: Path, task: Task) -> None:
    source = processed(tmp_path, task, nodes=60, values={"num-epochs": 2, "symmetric-norm": True})
    trained(source, tmp_path / "training")
    data, artifact = load_data(source), tmp_path / "training" / "artifact"
    for position, edge in enumerate(data.processed.schema.edges):
        relation = data.relations[2 * position]
        kept = torch.ones(len(relation.sources), dtype=torch.bool)
        for samples in () if task.on_nodes else data.samples:
            if samples.position == position:
                kept[torch.cat([samples.splits["valid"], samples.splits["test"]])] = False
        for end, rows in (("source", relation.sources), ("target", relation.targets)):
            label = edge.type.source if end == "source" else edge.type.target
            count = data.counts[data.processed.schema.node(label)]
            degrees = np.load(artifact / "edges" / str(position) / f"{end}_degrees.npy")
            assert degrees.dtype == np.float32
            np.testing.assert_array_equal(degrees, np.bincount(rows[kept], minlength=count))


def test_others_do_not(trainings: Any) -> None:
    assert not list(trainings[Task.NODE_CLASS, False].artifact.glob("edges/*/*_degrees.npy"))


def test_transform_names_unseen_vertices(trainings: Any, tmp_path: Path) -> None:
    made = trainings[Task.NODE_CLASS, False]
    other = processed(tmp_path, Task.NODE_CLASS, nodes=150)
    summary = transform.run(TransformConfig(made.output), other, tmp_path / "artifact")
    assert any("30 'item' vertices" in warning for warning in summary.warnings)
    assert open_artifact(tmp_path / "artifact").schema.nodes[0].count in {150, 50}


def test_transform_refuses_a_graph_for_another_target(trainings: Any, tmp_path: Path) -> None:
    made, other = trainings[Task.NODE_CLASS, False], trainings[Task.NODE_REGRESSION, False]
    with pytest.raises(ConstraintViolation, match=r"node_class of item\.kind"):
        transform.run(TransformConfig(made.output), other.source, tmp_path / "artifact")
    assert not (tmp_path / "artifact").exists()


@pytest.mark.parametrize("name", ["trials/0/model.safetensors", "training.json"])
def test_transform_refuses_a_truncated_training(trainings: Any, tmp_path: Path, name: str) -> None:
    made = trainings[Task.NODE_CLASS, False]
    shutil.copytree(made.output, tmp_path / "training")
    path = tmp_path / "training" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InvalidData, match=path.name):
        transform.run(TransformConfig(tmp_path / "training"), made.source, tmp_path / "artifact")
    assert not (tmp_path / "artifact").exists()


def test_a_truncated_artifact_is_refused(trainings: Any, tmp_path: Path) -> None:
    made = trainings[Task.NODE_CLASS, False]
    shutil.copytree(made.artifact, tmp_path / "artifact")
    path = tmp_path / "artifact" / "nodes" / "0" / "embeddings.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidData, match=r"embeddings\.npy"):
        open_artifact(tmp_path / "artifact")
