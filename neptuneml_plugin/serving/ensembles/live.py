"""Inductive answers of several models: each embeds the subgraph by itself."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.ensembles.finish import Finish, mean
from neptuneml_plugin.errors import InvalidParameter, UnsupportedOperation
from neptuneml_plugin.serving.directions import Ends
from neptuneml_plugin.serving.embeddings import NewCandidates, Vectors
from neptuneml_plugin.serving.ensembles.ways import joined
from neptuneml_plugin.serving.invocation import Items, Mode
from neptuneml_plugin.serving.links import LiveEnds
from neptuneml_plugin.serving.live import Check, Floats, Live
from neptuneml_plugin.serving.subgraph import Ints, Subgraph
from neptuneml_plugin.serving.topk import Rows


class EnsembleLive:
    """`Live` of several models. What one of them has no answer to, none has.

    Args:
        models: one of each member; none where the ensemble answers from what is stored alone.
        weights: of each.
        finish: what becomes of their mean.
    """

    def __init__(self, models: Sequence[Live], weights: Sequence[float], finish: Finish) -> None:
        self._models, self._weights, self._finish = models, weights, finish

    @property
    def is_loaded(self) -> bool:
        """See `Live`."""
        return bool(self._models) and all(model.is_loaded for model in self._models)

    @property
    def width(self) -> int:
        """See `Live`: the models' embeddings stand side by side."""
        self.load()
        return sum(model.width for model in self._models)

    def load(self) -> None:
        """See `Live`."""
        if not self._models:
            raise UnsupportedOperation(
                "this ensemble answers from what is stored, not inductively: it filters links by stored classes, "
                "or has a custom model"
            )
        for model in self._models:
            model.load()

    def node_outputs(self, subgraph: Subgraph, items: Items, label: str, check: Check) -> tuple[Ints, Floats]:
        """See `Live`."""
        self.load()
        return self._mean([model.node_outputs(subgraph, items, label, check) for model in self._models])

    def edge_outputs(self, subgraph: Subgraph, items: Items, edge: EdgeType, check: Check) -> tuple[Ints, Floats]:
        """See `Live`."""
        self.load()
        return self._mean([model.edge_outputs(subgraph, items, edge, check) for model in self._models])

    def ends(
        self, subgraph: Subgraph | None, candidates: NewCandidates | None, items: Items, check: Check
    ) -> LiveEnds:
        """See `Live`.

        Raises:
            InvalidParameter: the candidates' embeddings are not those of all models.
        """
        each = self._candidates(candidates)
        models = zip(self._models, each, strict=True)
        return _PostedToAll([model.ends(subgraph, given, items, check) for model, given in models])

    def embed(self, subgraph: Subgraph, items: Items, label: str, check: Check) -> tuple[Ints, Vectors, Ints]:
        """See `Live`: the models' embeddings stand side by side."""
        self.load()
        each = [model.embed(subgraph, items, label, check) for model in self._models]
        at, _, rows = each[0]  # they were posted the same
        return at, np.concatenate([vectors for _, vectors, _ in each], axis=1), rows

    def _mean(self, each: Sequence[tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
        known = reduce(np.intersect1d, [at for at, _ in each])
        outputs = [output[np.searchsorted(at, known)] for at, output in each]
        return known, self._finish.outputs(mean(outputs, self._weights))

    def _candidates(self, candidates: NewCandidates | None) -> list[NewCandidates | None]:
        """Return the candidates with the embeddings of each model."""
        width = self.width
        if candidates is None or not candidates.ids:
            return [None] * len(self._models)
        if candidates.vectors.shape[1] != width:
            raise InvalidParameter(
                f"data.newCandidates.embeddings are {candidates.vectors.shape[1]} wide, those of this ensemble's "
                f"models are {width} together; embed the candidates again"
            )
        splits = np.cumsum([model.width for model in self._models])[:-1]
        return [NewCandidates(candidates.ids, own) for own in np.split(candidates.vectors, splits, axis=1)]


class _PostedToAll:
    """`links.LiveEnds` of all models."""

    def __init__(self, each: Sequence[LiveEnds]) -> None:
        self._each = each

    def known(self, edge: EdgeType, mode: Mode, ids: Sequence[str]) -> tuple[Rows, Ends] | None:
        """See `links.LiveEnds`."""
        found = [ends.known(edge, mode, ids) for ends in self._each]
        given = [one for one in found if one is not None]  # all or none: they were posted the same
        return (given[0][0], joined([ends for _, ends in given])) if given else None

    def candidates(self, edge: EdgeType, mode: Mode) -> Ends | None:
        """See `links.LiveEnds`."""
        found = [ends.candidates(edge, mode) for ends in self._each]
        given = [one for one in found if one is not None]
        return joined(given) if given else None
