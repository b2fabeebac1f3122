"""Learned vectors of nodes."""

import uuid
from collections.abc import Mapping
from typing import Any

import dgl
import torch
from torch import Tensor, nn


class NodeEmbedding(nn.Module):
    """A learned vector per node: torch's embeddings, or DGL's, which take an optimiser of `dgl.optim`.

    Args:
        node_counts: node type -> nodes.
        embed_size: width of a vector.
        use_torch: whether embeddings are torch's.
        init_missing_embed_with: what nodes take that loaded vectors lack: `random`, `average` or `zero`.
        dev_id: where DGL's embeddings give their vectors.
    """

    def __init__(
        self,
        node_counts: Mapping[str, int],
        embed_size: int,
        use_torch: bool = False,  # noqa: FBT001, FBT002 - the toolkit's signature
        init_missing_embed_with: str = "random",
        dev_id: Any = "cpu",
    ) -> None:
        super().__init__()
        if init_missing_embed_with not in {"random", "average", "zero"}:
            raise ValueError(
                f"init_missing_embed_with is '{init_missing_embed_with}', not random, average or zero"
            )
        self.init_missing_embed_with, self.dev_id, self.use_torch_emb = init_missing_embed_with, dev_id, use_torch
        made: dict[str, Any] = {
            label: nn.Embedding(count, embed_size)
            if use_torch
            # Names are of shared memory, which trials at the same time must not share.
            else dgl.nn.NodeEmbedding(count, embed_size, f"{label}-{uuid.uuid4().hex}", _uniform)
            for label, count in node_counts.items()
        }
        self.node_embeds: Any = nn.ModuleDict(made) if use_torch else made

    @property
    def dgl_emb(self) -> list[Any] | None:
        """DGL's embeddings, for its optimisers."""
        return None if self.use_torch_emb else list(self.node_embeds.values())

    def load_node_embeds(self, embs: Mapping[str, Tensor]) -> None:
        """Take vectors, (rows, d) by node type, for the first nodes of each."""
        for label, vectors in embs.items():
            rows = self.node_embeds[label].weight.data if self.use_torch_emb else self.node_embeds[label].weight
            if len(vectors) < len(rows) and self.init_missing_embed_with != "random":
                rows[:] = vectors.mean(0) if self.init_missing_embed_with == "average" else 0
            rows[: len(vectors)] = vectors

    def forward(self, node_ids: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the vectors of rows of each node type that has any."""
        wanted = {label: rows for label, rows in node_ids.items() if len(rows)}
        more = () if self.use_torch_emb else (torch.device(self.dev_id),)
        return {label: self.node_embeds[label](rows, *more) for label, rows in wanted.items()}


def _uniform(rows: Tensor) -> Tensor:
    return rows.uniform_(-1, 1)
