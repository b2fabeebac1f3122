"""Ranks and losses of link prediction against plain loops."""

import math

import pytest
import torch

from neptuneml_plugin.training import links
from neptuneml_plugin.training.links import EdgeIndex, LinkScorer, directions, filtered_ranks, softmax_loss

SOURCES = torch.tensor([0, 0, 0, 1, 2, 2])
TARGETS = torch.tensor([0, 1, 3, 2, 2, 4])
COUNTS = (3, 5)
ALL = torch.arange(6)


def scorers(seed: int = 0) -> tuple[LinkScorer, LinkScorer]:
    torch.manual_seed(seed)
    u, v = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    a, b = torch.randn(3, requires_grad=True), torch.randn(5, requires_grad=True)
    return LinkScorer(u, a, v, b), LinkScorer(v, b, u, a)


def test_edge_index_lists_the_neighbours_of_rows() -> None:
    index = EdgeIndex(SOURCES, TARGETS, *COUNTS)
    assert index.indptr.tolist() == [0, 3, 4, 6]
    positions, neighbours = index.of(torch.tensor([2, 0]))
    assert list(zip(positions.tolist(), neighbours.tolist(), strict=True)) == [
        (0, 2),
        (0, 4),
        (1, 0),
        (1, 1),
        (1, 3),
    ]


def test_edge_index_has_each_pair_once() -> None:
    twice = torch.tensor([0, 0, 1])
    assert EdgeIndex(twice, twice, 2, 2).indices.tolist() == [0, 1]


@pytest.mark.parametrize("way", [0, 1])
def test_softmax_loss_and_gradient_equal_a_plain_loop(way: int) -> None:
    batch = torch.tensor([0, 2, 4])
    direction = directions((SOURCES, TARGETS), COUNTS)[way]
    fast, slow = scorers()[way], scorers()[way]
    loss = softmax_loss(fast, direction, batch, direction.index(ALL))
    known = set(zip(direction.queries.tolist(), direction.candidates.tolist(), strict=True))
    terms = []
    for edge in batch.tolist():
        query, wanted = int(direction.queries[edge]), int(direction.candidates[edge])
        scores = slow(torch.tensor([query]))[0]
        others = [c for c in range(direction.candidate_count) if c == wanted or (query, c) not in known]
        terms.append(scores[others].logsumexp(0) - scores[wanted])
    plain = torch.stack(terms).mean()
    torch.testing.assert_close(loss, plain)
    torch.autograd.backward([loss])
    torch.autograd.backward([plain])
    for name in ("queries", "query_bias", "candidates", "candidate_bias"):
        torch.testing.assert_close(getattr(fast, name).grad, getattr(slow, name).grad, atol=1e-6, rtol=1e-4)


def test_softmax_loss_is_finite_where_every_candidate_is_known() -> None:
    everything = torch.tensor([0, 0]), torch.tensor([0, 1])
    direction = directions(everything, (1, 2))[0]
    score = LinkScorer(torch.ones(1, 2), torch.zeros(1), torch.ones(2, 2), torch.zeros(2))
    assert float(
        softmax_loss(score, direction, torch.arange(2), direction.index(torch.arange(2)))
    ) == pytest.approx(0)


@pytest.mark.parametrize("shared", [True, False])
def test_sampled_loss_is_near_that_of_a_uniform_scorer(shared: bool) -> None:  # noqa: FBT001
    direction = directions((SOURCES, TARGETS), COUNTS)[0]
    flat = LinkScorer(torch.zeros(3, 2), torch.zeros(3), torch.zeros(5, 2), torch.zeros(5))
    torch.manual_seed(0)
    loss = links.sampled_loss(flat, direction, ALL, 1000, shared=shared)
    # One positive beside the 4/5 of the 1,000 drawn that are not the positive itself.
    assert float(loss) == pytest.approx(math.log(801), abs=0.05)


@pytest.mark.parametrize("cells", [1, 10, 10_000])
def test_filtered_ranks_equal_a_plain_loop(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(links, "BLOCK_CELLS", cells)
    score = scorers()[0]
    direction = directions((SOURCES, TARGETS), COUNTS)[0]
    with torch.no_grad():
        got = filtered_ranks(score, direction, ALL, direction.index(ALL)).tolist()
        for edge, rank in enumerate(got):
            query, wanted = int(SOURCES[edge]), int(TARGETS[edge])
            scores = score(torch.tensor([query]))[0]
            known = set(TARGETS[query == SOURCES].tolist())
            assert rank == 1 + sum(1 for c in range(5) if c not in known and scores[c] > scores[wanted])


def test_a_constant_scorer_ranks_in_the_middle() -> None:
    direction = directions((SOURCES, TARGETS), COUNTS)[0]
    flat = LinkScorer(torch.zeros(3, 2), torch.zeros(3), torch.zeros(5, 2), torch.zeros(5))
    edge = torch.tensor([3])
    # Source 1 has one edge, so four candidates are left beside it.
    assert filtered_ranks(flat, direction, edge, direction.index(ALL)).tolist() == [3.0]
    assert filtered_ranks(flat, direction, edge, direction.index(edge[:0]), itself=True).tolist() == [3.0]
