"""The stage: an export folder to a processed one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import (
    ENCODERS,
    HPO_CONFIGURATION,
    HPO_TEMPLATES,
    PROCESSED,
    TRAIN_INSTANCE,
    ProcessedGraph,
    Task,
    write_record,
)
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.filerecords import describe_files
from neptuneml_plugin.processing.configuration.trainingdata import (
    TrainingData,
    read_training_data,
)
from neptuneml_plugin.processing.encoders.fitted import write_encoders
from neptuneml_plugin.processing.graph.native import Built, RawValues, write_graph
from neptuneml_plugin.processing.graph.similar_edges import write_similar
from neptuneml_plugin.processing.reading.dropping import drop_rows
from neptuneml_plugin.processing.reading.elements import Elements, read_elements
from neptuneml_plugin.processing.reading.exportschema import ExportSchema, read_schema
from neptuneml_plugin.processing.reading.exportstats import differences
from neptuneml_plugin.processing.reports.datareport import data_report, write_data_report
from neptuneml_plugin.processing.reports.hpo import hpo_configurations, with_preset
from neptuneml_plugin.processing.reports.instances import instance_recommendation
from neptuneml_plugin.processing.snapshots import drift
from neptuneml_plugin.processing.snapshots.arranging import Arranged, arrange
from neptuneml_plugin.processing.snapshots.drift import write_summaries
from neptuneml_plugin.processing.snapshots.previous import Previous, open_previous, require_same_target, same_ids
from neptuneml_plugin.processing.splits.splitfiles import write_splits
from neptuneml_plugin.processing.target import Answers, read_answers
from neptuneml_plugin.stage import Progress, Stopwatch, Summary, output_folder, silent, write_json


def run(config: ProcessConfig, source: Path, target: Path, progress: Progress = silent) -> Summary:
    """Encode an export as a training graph.

    Args:
        config: which configuration file, the seed of the split, and the snapshot that this one comes after.
        source: the export folder.
        target: the processed folder; whole or absent afterwards.
        progress: told of each step.

    Raises:
        InvalidSettings, UnsupportedOperation: the configuration.
        InvalidData: the files do not hold what the configuration says.
        OSError: the folder could not be written.
    """
    watch = Stopwatch()
    if not source.is_dir():
        raise InvalidParameter(f"{source} is no folder; give the output of `export`")
    previous = open_previous(config.previous) if config.previous else None
    with output_folder(target, overwrite=config.overwrite) as folder:
        read = _read(config, source, previous, progress)
        progress("encoding features", 0.3)
        record, built = _encode(folder, read, config, previous)
        _describe(folder, read, record, built)
        counts = _counts(record, read.answers)
        del read  # frees the rows before torch is there
        if config.dgl_graph:
            progress("writing graph.bin and info.pkl", 0.6)
            _write_for_custom_models(folder, record, built.raw)
        progress("hashing the files", 0.9)
        edited = [path.relative_to(folder).as_posix() for path in (folder / HPO_TEMPLATES).iterdir()]
        files = describe_files(folder, leave_out=[HPO_CONFIGURATION, *edited])
        write_record(folder / PROCESSED, replace(record, files=files))
    progress("done", 1.0)
    return Summary(
        "process", str(target), watch.seconds, watch.peak_memory_mib, record.task.value, record.warnings, counts
    )


@dataclass(frozen=True)
class _Read:
    """What an export says."""

    data: TrainingData
    recorded: ExportSchema
    elements: Elements
    answers: Answers
    #: Where the elements stood before; None without a previous snapshot.
    arranged: Arranged | None
    warnings: tuple[str, ...]


def _read(config: ProcessConfig, source: Path, previous: Previous | None, progress: Progress) -> _Read:
    """Read the configuration, the vertices and edges, and the target with its split."""
    progress("reading the configuration", 0.0)
    data, recorded = read_training_data(source, config.config_file_name), read_schema(source)
    if previous:
        require_same_target(previous, data)
        recorded = same_ids(previous, recorded)
    progress("reading vertices and edges", 0.05)
    everything = read_elements(source, data)
    elements, left_out = drop_rows(everything)
    warnings = (*data.warnings, *differences(source, everything), *left_out)
    arranged = arrange(elements, previous) if previous else None
    if arranged:
        elements, warnings = arranged.elements, (*warnings, *arranged.warnings)
    answers = read_answers(source, data, elements, recorded, config.seed, arranged)
    warnings = (*warnings, *_notes(data, answers), *answers.warnings)
    return _Read(data, recorded, elements, answers, arranged, warnings)


def _encode(
    folder: Path, read: _Read, config: ProcessConfig, previous: Previous | None
) -> tuple[ProcessedGraph, Built]:
    """Write the graph and the edges to build; return its description, and how it was encoded."""
    answers = read.answers
    built = write_graph(folder, read.elements, answers, read.recorded, config.text_models, previous)
    similar = write_similar(folder, built.schema, read.data.similar, previous)
    write_summaries(folder, similar.schema, previous)
    moved = drift.measure(folder, similar.schema, read.arranged) if read.arranged else None
    warnings = (*read.warnings, *built.warnings, *similar.warnings, *(drift.warnings(moved) if moved else ()))
    record = ProcessedGraph(
        answers.task,
        answers.target,
        similar.schema,
        answers.split_rate,
        config.seed,
        warnings,
        answers.reports,
        moved,
    )
    return record, built


def _describe(folder: Path, read: _Read, record: ProcessedGraph, built: Built) -> None:
    """Write what stands beside the graph: split, encoders, search, memory, and the data report."""
    write_splits(folder, read.elements, read.answers.splits, record.schema)
    write_encoders(folder / ENCODERS, built.encoders)
    _write_models(folder, hpo_configurations(read.answers, record.schema))
    write_json(folder / TRAIN_INSTANCE, instance_recommendation(record.schema))
    write_data_report(folder, data_report(record, built.facts))


def _write_models(folder: Path, documents: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the configuration of the first model, and those of all of them as templates."""
    (folder / HPO_TEMPLATES).mkdir()
    for model, document in documents.items():
        write_json(folder / HPO_TEMPLATES / f"{model}.json", document)
    write_json(folder / HPO_CONFIGURATION, with_preset(next(iter(documents.values()))))


