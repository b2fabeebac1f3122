"""Small models that scripts build on."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


class MLP(nn.Module):
    """Linear layers with ReLU and dropout between them."""

    def __init__(
        self, input_dim: int, output_dim: int, hidden_dim: int = 64, num_layers: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [input_dim, *[hidden_dim] * (num_layers - 1), output_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, input_dim) to (rows, output_dim)."""
        for layer in self.layers[:-1]:
            x = functional.dropout(functional.relu(layer(x)), self.dropout, self.training)
        output: Tensor = self.layers[-1](x)
        return output


class DistmultDecoder(nn.Module):
    """Scores edges by sum(u * relation * v)."""

    def __init__(self, num_relations: int, embedding_dim: int) -> None:
        super().__init__()
        self.relation = nn.Parameter(torch.empty(num_relations, embedding_dim))
        nn.init.xavier_uniform_(self.relation)

    def forward(self, sources: Tensor, targets: Tensor, kinds: Tensor) -> Tensor:
        """Map vectors of both ends, (edges, d), and the types, (edges,), to (edges,)."""
        return (sources * self.relation[kinds] * targets).sum(1)


class DotProductDecoder(nn.Module):
    """Scores edges by the product of their ends."""

    def forward(self, sources: Tensor, targets: Tensor, _: Tensor | None = None) -> Tensor:
        """Map vectors of both ends, (edges, d), to (edges,)."""
        return (sources * targets).sum(1)
