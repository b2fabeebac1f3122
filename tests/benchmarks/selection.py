"""What the choice among presets costs beside one training, and whether costs are told well beforehand.

Run with `python -m tests.benchmarks.selection [PROCESSED]…`; processed folders, such as those that `tests.quality`
leaves, or planted graphs. One line of JSON for each preset with what its epoch costs, told and measured, and one
for the choice: its seconds beside those of one whole training of what it chose (target: at most twice), and those
of both, where trial 0 goes on from the choice, beside one training. Seconds are the process's on one thread, so
that other processes disturb little.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from neptuneml_plugin.artifacts import HPO_CONFIGURATION
from neptuneml_plugin.config import ProcessConfig, TrainConfig
from neptuneml_plugin.processing.process import run as process
from neptuneml_plugin.stage import silent
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.checkpoints import Checkpoints
from neptuneml_plugin.training.cost import cost_of
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.loop import Course, Fit, Trainer
from neptuneml_plugin.training.presets import AUTO, fitting
from neptuneml_plugin.training.search.configuration import read_configuration
from neptuneml_plugin.training.search.space import SearchSpace
from neptuneml_plugin.training.search.trial import CHECKPOINT
from neptuneml_plugin.training.selection import Race, select
from tests.benchmarks.costs import show
from tests.quality.planted import planted

#: Planted graphs that are measured where no folders are named.
GRAPHS = ("citations", "films", "heterophilous", "acquaintances", "purchases")
TARGET = 2.0
#: Steps that are measured, after one that is not.
STEPS = 5


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.process_time()
    call()
    return time.process_time() - started


def trainer(data: TrainingData, space: SearchSpace, course: Course | None = None) -> Trainer:
    """Return a training of a search's defaults."""
    chosen = hyperparameters.build(space.defaults(), space.model)
    return Trainer(data, chosen, space.goal, seed=0, course=course, model=space.model)


def measured(one: Trainer) -> tuple[int, float, float]:
    """Return the steps of an epoch, and the seconds of a step and of an evaluation."""
    batches = one._objective.batches()
    one._step(batches[0])
    times = [seconds_of(partial(one._step, batch)) for batch in [*batches, *batches, *batches][:STEPS]]
    evaluation = seconds_of(lambda: one._evaluator.measure(one._seen.whole(one._average), ["valid", "train"]))
    return len(batches), statistics.median(times), evaluation


def show_costs(name: str, data: TrainingData, space: SearchSpace) -> None:
    """Print what an epoch of each preset costs."""
    for preset in fitting(data, space.model):
        own = preset.applied(space)
        cost = cost_of(data, hyperparameters.build(own.defaults(), own.model), own.goal, own.model)
        epoch_steps, step, evaluation = measured(trainer(data, own))
        epoch = epoch_steps * step + cost.evaluations * evaluation
        figures = {"epoch_told": cost.epoch, "epoch_seconds": epoch, "told_by_measured": cost.epoch / epoch}
        rounded = {key: round(value, 3) for key, value in figures.items()}
        show({"benchmark": "cost of an epoch", "graph": name, "preset": preset.name, **rounded})


def show_choice(name: str, folder: Path, data: TrainingData, space: SearchSpace) -> None:
    """Print what the choice costs beside a training of what it chose."""
    found: list[Fit] = []
    with tempfile.TemporaryDirectory() as target:
        race = Race(folder, Path(target), data, TrainConfig())
        started = time.process_time()
        chosen = select(space, race, silent)
        choice = time.process_time() - started
        begun = Checkpoints(chosen.begun / CHECKPOINT, 1e9) if chosen.begun else None
        rest = seconds_of(lambda: trainer(data, chosen.space, Course(checkpoints=begun)).fit(silent))
    again = load_data(folder)  # nothing of the race is computed yet
    alone = seconds_of(lambda: found.append(trainer(again, chosen.space).fit(silent)))
    figures = {
        "choice_seconds": choice,
        "training_seconds": alone,
        "ratio": choice / alone,
        "target": TARGET,
        "both_by_training": (choice + rest) / alone,
    }
    rounded = {key: round(value, 2) for key, value in figures.items()}
    show(
        {
            "benchmark": "choice among presets",
            "graph": name,
            **rounded,
            "epochs": found[0].epochs,
            "goes_on": begun is not None,
            "reason": chosen.reason,
        }
    )


def measure(name: str, folder: Path) -> None:
    """Print the figures of one processed folder."""
    data = load_data(folder)
    space = read_configuration(folder / HPO_CONFIGURATION, data.processed)
    show_costs(name, data, space)
    if space.preset == AUTO:
        show_choice(name, folder, load_data(folder), space)


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    torch.set_num_threads(1)
    for argument in arguments:
        measure(Path(argument).absolute().parent.name, Path(argument))
    for graph in () if arguments else GRAPHS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            process(ProcessConfig(dgl_graph=False), planted(graph, folder / "export"), folder / "processed")
            measure(graph, folder / "processed")


if __name__ == "__main__":
    main(sys.argv[1:])
