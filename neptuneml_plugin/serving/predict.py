"""Artifact + invocation -> answers. No clock, no network; numpy only, except for items with their neighbourhood.

The same item gets the same answer, bit for bit, alone or in any batch (decision 31): stored predictions are looked
up; edges are decoded by operations that see one edge each, in float64; candidates of a link are re-scored in
float64, summed in one order.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import CUSTOM, Manifest, Target, Task, edge_folder, open_artifact
from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.errors import InvalidData, InvalidParameter, UnsupportedOperation, nearest
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.edges import EdgeDecoder, StoredEdges
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.links import LinkRanker
from neptuneml_plugin.serving.lookup import Lookup
from neptuneml_plugin.serving.neighbours import Asked, Neighbours
from neptuneml_plugin.serving.posted import PostedEnds
from neptuneml_plugin.serving.subgraph import Ints, Subgraph
from neptuneml_plugin.serving.wire import Hashes, Invocation, Items, Mode
from neptuneml_plugin.table import rank_classes

if TYPE_CHECKING:
    from neptuneml_plugin.serving.inductive import Embedded, InductiveModel

Floats = npt.NDArray[np.float64]
#: Called now and then; raises when the caller's deadline has passed.
Check = Callable[[], None]

EDGES_PER_BLOCK = 1024


class Predictor(Protocol):
    """Answers the invocations of one task."""

    @property
    def live(self) -> "LiveModel":
        """The model, for items that bring their neighbourhood."""

    def look_up(self, invocation: Invocation) -> str | None:
        """Return the member `answers` of the reply where it takes no time, None where it may."""

    def answer(self, invocation: Invocation, check: Check) -> Answers | Embeddings:
        """Return each item's answers, best first; none for an item that is not known."""


def open_predictor(
    folder: Path, new_node_vectors: NewNodeVectors = NewNodeVectors.TYPE
) -> tuple[Manifest, Predictor]:
    """Verify an artifact and map its arrays.

    Args:
        folder: the artifact.
        new_node_vectors: what vertices that the model does not know take.

    Raises:
        InvalidData: incomplete, changed, or not what its task needs; the message names the file.
    """
    manifest = open_artifact(folder)
    try:
        live = LiveModel(folder, manifest, new_node_vectors)
        predictor = _PREDICTORS[manifest.task](folder, manifest, live)
        return manifest, WithNeighbours(predictor, Neighbours(folder, manifest))
    except (OSError, KeyError, ValueError) as error:
        raise InvalidData(
            f"artifact {folder} does not hold what a {manifest.task} needs: {error}; run `transform` again"
        ) from None


class LiveModel:
    """Loads the model, and torch with it, when the first item brings its neighbourhood (decision 32)."""

    def __init__(self, folder: Path, manifest: Manifest, new_node_vectors: NewNodeVectors) -> None:
        self._folder, self._manifest, self._new_node_vectors = folder, manifest, new_node_vectors
        self._loaded: InductiveModel | None = None
        self._loading = threading.Lock()

    @property
    def is_loaded(self) -> bool:
        """Whether `model` is there without waiting."""
        return self._loaded is not None

    @property
    def model(self) -> "InductiveModel":
        """The model; as `load` gives it."""
        return self._loaded or self.load()

    def load(self) -> "InductiveModel":
        """Return the model; loaded once, whichever threads ask for it meanwhile.

        Raises:
            InvalidData: weights or encoders are missing or damaged.
            UnsupportedOperation: a custom model, which is known by its answers alone.
        """
        if self._manifest.model == CUSTOM:
            raise UnsupportedOperation("a custom model answers from what its transform wrote, not inductively")
        with self._loading:
            if self._loaded is None:
                from neptuneml_plugin.serving.inductive import InductiveModel  # noqa: PLC0415 - see above

                self._loaded = InductiveModel(self._folder, self._manifest, self._new_node_vectors)
            return self._loaded

    def embed(self, subgraph: Subgraph, items: Items, check: Check) -> "Embedded":
        """Return the embeddings of the items' vertices in a subgraph, if there is time left for it."""
        model = self.model
        check()
        embedded = model.embed(subgraph, items.vertices)
        check()
        return embedded


class WithNeighbours:
    """Answers what a predictor does, and which vertices are nearest by embedding, whatever the task."""

    def __init__(self, predictor: Predictor, neighbours: Neighbours) -> None:
        self._predictor, self._neighbours = predictor, neighbours
        self.live, self.look_up = predictor.live, predictor.look_up

    def answer(self, invocation: Invocation, check: Check) -> Answers | Embeddings:
        """See `Predictor`."""
        if invocation.mode is not Mode.EMBED_KNN:
            return self._predictor.answer(invocation, check)
        label, ids = self._neighbours.labels(invocation)[0], invocation.items.nodes
        if invocation.subgraph is None:
            return self._neighbours.find(invocation, *self._neighbours.stored(label, ids), check)
        embedded = self.live.embed(invocation.subgraph, invocation.items, check)
        found = embedded.find(label, ids)
        at = np.flatnonzero(found >= 0)
        vectors = self.live.model.embeddings(embedded, label, found[at])
        return self._neighbours.find(invocation, at, Asked(vectors, embedded.rows[label][found[at]]), check)


