"""Each form of a prediction beside the same form on a stored property with the same values.

Run `python -m tests.benchmarks.queries [--vertices N] [--rounds N] [--pairs N] [--seconds S] [--form TEXT]
[--property NAME] [--mode MODE]`.
Both sides are asked in turn, each as often first as second: at the client, and inside the server without a driver.
All forms are measured in rounds, so that what else the machine does meets them all; the first round is not
counted, because the JIT compiles meanwhile what all forms share. Times are medians, and ratios are medians of the
pairs' ratios. A query that takes longer than `--seconds` is measured once a round at the client, and not in the
server.

Two modes. Warm: tables answer for vertices, and the cache of answers for edges, which have no table. Batched
calls: without tables and without a cache, so that each query asks for everything again; each is asked once more
through a stand-in that counts the calls.
"""

import argparse
import gc
import itertools
import math
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
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


#: How many items the forms ask for that do not ask for all; their calls are reported and have no target.
FEWER_ITEMS = {"repeat": 100, "match": 100}
MOST_CALLS = 20


@dataclass(frozen=True)
class Mode:
    """Where answers come from, and the ratio to reach."""

    title: str
    tables: bool
    #: None: the plugin's default.
    cached_answers: int | None
    #: By property.
    targets: Mapping[str, float]
    #: Whether every query makes its calls.
    counted: bool = False


WARM = Mode(
    "warm: tables, and for edges the cache", tables=True, cached_answers=None,
    targets={"genre": 1.2, "price": 1.2, "score": 3.0},
)  # fmt: skip
BATCHED = Mode(
    "batched calls only", tables=False, cached_answers=0, targets=dict.fromkeys(TASKS, 3.0), counted=True
)
MODES = {"warm": WARM, "batched": BATCHED}


#: Milliseconds of a predicted and of a stored query, one right after the other.
Sample = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """Median milliseconds of both sides, and the median of their ratios."""

    predicted: float
    stored: float
    ratio: float


