"""Embeddings of some nodes: of all of them, or of those that a batch is about."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from neptuneml_plugin.training.models.encoder import Vectors


@dataclass(frozen=True)
class Embedded:
    """Embeddings, and which nodes they are of."""

    #: Per node type, (rows, d).
    vectors: Vectors
    #: Per node type: the ascending rows that `vectors` are of; None: all nodes.
    rows: Sequence[Tensor] | None = None

    def of(self, kind: int, rows: Tensor) -> Tensor:
        """Return the embeddings of rows of a type, which may repeat: (rows, d)."""
        at = rows if self.rows is None else torch.searchsorted(self.rows[kind], rows.contiguous())
        # An embedding look-up, as its gradient is deterministic on CPU; that of indexing is not.
        return functional.embedding(at, self.vectors[kind])
