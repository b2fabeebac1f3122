"""The decoders of the five tasks."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from neptuneml_plugin.training.links import LinkScorer


class NodeDecoder(nn.Module):
    """A linear layer on the embedding."""

    def __init__(self, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)
        self._dropout = dropout

    def forward(self, vectors: Tensor) -> Tensor:
        """Map (rows, d) to (rows, outputs)."""
        output: Tensor = self.linear(functional.dropout(vectors, self._dropout, self.training))
        return output


class EdgeDecoder(nn.Module):
    """`Manifest`'s formula for edge tasks: a hidden layer over [u, v, u*v], a dot product, and node biases."""

    def __init__(self, width: int, outputs: int, counts: tuple[int, int]) -> None:
        super().__init__()
        self.hidden = nn.Linear(3 * width, width)
        self.output = nn.Linear(width, outputs)
        self.dot_weight = nn.Parameter(torch.ones(outputs))
        self.source_bias = nn.Parameter(torch.zeros(counts[0], outputs))
        self.target_bias = nn.Parameter(torch.zeros(counts[1], outputs))

    def biases(self, sources: Tensor, targets: Tensor) -> Tensor:
        """Return what the rows of both ends, (edges,) each, add: (edges, outputs)."""
        added: Tensor = self.source_bias[sources] + self.target_bias[targets]
        return added

    def forward(self, sources: Tensor, targets: Tensor, biases: Tensor) -> Tensor:
        """Map the vectors of both ends, each (edges, d), and what they add to (edges, outputs)."""
        joined = torch.cat([sources, targets, sources * targets], 1)
        hidden = functional.relu(self.hidden(joined))
        dot = (sources * targets).sum(1, keepdim=True) / math.sqrt(sources.shape[1])
        output: Tensor = self.output(hidden) + dot * self.dot_weight + biases
        return output


class LinkDecoder(nn.Module):
    """score(u, v) = sum(u * relation * v) + target_bias[v] + source_bias[u], per target edge type.

    The candidate's role has a projection of its own, so that scores need not be symmetric.
    """

    def __init__(self, width: int, counts: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.relations = nn.Parameter(torch.ones(len(counts), width) / math.sqrt(width))
        self.candidate = nn.Linear(width, width)
        self.source_biases = nn.ParameterList(torch.zeros(count) for count, _ in counts)
        self.target_biases = nn.ParameterList(torch.zeros(count) for _, count in counts)

    def scorers(
        self, sources: Tensor, targets: Tensor, position: int = 0, rows: tuple[Tensor, Tensor] | None = None
    ) -> tuple[LinkScorer, LinkScorer]:
        """Return the scorers of targets and of sources, from the embeddings of both ends' types.

        `rows`: which nodes the embeddings are of; None: all nodes of both types.
        """
        candidates: Tensor = self.candidate(targets)
        relation = self.relations[position]
        biases = self.source_biases[position], self.target_biases[position]
        if rows is not None:
            biases = biases[0].index_select(0, rows[0]), biases[1].index_select(0, rows[1])
        tails = LinkScorer(sources * relation, biases[0], candidates, biases[1])
        return tails, LinkScorer(candidates * relation, biases[1], sources, biases[0])
