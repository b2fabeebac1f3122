"""Structural features: where a node stands in the graph, from who is joined to whom and nothing else."""

from collections.abc import Callable

import torch
from torch import Tensor

from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models.encoder import InputLayer
from neptuneml_plugin.training.models.model import Model

#: Of the subspace iteration (Halko et al., 2011): rounds, and columns beyond those wanted.
ROUNDS, SPARE = 8, 8


def set_structure(model: Model, data: TrainingData) -> None:
    """Give a model the structural features of a graph's nodes."""
    width = model.hyperparameters.structural_features
    if width:
        found = data.once(("structure", width), lambda: structure(data, width))
        for layer, values in zip(model.encoder.inputs, found, strict=True):
            if isinstance(layer, InputLayer):
                layer.structure.copy_(values)


@torch.no_grad()
def structure(data: TrainingData, width: int) -> list[Tensor]:
    """Return, per node type, the left singular vectors of its adjacency to all types, standardised: (n, width).

    Edges weigh 1 / sqrt(d_source d_target); those of validation and test under prediction are left out. Columns
    that a small graph does not have are zero.
    """
    messages = MessageGraph(data, symmetric=True).messages()
    found = []
    for kind, count in enumerate(data.counts):
        into = [at for at, relation in enumerate(data.relations) if relation.target_type == kind]

        def twice(vectors: Tensor, into: list[int] = into) -> Tensor:
            # The reverse relation stands beside each, and with these weights is its transpose.
            there_and_back = (messages[at].aggregate(messages[at ^ 1].aggregate(vectors)) for at in into)
            return sum(there_and_back, torch.zeros_like(vectors))

        vectors = _leading(twice, count, min(width, count)) if into else torch.zeros(count, 0)
        padded = torch.zeros(count, width)
        padded[:, : vectors.shape[1]] = vectors
        found.append(padded)
    return found


def _leading(product: Callable[[Tensor], Tensor], count: int, width: int) -> Tensor:
    """Return the leading eigenvectors of a symmetric product, each of mean 0 and variance 1: (count, width)."""
    basis = torch.randn(count, min(width + SPARE, count), generator=torch.Generator().manual_seed(0))
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(product(basis))[0]
    turned = torch.linalg.eigh(basis.T @ product(basis))[1].flip(1)[:, :width]
    vectors = basis @ turned
    centred = vectors - vectors.mean(0)
    spread = centred.std(0, correction=0)
    # A vector that is the same for all nodes says nothing, and rounding is not to be blown up.
    return torch.where(spread > 1e-6, centred / spread.clamp(min=1e-6), 0.0)
