"""The stage `transform`: a trained model and a processed graph to an artifact, and the files beside it.

The graph may be another one than the model was trained on: learned vectors are found again by the nodes' ids, and
nodes that the training did not see take the average vector of their type.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neptuneml_plugin.arrays import read_blocks, save_blocks
from neptuneml_plugin.artifacts import (
    ARTIFACT,
    ENCODERS,
    IDS,
    MANIFEST,
    PREDICTIONS,
    RGCN,
    TRAINING,
    TRIALS,
    WEIGHTS,
    GraphSchema,
    Manifest,
    Scores,
    Task,
    TrainingRecord,
    TrialRecord,
    read_record,
    table_name,
    write_record,
)
from neptuneml_plugin.config import TransformConfig
from neptuneml_plugin.errors import ConstraintViolation, InvalidData
from neptuneml_plugin.filerecords import content_version, describe_files
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.stage import Progress, Stopwatch, Summary, output_folder, silent
from neptuneml_plugin.table import write_class_table, write_id_table, write_value_table
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.custom.configuration import MODEL as CUSTOM
from neptuneml_plugin.training.custom.stage import transform_custom
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator, training_edges, weighted_parts
from neptuneml_plugin.training.links import EdgeIndex
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models.decoders import EdgeDecoder, LinkDecoder
from neptuneml_plugin.training.models.encoder import Vectors
from neptuneml_plugin.training.models.kge import SCORE_FUNCTIONS, KgeDecoder, score_function
from neptuneml_plugin.training.models.model import Model, aligned, save_weights
from neptuneml_plugin.training.outputs.applied import Applied, write_answers
from neptuneml_plugin.training.outputs.clientfiles import write_client_files
from neptuneml_plugin.training.outputs.incremental import (
    Hashes,
    changed_embeddings,
    fingerprints,
    read_known,
    save_fingerprints,
)

_PACKAGES = ("neptuneml-plugin", "torch", "dgl", "numpy", "scikit-learn", "safetensors")


def run(config: TransformConfig, source: Path, target: Path, progress: Progress = silent) -> Summary:
    """Write the artifact of a trial for a processed graph, and the files that clients know beside it.

    Raises:
        InvalidData: the source is no whole processed folder, or `config.model` no whole training folder.
        InvalidParameter: the training has no such trial.
        ConstraintViolation: the graph's schema is not the one that the model was trained on.
    """
    record = read_record(config.model / TRAINING, TrainingRecord)
    if record.best.model == CUSTOM:
        return transform_custom(config, record, source, target, progress)
    watch = Stopwatch()
    data = load_data(source)
    progress("computing the embeddings", 0.1)
    with output_folder(target, overwrite=config.overwrite) as folder:
        known = config.previous or _own_artifact(config, record)
        job = OutputJob(config.model, source, data, config.trial, known)
        warnings = write_outputs(folder, folder, job, progress)
    return Summary(
        stage="transform",
        task=data.task,
        output=str(target),
        seconds=watch.seconds,
        peak_memory_mib=watch.peak_memory_mib,
        warnings=warnings,
        counts={node.label: count for node, count in zip(data.processed.schema.nodes, data.counts, strict=True)},
    )


def _own_artifact(config: TransformConfig, record: TrainingRecord) -> Path | None:
    """Return the artifact that a training has written of the model that is asked for."""
    own = config.model / ARTIFACT
    return own if config.trial in {None, record.best_trial} and (own / MANIFEST).is_file() else None


@dataclass(frozen=True)
class OutputJob:
    """What is applied to what."""

    #: The training folder.
    training: Path
    #: The processed folder, and what it holds.
    source: Path
    data: TrainingData
    #: Whose model; None: the best trial's.
    trial: int | None = None
    #: Artifact of a graph that differs little.
    previous: Path | None = None


def write_outputs(folder: Path, artifact: Path, job: OutputJob, progress: Progress = silent) -> tuple[str, ...]:
    """Write an artifact, and the other outputs of a transform; return warnings.

    Args:
        folder: of the other outputs.
        artifact: folder of the artifact, which may be the same.
        job: what is applied to what.
        progress: told how much is computed anew.
    """
    data = job.data
    record = read_record(job.training / TRAINING, TrainingRecord)
    _check_schema(record, data)
    chosen = record.best if job.trial is None else record.trial(job.trial)
    model, unseen = load_model(chosen, job.training, job.source, data)
    model.eval()
    graph = model.graph(data)
    ids = [IdColumn(job.source / IDS / str(position)) for position in range(len(data.counts))]
    # Knowledge-graph embeddings are looked up, which costs less than telling what changed.
    found = fingerprints(model, graph, data, ids) if model.name == RGCN else []
    known = read_known(job.previous, model, ids, found) if job.previous and found else None
    changed = changed_embeddings(model, graph, data, known) if known else None
    vectors, computed = changed or (Evaluator(data, graph).embed(model), sum(data.counts))
    progress(f"embeddings of {computed:,} of {sum(data.counts):,} vertices computed", 0.6)
    applied = Applied(model, vectors, data)
    manifest = write_artifact(artifact, applied, graph, chosen, job.source, found)
    write_client_files(folder, artifact, manifest)
    return (
        *(
            f"{count} '{label}' vertices were not in the training graph and take its average vector"
            for label, count in unseen.items()
        ),
        *write_answers(folder / PREDICTIONS, artifact, applied, chosen),
    )


def write_artifact(
    folder: Path, applied: Applied, graph: MessageGraph, trial: TrialRecord, source: Path, found: Sequence[Hashes]
) -> Manifest:
    """Write all files of an artifact, the manifest last."""
    model, data = applied.model, applied.data
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(model, folder / WEIGHTS)
    if (source / ENCODERS).is_file():
        shutil.copyfile(source / ENCODERS, folder / ENCODERS)
    for position in range(len(data.counts)):
        shutil.copytree(source / IDS / str(position), folder / "nodes" / str(position))
    for position, embeddings in enumerate(applied.vectors):
        _save(folder / "nodes" / str(position) / "embeddings.npy", embeddings)
    save_fingerprints(folder, found)
    if model.symmetric:
        _write_degrees(folder, graph, data)
    with torch.no_grad():
        scalars = _write_decoder(folder, applied)
    return _write_manifest(folder, trial, data, scalars)


def _write_degrees(folder: Path, graph: MessageGraph, data: TrainingData) -> None:
    for position in range(len(data.processed.schema.edges)):
        edge = folder / "edges" / str(position)
        edge.mkdir(parents=True)
        for name, degrees in zip(("source", "target"), graph.degrees(position), strict=True):
            _save(edge / f"{name}_degrees.npy", degrees)


def _write_decoder(folder: Path, applied: Applied) -> dict[str, float]:
    """Write what answers are computed from, per task; return the decoder's scalars."""
    model, data, decoder = applied.model, applied.data, applied.model.decoder
    if isinstance(decoder, LinkDecoder | KgeDecoder):
        _write_links(folder, decoder, applied.vectors, data)
        _write_parts(folder, model, data)
        return {}
    if isinstance(decoder, EdgeDecoder):
        _write_edge_decoder(folder / "decoder", decoder)
        return {"mean": float(model.scale[0]), "std": float(model.scale[1])}
    _write_predictions(folder, applied)
    return {}


