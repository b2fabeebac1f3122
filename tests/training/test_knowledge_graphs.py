"""Knowledge-graph embeddings: scores and losses against plain loops, and what each score function can learn."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from neptuneml_plugin.artifacts import KGE_MODELS
from neptuneml_plugin.errors import InvalidParameter, InvalidSettings
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training import hyperparameters, knowledge_graph
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation import evaluator
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers
from neptuneml_plugin.training.hyperparameters import Hyperparameters, build
from neptuneml_plugin.training.knowledge_graph import (
    Asked,
    KnowledgeGraph,
    KnownEnds,
    all_candidates_loss,
    negatives_loss,
)
from neptuneml_plugin.training.links import directions, filtered_ranks
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models import kge
from neptuneml_plugin.training.models.kge import SCORE_FUNCTIONS, KgeDecoder, score_function
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.objectives import Setting
from neptuneml_plugin.training.stopping import Goal
from tests.training.graphs import processed_export
from tests.triples import Parts, write_triples

WIDTH = 6


def plain_score(name: str, query: Tensor, relation: Tensor, candidate: Tensor) -> float:
    """The published formulas, number by number."""
    u, r, v = query.tolist(), relation.tolist(), candidate.tolist()
    half = len(u) // 2
    pairs = [(complex(u[k], u[k + half]), complex(v[k], v[k + half])) for k in range(half)]
    if name == "complex":
        weights = [complex(r[k], r[k + half]) for k in range(half)]
        return math.fsum((a * w * b.conjugate()).real for (a, b), w in zip(pairs, weights, strict=True))
    if name == "rotate":
        turned = [complex(math.cos(angle), math.sin(angle)) for angle in r]
        return -math.fsum(abs(a * w - b) for (a, b), w in zip(pairs, turned, strict=True))
    if name == "transe":
        return -math.fsum(abs(a + w - b) for a, w, b in zip(u, r, v, strict=True))
    return math.fsum(a * w * b for a, w, b in zip(u, r, v, strict=True))


def drawn(name: str, queries: int = 4, candidates: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    width = int(WIDTH * SCORE_FUNCTIONS[name].relation_share)
    return torch.randn(queries, WIDTH), torch.randn(queries, width), torch.randn(candidates, WIDTH)


@pytest.mark.parametrize("name", KGE_MODELS)
def test_scores_are_those_of_the_formula(name: str) -> None:
    queries, relations, candidates = drawn(name)
    function = SCORE_FUNCTIONS[name]
    expected = torch.tensor(
        [[plain_score(name, u, r, v) for v in candidates] for u, r in zip(queries, relations, strict=True)]
    )
    moved = function.move(queries, relations)
    torch.testing.assert_close(function.compare(moved, candidates), expected, atol=1e-5, rtol=1e-5)
    each = function.compare_each(moved, candidates.repeat(len(queries), 1, 1))
    torch.testing.assert_close(each, expected, atol=1e-5, rtol=1e-5)


def test_a_straight_distance_is_the_root_of_squares() -> None:
    queries, relations, candidates = drawn("transe")
    function = score_function("transe", Hyperparameters(distance_norm=2))
    moved = function.move(queries, relations)
    expected = -torch.stack([(row - candidates).square().sum(1).sqrt() for row in queries + relations])
    torch.testing.assert_close(function.compare(moved, candidates), expected)
    each = function.compare_each(moved, candidates.repeat(len(queries), 1, 1))
    torch.testing.assert_close(each, expected)
    assert function.is_distance


@pytest.mark.parametrize("pairwise", [True, False])
def test_a_straight_distance_of_nothing_has_a_gradient(*, pairwise: bool) -> None:
    function = score_function("transe", Hyperparameters(distance_norm=2))
    vectors = torch.ones(40, WIDTH, requires_grad=True)
    scores = function.compare_each(vectors, vectors[:, None]) if pairwise else function.compare(vectors, vectors)
    torch.autograd.backward([scores.sum()])
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("norm", [0, 3, 1.5])
def test_there_are_two_distances(norm: float) -> None:
    with pytest.raises(InvalidSettings, match="distance-norm"):
        hyperparameters.build({"distance-norm": norm}, "transe")


def test_the_distance_is_a_hyperparameter_of_transe_alone() -> None:
    assert hyperparameters.reads("transe", "distance-norm")
    assert not any(hyperparameters.reads(name, "distance-norm") for name in ("rgcn", "rotate", "complex"))
    assert "distance-norm" in Hyperparameters().to_json("transe")
    assert "distance-norm" not in Hyperparameters().to_json("rotate") | Hyperparameters().to_json("rgcn")


@pytest.mark.parametrize("block", [1, 2**18])
def test_gradients_of_rotations_are_those_of_torch(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(kge, "_BLOCK_NUMBERS", block)
    queries, _, candidates = (each.double() for each in drawn("rotate"))
    gradients = []
    for compare in (
        SCORE_FUNCTIONS["rotate"].compare,
        lambda q, c: SCORE_FUNCTIONS["rotate"].compare_each(q, c[None]),
    ):
        ends = queries.clone().requires_grad_(), candidates.clone().requires_grad_()
        torch.autograd.backward([(compare(*ends) ** 2).sum()])
        gradients.append([end.grad for end in ends])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("rows", [4, 1])
def test_gradients_of_complex_products_are_those_of_torch(rows: int) -> None:
    left, right, weights = torch.randn(3, 4, WIDTH, dtype=torch.float64).unbind()
    parts = left.clone().requires_grad_(), right[:rows].clone().requires_grad_()
    whole = [torch.complex(*part.detach().chunk(2, -1)).requires_grad_() for part in parts]
    torch.autograd.backward([(SCORE_FUNCTIONS["complex"].move(*parts) * weights).sum()])
    product = torch.view_as_real(whole[0] * whole[1])
    torch.autograd.backward([(torch.cat(product.unbind(-1), -1) * weights).sum()])
    for part, number in zip(parts, whole, strict=True):
        assert part.grad is not None
        assert number.grad is not None
        torch.testing.assert_close(part.grad, torch.cat([number.grad.real, number.grad.imag], -1))


@pytest.mark.parametrize("size", [1, 2])
def test_cubes_are_those_of_absolute_values(size: int) -> None:
    made, plain = (torch.randn(2, 5, WIDTH)[:1] * torch.ones(2, 1, 1)).requires_grad_().unbind()
    for each in (made, plain):
        each.retain_grad()
    total = kge.cubes(made, size)
    expected = (torch.stack(plain.chunk(size, -1)).norm(dim=0) ** 3).sum()
    torch.testing.assert_close(total, expected)
    torch.autograd.backward([total * 2, expected * 2])
    assert made.grad is not None
    assert plain.grad is not None
    torch.testing.assert_close(made.grad, plain.grad)
    assert not kge.cubes(torch.zeros(3, WIDTH), size)


@pytest.mark.parametrize("name", ["complex", "rotate"])
def test_complex_numbers_need_an_even_width(name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"num-hidden is 7; model '{name}' needs an even number"):
        KgeDecoder(name, Hyperparameters(num_hidden=7), 1)


# what a step minimises

ASKED = Asked(torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1]), torch.tensor([2, 3, 0]))


@pytest.mark.parametrize("block", [1, 2**24])
@pytest.mark.parametrize("filtered", [True, False])
def test_the_loss_of_all_candidates_is_a_plain_softmax(
    monkeypatch: pytest.MonkeyPatch, *, filtered: bool, block: int
) -> None:
    monkeypatch.setattr(knowledge_graph, "BLOCK_CELLS", block)
    function = SCORE_FUNCTIONS["distmult"]
    moved, _, candidates = drawn("distmult", 3)
    moved.requires_grad_()
    known = KnownEnds(ASKED, 2, 5).of(ASKED) if filtered else None
    loss = all_candidates_loss(function, moved, candidates, ASKED.wanted, known)
    scores = moved @ candidates.T
    left_out = {0: 3, 1: 2} if filtered else {}
    expected = moved.new_zeros(())
    for row, wanted in enumerate(ASKED.wanted.tolist()):
        kept = [c for c in range(5) if c != left_out.get(row)]
        expected = expected + scores[row, kept].logsumexp(0) - scores[row, wanted]
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, moved), torch.autograd.grad(expected, moved))


def test_known_ends_are_those_of_the_same_query_and_relation() -> None:
    known = KnownEnds(ASKED, 2, 5)
    again = Asked(torch.tensor([1, 0]), torch.tensor([1, 0]), torch.tensor([0, 2]))
    positions, ends = known.of(again)
    assert list(zip(positions.tolist(), ends.tolist(), strict=True)) == [(0, 0), (1, 2), (1, 3)]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", ["complex", "transe"])
def test_the_loss_of_negatives(name: str, *, shared: bool) -> None:
    function = SCORE_FUNCTIONS[name]
    hp = Hyperparameters(num_negs=2000, neg_share=shared, gamma=3.0)
    flat = torch.zeros(3, WIDTH), torch.zeros(5, WIDTH)
    loss = float(negatives_loss(function, *flat, ASKED.wanted, hp)) / 3
    if name == "complex":  # beside the 4/5 of the 2,000 that are not the wanted one
        assert loss == pytest.approx(math.log(1601), abs=0.05)
    else:  # every score is 0: the margin alone decides
        expected = (math.log1p(math.exp(-3)) + math.log1p(math.exp(3))) / 2
        assert loss == pytest.approx(expected, rel=1e-3)


# batches

TRIPLES = [(f"a{n}", relation, f"b{n}") for n in range(20) for relation in ("likes", "knows", "owns")]
PARTS: Parts = {"train": TRIPLES[6:], "valid": TRIPLES[:3], "test": TRIPLES[3:6]}


def loaded(folder: Path, parts: Parts, labels: dict[str, str] | None = None) -> TrainingData:
    return load_data(processed_export(write_triples(folder / "export", parts, labels or {})))


def objective(data: TrainingData, name: str, values: dict[str, object]) -> KnowledgeGraph:
    torch.manual_seed(0)
    hp = build({"num-hidden": 8, "dropout": 0.0} | values, name)
    model = Model(data.processed, hp, name)
    return KnowledgeGraph(Setting(model, data, model.graph(data), hp))


@pytest.mark.parametrize("partition", [True, False])
def test_batches_mix_relations_or_do_not(tmp_path: Path, *, partition: bool) -> None:
    data = loaded(tmp_path, PARTS)
    batches = objective(data, "complex", {"batch-size": 9, "rel-part": partition}).batches()
    assert {len(batch) for batch in batches} == ({1} if partition else {3})
    assert max(sum(len(rows) for rows in batch.values()) for batch in batches) <= 9
    for position, samples in enumerate(data.samples):
        rows = torch.cat([batch[position] for batch in batches if position in batch])
        assert sorted(rows.tolist()) == sorted(samples.splits["train"].tolist())


@pytest.mark.parametrize("labels", [{}, {f"b{n}": "other" for n in range(20)}])
def test_the_loss_of_a_batch_is_the_mean_of_both_ways(tmp_path: Path, labels: dict[str, str]) -> None:
    """With one label, both ways share a matrix; with two, candidates are those of the end's own label."""
    data = loaded(tmp_path, PARTS, labels)
    made = objective(data, "distmult", {"regularization-coef": 0.3})
    batch = {0: data.samples[0].splits["train"][:2], 2: data.samples[2].splits["train"][:3]}
    model = made._setting.model
    vectors, relations = model.encoder(data.features, ()), made._relations
    terms = []
    for at, rows in batch.items():
        source, target = data.ends_of(data.samples[at].position)
        heads, tails = (end[rows] for end in data.samples[at].ends)
        for way, (queries, wanted, kinds) in enumerate(
            ((heads, tails, (source, target)), (tails, heads, (target, source)))
        ):
            u, v, r = vectors[kinds[0]][queries], vectors[kinds[1]][wanted], relations[2 * at + way]
            scores = (u * r) @ vectors[kinds[1]].T
            sizes = sum((each.abs() ** 3).sum(-1) for each in (u, v, r.expand_as(u)))
            terms.append(torch.nn.functional.cross_entropy(scores, wanted, reduction="none") + 0.3 * sizes)
    torch.testing.assert_close(made.loss(batch), torch.cat(terms).mean())  # each query has one known end here


