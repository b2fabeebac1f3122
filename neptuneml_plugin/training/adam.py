"""Adam (Kingma and Ba, 2015), with a learning rate and weight decay per group of parameters.

Creating any of `torch.optim`'s optimisers loads torch's compiler, which takes as long as torch itself; a trial
starts in half the time without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Group:
    """Parameters that are learned alike."""

    parameters: Sequence[Tensor]
    lr: float
    #: Times the parameter, added to its gradient.
    weight_decay: float = 0.0


class Grouped:
    """What optimisers share: the parameters, by groups."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = tuple(groups)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self._groups:
            for parameter in group.parameters:
                parameter.grad = None

    def _zeros(self) -> list[Tensor]:
        """Return a number of state for each number of the parameters, in their order."""
        return [torch.zeros_like(each) for group in self._groups for each in group.parameters]


class Adam(Grouped):
    """Steps along each gradient's running mean, divided by the root of its running square."""

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__(groups)
        self._means, self._squares = self._zeros(), self._zeros()
        self._steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """Change each parameter that has a gradient."""
        self._steps += 1
        moments = iter(zip(self._means, self._squares, strict=True))
        for group in self._groups:
            for parameter in group.parameters:
                self._change(parameter, group, *next(moments))

    def _change(self, parameter: Tensor, group: Group, mean: Tensor, square: Tensor) -> None:
        gradient = parameter.grad
        if gradient is None:
            return
        if gradient.is_sparse:
            self._change_rows(parameter, gradient.coalesce(), group.lr, mean, square)
            return
        if group.weight_decay:
            gradient = gradient.add(parameter, alpha=group.weight_decay)
        mean.lerp_(gradient, 1 - _MEAN_DECAY)
        square.mul_(_SQUARE_DECAY).addcmul_(gradient, gradient, value=1 - _SQUARE_DECAY)
        root = (square / (1 - _SQUARE_DECAY**self._steps)).sqrt_().add_(_EPSILON)
        parameter.addcdiv_(mean, root, value=-group.lr / (1 - _MEAN_DECAY**self._steps))

    def _change_rows(self, parameter: Tensor, gradient: Tensor, lr: float, mean: Tensor, square: Tensor) -> None:
        """Change the rows that have a gradient alone; moments of the others wait, and nothing decays them."""
        rows, values = gradient.indices()[0], gradient.values()
        means = mean.index_select(0, rows).lerp_(values, 1 - _MEAN_DECAY)
        squares = square.index_select(0, rows).mul_(_SQUARE_DECAY)
        squares.addcmul_(values, values, value=1 - _SQUARE_DECAY)
        mean.index_copy_(0, rows, means)
        square.index_copy_(0, rows, squares)
        root = squares.div_(1 - _SQUARE_DECAY**self._steps).sqrt_().add_(_EPSILON)
        parameter.index_add_(0, rows, means.div_(root), alpha=-lr / (1 - _MEAN_DECAY**self._steps))

    def tensors(self) -> dict[str, Tensor]:
        """Return what `load` takes; the moments are the optimiser's own, not copies."""
        means = {f"mean/{position}": value for position, value in enumerate(self._means)}
        squares = {f"square/{position}": value for position, value in enumerate(self._squares)}
        return {"steps": torch.tensor(self._steps), **means, **squares}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from where another optimiser of the same parameters was."""
        self._steps = int(tensors["steps"])
        for position, (mean, square) in enumerate(zip(self._means, self._squares, strict=True)):
            mean.copy_(tensors[f"mean/{position}"])
            square.copy_(tensors[f"square/{position}"])