def _write_for_custom_models(folder: Path, record: ProcessedGraph, raw: RawValues) -> None:
    # Torch and DGL take seconds to import, and serve this alone.
    from neptuneml_plugin.processing.graph.custom_models import write_for_custom_models  # noqa: PLC0415

    write_for_custom_models(folder, record, raw)


def _notes(data: TrainingData, answers: Answers) -> list[str]:
    notes = []
    if answers.task is Task.LINK_PREDICTION and not any(edge.target for edge in data.edges):
        notes.append(
            "no target is named, so the links of every edge type are learnt; to predict a property instead, name "
            "it in `labels` of its entry in the configuration, as "
            '{"label": ["<property>", "classification"]}, or in `targets` of the export'
        )
    if not any(split.valid.any() for split in answers.splits.values()):
        notes.append("no row is held out for validation, so training cannot tell the best model; set split_rate")
    return notes


def _counts(record: ProcessedGraph, answers: Answers) -> dict[str, int]:
    schema, splits = record.schema, answers.splits.values()
    counts = {
        "vertices": sum(node.count for node in schema.nodes),
        "edges": sum(edge.count for edge in schema.edges),
        "features": sum(len(node.features) for node in schema.nodes) + sum(len(e.features) for e in schema.edges),
        "train": sum(int(split.train.sum()) for split in splits),
        "valid": sum(int(split.valid.sum()) for split in splits),
        "test": sum(int(split.test.sum()) for split in splits),
    }
    types = record.drift.types if record.drift else ()
    for one in types:
        name = "vertices" if one.node is not None else "edges"
        for what, count in (("added", one.added), ("removed", one.removed)):
            counts[f"{name}_{what}"] = counts.get(f"{name}_{what}", 0) + count
    return counts
