"""The optimisers against torch's own."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from neptuneml_plugin.training.adagrad import Adagrad
from neptuneml_plugin.training.adam import Adam, Group

OPTIMISERS = [(Adam, torch.optim.Adam), (Adagrad, torch.optim.Adagrad)]


def weights() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, 3, generator=generator, requires_grad=True) for _ in range(3)]


def loss(parameters: list[torch.Tensor], step: int) -> torch.Tensor:
    used = parameters if step % 3 else parameters[:2]  # the last one has no gradient now and then
    return torch.stack([((each - step) ** 2).sum() + each.sin().sum() for each in used]).sum()


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize(("ours_is", "theirs_is"), OPTIMISERS)
def test_steps_are_those_of_torch(ours_is: Any, theirs_is: Any, decay: float) -> None:
    ours, theirs = weights(), weights()
    own = ours_is([Group(ours[:2], 0.1, decay), Group(ours[2:], 0.02)])
    other = theirs_is(
        [{"params": theirs[:2], "lr": 0.1, "weight_decay": decay}, {"params": theirs[2:], "lr": 0.02}]
    )
    for step in range(1, 3):
        for parameters, optimizer in ((ours, own), (theirs, other)):
            optimizer.zero_grad()
            torch.autograd.backward(loss(parameters, step))
            optimizer.step()
    for one, another in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, another)


def test_rows_without_a_gradient_wait() -> None:
    ours, theirs = weights()[0], weights()[0]
    own, other = Adam([Group([ours], 0.1)]), torch.optim.SparseAdam([theirs], lr=0.1)
    for rows in ([0, 2, 2], [1], [2, 0], [3, 3]):
        for table, optimizer in ((ours, own), (theirs, other)):
            optimizer.zero_grad()
            chosen = functional.embedding(torch.tensor(rows), table, sparse=True)
            torch.autograd.backward((chosen.sin() * torch.arange(3)).sum())
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", [Adam, Adagrad])
def test_a_stored_state_goes_on_as_if_nothing_had_happened(kind: Any) -> None:
    through, stopped = weights(), weights()
    whole, first = kind([Group(through, 0.1)]), kind([Group(stopped, 0.1)])
    for step in range(1, 7):
        if step == 4:
            state = {name: value.clone() for name, value in first.tensors().items()}
            first = kind([Group(stopped, 0.1)])
            first.load(state)
        for parameters, optimizer in ((through, whole), (stopped, first)):
            optimizer.zero_grad()
            torch.autograd.backward(loss(parameters, step))
            optimizer.step()
    assert all(torch.equal(one, another) for one, another in zip(through, stopped, strict=True))
