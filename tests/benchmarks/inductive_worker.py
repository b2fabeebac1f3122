"""Inductive items in the worker: one alone, with values met before and not, and a thousand at once or one by one.

Run with `python -m tests.benchmarks.inductive_worker [--preset NAME]`; one line of JSON per figure. Parsing,
encoding, the forward pass and the answer are timed, HTTP is not. A preset of more layers than R-GCN's two is asked
with as many hops, beside R-GCN, both in turn.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import RGCN, Task
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from neptuneml_plugin.serving.wire import Reply, render_reply
from neptuneml_plugin.training.presets import BY_NAME
from tests.invocations import parse_invocation
from tests.live_graph import LiveGraph, planted_graph
from tests.training.graphs import processed, trained

ITEMS = 3000
SEEDS = 1000
REPEATS = 30
#: Of R-GCN as it is by default.
HOPS = 2


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.inductive_worker")
    parser.add_argument("--preset", choices=[name for name in BY_NAME if BY_NAME[name].model == RGCN])
    preset = parser.parse_args(arguments).preset
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rgcn, graph = opened(folder / "rgcn", {}), planted_graph(folder / "rgcn" / "export")
        if preset is None:
            told = figures(rgcn, graph)
        else:
            values = BY_NAME[preset].values
            models = {
                "rgcn": (rgcn, HOPS),
                preset: (opened(folder / preset, values), values.get("num-layer", HOPS)),
            }
            told = beside(models, graph)
        for figure in told:
            sys.stdout.write(json.dumps(figure) + "\n")


def opened(folder: Path, values: Mapping[str, Any]) -> Predictor:
    """Train a model of these hyperparameters, and open its artifact."""
    own = {**values, "num-epochs": 1, "num-hidden": 64}
    trained(processed(folder, Task.NODE_CLASS, nodes=ITEMS, values=own), folder / "training")
    return open_predictor(folder / "training" / "artifact")[1]


def beside(models: Mapping[str, tuple[Predictor, int]], graph: LiveGraph) -> Iterator[dict[str, Any]]:
    """Yield the milliseconds of one seed for each model, asked in turn; each has its own number of hops."""
    for fanout in (1, 10):
        bodies = {name: body(graph, ["item-0"], fanout, hops) for name, (_, hops) in models.items()}
        taken: dict[str, list[float]] = {name: [] for name in models}
        for repeat in range(-1, REPEATS):  # the first imports torch, or loads the model
            for name, (predictor, _) in models.items():
                seconds = answered(predictor, bodies[name])
                if repeat >= 0:
                    taken[name].append(seconds)
        for name, (_, hops) in models.items():
            yield {
                "benchmark": "one seed",
                "model": name,
                "hops": hops,
                "fanout": fanout,
                "vertices": _vertices(bodies[name]),
                "ms": round(float(np.median(taken[name])) * 1000, 3),
                "p95_ms": round(float(np.quantile(taken[name], 0.95)) * 1000, 3),
            }


def figures(predictor: Predictor, graph: LiveGraph) -> Iterator[dict[str, Any]]:
    """Yield the milliseconds of one seed, and how many times faster a thousand at once are than one by one."""
    answered(predictor, body(graph, ["item-0"], 10))  # imports torch, loads the model
    for fanout in (1, 10):
        one = body(graph, ["item-0"], fanout)
        numbers = itertools.count()
        yield {
            "benchmark": "one seed",
            "vertices": _vertices(one),
            "kilobytes": round(len(one) / 1000, 1),
            "ms": median(predictor, [one] * REPEATS),
            "new_values_ms": median(predictor, [with_new_sizes(one, numbers) for _ in range(REPEATS)]),
        }
    seeds = [f"item-{number}" for number in range(SEEDS)]
    together, alone = body(graph, seeds, 10), [body(graph, [seed], 10) for seed in seeds]
    at_once = float(np.median([answered(predictor, together) for _ in range(3)]))
    one_by_one = sum(answered(predictor, each) for each in alone)
    yield {
        "benchmark": f"{SEEDS} seeds",
        "at_once_ms": round(at_once * 1000, 1),
        "one_by_one_ms": round(one_by_one * 1000, 1),
        "ratio": round(one_by_one / at_once, 1),
    }


def body(graph: LiveGraph, ids: list[str], fanout: int, hops: int = HOPS) -> bytes:
    """Return a request for items and their neighbourhood."""
    subgraph = graph.neighbourhood([("item", name) for name in ids], hops=hops, fanout=fanout)
    data = {"globalParameters": {"columns": True}, "items": {"nodeId": ids}, "subgraph": subgraph}
    return json.dumps({"data": data}).encode()


def _vertices(request: bytes) -> int:
    return sum(len(nodes["ids"]) for nodes in json.loads(request)["data"]["subgraph"]["nodes"])


def with_new_sizes(request: bytes, numbers: Iterator[int]) -> bytes:
    """Return the request with numbers that no request had before."""
    document = json.loads(request)
    for nodes in document["data"]["subgraph"]["nodes"]:
        if "size" in nodes["properties"]:
            nodes["properties"]["size"] = [f"{next(numbers)}e-7" for _ in nodes["ids"]]
    return json.dumps(document).encode()


def median(predictor: Predictor, requests: list[bytes]) -> float:
    """Return the median milliseconds of a request."""
    return round(float(np.median([answered(predictor, request) for request in requests])) * 1000, 3)


def answered(predictor: Predictor, request: bytes) -> float:
    """Return the seconds from a request's body to its answer's."""
    began = time.perf_counter()
    answers = predictor.answer(parse_invocation(request), _never)
    render_reply(Reply("e", "v", "r", answers, columns=True))
    return time.perf_counter() - began


def _never() -> None:
    """No deadline."""


if __name__ == "__main__":
    main(sys.argv[1:])
