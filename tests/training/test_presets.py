"""Presets: what fits where, what each sets, and the choice among them."""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, METRICS_LOG, SELECTION, Task, TrainingRecord, read_record
from neptuneml_plugin.config import TrainConfig
from neptuneml_plugin.errors import InvalidParameter, InvalidSettings
from neptuneml_plugin.stage import Progress, silent
from neptuneml_plugin.training import hyperparameters, presets, selection
from neptuneml_plugin.training.checkpoints import Checkpoints
from neptuneml_plugin.training.cost import Cost
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.presets import BY_NAME, PRESETS, STILL_SEARCHED, fitting
from neptuneml_plugin.training.rounds import (
    DEAREST,
    LEAST_STEPS,
    LIMIT,
    ROUND,
    Entrant,
    Standing,
    affordable,
    better_half,
    chance,
    epochs_of,
    ranked,
)
from neptuneml_plugin.training.search.configuration import read_configuration
from neptuneml_plugin.training.search.space import FIXED, Parameter, SearchSpace
from neptuneml_plugin.training.search.trial import CHECKPOINT
from neptuneml_plugin.training.selection import Race, Selection, compared_by, select
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.train import run as train
from tests.quality.planted import planted
from tests.training.graphs import processed, processed_export, trained
from tests.training.test_resume import log, results, same_weights
from tests.triples import write_triples

