"""Each form of a prediction beside the same form on a stored property with the same values.

Run `python -m tests.benchmarks.queries [--vertices N] [--pairs N] [--seconds S] [--form TEXT]`. Times are medians
of interleaved pairs: at the client, and inside the server without a driver; calls are those that the plugin made
for one query. A query that takes longer than `--seconds` is asked once at the client, and not in the server.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gremlin_python.process.graph_traversal import GraphTraversalSource, __
from gremlin_python.process.translator import Translator
from gremlin_python.process.traversal import P, T, TraversalStrategies
from gremlin_python.structure.graph import Graph

from gremlin_steps import CLASSIFICATION, ENDPOINT, REGRESSION
from neptuneml_plugin.gremlin_server import GremlinServer
from tests.query_stack import TASKS, Served, connected, graph_server, served, submit


@dataclass(frozen=True)
class Read:
    """How a form reads its property: as it is stored, or as it is predicted."""

    key: str
    predicted: bool

    def values(self, start: Any) -> Any:
        return self._marked(start.values(self.key))

    def properties(self, start: Any) -> Any:
        return self._marked(start.properties(self.key))

    @property
    def some(self) -> Any:
        """What holds for a part of the values."""
        return P.eq("drama") if TASKS[self.key].is_class else P.gte(10.0)

    def _marked(self, traversal: Any) -> Any:
        task = CLASSIFICATION if TASKS[self.key].is_class else REGRESSION
        return traversal.with_(task) if self.predicted else traversal


Form = Callable[[Any, Read], Any]

FORMS: dict[str, Form] = {
    "values": lambda t, r: r.values(t),
    "properties.value": lambda t, r: r.properties(t).value(),
    "properties": lambda t, r: r.properties(t),
    "value.is": lambda t, r: r.properties(t).value().is_(r.some),
    "has(value)": lambda t, r: r.properties(t).has(T.value, r.some),
    "hasValue": lambda t, r: r.properties(t).has_value(r.some),
    "count": lambda t, r: r.properties(t).count(),
    "project.by(values)": lambda t, r: t.project("id", "x").by(T.id).by(r.values(__)),
    "project.by(properties.value)": lambda t, r: t.project("id", "x").by(T.id).by(r.properties(__).value()),
    "where": lambda t, r: t.where(r.values(__).is_(r.some)).id_(),
    "where.count": lambda t, r: t.where(r.values(__).is_(r.some)).count(),
    "order.by.limit(10)": lambda t, r: t.order().by(r.values(__)).limit(10).id_(),
    "union": lambda t, r: t.union(r.values(__), __.label()),
    "group.by": lambda t, r: t.group().by(r.values(__)).by(__.count()),
    "repeat": lambda t, r: t.limit(100).repeat(__.where(r.values(__).is_(r.some))).times(2).id_(),
    "match": lambda t, r: t.limit(100).match(__.as_("m").where(r.values(__).is_(r.some)).label().as_("l")).count(),
}


@dataclass(frozen=True)
class Pair:
    """Median milliseconds of both sides."""

    predicted: float
    stored: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.stored


UNKNOWN = Pair(math.nan, math.nan)


def question(g: Any, form: Form, read: Read, endpoint: str = "") -> Any:
    """Return a form's traversal over all movies, or all edges."""
    source = g.with_(ENDPOINT, endpoint) if endpoint else g
    start = source.V().has_label("movie") if TASKS[read.key].on_nodes else source.E().has_label("rated")
    return form(start, read)


def at_the_client(g: Any, form: Form, key: str, pairs: int, seconds: float) -> Pair:
    """Measure with gremlin-python; the answers of both sides must be the same."""
    stored, predicted = Read(key, predicted=False), Read(key, predicted=True)

    def ask() -> tuple[tuple[float, Any], tuple[float, Any]]:
        ours = timed(lambda: question(g, form, predicted, key).to_list())
        return ours, timed(lambda: question(g, form, stored).to_list())

    (ours, answers), (theirs, truth) = ask()
    if comparable(answers) != comparable(truth):
        raise AssertionError(f"{key}: {answers[:3]}… is not what is stored, {truth[:3]}…")
    if ours > 1000 * seconds:
        return Pair(ours, theirs)
    return median_pair(lambda: tuple(milliseconds for milliseconds, _ in ask()), pairs, seconds)


def median_pair(measure: Callable[[], Sequence[float]], pairs: int, seconds: float) -> Pair:
    """Measure (predicted, stored) so often, or until the time is up, but once at least."""
    end = time.monotonic() + seconds
    found = [measure()]
    while len(found) < pairs and time.monotonic() < end:
        found.append(measure())
    return medians(found)


def medians(found: Sequence[Sequence[float]]) -> Pair:
    """Return the median of each side."""
    return Pair(*map(statistics.median, zip(*found, strict=True)))


def comparable(answers: Sequence[Any]) -> Sequence[Any]:
    """Leave ids of properties out, which differ on purpose (decision 26)."""
    return [(answer.key, answer.value) if hasattr(answer, "key") else answer for answer in answers]


