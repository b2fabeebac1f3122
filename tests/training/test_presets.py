"""Presets: what fits where, what each sets, and the choice among them."""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, Task, TrainingRecord, read_record
from neptuneml_plugin.errors import InvalidParameter, InvalidSettings
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training import hyperparameters, presets, selection
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.presets import BY_NAME, PRESETS, STILL_SEARCHED, fitting
from neptuneml_plugin.training.search.configuration import read_configuration
from neptuneml_plugin.training.search.space import FIXED, SearchSpace
from neptuneml_plugin.training.selection import select
from tests.training.graphs import processed, processed_export, trained
from tests.triples import write_triples

FITTING = {
    Task.NODE_CLASS: ["rgcn", "features", "places", "edges"],
    Task.NODE_REGRESSION: ["rgcn", "features", "places", "edges"],
    Task.EDGE_CLASS: ["rgcn", "linear"],
    Task.EDGE_REGRESSION: ["rgcn", "linear"],
    Task.LINK_PREDICTION: ["items", "neighbours"],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Task, Path]:
    return {task: processed(tmp_path_factory.mktemp(task), task, nodes=60) for task in Task}


def with_preset(folder: Path, preset: Any) -> Path:
    """Put a preset into a processed folder's file."""
    path = folder / HPO_CONFIGURATION
    document = json.loads(path.read_text())
    document["models"][0]["preset"] = preset
    path.write_text(json.dumps(document))
    return folder


def space_of(folder: Path, preset: Any = None) -> tuple[SearchSpace, TrainingData]:
    data = load_data(folder)
    space = read_configuration(folder / HPO_CONFIGURATION, data.processed)
    return dataclasses.replace(space, preset=preset), data


@pytest.mark.parametrize("task", list(Task))
def test_each_task_has_its_presets(folders: Mapping[Task, Path], task: Task) -> None:
    assert [preset.name for preset in fitting(load_data(folders[task]))] == FITTING[task]


OF_KNOWLEDGE_GRAPHS = ["complex", "distmult"]


def test_every_preset_is_for_some_graph_and_sets_what_there_is() -> None:
    assert {name for names in FITTING.values() for name in names} | set(OF_KNOWLEDGE_GRAPHS) == set(BY_NAME)
    assert len(BY_NAME) == len(PRESETS)
    for preset in PRESETS:
        built = hyperparameters.build(preset.values).to_json()
        assert preset.values.items() <= built.items()
        assert preset.when


