"""From the files of a custom model to an artifact that endpoints serve.

Ids come from our own processed folder in row order, never from a script's pickles (decision 34).
"""

import shutil
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neptuneml_plugin.arrays import save_array
from neptuneml_plugin.artifacts import (
    IDS,
    MANIFEST,
    Manifest,
    Task,
    TrialRecord,
    edge_folder,
    node_folder,
    table_name,
    write_record,
)
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.filerecords import content_version, describe_files
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.table import write_class_table, write_id_table, write_value_table
from neptuneml_plugin.training.data import Samples, TrainingData
from neptuneml_plugin.training.evaluation.evaluator import training_edges
from neptuneml_plugin.training.links import LinkScorer
from neptuneml_plugin.training.tasks import Answer, answer_of

RESULT, ENTITIES, RELATIONS = "result.npz", "entity.npy", "relation.npy"
Floats = npt.NDArray[np.floating]


def write_custom_artifact(
    folder: Path, model: Path, source: Path, data: TrainingData, trial: TrialRecord
) -> Manifest:
    """Write the artifact of a custom model.

    Args:
        folder: of the artifact.
        model: the folder that the transform script wrote into.
        source: the processed folder.
        data: what it holds.
        trial: what was trained.

    Raises:
        InvalidData: a file is missing, or is of another shape than the graph.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for position in range(len(data.counts)):
        shutil.copytree(source / IDS / str(position), folder / node_folder(position))
    _WRITERS[data.task](folder, model, data)
    files = describe_files(folder)
    manifest = Manifest(
        version=content_version(files, data.task, repr(trial.calibration)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        task=data.task,
        target=data.processed.target,
        schema=data.processed.schema,
        model=trial.model,
        hyperparameters={"custom": trial.hyperparameters},
        metrics=trial.metrics,
        files=files,
        threshold=trial.threshold,
        calibration=trial.calibration,
    )
    write_record(folder / MANIFEST, manifest)
    return manifest


def read_scores(model: Path, data: TrainingData) -> npt.NDArray[np.float64]:
    """Return the predictions of a node or edge task: probabilities (n, classes), or values (n, 1), float64.

    Scores that are no probabilities are taken for the numbers before the last function: softmax or logistic.
    """
    answer = answer_of(data.task, data.processed.target)
    classes = len(data.processed.target.classes) if data.task.is_class else 1
    path = model / RESULT
    try:
        with np.load(path, allow_pickle=False) as result:
            scores = np.asarray(result["infer_scores"], dtype=np.float64)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidData(
            f"{path} holds no array 'infer_scores' ({error}); the transform script writes it"
        ) from None
    if scores.ndim == 1 and classes == 1:
        scores = scores[:, None]
    _check(path, scores, (len(data.samples[0].ends[0]), classes))
    if answer is Answer.VALUE or ((scores >= 0) & (scores <= 1)).all():
        return scores
    values = torch.from_numpy(scores)
    return np.asarray((values.softmax(1) if answer is Answer.CLASS else values.sigmoid()).numpy())


def _write_nodes(folder: Path, model: Path, data: TrainingData) -> None:
    position = data.samples[0].position
    kind, scores = folder / node_folder(position), read_scores(model, data)
    save_array(kind / "predictions.npy", scores.astype(np.float32) if data.task.is_class else scores)
    table, ids = folder / table_name(position), IdColumn(kind)
    if data.task.is_class:
        write_class_table(table, ids, data.processed.target.classes, [scores.astype(np.float32)])
    else:
        write_value_table(table, ids, scores[:, 0])
    for at, count in enumerate(data.counts):
        rows = np.zeros((count, 0), np.float32)
        if at == position and (model / ENTITIES).is_file():
            rows = _entities(model)
            _check(model / ENTITIES, rows, (count, rows.shape[1]))
        save_array(folder / node_folder(at) / "embeddings.npy", rows.astype(np.float32))


def _write_edges(folder: Path, model: Path, data: TrainingData) -> None:
    """Write what is said of each pair of vertices that edges join: of several edges the mean."""
    samples, scores = data.samples[0], read_scores(model, data)
    ends = np.stack([end.numpy() for end in samples.ends], 1)
    pairs, at, counts = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    sums = np.zeros((len(pairs), scores.shape[1]))
    np.add.at(sums, at, scores)
    edge = folder / edge_folder(samples.position)
    edge.mkdir(parents=True)
    save_array(edge / "pairs.npy", pairs.astype(np.int64))
    save_array(edge / "predictions.npy", sums / counts[:, None])
    vectors = entities_by_type(model, data) if (model / ENTITIES).is_file() else None
    for position, count in enumerate(data.counts):
        rows = np.zeros((count, 0), np.float32) if vectors is None else vectors[position].numpy()
        save_array(folder / node_folder(position) / "embeddings.npy", rows)


def entities_by_type(model: Path, data: TrainingData) -> list[torch.Tensor]:
    """Return the embeddings of each node type, whose rows follow DGL's order: types sorted by their labels."""
    rows = _entities(model)
    _check(model / ENTITIES, rows, (sum(data.counts), rows.shape[1]))
    labels = [node.label for node in data.processed.schema.nodes]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    parts = np.split(rows, np.cumsum([data.counts[at] for at in order])[:-1])
    found: dict[int, Any] = dict(zip(order, parts, strict=True))
    return [torch.from_numpy(np.ascontiguousarray(found[at], np.float32)) for at in range(len(labels))]


