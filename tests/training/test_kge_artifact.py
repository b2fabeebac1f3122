"""What a worker answers from knowledge-graph embeddings is what the model scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neptuneml_plugin.artifacts import KGE_MODELS, EdgeType, TrainingRecord, open_artifact, read_record
from neptuneml_plugin.config import NewNodeVectors, TransformConfig
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.subgraph import EdgeColumns, NodeColumns, Subgraph
from neptuneml_plugin.training import transform
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers
from tests.listed_answers import Listed, listed
from tests.training.graphs import processed_export, set_hyperparameters, trained
from tests.triples import write_triples

#: Two labels and two relations between them, each of which the other one does not know.
TRIPLES = [(f"a{n}", "likes", f"b{(n + 1) % 12}") for n in range(12)]
TRIPLES += [(f"b{n}", "made", f"a{(n + 5) % 12}") for n in range(12)]
LABELS = {f"b{n}": "other" for n in range(12)}
PARTS = {"train": TRIPLES[2:], "valid": TRIPLES[:1], "test": TRIPLES[1:2]}
#: Training folder, what it was trained on, and the model.
Made = tuple[Path, TrainingData, str]
LIKES = EdgeType("thing", "likes", "other")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = processed_export(write_triples(tmp_path_factory.mktemp("kge") / "export", PARTS, LABELS))
    set_hyperparameters(folder, {"num-epochs": 3, "num-hidden": 8})
    return folder


@pytest.fixture(
    scope="module", params=[*((name, {}) for name in KGE_MODELS), ("transe", {"distance-norm": 2})], ids=str
)
def made(request: Any, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    name, values = request.param
    folder = tmp_path_factory.mktemp(name)
    document = (source / "hpo-configuration-templates" / f"{name}.json").read_text()
    (source / "model-HPO-configuration.json").write_text(document)
    set_hyperparameters(source, {"num-epochs": 3, "num-hidden": 8, **values})
    summary = trained(source, folder / "training")
    assert any("every candidate was scored" in warning for warning in summary.warnings)
    return folder / "training", load_data(source), name


def asked(mode: Mode, ids: tuple[str, ...], **parameters: Any) -> Invocation:
    none = (None,) * len(ids)
    tails = mode is Mode.PREDICT_TAIL
    heads, others = (ids, ()) if tails else ((), ids)
    items = Items(heads=heads, tails=others, head_types=none, tail_types=none, excludes=((),) * len(ids))
    return Invocation(mode, items, edge_label="likes", topk=12, **parameters)


def answers(artifact: Path, invocation: Invocation, new: NewNodeVectors = NewNodeVectors.TYPE) -> Listed:
    return listed(open_predictor(artifact, new)[1].answer(invocation, lambda: None))


@pytest.mark.parametrize("mode", [Mode.PREDICT_TAIL, Mode.PREDICT_HEAD])
def test_the_worker_ranks_as_the_model_scores(made: Made, mode: Mode, source: Path) -> None:
    training, data, name = made
    record = read_record(training / "training.json", TrainingRecord)
    manifest = open_artifact(training / "artifact")
    assert (manifest.model, record.best.model, manifest.scores) == (name, name, manifest.scores)
    model, _ = transform.load_model(record.best, training, source, data)
    tails = mode is Mode.PREDICT_TAIL
    vectors = Evaluator(data, model.graph(data)).embed(model)
    position = data.processed.target.edges.index(LIKES)
    score = link_scorers(model, vectors, data)[position][0 if tails else 1]
    kinds = [data.processed.schema.node(label) for label in ("thing", "other")]
    asks, found = (IdColumn(training / "ids" / str(kind)) for kind in (kinds if tails else kinds[::-1]))
    with torch.no_grad():
        expected = score(torch.arange(12)).double().numpy()
    scale, offset = manifest.calibration or (1.0, 0.0)
    got = answers(training / "artifact", asked(mode, tuple(asks.texts())))
    for row, item in enumerate(got):
        best = {answer.id: answer.score for answer in item}
        assert len(best) == 12
        for candidate, name_of in enumerate(found.texts()):
            wanted = 1 / (1 + np.exp(-(scale * expected[row, candidate] + offset)))
            assert best[name_of] == pytest.approx(wanted, abs=1e-5)


def test_the_same_graph_gives_the_same_artifact(made: Made, source: Path, tmp_path: Path) -> None:
    transform.run(TransformConfig(made[0]), source, tmp_path / "again")
    version = open_artifact(made[0] / "artifact").version
    assert open_artifact(tmp_path / "again").version == version


def test_a_known_vertex_gets_its_stored_answer_from_a_neighbourhood(made: Made) -> None:
    around = Subgraph({"thing": NodeColumns(("a3",), {})}, {})
    live = answers(made[0] / "artifact", asked(Mode.PREDICT_TAIL, ("a3",), subgraph=around))
    stored = answers(made[0] / "artifact", asked(Mode.PREDICT_TAIL, ("a3",)))
    assert [[a.id for a in item] for item in live] == [[a.id for a in item] for item in stored]
    assert live[0][0].score == pytest.approx(stored[0][0].score, abs=1e-6)


def test_a_new_vertex_takes_an_average(made: Made) -> None:
    """Of all vertices of its label, or of those that it is joined with."""
    artifact = made[0] / "artifact"
    one = np.array([0])
    nodes = {"thing": NodeColumns(("new",), {}), "other": NodeColumns(("b3",), {})}
    back = EdgeColumns(LIKES, reverse=True, sources=one, targets=one, drawn_from=one + 1, properties={})
    around = Subgraph(nodes, {(LIKES, True): back})
    invocation = asked(Mode.PREDICT_TAIL, ("new",), subgraph=around)
    by_type, by_neighbour = (answers(artifact, invocation, new) for new in NewNodeVectors)
    assert len(by_type[0]) == len(by_neighbour[0]) == 12
    assert [a.score for a in by_type[0]] != [a.score for a in by_neighbour[0]]
    assert answers(artifact, asked(Mode.PREDICT_TAIL, ("new",))) == [[]]
