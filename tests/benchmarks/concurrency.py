"""Many clients at once, each asking for one vertex's prediction after the other, beside the stored property.

Run `python -m tests.benchmarks.concurrency [--clients N] [--seconds S] [--vertices N]`. The clients are threads of
this one process, so both sides wait for its interpreter too. Threads and connections are the Gremlin Server's and
the workers', before and after; all of it is on loopback and ends by itself.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from gremlin_python.driver.protocol import GremlinServerError

from gremlin_steps import CLASSIFICATION, ENDPOINT
from neptuneml_plugin.gremlin_server import GremlinServer
from tests.query_stack import Served, connected, graph_server, served

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

    def __str__(self) -> str:
        p50, p99 = np.percentile(self.milliseconds, (50, 99)) if self.milliseconds else (np.nan, np.nan)
        rate = len(self.milliseconds) / self.seconds
        text = f"{rate:7.0f} queries/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   errors {self.errors.total()}"
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


def ask_one(g: Any, movies: Sequence[str], truth: dict[str, Any], *, predicted: bool) -> str | None:
    """Ask for the genre of a random movie; return what was wrong."""
    movie = random.choice(movies)
    try:
        if predicted:
            answer = g.with_(ENDPOINT, "genre").V(movie).values("genre").with_(CLASSIFICATION).to_list()
        else:
            answer = g.V(movie).values("genre").to_list()
    except GremlinServerError as error:
        return str(error)
    return None if answer == [truth[movie]] else "a wrong answer"


def footprint(found: Served, server: GremlinServer) -> str:
    """Return threads and connections of the processes."""
    processes = {"Gremlin Server": [psutil.Process(server.pid)], "workers": found.service.workers()}
    return ", ".join(
        f"{name} {sum(process.num_threads() for process in group)} threads, "
        f"{sum(len(process.net_connections('tcp')) for process in group)} connections"
        for name, group in processes.items()
    )


def compare(found: Served, server: GremlinServer, clients: int, seconds: float) -> None:
    """Print both sides."""
    truth = dict(zip(found.movies, found.ask_all("genre", "genre"), strict=True))
    with ExitStack() as stack:
        sources = [stack.enter_context(connected(server)) for _ in range(clients)]
        for predicted in (False, True):
            asks = [partial(ask_one, g, found.movies, truth, predicted=predicted) for g in sources]
            load(asks, min(WARM_UP_SECONDS, seconds))
            before = footprint(found, server)
            measured = load(asks, seconds)
            sys.stdout.write(f"{'predicted' if predicted else 'stored':<10}{measured}\n")
            sys.stdout.write(f"  before: {before}\n  after:  {footprint(found, server)}\n")
            sys.stdout.flush()
    sys.stdout.write(f"  clients gone: {footprint(found, server)}; here {threading.active_count()} threads\n")


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each side")
    parser.add_argument("--vertices", type=int, default=10_000)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = stack.enter_context(served(folder, options.vertices))
        server = stack.enter_context(graph_server(found, tables=True))
        compare(found, server, options.clients, options.seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