def _write_predictions(folder: Path, applied: Applied) -> None:
    """Write the predictions of a node task, a block of rows at a time."""
    position, classes = applied.data.samples[0].position, applied.data.processed.target.classes
    kind, is_class = folder / "nodes" / str(position), applied.data.task.is_class
    path, shape = kind / "predictions.npy", (applied.data.counts[position], len(classes) if is_class else 1)
    save_blocks(path, shape, np.float32 if is_class else np.float64, applied.predictions())
    if is_class:
        write_class_table(folder / table_name(position), IdColumn(kind), classes, read_blocks(path))
    else:
        write_value_table(folder / table_name(position), IdColumn(kind), np.load(path)[:, 0])


def _write_edge_decoder(folder: Path, decoder: EdgeDecoder) -> None:
    folder.mkdir()
    arrays = {
        "hidden_weight": decoder.hidden.weight.T,
        "hidden_bias": decoder.hidden.bias,
        "output_weight": decoder.output.weight.T,
        "output_bias": decoder.output.bias,
        "dot_weight": decoder.dot_weight,
        "source_bias": decoder.source_bias,
        "target_bias": decoder.target_bias,
    }
    for name, value in arrays.items():
        _save(folder / f"{name}.npy", value)


def _write_links(folder: Path, decoder: LinkDecoder | KgeDecoder, vectors: Vectors, data: TrainingData) -> None:
    if isinstance(decoder, LinkDecoder):
        for kind in sorted({data.ends_of(samples.position)[1] for samples in data.samples}):
            _save(folder / "nodes" / str(kind) / "candidates.npy", decoder.candidate(vectors[kind]))
    for position, samples in enumerate(data.samples):
        edge = folder / "edges" / str(samples.position)
        edge.mkdir(parents=True, exist_ok=True)
        _write_relation(edge, decoder, position, data)
        tails, heads = training_edges(data, samples)
        _save_index(edge, "tails", tails)
        _save_index(edge, "heads", heads)
    for kind in sorted({end for samples in data.samples for end in data.ends_of(samples.position)}):
        write_id_table(folder / table_name(kind), IdColumn(folder / "nodes" / str(kind)))


def _write_parts(folder: Path, model: Model, data: TrainingData) -> None:
    """Write what is added to scores, weighted, of each direction that has it."""
    for name, parts, weights in weighted_parts(model, data):
        for samples, pair in zip(data.samples, parts, strict=True):
            for way, part, weight in zip(("tails", "heads"), pair, weights, strict=True):
                if part is not None and weight:
                    edge = folder / "edges" / str(samples.position)
                    _save(edge / f"{way}_{name}.npy", part.matrix * weight)