class NodePredictor:
    """Looks up what was computed at transform time."""

    def __init__(self, folder: Path, manifest: Manifest, live: LiveModel) -> None:
        position = manifest.schema.node(manifest.target.node or "")
        self._manifest, self.live = manifest, live
        self._ids = IdColumn(folder / f"nodes/{position}")
        predictions = np.load(folder / f"nodes/{position}/predictions.npy", mmap_mode="r", allow_pickle=False)
        self._predictions: npt.NDArray[Any] = np.asarray(predictions)
        self._lookup = Lookup(manifest, self._ids, self._predictions)

    def look_up(self, invocation: Invocation) -> str | None:
        """See `Predictor`."""
        return self._lookup.answers(invocation)

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        """See `Predictor`."""
        _expect(invocation, self._manifest, on_nodes=True)
        items, subgraph = invocation.items, invocation.subgraph
        if subgraph is None:
            known, output = self._stored(items, check)
        else:
            known, output = self._computed(items, subgraph, check)
        return _answers(output, invocation, self._manifest).spread(len(items), known)

    def _stored(self, items: Items, check: Check) -> tuple[Ints, npt.NDArray[Any]]:
        rows = _rows(self._ids, items.nodes, items.node_hashes)
        known = np.flatnonzero(rows >= 0)
        check()
        return known, self._predictions[rows[known]]

    def _computed(self, items: Items, subgraph: Subgraph, check: Check) -> tuple[Ints, Floats]:
        label = self._manifest.target.node or ""
        embedded = self.live.embed(subgraph, items, check)
        at = embedded.find(label, items.nodes)
        known = np.flatnonzero(at >= 0)
        return known, self.live.model.node_outputs(embedded, label, at[known])


class EdgePredictor:
    """Decodes the embeddings of an edge's two ends, or looks up what a custom model said of them."""

    def __init__(self, folder: Path, manifest: Manifest, live: LiveModel) -> None:
        self._manifest, self.live = manifest, live
        self._type = manifest.target.edges[0]
        source, target = (manifest.schema.node(label) for label in (self._type.source, self._type.target))
        self._heads = IdColumn(folder / f"nodes/{source}")
        self._tails = IdColumn(folder / f"nodes/{target}")
        stored = folder / edge_folder(manifest.schema.edge(self._type))
        self._decoder: EdgeDecoder | StoredEdges = (
            StoredEdges(stored, len(self._tails))
            if manifest.model == CUSTOM
            else EdgeDecoder(folder, manifest, source, target)
        )

    def look_up(self, invocation: Invocation) -> str | None:
        """See `Predictor`."""
        del invocation
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
        embedded = self.live.embed(subgraph, items, check)
        heads = embedded.find(self._type.source, items.heads)
        tails = embedded.find(self._type.target, items.tails)
        known = np.flatnonzero((heads >= 0) & (tails >= 0) & self._of_type(items))
        return known, self.live.model.edge_outputs(embedded, self._type, heads[known], tails[known])

    def _of_type(self, items: Items) -> npt.NDArray[np.bool_]:
        """Return which items do not name another label for one of their ends (decision 20)."""
        heads = _names(items.head_types, self._type.source, len(items))
        return heads & _names(items.tail_types, self._type.target, len(items))


class LinkPredictor:
    """Ranks the candidates of new edges."""

    def __init__(self, folder: Path, manifest: Manifest, live: LiveModel) -> None:
        self._manifest, self.live = manifest, live
        self._ranker = LinkRanker(folder, manifest)

    def look_up(self, invocation: Invocation) -> str | None:
        """See `Predictor`."""
        del invocation
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

    def _ends(self, invocation: Invocation, check: Check) -> PostedEnds | None:
        subgraph, candidates = invocation.subgraph, invocation.new_candidates
        if subgraph is None and candidates is None:
            return None
        embedded = None if subgraph is None else self.live.embed(subgraph, invocation.items, check)
        return PostedEnds(self.live.model, embedded, candidates)

    def _embeddings(self, invocation: Invocation, check: Check) -> Embeddings:
        ids, label, subgraph = invocation.items.nodes, invocation.node_type, invocation.subgraph
        labels = [node.label for node in self._manifest.schema.nodes]
        if label not in labels or subgraph is None:
            near = nearest(str(label), labels)
            raise InvalidParameter(f"nodeType is {label!r}, which is no vertex label of the model{near}")
        embedded = self.live.embed(subgraph, invocation.items, check)
        at = embedded.find(label, ids)
        if (at < 0).any():
            missing = ids[int(np.argmax(at < 0))]
            raise InvalidParameter(f"data.subgraph has no '{label}' vertex '{missing}', whose embedding is wanted")
        return Embeddings(self.live.model.embeddings(embedded, label, at))


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


_PREDICTORS: dict[Task, Callable[[Path, Manifest, LiveModel], Predictor]] = {
    Task.NODE_CLASS: NodePredictor,
    Task.NODE_REGRESSION: NodePredictor,
    Task.EDGE_CLASS: EdgePredictor,
    Task.EDGE_REGRESSION: EdgePredictor,
    Task.LINK_PREDICTION: LinkPredictor,
}
