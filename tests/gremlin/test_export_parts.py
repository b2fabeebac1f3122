"""Exports of a part of a graph behind a real server: filters and queries as scripts, walks as bytecode."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.driver.client import Client

from neptuneml_plugin.config import ExportConfig, Reader
from neptuneml_plugin.errors import InvalidParameter, TimeLimitExceeded
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.export import export_graph, run
from neptuneml_plugin.export.readers.gremlin_source import GremlinSource
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.gremlin_server import GremlinServer, running_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.platforms import NEWEST, OLDEST, PLATFORMS

TOWN = "a \"town\", 'é' \\ 😀"
COUNTRIES = ("US", "it's", "DE")
PEOPLE = {f"p{i}": ("person", {"country": COUNTRIES[i % 3], "n": i}) for i in range(10)}
TOWNS: dict[str, tuple[str, dict[str, Any]]] = {f"t{i}": (TOWN, {"n": i}) for i in range(3)}
GRAPH = MemoryGraph(
    vertices={**PEOPLE, **TOWNS},
    edges={
        **{f"k{i}": (f"p{i}", "knows", f"p{i + 1}", {"since": 2000 + i}) for i in range(9)},
        **{f"l{i}": (f"p{i}", "lives", f"t{i % 3}", {}) for i in range(9)},
    },
    filters={"has('n', 4)": lambda row: row.properties["n"] == 4},
)


def script(server: GremlinServer, groovy: str, **bindings: Any) -> list[Any]:
    client = Client(server.url, "g", pool_size=1)
    try:
        found: list[Any] = (
            client.submit(groovy, bindings, request_options={"language": "gremlin-groovy"}).all().result()
        )
        return found
    finally:
        client.close()


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def server(request: pytest.FixtureRequest, server_data_root: Path) -> Iterator[GremlinServer]:
    """A server of each release with `GRAPH`, which no test changes."""
    settings = {key: value for key, value in PLATFORMS[f"TinkerGraph {request.param}"].items() if key == "jar_set"}
    with running_server(
        GremlinServerConfig(server_data_root, "empty", port=0, heap_mib=256, **settings)
    ) as running:
        for key, (label, values) in GRAPH.vertices.items():
            script(running, "g.addV(x).property(id, y).property('n', z).iterate()", x=label, y=key, z=values["n"])
            if "country" in values:
                script(running, "g.V(x).property('country', y).iterate()", x=key, y=values["country"])
        for key, (source, label, target, values) in GRAPH.edges.items():
            written = "".join(f".property('{name}', {value})" for name, value in values.items())
            text = f"g.V(x).addE('{label}').to(__.V(y)).property(id, '{key}'){written}.iterate()"
            script(running, text, x=source, y=target)
        yield running


def config(server: GremlinServer, params: dict[str, Any], command: str = "export-pg") -> ExportConfig:
    request = {"command": command, "params": params}
    return ExportConfig(server.url, request=request, block_size=3)


def lines(folder: Path) -> dict[str, list[str]]:
    """Return the sorted lines of each file."""
    return {
        path.relative_to(folder).as_posix(): sorted(path.read_text().splitlines())
        for path in folder.glob("*/*.csv")
    }


@pytest.mark.parametrize(
    ("steps", "people", "towns"),
    [
        ("has('n', gt(7))", "89", ""),
        ("has('country', 'it\\'s')", "147", ""),
        ('has("country", within("US", "DE")).has("n", lt(3))', "02", ""),
        ("not(has('country', 'US')).has('n', lte(2))", "12", "012"),
        ("out('knows').has('n', gt(8))", "8", ""),
        ("in('lives')", "", "012"),
        ("both('knows').both('knows')", "0123456789", ""),
        ("properties('n').hasValue(2)", "2", "2"),
        ("values('n').math('_ * 2').is(gt(15.0))", "89", ""),
        ("order().by('n', desc).limit(2)", "89", "12"),
        ("where(__.out('lives').has('n', 0)).has('n', gt(2))", "36", ""),
        ("count()", "", ""),
    ],
)
def test_a_filter_chooses_elements(server: GremlinServer, steps: str, people: str, towns: str) -> None:
    with GremlinSource(config(server, {})) as source:
        found = [sorted(source.filtered(Element.NODE, label, steps)) for label in ("person", TOWN)]
    assert found == [[f"p{n}" for n in people], [f"t{n}" for n in towns]]


@pytest.mark.parametrize("steps", ["sample(3)", "coin(0.5)", "order().by(shuffle).limit(4)"])
def test_what_a_filter_draws_it_draws_again(server: GremlinServer, steps: str) -> None:
    with GremlinSource(config(server, {})) as source:
        drawn = [list(source.filtered(Element.NODE, "person", steps)) for _ in range(5)]
    assert drawn == [drawn[0]] * 5
    assert 0 < len(drawn[0]) < 10


def test_filters_leave_no_edge_without_its_vertices(server: GremlinServer, tmp_path: Path) -> None:
    params = {"gremlinNodeFilter": "has('n', lt(2))", "gremlinEdgeFilter": "not(has('since', 2000))"}
    summary = run(config(server, params), tmp_path / "out")
    assert summary.counts == {"nodes": 4, "edges": 2}
    assert summary.warnings[0] == ("15 edges were left out, since one of their vertices is not among those chosen")


@pytest.mark.parametrize(
    "params",
    [
        {"gremlinFilter": "has('n', lt(7))"},
        {"subgraph": {"seeds": "has('n', 4)", "hops": 2}},
        {"gremlinFilter": "order().by('n', desc)", "limit": 7},
    ],
)
def test_both_readers_write_the_same_part(server: GremlinServer, params: dict[str, Any], tmp_path: Path) -> None:
    for reader in (Reader.BULK, Reader.GREMLIN):
        run(dataclasses.replace(config(server, params), reader=reader), tmp_path / reader)
    folders = [
        {path.relative_to(tmp_path / reader): path.read_bytes() for path in (tmp_path / reader).rglob("*.*")}
        for reader in (Reader.BULK, Reader.GREMLIN)
    ]
    assert folders[0] == folders[1]
    assert len(folders[0]) >= 4


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("has('n',", r"line 1, character position at \d+"),
        ("hass('n')", r"does not run g\.withStrategies\(ReadOnlyStrategy\)\.V\(\).*hass"),
        ("property('n', 1)", "mutating step and thus is not read only"),
        ("where(__.out().drop())", "mutating step and thus is not read only"),
        ("filter{true}", "character position"),
        ("values('n').out()", "does not run"),
    ],
)
def test_steps_that_the_server_does_not_run(server: GremlinServer, steps: str, problem: str) -> None:
    with (
        GremlinSource(config(server, {})) as source,
        pytest.raises(InvalidParameter, match=problem) as caught,
    ):
        source.filtered(Element.NODE, "person", steps)
    assert caught.value.exit_code == 2
    assert script(server, "g.V().count()") == [13]


def test_a_filter_that_takes_too_long(server: GremlinServer) -> None:
    limited = ExportConfig(server.url, request_timeout_seconds=2)
    with (
        GremlinSource(limited) as source,
        pytest.raises(
            TimeLimitExceeded, match=r"longer than 2 s; .* or let a filter or query of yours ask for less"
        ),
    ):
        source.filtered(Element.NODE, "person", "repeat(__.both()).times(40).path()")


def test_queries_give_the_same_folder(server: GremlinServer, tmp_path: Path) -> None:
    queries = ["g.E().elementMap()", "g.V().hasLabel('person').elementMap('n', 'country')", "g.V().elementMap()"]
    run(config(server, {}), tmp_path / "whole")
    request = {"queries": {"name": "all", "queries": queries}}
    summary = run(config(server, request, "export-pg-from-queries"), tmp_path / "queries")
    assert summary.counts == {"nodes": 13, "edges": 18}
    assert lines(tmp_path / "queries") == lines(tmp_path / "whole")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("g.V().elementMap().count()", "gives 13; end it with elementMap"),
        ("g.V().elementMap('n').select('n')", r"gives \d; end it"),
        ("g.V().where(__.elementMap())", r"gives v\[p0\]; end it"),
        ("g.V().elementMap().unfold()", "gives "),
        ("g.inject(1).elementMap()", "does not run"),
        ("g.V().elementMap(", "character position"),
    ],
)
def test_queries_that_give_something_else(server: GremlinServer, query: str, problem: str) -> None:
    with GremlinSource(config(server, {})) as source, pytest.raises(InvalidParameter, match=problem):
        list(source.elements(query))


SEEDS = ["has('n', 4)", {"label": "person", "ids": ["p2", "p7"]}, {"label": TOWN, "ids": ["t1"]}]
LIMITED = {"edgeLabels": ["knows"], "limitPerHop": 1, "seed": 5}


@pytest.mark.parametrize(
    "more", [{}, {"direction": "out"}, {"direction": "in"}, {"nodeLabels": "person"}, LIMITED]
)
@pytest.mark.parametrize("seeds", SEEDS, ids=["filter", "people", "town"])
def test_a_walk_reaches_what_it_reaches_in_memory(
    server: GremlinServer, seeds: Any, more: dict[str, Any], tmp_path: Path
) -> None:
    settings = config(server, {"subgraph": {"seeds": seeds, "hops": 2, **more}})
    run(settings, tmp_path / "server")
    export_graph(GRAPH, read_request(settings), tmp_path / "memory")
    assert lines(tmp_path / "server") == lines(tmp_path / "memory")