def _write_relation(edge: Path, decoder: LinkDecoder | KgeDecoder, position: int, data: TrainingData) -> None:
    if isinstance(decoder, LinkDecoder):
        tail, head = decoder.stored_relations(position)
        biases = decoder.source_biases[position], decoder.target_biases[position]
    else:
        tail, head = decoder.relations[2 * position], decoder.relations[2 * position + 1]
        source, target = data.ends_of(data.samples[position].position)
        biases = torch.zeros(data.counts[source]), torch.zeros(data.counts[target])
    _save(edge / "relation.npy", tail)
    if not torch.equal(tail, head):
        _save(edge / "relation_heads.npy", head)
    for end, values in zip(("source", "target"), biases, strict=True):
        _save(edge / f"{end}_bias.npy", values)


def _write_manifest(
    folder: Path, trial: TrialRecord, data: TrainingData, scalars: Mapping[str, float]
) -> Manifest:
    files = describe_files(folder)
    manifest = Manifest(
        version=content_version(files, data.task, repr(trial.threshold), repr(trial.calibration)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        task=data.task,
        target=data.processed.target,
        schema=data.processed.schema,
        model=trial.model,
        hyperparameters=trial.hyperparameters,
        metrics=trial.metrics,
        files=files,
        threshold=trial.threshold,
        calibration=trial.calibration,
        scores=_scores(trial),
        decoder=scalars,
        packages={name: version(name) for name in _PACKAGES},
    )
    write_record(folder / MANIFEST, manifest)
    return manifest


def _scores(trial: TrialRecord) -> Scores:
    if trial.model not in SCORE_FUNCTIONS:
        return Scores.PRODUCT
    return score_function(trial.model, hyperparameters.build(trial.hyperparameters, trial.model)).scores


def load_model(
    trial: TrialRecord, training: Path, source: Path, data: TrainingData
) -> tuple[Model, dict[str, int]]:
    """Return the model with its learned vectors in the graph's row order, and its unseen nodes by label."""
    path = training / TRIALS / str(trial.number) / WEIGHTS
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InvalidData(f"{path} is no whole file of weights ({error}); run `train` again") from None
    model = Model(data.processed, hyperparameters.build(trial.hyperparameters, trial.model), trial.model)
    unseen = {}
    for kind, node in enumerate(data.processed.schema.nodes):
        rows = _training_rows(training / IDS / str(kind), source / IDS / str(kind))
        for name in (name for name, owner in model.node_tables.items() if owner == kind):
            weights[name] = aligned(weights[name], rows)
        if (rows < 0).any():
            unseen[node.label] = int((rows < 0).sum())
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InvalidData(f"{path} does not fit {training / TRAINING} ({error}); run `train` again") from None
    return model, unseen


def _training_rows(training: Path, source: Path) -> Tensor:
    """Return, for each row of the graph, the node's row in the training graph, or -1."""
    return torch.from_numpy(IdColumn(training).rows(IdColumn(source).texts()))


def _check_schema(record: TrainingRecord, data: TrainingData) -> None:
    """Refuse a graph whose types, features or target are not those that the model was trained on."""
    here = data.processed
    if (record.task, record.target) != (here.task, here.target):
        raise ConstraintViolation(
            f"the model predicts {_target_text(record.task, record)}, the graph was processed for "
            f"{_target_text(here.task, here)}; process it with the configuration of the training"
        )
    trained, given = _shape(record.schema), _shape(here.schema)
    differing = sorted(name for name in trained.keys() | given.keys() if trained.get(name) != given.get(name))
    if differing or list(trained) != list(given):
        raise ConstraintViolation(
            f"the graph differs from the training's in {', '.join(differing) or 'the order of its types'}; "
            "process it with the training's encoders"
        )


def _target_text(task: Task, holder: object) -> str:
    target = holder.target  # type: ignore[attr-defined]
    return f"{task} of {target.node or [edge.triple for edge in target.edges]}.{target.property_name}"


def _shape(schema: GraphSchema) -> dict[str, object]:
    """Return everything of a schema but its counts, by a readable name."""
    nodes: dict[str, object] = {
        f"vertex '{node.label}'": dataclasses.replace(node, count=0) for node in schema.nodes
    }
    edges: dict[str, object] = {
        f"edge {edge.type.triple}": dataclasses.replace(edge, count=0) for edge in schema.edges
    }
    return nodes | edges


def _save(path: Path, values: Tensor) -> None:
    np.save(path, np.ascontiguousarray(values.detach().cpu().numpy(), dtype=np.float32))


def _save_index(folder: Path, name: str, index: EdgeIndex) -> None:
    np.save(folder / f"{name}_indptr.npy", index.indptr.cpu().numpy())
    np.save(folder / f"{name}_indices.npy", index.indices.cpu().numpy())
