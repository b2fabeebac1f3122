"""The scripts of a custom model, run: trials, one or several at a time, and the transform of one."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import METRICS_LOG, TRIAL, TRIALS, TrialRecord, read_record, write_record
from neptuneml_plugin.config import TrainConfig
from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training.custom.configuration import MODEL, CustomSpace
from neptuneml_plugin.training.custom.contract import environment, flags, identity, write_tuning_details
from neptuneml_plugin.training.custom.process import Limits, ScriptFailed, run_script
from neptuneml_plugin.training.custom.source import CustomSource
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.search.study import Search, generations

OUTPUT_LOG = "output.log"


@dataclass(frozen=True)
class Job:
    """What all scripts of a job share."""

    #: The processed folder.
    processed: Path
    data: TrainingData
    source: CustomSource
    python: Path
    toolkit: Path
    limits: Limits

    def run(
        self,
        script: str,
        arguments: Sequence[str],
        model: Path,
        output: Path,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Run a script; what it prints goes to `output.log` in `output`."""
        variables = environment(self.processed, model, output, self.toolkit, self.limits.cores)
        command = [str(self.python), str(self.source.folder / script), *arguments]
        run_script(command, self.source.folder, variables, self.limits, output / OUTPUT_LOG, on_line)


def run_trials(
    job: Job, folder: Path, space: CustomSpace, config: TrainConfig, progress: Progress
) -> tuple[list[TrialRecord], list[str]]:
    """Run all trials in generations, but those whose folders hold their records already.

    Returns:
        the trials that ended well, and what became of the others.
    """
    search = Search(space, config.trials, config.seed)
    done: list[TrialRecord] = []
    failures: list[ScriptFailed] = []
    with ThreadPoolExecutor(config.parallel) as pool:
        try:
            for numbers in generations(config.trials, config.parallel):
                asked = search.ask(numbers)
                made = pool.map(
                    lambda *each: _run_trial(job, folder, space, config.seed, progress, *each), numbers, asked
                )
                for number, trial in zip(numbers, made, strict=True):
                    if isinstance(trial, ScriptFailed):
                        failures.append(trial)
                    else:
                        done.append(trial)
                        search.tell(trial.hyperparameters, trial.metrics["valid"][space.objective.name])
                    progress(f"trial {number} is done", (number + 1) / config.trials)
        except BaseException:
            job.limits.stop.set()
            raise
    if not done:
        raise failures[0]
    return done, [str(failure) for failure in failures]


def _run_trial(
    job: Job,
    folder: Path,
    space: CustomSpace,
    seed: int,
    progress: Progress,
    number: int,
    values: Mapping[str, Any],
) -> TrialRecord | ScriptFailed:
    """Run the training script once; what it prints of the objective becomes the log of metrics."""
    trial, started, objective = folder / TRIALS / str(number), time.monotonic(), space.objective
    if is_done(trial):
        return read_record(trial / TRIAL, TrialRecord)
    found: list[float] = []
    shutil.rmtree(
        trial, ignore_errors=True
    )  # of a script that was ended; there is nothing that it could go on from
    trial.mkdir(parents=True)
    with (trial / METRICS_LOG).open("w", encoding="utf-8") as log:

        def read(line: str) -> None:
            for value in objective.values(line):
                found.append(value)
                progress(f"trial {number}, evaluation {len(found)}: {objective.name} {value:g}")
                seconds = round(time.monotonic() - started, 3)
                log.write(
                    json.dumps({"epoch": len(found), "seconds": seconds, "valid": {objective.name: value}}) + "\n"
                )

        known = identity(job.data.task, job.data.processed.target) | dict(values)
        try:
            job.run(job.source.training_script, flags(known), trial, trial, read)
        except ScriptFailed as error:
            return ScriptFailed(f"trial {number}: {error}")
    if not found:
        pattern = objective.pattern.pattern
        return ScriptFailed(f"trial {number} printed nothing that matches '{pattern}', so it cannot be judged")
    best = (max if objective.maximize else min)(range(len(found)), key=found.__getitem__)
    metrics = {"valid": {objective.name: found[-1]}}
    seconds, own_seed = round(time.monotonic() - started, 3), seed + number
    record = TrialRecord(number, MODEL, dict(values), metrics, best + 1, len(found), seconds, own_seed)
    write_record(trial / TRIAL, record)
    return record


def is_done(trial: Path) -> bool:
    """Return whether a trial has a record, which those that failed have not."""
    return (trial / TRIAL).is_file()


def best_of(trials: Sequence[TrialRecord], space: CustomSpace) -> TrialRecord:
    """Return the trial that ended with the best value of the objective."""
    best = trials[0]
    for trial in trials[1:]:
        name = space.objective.name
        if space.objective.better(trial.metrics["valid"][name], best.metrics["valid"][name]):
            best = trial
    return best


def transform_trial(job: Job, model: Path, trial: TrialRecord) -> None:
    """Run the transform script on a copy of a trial's files, which it adds its own to.

    Raises:
        ScriptFailed: it did not end well.
    """
    values = identity(job.data.task, job.data.processed.target) | dict(trial.hyperparameters)
    with tempfile.TemporaryDirectory(prefix="neptuneml-output-") as name:
        write_tuning_details(Path(name), values)
        try:
            job.run(job.source.transform_script, [], model, Path(name))
        finally:
            log = Path(name) / OUTPUT_LOG
            if log.is_file():
                shutil.copyfile(log, model / f"transform-{OUTPUT_LOG}")
