"""Artifact + invocation -> answers. No clock, no network; numpy only, except for items with their neighbourhood.

The same item gets the same answer, bit for bit, alone or in any batch (decision 31): stored predictions are looked
up; edges are decoded by operations that see one edge each, in float64; candidates of a link are re-scored in
float64, summed in one order.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import CUSTOM, Manifest, Target, edge_folder
from neptuneml_plugin.errors import InvalidParameter, nearest
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.directions import directions
from neptuneml_plugin.serving.edges import EdgeDecoder, StoredEdges
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.index import IndexReport
from neptuneml_plugin.serving.invocation import Hashes, Invocation, Items, Mode
from neptuneml_plugin.serving.links import LinkRanker, LiveEnds, calibration
from neptuneml_plugin.serving.live import Live
from neptuneml_plugin.serving.lookup import Lookup
from neptuneml_plugin.serving.plain import PlainRequest
from neptuneml_plugin.serving.subgraph import Ints, Subgraph
from neptuneml_plugin.table import rank_classes

Floats = npt.NDArray[np.float64]
#: Called now and then; raises when the caller's deadline has passed.
Check = Callable[[], None]

EDGES_PER_BLOCK = 1024


class Predictor(Protocol):
    """Answers the invocations of one task."""

    @property
    def live(self) -> Live:
        """The model, for items that bring their neighbourhood."""

    def look_up(self, request: PlainRequest) -> str | None:
        """Return the member `answers` of the reply where it takes no time, None where it may."""

    def answer(self, invocation: Invocation, check: Check) -> Answers | Embeddings:
        """Return each item's answers, best first; none for an item that is not known."""


class NodePredictor:
    """Looks up what was computed at transform time."""

    def __init__(self, folder: Path, manifest: Manifest, live: Live) -> None:
        position = manifest.schema.node(manifest.target.node or "")
        self._manifest, self.live = manifest, live
        self._ids = IdColumn(folder / f"nodes/{position}")
        predictions = np.load(folder / f"nodes/{position}/predictions.npy", mmap_mode="r", allow_pickle=False)
        self._predictions: npt.NDArray[Any] = np.asarray(predictions)
        self._lookup = Lookup(manifest, self._ids, self._predictions)

    def look_up(self, request: PlainRequest) -> str | None:
        """See `Predictor`."""
        return self._lookup.answers(request)

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        """See `Predictor`."""
        _expect(invocation, self._manifest, on_nodes=True)
        items, subgraph = invocation.items, invocation.subgraph
        if subgraph is None:
            known, output = self._stored(items, check)
        else:
            known, output = self.live.node_outputs(subgraph, items, self._manifest.target.node or "", check)
        return _answers(output, invocation, self._manifest).spread(len(items), known)

    def _stored(self, items: Items, check: Check) -> tuple[Ints, npt.NDArray[Any]]:
        rows = _rows(self._ids, items.nodes, items.node_hashes)
        known = np.flatnonzero(rows >= 0)
        check()
        return known, self._predictions[rows[known]]


class EdgeValues(Protocol):
    """What is said of edges, by the rows of their ends."""

    @property
    def width(self) -> int:
        """Number of classes; 1 for a regression."""

    def knows(self, heads: Ints, tails: Ints) -> npt.NDArray[np.bool_]:
        """Return which pairs can be answered, (edges,)."""

    def decode(self, heads: Ints, tails: Ints) -> Floats:
        """Return the predictions of pairs that can be, (edges, width)."""


