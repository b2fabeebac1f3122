"""What the plugin adds to compiling queries without predictions, beside compiling them on a plain TinkerGraph.

Run with `python -m tests.benchmarks.compile_cost`. The median of 1,000 pairs is to stay under 3 % or 5 µs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from neptuneml_plugin import jars
from tests.java_classes import compile_java

CLASS = "io.github.neptuneml.gremlin.benchmark.CompileCost"
TINKERPOPS = ("3.7.5", "3.8.1")


def main() -> None:
    """Print a line per query and release, and the mean of the medians."""
    with tempfile.TemporaryDirectory() as folder:
        for tinkerpop in TINKERPOPS:
            command = compile_java(Path(folder), tinkerpop).command(CLASS, plugin=jars.plugin_jar())
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows = [line.split("\t") for line in answer.stdout.splitlines()]
            times = [(float(plain), float(added)) for _, plain, added in rows]
            mean = tuple(sum(column) / len(times) for column in zip(*times, strict=True))
            for query, (plain, added) in zip([*(row[0] for row in rows), "mean"], [*times, mean], strict=True):
                share = 100 * added / plain
                sys.stdout.write(f"{tinkerpop}  {query:<14} {plain:8.2f} µs {added:+7.2f} µs {share:+6.1f} %\n")


if __name__ == "__main__":
    main()
