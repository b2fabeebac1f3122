"""Inductive items in the worker: one alone, with values met before and not, and a thousand at once or one by one.

Run with `python -m tests.benchmarks.inductive_worker`; one line of JSON per figure. Parsing, encoding, the forward
pass and the answer are timed, HTTP is not.
"""

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from neptuneml_plugin.serving.wire import Reply, render_reply
from tests.invocations import parse_invocation
from tests.live_graph import LiveGraph, planted_graph
from tests.training.graphs import processed, trained

ITEMS = 3000
SEEDS = 1000
REPEATS = 30


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = processed(folder, Task.NODE_CLASS, nodes=ITEMS, values={"num-epochs": 1, "num-hidden": 64})
        trained(source, folder / "training")
        predictor = open_predictor(folder / "training" / "artifact")[1]
        for figure in figures(predictor, planted_graph(folder / "export")):
            sys.stdout.write(json.dumps(figure) + "\n")


def figures(predictor: Predictor, graph: LiveGraph) -> Iterator[dict[str, Any]]:
    """Yield the milliseconds of one seed, and how many times faster a thousand at once are than one by one."""
    answered(predictor, body(graph, ["item-0"], 10))  # imports torch, loads the model
    for fanout in (1, 10):
        one = body(graph, ["item-0"], fanout)
        vertices = sum(len(nodes["ids"]) for nodes in json.loads(one)["data"]["subgraph"]["nodes"])
        numbers = itertools.count()
        yield {
            "benchmark": "one seed",
            "vertices": vertices,
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


def body(graph: LiveGraph, ids: list[str], fanout: int) -> bytes:
    """Return a request for items and their neighbourhood."""
    subgraph = graph.neighbourhood([("item", name) for name in ids], fanout=fanout)
    data = {"globalParameters": {"columns": True}, "items": {"nodeId": ids}, "subgraph": subgraph}
    return json.dumps({"data": data}).encode()


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
    main()
