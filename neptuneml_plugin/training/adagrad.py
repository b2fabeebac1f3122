"""Adagrad (Duchi et al., 2011), for vectors that few edges touch: each number has a learning rate of its own."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neptuneml_plugin.training.adam import Group, Grouped

_EPSILON = 1e-10


class Adagrad(Grouped):
    """Steps along each gradient, divided by the root of the sum of its squares; as `adam.Adam` otherwise."""

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__(groups)
        self._squares = self._zeros()

    @torch.no_grad()
    def step(self) -> None:
        """Change each parameter that has a gradient."""
        squares = iter(self._squares)
        for group in self._groups:
            for parameter in group.parameters:
                _change(parameter, group, next(squares))

    def tensors(self) -> dict[str, Tensor]:
        """Return what `load` takes; the sums are the optimiser's own, not copies."""
        return {f"square/{position}": value for position, value in enumerate(self._squares)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from where another optimiser of the same parameters was."""
        for position, square in enumerate(self._squares):
            square.copy_(tensors[f"square/{position}"])


def _change(parameter: Tensor, group: Group, square: Tensor) -> None:
    gradient = parameter.grad
    if gradient is None:
        return
    if group.weight_decay:
        gradient = gradient.add(parameter, alpha=group.weight_decay)
    square.addcmul_(gradient, gradient)
    parameter.addcdiv_(gradient, square.sqrt().add_(_EPSILON), value=-group.lr)
