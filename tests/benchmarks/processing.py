"""Time and peak memory of `process` as graphs grow, beside a bare read of the same CSV files, and from Parquet.

`reading` is what processing does before it encodes: rows of edges, and numbers of numeric columns.

Run with `python -m tests.benchmarks.processing [EDGES]…`; one line of JSON per figure, and log-log slopes. Every
figure is that of a fresh process; memory is its largest resident set.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from neptuneml_plugin.artifacts import Task
from tests.benchmarks.costs import Cost, run, show, slopes
from tests.made_exports import made_export

SIZES = (100_000, 1_000_000, 10_000_000)
READ = "import sys, polars; frames = [polars.read_csv(name) for name in sys.argv[1:]]"
READING = """
import sys
from pathlib import Path
from neptuneml_plugin.processing.configuration.trainingdata import read_training_data
from neptuneml_plugin.processing.reading.elements import read_elements
from neptuneml_plugin.processing.reading.tables import numbers
folder = Path(sys.argv[1])
elements = read_elements(folder, read_training_data(folder, "training-data-configuration.json"))
for table in (*elements.nodes, *elements.edges):
    for spec in table.source.features:
        column = table.file.column(spec.column)
        numbers(column) if spec.type == "numerical" else column.texts
"""
#: What is measured -> flags of `process`, its form, and the task.
CASES = {
    "process": ((), "csv", Task.NODE_CLASS),
    "process, no DGL graph": (("--no-dgl-graph",), "csv", Task.NODE_CLASS),
    "process, no DGL graph, Parquet": (("--no-dgl-graph",), "parquet", Task.NODE_CLASS),
    "process, link prediction": ((), "csv", Task.LINK_PREDICTION),
}


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    sizes = [int(argument) for argument in arguments] or SIZES
    costs: dict[str, list[Cost]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), size, costs)
    for name, measured in costs.items():
        if len(sizes) > 1:
            show(slopes(name, sizes, measured))


def _measure(folder: Path, size: int, costs: dict[str, list[Cost]]) -> None:
    sources = {
        (form, task): made_export(folder / f"{form}-{task}", size, task=task, form=form)
        for form, task in {(form, task) for _, form, task in CASES.values()}
    }
    files = sorted(str(path) for path in sources["csv", Task.NODE_CLASS].rglob("*.csv"))
    csv = sum(Path(name).stat().st_size for name in files) / 1e6
    commands = {
        "bare read": [sys.executable, "-c", READ, *files],
        "reading": [sys.executable, "-c", READING, str(sources["csv", Task.NODE_CLASS])],
        "reading, Parquet": [sys.executable, "-c", READING, str(sources["parquet", Task.NODE_CLASS])],
    }
    for name, (flags, form, task) in CASES.items():
        output = folder / name
        commands[name] = [*process_command(sources[form, task], output), *flags]
    for name, command in commands.items():
        cost = run(command)
        costs.setdefault(name, []).append(cost)
        show(
            {
                "benchmark": name,
                "edges": size,
                "csv_mb": round(csv, 1),
                "seconds": round(cost.seconds, 2),
                "cpu_seconds": round(cost.cpu_seconds, 2),
                "peak_mb": round(cost.memory),
                "times_csv": round(cost.memory / csv, 2),
            }
        )


def process_command(source: Path, output: Path) -> list[str]:
    """Return the command of the stage."""
    command = [sys.executable, "-m", "neptuneml_plugin.cli", "process"]
    return [*command, "--input", str(source), "--output", str(output)]


if __name__ == "__main__":
    main(sys.argv[1:])
