"""Dropout against what torch's own promises."""

import pytest
import torch

from neptuneml_plugin.training.dropout import dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99999])
def test_a_share_is_dropped_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1_000_001)
    made = dropout(values, share)
    kept = made != 0
    assert float(kept.float().mean()) == pytest.approx(1 - share, abs=0.002)
    torch.testing.assert_close(made[kept], torch.full_like(made[kept], 1 / (1 - share)), rtol=0.4, atol=0.001)
    assert float(made.mean()) == pytest.approx(1, abs=0.01 if share < 0.9 else 0.9)


def test_what_is_dropped_is_another_each_time_and_follows_the_seed() -> None:
    values = torch.ones(3, 7)
    torch.manual_seed(0)
    first, second = dropout(values, 0.5), dropout(values, 0.5)
    torch.manual_seed(0)
    assert torch.equal(dropout(values, 0.5), first)
    assert not torch.equal(first, second)


def test_each_number_is_dropped_by_itself() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(4000, 16), 0.5) != 0).float() - 0.5
    together = kept.T @ kept / len(kept)
    assert float((together - torch.diag(together.diagonal())).abs().max()) < 0.02


def test_gradients_are_those_of_what_is_kept() -> None:
    torch.manual_seed(0)
    values = torch.randn(50, 3, requires_grad=True)
    made = dropout(values, 0.25)
    torch.autograd.backward([made.sum()])
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.where(made != 0, 4 / 3, 0.0), rtol=1e-4, atol=0)


def test_nothing_is_dropped_of_no_share_and_while_nothing_is_learnt() -> None:
    values = torch.randn(5, 3)
    assert torch.equal(dropout(values, 0.0), values)
    assert torch.equal(dropout(values, 0.5, training=False), values)
    assert dropout(torch.zeros(0, 4), 0.5).shape == (0, 4)
