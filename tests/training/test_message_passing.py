"""One layer against DGL's RelGraphConv, and edges that are left out."""

import pytest
import torch
from torch.autograd import gradcheck

from neptuneml_plugin.dgl_graph import dgl
from neptuneml_plugin.training.message_passing import Adjacency, EdgeMessages
from neptuneml_plugin.training.models.encoder import Hop, RelationalLayer

NODES, WIDTH, RELATIONS = 30, 8, 3


def random_edges(count: int = 120, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(NODES, (2, count), generator=generator)
    return ends[0], ends[1], torch.randint(RELATIONS, (count,), generator=generator)


@pytest.mark.parametrize("bases", [0, 2])
@pytest.mark.parametrize("self_loop", [True, False])
def test_a_layer_and_its_gradient_equal_those_of_dgl(bases: int, self_loop: bool) -> None:  # noqa: FBT001
    from dgl.nn import RelGraphConv

    torch.manual_seed(0)
    sources, targets, kinds = random_edges()
    ours = RelationalLayer([(0, 0)] * RELATIONS, 1, WIDTH, bases=bases, self_loop=self_loop)
    regularizer = "basis" if bases else None
    theirs = RelGraphConv(
        WIDTH, WIDTH, RELATIONS, regularizer=regularizer, num_bases=bases or None, self_loop=self_loop
    )
    with torch.no_grad():
        ours.bias.normal_()
        theirs.h_bias.copy_(ours.bias[0])
        theirs.linear_r.W.copy_(ours.weights)
        if ours.coefficients is not None:
            theirs.linear_r.coeff.copy_(ours.coefficients)
        if ours.self_weights is not None:
            theirs.loop_weight.copy_(ours.self_weights[0])
    degrees = torch.zeros(RELATIONS, NODES).index_put_((kinds, targets), torch.ones(len(kinds)), accumulate=True)
    norm = 1 / degrees[kinds, targets][:, None]
    x, y = (
        torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2)
    )
    messages = [Adjacency(sources[kinds == r], targets[kinds == r], NODES, NODES).mean() for r in range(RELATIONS)]
    (a,) = ours([x], Hop(messages))
    b = theirs(dgl.graph((sources, targets), num_nodes=NODES), y, kinds, norm)
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    weights = torch.randn(NODES, WIDTH)
    (a * weights).sum().backward()
    (b * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.weights.grad, theirs.linear_r.W.grad, atol=1e-4, rtol=1e-4)


def test_aggregate_has_the_right_gradient() -> None:
    sources, targets, _ = random_edges(20)
    messages = Adjacency(sources, targets, NODES, NODES).weighted(torch.rand(20, dtype=torch.float64))
    x = torch.randn(NODES, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(messages.aggregate, (x,))


def test_edges_left_out_carry_nothing_and_do_not_count() -> None:
    sources, targets = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 0, 1])
    vectors = torch.tensor([[1.0], [2.0], [4.0]])
    adjacency = Adjacency(sources, targets, 3, 2)
    torch.testing.assert_close(adjacency.mean().aggregate(vectors), torch.tensor([[7 / 3], [1]]))
    kept = torch.tensor([1, 0, 1, 0])
    torch.testing.assert_close(adjacency.mean(kept).aggregate(vectors), torch.tensor([[2.5], [0]]))


def test_what_a_target_receives_is_what_ones_carry() -> None:
    sources, targets, weights = torch.tensor([0, 2, 1, 2]), torch.tensor([1, 0, 1, 1]), torch.rand(4)
    messages = Adjacency(sources, targets, 3, 3).weighted(weights)
    expected = messages.aggregate(torch.ones(3, 1))
    torch.testing.assert_close(messages.received, expected)
    torch.testing.assert_close(EdgeMessages(sources, targets, weights, 3).received, expected)
    assert messages.received is messages.received


def test_a_relation_without_edges_gives_zeros() -> None:
    empty = torch.empty(0, dtype=torch.int64)
    assert Adjacency(empty, empty, 3, 2).mean().aggregate(torch.ones(3, 4)).tolist() == [[0.0] * 4] * 2
