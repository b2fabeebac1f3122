"""The benchmarks of queries: what they compare is right, on a small graph with real artifacts and servers."""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import T

from neptuneml_plugin.artifacts import HPO_CONFIGURATION
from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.connection import Connection
from neptuneml_plugin.errors import ResourceNotFound
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig, server_settings
from neptuneml_plugin.testing import FakeService, node_endpoint
from tests.benchmarks.concurrency import PREDICATES, compare, load
from tests.benchmarks.first_query import ASKED, First, first_queries, new_endpoint, new_endpoints, told
from tests.benchmarks.inductive import measure, set_defaults
from tests.benchmarks.inductive import same_answers as same_alone
from tests.benchmarks.queries import (
    BATCHED,
    FORMS,
    WARM,
    Pair,
    Read,
    Row,
    Samples,
    at_the_client,
    calls_of,
    comparable,
    in_rounds,
    in_the_server,
    medians,
    question,
    same_answers,
    summary,
    with_calls,
)
from tests.counting_service import Call, CountingService, count_items
from tests.query_stack import TASKS, Served, connected, graph_server, served, submit
from tests.servers import Connect

MOVIES = 40


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("queries"), MOVIES) as stack:
        yield stack


@pytest.fixture(scope="module")
def server(found: Served) -> Iterator[GremlinServer]:
    with graph_server(found, tables=False) as running:
        yield running


@pytest.fixture(scope="module")
def g(server: GremlinServer) -> Iterator[Any]:
    with connected(server) as source:
        yield source


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", TASKS)
def test_both_sides_answer_the_same_and_are_measured(g: Any, server: GremlinServer, key: str, form: str) -> None:
    same_answers(g, FORMS[form], key)
    client = at_the_client(g, FORMS[form], key, pairs=1, seconds=60)
    inside = in_the_server(server, FORMS[form], key, pairs=1, seconds=60)
    assert len(client) == len(inside) == 1
    assert min(*client[0], *inside[0]) > 0


def test_each_side_is_first_in_turn(g: Any) -> None:
    sides = []

    def form(start: Any, read: Read) -> Any:
        sides.append(read.predicted)
        return read.values(start)

    assert len(at_the_client(g, form, "genre", pairs=3, seconds=60)) == 3
    assert sides == [True, False, False, True, True, False]


def test_a_form_whose_answers_differ_is_no_benchmark(g: Any) -> None:
    with pytest.raises(AssertionError, match="is not what is stored"):
        same_answers(g, lambda t, r: r.values(t).limit(2 if r.predicted else 1), "genre")


def test_the_stored_values_are_spread_as_they_should_be(server: GremlinServer) -> None:
    assert submit(server, "g.V().hasLabel('movie').values('genre').dedup().count()")[0] == 8
    assert submit(server, "g.V().hasLabel('movie').values('price').dedup().count()") == [MOVIES]
    assert submit(server, "g.E().hasLabel('rated').values('score').count()") == [MOVIES]


def test_calls_are_counted(g: Any, found: Served) -> None:
    calls, items = calls_of(g, found, FORMS["values"], "genre")
    assert 1 <= calls <= 10
    assert items == MOVIES
    assert all(call.body_bytes > 50 for call in found.counting.calls)
    assert calls_of(g, found, lambda t, r: t.limit(0), "genre") == (0, 0)


def test_a_query_that_the_cache_answers_is_no_benchmark_of_calls(g: Any, found: Served) -> None:
    with pytest.raises(AssertionError, match="price, where: the cache answered"):
        with_calls(g, found, "where", "price", pairs=2, seconds=60)


def test_queries_that_make_their_calls_each_time(found: Served) -> None:
    with graph_server(found, tables=False, cached_answers=0) as server, connected(server) as g:
        for key in TASKS:
            samples = with_calls(g, found, "values", key, pairs=3, seconds=60)
            assert len(samples.client) == len(samples.calls) == 3
            assert all(1 <= calls <= 10 and items == MOVIES for calls, items in samples.calls)


def test_first_queries(g: Any, found: Served) -> None:
    names = new_endpoints(found, iter(range(2)))
    measured = first_queries(g, ASKED["limit(1)"], names)
    assert len(measured) == 2
    assert all(min(one.first, one.again, one.stored) > 0 for one in measured)
    with pytest.raises(ResourceNotFound, match="first-1"):
        found.service.client.describe_endpoint("first-1")
    with new_endpoint(found, "again-1") as name:
        question(g, FORMS["values"], Read("genre", predicted=True), name).to_list()


def test_the_medians_of_first_queries() -> None:
    line = told("values", [First(9.0, 4.0, 2.0), First(8.0, 1.0, 4.0), First(50.0, 49.0, 4.0)])
    told_times = re.findall(r"[0-9.]+", line)
    assert told_times == ["9.0", "4.0", "4.0", "2.25", "5.0"]


