"""How samples are dealt out to batches."""

import json
from pathlib import Path

import pytest
import torch

from neptuneml_plugin.artifacts import Task, TrialRecord, read_record
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.objectives import Labelled, Setting, WholeLinks, dealt
from tests.training.graphs import processed, processed_export, trained
from tests.triples import write_triples

TRIPLES = [(f"a{n}", relation, f"b{n}") for n in range(20) for relation in ("likes", "knows")]
#: Three relations, one of them with a single training edge.
PARTS = {"train": [*TRIPLES[4:], ("a0", "owns", "b1")], "valid": TRIPLES[:2], "test": TRIPLES[2:4]}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed_export(write_triples(tmp_path_factory.mktemp("many") / "export", PARTS))


@pytest.fixture(scope="module")
def data(source: Path) -> TrainingData:
    return load_data(source)


@pytest.mark.parametrize(("size", "least", "count"), [(37, 1, 1), (10, 1, 4), (1000, 5, 5), (1, 1, 37)])
def test_every_sample_of_every_type_is_in_one_batch(data: TrainingData, size: int, least: int, count: int) -> None:
    batches = dealt(data, size, least)
    assert len(batches) <= count
    for position, samples in enumerate(data.samples):
        rows = [batch[position] for batch in batches if position in batch]
        assert sorted(torch.cat(rows).tolist()) == sorted(samples.splits["train"].tolist())
    if count < 18:
        assert len(batches) == count
        assert all({0, 1} <= set(batch) for batch in batches)  # types of 18 edges each


def test_a_single_edge_is_not_always_in_the_first_batch(data: TrainingData) -> None:
    torch.manual_seed(0)
    (rare,) = (at for at, samples in enumerate(data.samples) if len(samples.splits["train"]) == 1)
    places = {next(at for at, batch in enumerate(dealt(data, 1000, 5)) if rare in batch) for _ in range(30)}
    assert places == {0, 1, 2, 3, 4}


def test_a_batch_of_several_types_is_left_out_of_all_their_messages(data: TrainingData) -> None:
    graph, ones = MessageGraph(data), torch.ones(data.counts[0], 1)
    everything = {samples.position: samples.splits["train"] for samples in data.samples}
    assert all(messages.aggregate(ones).any() for messages in graph.messages())
    assert not any(messages.aggregate(ones).any() for messages in graph.messages(everything))


def test_the_loss_of_a_batch_is_the_mean_over_its_edges(data: TrainingData) -> None:
    torch.manual_seed(0)
    hp = Hyperparameters(num_hidden=4, num_layer=1, dropout=0)
    model = Model(data.processed, hp)
    objective = WholeLinks(Setting(model, data, model.graph(data), hp))
    batch = {at: data.samples[at].splits["train"][:count] for at, count in enumerate((3, 1, 2))}
    with torch.no_grad():
        told = zip(objective._told(batch), batch.values(), strict=True)
        each = [loss.expand(len(rows)) for (loss, _), rows in told]
        torch.testing.assert_close(objective.loss(batch), torch.cat(each).mean())


def test_labels_have_their_own_loss(tmp_path: Path) -> None:
    given = load_data(processed(tmp_path, Task.NODE_CLASS, nodes=40))
    model = Model(given.processed, Hyperparameters(num_hidden=4))
    objective = Labelled(Setting(model, given, model.graph(given), Hyperparameters(batch_size=7)))
    batches = objective.batches()
    assert sum(len(batch[0]) for batch in batches) == len(given.samples[0].splits["train"])
    assert max(len(batch[0]) for batch in batches) <= 7
    assert float(objective.loss(batches[0]).detach()) > 0


def test_rgcn_learns_several_relations_at_once(source: Path, tmp_path: Path) -> None:
    summary = trained(source, tmp_path / "training")
    assert summary.metrics is not None
    assert set(summary.metrics) == {"train", "valid", "test"}
    record = read_record(tmp_path / "training/trials/0/trial.json", TrialRecord)
    names = ["(thing)-knows-(thing)", "(thing)-likes-(thing)", "(thing)-owns-(thing)"]
    for split, rows in {"train": (18, 18, 1), "valid": (1, 1), "test": (1, 1)}.items():
        by_type = record.metrics_by_type[split]
        assert list(by_type) == names[: len(rows)]
        weighed = [by_type[name]["mrr"] * count for name, count in zip(by_type, rows, strict=True)]
        assert summary.metrics[split]["mrr"] == pytest.approx(sum(weighed) / sum(rows))
    written = json.loads((tmp_path / "training/test_metrics_info.json").read_text())
    assert (
        written["by edge type"][names[1]]["mean reciprocal rank (MRR)"]
        == record.metrics_by_type["test"][names[1]]["mrr"]
    )
