"""The stage `train`: a processed folder to trials, metrics, baselines, and the best trial's artifact."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from neptuneml_plugin import __version__
from neptuneml_plugin.artifacts import (
    ARTIFACT,
    HPO_CONFIGURATION,
    IDS,
    PROCESSED,
    RGCN,
    SELECTION,
    TEST_METRICS,
    TRAINING,
    TRIAL,
    TRIALS,
    VALIDATION_METRICS,
    Task,
    TrainingRecord,
    TrialRecord,
    TrialState,
    write_record,
)
from neptuneml_plugin.config import Neighbourhoods, TrainConfig, TrialExecutor
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.stage import (
    Progress,
    Stopwatch,
    Summary,
    clear_but,
    part_of,
    resumable_folder,
    silent,
    write_json,
)
from neptuneml_plugin.training.custom.configuration import MODEL as CUSTOM
from neptuneml_plugin.training.custom.stage import train_custom
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.baselines import run_baselines
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.hyperparameters import OF_CONVOLUTIONS, OF_EDGE_FEATURES, OF_NEGATIVES
from neptuneml_plugin.training.knowledge_graph import scores_all
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.presets import AUTO
from neptuneml_plugin.training.reporting.gather import report_training
from neptuneml_plugin.training.search import raycluster
from neptuneml_plugin.training.search.budget import Budget, budget
from neptuneml_plugin.training.search.configuration import check_model, read_configuration
from neptuneml_plugin.training.search.executors import Executor, LocalProcesses
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.search.trial import CHECKPOINT, REQUEST
from neptuneml_plugin.training.search.trials import Plan, Trials, judged_by
from neptuneml_plugin.training.selection import PRESETS, Race, Selection, select
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.transform import OutputJob, write_outputs
from neptuneml_plugin.training.warmstart import open_previous

#: Shares of the progress: when a model is chosen, where one is, and when the trials are over.
SELECTED, TRIED = 0.25, 0.9
#: Names in metric files of Neptune ML and its toolkit, which stand there beside ours.
METRIC_FILE_NAMES: Mapping[str, str] = {
    "hits@1": "HITS at top 1 (HITS@1)",
    "hits@3": "HITS at top 3 (HITS@3)",
    "hits@10": "HITS at top 10 (HITS@10)",
    "mr": "mean rank (MR)",
    "mrr": "mean reciprocal rank (MRR)",
    "mse": "MSE",
    "acc": "accuracy",
    "roc_auc": "roc_auc_score",
}


def run(config: TrainConfig, source: Path, target: Path, progress: Progress = silent) -> Summary:
    """Train, and write the training folder that `artifacts` describes.

    Raises:
        InvalidData: the source is no whole processed folder.
        InvalidParameter, UnsupportedOperation: a setting or hyperparameter that is wrong or not built.
    """
    if config.custom is not None or config.model == CUSTOM:
        return train_custom(config, source, target, progress)
    watch = Stopwatch()
    if config.trials < 1 or config.parallel < 1:
        raise InvalidParameter("trials and parallel must be at least 1")
    if config.model is not None:
        check_model(config.model)
    data = load_data(source)
    processed = data.processed
    space = read_configuration(source / HPO_CONFIGURATION, processed, config.model)
    if config.previous is not None:
        open_previous(config.previous, data)
    limits = budget(config, source)
    space = replace(space, sampled=_is_sampled(config, space, limits))
    with resumable_folder(target, _settings(config, source), _is_begun, overwrite=config.overwrite) as folder:
        clear_but(folder, (TRIALS, PRESETS, SELECTION))
        race = Race(source, folder, data, config)
        selection = _selection(config, space, limits.threads, race, part_of(progress, 0.0, SELECTED))
        space, plan = selection.space, _plan(folder, source, selection, config, limits)
        with _executor(config, limits) as executor:
            begin = SELECTED if config.model is None and space.preset == AUTO else 0.0
            trials = Trials(plan, executor, data, part_of(progress, begin, TRIED)).run()
        progress("trivial competitors", TRIED)
        record = _record(data, space, trials)
        write_record(folder / TRAINING, record)
        shutil.copytree(source / IDS, folder / IDS)
        _write_metrics(folder, record.best)
        progress("artifact", 0.93)
        write_outputs(folder, folder / ARTIFACT, OutputJob(folder, source, data))
        progress("report", 0.97)
        overruled = _overruled(config.model, space)
        warnings = (*processed.warnings, *limits.warnings, *overruled, *_unused(space, data))
        report_training(folder, record, source, data, (*warnings, *_own_warnings(record)))
        for path in [*folder.glob(f"{TRIALS}/*/{REQUEST}"), *folder.glob(f"{TRIALS}/*/{CHECKPOINT}")]:
            path.unlink()
        shutil.rmtree(folder / PRESETS, ignore_errors=True)
    summary = _summary(record, warnings, target, watch)
    return replace(summary, notes=(selection.reason,) if selection.reason else ())


def _is_sampled(config: TrainConfig, space: SearchSpace, limits: Budget) -> bool:
    if space.model != RGCN or config.neighbourhoods is Neighbourhoods.FULL:
        return False
    return config.neighbourhoods is Neighbourhoods.SAMPLED or not limits.fits


def _selection(config: TrainConfig, space: SearchSpace, threads: int, race: Race, progress: Progress) -> Selection:
    """Return the search that was asked for; a model that is named is trained as it is documented."""
    if config.model is not None:
        return Selection(space)
    torch.set_num_threads(threads)
    return select(space, race, progress)


@contextlib.contextmanager
def _executor(config: TrainConfig, limits: Budget) -> Iterator[Executor | None]:
    """Yield who runs the trials; a single one runs in this process, which has torch and the graph already."""
    if config.executor is TrialExecutor.RAY:
        with raycluster.connected(config.ray_address, limits.threads, limits.trial_bytes) as cluster:
            yield cluster
    else:
        yield LocalProcesses(limits.slots) if config.trials > 1 else None


def _plan(folder: Path, source: Path, selection: Selection, config: TrainConfig, limits: Budget) -> Plan:
    return Plan(
        source=source,
        target=folder,
        space=selection.space,
        trials=config.trials,
        parallel=config.parallel,
        seed=config.seed,
        threads=limits.threads,
        checkpoint_seconds=config.checkpoint_seconds,
        previous=config.previous,
        begun=selection.begun,
    )


def _settings(config: TrainConfig, source: Path) -> dict[str, Any]:
    """Return what decides about the trials, by which an unfinished training is found again."""
    inputs = {name: _digest(source / name) for name in (PROCESSED, HPO_CONFIGURATION)}
    chosen = {
        name: getattr(config, name)
        for name in ("trials", "parallel", "model", "seed", "threads", "neighbourhoods")
    }
    previous = _digest(config.previous / TRAINING) if config.previous else None
    return {**inputs, **chosen, "previous": previous, "release": __version__}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_begun(folder: Path) -> bool:
    """Return whether there is anything of a training that one can go on from."""
    found = (*folder.glob(f"{TRIALS}/*/*"), *folder.glob(f"{PRESETS}/*/*"), folder / SELECTION)
    return any(path.name in {TRIAL, CHECKPOINT, SELECTION} and path.is_file() for path in found)


def _record(data: TrainingData, space: SearchSpace, trials: tuple[TrialRecord, ...]) -> TrainingRecord:
    usable = [trial for trial in trials if trial.state is not TrialState.FAILED]
    best = usable[0]
    for trial in usable[1:]:
        if space.goal.better(judged_by(trial, space.goal), judged_by(best, space.goal)):
            best = trial
    split = next(name for name in ("test", "valid", "train") if name in best.metrics)
    return TrainingRecord(
        task=data.task,
        target=data.processed.target,
        schema=data.processed.schema,
        metric=space.goal.metric,
        trials=trials,
        best_trial=best.number,
        baselines=run_baselines(Evaluator(data, MessageGraph(data), space.goal.topk), split),
        baselines_split=split,
    )


def _write_metrics(folder: Path, best: TrialRecord) -> None:
    for name, split in ((VALIDATION_METRICS, "valid"), (TEST_METRICS, "test")):
        if split in best.metrics:
            values = best.metrics[split]
            document: dict[str, Any] = _named(values)
            if best.threshold is not None:
                document["threshold"] = best.threshold
            if by_type := best.metrics_by_type.get(split):
                document["by edge type"] = {edge: _named(own) for edge, own in by_type.items()}
            write_json(folder / name, document)


def _named(values: Mapping[str, float]) -> dict[str, float]:
    theirs = {METRIC_FILE_NAMES[key]: value for key, value in values.items() if key in METRIC_FILE_NAMES}
    return {**theirs, **values}


def _summary(record: TrainingRecord, warnings: tuple[str, ...], target: Path, watch: Stopwatch) -> Summary:
    best = record.best
    return Summary(
        stage="train",
        task=record.task,
        output=str(target),
        seconds=watch.seconds,
        peak_memory_mib=watch.peak_memory_mib,
        warnings=(*warnings, *_own_warnings(record)),
        counts={"trials": len(record.trials), "epochs": best.epochs},
        metrics=best.metrics,
        baselines=record.baselines,
        baselines_split=record.baselines_split,
        hyperparameters=best.hyperparameters,
    )


def _overruled(asked: str | None, space: SearchSpace) -> list[str]:
    """Say that the file's model was trained instead of the one that was asked for."""
    if asked is None or check_model(asked) == space.model:
        return []
    return [f"{HPO_CONFIGURATION} has been edited and is for '{space.model}', so '{asked}' was not trained"]


