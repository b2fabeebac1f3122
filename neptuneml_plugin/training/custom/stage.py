"""The stages `train` and `transform` of custom models."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from neptuneml_plugin import __version__
from neptuneml_plugin.artifacts import (
    ARTIFACT,
    GRAPH,
    IDS,
    INFO_PICKLE,
    PROCESSED,
    TRAINING,
    TRIALS,
    TrainingRecord,
    write_record,
)
from neptuneml_plugin.config import CustomModel, TrainConfig, TransformConfig
from neptuneml_plugin.errors import InvalidData, InvalidParameter, MissingParameter
from neptuneml_plugin.stage import (
    Progress,
    Stopwatch,
    Summary,
    clear_but,
    output_folder,
    part_of,
    resumable_folder,
    write_json,
)
from neptuneml_plugin.training.custom.configuration import read_custom_space
from neptuneml_plugin.training.custom.environment import python_for
from neptuneml_plugin.training.custom.outputs import training_record, write_custom_outputs, write_metric_files
from neptuneml_plugin.training.custom.process import Limits
from neptuneml_plugin.training.custom.source import CustomSource, copied, open_source, version
from neptuneml_plugin.training.custom.trials import Job, best_of, is_done, run_trials, transform_trial
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.reporting.page import Report, write_report
from neptuneml_plugin.training.search.budget import threads_per_trial

#: In a training's output: the folder of the model as it was run, and the names of its scripts.
SOURCE, SCRIPTS = "source", "scripts.json"
#: Share of a training's progress when all trials are done; the transform of the best follows.
TRAINED = 0.9


def train_custom(config: TrainConfig, source: Path, target: Path, progress: Progress) -> Summary:
    """Train a custom model, and transform its best trial.

    Raises:
        AccessDenied: code of users may not run.
        InvalidData, InvalidSettings: the graph, or the folder of the model, lacks something.
        ScriptFailed: no trial ended well, or the transform did not.
    """
    watch = Stopwatch()
    if config.custom is None:
        raise MissingParameter("model 'custom' needs the folder of its scripts: --custom-source")
    if config.trials < 1 or config.parallel < 1:
        raise InvalidParameter("trials and parallel must be at least 1")
    given = open_source(config.custom, trains=True, allowed=config.allow_custom_models)
    space = read_custom_space(given.configuration)
    data = load_data(source)
    _check_graph(source)
    threads = threads_per_trial(config.threads, config.parallel)
    settings = _settings(config, given, source)
    with resumable_folder(target, settings, _is_begun, overwrite=config.overwrite) as folder:
        clear_but(folder, (TRIALS,))
        own = copied(given, folder / SOURCE)
        write_json(folder / SCRIPTS, [own.training_script, own.transform_script])
        with tempfile.TemporaryDirectory(prefix="neptuneml-model-") as name, python_for(own) as (python, toolkit):
            job = Job(source.absolute(), data, own, python, toolkit, _limits(config.custom, threads))
            trials, failures = run_trials(job, folder, space, config, part_of(progress, 0.0, TRAINED))
            best, model = best_of(trials, space), Path(name) / "model"
            progress("transform", TRAINED)
            shutil.copytree(folder / TRIALS / str(best.number), model)
            transform_trial(job, model, best)
            best, warnings = write_custom_outputs(folder, folder / ARTIFACT, model, source, data, best)
        shutil.copytree(source / IDS, folder / IDS)
        record = training_record(
            data, space, [best if each.number == best.number else each for each in trials], best
        )
        write_record(folder / TRAINING, record)
        write_metric_files(folder, record)
        warnings = (*data.processed.warnings, *failures, *warnings)
        write_report(Report(folder, record, warnings, (), higher_is_better=space.objective.maximize))
    counts = {"trials": len(trials), "evaluations": best.epochs}
    return _summary("train", data, target, watch, warnings, counts, record)


def transform_custom(
    config: TransformConfig, record: TrainingRecord, source: Path, target: Path, progress: Progress
) -> Summary:
    """Apply a trained custom model to a processed graph.

    Raises:
        AccessDenied, InvalidData, InvalidSettings, ScriptFailed: as `train_custom`.
    """
    watch = Stopwatch()
    trial = record.best if config.trial is None else record.trial(config.trial)
    custom = config.custom or _trained_with(config.model)
    own = open_source(custom, trains=False, allowed=config.allow_custom_models)
    data = load_data(source)
    _check_graph(source)
    with (
        output_folder(target, overwrite=config.overwrite) as folder,
        tempfile.TemporaryDirectory(prefix="neptuneml-model-") as name,
        python_for(own) as (python, toolkit),
    ):
        used, model = copied(own, Path(name) / "source"), Path(name) / "model"
        job = Job(source.absolute(), data, used, python, toolkit, _limits(custom, threads_per_trial(0, 1)))
        progress("transform")
        shutil.copytree(config.model / TRIALS / str(trial.number), model)
        transform_trial(job, model, trial)
        _, warnings = write_custom_outputs(folder, folder, model, source, data, trial)
    nodes = zip(data.processed.schema.nodes, data.counts, strict=True)
    return _summary("transform", data, target, watch, warnings, {node.label: count for node, count in nodes})


def _settings(config: TrainConfig, given: CustomSource, source: Path) -> dict[str, Any]:
    """Return what decides about the trials, by which an unfinished training is found again."""
    chosen = {name: getattr(config, name) for name in ("trials", "parallel", "seed", "threads")}
    graph = hashlib.sha256((source / PROCESSED).read_bytes()).hexdigest()
    return {**chosen, PROCESSED: graph, "scripts": version(given), "release": __version__}


def _is_begun(folder: Path) -> bool:
    """Return whether a trial is done, which need not run again."""
    return any(is_done(trial) for trial in folder.glob(f"{TRIALS}/*"))


def _trained_with(training: Path) -> CustomModel:
    """Return the scripts that a training has kept."""
    try:
        training_script, transform_script = json.loads((training / SCRIPTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidData(f"{training / SCRIPTS} does not name its scripts ({error}); train again") from None
    return CustomModel(training / SOURCE, training_script, transform_script)


def _limits(custom: CustomModel, threads: int) -> Limits:
    memory = custom.memory_limit_mib or psutil.virtual_memory().total >> 20
    return Limits(custom.time_limit_seconds, memory, threads)


def _check_graph(source: Path) -> None:
    for name in (GRAPH, INFO_PICKLE):
        if not (source / name).is_file():
            raise InvalidData(f"{source} lacks {name}, which custom models read; process without --no-dgl-graph")


def _summary(
    stage: str,
    data: TrainingData,
    target: Path,
    watch: Stopwatch,
    warnings: Sequence[str],
    counts: Mapping[str, int],
    record: TrainingRecord | None = None,
) -> Summary:
    return Summary(
        stage=stage,
        task=data.task,
        output=str(target),
        seconds=watch.seconds,
        peak_memory_mib=watch.peak_memory_mib,
        warnings=tuple(warnings),
        counts=counts,
        metrics=record.best.metrics if record else None,
        baselines=record.baselines if record else None,
        baselines_split=record.baselines_split if record else None,
        hyperparameters=record.best.hyperparameters if record else None,
    )