# what a score function can learn


def steps(relations: dict[str, int], *, ring: bool, count: int = 24) -> Parts:
    """Return vertices in a row, or in a ring: a relation of step s leads from each to the one s places on.

    Of the relation `both`, a third is held out.
    """
    parts: dict[str, list[tuple[str, str, str]]] = {"train": [], "valid": [], "test": []}
    for relation, step in relations.items():
        for n in range(count if ring else count - step):
            held = relation == "both" and n % 3 == 0
            part = "train" if not held else "valid" if n % 2 else "test"
            parts[part].append((f"n{n}", relation, f"n{(n + step) % count}"))
    return parts


LEARN = {"num-epochs": 120, "batch-size": 24, "num-hidden": 32, "enable-early-stop": False, "dropout": 0.0}


def learnt(folder: Path, name: str, parts: Parts, split: str) -> float:
    data = loaded(folder, parts)
    torch.set_num_threads(1)
    fit = Trainer(data, build(LEARN, name), Goal("mrr"), seed=0, model=name).fit(silent)
    return Evaluator(data, fit.model.graph(data)).measure(fit.model, [split])[split]["mrr"]


@pytest.mark.parametrize("name", KGE_MODELS)
def test_who_can_tell_a_relation_from_its_inverse(tmp_path: Path, name: str) -> None:
    """What follows is what does not precede: a product of three real numbers has no order."""
    found = learnt(tmp_path, name, steps({"next": 1}, ring=False), "train")
    assert (found > 0.93) == (name != "distmult")


