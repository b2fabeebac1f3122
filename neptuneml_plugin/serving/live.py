"""The model of an artifact, for items that bring their neighbourhood: loaded when the first of them comes."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import CUSTOM, EdgeType, Manifest
from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.serving.embeddings import NewCandidates, Vectors
from neptuneml_plugin.serving.invocation import Items
from neptuneml_plugin.serving.links import LiveEnds
from neptuneml_plugin.serving.posted import PostedEnds
from neptuneml_plugin.serving.subgraph import Ints, Subgraph

if TYPE_CHECKING:
    from neptuneml_plugin.serving.inductive import Embedded, InductiveModel

Floats = npt.NDArray[np.float64]
#: Called now and then; raises when the caller's deadline has passed.
Check = Callable[[], None]


class Live(Protocol):
    """Answers from the graph as callers give it. Positions of items are ascending."""

    @property
    def is_loaded(self) -> bool:
        """Whether it answers without waiting for its model."""

    @property
    def width(self) -> int:
        """Of an embedding; loads the model."""

    def load(self) -> object:
        """Load the model; once, whichever threads ask for it meanwhile.

        Raises:
            InvalidData: weights or encoders are missing or damaged.
            UnsupportedOperation: there is none to load.
        """

    def node_outputs(self, subgraph: Subgraph, items: Items, label: str, check: Check) -> tuple[Ints, Floats]:
        """Return the positions of the vertices that stand in the subgraph, and what is predicted of each."""

    def edge_outputs(self, subgraph: Subgraph, items: Items, edge: EdgeType, check: Check) -> tuple[Ints, Floats]:
        """Return the positions of the edges whose ends stand in the subgraph, and what is predicted of each."""

    def ends(
        self, subgraph: Subgraph | None, candidates: NewCandidates | None, items: Items, check: Check
    ) -> LiveEnds:
        """Return the ends of new edges that a request brings along."""

    def embed(self, subgraph: Subgraph, items: Items, label: str, check: Check) -> tuple[Ints, Vectors, Ints]:
        """Return the positions of the vertices that stand in the subgraph, their embeddings and rows; -1: new."""


class LiveModel:
    """Loads the model, and torch with it, when the first item brings its neighbourhood (decision 32)."""

    def __init__(self, folder: Path, manifest: Manifest, new_node_vectors: NewNodeVectors) -> None:
        self._folder, self._manifest, self._new_node_vectors = folder, manifest, new_node_vectors
        self._loaded: InductiveModel | None = None
        self._loading = threading.Lock()

    @property
    def is_loaded(self) -> bool:
        """See `Live`."""
        return self._loaded is not None

    @property
    def width(self) -> int:
        """See `Live`."""
        return self._model.width

    @property
    def _model(self) -> "InductiveModel":
        return self._loaded or self.load()

    def load(self) -> "InductiveModel":
        """See `Live`; a custom model is known by its answers alone."""
        if self._manifest.model == CUSTOM:
            raise UnsupportedOperation("a custom model answers from what its transform wrote, not inductively")
        with self._loading:
            if self._loaded is None:
                from neptuneml_plugin.serving.inductive import InductiveModel  # noqa: PLC0415 - see above

                self._loaded = InductiveModel(self._folder, self._manifest, self._new_node_vectors)
            return self._loaded

    def node_outputs(self, subgraph: Subgraph, items: Items, label: str, check: Check) -> tuple[Ints, Floats]:
        """See `Live`."""
        embedded = self._embed(subgraph, items, check)
        at = embedded.find(label, items.nodes)
        known = np.flatnonzero(at >= 0)
        return known, self._model.node_outputs(embedded, label, at[known])

    def edge_outputs(self, subgraph: Subgraph, items: Items, edge: EdgeType, check: Check) -> tuple[Ints, Floats]:
        """See `Live`."""
        embedded = self._embed(subgraph, items, check)
        heads, tails = embedded.find(edge.source, items.heads), embedded.find(edge.target, items.tails)
        known = np.flatnonzero((heads >= 0) & (tails >= 0))
        return known, self._model.edge_outputs(embedded, edge, heads[known], tails[known])

    def ends(
        self, subgraph: Subgraph | None, candidates: NewCandidates | None, items: Items, check: Check
    ) -> LiveEnds:
        """See `Live`."""
        embedded = None if subgraph is None else self._embed(subgraph, items, check)
        return PostedEnds(self._model, embedded, candidates)

    def embed(self, subgraph: Subgraph, items: Items, label: str, check: Check) -> tuple[Ints, Vectors, Ints]:
        """See `Live`."""
        embedded = self._embed(subgraph, items, check)
        found = embedded.find(label, items.nodes)
        at = np.flatnonzero(found >= 0)
        return at, self._model.embeddings(embedded, label, found[at]), embedded.rows[label][found[at]]

    def _embed(self, subgraph: Subgraph, items: Items, check: Check) -> "Embedded":
        """Return the embeddings of the items' vertices in a subgraph, if there is time left for it."""
        model = self._model
        check()
        embedded = model.embed(subgraph, items.vertices)
        check()
        return embedded
