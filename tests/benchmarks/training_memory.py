"""Peak memory of a training with the generated defaults, beside what `train_instance_recommendation.json` says.

Run with `python -m tests.benchmarks.training_memory [EDGES]…`; one line of JSON per size and task. Two epochs:
later ones take no more memory. The constants of `processing/reports/instances.py` are fitted to these figures.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.costs import run, show
from tests.benchmarks.processing import process_command
from tests.made_exports import made_export

SIZES = (100_000, 1_000_000)


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    for size in [int(argument) for argument in arguments] or SIZES:
        for links in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                _measure(Path(folder), size, links=links)


def _measure(folder: Path, size: int, *, links: bool) -> None:
    export, processed = made_export(folder / "export", size, links=links), folder / "processed"
    run([*process_command(export, processed), "--no-dgl-graph"])
    few_epochs(processed / "model-HPO-configuration.json")
    train = [sys.executable, "-m", "neptuneml_plugin.cli", "train", "--input", str(processed)]
    cost = run([*train, "--output", str(folder / "training")])
    said = json.loads((processed / "train_instance_recommendation.json").read_text(encoding="utf-8"))
    figure: dict[str, object] = {
        "benchmark": "train, " + ("links" if links else "classes of vertices"),
        "edges": size,
        "vertices": size // 10,
        "seconds": round(cost.seconds, 1),
        "peak_mb": round(cost.memory),
        "estimated_mb": round(int(said["mem_size"]) / 1e6),
    }
    show(figure)


def few_epochs(path: Path) -> None:
    """Change the default to two epochs."""
    document = json.loads(path.read_text(encoding="utf-8"))
    (model,) = document["models"]
    for parameter in model["1-tier-param"]:
        if parameter["param"] == "num-epochs":
            parameter["default"], parameter["range"][0] = 2, 1
    path.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
