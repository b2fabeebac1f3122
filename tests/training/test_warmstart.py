"""A training that starts from an earlier one: its weights by name, shape and id, and its search."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from neptuneml_plugin.artifacts import Task, TrainingRecord, read_record, write_record
from neptuneml_plugin.config import TrainConfig
from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.seen import Seen
from neptuneml_plugin.training.warmstart import initial_weights
from tests.planted import planted_export
from tests.training.graphs import processed, processed_export, set_hyperparameters, trained, trained_here

QUICK = Hyperparameters(num_hidden=16)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `processed` and the `training` of it."""
    folder = tmp_path_factory.mktemp("earlier")
    source = processed(folder, Task.NODE_CLASS, nodes=120)
    trained_here(source, folder / "training", trials=4, parallel=2)
    return folder


def test_it_begins_where_the_other_ended(earlier: Path, tmp_path: Path) -> None:
    set_hyperparameters(earlier / "processed", {"num-epochs": 1, "lr": 1e-6, "sparse-lr": 0.0})
    cold = trained(earlier / "processed", tmp_path / "cold")
    warm = trained(earlier / "processed", tmp_path / "warm", previous=earlier / "training")
    before = read_record(earlier / "training" / "training.json", TrainingRecord).best
    assert warm.metrics is not None
    assert cold.metrics is not None
    assert warm.metrics["valid"]["acc"] == pytest.approx(before.metrics["valid"]["acc"], abs=0.06)
    assert warm.metrics["valid"]["acc"] > cold.metrics["valid"]["acc"] + 0.2


def test_the_search_goes_on_from_the_other_s(earlier: Path, tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=60, values={"num-epochs": 2})
    shutil.copytree(earlier / "training", tmp_path / "earlier")
    record = read_record(tmp_path / "earlier" / "training.json", TrainingRecord)
    lrs = [0.001 * 1.2**step for step in range(20)]
    trials = tuple(
        replace(
            record.best,
            number=number,
            hyperparameters={**record.best.hyperparameters, "lr": lr},
            metrics={"valid": {"acc": 0.9 if lr < 0.0015 else 0.4}},
        )
        for number, lr in enumerate(lrs)
    )
    write_record(tmp_path / "earlier" / "training.json", replace(record, trials=trials, best_trial=0))
    asked = {}
    for name, previous in (("cold", None), ("warm", tmp_path / "earlier")):
        trained_here(source, tmp_path / name, trials=4, parallel=4, previous=previous)
        training = read_record(tmp_path / name / "training.json", TrainingRecord)
        asked[name] = [trial.hyperparameters["lr"] for trial in training.trials]
    assert asked["cold"][0] == asked["warm"][0] == 0.01
    assert max(asked["warm"][1:]) < 0.003 < max(asked["cold"][1:])


def test_node_tables_are_aligned_by_ids(earlier: Path, tmp_path: Path) -> None:
    export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=150)  # 30 items more
    path = export / "nodes" / "item.consolidated.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(rows)]) + "\n")
    source = processed_export(export)
    data = load_data(source)
    initial = initial_weights(earlier / "training", source, data)
    model = Model(data.processed, QUICK)
    Seen(data).start_from(model, initial)
    record = read_record(earlier / "training" / "training.json", TrainingRecord)
    before = load_file(earlier / "training" / "trials" / str(record.best_trial) / "model.safetensors")
    table = before["encoder.inputs.0.embedding"]
    ids = {str(each): row for row, each in enumerate(IdColumn(earlier / "training" / "ids" / "0").texts())}
    for row, each in enumerate(IdColumn(source / "ids" / "0").texts()):
        expected = table[ids[str(each)]] if str(each) in ids else table.mean(0)
        found = dict(model.named_parameters())["encoder.inputs.0.embedding"][row]
        torch.testing.assert_close(found, expected)
    layer = dict(model.named_parameters())["encoder.layers.0.weights"]
    assert torch.equal(layer, before["encoder.layers.0.weights"])


def test_what_an_inductive_split_hides_is_not_taken(earlier: Path, tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_CLASS, nodes=120, split={"kind": "inductive"})
    data = load_data(source)
    seen = Seen(data)
    model = Model(seen.data.processed, QUICK)
    initial = initial_weights(earlier / "training", source, data)
    seen.start_from(model, initial)
    rows = initial.rows[0][seen.rows[0] >= 0]
    table = initial.weights["encoder.inputs.0.embedding"]
    assert torch.equal(dict(model.named_parameters())["encoder.inputs.0.embedding"], table[rows])


def test_other_shapes_features_and_classes_are_left_out(earlier: Path) -> None:
    source = earlier / "processed"
    data = load_data(source)
    wide = Model(data.processed, replace(QUICK, num_hidden=24))
    before = {name: value.clone() for name, value in wide.named_parameters()}
    Seen(data).start_from(wide, initial_weights(earlier / "training", source, data))
    changed = {name for name, value in wide.named_parameters() if not torch.equal(value, before[name])}
    assert changed <= {"decoder.linear.bias"}

    schema, target = data.processed.schema, data.processed.target
    nodes = (replace(schema.nodes[0], features=schema.nodes[0].features[:1]), *schema.nodes[1:])
    narrow = replace(data, processed=replace(data.processed, schema=replace(schema, nodes=nodes)))
    taken = initial_weights(earlier / "training", source, narrow).weights
    assert "encoder.inputs.0.embedding" in taken
    assert "encoder.inputs.0.project.weight" not in taken
    assert "encoder.inputs.1.project.weight" in taken

    other = replace(data, processed=replace(data.processed, target=replace(target, classes=("x", "y", "z"))))
    assert not [name for name in initial_weights(earlier / "training", source, other).weights if "decoder" in name]

    fewer = replace(data, processed=replace(data.processed, schema=replace(schema, edges=schema.edges[:1])))
    assert initial_weights(earlier / "training", source, fewer).weights == {}


def test_another_target_or_no_training_is_refused(earlier: Path, tmp_path: Path) -> None:
    source = processed(tmp_path, Task.NODE_REGRESSION, nodes=60)
    with pytest.raises(InvalidParameter, match="was trained for node_class of another target"):
        trained(source, tmp_path / "training", previous=earlier / "training")
    with pytest.raises(InvalidData, match=r"training\.json is missing"):
        trained(source, tmp_path / "training", previous=earlier / "processed")
    assert TrainConfig().previous is None
