"""What is asked of an endpoint, checked."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.serving.embeddings import NewCandidates
from neptuneml_plugin.serving.subgraph import Subgraph

Hashes = npt.NDArray[np.uint64]
Threshold = float | Literal["tuned"] | None


class Mode(StrEnum):
    """What is asked for."""

    PREDICT = "predict"
    #: Targets of new edges of a source.
    PREDICT_TAIL = "predict_tail"
    #: Sources of new edges to a target.
    PREDICT_HEAD = "predict_head"
    #: Embeddings of vertices in a subgraph.
    EMBED = "embed"
    #: Vertices with the most similar embeddings.
    EMBED_KNN = "embed_knn"


@dataclass(frozen=True)
class Items:
    """The items of a request in columns; those that a mode does not use are empty, the others equally long."""

    nodes: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()
    head_types: tuple[str | None, ...] = ()
    tail_types: tuple[str | None, ...] = ()
    excludes: tuple[tuple[str, ...], ...] = ()
    #: In place of the ids, where the caller names them so: XXH64 with seed 0 of each.
    node_hashes: Hashes | None = None
    head_hashes: Hashes | None = None
    tail_hashes: Hashes | None = None

    def __len__(self) -> int:
        hashes = (self.node_hashes, self.head_hashes)
        return max(len(ids) for ids in (self.nodes, self.heads, self.tails, *hashes) if ids is not None)

    @property
    def are_nodes(self) -> bool:
        """Whether they name vertices, not edges or their ends; False where there are none."""
        return bool(self.nodes) or (self.node_hashes is not None and len(self.node_hashes) > 0)

    @property
    def are_hashed(self) -> bool:
        """Whether they are named by hashes."""
        return self.node_hashes is not None or self.head_hashes is not None

    @property
    def vertices(self) -> frozenset[str]:
        """The ids of all vertices that the items name."""
        return frozenset((*self.nodes, *self.heads, *self.tails))


@dataclass(frozen=True)
class Invocation:
    """A checked request."""

    mode: Mode
    items: Items
    property_name: str | None = None
    #: Answers per item.
    topk: int = 1
    threshold: Threshold = None
    #: Whether classifications carry their probability.
    score: bool = False
    #: Whether the answer is wanted in columns.
    columns: bool = False
    #: Whether numbers in those columns are wanted as bytes.
    packed: bool = False
    edge_label: str | None = None
    head_type: str | None = None
    tail_type: str | None = None
    #: Label of the vertices to embed, or whose neighbours are wanted; theirs is `tail_type`.
    node_type: str | None = None
    #: Whether a vertex may be its own neighbour.
    include_self: bool = False
    #: What the items are answered from instead of the artifact's graph.
    subgraph: Subgraph | None = None
    new_candidates: NewCandidates | None = None
    #: Candidates left out for every item.
    exclude: tuple[str, ...] = ()
    #: Whether edges of the training graph are left out (`exclude_flag: "mask"`).
    mask_training_edges: bool = False
    #: How long the caller waits, counted from arrival.
    deadline_seconds: float | None = None
    request_id: str | None = None
    #: The version that the caller's query is pinned to (decision 21).
    artifact_version: str | None = None

    @property
    def is_inductive(self) -> bool:
        """Whether it needs the model and not only what was computed with it."""
        return self.subgraph is not None or self.new_candidates is not None