class EdgePredictor:
    """Decodes the embeddings of an edge's two ends, or looks up what a custom model said of them."""

    def __init__(self, folder: Path, manifest: Manifest, live: Live, decoder: EdgeValues) -> None:
        self._manifest, self.live, self._decoder = manifest, live, decoder
        self._type = manifest.target.edges[0]
        source, target = (manifest.schema.node(label) for label in (self._type.source, self._type.target))
        self._heads = IdColumn(folder / f"nodes/{source}")
        self._tails = IdColumn(folder / f"nodes/{target}")

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, live: Live) -> "EdgePredictor":
        """Map an artifact's arrays."""
        return cls(folder, manifest, live, edge_values(folder, manifest))

    def look_up(self, request: PlainRequest) -> str | None:
        """See `Predictor`."""
        del request
        return None

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        """See `Predictor`."""
        _expect(invocation, self._manifest, on_nodes=False)
        if invocation.edge_label not in (None, self._type.label):
            raise InvalidParameter(f"edgeType is '{invocation.edge_label}'; {predicts(self._manifest.target)}")
        items, subgraph = invocation.items, invocation.subgraph
        known, output = self._stored(items, check) if subgraph is None else self._computed(items, subgraph, check)
        return _answers(output, invocation, self._manifest).spread(len(items), known)

    def _stored(self, items: Items, check: Check) -> tuple[Ints, Floats]:
        heads = _rows(self._heads, items.heads, items.head_hashes)
        tails = _rows(self._tails, items.tails, items.tail_hashes)
        known = np.flatnonzero(self._decoder.knows(heads, tails) & self._of_type(items))
        output = np.empty((len(known), self._decoder.width))
        for start in range(0, len(known), EDGES_PER_BLOCK):
            check()
            block = known[start : start + EDGES_PER_BLOCK]
            output[start : start + len(block)] = self._decoder.decode(heads[block], tails[block])
        return known, output

    def _computed(self, items: Items, subgraph: Subgraph, check: Check) -> tuple[Ints, Floats]:
        known, output = self.live.edge_outputs(subgraph, items, self._type, check)
        kept = self._of_type(items)[known]
        return known[kept], output[kept]

    def _of_type(self, items: Items) -> npt.NDArray[np.bool_]:
        """Return which items do not name another label for one of their ends (decision 20)."""
        heads = _names(items.head_types, self._type.source, len(items))
        return heads & _names(items.tail_types, self._type.target, len(items))


class LinkPredictor:
    """Ranks the candidates of new edges."""

    def __init__(self, manifest: Manifest, live: Live, ranker: LinkRanker) -> None:
        self._manifest, self.live, self._ranker = manifest, live, ranker

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, live: Live) -> "LinkPredictor":
        """Map an artifact's arrays."""
        return cls(manifest, live, LinkRanker(directions(folder, manifest), calibration(manifest)))

    def make_indices(self, kept: Path | None) -> list[IndexReport]:
        """See `LinkRanker`."""
        return self._ranker.make_indices(kept)

    def look_up(self, request: PlainRequest) -> str | None:
        """See `Predictor`."""
        del request
        return None

    def answer(self, invocation: Invocation, check: Check) -> Answers | Embeddings:
        """See `Predictor`."""
        if invocation.mode is Mode.EMBED:
            return self._embeddings(invocation, check)
        if invocation.mode is Mode.PREDICT:
            raise InvalidParameter(
                f"mode must be predict_tail or predict_head here; {predicts(self._manifest.target)}"
            )
        if invocation.property_name is not None:
            raise InvalidParameter(
                f"property is '{invocation.property_name}', but this endpoint predicts no property; "
                f"{predicts(self._manifest.target)}"
            )
        least = _threshold(invocation, self._manifest) or 0.0
        return self._ranker.rank(invocation, least, check, self._ends(invocation, check))

    def _ends(self, invocation: Invocation, check: Check) -> LiveEnds | None:
        subgraph, candidates = invocation.subgraph, invocation.new_candidates
        if subgraph is None and candidates is None:
            return None
        return self.live.ends(subgraph, candidates, invocation.items, check)

    def _embeddings(self, invocation: Invocation, check: Check) -> Embeddings:
        label, subgraph = invocation.node_type, invocation.subgraph
        labels = [node.label for node in self._manifest.schema.nodes]
        if label not in labels or subgraph is None:
            near = nearest(str(label), labels)
            raise InvalidParameter(f"nodeType is {label!r}, which is no vertex label of the model{near}")
        at, vectors, _ = self.live.embed(subgraph, invocation.items, label, check)
        ids = invocation.items.nodes
        if len(at) < len(ids):
            missing = next(name for position, name in enumerate(ids) if position not in at)
            raise InvalidParameter(f"data.subgraph has no '{label}' vertex '{missing}', whose embedding is wanted")
        return Embeddings(vectors)


