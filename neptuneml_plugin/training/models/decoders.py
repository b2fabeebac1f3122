"""The decoders of the five tasks."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from neptuneml_plugin.training.dropout import dropout
from neptuneml_plugin.training.links import LinkScorer


class NodeDecoder(nn.Module):
    """A linear layer on the embedding."""

    def __init__(self, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)
        self._dropout = dropout

    def forward(self, vectors: Tensor) -> Tensor:
        """Map (rows, d) to (rows, outputs)."""
        output: Tensor = self.linear(dropout(vectors, self._dropout, training=self.training))
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
        self.candidate: nn.Module = nn.Linear(width, width)
        self.source_biases = nn.ParameterList(torch.zeros(count) for count, _ in counts)
        self.target_biases = nn.ParameterList(torch.zeros(count) for _, count in counts)

    def scorers(
        self, sources: Tensor, targets: Tensor, position: int = 0, rows: tuple[Tensor, Tensor] | None = None
    ) -> tuple[LinkScorer, LinkScorer]:
        """Return the scorers of targets and of sources, from the embeddings of both ends' types.

        `rows`: which nodes the embeddings are of; None: all nodes of both types.
        """
        candidates: Tensor = self.candidate(targets)
        relation, biases = self.relations[position], self._biases(position, rows)
        tails = LinkScorer(sources * relation, biases[0], candidates, biases[1])
        return tails, LinkScorer(candidates * relation, biases[1], sources, biases[0])

    def _biases(self, position: int, rows: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        sources, targets = self.source_biases[position], self.target_biases[position]
        return (sources, targets) if rows is None else (sources[rows[0]], targets[rows[1]])

    def stored_relations(self, position: int) -> tuple[Tensor, Tensor]:
        """Return what stands between u and v in `Manifest`'s formula: asked for targets, and for sources."""
        return self.relations[position], self.relations[position]


class RolesLinkDecoder(LinkDecoder):
    """The same for vectors [asks | is found]: who asks is compared by the first half, a candidate by the second.

    score(u, v) = sum(u asks * relation * v found) + biases for targets, sum(v asks * relation' * u found) + biases
    for sources.
    """

    def __init__(self, width: int, counts: Sequence[tuple[int, int]]) -> None:
        super().__init__(width, counts)
        half = width // 2
        self.relations = nn.Parameter(torch.ones(len(counts), 2, half))
        self.candidate = SwappedHalves()

    def scorers(
        self, sources: Tensor, targets: Tensor, position: int = 0, rows: tuple[Tensor, Tensor] | None = None
    ) -> tuple[LinkScorer, LinkScorer]:
        """See `LinkDecoder`."""
        (asking, found), (asking_back, found_back) = sources.chunk(2, 1), targets.chunk(2, 1)
        tail, head = self.relations[position]
        biases = self._biases(position, rows)
        tails = LinkScorer(asking * tail, biases[0], found_back, biases[1])
        return tails, LinkScorer(asking_back * head, biases[1], found, biases[0])

    def stored_relations(self, position: int) -> tuple[Tensor, Tensor]:
        """See `LinkDecoder`; a candidate's halves are swapped, so each direction has its half."""
        tail, head = self.relations[position]
        nothing = torch.zeros_like(tail)
        return torch.cat([tail, nothing]), torch.cat([nothing, head])


class SwappedHalves(nn.Module):
    """[a | b] to [b | a]."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Map (rows, d) to (rows, d)."""
        return vectors.roll(vectors.shape[1] // 2, 1)
