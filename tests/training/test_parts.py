"""Parts of scores: how they are added, and the weight that validation gives them."""

import numpy as np
import pytest
import torch
from scipy.stats import sem
from torch import Tensor

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.evaluation.weights import WEIGHTS, best_weights
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models import parts
from neptuneml_plugin.training.models.parts import Remembered, WithPart, with_parts
from neptuneml_plugin.training.models.rules import RulePart
from tests.training.graphs import processed


def random_scores(seed: int, queries: int = 60, candidates: int = 60) -> RulePart:
    return RulePart(torch.randn(queries, candidates, generator=torch.Generator().manual_seed(seed)))


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    data = load_data(processed(tmp_path_factory.mktemp("parts"), Task.LINK_PREDICTION, nodes=60))
    return Evaluator(data, MessageGraph(data))


def truth(evaluator: Evaluator) -> RulePart:
    """Return what knows every edge."""
    sources, targets = evaluator.data.samples[0].ends
    known = torch.zeros(60, 60)
    known[sources, targets] = 1
    return RulePart(known)


def turned(part: RulePart) -> RulePart:
    return RulePart(part.matrix.T.contiguous())


def test_a_remembered_scorer_scores_the_same_rows_once_and_gives_what_may_be_changed() -> None:
    asked = []

    def score(rows: Tensor) -> Tensor:
        asked.append(rows)
        return rows[:, None] * torch.ones(3)

    again, rows = Remembered(score), torch.tensor([2, 1])
    again(rows).fill_(-torch.inf)
    assert again(rows).tolist() == [[2, 2, 2], [1, 1, 1]]
    assert len(asked) == 1
    assert again.some(rows, torch.tensor([[0], [2]])).tolist() == [[2], [1]]
    again(torch.tensor([1, 2]))
    assert len(asked) == 2


def test_weighted_parts_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROWS_AT_ONCE", 2)
    base, part = Remembered(random_scores(0)), random_scores(1)
    ((tails, heads),) = with_parts([(base, base)], [(part, part)], (3.0, 0.0))
    assert heads is base
    rows, columns = torch.tensor([5, 3, 5]), torch.tensor([[1, 2], [0, 0], [59, 4]])
    torch.testing.assert_close(tails(rows), base(rows) + 3 * part(rows))
    torch.testing.assert_close(tails.some(rows, columns), tails(rows).gather(1, columns))
    assert with_parts([(base, base)], [(None, None)], (1.0, 1.0)) == [(base, base)]


@pytest.mark.parametrize("errors", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_weight_is_that_of_the_best_rank_unless_the_gain_is_chance(
    evaluator: Evaluator, seed: int, errors: float
) -> None:
    base, part = random_scores(seed), random_scores(seed + 100)
    scorers = [(Remembered(base), Remembered(turned(base)))]
    chosen = best_weights(evaluator, scorers, [(part, turned(part))], errors)
    for way, weight in enumerate(chosen):
        found = []
        for tried in WEIGHTS:
            whole = RulePart(base.matrix + tried * part.matrix)
            found.append(evaluator.reciprocal_ranks([(whole, turned(whole))], "valid")[way])
        best = int(np.argmax([each.mean() for each in found]))
        gains = found[best] - found[0]
        assert weight == (WEIGHTS[best] if best and gains.mean() > errors * sem(gains) else 0)


def test_what_tells_nothing_new_has_no_weight_and_what_tells_all_has(evaluator: Evaluator) -> None:
    known, chance = truth(evaluator), random_scores(7)
    knowing = [(Remembered(known), Remembered(turned(known)))]
    guessing = [(Remembered(chance), Remembered(turned(chance)))]
    assert best_weights(evaluator, knowing, [(chance, turned(chance))]) == (0, 0)
    assert min(best_weights(evaluator, guessing, [(known, turned(known))])) > 0
    assert best_weights(evaluator, guessing, [(None, None)]) == (0, 0)
    targets, sources = best_weights(evaluator, guessing, [(known, None)])
    assert targets > 0
    assert sources == 0


def test_a_part_beside_a_scorer_of_vectors_is_one_scorer(evaluator: Evaluator) -> None:
    known, chance = truth(evaluator), random_scores(7)
    whole = WithPart(Remembered(chance), known, 64.0)
    heads = WithPart(Remembered(turned(chance)), turned(known), 64.0)
    assert evaluator.rank([(whole, heads)], "test")["mrr"] == 1
