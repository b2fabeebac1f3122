"""Ends of new edges that a request brings along: sources or targets in its subgraph, and new candidates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.serving.directions import Ends
from neptuneml_plugin.serving.embeddings import NewCandidates, Vectors
from neptuneml_plugin.serving.invocation import Mode
from neptuneml_plugin.serving.topk import Rows

if TYPE_CHECKING:
    from neptuneml_plugin.serving.inductive import Embedded, InductiveModel


class PostedEnds:
    """`links.LiveEnds` of one request.

    Args:
        model: the artifact's.
        embedded: the subgraph's vertices; None: the items are those of the artifact.
        candidates: beside those of the artifact.
    """

    def __init__(
        self, model: "InductiveModel", embedded: "Embedded | None", candidates: NewCandidates | None
    ) -> None:
        self._model, self._embedded, self._candidates = model, embedded, candidates

    def known(self, edge: EdgeType, mode: Mode, ids: Sequence[str]) -> tuple[Rows, Ends] | None:
        """See `links.LiveEnds`."""
        if self._embedded is None:
            return None
        end, label = ("source", edge.source) if mode is Mode.PREDICT_TAIL else ("target", edge.target)
        found = self._embedded.find(label, ids)
        at = np.flatnonzero(found >= 0)
        rows = self._embedded.rows[label][found[at]] if len(at) else found[at]
        vectors = self._model.embeddings(self._embedded, label, found[at])
        return at, self._ends(edge, end, [ids[position] for position in at.tolist()], vectors, rows)

    def candidates(self, edge: EdgeType, mode: Mode) -> Ends | None:
        """See `links.LiveEnds`.

        Raises:
            InvalidParameter: the embeddings are not of the model's width.
        """
        given = self._candidates
        if given is None or not given.ids:
            return None
        if given.vectors.shape[1] != self._model.width:
            raise InvalidParameter(
                f"data.newCandidates.embeddings are {given.vectors.shape[1]} wide, this model's are "
                f"{self._model.width}; embed the candidates again"
            )
        end, label = ("target", edge.target) if mode is Mode.PREDICT_TAIL else ("source", edge.source)
        return self._ends(edge, end, given.ids, given.vectors, self._model.rows(label, given.ids))

    def _ends(self, edge: EdgeType, end: str, ids: Sequence[str], vectors: Vectors, rows: Rows) -> Ends:
        in_role = self._model.in_candidate_role(vectors) if end == "target" else vectors
        return Ends(ids, in_role, self._model.link_biases(edge, end, rows), rows)