def _unused(space: SearchSpace, data: TrainingData) -> list[str]:
    """Say which hyperparameters had no effect, and why."""
    unused, reasons = space.unused(), dict[str, list[str]]()
    for name in unused:
        reasons.setdefault(_why_unused(name, space), []).append(name)
    if data.task is Task.LINK_PREDICTION and scores_all(space.model, data):
        given = [name for name, value in space.defaults().items() if value and name in OF_NEGATIVES]
        reasons["every candidate was scored"] = [name for name in given if name not in unused]
    return [
        f"hyperparameters {', '.join(names)} have no effect: {reason}"
        if names[1:]
        else f"hyperparameter {names[0]} has no effect: {reason}"
        for reason, names in reasons.items()
        if names
    ]


def _why_unused(name: str, space: SearchSpace) -> str:
    if space.model != RGCN:
        return f"{space.model} does not read them"
    if name in OF_CONVOLUTIONS and space.propagates:
        return "layers propagate, as 'restart' is above 0"
    if name in OF_EDGE_FEATURES:
        return "'use-edge-features' is false" if space.featured_edges else "no edge has features"
    return f"training ran on {'sampled' if space.sampled else 'full'} neighbourhoods"


def _own_warnings(record: TrainingRecord) -> list[str]:
    """Say which trivial competitors are as good as the model."""
    warnings = []
    goal, split = Goal(record.metric), record.baselines_split
    own = record.best.metrics[split].get(record.metric)
    if "valid" not in record.best.metrics:
        warnings.append("there are no validation rows: the last epoch was kept; give a split rate with validation")
    elif record.metric not in record.best.metrics["valid"]:
        warnings.append(
            f"{record.metric} cannot be measured on validation, as on rows of one class: the last epoch was kept"
        )
    warnings += [
        f"trial {trial.number} {trial.state}: {trial.message}" for trial in record.trials if trial.message
    ]
    for name, values in record.baselines.items():
        value = values.get(record.metric)
        if own is not None and value is not None and not goal.better(own, value):
            warnings.append(
                f"the model does not beat the trivial competitor '{name}': {record.metric} {own:.4g} "
                f"against {value:.4g} on {split}"
            )
    return warnings