FITTING = {
    Task.NODE_CLASS: ["rgcn", "features", "places", "appnp", "edges"],
    Task.NODE_REGRESSION: ["rgcn", "features", "places", "appnp", "edges"],
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


def race_of(folder: Path, target: Path, preset: Any) -> tuple[SearchSpace, Race]:
    space, data = space_of(folder, preset)
    return space, Race(folder, target, data, TrainConfig(checkpoint_seconds=1e6))


def test_without_the_member_nothing_is_chosen(folders: Mapping[Task, Path], tmp_path: Path) -> None:
    space, race = race_of(folders[Task.EDGE_CLASS], tmp_path, None)
    assert select(space, race, silent) == Selection(space, None, None)
    assert not list(tmp_path.iterdir())


def test_a_named_preset_is_taken_or_refused(folders: Mapping[Task, Path], tmp_path: Path) -> None:
    chosen = select(*race_of(folders[Task.NODE_CLASS], tmp_path, "places"), silent)
    assert chosen.space.defaults()["structural-features"] == 32
    assert (chosen.reason, chosen.begun) == ("preset 'places', as the file says", None)
    with pytest.raises(InvalidParameter, match="preset 'linear' does not fit here; it is for properties of edges"):
        select(*race_of(folders[Task.NODE_CLASS], tmp_path, "linear"), silent)


def test_without_validation_rows_the_first_is_taken(folders: Mapping[Task, Path], tmp_path: Path) -> None:
    space, race = race_of(folders[Task.EDGE_CLASS], tmp_path, "auto")
    samples = race.data.samples[0]
    splits = dict(samples.splits) | {"valid": samples.splits["valid"][:0]}
    blind = dataclasses.replace(race.data, samples=(dataclasses.replace(samples, splits=splits),))
    chosen = select(space, dataclasses.replace(race, data=blind), silent)
    assert chosen.reason == "preset 'rgcn': there are no validation rows to choose by"


def entrant(name: str, space: SearchSpace, *, epoch: float = 1.0, least: int = 20, epochs: int = 100) -> Entrant:
    """A preset whose epochs have 10 steps and cost as much as is said."""
    chosen = hyperparameters.build({"num-epochs": epochs})
    return Entrant(name, space, chosen, Cost(epoch / 10, 0.0, 10, 1.0, least))


#: Figures of the first preset and of the second (newest last), whether each is over, and which can still win.
STANDINGS: Mapping[str, tuple[list[float | None], bool, list[float | None], bool, list[str]]] = {
    "all after one round": ([0.9], False, [0.1], False, ["rgcn", "linear"]),
    "far behind": ([0.8, 0.9], False, [0.1, 0.2], False, ["rgcn"]),
    "behind, and gaining": ([0.8, 0.9], False, [0.4, 0.6], False, ["rgcn", "linear"]),
    "behind, and losing": ([0.8, 0.9], False, [0.89, 0.85], False, ["rgcn"]),
    "behind, and over": ([0.8, 0.9], False, [0.4, 0.89], True, ["rgcn"]),
    "ahead": ([0.8, 0.9], False, [0.4, 0.91], False, ["linear", "rgcn"]),
    "ahead of one that is over": ([0.9], True, [0.4, 0.91], False, ["linear"]),
    "behind one that is over": ([0.9], True, [0.4, 0.8], False, ["rgcn", "linear"]),
    "as good": ([0.5, 0.5], False, [0.5, 0.5], False, ["rgcn"]),
    "as good, and gaining": ([0.4, 0.5], False, [0.4, 0.5], False, ["rgcn", "linear"]),
    "not to be measured": ([None], True, [0.1], False, ["linear"]),
    "neither to be measured": ([None], True, [None], True, ["rgcn"]),
    "a third round that gains enough for each doubling": (
        [0.8] * 3,
        True,
        [0.1, 0.2, 0.6],
        False,
        ["rgcn", "linear"],
    ),
    "a third round that gains too little": ([0.8] * 3, True, [0.1, 0.35, 0.5], False, ["rgcn"]),
}


@pytest.mark.parametrize("case", STANDINGS)
@pytest.mark.parametrize("metric", ["acc", "mse"])
def test_a_preset_that_can_no_longer_win_falls_out(case: str, metric: str, folders: Mapping[Task, Path]) -> None:
    first, first_over, second, second_over, expected = STANDINGS[case]
    sign = 1 if metric == "acc" else -1

    def standing(values: list[float | None], *, over: bool) -> Standing:
        epochs = [10, 20, 40][: len(values)]
        return Standing([None if value is None else sign * value for value in values], epochs, over)

    standings = {"rgcn": standing(first, over=first_over), "linear": standing(second, over=second_over)}
    space, _ = space_of(folders[Task.EDGE_CLASS])
    found = ranked([entrant("rgcn", space), entrant("linear", space)], standings, Goal(metric))
    assert [each.name for each in found] == expected


#: Newest metrics on 100 rows, best first; which of five stay.
HALVES: dict[str, tuple[str, list[float | None], int]] = {
    "three of five, and nobody near": ("acc", [0.9, 0.8, 0.7, 0.6, 0.5], 3),
    "those that chance parts from the third": ("acc", [0.9, 0.8, 0.7, 0.66, 0.6], 4),
    "all that answer alike": ("acc", [0.34, 0.33, 0.33, 0.32, 0.32], 5),
    "errors, by their size": ("mse", [60.0, 70.0, 80.0, 90.0, 95.0], 4),
    "those that could not be measured": ("acc", [0.9, 0.8, None, None, None], 3),
    "two of those that are left": ("acc", [0.9, 0.8], 2),
}


@pytest.mark.parametrize("case", HALVES)
def test_the_better_half_stays_and_who_is_behind_by_chance(case: str, folders: Mapping[Task, Path]) -> None:
    metric, values, stay = HALVES[case]
    space, _ = space_of(folders[Task.EDGE_CLASS])
    order = [dataclasses.replace(entrant("rgcn", space), name=str(number)) for number in range(len(values))]
    standings = {each.name: Standing([value], [1]) for each, value in zip(order, values, strict=True)}
    assert better_half(order, 5, standings, Goal(metric), 100) == order[:stay]


def test_chance_is_the_standard_error() -> None:
    """Of 400 answers of which half are right, and of as many squared errors of a normal distribution."""
    draws = torch.Generator().manual_seed(0)
    right = torch.randint(2, (2000, 400), generator=draws, dtype=torch.float64).mean(1).std()
    squares = (torch.randn(2000, 400, generator=draws, dtype=torch.float64) * 3).square().mean(1)
    assert chance(0.5, Goal("acc"), 400) == pytest.approx(float(right), rel=0.05)
    assert chance(float(squares.mean()), Goal("mse"), 400) == pytest.approx(float(squares.std()), rel=0.05)


def test_nothing_is_told_from_the_first_steps(folders: Mapping[Task, Path]) -> None:
    space, _ = space_of(folders[Task.EDGE_CLASS])
    goal, both = Goal("acc"), [entrant("rgcn", space), entrant("linear", space)]
    standings = {"rgcn": Standing([0.8, 0.9], [9, 17]), "linear": Standing([0.3, 0.3], [5, LEAST_STEPS // 10 - 1])}
    assert ranked(both, standings, goal) == both
    standings["linear"].epochs[-1] += 1
    assert ranked(both, standings, goal) == both[:1]


def test_a_standing_is_told_as_it_was(folders: Mapping[Task, Path]) -> None:
    standing = Standing([0.1, 0.2], [3, 5], over=True)
    assert standing.after(0) == Standing()
    assert standing.after(1) == Standing([0.1], [3])
    assert standing.after(2) == standing.after(3) == standing
    space, _ = space_of(folders[Task.EDGE_CLASS])
    assert epochs_of(0.9, entrant("rgcn", space), standing) == 5
    assert epochs_of(0.9, entrant("rgcn", space), standing.after(1)) == 18
    assert epochs_of(0.1, entrant("rgcn", space), standing.after(1)) == 4


def test_a_preset_that_is_too_dear_is_left_out(folders: Mapping[Task, Path]) -> None:
    space, _ = space_of(folders[Task.EDGE_CLASS])
    cheap = [entrant(name, space) for name in "abcd"]
    assert affordable([*cheap, entrant("e", space, epoch=10)], 20) == [*cheap, entrant("e", space, epoch=10)]
    dear = entrant("e", space, epoch=DEAREST * 20)
    assert affordable([dear, *cheap], 20) == cheap
    assert affordable([dear, cheap[0]], 20) == [dear, cheap[0]]
    assert len(affordable(cheap * 2, 20)) == 8  # of the same names
    assert len(affordable([entrant(name, space) for name in "abcdefgh"], 20)) == 6


def test_presets_go_on_while_they_can_win(
    folders: Mapping[Task, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains: Mapping[str, list[float | None]] = {
        "rgcn": [0.5, 0.74, 0.76, 0.8],
        "features": [0.6, 0.75, 0.77, 0.79],
        "places": [0.5, 0.5],
        "appnp": [0.1, 0.1],
        "edges": [0.1, 0.1],
    }
    epochs: dict[str, list[int]] = {name: [] for name in gains}
    costs: dict[str, Cost] = {}

    def go_on(each: Entrant, _: Race, standing: Standing, until: int) -> None:
        epochs[each.name].append(until)
        costs[each.name] = each.cost
        standing.values, standing.epochs = gains[each.name][: len(epochs[each.name])], list(epochs[each.name])

    monkeypatch.setattr(selection, "_go_on", go_on)
    chosen = select(*race_of(folders[Task.NODE_CLASS], tmp_path, "auto"), silent)
    assert [len(epochs[name]) for name in gains] == [4, 4, 2, 1, 1]
    assert all(len(set(each)) == len(each) and sorted(each) == each for each in epochs.values())
    first = {each[0] for each in epochs.values()}
    assert len(first) == 1, "all are judged after as many epochs"
    unit = sorted(cost.least for cost in costs.values())[2]
    in_first, in_all = (sum(costs[name].epoch * each[at] for name, each in epochs.items()) for at in (0, -1))
    assert in_first == pytest.approx(ROUND * unit, rel=0.2)
    assert in_all == pytest.approx(LIMIT * unit, rel=0.1)
    assert chosen.reason == (
        "preset 'rgcn': acc 0.8 on validation against 'features' 0.79, 'places' 0.5, 'appnp' 0.1, 'edges' 0.1 "
        "after a part of their epochs"
    )
    assert chosen.begun is None  # rows of training have judged
    stored = json.loads((tmp_path / SELECTION).read_text())
    assert stored["features"] == {"values": gains["features"], "epochs": epochs["features"], "over": False}


def test_of_two_classes_presets_are_compared_by_the_order_of_rows(
    folders: Mapping[Task, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_data(folders[Task.EDGE_CLASS])
    labels, valid = data.samples[0].labels, data.samples[0].splits["valid"]
    assert labels is not None
    first, second = torch.bincount(labels[valid], minlength=2).tolist()
    goal, rows = compared_by(Goal("f1"), data)
    assert (goal, rows) == (Goal("roc_auc"), 3 * first * second / len(valid))
    draws = torch.Generator().manual_seed(0)
    scores = torch.rand(2000, first + second, generator=draws)
    wins = (scores[:, :first, None] > scores[:, None, first:]).double().mean((1, 2))
    assert chance(0.5, goal, rows) == pytest.approx(float(wins.std()), rel=0.05)
    assert compared_by(Goal("average_precision"), data) == (Goal("average_precision"), len(valid))
    of_one = dataclasses.replace(data.samples[0], labels=torch.zeros_like(labels))
    assert compared_by(Goal("f1"), dataclasses.replace(data, samples=(of_one,))) == (Goal("f1"), len(valid))
    several, values = (load_data(folders[task]) for task in (Task.NODE_CLASS, Task.NODE_REGRESSION))
    assert compared_by(Goal("f1"), several)[0] == Goal("f1")
    assert compared_by(Goal("mse"), values)[0] == Goal("mse")


def test_a_rare_class_is_told_before_any_row_is_said_to_be_of_it(tmp_path: Path) -> None:
    source = processed_export(planted("loans", tmp_path / "export", 800))
    (tmp_path / "training").mkdir()
    space, race = race_of(source, tmp_path / "training", "auto")
    assert space.goal.metric == "f1"
    chosen = select(space, race, silent)
    assert chosen.reason is not None
    assert chosen.reason.startswith("preset 'features': roc_auc 0.9")
    features = race.folder / selection.PRESETS / "features"
    records = [json.loads(line) for line in (features / METRICS_LOG).read_text().splitlines()]
    assert not any(record["valid"]["f1"] for record in records)
    orders = {record["epoch"]: record["valid"]["roc_auc"] for record in records}
    checkpoint = Checkpoints(features / CHECKPOINT, 1e6).load()
    assert checkpoint is not None
    assert checkpoint.position.best_epoch == max(orders, key=orders.__getitem__) > 1
    stored = json.loads((race.folder / SELECTION).read_text())
    best = stored["features"]["values"][-1]
    assert best == max(orders.values())
    assert best > max(each["values"][-1] for name, each in stored.items() if name != "features") + 0.02


def test_a_preset_that_diverges_is_not_chosen(folders: Mapping[Task, Path], tmp_path: Path) -> None:
    space, race = race_of(folders[Task.EDGE_REGRESSION], tmp_path, None)
    fixed = (*space.tiers[FIXED], Parameter("sparse-lr", "float", 1e30))
    space = dataclasses.replace(space, tiers={**space.tiers, FIXED: fixed})
    standing = Standing()
    chosen = hyperparameters.build(space.defaults())
    selection._go_on(Entrant("linear", space, chosen, entrant("", space).cost), race, standing, 5)
    assert standing == Standing([None], [5], over=True)


def stop_at(count: int, messages: list[str]) -> Progress:
    """Return a progress that raises when the so-manieth training of a preset begins."""

    def progress(message: str, fraction: float | None = None) -> None:
        del fraction
        if message.startswith("choosing"):
            messages.append(message)
            if len(messages) == count:
                raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("task", [Task.EDGE_REGRESSION, Task.NODE_CLASS, Task.LINK_PREDICTION])
def test_trial_0_is_the_chosen_preset_as_if_it_had_been_named(tmp_path: Path, task: Task) -> None:
    values = {"num-epochs": 24, "dropout": 0.3, "num-hidden": 8}
    source = with_preset(processed(tmp_path, task, nodes=60, values=values), "auto")
    config = TrainConfig(threads=1, checkpoint_seconds=1e6)
    summary = train(config, source, tmp_path / "whole")
    chosen = summary.notes[0].split("'")[1]
    for count in (2, 3):
        with pytest.raises(KeyboardInterrupt) as caught:
            train(config, source, tmp_path / "stopped", stop_at(count, []))
        assert "the same command goes on" in caught.value.__notes__[0]
    messages: list[str] = []
    assert train(config, source, tmp_path / "stopped", stop_at(-1, messages)).notes == summary.notes
    trained_presets = json.loads((tmp_path / "whole" / SELECTION).read_text())
    assert len(messages) == sum(len(each["values"]) for each in trained_presets.values()) - 3  # 1 and 2 are stored
    train(config, with_preset(source, chosen), tmp_path / "named")
    assert not list((tmp_path / "whole").rglob("checkpoint*"))
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == sorted(
        [*(path.name for path in (tmp_path / "named").iterdir()), SELECTION]
    )
    for other in ("stopped", "named"):
        assert results(tmp_path / "whole") == results(tmp_path / other)
        assert log(tmp_path / "whole") == log(tmp_path / other)
        assert same_weights(tmp_path / "whole", tmp_path / other)


def test_a_training_says_what_it_chose_and_trains_that(tmp_path: Path) -> None:
    source = with_preset(processed(tmp_path, Task.EDGE_REGRESSION, nodes=60, values={"num-epochs": 8}), "auto")
    summary = trained(source, tmp_path / "training")
    (note,) = summary.notes
    assert note.startswith("preset 'linear': mse")
    assert summary.hyperparameters is not None
    assert BY_NAME["linear"].values.items() <= summary.hyperparameters.items()
    named = trained(source, tmp_path / "named", model="rgcn")
    assert named.notes == ()
    assert named.hyperparameters is not None
    assert named.hyperparameters["num-epochs"] == 8
    assert not (tmp_path / "named" / SELECTION).exists()


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
    few = dict(before) | {"train": before["train"][: len(before["valid"])]}
    few_labels = dataclasses.replace(data, samples=(dataclasses.replace(data.samples[0], splits=few),))
    assert selection.with_more_to_judge_by(few_labels) is few_labels
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


def test_a_preset_of_another_kind_of_model_is_refused(folders: Mapping[Task, Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="preset 'distmult' does not fit here; it is for knowledge graphs"):
        select(*race_of(folders[Task.LINK_PREDICTION], tmp_path, "distmult"), silent)
