"""Linear layers, and features of several types made equally wide by them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class MLP(nn.Module):
    """Linear layers with ReLU between them, and dropout before each.

    Args:
        in_units: width of the input.
        out_units: width of the output.
        num_layers: how many.
        dropout_rate: of each layer's input.
        hidden_units: width of all hidden layers, or of each; that of the input by default.
        bias: whether layers have one.
    """

    def __init__(
        self,
        in_units: int,
        out_units: int,
        num_layers: int = 1,
        dropout_rate: float = 0.0,
        hidden_units: int | Sequence[int] | None = None,
        bias: bool = True,  # noqa: FBT001, FBT002 - the toolkit's signature
    ) -> None:
        super().__init__()
        between = hidden_units or in_units
        hidden = [between] * (num_layers - 1) if isinstance(between, int) else list(between)
        if len(hidden) != num_layers - 1:
            raise ValueError(f"hidden_units has {len(hidden)} widths, {num_layers} layers have {num_layers - 1}")
        widths = [in_units, *hidden, out_units]
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(widths))
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, in_units) to (rows, out_units)."""
        for position, layer in enumerate(self.layers):
            x = layer(self.dropout(functional.relu(x) if position else x))
        return x


class MLPFeatureTransformer(nn.Module):
    """The features of each node type, put side by side and projected; each on its own first with `per_feat_name`.

    Args:
        in_units: node type -> feature -> width.
        out_units: width of the output.
        num_layers: of the projection.
        per_feat_name: whether each feature is projected first.
        out_unit_per_feat: to this width.
        dropout_rate: see `MLP`.
        hidden_units: see `MLP`; one for all node types, or by type.
        bias: see `MLP`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the toolkit's signature
        self,
        in_units: Mapping[str, Mapping[str, int]],
        out_units: int,
        num_layers: int = 1,
        per_feat_name: bool = False,  # noqa: FBT001, FBT002
        out_unit_per_feat: int = 16,
        dropout_rate: float = 0.0,
        hidden_units: int | Mapping[str, int | Sequence[int]] | None = None,
        bias: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        super().__init__()
        self.per_feat_name = per_feat_name
        self.per_feat_modules, self.ntype_feat_modules = nn.ModuleDict(), nn.ModuleDict()
        for label, widths in in_units.items():
            if per_feat_name:
                self.per_feat_modules[label] = nn.ModuleList(
                    MLP(width, out_unit_per_feat, dropout_rate=dropout_rate, bias=bias)
                    for width in widths.values()
                )
            total = out_unit_per_feat * len(widths) if per_feat_name else sum(widths.values())
            hidden = hidden_units.get(label) if isinstance(hidden_units, Mapping) else hidden_units
            self.ntype_feat_modules[label] = MLP(total, out_units, num_layers, dropout_rate, hidden, bias)
        self._names = {label: tuple(widths) for label, widths in in_units.items()}

    def forward(self, x: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Map features, (rows, width) by node type and name, to (rows, out_units) by node type."""
        made = {}
        for label, features in x.items():
            columns = [features[name] for name in self._names[label]]
            if self.per_feat_name:
                modules: Any = self.per_feat_modules[label]
                columns = [module(column) for module, column in zip(modules, columns, strict=True)]
            made[label] = self.ntype_feat_modules[label](torch.cat(columns, 1))
        return made
