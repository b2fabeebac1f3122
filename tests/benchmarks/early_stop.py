"""Seconds of `train` with nothing but defaults, to its early stop: ratings of MovieLens u1, and UMLS.

Run with `python -m tests.benchmarks.early_stop [FOLDER]`, where exports are kept (default `run/quality`, that of
`python -m tests.quality`); one line of JSON each. Aims for two cores: 60 s and 30 s.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.costs import show
from tests.quality.__main__ import Effort, cases, export, train

#: Row of `tests.quality` -> seconds.
AIMS = {"movie-rating-u1": 60, "umls": 30}


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    folder = Path(arguments[0] if arguments else "run/quality").absolute()
    for case in cases():
        if case.name in AIMS:
            export(folder, case.graph, [case])
            summary = train(folder / case.name, case, Effort())
            metrics = summary["metrics"][summary["baselines_split"]]
            show(
                {
                    "benchmark": f"train to early stop, {case.name}",
                    "seconds": round(summary["seconds"], 1),
                    "aim": AIMS[case.name],
                    "epochs": summary["counts"]["epochs"],
                    case.metric: round(metrics[case.metric], 4),
                    "peak_mib": round(summary["peak_memory_mib"]),
                    "chosen": "; ".join(summary["notes"]),
                }
            )


if __name__ == "__main__":
    main(sys.argv[1:])