UNKNOWN = Pair(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """What was measured of one form."""

    key: str
    form: str
    client: Pair
    #: Of one query.
    calls: int
    items: int
    inside: Pair = UNKNOWN

    def __str__(self) -> str:
        return (
            f"{self.key:<6} {self.form:<29}{self.client.predicted:9.1f} ms{self.client.stored:9.1f} ms"
            f"{self.client.ratio:7.2f}{self.inside.ratio:11.2f}{self.calls:7}{self.items:8}"
        )


def question(g: Any, form: Form, read: Read, endpoint: str = "") -> Any:
    """Return a form's traversal over all movies, or all edges."""
    source = g.with_(ENDPOINT, endpoint) if endpoint else g
    start = source.V().has_label("movie") if TASKS[read.key].on_nodes else source.E().has_label("rated")
    return form(start, read)


def both_sides(g: Any, form: Form, key: str) -> tuple[Callable[[], Any], ...]:
    """Return what asks for the predicted and for the stored values."""
    stored, predicted = Read(key, predicted=False), Read(key, predicted=True)
    return (
        lambda: question(g, form, predicted, key).to_list(),
        lambda: question(g, form, stored).to_list(),
    )


def same_answers(g: Any, form: Form, key: str) -> None:
    """Raise AssertionError if the sides do not answer the same."""
    answers, truth = (side() for side in both_sides(g, form, key))
    if comparable(answers) != comparable(truth):
        raise AssertionError(f"{key}: {answers[:3]}… is not what is stored, {truth[:3]}…")


def at_the_client(
    g: Any, form: Form, key: str, pairs: int, seconds: float, before: Callable[[], object] = tuple
) -> list[Sample]:
    """Measure with gremlin-python.

    Args:
        g: where to ask.
        form: the form.
        key: of the property.
        pairs: at most.
        seconds: after which no further pair is begun.
        before: done before each pair, and not timed.
    """
    sides = both_sides(g, form, key)

    def ask(turn: int) -> Sample:
        before()
        first, second = (uncollected(side) for side in (sides if turn % 2 == 0 else reversed(sides)))
        return (first, second) if turn % 2 == 0 else (second, first)

    end = time.monotonic() + seconds
    found = [ask(0)]
    while len(found) < pairs and time.monotonic() < end:
        found.append(ask(len(found)))
    return found


def medians(found: Sequence[Sample]) -> Pair:
    """Return the medians of each side and of the ratios: what slows both for a while does not change these."""
    predicted, stored = map(statistics.median, zip(*found, strict=True))
    return Pair(predicted, stored, statistics.median(ours / theirs for ours, theirs in found))


def comparable(answers: Sequence[Any]) -> Sequence[Any]:
    """Leave ids of properties out, which differ on purpose (decision 26)."""
    return [(answer.key, answer.value) if hasattr(answer, "key") else answer for answer in answers]


_IN_THE_SERVER = """
def timed = {{ query -> def began = System.nanoTime(); query().iterate(); (System.nanoTime() - began) / 1e6d }}
def predicted = {{ -> {predicted} }}
def stored = {{ -> {stored} }}
def pair = {{ storedFirst ->
  def first = storedFirst ? timed(stored) : timed(predicted)
  storedFirst ? [timed(predicted), first] : [first, timed(stored)]
}}
pair(false)
def end = System.nanoTime() + {seconds} * 1e9
def found = [pair(false)]
while (found.size() < {pairs} && System.nanoTime() < end) found << pair(found.size() % 2 == 1)
found
"""


def in_the_server(server: GremlinServer, form: Form, key: str, pairs: int, seconds: float) -> list[Sample]:
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
    return [(predicted_ms, stored_ms) for predicted_ms, stored_ms in submit(server, script)]


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


@dataclass
class Samples:
    """What all rounds have found of one form."""

    client: list[Sample] = field(default_factory=list)
    inside: list[Sample] = field(default_factory=list)
    #: Calls and items.
    calls: list[tuple[int, int]] = field(default_factory=list)

    def row(self, key: str, form: str) -> Row:
        """Return what is told of them."""
        return Row(
            key, form, medians(self.client), *max(self.calls), medians(self.inside) if self.inside else UNKNOWN
        )


def uncollected(call: Callable[[], Any]) -> float:
    """Return a call's milliseconds without Python's collector, whose full runs could always meet the same side."""
    gc.collect()
    gc.disable()
    try:
        return timed(call)[0]
    finally:
        gc.enable()


def with_calls(g: Any, found: Served, name: str, key: str, pairs: int, seconds: float) -> Samples:
    """Measure queries that must all ask for their items; the counted twin tells what each cost.

    Raises:
        AssertionError: a query was answered from the cache.
    """
    samples = Samples()
    samples.client = at_the_client(
        g, FORMS[name], key, pairs, seconds,
        lambda: samples.calls.append(calls_of(g, found, FORMS[name], key)),
    )  # fmt: skip
    wanted = min(FEWER_ITEMS.get(name, len(found.movies)), len(found.movies))
    if min(items for _, items in samples.calls) < wanted:
        raise AssertionError(
            f"{key}, {name}: the cache answered: (calls, items) were {samples.calls}, not {wanted} items"
        )
    return samples


def warm(g: Any, server: GremlinServer, name: str, key: str, pairs: int, seconds: float) -> Samples:
    """Measure a form at the client and in the server."""
    client = at_the_client(g, FORMS[name], key, pairs, seconds)
    quick = medians(client).predicted <= 1000 * seconds
    return Samples(client, in_the_server(server, FORMS[name], key, pairs, seconds) if quick else [])


# --- what is printed -------------------------------------------------------------------------------------------


def forms(found: Served, server: GremlinServer, mode: Mode, options: argparse.Namespace) -> list[Row]:
    """Measure and print each form for classes, doubles and edges."""
    properties = (options.property,) if options.property else TASKS
    asked = [*itertools.product(properties, (name for name in FORMS if options.form in name))]
    with connected(server) as g:

        def measured(key: str, name: str) -> Samples:
            if mode.counted:
                return with_calls(g, found, name, key, options.pairs, options.seconds)
            return warm(g, server, name, key, options.pairs, options.seconds)

        for key, name in asked:
            same_answers(g, FORMS[name], key)
        samples = in_rounds(measured, asked, options.rounds)
        if not mode.counted:
            for key, name in asked:
                calls_of(g, found, FORMS[name], key)
                samples[key, name].calls.append(calls_of(g, found, FORMS[name], key))
        rows = [samples[key, name].row(key, name) for key, name in asked]
        say(f"\n{len(found.movies):,} vertices and edges, {mode.title}")
        titles = f"{'':<6} {'form':<29}{'predicted':>12}{'stored':>12}{'ratio':>7}{'in server':>11}"
        say(f"{titles}{'calls':>7}{'items':>8}")
        for row in rows:
            say(str(row))
        if mode.counted:
            limit_one(g, found)
    return rows


def in_rounds(
    measured: Callable[[str, str], Samples], asked: Sequence[tuple[str, str]], rounds: int
) -> dict[tuple[str, str], Samples]:
    """Measure all that is asked so often, after once in vain."""
    samples: defaultdict[tuple[str, str], Samples] = defaultdict(Samples)
    for counted in (False, *(True for _ in range(rounds))):
        for key, name in asked:
            fresh = measured(key, name)
            if counted:
                samples[key, name].client += fresh.client
                samples[key, name].inside += fresh.inside
                samples[key, name].calls += fresh.calls
    return samples


def limit_one(g: Any, found: Served) -> None:
    """Print what `limit(1)` after an unbounded `g.V()` costs."""
    for key in ("genre", "price"):
        source = g.with_(ENDPOINT, found.counting.endpoint(key))
        before = len(found.counting.calls)
        Read(key, predicted=True).properties(source.V().has_label("movie")).limit(1).to_list()
        made = found.counting.calls[before:]
        say(f"{key:<6} limit(1): {len(made)} calls, {sum(call.items for call in made)} items")


def summary(mode: Mode, rows: Sequence[Row]) -> str:
    """Return the worst and the median ratio of each property, and the most calls, beside their targets."""
    lines = [f"\n{mode.title}"]
    for key, target in mode.targets.items():
        ratios = {row.form: row.client.ratio for row in rows if row.key == key}
        if ratios:
            worst = max(ratios, key=lambda form: ratios[form])
            lines.append(
                f"{key:<6} median {statistics.median(ratios.values()):5.2f}   worst {ratios[worst]:5.2f} ({worst})"
                f"   target <= {target}"
            )
    calls = [row.calls for row in rows if row.form not in FEWER_ITEMS]
    if mode.counted and calls:
        lines.append(f"{'calls':<6} most of one query {max(calls)}   target <= {MOST_CALLS}")
    return "\n".join(lines)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vertices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3, help="through all forms, after one to warm up")
    parser.add_argument("--pairs", type=int, default=11, help="measurements of each side in a round, at most")
    parser.add_argument(
        "--seconds", type=float, default=0.4, help="of a form in a round, after which no further pair is begun"
    )
    parser.add_argument("--form", default="", help="only forms whose name holds this text")
    parser.add_argument("--property", choices=TASKS, help="only forms of this one")
    parser.add_argument("--mode", choices=MODES, help="only this one")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure, and the summary."""
    options = parse(arguments)
    summaries = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = stack.enter_context(served(folder, options.vertices))
        for mode in MODES.values() if options.mode is None else (MODES[options.mode],):
            with graph_server(found, tables=mode.tables, cached_answers=mode.cached_answers) as server:
                summaries.append(summary(mode, forms(found, server, mode, options)))
    say("\n".join(summaries))


if __name__ == "__main__":
    main(sys.argv[1:])