_IN_THE_SERVER = """
def timed = {{ query -> def began = System.nanoTime(); query().iterate(); (System.nanoTime() - began) / 1e6d }}
def predicted = {{ -> {predicted} }}
def stored = {{ -> {stored} }}
def pair = {{ -> [timed(predicted), timed(stored)] }}
pair()
def end = System.nanoTime() + {seconds} * 1e9
def found = [pair()]
while (found.size() < {pairs} && System.nanoTime() < end) found << pair()
found
"""


def in_the_server(server: GremlinServer, form: Form, key: str, pairs: int, seconds: float) -> Pair:
    """Measure with a script that iterates the traversals where they are, without a driver."""
    plain = GraphTraversalSource(Graph(), TraversalStrategies())
    predicted, stored = (
        Translator().of("g").translate(question(plain, form, Read(key, predicted=side)).bytecode)
        for side in (True, False)
    )
    script = _IN_THE_SERVER.format(
        predicted=predicted.replace("g.", f"g.with('{ENDPOINT}', '{key}').", 1),
        stored=stored, pairs=pairs, seconds=seconds,
    )  # fmt: skip
    return medians(submit(server, script))


def calls_of(g: Any, found: Served, form: Form, key: str) -> tuple[int, int]:
    """Return the HTTP calls and items of one query."""
    before = len(found.counting.calls)
    question(g, form, Read(key, predicted=True), found.counting.endpoint(key)).to_list()
    made = found.counting.calls[before:]
    return len(made), sum(call.items for call in made)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds of a call, and its result."""
    began = time.perf_counter()
    result = call()
    return 1000 * (time.perf_counter() - began), result


# --- what is printed -------------------------------------------------------------------------------------------


def forms(found: Served, server: GremlinServer, options: argparse.Namespace) -> None:
    """Print each form for classes, doubles and edges."""
    say(
        f"{'':<6} {'form':<29}{'predicted':>12}{'stored':>12}{'ratio':>7}{'in server':>11}{'calls':>7}{'items':>8}"
    )
    with connected(server) as g:
        for key in TASKS:
            for name, form in FORMS.items():
                if options.form not in name:
                    continue
                client = at_the_client(g, form, key, options.pairs, options.seconds)
                quick = client.predicted <= 1000 * options.seconds
                inside = in_the_server(server, form, key, options.pairs, options.seconds) if quick else UNKNOWN
                calls, items = calls_of(g, found, form, key)
                say(
                    f"{key:<6} {name:<29}{client.predicted:9.1f} ms{client.stored:9.1f} ms{client.ratio:7.2f}"
                    f"{inside.ratio:11.2f}{calls:7}{items:8}"
                )
        limit_one(g, found)


def limit_one(g: Any, found: Served) -> None:
    """Print what `limit(1)` after an unbounded `g.V()` costs."""
    for key in ("genre", "price"):
        source = g.with_(ENDPOINT, found.counting.endpoint(key))
        before = len(found.counting.calls)
        Read(key, predicted=True).properties(source.V().has_label("movie")).limit(1).to_list()
        made = found.counting.calls[before:]
        say(f"{key:<6} limit(1): {len(made)} calls, {sum(call.items for call in made)} items")


def first_queries(found: Served, server: GremlinServer, options: argparse.Namespace) -> None:
    """Print the first query after an endpoint was made, beside the same form on the stored property."""
    with connected(server) as g:
        for name in ("values", "project.by(values)"):
            if options.form not in name:
                continue
            measured = []
            for number in range(min(options.pairs, 5)):
                endpoint = f"first-{name.partition('.')[0]}-{number}"
                found.deploy(endpoint, TASKS["genre"], seed=100 + number)
                ask = question(g, FORMS[name], Read("genre", predicted=True), endpoint)
                predicted, _ = timed(ask.to_list)
                stored, _ = timed(question(g, FORMS[name], Read("genre", predicted=False)).to_list)
                measured.append((predicted, stored))
                found.service.client.delete_endpoint(endpoint)
            first = medians(measured)
            times = f"{first.predicted:.1f} ms, stored {first.stored:.1f} ms, ratio {first.ratio:.2f}"
            say(f"genre  first query, {name}: {times}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vertices", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=15, help="measurements of each side, at most")
    parser.add_argument("--seconds", type=float, default=5.0, help="after which no further pair is begun")
    parser.add_argument("--form", default="", help="only forms whose name holds this text")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure, with the plugin's tables and without."""
    options = parse(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = stack.enter_context(served(folder, options.vertices))
        for tables in (True, False):
            say(f"{options.vertices:,} vertices and edges, the plugin's tables {'on' if tables else 'off'}")
            with graph_server(found, tables=tables) as server:
                forms(found, server, options)
                if tables:
                    first_queries(found, server, options)


if __name__ == "__main__":
    main(sys.argv[1:])
