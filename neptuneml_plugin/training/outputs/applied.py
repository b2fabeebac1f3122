"""A trained model applied to a graph: its answers for every element, a block at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from neptuneml_plugin.arrays import BLOCK_CELLS, Array, read_blocks
from neptuneml_plugin.artifacts import Task, TrialRecord, node_folder
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.training.data import Samples, TrainingData
from neptuneml_plugin.training.evaluation.evaluator import link_scorers, predict
from neptuneml_plugin.training.links import Scorer, directions
from neptuneml_plugin.training.models.encoder import Vectors
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.outputs.predictions import (
    LINKS,
    MOST_PAIRS,
    Links,
    TextColumn,
    answers,
    schema_of,
    write_predictions,
)


@dataclass(frozen=True)
class Applied:
    """A model and the embeddings that it gives the nodes of a graph."""

    model: Model
    vectors: Vectors
    data: TrainingData

    def predictions(self) -> Iterator[Array]:
        """Yield the predictions of node and edge tasks for all elements of the target type, as `predict` does."""
        target, samples = self.data.processed.target, self.data.samples[0]
        rows = max(1, BLOCK_CELLS // max(1, len(target.classes)))
        for block in torch.split(torch.arange(len(samples.ends[0])), rows):
            with torch.no_grad():
                yield predict(self.model, self.vectors, self.data, block)


def write_answers(path: Path, artifact: Path, applied: Applied, trial: TrialRecord) -> tuple[str, ...]:
    """Write `predictions.parquet` beside an artifact; return warnings.

    Raises:
        OSError: the file could not be written whole.
    """
    data = applied.data
    if data.task is Task.LINK_PREDICTION:
        scorers = [tails for tails, _ in link_scorers(applied.model, applied.vectors, data)]
        return write_link_answers(path, artifact, data, scorers, trial.calibration)
    if data.task.on_nodes:
        write_node_answers(path, artifact, data)
    else:
        write_edge_answers(path, artifact, data, applied.predictions())
    return ()


def write_node_answers(path: Path, artifact: Path, data: TrainingData) -> None:
    """Write the table of a node task, from the predictions of its artifact."""
    classes, kind = data.processed.target.classes, artifact / node_folder(data.samples[0].position)
    ids = TextColumn(IdColumn(kind))
    write_predictions(
        path,
        answers(read_blocks(kind / "predictions.npy"), classes, {"id": (ids, None)}),
        schema_of(classes, "id"),
    )


def write_edge_answers(path: Path, artifact: Path, data: TrainingData, blocks: Iterable[Array]) -> None:
    """Write the table of an edge task, from the predictions of all edges of the target type, in blocks."""
    samples = data.samples[0]
    classes, kinds = data.processed.target.classes, data.ends_of(samples.position)
    ids = _columns(artifact, kinds)
    ends = {
        name: (ids[kind], rows.numpy())
        for name, kind, rows in zip(("id", "target"), kinds, samples.ends, strict=True)
    }
    write_predictions(path, answers(blocks, classes, ends), schema_of(classes, "id", "target"))


def write_link_answers(
    path: Path,
    artifact: Path,
    data: TrainingData,
    scorers: Sequence[Scorer],
    calibration: tuple[float, float] | None,
) -> tuple[str, ...]:
    """Write the table of link prediction; `scorers` are those of targets, one per target edge type."""
    ends = [data.ends_of(samples.position) for samples in data.samples]
    pairs = sum(data.counts[source] * data.counts[target] for source, target in ends)
    if pairs > MOST_PAIRS:
        return (f"{path.name} is left out: it would take {pairs:,} pairs of vertices; ask an endpoint instead",)
    ids = _columns(artifact, {kind for pair in ends for kind in pair})
    links = (_links(data, *each, ids) for each in zip(data.samples, scorers, strict=True))
    frames = (frame for each in links for frame in each.frames(calibration or (1.0, 0.0)))
    write_predictions(path, frames, LINKS)
    return ()


def _links(data: TrainingData, samples: Samples, score: Scorer, ids: dict[int, TextColumn]) -> Links:
    source, target = data.ends_of(samples.position)
    tails, _ = directions(samples.ends, (data.counts[source], data.counts[target]))
    known = tails.index(torch.arange(len(samples.ends[0])))
    loops = source != target or bool((samples.ends[0] == samples.ends[1]).any())
    name = str(data.processed.schema.edges[samples.position].type)
    return Links(name, score, known, ids[source], ids[target], loops)


def _columns(artifact: Path, kinds: Iterable[int]) -> dict[int, TextColumn]:
    return {kind: TextColumn(IdColumn(artifact / node_folder(kind))) for kind in kinds}
