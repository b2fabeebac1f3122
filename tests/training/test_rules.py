"""Rules against all that could be said one by one, and what a model, its artifact and an endpoint make of them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from neptuneml_plugin.artifacts import TrainingRecord, open_artifact, read_record
from neptuneml_plugin.config import TransformConfig
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.training import transform
from neptuneml_plugin.training.data import Relation, TrainingData, load_data
from neptuneml_plugin.training.evaluation import collaborative
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers
from neptuneml_plugin.training.evaluation.weights import fit_parts
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.models import rules
from neptuneml_plugin.training.models.kge import RelationScorer
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.models.parts import WithPart
from neptuneml_plugin.training.models.rules import LEAST, PESSIMISM, SHARPNESS, rule_parts
from tests.listed_answers import listed
from tests.training.graphs import processed_export, set_hyperparameters, trained
from tests.triples import Triple, write_triples

Pair = tuple[int, int]
OPTIONS = Hyperparameters(num_hidden=8, mined_rules=True)


def kinship(count: int = 30) -> Mapping[str, list[Triple]]:
    """Return a graph in which an aunt is a parent's sister, and a child has the parent that it is a child of."""
    parents = [(f"c{i}", "parent", f"p{i}") for i in range(count)]
    sisters = [(f"p{i}", "sister", f"a{i}") for i in range(count)]
    aunts = [(f"c{i}", "aunt", f"a{i}") for i in range(count)]
    children = [(f"p{i}", "child", f"c{i}") for i in range(count)]
    valid, test = slice(20, 25), slice(25, None)
    return {
        "train": [*parents, *sisters, *aunts[:20], *children[:20]],
        "valid": [*aunts[valid], *children[valid]],
        "test": [*aunts[test], *children[test]],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed_export(write_triples(tmp_path_factory.mktemp("rules") / "export", kinship()))


@pytest.fixture
def data(folder: Path) -> TrainingData:
    return load_data(folder)


@pytest.fixture(scope="module")
def mould(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Two labels of four and three vertices, and edge types within one of them and both ways between them."""
    triples = [
        ("a0", "near", "a1"),
        ("a2", "near", "a3"),
        ("a0", "in", "b0"),
        ("b1", "of", "a1"),
        ("b2", "of", "a0"),
    ]
    export = write_triples(
        tmp_path_factory.mktemp("mould") / "export",
        {"train": triples, "valid": [], "test": []},
        {f"b{n}": "other" for n in range(3)},
    )
    return load_data(processed_export(export))


def some_edges(data: TrainingData, position: int) -> st.SearchStrategy[list[tuple[Pair, str]]]:
    """Return distinct edges of a type, each with its split."""
    ends = (st.integers(0, data.counts[kind] - 1) for kind in data.ends_of(position))
    dealt = st.tuples(st.tuples(*ends), st.sampled_from(["train", "train", "valid", "test"]))
    return st.lists(dealt, max_size=8, unique_by=lambda each: each[0])


def remade(data: TrainingData, drawn: Mapping[int, list[tuple[Pair, str]]]) -> TrainingData:
    """Return a graph with other edges, by the position of their type."""
    ends = {
        at: torch.tensor([pair for pair, _ in edges], dtype=torch.int64).reshape(-1, 2).T
        for at, edges in drawn.items()
    }
    relations, seen = list[Relation](), set[int]()
    for relation in data.relations:
        rows = ends[relation.edge_type]
        sources, targets = rows if relation.edge_type not in seen else rows.flip(0)
        seen.add(relation.edge_type)
        relations.append(dataclasses.replace(relation, sources=sources, targets=targets))
    samples = []
    for each in data.samples:
        splits = {
            name: torch.tensor(
                [at for at, (_, split) in enumerate(drawn[each.position]) if split == name], dtype=torch.int64
            )
            for name in ("train", "valid", "test")
        }
        samples.append(dataclasses.replace(each, ends=tuple(ends[each.position]), splits=splits))
    return dataclasses.replace(data, relations=tuple(relations), samples=tuple(samples))


def said(data: TrainingData, drawn: Mapping[int, list[tuple[Pair, str]]], position: int) -> Iterator[set[Pair]]:
    """Yield the pairs that the body of each rule for a type fits, but of the rule that says itself."""
    steps = []
    for at, edges in drawn.items():
        known = {pair for pair, split in edges if split == "train"}
        source, target = data.ends_of(at)
        steps += [(source, target, known, at), (target, source, {(y, x) for x, y in known}, None)]
    source, target = data.ends_of(position)
    yield from (
        pairs for start, end, pairs, forward in steps if (start, end) == (source, target) and forward != position
    )
    for start, middle, firsts, _ in steps:
        for between, end, seconds, _ in steps:
            if (start, middle, end) == (source, between, target):
                yield {(x, y) for x, z in firsts for other, y in seconds if z == other}


@settings(max_examples=60, deadline=None)
@given(draws=st.data())
def test_all_rules_of_one_and_two_steps_and_nothing_but_training_edges(
    mould: TrainingData, draws: st.DataObject
) -> None:
    types = [samples.position for samples in mould.samples]
    drawn = {position: draws.draw(some_edges(mould, position)) for position in types}
    data = remade(mould, drawn)
    expected = []
    for position in types:
        source, target = data.ends_of(position)
        sums = np.zeros((data.counts[source], data.counts[target]))
        true = {pair for pair, split in drawn[position] if split == "train"}
        for fits in said(data, drawn, position):
            for pair in fits:
                sums[pair] += (len(fits & true) / (len(fits) + PESSIMISM)) ** SHARPNESS
        expected.append(np.log1p(sums ** (1 / SHARPNESS) / LEAST))
    for scores, (tails, heads) in zip(expected, rule_parts(data), strict=True):
        if not any(every.any() for every in expected):
            assert tails is None
            assert heads is None
            continue
        assert tails is not None
        assert heads is not None
        np.testing.assert_allclose(tails(torch.arange(scores.shape[0])).numpy(), scores, rtol=1e-4)
        np.testing.assert_allclose(heads(torch.arange(scores.shape[1])).numpy(), scores.T, rtol=1e-4)


def test_edges_of_validation_and_test_say_nothing(data: TrainingData) -> None:
    """Whatever else they join."""
    relations, by_type = [], {samples.position: samples for samples in data.samples}
    for relation in data.relations:
        unseen = torch.cat([by_type[relation.edge_type].splits[part] for part in ("valid", "test")])
        sources = relation.sources.clone()
        sources[unseen] = 0
        relations.append(dataclasses.replace(relation, sources=sources))
    before, after = rule_parts(data), rule_parts(dataclasses.replace(data, relations=tuple(relations)))
    assert rule_parts(data) is before
    for one, other in zip(before, after, strict=True):
        for part, same in zip(one, other, strict=True):
            assert part is not None
            assert same is not None
            assert torch.equal(part.matrix, same.matrix)


@pytest.mark.parametrize("limit", ["MOST_SCORES", "MOST_PATHS"])
def test_there_are_none_on_large_graphs(data: TrainingData, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = rules.pair_count(data) if limit == "MOST_SCORES" else rules.path_count(data)
    monkeypatch.setattr(rules, limit, counted - 1)
    assert list(rule_parts(data)) == [(None, None)] * len(data.samples)
    assert collaborative.rules(data) is None
    model = Model(data.processed, OPTIONS, "complex")
    fit_parts(Evaluator(data, model.graph(data)), model)
    assert model.rule_weights.tolist() == [0, 0]


def test_paths_are_counted_one_by_one(mould: TrainingData) -> None:
    steps = [(r.source_type, r.target_type, r.sources.tolist(), r.targets.tolist()) for r in mould.relations]
    ends = [((kind, x), (other, y)) for kind, other, xs, ys in steps for x, y in zip(xs, ys, strict=True)]
    assert rules.path_count(mould) == sum(first[1] == second[0] for first in ends for second in ends)


@pytest.mark.parametrize("name", ["complex", "rotate", "rgcn"])
def test_a_weight_is_fitted_and_scores_gain(data: TrainingData, name: str) -> None:
    model = Model(data.processed, OPTIONS, name)
    evaluator = Evaluator(data, model.graph(data))
    vectors = evaluator.embed(model)
    plain = link_scorers(model, vectors, data)
    assert not any(isinstance(scorer, WithPart) for pair in plain for scorer in pair)
    before = evaluator.measure(model, ["test"])["test"]
    fit_parts(evaluator, model)
    assert min(model.rule_weights.tolist()) > 0
    after = evaluator.measure(model, ["test"])["test"]
    assert after["mrr"] > 0.9 > before["mrr"]
    rows = torch.arange(4)
    with torch.no_grad():
        for pair, bare, parts in zip(link_scorers(model, vectors, data), plain, rule_parts(data), strict=True):
            for scorer, base, part, weight in zip(pair, bare, parts, model.rule_weights.tolist(), strict=True):
                assert part is not None
                whole = base(rows) + weight * part(rows)
                torch.testing.assert_close(scorer(rows), whole)
                torch.testing.assert_close(scorer.some(rows, rows[:, None]), whole.gather(1, rows[:, None]))


def test_a_model_without_them_is_as_it_was(data: TrainingData) -> None:
    plain = Model(data.processed, dataclasses.replace(OPTIONS, mined_rules=False), "complex")
    assert "rule_weights" not in plain.state_dict()
    fit_parts(Evaluator(data, plain.graph(data)), plain)
    vectors = Evaluator(data, plain.graph(data)).embed(plain)
    assert all(
        isinstance(scorer, RelationScorer) for pair in link_scorers(plain, vectors, data) for scorer in pair
    )


@pytest.fixture(scope="module", params=["complex", "transe", "rgcn"])
def training(request: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    name, target = request.param, tmp_path_factory.mktemp(request.param) / "training"
    document = (folder / "hpo-configuration-templates" / f"{name}.json").read_text()
    (folder / "model-HPO-configuration.json").write_text(document)
    set_hyperparameters(folder, {"num-epochs": 2, "num-hidden": 8, "mined-rules": True})
    trained(folder, target)
    return target, name


@pytest.mark.parametrize("mode", [Mode.PREDICT_TAIL, Mode.PREDICT_HEAD])
def test_the_worker_ranks_as_the_model_scores(training: tuple[Path, str], mode: Mode, folder: Path) -> None:
    target, data = training[0], load_data(folder)
    record = read_record(target / "training.json", TrainingRecord)
    model, _ = transform.load_model(record.best, target, folder, data)
    assert min(model.rule_weights.tolist()) > 0
    vectors = Evaluator(data, model.graph(data)).embed(model)
    tails = mode is Mode.PREDICT_TAIL
    texts = IdColumn(target / "ids" / "0").texts()
    none, manifest = (None,) * len(texts), open_artifact(target / "artifact")
    scale, offset = manifest.calibration or (1.0, 0.0)
    predictor = open_predictor(target / "artifact")[1]
    for position, edge in enumerate(data.processed.target.edges):
        with torch.no_grad():
            scores = link_scorers(model, vectors, data)[position][0 if tails else 1](torch.arange(len(texts)))
        items = Items(
            heads=tuple(texts) if tails else (), tails=() if tails else tuple(texts),
            head_types=none, tail_types=none, excludes=((),) * len(texts),
        )  # fmt: skip
        got = listed(
            predictor.answer(Invocation(mode, items, edge_label=edge.label, topk=len(texts)), lambda: None)
        )
        for row, item in enumerate(got):
            best = {answer.id: answer.score for answer in item}
            assert len(best) == len(texts) - 1  # no vertex is its own partner here
            for column, text in enumerate(texts):
                if text in best:
                    wanted = 1 / (1 + math.exp(-(scale * float(scores[row, column]) + offset)))
                    assert best[text] == pytest.approx(wanted, abs=1e-5)


def test_the_table_of_predictions_has_them_too(training: tuple[Path, str], folder: Path) -> None:
    target, data = training[0], load_data(folder)
    record = read_record(target / "training.json", TrainingRecord)
    model, _ = transform.load_model(record.best, target, folder, data)
    scorers = link_scorers(model, Evaluator(data, model.graph(data)).embed(model), data)
    position = [edge.label for edge in data.processed.target.edges].index("child")
    ids = IdColumn(target / "ids" / "0")
    with torch.no_grad():
        scores = scorers[position][0](torch.arange(len(ids.texts()))).double().numpy()
    scale, offset = record.best.calibration or (1.0, 0.0)
    table = pl.read_parquet(target / "predictions.parquet").filter(pl.col("edge") == "(thing)-child-(thing)")
    assert len(table) > 0
    at = tuple(ids.rows(table[column].to_list()) for column in ("id", "value"))
    wanted = 1 / (1 + np.exp(-(scale * scores[at] + offset)))
    np.testing.assert_allclose(table["score"].to_numpy(), wanted, atol=1e-5)


def test_the_same_graph_gives_the_same_artifact(training: tuple[Path, str], folder: Path, tmp_path: Path) -> None:
    transform.run(TransformConfig(training[0]), folder, tmp_path / "again")
    assert open_artifact(tmp_path / "again").version == open_artifact(training[0] / "artifact").version


def test_another_graph_has_rules_of_its_own(training: tuple[Path, str], tmp_path: Path) -> None:
    more = processed_export(write_triples(tmp_path / "export", kinship(32)))
    transform.run(TransformConfig(training[0]), more, tmp_path / "again")
    parts = rule_parts(load_data(more))
    weights = load_file(training[0] / "trials" / "0" / "model.safetensors")["rule_weights"].tolist()
    for position, pair in enumerate(parts):
        for way, part, weight in zip(("tails", "heads"), pair, weights, strict=True):
            assert part is not None
            stored = np.load(tmp_path / "again" / "edges" / str(position) / f"{way}_rules.npy")
            np.testing.assert_array_equal(stored, (part.matrix * weight).numpy())
