"""Inductive answers on air-routes: one airport at a time, and many at once.

Run `python -m tests.benchmarks.inductive [--epochs N] [--airports N] [--repeats N]`. A small real model (two
layers, fan-out 10 and 10) is trained on the quickstart's data first, by the commands that a person would type.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import T

from gremlin_steps import CLASSIFICATION, DETERMINISTIC, ENDPOINT, INDUCTIVE_INFERENCE
from neptuneml_plugin import gremlin_server
from neptuneml_plugin.artifacts import HPO_CONFIGURATION
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from neptuneml_plugin.quickstart import CASES, COMMAND
from tests.benchmarks.queries import timed
from tests.query_stack import TIMEOUT_MS, connected
from tests.running_service import running_service
from tests.servers import make_data_root

CASE = CASES[0]
KEY = CASE.target["property"]
#: Queries after which the server has compiled what it samples with.
WARM_UP = 600


def trained(folder: Path, gremlin_url: str, epochs: int) -> Path:
    """Export, process, train and transform; return the artifact."""
    (folder / "request.json").write_text(json.dumps(CASE.request), encoding="utf-8")
    stage(
        "export", "--gremlin", gremlin_url, "--request", f"{folder}/request.json", "--output", f"{folder}/export"
    )
    stage("process", "--input", f"{folder}/export", "--output", f"{folder}/processed")
    set_defaults(folder / "processed", {"num-epochs": epochs, "num-layer": 2, "fanout": [10, 10]})
    stage("train", "--input", f"{folder}/processed", "--output", f"{folder}/training")
    return folder / "training" / "artifact"


def stage(name: str, *arguments: str) -> None:
    """Run a stage.

    Raises:
        FailureByQuery: it failed; with what it said.
    """
    done = subprocess.run([*COMMAND, name, *arguments, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailureByQuery(f"{name} failed: {done.stderr.strip()}")


def set_defaults(processed: Path, values: dict[str, Any]) -> None:
    """Give hyperparameters of the generated configuration other defaults, which trial 0 takes (decision 13)."""
    path = processed / HPO_CONFIGURATION
    document = json.loads(path.read_text(encoding="utf-8"))
    for parameters in document["models"][0].values():
        for parameter in parameters if isinstance(parameters, list) else ():
            if parameter.get("param") in values:
                parameter["default"] = values[parameter["param"]]
    path.write_text(json.dumps(document), encoding="utf-8")


def inductive(g: Any, airports: Sequence[int]) -> Any:
    """Return the traversal that predicts from the graph as it is."""
    predicted = g.with_(ENDPOINT, CASE.name).V(*airports).values(KEY).with_(CLASSIFICATION)
    return predicted.with_(INDUCTIVE_INFERENCE).with_(DETERMINISTIC)


def by_id(g: Any, airports: Sequence[int]) -> Any:
    """Return the traversal that predicts likewise and says for whom."""
    source = g.with_(ENDPOINT, CASE.name).V(*airports)
    predicted = __.values(KEY).with_(CLASSIFICATION).with_(INDUCTIVE_INFERENCE).with_(DETERMINISTIC)
    return source.project("id", "answers").by(T.id_).by(predicted.fold())


def same_answers(ask: Callable[[Sequence[int]], Any], airports: Sequence[int]) -> float:
    """Return the share of airports that get the same answer alone as among all; `ask` as `by_id`."""
    together = {row["id"]: row["answers"] for row in ask(airports).to_list()}
    alone = {row["id"]: row["answers"] for airport in airports for row in ask([airport]).to_list()}
    return len([airport for airport in airports if together[airport] == alone[airport]]) / len(airports)


def costs(ask: Callable[[Sequence[int]], Any], airports: Sequence[int]) -> dict[str, float]:
    """Return medians of what the plugin's profile says of queries for one airport."""
    profiles = [ask([airport]).profile().next() for airport in airports]
    steps = [step for profile in profiles for step in profile["metrics"] if "waitMillis" in step["annotations"]]
    return {
        name: float(np.median([step["annotations"][annotation] for step in steps]))
        for name, annotation in (("wait_ms", "waitMillis"), ("bytes", "bytes"))
    }


def measure(ask: Callable[[Sequence[int]], Any], airports: Sequence[int], repeats: int) -> dict[str, float]:
    """Return the milliseconds of one, of all at once, and of all one by one, and of the server's first queries.

    Args:
        ask: airports -> traversal.
        airports: ids.
        repeats: how many are asked for alone, for the percentiles.
    """
    first = [timed(ask([airport]).to_list)[0] for airport in airports[:repeats]]
    for airport in airports[repeats : repeats + WARM_UP]:
        ask([airport]).to_list()
    single = [timed(ask([airport]).to_list)[0] for airport in airports[:repeats]]
    at_once = min(timed(ask(airports).to_list)[0] for _ in range(3))
    one_by_one = timed(lambda: [answer for airport in airports for answer in ask([airport]).to_list()])[0]
    return {
        "first_p50_ms": float(np.median(first)),
        "one_p50_ms": float(np.median(single)),
        "one_p99_ms": float(np.percentile(single, 99)),
        "all_at_once_ms": at_once,
        "one_by_one_ms": one_by_one,
        "times_faster": one_by_one / at_once,
    }


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--airports", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=200, help="queries for one airport")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(running_service(folder / "service"))
        settings = GremlinServerConfig(
            make_data_root(folder / "server"), "air-routes", port=0, service_url=service.url,
            jvm_options=("-XX:+UseSerialGC",), evaluation_timeout_ms=TIMEOUT_MS,
        )  # fmt: skip
        server = stack.enter_context(gremlin_server.running_server(settings))
        g = stack.enter_context(connected(server))
        airports = g.V().has_label("airport").limit(options.airports).id_().to_list()
        artifact = trained(folder / "service", server.url, options.epochs)
        service.client.create_endpoint(CASE.name, str(artifact))
        ask = partial(inductive, g)
        figures = measure(ask, airports, options.repeats) | costs(ask, airports[: options.repeats])
        figures["same_answers"] = same_answers(partial(by_id, g), airports)
        for name, figure in figures.items():
            sys.stdout.write(f"{name:<16}{figure:10.2f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