@pytest.mark.parametrize("name", KGE_MODELS)
def test_who_can_compose_relations_around_a_ring(tmp_path: Path, name: str) -> None:
    """One step and two steps make three; a translation cannot come back to where it began."""
    found = learnt(tmp_path, name, steps({"one": 1, "two": 2, "both": 3}, ring=True), "test")
    assert (found > 0.93) == (name in {"complex", "rotate"})


@pytest.mark.parametrize("name", KGE_MODELS)
def test_negatives_teach_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(knowledge_graph, "scores_all", lambda *_: False)
    monkeypatch.setitem(LEARN, "num-negs", 16)
    monkeypatch.setitem(LEARN, "gamma", 4.0)
    found = learnt(tmp_path, name, steps({"next": 1}, ring=False), "train")
    assert (found > 0.93) == (name != "distmult")


def test_all_candidates_are_scored_while_they_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = loaded(tmp_path, PARTS)
    assert all(knowledge_graph.scores_all(name, data) for name in (*KGE_MODELS, "rgcn"))
    monkeypatch.setattr(knowledge_graph, "BLOCK_CELLS", 39 * 39)
    assert not knowledge_graph.scores_all("rgcn", data)
    many = TrainingData(data.processed, (50_001,), data.features, data.relations, data.samples)
    assert not any(knowledge_graph.scores_all(name, many) for name in KGE_MODELS)
    fewer = TrainingData(data.processed, (5_001,), data.features, data.relations, data.samples)
    assert [knowledge_graph.scores_all(name, fewer) for name in ("complex", "distmult", "rotate", "transe")] == [
        True, True, False, False,
    ]  # fmt: skip


