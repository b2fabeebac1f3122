"""Time and peak memory of `process --previous`, beside processing the same snapshot anew.

Run with `python -m tests.benchmarks.incremental [EDGES]…`; one line of JSON per figure. From one snapshot to the
next one in twenty vertices is gone with its edges, and as many are new.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tests.benchmarks.costs import Cost, run, show
from tests.benchmarks.processing import process_command
from tests.made_exports import made_export

SIZES = (100_000, 1_000_000)
#: Every so many-th element is gone.
GONE = 20


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    for size in [int(argument) for argument in arguments] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), size)


def _measure(folder: Path, size: int) -> None:
    monday = made_export(folder / "monday", size)
    tuesday = next_day(monday, folder / "tuesday")
    flags = ["--no-dgl-graph"]
    run([*process_command(monday, folder / "before"), *flags])
    anew = run([*process_command(tuesday, folder / "anew"), *flags])
    previous = ["--previous", str(folder / "before")]
    after = run([*process_command(tuesday, folder / "after"), *flags, *previous])
    _print("process anew", size, anew, anew)
    _print("process --previous", size, after, anew)


def next_day(source: Path, target: Path) -> Path:
    """Write an export in which elements are gone, their edges too, and new ones are there."""
    for name in ("nodes", "edges"):
        (target / name).mkdir(parents=True)
    configuration = "training-data-configuration.json"
    (target / configuration).write_bytes((source / configuration).read_bytes())
    items = pl.read_csv(source / "nodes" / "item.csv")
    every = pl.int_range(pl.len()) % GONE
    gone, kept = items.filter(every == 0), items.filter(every != 0)
    new = gone.with_columns(("new-" + pl.col("~id")).alias("~id"))
    pl.concat([kept, new]).write_csv(target / "nodes" / "item.csv")
    links = pl.read_csv(source / "edges" / "linked.csv")
    renamed = [pl.col(end).is_in(gone["~id"].implode()) for end in ("~from", "~to")]
    there = [
        pl.when(is_gone).then(pl.lit("new-") + pl.col(end)).otherwise(pl.col(end)).alias(end)
        for is_gone, end in zip(renamed, ("~from", "~to"), strict=True)
    ]
    links.with_columns(there).write_csv(target / "edges" / "linked.csv")
    return target


def _print(name: str, size: int, cost: Cost, anew: Cost) -> None:
    figure: dict[str, object] = {
        "benchmark": name,
        "edges": size,
        "seconds": round(cost.seconds, 2),
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "peak_mb": round(cost.memory),
        "times_anew": round(cost.cpu_seconds / anew.cpu_seconds, 2),
    }
    show(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
