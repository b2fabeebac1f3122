"""The export against a real Gremlin Server: id and value classes, blocks, and a server that goes away."""

import contextlib
import csv
import functools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from gremlin_python.driver.client import Client

from neptuneml_plugin.config import ExportConfig, data_root
from neptuneml_plugin.errors import FailureByQuery, TimeLimitExceeded, UnsupportedOperation
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.export import export_graph, run
from neptuneml_plugin.export.readers.gremlin_source import GremlinSource
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.gremlin_server import GremlinServer, running_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.export.graphs import PEOPLE


@pytest.fixture(scope="module")
def empty_server() -> Iterator[GremlinServer]:
    """A graph of our own under TinkerGraph's ANY id manager; each test uses labels of its own."""
    with running_server(GremlinServerConfig(data_root(), graph="empty", port=0, heap_mib=256)) as server:
        yield server


def script(server: GremlinServer, groovy: str) -> list[Any]:
    client = Client(server.url, "g", pool_size=1)
    try:
        options = {"language": "gremlin-groovy"}
        found: list[Any] = client.submit(groovy, request_options=options).all().result()
        return found
    finally:
        client.close()


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def schema_of(folder: Path, element: Element, label: str) -> dict[str, Any]:
    found = json.loads((folder / "config.json").read_text())[element]
    return next(entry for entry in found if label in (entry["label"], dict_label(entry)))


def dict_label(entry: dict[str, Any]) -> Any:
    return entry["label"]["~label"] if isinstance(entry["label"], dict) else None


UUIDS = ("41d2e28a-20a4-4ab0-b379-d810dede3786", "7d444840-9dc0-11d1-b245-5ffdce74fad2")


@pytest.mark.parametrize(
    ("name", "literals", "texts"),
    [
        ("Integer", ("1001", "1002"), ("1001", "1002")),
        ("Long", ("1003L", "5000000000L"), ("1003", "5000000000")),
        ("String", ("'s1'", "'é\"2'"), ("s1", 'é"2')),
        ("UUID", tuple(f"UUID.fromString('{text}')" for text in UUIDS), UUIDS),
    ],
)
def test_ids_keep_their_class(
    empty_server: GremlinServer, name: str, literals: tuple[str, str], texts: tuple[str, str], tmp_path: Path
) -> None:
    node, edge = f"Node{name}", f"edge{name}"
    first, second = literals
    script(
        empty_server,
        f"g.addV('{node}').property(id, {first}).as('a').addV('{node}').property(id, {second}).as('b')"
        f".addE('{edge}').from('a').to('b').iterate()",
    )
    run(ExportConfig(empty_server.url, node_labels=(node,), edge_labels=(edge,)), tmp_path / "out")
    assert schema_of(tmp_path / "out", Element.NODE, node)["idType"] == name
    nodes = rows(tmp_path / f"out/nodes/{node}.consolidated.csv")
    assert {row["~id"] for row in nodes} == set(texts)
    (row,) = rows(next((tmp_path / "out/edges").iterdir()))
    assert (row["~from"], row["~to"], row["~fromLabels"]) == (*texts, node)


