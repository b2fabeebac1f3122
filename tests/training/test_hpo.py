"""The HPO file: the generated one is read, wrong ones are refused with the path of the problem."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import (
    HPO_CONFIGURATION,
    HPO_TEMPLATES,
    KGE_MODELS,
    EdgeSchema,
    EdgeType,
    GraphSchema,
    NodeType,
    ProcessedGraph,
    Target,
    Task,
    read_record,
)
from neptuneml_plugin.errors import InvalidData, InvalidParameter, InvalidSettings, UnsupportedOperation
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.search.configuration import check_model, read_configuration
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.search.study import Search
from tests.training.graphs import processed, processed_export
from tests.triples import write_triples

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


def graph(nodes: int = 100, edges: int = 300) -> ProcessedGraph:
    """The description of a processed graph with items and links."""
    link = EdgeSchema(EdgeType("item", "linked", "item"), edges)
    schema = GraphSchema((NodeType("item", nodes),), (link,))
    return ProcessedGraph(Task.NODE_REGRESSION, Target(node="item", property_name="price"), schema)


def read(folder: Path, model: Any, processed_graph: ProcessedGraph | None = None, **top: Any) -> SearchSpace:
    path = folder / HPO_CONFIGURATION
    path.write_text(json.dumps({"models": [model]} | top))
    return read_configuration(path, processed_graph or graph())


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(SAMPLE) | changes


def parameter(**changes: Any) -> dict[str, Any]:
    return changed(**{"1-tier-param": [SAMPLE["1-tier-param"][0] | changes]})


def hidden(**changes: Any) -> dict[str, Any]:
    return changed(**{"1-tier-param": [SAMPLE["1-tier-param"][1] | changes]})


def dropout(**changes: Any) -> dict[str, Any]:
    return changed(**{"2-tier-param": [SAMPLE["2-tier-param"][0] | changes]})


def test_the_sample_is_read(tmp_path: Path) -> None:
    space = read(tmp_path, SAMPLE)
    chosen = hyperparameters.build(space.defaults())
    assert (space.model, space.goal.metric, space.goal.batches_between(7)) == ("rgcn", "mse", 200)
    assert (chosen.lr, chosen.num_hidden, chosen.fanout, chosen.num_epochs) == (0.004, 64, (10, 15), 15)
    assert space.unused() == ("fanout",)


@pytest.mark.parametrize("task", list(Task))
def test_the_generated_file_is_read(tmp_path: Path, task: Task) -> None:
    folder = processed(tmp_path, task, nodes=60)
    record = read_record(folder / "processed.json", ProcessedGraph)
    space = read_configuration(folder / HPO_CONFIGURATION, record)
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
    assert search.ask([0]) == [space.defaults()]
    for number in range(1, 30):
        values = search.ask([number])[0]
        search.tell(values, values["lr"])
        assert 0.0005 <= values["lr"] <= 0.02
        assert values["num-hidden"] in {16, 32, 64, 128}
        assert 0.1 <= values["dropout"] <= 0.4
        assert values["num-layer"] in {1, 2, 3}
        assert values["num-epochs"] == 15
        hyperparameters.build(values)


def test_the_same_seed_asks_the_same(tmp_path: Path) -> None:
    space = read(tmp_path, SAMPLE)
    first, second, other = Search(space, 12, 5), Search(space, 12, 5), Search(space, 12, 6)
    assert first.ask(range(5)) == second.ask(range(5)) != other.ask(range(5))


def test_what_is_asked_depends_on_results_and_not_on_what_was_asked_before(tmp_path: Path) -> None:
    space = read(tmp_path, SAMPLE)
    through, resumed = Search(space, 60, 1), Search(space, 60, 1)
    told = []
    for number in range(20):
        values = through.ask([number])[0]
        told.append((values, abs(values["lr"] - 0.002)))
        through.tell(*told[-1])
    for values, result in told:
        resumed.tell(values, result)
    assert through.ask(range(20, 23)) == resumed.ask(range(20, 23))


def test_a_search_gets_nearer_to_what_is_good(tmp_path: Path) -> None:
    search = Search(read(tmp_path, SAMPLE), 60, 3)
    asked = []
    for number in range(50):
        values = search.ask([number])[0]
        asked.append(abs(values["lr"] - 0.01))
        search.tell(values, asked[-1])
    assert sum(asked[-10:]) < sum(asked[1:11]) / 2


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
        (parameter(range=[0, 1]), r"\(lr\).range: lr: 0 is out of bounds"),
        (parameter(range=[0.5, 0.1]), "does not fit 'log'"),
        (parameter(range=[0.1]), "either a range of two numbers or a list of options"),
        (parameter(options=[0.1], range=[0.1, 0.2]), "either a range or a list of options"),
        (parameter(inc_strategy="exp"), "inc_strategy: 'exp'"),
        (parameter(type="text"), "must be bool, int or float"),
        (parameter(default=-1), "lr: -1 is out of bounds"),
        (parameter(default="fast"), "lr: must be a number, not 'fast'"),
        (changed(**{"fixed-param": [{"param": "lr", "type": "float", "default": 0.1}]}), "given more than once"),
        (changed(**{"fixed-param": [{"param": "num-bases", "type": "int"}]}), r"\(num-bases\): has no default"),
        (parameter(param="num-hiden"), r"\(num-hiden\): unknown hyperparameter 'num-hiden' \(did you mean"),
        (parameter(default=0.1, options=[0.1, "x"], range=None), r"\(lr\).options: lr: must be a number, not 'x'"),
        (dropout(range=[0.1, 1.5]), r"\(dropout\).range: dropout: 1.5 is out of bounds"),
        (dropout(range=[0.4, 0.1]), r"\(dropout\).range: \[0.4, 0.1\] does not fit 'linear'"),
        (dropout(inc_val=0), r"\(dropout\).inc_val: must be a number above 0, not 0"),
        (hidden(range=[33, 63]), r"\(num-hidden\).range: \[33, 63\] does not fit 'power2'"),
        (hidden(range=[16.5, 64]), r"\(num-hidden\).range: num-hidden: must be an integer, not 16.5"),
        (hidden(inc_strategy="linear", inc_val=0.5), r"inc_val: must be an integer above 0, not 0.5"),
        (hidden(node_strategy="per1M"), r"\(num-hidden\).node_strategy: 'per1M' \(did you mean 'per"),
        (hidden(edge_strategy=5), r"\(num-hidden\).edge_strategy: 5 \(allowed"),
        (
            changed(
                **{"2-tier-param": [{"param": "layer-norm", "type": "bool", "range": [0, 1], "default": True}]}
            ),
            r"\(layer-norm\).range: is nothing for true and false",
        ),
        (changed(**{"fixed-param": ["lr"]}), r'fixed-param\[0\]: must be an object with "param"'),
    ],
)
def test_problems_are_named_with_their_path(tmp_path: Path, model: Any, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        read(tmp_path, model)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    model = parameter(param="num-hiden") | {"extra": 1, "eval_metric": {"metric": "acc"}, "fixed-param": None}
    model["2-tier-param"] = [{"param": "dropout", "type": "float", "range": [0.1, 2], "default": -1}]
    with pytest.raises(InvalidSettings) as caught:
        read(tmp_path, model, more=1)
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "the file",
        "models[0]",
        "models[0].eval_metric.metric",
        "models[0].1-tier-param[0] (num-hiden)",
        "models[0].2-tier-param[0] (dropout).default",
        "models[0].fixed-param",
    ]


@pytest.mark.parametrize(
    ("frequency", "batches", "between"),
    [
        ({"type": "evaluate_every_epoch", "value": 1}, 7, 7),
        ({"type": "evaluate_every_epoch", "value": 3}, 7, 21),
        ({"type": "evaluate_every_batch", "value": 2}, 7, 2),
        ({"type": "evaluate_every_pct", "value": 0.5}, 8, 4),
        ({"type": "evaluate_every_pct", "value": 1}, 8, 8),
        ({"type": "evaluate_every_pct", "value": 0.01}, 8, 1),
        (None, 7, 7),
    ],
)
def test_how_often_to_evaluate(
    tmp_path: Path, frequency: dict[str, Any] | None, batches: int, between: int
) -> None:
    model = {name: value for name, value in SAMPLE.items() if name != "eval_frequency"}
    space = read(tmp_path, model | ({"eval_frequency": frequency} if frequency else {}))
    assert space.goal.batches_between(batches) == between


@pytest.mark.parametrize(
    ("strategies", "nodes", "edges", "high"),
    [
        ({}, 5_000_000, 9, 30),
        ({"node_strategy": "perM"}, 900_000, 9, 30),
        ({"node_strategy": "perM"}, 2_500_000, 9, 75),
        ({"edge_strategy": "per10M"}, 9, 20_000_000, 60),
        ({"node_strategy": "per100M"}, 200_000_001, 9, 60),
    ],
)
def test_a_range_grows_with_the_graph(
    tmp_path: Path, strategies: dict[str, str], nodes: int, edges: int, high: int
) -> None:
    epochs = {"param": "num-epochs", "type": "int", "range": [3, 30], "inc_strategy": "linear", "default": 10}
    model = changed(**{"1-tier-param": [epochs | strategies], "fixed-param": []})
    searched = read(tmp_path, model, graph(nodes, edges)).searched(1)
    assert [(found.low, found.high) for found in searched] == [(3, high)]


def test_steps_and_scales_are_kept(tmp_path: Path) -> None:
    tier = [
        {
            "param": "num-bases",
            "type": "int",
            "range": [0, 7],
            "inc_strategy": "linear",
            "inc_val": 2,
            "default": 0,
        },
        {"param": "dropout", "type": "float", "range": [0.1, 0.35], "inc_val": 0.1, "default": 0.1},
        {"param": "num-hidden", "type": "int", "range": [10, 100], "inc_strategy": "power2", "default": 16},
        {"param": "batch-size", "type": "int", "range": [10, 1000], "inc_strategy": "log", "default": 16},
    ]
    space = read(tmp_path, changed(**{"1-tier-param": tier, "2-tier-param": [], "fixed-param": []}))
    asked = Search(space, 40, 0).ask(range(1, 40))
    assert {values["num-bases"] for values in asked} == {0, 2, 4, 6}
    assert {round(values["dropout"], 6) for values in asked} == {0.1, 0.2, 0.3}
    assert {values["num-hidden"] for values in asked} == {16, 32, 64}
    sizes = sorted(values["batch-size"] for values in asked)
    assert 30 < sizes[len(sizes) // 2] < 300


def test_an_unknown_hyperparameter_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"'num-hiden' \(did you mean 'num-hidden'\?\)"):
        read(tmp_path, parameter(param="num-hiden"))


def test_what_a_model_does_not_read_leaves_the_search_and_is_named(tmp_path: Path) -> None:
    margin = {"param": "gamma", "type": "float", "range": [1, 9], "default": 3.0}
    space = read(tmp_path, changed(**{"1-tier-param": [*SAMPLE["1-tier-param"], margin]}))
    assert "gamma" not in {found.name for found in space.searched(1)}
    assert space.unused() == ("gamma", "fanout")


@pytest.mark.parametrize("searched", [True, False])
@pytest.mark.parametrize("featured", [True, False])
def test_the_width_for_edge_features_counts_where_they_may_be_used(
    tmp_path: Path, *, searched: bool, featured: bool
) -> None:
    switch = {"param": "use-edge-features", "type": "bool", "default": False}
    width = {"param": "edge-num-hidden", "type": "float", "range": [8, 32], "default": 16}
    tiers = {"1-tier-param": [width, *([switch] if searched else [])]}
    space = read(tmp_path, changed(**tiers, **{"fixed-param": [] if searched else [switch]}))
    space = replace(space, featured_edges=featured)
    found = {"edge-num-hidden", "use-edge-features"} if featured and searched else set()
    assert {parameter.name for parameter in space.searched(1)} == found
    assert ("edge-num-hidden" in space.unused()) != (featured and searched)


def test_a_model_of_scripts_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperation, match=r"'custom' needs its scripts: .* --custom-source"):
        read(tmp_path, changed(model="custom"))


@pytest.mark.parametrize("name", ["kge", *KGE_MODELS])
def test_knowledge_graph_models_are_for_links_alone(tmp_path: Path, name: str) -> None:
    assert check_model(name) == ("complex" if name == "kge" else name)
    with pytest.raises(InvalidParameter, match=f"model '{name}' is for link prediction; for node_regression"):
        read(tmp_path, changed(model=name))


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = {"train": [(f"a{n}", "likes", f"b{n}") for n in range(9)], "valid": [("a1", "likes", "b2")]}
    return processed_export(write_triples(tmp_path_factory.mktemp("links") / "export", parts))


def test_links_without_properties_are_for_knowledge_graph_models(links: Path) -> None:
    space = read_links(links)
    assert (space.model, space.goal.metric) == ("complex", "mrr")
    assert {path.stem for path in (links / HPO_TEMPLATES).iterdir()} == {"rgcn", *KGE_MODELS}


@pytest.mark.parametrize("name", KGE_MODELS)
def test_the_defaults_of_the_file_are_those_of_the_model(links: Path, name: str) -> None:
    space = read_links(links, name)
    assert space.model == name
    assert not space.unused()
    given = hyperparameters.build(space.defaults(), name)
    by_size = {"batch-size": given.batch_size, "num-hidden": given.num_hidden}
    own = hyperparameters.build(by_size, name)
    assert given == own


@pytest.mark.parametrize(("asked", "trained"), [(None, "complex"), ("kge", "complex"), ("rgcn", "rgcn")])
def test_a_model_that_is_asked_for_is_read_from_its_template(links: Path, asked: str | None, trained: str) -> None:
    assert read_links(links, asked).model == trained


def test_a_preset_is_no_edit(links: Path, tmp_path: Path) -> None:
    folder = edited(links, tmp_path, preset="auto")
    document = json.loads((folder / HPO_CONFIGURATION).read_text())["models"][0]
    assert document["preset"] == "auto"
    assert read_links(folder, "transe").model == "transe"


def test_an_edited_file_wins_over_the_model_asked_for(links: Path, tmp_path: Path) -> None:
    folder = edited(links, tmp_path, eval_metric={"metric": "hits@10"})
    space = read_links(folder, "transe")
    assert (space.model, space.goal.metric) == ("complex", "hits@10")


def test_a_file_without_a_model_takes_the_one_asked_for(links: Path, tmp_path: Path) -> None:
    folder = edited(links, tmp_path, model=None)
    assert read_links(folder, "rotate").model == "rotate"


def test_a_missing_template_is_named(links: Path, tmp_path: Path) -> None:
    folder = edited(links, tmp_path)
    (folder / HPO_TEMPLATES / "rotate.json").unlink()
    with pytest.raises(InvalidData, match=r"rotate\.json is missing"):
        read_links(folder, "rotate")


def read_links(folder: Path, asked: str | None = None) -> SearchSpace:
    graph = read_record(folder / "processed.json", ProcessedGraph)
    return read_configuration(folder / HPO_CONFIGURATION, graph, asked)


def edited(links: Path, folder: Path, **changes: Any) -> Path:
    """Return a copy of a processed folder with members of its model changed, or left out (None)."""
    copy = Path(shutil.copytree(links, folder / "copy"))
    document = json.loads((copy / HPO_CONFIGURATION).read_text())
    model = document["models"][0] | changes
    document["models"] = [{key: value for key, value in model.items() if value is not None}]
    (copy / HPO_CONFIGURATION).write_text(json.dumps(document))
    return copy


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
        read_configuration(path, graph())
    path.write_text('{"models": [')
    with pytest.raises(InvalidData, match="not JSON"):
        read_configuration(path, graph())