@pytest.mark.parametrize("key", PREDICATES)
def test_clients_that_ask_at_once_leave_nothing(
    found: Served, server: GremlinServer, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    compare(found, server, key, clients=3, seconds=0.5)
    said = capsys.readouterr().out
    assert said.count("errors 0") == 2
    assert said.count("after:") == 2
    assert "predicted / stored: throughput x" in said


def test_errors_are_counted_beside_the_answers() -> None:
    answers = iter([None, "a fault", None])
    measured = load([lambda: next(answers, "ended")], seconds=0.05)
    assert len(measured.milliseconds) == 2
    assert measured.errors["a fault"] == 1
    assert measured.errors["ended"] >= 1
    assert f"errors {measured.errors.total()}\n" in str(measured)


def test_medians() -> None:
    assert medians([(1.0, 4.0), (3.0, 5.0), (9.0, 5.0)]) == Pair(3.0, 5.0, 0.6)
    slowed_for_a_while = [(1.0, 1.0), (1.0, 1.0), (50.0, 50.0), (40.0, 40.0), (2.0, 1.0)]
    assert medians(slowed_for_a_while).ratio == 1.0


def test_the_first_round_is_not_counted() -> None:
    milliseconds = itertools.count(1)
    measured: list[str] = []

    def measure_form(key: str, name: str) -> Samples:
        measured.append(name)
        return Samples([(next(milliseconds), 1.0)], [], [(len(measured), 40)])

    samples = in_rounds(measure_form, [("genre", "values"), ("genre", "count")], rounds=2)
    rows = [found.row(*asked) for asked, found in samples.items()]
    assert measured == ["values", "count"] * 3
    assert [row.client.predicted for row in rows] == [4.0, 5.0], "of 3 and 5, of 4 and 6"
    assert [row.calls for row in rows] == [5, 6]
    assert all(math.isnan(row.inside.ratio) for row in rows)


def test_the_summary_names_the_worst_beside_its_target() -> None:
    rows = [
        Row("genre", form, Pair(milliseconds, 10.0, milliseconds / 10), calls, 100)
        for form, milliseconds, calls in [("values", 40.0, 7), ("count", 20.0, 9), ("repeat", 10.0, 100)]
    ]
    assert summary(BATCHED, rows).split("\n")[2:] == [
        "genre  median  2.00   worst  4.00 (values)   target <= 3.0",
        "calls  most of one query 9   target <= 20",
    ]
    assert "calls  " not in summary(WARM, rows)
    assert "4.00" in str(rows[0])


def test_ids_of_properties_do_not_count() -> None:
    from gremlin_python.structure.graph import VertexProperty

    assert comparable([VertexProperty(1, "k", "v", None), 3]) == [("k", "v"), 3]
    assert Read("genre", predicted=True).some != Read("price", predicted=True).some


# --- the counting service --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "items"),
    [
        ({"nodes": [{"nodeId": "1"}, {"nodeId": "2"}]}, 2),
        ({"edges": [{"headNodeId": "1"}]}, 1),
        ({"items": {"nodeId": ["1", "2", "3"]}}, 3),
        ({"items": {"headNodeId": ["1", "2"], "tailNodeId": ["3", "4"]}}, 2),
        ({"items": {"headNodeHash": "AAAAAAAAAAABAAAAAAAAAA==", "tailNodeHash": "AAAAAAAAAAABAAAAAAAAAA=="}}, 2),
        ({}, 0),
    ],
)
def test_items_in_each_spelling(data: dict[str, Any], items: int) -> None:
    assert count_items({"data": data}) == items


def test_the_counting_service_passes_answers_and_errors_on() -> None:
    genre = node_endpoint("movie", "genre", "String", "String", {"a": [{"value": "drama", "score": 0.5}]})
    with FakeService({"genre": genre}) as fake, CountingService(fake.url) as counting:
        client = ServiceClient(counting.url)
        description = client.describe_endpoint("genre")
        assert description == ServiceClient(fake.url).describe_endpoint("genre") | {"addresses": [counting.url]}
        body = {"data": {"nodes": [{"nodeId": "a"}, {"nodeId": "b"}]}}
        assert client.invoke("genre", body)["answers"] == [[{"value": "drama"}], []]
        worker = Connection(counting.url, description["token"])
        assert worker.call("POST", "/invocations", body)["answers"] == [[{"value": "drama"}], []]
        with pytest.raises(ResourceNotFound, match="no endpoint 'other'"):
            client.describe_endpoint("other")
        assert [call.items for call in counting.calls] == [2, 2]
        assert Counter(map(type, counting.calls)) == {Call: 2}


# --- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, {}), (0, {"tableLimitMib": 0}), (64, {"tableLimitMib": 64})]
)
def test_the_table_limit_reaches_the_plugin(tmp_path: Path, limit: int | None, expected: dict[str, int]) -> None:
    settings = server_settings(GremlinServerConfig(tmp_path, table_limit_mib=limit), 8182, tmp_path)
    plugins = settings["scriptEngines"]["gremlin-groovy"]["plugins"]
    assert plugins["io.github.neptuneml.gremlin.NeptuneMLGremlinPlugin"] == expected


def test_one_airport_and_many(gremlin_server: GremlinServer, connect: Connect) -> None:
    g = connect(gremlin_server)
    figures = measure(lambda airports: g.V(*airports).values("country"), [1, 2, 3, 4], repeats=2)
    assert min(figures.values()) > 0
    assert figures["times_faster"] == figures["one_by_one_ms"] / figures["all_at_once_ms"]


def test_answers_alone_and_among_others(gremlin_server: GremlinServer, connect: Connect) -> None:
    g = connect(gremlin_server)

    def answers(airports: Sequence[int], answer: Any) -> Any:
        return g.V(*airports).project("id", "answers").by(T.id).by(answer)

    assert same_alone(lambda airports: answers(airports, "country"), [1, 2, 3, 4]) == 1
    assert same_alone(lambda airports: answers(airports, __.constant(len(airports))), [1, 4]) == 0


def test_defaults_of_hyperparameters(tmp_path: Path) -> None:
    parameters = [{"param": "num-epochs", "default": 100}, {"param": "lr", "default": 0.01}]
    document = {"models": [{"model": "rgcn", "1-tier-param": parameters}]}
    (tmp_path / HPO_CONFIGURATION).write_text(json.dumps(document))
    set_defaults(tmp_path, {"num-epochs": 5})
    (model,) = json.loads((tmp_path / HPO_CONFIGURATION).read_text())["models"]
    assert [parameter["default"] for parameter in model["1-tier-param"]] == [5, 0.01]