# what else belongs to a model


@pytest.mark.parametrize("name", KGE_MODELS)
def test_scorers_ask_for_both_ends(tmp_path: Path, name: str) -> None:
    data = loaded(tmp_path, PARTS)
    model = Model(data.processed, build({"num-hidden": WIDTH}, name), name)
    assert isinstance(model.decoder, KgeDecoder)
    vectors, relations = model.encoder(data.features, ()), model.decoder.relations
    with torch.no_grad():
        for position, ways in enumerate(link_scorers(model, vectors, data)):
            for way, score in enumerate(ways):
                expected = plain_score(name, vectors[0][3], relations[2 * position + way], vectors[0][7])
                assert float(score(torch.tensor([3]))[0, 7]) == pytest.approx(expected, abs=1e-4)
                assert float(score.some(torch.tensor([3]), torch.tensor([[7]]))) == pytest.approx(
                    expected, abs=1e-4
                )


@pytest.mark.parametrize("most", [2**22, 78, 1], ids=["one pool", "two types each", "one type each"])
@pytest.mark.parametrize("labels", [{}, {f"b{n}": "other" for n in range(20)}], ids=["one label", "two labels"])
@pytest.mark.parametrize("name", ["complex", "rgcn"])
def test_ranks_are_those_of_each_type_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, labels: dict[str, str], most: int
) -> None:
    monkeypatch.setattr(evaluator, "MAX_POOLED_ROWS", most)
    data = loaded(tmp_path, PARTS, labels)
    torch.manual_seed(0)
    model = Model(data.processed, build({"num-hidden": WIDTH}, name), name)
    judge = Evaluator(data, model.graph(data))
    with torch.no_grad():
        scorers = link_scorers(model, judge.embed(model), data)
        reciprocal: dict[str, list[Tensor]] = {"mrr_targets": [], "mrr_sources": []}
        for samples, pair in zip(data.samples, scorers, strict=True):
            source, target = data.ends_of(samples.position)
            every = torch.arange(len(samples.ends[0]))
            ways = directions(samples.ends, (data.counts[source], data.counts[target]))
            for metric, score, way in zip(reciprocal, pair, ways, strict=True):
                ranks = filtered_ranks(score, way, samples.splits["test"], way.index(every))
                reciprocal[metric].append(1 / ranks)
        values = judge.rank(scorers, "test")
    for metric, each in reciprocal.items():
        assert values[metric] == pytest.approx(float(torch.cat(each).mean()))


