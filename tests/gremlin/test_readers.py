"""The two readers of an export: the same folder byte for byte; graphs that change, servers that go meanwhile."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin import jars
from neptuneml_plugin.config import ExportConfig, Reader, Watch, data_root
from neptuneml_plugin.errors import FailureByQuery, PreconditionsFailed, UnsupportedOperation
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.export import run
from neptuneml_plugin.export.readers.bulk_source import BulkSource, open_source
from neptuneml_plugin.export.readers.gremlin_source import GremlinSource
from neptuneml_plugin.gremlin_server import GremlinServer, free_port, running_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests import stock_server
from tests.gremlin.test_export import Relay, script
from tests.running_service import eventually

READERS = [Reader.GREMLIN, Reader.BULK]
_NULLS = {"gremlin.tinkergraph.allowNullPropertyValues": "true"}


@pytest.fixture(scope="module")
def server() -> Iterator[GremlinServer]:
    """A graph of our own; each test uses labels of its own."""
    settings = {"gremlin.graph": "org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph", **_NULLS}
    config = GremlinServerConfig(data_root(), graph="empty", port=0, heap_mib=256, graph_settings=settings)
    with running_server(config) as running:
        yield running


def folder(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def both(server: GremlinServer, tmp_path: Path, **settings: Any) -> dict[str, bytes]:
    """Export with both readers, compare, and return the folder."""
    exported = {}
    for reader in READERS:
        run(ExportConfig(server.url, reader=reader, **settings), tmp_path / reader)
        exported[reader] = folder(tmp_path / reader)
    first, second = (exported[reader] for reader in READERS)
    assert first.keys() == second.keys()
    for name, content in first.items():
        assert content == second[name], name
    return first


GRAPHS = {
    "classes": """
        samples = [1, 2L, (short) 3, (byte) 4, 0.1f, 0.1d, 1.0e10d, 1.25e-7d, -0.0d, Double.NaN, Float.NaN,
            Double.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 2.0e23d, 1.0e23d, Double.MAX_VALUE, 1.0e-3f, 1.0e7f,
            true, 'text', new BigDecimal('1.50'), new BigDecimal('1E+3'), new BigInteger('9' * 30), new Date(1500),
            java.time.Instant.ofEpochSecond(1, 1000), java.time.OffsetDateTime.parse('2020-01-01T02:00+02:00'),
            java.time.Duration.ofSeconds(-90061, 500000000), new UUID(1, 2), (char) 'c',
            [a: 1, b: 'two'], new Date(-62135769600000L)]
        samples.eachWithIndex { value, i -> graph.addVertex(label, 'LABEL', 'mixed', value, 'p' + i, value) }
        one = g.V().hasLabel('LABEL').next()
        samples.eachWithIndex { value, i -> one.addEdge('LABEL_edge', one, 'mixed', value, 'p' + i, value) }""",
    "texts": """
        texts = ['', ' ', '"', '""', 'a,b', 'a\\nb', 'a\\r\\nb', 'a;b', 'a\\\\;b', '\\\\', '\\u0000',
            '\\u0001\\u0000', 'é\\uD83D\\uDE00', '\\u2028', 'NaN', 'null', '1', '~id']
        made = texts.withIndex().collect { text, i ->
            graph.addVertex(label, 'LABEL', T.id, 'LABEL' + text, 'x', text, 'k' + text, i) }
        texts.eachWithIndex { text, i ->
            made[i].addEdge('LABEL_edge', made[0], T.id, text + 'LABEL', 'x', text) }""",
    "several": """
        import static org.apache.tinkerpop.gremlin.structure.VertexProperty.Cardinality.list
        v = graph.addVertex(label, 'LABEL')
        ['a;b', 'c', '', 'd"'].each { v.property(list, 'texts', it) }
        [1, 2L, 2.5d, 'four'].each { v.property(list, 'mixed', it) }
        graph.addVertex(label, 'LABEL', 'texts', 'x;y', 'mixed', 1)
        w = graph.addVertex(label, 'LABEL', 'list', [1, [2, 3], []], 'none', [])
        w.addEdge('LABEL_edge', v, 'list', ['a', ['b;c']], 'none', [])
        w.addEdge('LABEL_edge', v, 'list', 'single')""",
    "nulls": """
        graph.addVertex(label, 'LABEL', 'x', null, 'y', 1)
        graph.addVertex(label, 'LABEL', 'x', 'there')
        v = graph.addVertex(label, 'LABEL', 'z', [null, 'a', null])
        v.addEdge('LABEL_edge', v, 'x', null, 'y', 2)""",
    "labels": """
        a = graph.addVertex(label, 'LABEL::Admin'); b = graph.addVertex(label, 'Admin::LABEL', 'x', 1)
        c = graph.addVertex(label, 'LABEL', 'x', 'é')
        [a, b, c].each { s -> [a, b, c].each { t -> s.addEdge('LABEL_edge', t, s.label() + t.label(), 1) } }""",
    "ragged": """
        random = new Random(5)
        vs = (0..299).collect { i ->
            v = graph.addVertex(label, random.nextInt(3) == 0 ? 'LABEL' : 'LABEL_other')
            ('a'..'f').each {
                if (random.nextInt(4) == 0) v.property(it, random.nextBoolean() ? it : random.nextInt()) }
            v }
        300.times { e = vs[random.nextInt(300)].addEdge('LABEL_edge', vs[random.nextInt(300)])
            ('a'..'f').each { if (random.nextInt(4) == 0) e.property(it, random.nextDouble()) } }""",
    "ids": """
        vs = (1..5).collect { graph.addVertex(label, 'LABEL', T.id, new UUID(7, it)) }
        ws = (1..5).collect { graph.addVertex(label, 'LABEL_other', T.id, (int) (7_000_000 + it)) }
        vs.eachWithIndex { v, i -> v.addEdge('LABEL_edge', ws[i], T.id, 7_100_000L + i) }""",
}
LABELS = {
    "labels": (("LABEL", "Admin::LABEL"), ("LABEL_edge",)),
    "ragged": (("LABEL", "LABEL_other"), ("LABEL_edge",)),
    "ids": (("LABEL", "LABEL_other"), ("LABEL_edge",)),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_both_readers_write_the_same_bytes(server: GremlinServer, name: str, tmp_path: Path) -> None:
    script(server, GRAPHS[name].replace("LABEL", name) + "; null")
    nodes, edges = LABELS.get(name, (("LABEL",), ("LABEL_edge",)))
    written = both(
        server,
        tmp_path,
        node_labels=tuple(label.replace("LABEL", name) for label in nodes),
        edge_labels=tuple(label.replace("LABEL", name) for label in edges),
        block_size=7,
    )
    schema = json.loads(written["config.json"])
    assert schema["nodes"]
    assert bool(schema["edges"]) == ("edge" in GRAPHS[name])


def test_air_routes_is_the_same_from_both_and_from_several_processes(
    gremlin_server: GremlinServer, tmp_path: Path
) -> None:
    written = both(gremlin_server, tmp_path, concurrency=2)
    assert len(written) == 10
    both(gremlin_server, tmp_path / "alone", concurrency=1, node_labels=("airport",), edge_labels=("route",))


def test_the_plugin_is_used_where_there_is_one(gremlin_server: GremlinServer) -> None:
    config = ExportConfig(gremlin_server.url)
    with open_source(config, 1) as source:
        assert isinstance(source, BulkSource)
    with open_source(ExportConfig(gremlin_server.url, reader=Reader.GREMLIN), 1) as source:
        assert not isinstance(source, BulkSource)


def test_ids_choose_what_is_read_in_bulk(gremlin_server: GremlinServer) -> None:
    config = ExportConfig(gremlin_server.url)
    with BulkSource(config) as bulk, GremlinSource(config) as plain:
        ids = plain.ids(Element.NODE, "country")[::2]
        found = [list(source.blocks(Element.NODE, "country", ("code",), ids)) for source in (bulk, plain)]
    for blocks in found:
        assert [text for block in blocks for text in block.ids] == list(map(str, ids))
    assert [cells.name for block in found[0] for cells in block.properties] == ["code"]


def test_bulk_is_refused_where_nothing_answers_in_blocks(tmp_path: Path) -> None:
    config = GremlinServerConfig(data_root(), graph="empty", port=0, heap_mib=256)
    with running_server(config) as empty:
        with pytest.raises(PreconditionsFailed, match="has no plugin that sends blocks, or no vertices"):
            run(ExportConfig(empty.url, reader=Reader.BULK), tmp_path / "out")
        assert run(ExportConfig(empty.url), tmp_path / "out").counts == {"nodes": 0, "edges": 0}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, server_data_root: Path) -> Iterator[str]:
    """The URL of a server as TinkerPop distributes it, without the plugin."""
    folder = tmp_path_factory.mktemp("stock")
    stock_server.unpack(folder, jars.resolve(jars.SERVER_JARS, server_data_root))
    port = free_port()
    stock_server.add_settings(folder, {"port": port})
    with stock_server.running(folder):
        yield f"ws://127.0.0.1:{port}/gremlin"


def test_a_server_without_the_plugin_is_read_by_plain_gremlin(stock: str, tmp_path: Path) -> None:
    with open_source(ExportConfig(stock), 1) as source:
        assert not isinstance(source, BulkSource)
    assert run(ExportConfig(stock), tmp_path / "out").counts == {"nodes": 6, "edges": 6}
    assert "marko" in (tmp_path / "out/nodes/person.consolidated.csv").read_text()
    with pytest.raises(PreconditionsFailed, match="has no plugin that sends blocks"):
        run(ExportConfig(stock, reader=Reader.BULK), tmp_path / "bulk")


def test_ids_of_two_classes_are_refused_in_bulk(server: GremlinServer, tmp_path: Path) -> None:
    script(server, "graph.addVertex(label, 'two', T.id, 8001); graph.addVertex(label, 'two', T.id, '8001'); null")
    for reader in READERS:
        with pytest.raises(UnsupportedOperation, match=r"two has ids of classes (Integer|String) and"):
            run(ExportConfig(server.url, reader=reader, node_labels=("two",)), tmp_path / "out")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("graph.addVertex(label, 'L'); null", r"nodes of 'L' .*: 6000 before it, .* 6001 after it"),
        ("g.V().hasLabel('L').limit(7).drop().iterate()", r"nodes of 'L' .*: 6000 before it, .* 5993 after it"),
    ],
)
def test_changes_during_the_export_are_reported(
    server: GremlinServer, reader: Reader, change: str, words: str, tmp_path: Path
) -> None:
    label = f"{reader}{len(change)}"
    script(server, f"6000.times {{ graph.addVertex(label, '{label}') }}; null")
    changes = itertools.chain([change.replace("'L'", f"'{label}'")], itertools.repeat(None))

    def progress(message: str, fraction: float | None = None) -> None:
        groovy = next(changes)
        if groovy is not None:
            script(server, groovy)

    config = ExportConfig(server.url, reader=reader, node_labels=(label,), request={"params": {"scope": "nodes"}})
    summary = run(config, tmp_path / "out", progress)
    assert len(summary.warnings) == 1
    stats = json.loads((tmp_path / "out/stats.json").read_text())
    assert stats["warnings"] == list(summary.warnings)
    assert stats["consistency"]["nodes"][0]["before"] == 6000
    assert re.search(words.replace("'L'", f"'{label}'"), summary.warnings[0])


_REPLACED = "g.V().hasLabel('L').limit(1).drop().iterate(); graph.addVertex(label, 'L'); null"
_CHANGED = "g.V().hasLabel('L').limit(1).property('x', 2).iterate(); null"


@pytest.mark.parametrize(
    ("change", "watch", "is_noticed"),
    [
        ("null", Watch.VALUES, False),
        (_REPLACED, Watch.ELEMENTS, True),
        (_CHANGED, Watch.ELEMENTS, False),
        (_CHANGED, Watch.VALUES, True),
    ],
)
def test_changes_that_leave_as_many_elements(
    server: GremlinServer,
    change: str,
    watch: Watch,
    is_noticed: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    label = f"{watch}{len(change)}"
    script(server, f"12000.times {{ graph.addVertex(label, '{label}', 'x', 1) }}; null")
    changes = itertools.chain([change.replace("'L'", f"'{label}'")], itertools.repeat("null"))

    def progress(message: str, fraction: float | None = None) -> None:
        script(server, next(changes))

    request = {"params": {"scope": "nodes"}}
    config = ExportConfig(server.url, reader=Reader.BULK, watch=watch, node_labels=(label,), request=request)
    summary = run(config, tmp_path / "out", progress)
    told = f"nodes of '{label}' changed during the export: as many as before it, 12000, but not the same"
    assert summary.warnings == ((told,) if is_noticed else ())
    reading = json.loads((tmp_path / "out/stats.json").read_text())["consistency"]["nodes"][0]
    assert reading.get("changed", False) is is_noticed


@pytest.mark.parametrize("limit_bytes", [2_000, 300_000])
def test_a_server_that_goes_away_in_the_middle_of_a_stream(
    gremlin_server: GremlinServer, limit_bytes: int, tmp_path: Path
) -> None:
    with Relay(gremlin_server.port, limit_bytes=limit_bytes) as relay:
        url = f"ws://127.0.0.1:{relay.port}/gremlin"
        with pytest.raises(FailureByQuery, match=rf"the Gremlin Server at {url} (failed|went away)"):
            run(ExportConfig(url, reader=Reader.BULK), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_was_killed_is_redone_cleanly(gremlin_server: GremlinServer, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("neptuneml")), "export", "--reader", "gremlin",
        "--gremlin", gremlin_server.url, "--output", str(tmp_path / "out"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: bool(list(tmp_path.glob(".out.partial-*"))) or process.poll() is not None)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "out").exists(), "half a folder never looks finished"
    run(ExportConfig(gremlin_server.url), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out/stats.json").is_file()