def custom_scorers(model: Path, data: TrainingData) -> list[tuple[LinkScorer, LinkScorer]]:
    """Return the scorers of link prediction, sum(u * relation * v), for each target edge type."""
    vectors, made = entities_by_type(model, data), []
    for samples, relation in zip(data.samples, _relations(model, data, vectors[0].shape[1]), strict=True):
        source, target = (vectors[kind] for kind in data.ends_of(samples.position))
        zeros = torch.zeros(len(source)), torch.zeros(len(target))
        tails = LinkScorer(source * relation, zeros[0], target, zeros[1])
        made.append((tails, LinkScorer(target * relation, zeros[1], source, zeros[0])))
    return made


def _relations(model: Path, data: TrainingData, width: int) -> list[torch.Tensor]:
    """Return the vector of each target edge type; rows are those of the forward types, sorted as DGL does."""
    path = model / RELATIONS
    rows = _load(path)
    types = sorted(edge.type.triple for edge in data.processed.schema.edges)
    _check(path, rows, (len(types), width))
    wanted = (types.index(data.processed.schema.edges[samples.position].type.triple) for samples in data.samples)
    return [torch.from_numpy(np.ascontiguousarray(rows[at], np.float32)) for at in wanted]


def _write_links(folder: Path, model: Path, data: TrainingData) -> None:
    vectors = entities_by_type(model, data)
    for position, rows in enumerate(vectors):
        save_array(folder / node_folder(position) / "embeddings.npy", rows.numpy())
    relations = _relations(model, data, vectors[0].shape[1])
    for samples, relation in zip(data.samples, relations, strict=True):
        _write_link(folder / edge_folder(samples.position), data, samples, relation)
    for kind in sorted({end for samples in data.samples for end in data.ends_of(samples.position)}):
        write_id_table(folder / table_name(kind), IdColumn(folder / node_folder(kind)))


def _write_link(edge: Path, data: TrainingData, samples: Samples, relation: torch.Tensor) -> None:
    edge.mkdir(parents=True)
    source, target = data.ends_of(samples.position)
    save_array(edge / "relation.npy", relation.numpy())
    save_array(edge / "source_bias.npy", np.zeros(data.counts[source], np.float32))
    save_array(edge / "target_bias.npy", np.zeros(data.counts[target], np.float32))
    for name, index in zip(("tails", "heads"), training_edges(data, samples), strict=True):
        save_array(edge / f"{name}_indptr.npy", index.indptr.numpy())
        save_array(edge / f"{name}_indices.npy", index.indices.numpy())


_WRITERS: Mapping[Task, Callable[[Path, Path, TrainingData], None]] = {
    Task.NODE_CLASS: _write_nodes,
    Task.NODE_REGRESSION: _write_nodes,
    Task.EDGE_CLASS: _write_edges,
    Task.EDGE_REGRESSION: _write_edges,
    Task.LINK_PREDICTION: _write_links,
}


def _entities(model: Path) -> Floats:
    rows = _load(model / ENTITIES)
    if rows.ndim != 2:
        raise InvalidData(f"{model / ENTITIES} has the shape {rows.shape}, not (rows, width)")
    return rows


def _load(path: Path) -> Floats:
    try:
        rows: Floats = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidData(f"{path} is no array ({error}); the transform script writes it") from None
    return rows


def _check(path: Path, rows: Floats, shape: tuple[int, ...]) -> None:
    if rows.shape != shape:
        raise InvalidData(f"{path} has the shape {rows.shape}, the graph wants {shape}; rows follow node_id_map")