def test_a_preset_fits_no_other_graphs(folders: Mapping[Task, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, links = load_data(folders[Task.NODE_CLASS]), load_data(folders[Task.LINK_PREDICTION])
    bare = dataclasses.replace(nodes, features=tuple({} for _ in nodes.features), relations=())
    assert [preset.name for preset in fitting(bare)] == ["rgcn"]
    several = dataclasses.replace(links, samples=links.samples * 2)
    assert [preset.name for preset in fitting(several)] == ["rgcn"]
    monkeypatch.setattr(presets, "MAX_ITEMS", 59)
    monkeypatch.setattr(presets, "BLOCK_CELLS", 60 * 60 - 1)
    assert [preset.name for preset in fitting(links)] == ["rgcn"]


def test_a_search_varies_the_preset(folders: Mapping[Task, Path]) -> None:
    space, _ = space_of(folders[Task.LINK_PREDICTION])
    neighbours = BY_NAME["neighbours"]
    changed = neighbours.applied(space)
    assert changed.defaults() == space.defaults() | dict(neighbours.values)
    searched = {parameter.name: parameter for parameter in changed.searched(100)}
    assert searched["lr"].default == 0.02
    assert searched["lr"].low == next(p.low for p in space.searched(1) if p.name == "lr")
    assert not set(neighbours.values) - set(STILL_SEARCHED) & set(searched) - set(STILL_SEARCHED)
    assert {"layer-norm", "num-layer"} & {p.name for p in space.searched(100)}
    assert not {"layer-norm", "num-layer"} & set(searched)
    assert {p.name for p in changed.tiers[FIXED]} > {"edge-masking", "num-layer"}


def test_without_the_member_nothing_is_chosen(folders: Mapping[Task, Path]) -> None:
    space, data = space_of(folders[Task.EDGE_CLASS])
    chosen = select(space, data, 0, silent)
    assert (chosen.space, chosen.reason) == (space, None)


def test_a_named_preset_is_taken_or_refused(folders: Mapping[Task, Path]) -> None:
    chosen = select(*space_of(folders[Task.NODE_CLASS], "places"), 0, silent)
    assert chosen.space.defaults()["structural-features"] == 32
    assert chosen.reason == "preset 'places', as the file says"
    with pytest.raises(InvalidParameter, match="preset 'linear' does not fit here; it is for properties of edges"):
        select(*space_of(folders[Task.NODE_CLASS], "linear"), 0, silent)


def test_without_validation_rows_the_first_is_taken(folders: Mapping[Task, Path]) -> None:
    space, data = space_of(folders[Task.EDGE_CLASS], "auto")
    samples = data.samples[0]
    splits = dict(samples.splits) | {"valid": samples.splits["valid"][:0]}
    blind = dataclasses.replace(data, samples=(dataclasses.replace(samples, splits=splits),))
    assert select(space, blind, 0, silent).reason == "preset 'rgcn': there are no validation rows to choose by"


def test_the_best_on_validation_is_taken_within_two_trainings(
    folders: Mapping[Task, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    space, data = space_of(folders[Task.NODE_CLASS], "auto")
    tried: list[tuple[str, float]] = []
    scores = {"rgcn": [0.5, 0.9], "features": [0.7, 0.8], "places": [0.4], "edges": [0.3]}

    def run(changed: SearchSpace, _: TrainingData, share: float, __: int) -> float:
        values = changed.defaults()
        name = "places" if values.get("structural-features") else "features" if values["l2norm"] else "rgcn"
        name = "edges" if values.get("use-edge-features") else name
        tried.append((name, share))
        return scores[name].pop(0)

    monkeypatch.setattr(selection, "_tried", run)
    chosen = select(space, data, 0, silent)
    assert [name for name, _ in tried] == ["rgcn", "features", "places", "edges", "features", "rgcn"]
    assert sum(share for _, share in tried) <= 2
    assert chosen.reason == (
        "preset 'rgcn': acc 0.9 on validation against 'features' 0.8, 'places' 0.4, 'edges' 0.3 after a part of "
        "their epochs"
    )


def test_of_presets_that_are_as_good_the_first_is_taken(
    folders: Mapping[Task, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "_tried", lambda *_: 1.0)
    for task in (Task.EDGE_CLASS, Task.EDGE_REGRESSION):
        chosen = select(*space_of(folders[task], "auto"), 0, silent)
        assert chosen.reason is not None
        assert chosen.reason.startswith("preset 'rgcn'")


def test_a_trial_takes_a_share_of_the_epochs(
    folders: Mapping[Task, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    space, data = space_of(folders[Task.EDGE_REGRESSION])
    epochs = []

    class Recorded(Trainer):
        def __init__(
            self, data: TrainingData, options: hyperparameters.Hyperparameters, *rest: Any, **kw: Any
        ) -> None:
            epochs.append(options.num_epochs)
            super().__init__(data, dataclasses.replace(options, num_epochs=1), *rest, **kw)

    monkeypatch.setattr(selection, "Trainer", Recorded)
    assert selection._tried(space, data, 0.05, 0) > 0
    assert epochs == [3]


def test_a_training_says_what_it_chose_and_trains_that(tmp_path: Path) -> None:
    source = with_preset(processed(tmp_path, Task.EDGE_REGRESSION, nodes=60, values={"num-epochs": 8}), "auto")
    summary = trained(source, tmp_path / "training")
    (note,) = summary.notes
    assert note.startswith("preset 'linear': mse")
    assert summary.hyperparameters is not None
    assert BY_NAME["linear"].values.items() <= summary.hyperparameters.items()
    torch.set_num_threads(1)
    named = trained(source, tmp_path / "named", model="rgcn")
    assert named.notes == ()
    assert named.hyperparameters is not None
    assert named.hyperparameters["num-epochs"] == 8


def test_where_validation_rows_are_few_training_rows_judge_too(
    folders: Mapping[Task, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_data(folders[Task.NODE_CLASS])
    before, after = data.samples[0].splits, selection.with_more_to_judge_by(data).samples[0].splits
    assert len(after["train"]) == len(before["train"]) - len(before["train"]) // 4
    assert set(before["valid"].tolist()) < set(after["valid"].tolist())
    everything = torch.cat([after["train"], after["valid"]]).tolist()
    assert sorted(everything) == sorted(torch.cat([before["train"], before["valid"]]).tolist())
    edges = load_data(folders[Task.EDGE_CLASS])
    assert selection.with_more_to_judge_by(edges) is edges
    monkeypatch.setattr(selection, "FEW_ROWS", len(before["valid"]))
    assert selection.with_more_to_judge_by(data) is data


@pytest.mark.parametrize("preset", ["lineal", 3, ["auto"]])
def test_an_unknown_preset_is_refused(tmp_path: Path, preset: Any) -> None:
    source = with_preset(processed(tmp_path, Task.EDGE_CLASS, nodes=60), preset)
    with pytest.raises(InvalidSettings, match=r"models\[0\]\.preset"):
        space_of(source)


def test_a_knowledge_graph_chooses_among_its_own_models(tmp_path: Path) -> None:
    friends = [(f"v{i}", "friend", f"v{(i + 7) % 40}") for i in range(40)]
    both = [triple for head, name, tail in friends for triple in ((head, name, tail), (tail, name, head))]
    parts = {"train": both[:60], "valid": both[60:70], "test": both[70:]}
    source = processed_export(write_triples(tmp_path / "export", parts))
    space, data = space_of(source, "auto")
    assert json.loads((source / HPO_CONFIGURATION).read_text())["models"][0]["preset"] == "auto"
    assert [preset.name for preset in fitting(data, space.model)] == OF_KNOWLEDGE_GRAPHS
    summary = trained(source, tmp_path / "training")
    (note,) = summary.notes
    assert re.match(r"preset '(complex|distmult)': mrr .* against '(complex|distmult)'", note)
    record = read_record(tmp_path / "training/training.json", TrainingRecord)
    assert record.best.model in note
    assert trained(source, tmp_path / "named", model="complex").notes == ()


def test_a_preset_of_another_kind_of_model_is_refused(folders: Mapping[Task, Path]) -> None:
    with pytest.raises(InvalidParameter, match="preset 'distmult' does not fit here; it is for knowledge graphs"):
        select(*space_of(folders[Task.LINK_PREDICTION], "distmult"), 0, silent)
