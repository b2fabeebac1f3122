"""Dropout whose random numbers cost little: four from one draw."""

import torch
from torch import Tensor
from torch.nn import functional

#: Values that two bytes can have: a share is one of so many.
_LEVELS = 2**16


def dropout(values: Tensor, share: float, *, training: bool = True) -> Tensor:
    """Set a random share of the values to 0 and scale the others, so that their mean stays, while it is trained.

    On a processor torch's own draws each number by itself, which may take longer than a layer's products.
    """
    if not training or not share or values.device.type != "cpu":
        return functional.dropout(values, share, training)
    dropped = min(round(share * _LEVELS), _LEVELS - 1)
    draws = torch.empty((values.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    levels = draws.view(torch.int16)[: values.numel()].view(values.shape)
    kept = levels >= dropped - _LEVELS // 2
    return values * kept.to(values.dtype).mul_(_LEVELS / (_LEVELS - dropped))
