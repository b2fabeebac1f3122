"""The first query after an endpoint was made, beside the same form on the stored property.

Run `python -m tests.benchmarks.first_query [--vertices N] [--endpoints N]`. What is measured is the first use of
an endpoint: the description, and the table that is mapped and indexed. Both sides have been asked often before, on
other endpoints, so that nothing is compiled meanwhile. The ratio of the medians is to stay under 2.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.queries import FORMS, Form, Read, question, say, timed
from tests.query_stack import Served, connected, graph_server, served

KEY = "genre"
TARGET = 2.0
ASKED: dict[str, Form] = {
    "values": FORMS["values"],
    "project.by(values)": FORMS["project.by(values)"],
    "limit(1)": lambda t, r: r.values(t).limit(1),
}
#: Queries of the same form before, on an endpoint that is known: as many as the JIT wants.
WARM_UP = 40


@dataclass(frozen=True)
class First:
    """Milliseconds of a first query, of the same query again, and of the same form on the stored property."""

    first: float
    again: float
    stored: float


def first_queries(g: Any, form: Form, new_endpoints: Iterator[str]) -> list[First]:
    """Measure one first query per endpoint.

    Args:
        g: where to ask.
        form: the form.
        new_endpoints: names of endpoints, each made when its turn comes.
    """

    def ask(endpoint: str) -> float:
        return timed(question(g, form, Read(KEY, predicted=bool(endpoint)), endpoint).to_list)[0]

    for _ in range(WARM_UP):
        ask(KEY)
        ask("")
    return [First(ask(name), ask(name), statistics.median(ask("") for _ in range(3))) for name in new_endpoints]


@contextmanager
def new_endpoint(found: Served, name: str) -> Iterator[str]:
    """Make an endpoint of the artifact that is there, for a while."""
    found.service.client.create_endpoint(name, str(found.service_root / KEY))
    try:
        yield name
    finally:
        found.service.client.delete_endpoint(name)


def new_endpoints(found: Served, numbers: Iterator[int]) -> Iterator[str]:
    """Yield names, each of an endpoint that nobody has asked yet."""
    for number in numbers:
        with new_endpoint(found, f"first-{number}") as name:
            yield name


def median(measured: Sequence[First], time: Callable[[First], float]) -> float:
    return statistics.median(map(time, measured))


def told(name: str, measured: Sequence[First]) -> str:
    """Return the medians in a line."""
    first, again, stored = (
        median(measured, time) for time in (lambda one: one.first, lambda one: one.again, lambda one: one.stored)
    )
    fixed = median(measured, lambda one: one.first - one.again)
    return (
        f"{name:<20} first {first:7.1f} ms   again {again:7.1f} ms   stored {stored:7.1f} ms   "
        f"ratio {first / stored:5.2f}   first - again {fixed:6.1f} ms"
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Print a line per form; `limit(1)`'s difference is what a first query costs whatever its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vertices", type=int, default=10_000)
    parser.add_argument("--endpoints", type=int, default=7, help="per form, after three to warm up")
    options = parser.parse_args(arguments)
    numbers = itertools.count()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = stack.enter_context(served(folder, options.vertices))
        server = stack.enter_context(graph_server(found, tables=True))
        g = stack.enter_context(connected(server))
        for name, form in ASKED.items():
            measured = first_queries(
                g, form, new_endpoints(found, itertools.islice(numbers, 3 + options.endpoints))
            )[3:]
            say(told(name, measured) + (f"   target <= {TARGET}" if name != "limit(1)" else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