def edge_values(folder: Path, manifest: Manifest) -> EdgeValues:
    """Return what an artifact says of edges."""
    edge = manifest.target.edges[0]
    source, target = (manifest.schema.node(label) for label in (edge.source, edge.target))
    if manifest.model == CUSTOM:
        stored = folder / edge_folder(manifest.schema.edge(edge))
        return StoredEdges(stored, len(IdColumn(folder / f"nodes/{target}")))
    return EdgeDecoder(folder, manifest, source, target)


def predicts(target: Target) -> str:
    """Return a sentence that says what an endpoint predicts."""
    edges = ", ".join(f"'{edge.label}' from '{edge.source}' to '{edge.target}'" for edge in target.edges)
    if target.property_name is None:
        return f"this endpoint predicts new edges {edges}"
    of = f"edges {edges}" if edges else f"'{target.node}' vertices"
    return f"this endpoint predicts property '{target.property_name}' of {of}"


def _expect(invocation: Invocation, manifest: Manifest, *, on_nodes: bool) -> None:
    """Refuse what does not fit the task or the target (decision 20)."""
    target = manifest.target
    member, other = ("nodes", "edges") if on_nodes else ("edges", "nodes")
    if invocation.mode is not Mode.PREDICT:
        raise InvalidParameter(f"mode {invocation.mode} is for link prediction; {predicts(target)}")
    if invocation.items.are_nodes is not on_nodes and len(invocation.items):
        raise InvalidParameter(f"data has {other} where data.{member} is needed; {predicts(target)}")
    if invocation.property_name not in (None, target.property_name):
        raise InvalidParameter(f"property is '{invocation.property_name}'; {predicts(target)}")
    if invocation.exclude or invocation.mask_training_edges or any(invocation.items.excludes):
        raise InvalidParameter(f"exclude and exclude_flag are for link prediction; {predicts(target)}")
    if not manifest.task.is_class and (invocation.score or invocation.threshold is not None):
        raise InvalidParameter(f"score and threshold mean nothing for a regression; {predicts(target)}")


def _threshold(invocation: Invocation, manifest: Manifest) -> float | None:
    if invocation.threshold != "tuned":
        return invocation.threshold
    if manifest.threshold is None:
        raise InvalidParameter("threshold is 'tuned', but this model has no tuned threshold; give a number")
    return manifest.threshold


def _answers(output: npt.NDArray[Any], invocation: Invocation, manifest: Manifest) -> Answers:
    """Turn outputs, shape (items, classes or 1), into answers."""
    if manifest.task.is_class:
        best, ranked = rank_classes(output, invocation.topk)
        scores = ranked.astype(np.float64)
        kept = scores >= (_threshold(invocation, manifest) or 0.0)
        return Answers(
            counts=kept.sum(axis=1),
            indices=best[kept],
            classes=manifest.target.classes,
            scores=scores[kept] if invocation.score else None,
        )
    values = output[:, 0].astype(np.float64)
    finite = np.isfinite(values)
    return Answers(counts=finite.astype(np.int64), values=values[finite])


def _rows(column: IdColumn, ids: Sequence[str], hashes: Hashes | None) -> Ints:
    """Return the items' rows, -1 for what is not known."""
    return column.rows(ids) if hashes is None else column.rows_of(hashes)


def _names(labels: Sequence[str | None], allowed: str, count: int) -> npt.NDArray[np.bool_]:
    """Return which of the items name the allowed label, or none."""
    if set(labels) <= {None, allowed}:  # nearly always
        return np.ones(count, np.bool_)
    return np.array([label in (None, allowed) for label in labels], np.bool_)
