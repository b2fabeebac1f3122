"""What a training sees after an inductive split, and the model that it gives for the whole graph."""

from pathlib import Path

import pytest
import torch

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.seen import Seen
from tests.training.graphs import processed


@pytest.fixture(scope="module", params=Task)
def inductive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("inductive")
    return load_data(processed(folder, request.param, nodes=90, split={"kind": "inductive"}))


def ids_of(data: TrainingData, seen: Seen, kind: int) -> torch.Tensor:
    """Return the row in the whole graph of each node that is seen."""
    return torch.nonzero(seen.rows[kind] >= 0)[:, 0]


def test_held_out_nodes_and_their_edges_are_gone(inductive: TrainingData) -> None:
    seen = Seen(inductive)
    held = inductive.held_out[0]
    assert held is not None
    assert not seen.is_whole
    assert seen.data.counts[0] == int((~held).sum()) == seen.data.processed.schema.nodes[0].count
    assert seen.data.counts[1] == inductive.counts[1]
    for part, whole in zip(seen.data.relations, inductive.relations, strict=True):
        ends = ((whole.source_type, whole.sources), (whole.target_type, whole.targets))
        untouched = torch.stack([~held[rows] if kind == 0 else rows >= 0 for kind, rows in ends]).all(0)
        assert len(part.sources) == int(untouched.sum()) < len(whole.sources)
        assert torch.equal(ids_of(inductive, seen, part.source_type)[part.sources], whole.sources[untouched])
        assert torch.equal(ids_of(inductive, seen, part.target_type)[part.targets], whole.targets[untouched])
    for name, values in seen.data.features[0].items():
        assert torch.equal(values, inductive.features[0][name][~held])


def test_samples_are_the_training_rows(inductive: TrainingData) -> None:
    seen = Seen(inductive)
    (part,), (whole,) = seen.data.samples, inductive.samples
    assert len(part.splits["valid"]) == len(part.splits["test"]) == 0
    assert len(part.splits["train"]) == len(whole.splits["train"])
    kinds = (part.position,) if inductive.task.on_nodes else inductive.ends_of(part.position)
    for kind, end, before in zip(kinds, part.ends, whole.ends, strict=True):
        rows = ids_of(inductive, seen, kind)[end[part.splits["train"]]]
        assert torch.equal(rows, before[whole.splits["train"]])
    if whole.labels is not None and part.labels is not None:
        assert torch.equal(part.labels[part.splits["train"]], whole.labels[whole.splits["train"]])


def test_the_whole_model_knows_the_average_of_what_it_has_not_seen(inductive: TrainingData) -> None:
    seen = Seen(inductive)
    model = Model(seen.data.processed, Hyperparameters(num_hidden=8))
    grown = seen.whole(model)
    held = inductive.held_out[0]
    assert held is not None
    before, after = model.state_dict(), grown.state_dict()
    for name in before.keys() - model.node_tables.keys():
        assert torch.equal(before[name], after[name])
    tables = [name for name, kind in model.node_tables.items() if kind == 0]
    assert tables
    for name in tables:
        assert torch.equal(after[name][~held], before[name])
        assert torch.allclose(after[name][held], before[name].mean(0))


def test_without_held_out_nodes_all_is_seen(tmp_path: Path) -> None:
    data = load_data(processed(tmp_path, Task.EDGE_CLASS, nodes=60))
    seen = Seen(data)
    assert seen.is_whole
    assert seen.data is data
    model = Model(data.processed, Hyperparameters(num_hidden=8))
    assert seen.whole(model) is model