def test_ids_of_two_classes_with_one_text_are_refused(empty_server: GremlinServer, tmp_path: Path) -> None:
    script(empty_server, "g.addV('Mixed').property(id, 2001).addV('Mixed').property(id, '2001').iterate()")
    with pytest.raises(
        UnsupportedOperation,
        match=r"Mixed has ids of classes (Integer|String) and",
    ):
        run(ExportConfig(empty_server.url, node_labels=("Mixed",)), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


VALUES = {
    "byte": ("(byte) 1", "Byte", "1"),
    "short": ("(short) 2", "Short", "2"),
    "integer": ("3", "Integer", "3"),
    "long": ("4L", "Long", "4"),
    "float": ("0.1f", "Float", "0.1"),
    "double": ("1.0e10d", "Double", "1.0E10"),
    "decimal": ("1.50", "String", "1.50"),
    "flag": ("true", "Boolean", "true"),
    "text": ("'a \"b\"'", "String", 'a "b"'),
    "uuid": (f"UUID.fromString('{UUIDS[0]}')", "String", UUIDS[0]),
    "date": ("new Date(1500)", "Date", "1970-01-01T00:00:01.500Z"),
    "instant": ("java.time.Instant.ofEpochSecond(1)", "Date", "1970-01-01T00:00:01Z"),
    "id": ("'own'", "String", "own"),
    "label": ("'own'", "String", "own"),
    "moment": ("java.time.OffsetDateTime.parse('2020-01-01T02:00+02:00')", "Date", "2020-01-01T00:00:00Z"),
}


def test_values_keep_their_class(empty_server: GremlinServer, tmp_path: Path) -> None:
    properties = "".join(f".property('{name}', {literal})" for name, (literal, _, _) in VALUES.items())
    script(empty_server, f"g.addV('Values'){properties}.iterate()")
    script(
        empty_server, f"v = g.V().hasLabel('Values').next(); g.addE('values').from(v).to(v){properties}.iterate()"
    )
    run(ExportConfig(empty_server.url, node_labels=("Values",), edge_labels=("values",)), tmp_path / "out")
    for element, label in ((Element.NODE, "Values"), (Element.EDGE, "values")):
        (row,) = rows(next((tmp_path / "out" / element).iterdir()))
        columns = schema_of(tmp_path / "out", element, label)["properties"]
        found = {column["property"]: (column["dataType"], row[column["property"]]) for column in columns}
        assert found == {name: (kind, text) for name, (_, kind, text) in VALUES.items()}


def test_several_values_of_a_property(empty_server: GremlinServer, tmp_path: Path) -> None:
    script(empty_server, "g.addV('Tags').property(list, 't', 'a;b').property(list, 't', 'c').iterate()")
    run(ExportConfig(empty_server.url, node_labels=("Tags",)), tmp_path / "out")
    (row,) = rows(tmp_path / "out/nodes/Tags.consolidated.csv")
    assert row["t"] == "a\\;b;c"


@pytest.mark.parametrize("further", [{}, {"tokensOnly": "both"}, {"tokensOnly": "edges", "format": "json"}])
def test_the_graph_in_memory_behaves_as_a_server(
    empty_server: GremlinServer, further: dict[str, Any], tmp_path: Path
) -> None:
    load(empty_server, PEOPLE)
    request = {"params": {"nodeLabels": ["Person", "Admin::Person"], "edgeLabels": ["knows"], **further}}
    config = ExportConfig(empty_server.url, request=request)
    run(config, tmp_path / "server")
    export_graph(PEOPLE, read_request(config), tmp_path / "memory")
    written = [
        {path.relative_to(folder): sorted(path.read_text().splitlines()) for path in folder.glob("*/*.*")}
        for folder in (tmp_path / "server", tmp_path / "memory")
    ]
    assert len(written[0]) == 3
    assert written[0] == written[1]
    schemas = [
        {json.dumps(entry["label"]): entry for entry in json.loads((folder / "config.json").read_text())["nodes"]}
        for folder in (tmp_path / "server", tmp_path / "memory")
    ]
    assert schemas[0] == schemas[1]


def load(server: GremlinServer, graph: MemoryGraph) -> None:
    if script(server, f"g.V('{next(iter(graph.vertices))}').hasNext()") == [True]:
        return
    for key, (label, properties) in graph.vertices.items():
        written = "".join(f".property('{name}', '{value}')" for name, value in properties.items())
        script(server, f"g.addV('{label}').property(id, '{key}'){written}.iterate()")
    for key, (source, label, target, _) in graph.edges.items():
        script(
            server,
            f"g.addE('{label}').from(__.V('{source}')).to(__.V('{target}')).property(id, '{key}').iterate()",
        )


def test_a_part_is_read_by_id(gremlin_server: GremlinServer, tmp_path: Path) -> None:
    request = {"params": {"skip": 100, "limit": 250, "range": 60, "edgeLabels": ["route"]}}
    summary = run(ExportConfig(gremlin_server.url, request=request), tmp_path / "out")
    assert summary.counts["nodes"] == 250
    airports = {row["~id"] for file in (tmp_path / "out/nodes").iterdir() for row in rows(file)}
    edges = [row for file in (tmp_path / "out/edges").iterdir() for row in rows(file)]
    assert {row[end] for row in edges for end in ("~from", "~to")} <= airports


def test_elements_that_vanish_are_left_out(empty_server: GremlinServer) -> None:
    script(empty_server, "5.times { g.addV('Fleeting').property('n', it).iterate() }")
    with GremlinSource(ExportConfig(empty_server.url, block_size=2)) as source:
        ids = source.ids(Element.NODE, "Fleeting")
        script(empty_server, "g.V().hasLabel('Fleeting').has('n', 3).drop().iterate()")
        found = sorted(values(source.blocks(Element.NODE, "Fleeting", None, ids), "n"))
    assert found == ["0", "1", "2", "4"]


def values(blocks: Iterator[Block], name: str) -> list[str]:
    return [
        value for block in blocks for cells in block.properties if cells.name == name for value in cells.values
    ]


def test_labels_as_neptune_spells_several(empty_server: GremlinServer, tmp_path: Path) -> None:
    script(empty_server, "g.addV('Staff::Admin').addV('Admin::Staff').addV('Staff').iterate()")
    run(ExportConfig(empty_server.url, node_labels=("Admin::Staff",)), tmp_path / "out")
    assert len(rows(tmp_path / "out/nodes/Admin%3BStaff.consolidated.csv")) == 2


def test_an_unknown_traversal_source_is_named(empty_server: GremlinServer, tmp_path: Path) -> None:
    with pytest.raises(FailureByQuery, match="absent"):
        run(ExportConfig(empty_server.url, traversal_source="absent"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_air_routes_is_exported_whole(gremlin_server: GremlinServer, tmp_path: Path) -> None:
    target = {"node": "airport", "property": "country", "type": "classification"}
    request = {"additionalParams": {"neptune_ml": {"targets": [target]}}}
    start = time.process_time()
    summary = run(ExportConfig(gremlin_server.url, request=request), tmp_path / "out")
    assert time.process_time() - start < 15, "seconds of this process, whatever else the machine does"
    assert summary.counts == {"nodes": 3749, "edges": 57645}
    assert (summary.task, summary.warnings) == ("node_class", ())
    routes = rows(tmp_path / "out/edges/%28airport%29-route-%28airport%29.consolidated.csv")
    assert len({row["~id"] for row in routes}) == 50637
    atlanta = next(row for row in rows(tmp_path / "out/nodes/airport.consolidated.csv") if row["~id"] == "1")
    assert (atlanta["code"], atlanta["country"], atlanta["elev"]) == ("ATL", "US", "1026")


@pytest.mark.parametrize("block_size", [1, 7, 10_000])
def test_the_size_of_blocks_changes_nothing(gremlin_server: GremlinServer, block_size: int) -> None:
    with GremlinSource(ExportConfig(gremlin_server.url, block_size=block_size)) as source:
        found = values(source.blocks(Element.NODE, "country", ("code",)), "code")
    assert len(found) == len(set(found)) == 237


def test_a_request_that_takes_too_long(gremlin_server: GremlinServer, tmp_path: Path) -> None:
    config = ExportConfig(
        gremlin_server.url, request={"params": {"scope": "edges"}}, request_timeout_seconds=0.001
    )
    with pytest.raises(TimeLimitExceeded, match=r"longer than 0\.001 s; raise request_timeout_seconds"):
        run(config, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_goes_away_in_the_middle(gremlin_server: GremlinServer, tmp_path: Path) -> None:
    with Relay(gremlin_server.port, limit_bytes=400_000) as relay:
        url = f"ws://127.0.0.1:{relay.port}/gremlin"
        with pytest.raises(FailureByQuery, match=rf"the Gremlin Server at {url} (failed|went away)") as caught:
            run(ExportConfig(url), tmp_path / "out")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


class Relay:
    """Passes connections on to a port until `limit_bytes` have come back; then cuts all and accepts no more."""

    def __init__(self, target_port: int, limit_bytes: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._left = limit_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._cut()
        while self._threads:
            self._threads.pop().join()
        for end in self._sockets:
            end.close()

    def _run(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += (client, server)
                self._run(functools.partial(self._pump, client, server, 0))
                self._run(functools.partial(self._pump, server, client, 1))

    def _pump(self, source: socket.socket, sink: socket.socket, weight: int) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65_536)) and self._left > 0:
                self._left -= weight * len(data)
                sink.sendall(data)
        self._shut(self._sockets if self._left <= 0 else [source, sink])

    def _cut(self) -> None:
        self._shut(self._sockets)

    def _shut(self, ends: Sequence[socket.socket]) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
