"""All trials of a training, in generations, so that what a trial knows of others does not depend on speed."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import TRIAL, TRIALS, TrialRecord, TrialState, read_record, write_record
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.search.executors import Executor
from neptuneml_plugin.training.search.failures import Failure, Kind, failure_of
from neptuneml_plugin.training.search.pruning import best_so_far, medians
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.search.study import Search, generations
from neptuneml_plugin.training.search.trial import TrialRequest, run_trial
from neptuneml_plugin.training.stopping import Goal
from neptuneml_plugin.training.warmstart import open_previous


@dataclass(frozen=True)
class Plan:
    """What all trials of a training share."""

    source: Path
    #: The training folder being written.
    target: Path
    space: SearchSpace
    trials: int
    parallel: int
    seed: int
    #: Threads of one trial.
    threads: int
    checkpoint_seconds: float
    #: Folder of an earlier training.
    previous: Path | None = None
    #: Folder of a paused training that trial 0 goes on from.
    begun: Path | None = None

    def folder(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.target / TRIALS / str(number)

    def generations(self) -> Iterator[Sequence[int]]:
        """See `study.generations`."""
        return generations(self.trials, self.parallel)


class Trials:
    """Runs trials and remembers their results.

    Args:
        plan: what to run.
        executor: who runs them; None: this process.
        data: the processed folder, for a trial in this process.
        progress: told of every evaluation.
    """

    def __init__(self, plan: Plan, executor: Executor | None, data: TrainingData, progress: Progress) -> None:
        self._plan, self._executor, self._data, self._progress = plan, executor, data, progress
        self._search = Search(plan.space, plan.trials, plan.seed)
        self._curves: list[list[float]] = []
        self._records: list[TrialRecord] = []
        #: Trials that have ended.
        self._ended = 0
        if plan.previous is not None:
            for record in open_previous(plan.previous, data).trials:
                self._learn(record, plan.previous)

    def run(self) -> tuple[TrialRecord, ...]:
        """Run all trials, but those whose folders hold their records already.

        Raises:
            NeptuneMLError: none of them gave a model.
            InvalidParameter, OSError: what every trial would meet.
        """
        for numbers in self._plan.generations():
            self._run(numbers)
            for number in numbers:
                self._records.append(read_record(self._plan.folder(number) / TRIAL, TrialRecord))
                self._learn(self._records[-1], self._plan.target)
        if all(record.state is TrialState.FAILED for record in self._records):
            raise NeptuneMLError(f"no trial gave a model; trial 0: {self._records[0].message}")
        return tuple(self._records)

    def _run(self, numbers: Sequence[int]) -> None:
        """Run those of a generation that have not run yet; try again, alone, what did not have enough memory."""
        bar = medians(self._curves)
        requests = {
            self._plan.folder(number): self._request(number, values, bar)
            for number, values in zip(numbers, self._search.ask(numbers), strict=True)
        }
        left = [folder for folder in requests if not _is_done(folder)]
        self._ended += len(requests) - len(left)
        for folder in left:
            requests[folder].write(folder)
        again = []
        for folder, failure in self._failures(left):
            if failure.kind is Kind.MEMORY:
                self._progress(f"trial {folder.name}: {failure.message}; it will be tried again, alone")
                again.append(folder)
            else:
                self._give_up(requests[folder], folder, failure)
        for folder in again:
            for _, failure in self._failures([folder]):
                message = f"{failure.message}, twice; lower 'num-hidden', or give it more memory"
                self._give_up(requests[folder], folder, Failure(failure.kind, message))

    def _failures(self, folders: Sequence[Path]) -> list[tuple[Path, Failure]]:
        """Run trials and return those that failed."""
        if self._executor is None:
            for folder in folders:
                with _memory_named():
                    run_trial(folder, self._data, self._of_one)
                self._ended += 1
            return []
        found = []
        with contextlib.closing(self._executor.run(folders, self._of_one)) as endings:
            for ending in endings:
                self._ended += ending.failure is None or ending.failure.kind is not Kind.MEMORY
                if ending.failure is not None:
                    ending.failure.raise_if_shared()
                    found.append((ending.folder, ending.failure))
                else:
                    self._tell(read_record(ending.folder / TRIAL, TrialRecord))
        return found

    def _of_one(self, message: str, fraction: float | None = None) -> None:
        """Tell the progress of a trial as a share of all; those beside it count once they have ended."""
        share = None if fraction is None else min(1.0, (self._ended + fraction) / self._plan.trials)
        self._progress(message, share)

    def _tell(self, record: TrialRecord) -> None:
        self._of_one(f"trial {record.number} took {record.seconds:.0f} s ({record.state})", 0.0)

    def _request(self, number: int, values: Mapping[str, Any], bar: tuple[float | None, ...]) -> TrialRequest:
        plan = self._plan
        return TrialRequest(
            number=number,
            source=str(plan.source.absolute()),
            model=plan.space.model,
            sampled=plan.space.sampled,
            goal=dataclasses.asdict(plan.space.goal),
            hyperparameters=values,
            seed=plan.seed + number,
            threads=plan.threads,
            checkpoint_seconds=plan.checkpoint_seconds,
            previous=str(plan.previous.absolute()) if plan.previous else None,
            bar=bar if number else (),
            begun=str(plan.begun.absolute()) if plan.begun and not number else None,
        )

    def _give_up(self, request: TrialRequest, folder: Path, failure: Failure) -> None:
        self._progress(f"trial {request.number} failed: {failure.message}")
        record = TrialRecord(
            number=request.number,
            model=request.model,
            hyperparameters=request.hyperparameters,
            metrics={},
            best_epoch=0,
            epochs=0,
            seconds=0.0,
            seed=request.seed,
            state=TrialState.FAILED,
            message=failure.message,
        )
        write_record(folder / TRIAL, record)

    def _learn(self, record: TrialRecord, training: Path) -> None:
        """Take what a trial of this or of an earlier training says of its hyperparameters."""
        goal = self._plan.space.goal
        if record.state in {TrialState.COMPLETE, TrialState.PRUNED}:
            self._search.tell(record.hyperparameters, judged_by(record, goal))
        if record.state is TrialState.COMPLETE:
            self._curves.append(best_so_far(training / TRIALS / str(record.number), goal))


@contextlib.contextmanager
def _memory_named() -> Iterator[None]:
    """Say in plain words that there was not enough memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        failure = failure_of(error)
        if failure.kind is not Kind.MEMORY:
            raise
        raise NeptuneMLError(
            f"{failure.message}; lower 'num-hidden' or 'batch-size', or give it more memory"
        ) from None


def _is_done(folder: Path) -> bool:
    """Return whether a trial has a record; those that failed run again."""
    path = folder / TRIAL
    return path.is_file() and read_record(path, TrialRecord).state is not TrialState.FAILED


def judged_by(record: TrialRecord, goal: Goal) -> float:
    """Return the value that trials are compared by: the goal's metric on validation, else on training rows."""
    split = record.metrics.get("valid") or record.metrics.get("train") or {}
    return split.get(goal.metric, goal.worst)
