"""A trained model applied to a graph: its answers for every element, a block at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from neptuneml_plugin.arrays import BLOCK_CELLS, Array, read_blocks
from neptuneml_plugin.artifacts import Task, TrialRecord, node_folder
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.evaluation.evaluator import link_scorers, predict
from neptuneml_plugin.training.links import directions
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

    def links(self, ids: dict[int, TextColumn]) -> Iterator[Links]:
        """Yield the target edge types of link prediction."""
        scorers = link_scorers(self.model, self.vectors, self.data)
        for samples, (score, _) in zip(self.data.samples, scorers, strict=True):
            source, target = self.data.ends_of(samples.position)
            tails, _ = directions(samples.ends, (self.data.counts[source], self.data.counts[target]))
            known = tails.index(torch.arange(len(samples.ends[0])))
            loops = source != target or bool((samples.ends[0] == samples.ends[1]).any())
            name = self.data.processed.schema.edges[samples.position].type.name
            yield Links(name, score, known, ids[source], ids[target], loops)


def write_answers(path: Path, artifact: Path, applied: Applied, trial: TrialRecord) -> tuple[str, ...]:
    """Write `predictions.parquet` beside an artifact; return warnings.

    Raises:
        OSError: the file could not be written whole.
    """
    data = applied.data
    if data.task is Task.LINK_PREDICTION:
        return _write_links(path, artifact, applied, trial)
    samples, classes = data.samples[0], data.processed.target.classes
    if data.task.on_nodes:
        kind = artifact / node_folder(samples.position)
        frames = answers(
            read_blocks(kind / "predictions.npy"), classes, {"id": (TextColumn(IdColumn(kind)), None)}
        )
        write_predictions(path, frames, schema_of(classes, "id"))
        return ()
    kinds = data.ends_of(samples.position)
    ids = _columns(artifact, kinds)
    ends = {
        name: (ids[kind], rows.numpy())
        for name, kind, rows in zip(("id", "target"), kinds, samples.ends, strict=True)
    }
    write_predictions(path, answers(applied.predictions(), classes, ends), schema_of(classes, "id", "target"))
    return ()


def _write_links(path: Path, artifact: Path, applied: Applied, trial: TrialRecord) -> tuple[str, ...]:
    data = applied.data
    ends = [data.ends_of(samples.position) for samples in data.samples]
    pairs = sum(data.counts[source] * data.counts[target] for source, target in ends)
    if pairs > MOST_PAIRS:
        return (f"{path.name} is left out: it would take {pairs:,} pairs of vertices; ask an endpoint instead",)
    ids = _columns(artifact, {kind for pair in ends for kind in pair})

    def frames() -> Iterator[pl.DataFrame]:
        for links in applied.links(ids):
            yield from links.frames(trial.calibration or (1.0, 0.0))

    write_predictions(path, frames(), LINKS)
    return ()


def _columns(artifact: Path, kinds: Iterable[int]) -> dict[int, TextColumn]:
    return {kind: TextColumn(IdColumn(artifact / node_folder(kind))) for kind in kinds}
