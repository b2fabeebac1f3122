"""What a load test recommends, beside what that configuration gives when it is measured again.

Run with `python -m tests.benchmarks.recommendation`; one line of JSON per load test. Asked: a rate within 15 %
of the predicted one.
"""

import asyncio
import json
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.loadtest.choosing import Configuration, Wanted
from neptuneml_plugin.loadtest.items import Sampling, sampled_bodies
from neptuneml_plugin.loadtest.load import Load
from neptuneml_plugin.loadtest.run import Settings, Subject, run
from neptuneml_plugin.stage import silent
from tests.made_artifacts import Made, make_artifact

CANDIDATES = 20_000
USERS = 16
SECONDS = 8.0
TIMES = 2
GRID = tuple(Configuration(max_batch=batch, instances=count) for batch, count in product((1, 1024), (1, 2)))


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as name:
        artifact = Path(name)
        movies = [str(number) for number in range(CANDIDATES)]
        users = [str(number) for number in range(500)]
        make_artifact(artifact, Made(Task.LINK_PREDICTION, users=users, movies=movies))
        for _ in range(TIMES):
            sys.stdout.write(json.dumps(recommended(artifact)) + "\n")
            sys.stdout.flush()


def recommended(artifact: Path) -> dict[str, Any]:
    """Return the rates of the grid, and those of the recommended configuration then and now."""
    subject = Subject("links", artifact=artifact, configurations=GRID)
    settings = Settings(Load(USERS, duration_seconds=SECONDS), Wanted(), confirm_seconds=SECONDS)
    bodies = sampled_bodies(artifact, Sampling(bodies=200, topk=10))
    result = asyncio.run(run(subject, bodies, settings, silent))
    if result.chosen is None or result.confirmation is None:
        raise RuntimeError("no configuration is within the limits")
    return {
        "benchmark": f"recommended for {USERS} users, top 10 of {CANDIDATES}",
        "rates": {row.measurement.name: round(row.step.rate) for row in result.rows},
        "recommended": result.chosen.measurement.name,
        "predicted_per_second": round(result.confirmation.predicted.rate),
        "measured_per_second": round(result.confirmation.measured.rate),
        "difference": round(result.confirmation.difference, 3),
        "holds": result.confirmation.holds,
    }


if __name__ == "__main__":
    main()
