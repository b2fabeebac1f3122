"""The HPO file: the generated one is read, wrong ones are refused with the path of the problem."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, ProcessedGraph, Target, Task, read_record
from neptuneml_plugin.errors import InvalidData, InvalidParameter, InvalidSettings, UnsupportedOperation
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.search.configuration import check_model, read_configuration
from neptuneml_plugin.training.search.space import Search, SearchSpace
from tests.training.graphs import processed

#: The published sample's form with our own numbers (specification 4.2).
SAMPLE: dict[str, Any] = {
    "model": "rgcn",
    "task_type": "node_regression",
    "eval_metric": {"metric": "mse"},
    "eval_frequency": {"type": "evaluate_every_batch", "value": 200},
    "1-tier-param": [
        {"param": "lr", "type": "float", "range": [0.0005, 0.02], "inc_strategy": "log", "default": 0.004},
        {"param": "num-hidden", "type": "int", "range": [16, 128], "inc_strategy": "power2", "default": 64},
    ],
    "2-tier-param": [
        {"param": "dropout", "type": "float", "range": [0.1, 0.4], "inc_strategy": "linear", "default": 0.2},
        {"param": "layer-norm", "type": "bool", "default": True},
    ],
    "3-tier-param": [
        {"param": "fanout", "type": "int", "options": [[10, 30], [15, 30]], "default": [10, 15]},
        {
            "param": "num-layer",
            "type": "int",
            "range": [1, 3],
            "inc_strategy": "linear",
            "inc_val": 1,
            "default": 2,
        },
    ],
    "fixed-param": [{"param": "num-epochs", "type": "int", "default": 15}],
}
TARGET = Target(node="item", property_name="price")


def read(folder: Path, model: Any, task: Task = Task.NODE_REGRESSION, **top: Any) -> SearchSpace:
    path = folder / HPO_CONFIGURATION
    path.write_text(json.dumps({"models": [model]} | top))
    return read_configuration(path, task, TARGET)


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(SAMPLE) | changes


def parameter(**changes: Any) -> dict[str, Any]:
    return changed(**{"1-tier-param": [SAMPLE["1-tier-param"][0] | changes]})


def test_the_sample_is_read(tmp_path: Path) -> None:
    space = read(tmp_path, SAMPLE)
    chosen = hyperparameters.build(space.defaults())
    assert (space.model, space.goal.metric, space.goal.batches_between(7)) == ("rgcn", "mse", 200)
    assert (chosen.lr, chosen.num_hidden, chosen.fanout, chosen.num_epochs) == (0.004, 64, (10, 15), 15)
    assert chosen.without_effect() == ("fanout",)


@pytest.mark.parametrize("task", list(Task))
def test_the_generated_file_is_read(tmp_path: Path, task: Task) -> None:
    folder = processed(tmp_path, task, nodes=60)
    record = read_record(folder / "processed.json", ProcessedGraph)
    space = read_configuration(folder / HPO_CONFIGURATION, task, record.target)
    assert hyperparameters.build(space.defaults()).num_hidden == 16


@pytest.mark.parametrize(
    ("trials", "names"),
    [
        (1, {"lr", "num-hidden"}),
        (10, {"lr", "num-hidden"}),
        (11, {"lr", "num-hidden", "dropout", "layer-norm"}),
        (50, {"lr", "num-hidden", "dropout", "layer-norm"}),
        (51, {"lr", "num-hidden", "dropout", "layer-norm", "num-layer"}),
    ],
)
def test_the_tier_rule(tmp_path: Path, trials: int, names: set[str]) -> None:
    # fanout has no effect on full neighbourhoods, so it leaves the search.
    assert {found.name for found in read(tmp_path, SAMPLE).searched(trials)} == names


def test_trial_0_is_the_defaults_and_others_stay_in_range(tmp_path: Path) -> None:
    space = read(tmp_path, SAMPLE)
    search = Search(space, trials=60, seed=1)
    assert search.ask(0) == space.defaults()
    for number in range(1, 30):
        values = search.ask(number)
        search.tell(number, values["lr"])
        assert 0.0005 <= values["lr"] <= 0.02
        assert values["num-hidden"] in {16, 32, 64, 128}
        assert 0.1 <= values["dropout"] <= 0.4
        assert values["num-layer"] in {1, 2, 3}
        assert values["num-epochs"] == 15
        hyperparameters.build(values)


def test_the_same_seed_asks_the_same(tmp_path: Path) -> None:
    space = read(tmp_path, SAMPLE)
    first, second, other = Search(space, 12, 5), Search(space, 12, 5), Search(space, 12, 6)
    assert (
        [first.ask(n) for n in range(5)] == [second.ask(n) for n in range(5)] != [other.ask(n) for n in range(5)]
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (changed(extra=1), r"models\[0\]: unknown key 'extra'"),
        (changed(task_type="node_class"), "the graph was processed for 'node_regression'"),
        (changed(eval_metric={"metric": "acc"}), r"eval_metric.metric: 'acc'"),
        (changed(eval_metric="mse"), "eval_metric: must be an object"),
        (changed(eval_metric={"metric": "mse", "k": 1}), "unknown key 'k'"),
        (
            changed(eval_frequency={"type": "evaluate_every_epcoh", "value": 1}),
            "did you mean 'evaluate_every_epoch'",
        ),
        (changed(eval_frequency={"type": "evaluate_every_epoch", "value": 0}), "eval_frequency.value"),
        (changed(eval_frequency={"type": "evaluate_every_pct", "value": 2}), r"must be a number in \(0, 1\]"),
        ({k: v for k, v in SAMPLE.items() if k != "3-tier-param"}, "3-tier-param: must be a list"),
        (parameter(rnage=[0, 1]), r"1-tier-param\[0\] \(lr\): unknown key 'rnage' \(did you mean 'range'\?\)"),
        (parameter(range=[0, 1]), "does not fit 'log'"),
        (parameter(range=[0.1]), "either a range of two numbers or a list of options"),
        (parameter(options=[0.1], range=[0.1, 0.2]), "either a range or a list of options"),
        (parameter(inc_strategy="exp"), "inc_strategy: 'exp'"),
        (parameter(type="text"), "must be bool, int or float"),
        (parameter(default=-1), "lr: -1 is out of bounds"),
        (parameter(default="fast"), "lr: must be a number, not 'fast'"),
        (changed(**{"fixed-param": [{"param": "lr", "type": "float", "default": 0.1}]}), "given more than once"),
        (changed(**{"fixed-param": [{"param": "num-bases", "type": "int"}]}), r"\(num-bases\): has no default"),
        (changed(**{"fixed-param": ["lr"]}), r'fixed-param\[0\]: must be an object with "param"'),
    ],
)
def test_problems_are_named_with_their_path(tmp_path: Path, model: Any, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        read(tmp_path, model)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(tmp_path, changed(extra=1, eval_metric={"metric": "acc"}))
    assert len(caught.value.problems) == 2


def test_an_unknown_hyperparameter_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"'num-hiden' \(did you mean 'num-hidden'\?\)"):
        read(tmp_path, parameter(param="num-hiden"))


@pytest.mark.parametrize("name", ["gamma", "rel-part", "edge-num-hidden"])
def test_hyperparameters_of_what_is_not_built_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedOperation, match=name):
        read(tmp_path, parameter(param=name))


def test_edge_features_are_refused_only_when_switched_on(tmp_path: Path) -> None:
    off = {"param": "use-edge-features", "type": "bool", "default": False}
    read(tmp_path, changed(**{"fixed-param": [off]}))
    with pytest.raises(UnsupportedOperation, match="use-edge-features"):
        read(tmp_path, changed(**{"fixed-param": [off | {"default": True}]}))


@pytest.mark.parametrize("name", ["transe", "distmult", "rotate", "kge", "custom"])
def test_models_that_are_not_built_are_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedOperation, match=f"'{name}' is not built yet"):
        read(tmp_path, changed(model=name))


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="did you mean 'rgcn'"):
        check_model("rgnc")


@pytest.mark.parametrize("models", [[], [SAMPLE, SAMPLE], {}, None])
def test_exactly_one_model(tmp_path: Path, models: Any) -> None:
    with pytest.raises(InvalidSettings, match="exactly one object"):
        read(tmp_path, SAMPLE, models=models)


def test_missing_or_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / HPO_CONFIGURATION
    with pytest.raises(InvalidData, match="is missing"):
        read_configuration(path, Task.NODE_CLASS, TARGET)
    path.write_text('{"models": [')
    with pytest.raises(InvalidData, match="not JSON"):
        read_configuration(path, Task.NODE_CLASS, TARGET)
