"""Peak memory of `train` as graphs grow, beside what `train_instance_recommendation.json` says.

Run with `python -m tests.benchmarks.training_memory [EDGES]…`; one line of JSON per size, task, preset and kind of
neighbourhood, then log-log slopes of what a training takes above its imports (target: at most 1.1). Training ends
after `STEPS` steps, since later ones take no more memory; all that follows is as it is, from evaluation to the
report. Phases have peaks of their own, and `epoch_seconds` are of a whole epoch, without evaluation. The constants
of `processing/reports/instances.py` are fitted to whole neighbourhoods.
"""

import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, TRAIN_INSTANCE, Task
from neptuneml_plugin.config import Neighbourhoods, TrainConfig
from neptuneml_plugin.stage import write_json
from neptuneml_plugin.training import objectives
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.objectives import Batch
from neptuneml_plugin.training.train import run as train
from tests.benchmarks.costs import run, show, steepest_slope
from tests.benchmarks.processing import process_command
from tests.made_exports import made_export
from tests.quality.__main__ import name_preset

SIZES = (100_000, 1_000_000, 10_000_000)
#: Optimiser steps that are trained, the first of which is not timed.
STEPS = 3
PRESETS = {
    Task.NODE_CLASS: ("rgcn", "edges"),
    Task.EDGE_REGRESSION: ("linear",),
    Task.LINK_PREDICTION: ("rgcn",),
}
TARGET = 1.1


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    sizes = [int(argument) for argument in arguments] or SIZES
    bare = run([sys.executable, "-c", "import neptuneml_plugin.training.train"]).memory
    show({"benchmark": "train, imports alone", "peak_mb": round(bare)})
    peaks: dict[str, list[float]] = {}
    for size in sizes:
        for task in PRESETS:
            with tempfile.TemporaryDirectory() as folder:
                for name, peak in _measure(Path(folder), size, task):
                    peaks.setdefault(name, []).append(peak - bare)
    for name, found in peaks.items():
        if len(sizes) > 1:
            slope = round(steepest_slope(sizes, found), 2)
            show({"benchmark": name, "edges": f"{sizes[0]} to {sizes[-1]}", "slope": slope, "target": TARGET})


def _measure(folder: Path, size: int, task: Task) -> Iterator[tuple[str, float]]:
    """Yield the name and the peak in MB of each preset's training, on either kind of neighbourhood."""
    export, processed = made_export(folder / "export", size, task=task, form="parquet"), folder / "processed"
    run([*process_command(export, processed), "--no-dgl-graph"])
    said = json.loads((processed / TRAIN_INSTANCE).read_text(encoding="utf-8"))
    estimate = int(said["mem_size"]) / 1e6
    for preset, kind in itertools.product(PRESETS[task], (Neighbourhoods.FULL, Neighbourhoods.SAMPLED)):
        figures = folder / f"{preset}-{kind}.json"
        run([sys.executable, "-m", __spec__.name, str(processed), preset, kind, str(figures)])
        found = json.loads(figures.read_text(encoding="utf-8"))
        name = f"train, {task} by '{preset}', {kind}"
        above = f"{estimate / found['peak_mb'] - 1:+.0%}"
        show({"benchmark": name, "edges": size, **found, "estimated_mb": round(estimate), "off": above})
        yield name, found["peak_mb"]


def train_a_little(processed: Path, preset: str, neighbourhoods: Neighbourhoods, figures: Path) -> None:
    """Train `STEPS` steps in this process, and write down what that took."""
    name_preset(processed / HPO_CONFIGURATION, preset)
    peaks, clock = Peaks(), Clock()
    config = TrainConfig(neighbourhoods=neighbourhoods, overwrite=True)
    train(config, processed, figures.with_suffix(".training"), peaks.note)
    peaks.note("end")
    write_json(figures, {**clock.figures(), "peak_mb": round(max(peaks.found.values())), "phases": peaks.found})


class Clock:
    """Ends a training after an epoch that is cut short, and times its steps."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._steps = 0
        deal, step = objectives.dealt, Trainer._step

        def cut(*arguments: object) -> list[Batch]:
            batches = deal(*arguments)  # type: ignore[arg-type]
            self._steps = len(batches)
            return batches[:STEPS]

        def timed(trainer: Trainer, batch: Batch) -> float:
            started = time.perf_counter()
            loss = step(trainer, batch)
            self._seconds.append(time.perf_counter() - started)
            trainer._position.over = len(self._seconds) == STEPS
            return loss

        objectives.dealt, Trainer._step = cut, timed  # type: ignore[assignment, method-assign]

    def figures(self) -> dict[str, object]:
        """Return the steps of an epoch, and how long they all would take."""
        seconds = statistics.median(self._seconds[1:]) * self._steps
        return {"steps": self._steps, "epoch_seconds": float(f"{seconds:.3g}")}


class Peaks:
    """The largest resident set of each phase of this process, MB."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}
        self._phase = "load"

    def note(self, message: str, fraction: float | None = None) -> None:
        """Take down what the phase until now took, and begin the one that a progress names."""
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        self.found[self._phase] = max(round(int(kib) * 1024 / 1e6), self.found.get(self._phase, 0))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the mark begins anew
        self._phase = "evaluated" if message.startswith("epoch") else message


if __name__ == "__main__":
    given = sys.argv[1:]
    if all(argument.isdecimal() for argument in given):
        main(given)
    else:
        train_a_little(Path(given[0]), given[1], Neighbourhoods(given[2]), Path(given[3]))