def test_a_limit_is_of_all_types_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "MAX_TRAINING_ROWS", 20)
    data = loaded(tmp_path, PARTS)
    judge = Evaluator(data, MessageGraph(data))
    measured = [len(judge.rows("train", at)) for at in range(len(data.samples))]
    every = [len(samples.splits["train"]) for samples in data.samples]
    assert 20 <= sum(measured) < 20 + len(every)
    assert measured == [math.ceil(20 * count / sum(every)) for count in every]


OTHER_VALUES: dict[str, object] = {
    "num-hidden": 16, "lr": 0.01, "sparse-lr": 0.01, "dropout": 0.2, "batch-size": 7, "rel-part": True,
    "regularization-coef": 0.5, "l2norm": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), OTHER_VALUES.items())
def test_every_hyperparameter_changes_what_is_learnt(tmp_path: Path, name: str, value: object) -> None:
    data = loaded(tmp_path, PARTS)
    assert not same_weights(weights(data), weights(data, **{name: value}))
    assert same_weights(weights(data), weights(data))


@pytest.mark.parametrize(("name", "value"), [("num-negs", 3), ("neg-share", False), ("gamma", 2.0)])
def test_those_of_negatives_change_it_where_there_are_negatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    data = loaded(tmp_path, PARTS)
    assert same_weights(weights(data), weights(data, **{name: value}))
    monkeypatch.setattr(knowledge_graph, "scores_all", lambda *_: False)
    assert not same_weights(weights(data), weights(data, **{name: value}))


def weights(data: TrainingData, **values: object) -> list[Tensor]:
    name = "rotate"  # the only one that reads all of them
    hp = build({"num-hidden": 8, "num-epochs": 2, "batch-size": 30, "regularization-coef": 0.01, **values}, name)
    return [
        each.detach() for each in Trainer(data, hp, Goal("mrr"), seed=0, model=name).fit(silent).model.parameters()
    ]


def same_weights(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_what_a_model_does_not_read_is_told() -> None:
    assert hyperparameters.reads("complex", "gamma")
    assert not hyperparameters.reads("rgcn", "gamma")
    assert not hyperparameters.reads("transe", "num-layer")
    assert {"gamma", "rel-part"} & set(Hyperparameters().to_json()) == set()
    assert set(build({}, "rotate").to_json("rotate")) == set(hyperparameters.READ_BY_KGE)
