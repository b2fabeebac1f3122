"""What a load test recommends, beside what that configuration gives when it is measured again, twice.

Run with `python -m tests.benchmarks.recommendation`, three minutes; one line of JSON. The load test measures its
recommendation again itself, and an endpoint that it is applied to is measured as it is served. Asked: rates
within 15 % of the predicted one.
"""

import asyncio
import json
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.loadtest.applying import apply
from neptuneml_plugin.loadtest.choosing import Configuration, Confirmation, Wanted
from neptuneml_plugin.loadtest.clients import Address
from neptuneml_plugin.loadtest.figures import Step
from neptuneml_plugin.loadtest.items import Sampling, sampled_bodies
from neptuneml_plugin.loadtest.load import Load
from neptuneml_plugin.loadtest.run import Settings, Subject, run
from neptuneml_plugin.stage import silent
from tests.made_artifacts import Made, make_artifact
from tests.running_service import running_service

CANDIDATES = 20_000
LOAD = Load(users=16)
ENDPOINT = "links"
GRID = tuple(Configuration(max_batch=batch, instances=count) for batch, count in product((1, 1024), (1, 2)))


def main() -> None:
    """Print the figure."""
    with tempfile.TemporaryDirectory() as name, running_service(Path(name)) as service:
        artifact = Path(name) / "artifact"
        movies = [str(number) for number in range(CANDIDATES)]
        users = [str(number) for number in range(500)]
        make_artifact(artifact, Made(Task.LINK_PREDICTION, users=users, movies=movies))
        service.client.create_endpoint(ENDPOINT, str(artifact))
        sys.stdout.write(json.dumps(recommended(artifact, service.client)) + "\n")


def recommended(artifact: Path, client: ServiceClient) -> dict[str, Any]:
    """Return the rates of the grid, and those of the recommended configuration then, again, and once applied.

    Args:
        artifact: what the endpoint `ENDPOINT` answers from.
        client: of its service.
    """
    bodies = sampled_bodies(artifact, Sampling(bodies=200, topk=10))
    settings = Settings(LOAD, Wanted())
    result = asyncio.run(run(Subject(ENDPOINT, artifact=artifact, configurations=GRID), bodies, settings, silent))
    if result.chosen is None or result.confirmation is None:
        raise RuntimeError("no configuration is within the limits")
    apply(client, ENDPOINT, result.chosen)
    served = asyncio.run(run(_served(client), bodies, Settings(LOAD, Wanted()), silent))
    applied = Confirmation(result.confirmation.predicted, served.rows[0].step)
    return {
        "benchmark": f"recommended for {LOAD.users} users, top 10 of {CANDIDATES}",
        "turns": {row.measurement.name: [round(rate) for rate in row.step.rates] for row in result.rows},
        "recommended": result.chosen.measurement.name,
        "predicted": _told(result.chosen.step),
        "again": _told(result.confirmation.measured) | _difference(result.confirmation),
        "applied": _told(applied.measured) | _difference(applied),
    }


def _served(client: ServiceClient) -> Subject:
    described = client.describe_endpoint(ENDPOINT)
    addresses = tuple(Address(address, described["token"]) for address in described["addresses"])
    return Subject(ENDPOINT, addresses, len(addresses))


def _told(step: Step) -> dict[str, Any]:
    return {"per_second": round(step.rate), "spread": round(step.spread or 0.0, 3)}


def _difference(confirmation: Confirmation) -> dict[str, Any]:
    return {"difference": round(confirmation.difference, 3), "holds": confirmation.holds}


if __name__ == "__main__":
    main()
