"""Artifact + invocation -> answers. Pure: numpy only, no clock, no network.

The same item gets the same answer, bit for bit, alone or in any batch (decision 31): stored predictions are looked
up; edges are decoded by operations that see one edge each, in float64; candidates of a link are re-scored in
float64, summed in one order.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Manifest, Target, Task, open_artifact
from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.edges import EdgeDecoder
from neptuneml_plugin.serving.links import LinkRanker
from neptuneml_plugin.serving.wire import Invocation, Items, Mode
from neptuneml_plugin.table import rank_classes

Floats = npt.NDArray[np.float64]
#: Called now and then; raises when the caller's deadline has passed.
Check = Callable[[], None]

EDGES_PER_BLOCK = 512


class Predictor(Protocol):
    """Answers the invocations of one task."""

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        """Return each item's answers, best first; none for an item that the artifact does not know."""


def open_predictor(folder: Path) -> tuple[Manifest, Predictor]:
    """Verify an artifact and map its arrays.

    Raises:
        InvalidData: incomplete, changed, or not what its task needs; the message names the file.
    """
    manifest = open_artifact(folder)
    try:
        return manifest, _PREDICTORS[manifest.task](folder, manifest)
    except (OSError, KeyError, ValueError) as error:
        raise InvalidData(
            f"artifact {folder} does not hold what a {manifest.task} needs: {error}; run `transform` again"
        ) from None


class NodePredictor:
    """Looks up what was computed at transform time."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        position = manifest.schema.node(manifest.target.node or "")
        self._manifest = manifest
        self._ids = IdColumn(folder / f"nodes/{position}")
        self._predictions: npt.NDArray[Any] = np.load(
            folder / f"nodes/{position}/predictions.npy", mmap_mode="r", allow_pickle=False
        )

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        """See `Predictor`."""
        _expect(invocation, self._manifest, on_nodes=True)
        rows = self._ids.rows(invocation.items.nodes)
        known = np.flatnonzero(rows >= 0)
        check()
        output = np.asarray(self._predictions[rows[known]], dtype=np.float64)
        return _answers(output, invocation, self._manifest).spread(len(rows), known)


class EdgePredictor:
    """Decodes the embeddings of an edge's two ends."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._manifest = manifest
        self._type = manifest.target.edges[0]
        source, target = (manifest.schema.node(label) for label in (self._type.source, self._type.target))
        self._heads = IdColumn(folder / f"nodes/{source}")
        self._tails = IdColumn(folder / f"nodes/{target}")
        self._decoder = EdgeDecoder(folder, manifest, source, target)

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        """See `Predictor`."""
        _expect(invocation, self._manifest, on_nodes=False)
        if invocation.edge_label not in (None, self._type.label):
            raise InvalidParameter(f"edgeType is '{invocation.edge_label}'; {predicts(self._manifest.target)}")
        items = invocation.items
        heads, tails = self._heads.rows(items.heads), self._tails.rows(items.tails)
        known = np.flatnonzero((heads >= 0) & (tails >= 0) & self._of_type(items))
        output = np.empty((len(known), self._decoder.width))
        for start in range(0, len(known), EDGES_PER_BLOCK):
            check()
            block = known[start : start + EDGES_PER_BLOCK]
            output[start : start + len(block)] = self._decoder.decode(heads[block], tails[block])
        return _answers(output, invocation, self._manifest).spread(len(items), known)

    def _of_type(self, items: Items) -> npt.NDArray[np.bool_]:
        """Return which items do not name another label for one of their ends (decision 20)."""
        return _names(items.head_types, self._type.source) & _names(items.tail_types, self._type.target)


class LinkPredictor:
    """Ranks the candidates of new edges."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._manifest = manifest
        self._ranker = LinkRanker(folder, manifest)

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        """See `Predictor`."""
        if invocation.mode is Mode.PREDICT:
            raise InvalidParameter(
                f"mode must be predict_tail or predict_head here; {predicts(self._manifest.target)}"
            )
        if invocation.property_name is not None:
            raise InvalidParameter(
                f"property is '{invocation.property_name}', but this endpoint predicts no property; "
                f"{predicts(self._manifest.target)}"
            )
        return self._ranker.rank(invocation, _threshold(invocation, self._manifest) or 0.0, check)


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
    if bool(invocation.items.nodes) is not on_nodes and len(invocation.items):
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


def _answers(output: Floats, invocation: Invocation, manifest: Manifest) -> Answers:
    """Turn outputs, shape (items, classes or 1), into answers."""
    if manifest.task.is_class:
        best, scores = rank_classes(output, invocation.topk)
        kept = scores >= (_threshold(invocation, manifest) or 0.0)
        return Answers(
            counts=kept.sum(axis=1),
            indices=best[kept],
            classes=manifest.target.classes,
            scores=scores[kept] if invocation.score else None,
        )
    values = output[:, 0]
    finite = np.isfinite(values)
    return Answers(counts=finite.astype(np.int64), values=values[finite])


def _names(labels: Sequence[str | None], allowed: str) -> npt.NDArray[np.bool_]:
    """Return which items name the allowed label, or none."""
    if set(labels) <= {None, allowed}:  # nearly always
        return np.ones(len(labels), np.bool_)
    return np.array([label in (None, allowed) for label in labels], np.bool_)


_PREDICTORS: dict[Task, Callable[[Path, Manifest], Predictor]] = {
    Task.NODE_CLASS: NodePredictor,
    Task.NODE_REGRESSION: NodePredictor,
    Task.EDGE_CLASS: EdgePredictor,
    Task.EDGE_REGRESSION: EdgePredictor,
    Task.LINK_PREDICTION: LinkPredictor,
}
