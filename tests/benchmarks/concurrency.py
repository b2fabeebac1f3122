"""Many clients at once, each asking for one element's prediction after the other, beside the stored property.

Run `python -m tests.benchmarks.concurrency [--clients N] [--seconds S] [--vertices N] [--without-tables]`.
Vertices' predictions come from the endpoint's table unless there are none; edges' never do. The clients are
threads of this one process, so both sides wait for its interpreter too. Threads, connections and memory are the
Gremlin Server's and the workers', before and after; all of it is on loopback and ends by itself.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from gremlin_python.driver.protocol import GremlinServerError

from gremlin_steps import CLASSIFICATION, ENDPOINT, REGRESSION
from neptuneml_plugin.gremlin_server import GremlinServer
from tests.query_stack import TASKS, Served, connected, graph_server, served

#: A property of vertices and one of edges.
PREDICATES = {"genre": CLASSIFICATION, "score": REGRESSION}

#: Long enough for compilers, pools and caches.
WARM_UP_SECONDS = 3.0


@dataclass(frozen=True)
class Load:
    """What the clients saw."""

    seconds: float
    #: Of each answered query.
    milliseconds: Sequence[float]
    #: What was wrong, and how often.
    errors: Counter[str]

    @property
    def rate(self) -> float:
        """Answered queries per second."""
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: int) -> float:
        """Return milliseconds; NaN where nothing was answered."""
        return float(np.percentile(self.milliseconds, percent)) if self.milliseconds else np.nan

    def relative_to(self, other: "Load") -> str:
        """Return both sides' ratios."""
        slower = ", ".join(f"p{n} x{self.percentile(n) / other.percentile(n):.2f}" for n in (50, 99))
        return f"throughput x{self.rate / other.rate:.2f}, {slower}"

    def __str__(self) -> str:
        times = "   ".join(f"p{n} {self.percentile(n):6.1f} ms" for n in (50, 99))
        text = f"{self.rate:7.0f} queries/s   {times}   errors {self.errors.total()}"
        return text + "".join(f"\n  {count} x {error}" for error, count in self.errors.most_common(3))


def load(asks: Sequence[Callable[[], str | None]], seconds: float) -> Load:
    """Let every function ask again and again until the time is up; what it returns is an error's text or None."""
    began, end = time.monotonic(), time.monotonic() + seconds

    def run(ask: Callable[[], str | None]) -> tuple[list[float], Counter[str]]:
        milliseconds, errors = [], Counter[str]()
        while (start := time.monotonic()) < end:
            error = ask()
            if error is None:
                milliseconds.append(1000 * (time.monotonic() - start))
            else:
                errors[error] += 1
        return milliseconds, errors

    with ThreadPoolExecutor(len(asks)) as pool:
        found = list(pool.map(run, asks))
    return Load(
        time.monotonic() - began,
        [each for milliseconds, _ in found for each in milliseconds],
        sum((errors for _, errors in found), Counter()),
    )


@dataclass(frozen=True)
class Property:
    """A property of the graph's elements, stored and predicted."""

    key: str
    elements: Sequence[Any]
    #: The values, by element.
    truth: Mapping[Any, Any]

    def ask_one(self, g: Any, *, predicted: bool) -> str | None:
        """Ask for it of a random element; return what was wrong."""
        element = random.choice(self.elements)
        source = g.with_(ENDPOINT, self.key) if predicted else g
        asked = (source.V(element) if TASKS[self.key].on_nodes else source.E(element)).values(self.key)
        try:
            answer = (asked.with_(PREDICATES[self.key]) if predicted else asked).to_list()
        except GremlinServerError as error:
            return str(error)
        return None if answer == [self.truth[element]] else "a wrong answer"


def asked_property(found: Served, key: str) -> Property:
    """Return a property of movies, or of the edges to them."""
    elements: Sequence[Any] = found.movies if TASKS[key].on_nodes else range(len(found.movies))
    return Property(key, elements, dict(zip(elements, found.ask_all(key, key), strict=True)))


def footprint(found: Served, server: GremlinServer) -> str:
    """Return threads, connections and memory of the processes."""
    processes = {"Gremlin Server": [psutil.Process(server.pid)], "workers": found.service.workers()}
    return ", ".join(
        f"{name} {sum(process.num_threads() for process in group)} threads, "
        f"{sum(len(process.net_connections('tcp')) for process in group)} connections, "
        f"{sum(process.memory_info().rss for process in group) >> 20} MiB"
        for name, group in processes.items()
    )


def compare(found: Served, server: GremlinServer, key: str, clients: int, seconds: float) -> None:
    """Print both sides of one property."""
    asked = asked_property(found, key)
    measured = []
    with ExitStack() as stack:
        sources = [stack.enter_context(connected(server)) for _ in range(clients)]
        for predicted in (False, True):
            asks = [partial(asked.ask_one, g, predicted=predicted) for g in sources]
            load(asks, min(WARM_UP_SECONDS, seconds))
            before = footprint(found, server)
            measured.append(load(asks, seconds))
            sys.stdout.write(f"{key} {'predicted' if predicted else 'stored':<10}{measured[-1]}\n")
            sys.stdout.write(f"  before: {before}\n  after:  {footprint(found, server)}\n")
            sys.stdout.flush()
    stored, predictions = measured
    sys.stdout.write(f"  predicted / stored: {predictions.relative_to(stored)}\n")
    sys.stdout.write(f"  clients gone: {footprint(found, server)}; here {threading.active_count()} threads\n")


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each side")
    parser.add_argument("--vertices", type=int, default=10_000)
    parser.add_argument("--without-tables", action="store_true", help="ask the workers for vertices too")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = stack.enter_context(served(folder, options.vertices))
        server = stack.enter_context(graph_server(found, tables=not options.without_tables))
        for key in PREDICATES:
            compare(found, server, key, options.clients, options.seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
