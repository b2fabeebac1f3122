"""The folder of an artifact -> who answers from it."""

from collections.abc import Callable
from pathlib import Path

from neptuneml_plugin.artifacts import Manifest, Task, open_artifact
from neptuneml_plugin.config import Index, NewNodeVectors
from neptuneml_plugin.ensembles.definition import ENSEMBLE_MODEL
from neptuneml_plugin.errors import InvalidData, UnsupportedOperation
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.ensembles.opening import open_ensemble
from neptuneml_plugin.serving.index import IndexReport
from neptuneml_plugin.serving.invocation import Invocation, Mode
from neptuneml_plugin.serving.live import Live, LiveModel
from neptuneml_plugin.serving.neighbours import Asked, Neighbours
from neptuneml_plugin.serving.predict import Check, EdgePredictor, LinkPredictor, NodePredictor, Predictor

_PREDICTORS: dict[Task, Callable[[Path, Manifest, Live], Predictor]] = {
    Task.NODE_CLASS: NodePredictor,
    Task.NODE_REGRESSION: NodePredictor,
    Task.EDGE_CLASS: EdgePredictor.open,
    Task.EDGE_REGRESSION: EdgePredictor.open,
    Task.LINK_PREDICTION: LinkPredictor.open,
}


def open_predictor(
    folder: Path,
    new_node_vectors: NewNodeVectors = NewNodeVectors.TYPE,
    index: Index = Index.EXACT,
    indices: Path | None = None,
) -> tuple[Manifest, "WithNeighbours"]:
    """Verify an artifact and map its arrays.

    Args:
        folder: the artifact.
        new_node_vectors: what vertices that the model does not know take.
        index: whether links are found by an index, and vertices by their embeddings where no links are predicted.
        indices: where the indices of all versions are kept; None: in memory alone.

    Raises:
        PreconditionsFailed: the index's package is not installed.
        InvalidData: incomplete, changed, or not what its task needs; the message names the file.
    """
    manifest = open_artifact(folder)
    try:
        if manifest.model == ENSEMBLE_MODEL:
            return manifest, WithNeighbours(open_ensemble(folder, manifest, new_node_vectors), None)
        live = LiveModel(folder, manifest, new_node_vectors)
        predictor = _PREDICTORS[manifest.task](folder, manifest, live)
        with_neighbours = WithNeighbours(predictor, Neighbours(folder, manifest))
    except (OSError, KeyError, ValueError) as error:
        raise InvalidData(
            f"artifact {folder} does not hold what a {manifest.task} needs: {error}; run `transform` again"
        ) from None
    if index is Index.FAISS:
        with_neighbours.make_indices(None if indices is None else indices / manifest.version)
    return manifest, with_neighbours


class WithNeighbours:
    """Answers what a predictor does, and which vertices are nearest by embedding, whatever the task.

    Args:
        predictor: answers everything else.
        neighbours: None where there are no embeddings.
    """

    def __init__(self, predictor: Predictor, neighbours: Neighbours | None) -> None:
        self._predictor, self._neighbours = predictor, neighbours
        self.live, self.look_up = predictor.live, predictor.look_up
        #: What is to be said of the indices that it has.
        self.indices: list[IndexReport] = []

    def make_indices(self, kept: Path | None) -> None:
        """Give indices to what is asked most: links, else neighbours.

        Args:
            kept: see `index.index_of`.

        Raises:
            PreconditionsFailed: their package is not installed.
        """
        of = self._predictor if isinstance(self._predictor, LinkPredictor) else self._neighbours
        self.indices = [] if of is None else of.make_indices(kept)

    def answer(self, invocation: Invocation, check: Check) -> Answers | Embeddings:
        """See `Predictor`."""
        if invocation.mode is not Mode.EMBED_KNN:
            return self._predictor.answer(invocation, check)
        if self._neighbours is None:
            raise UnsupportedOperation(
                "an ensemble has no embeddings of its own; ask one of its members embed_knn"
            )
        label, ids = self._neighbours.labels(invocation)[0], invocation.items.nodes
        if invocation.subgraph is None:
            return self._neighbours.find(invocation, *self._neighbours.stored(label, ids), check)
        at, vectors, rows = self.live.embed(invocation.subgraph, invocation.items, label, check)
        return self._neighbours.find(invocation, at, Asked(vectors, rows), check)
