"""Exports in bulk and by plain Gremlin beside gremlin-python itself, and the memory that they take at two sizes.

Run with `python -m tests.benchmarks.export`; one line of JSON per figure. gremlin-python reads in the form that
neptune-export uses, as many rows as `SAMPLE`; the other readers read the same rows, and bulk all of them too.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gremlin_python.driver.client import Client
from gremlin_python.process.graph_traversal import GraphTraversal, __
from gremlin_python.process.traversal import T

from neptuneml_plugin.config import ExportConfig, data_root
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.readers.bulk_source import BulkSource
from neptuneml_plugin.export.readers.gremlin_source import GremlinSource
from neptuneml_plugin.export.readers.lookup import elements
from neptuneml_plugin.gremlin_server import GremlinServer, running_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig

#: Vertices, and as many edges, of the two pairs of labels: 10^6 elements together.
LARGE, SMALL = 450_000, 50_000
LABELS = {Element.NODE: ("item", "few"), Element.EDGE: ("linked", "joined")}
SAMPLE = 20_000
MIB = 1 << 20

_LOAD = """
def random = new Random(7)
def load(random, start, size, label, edgeLabel) {
    def vertices = new org.apache.tinkerpop.gremlin.structure.Vertex[size]
    for (int i = 0; i < size; i++) vertices[i] = graph.addVertex(T.id, (long) (start + i), T.label, label,
        'name', 'item number ' + i, 'score', random.nextDouble(), 'year', 1950 + random.nextInt(70),
        'kind', 'kind ' + random.nextInt(20))
    for (int i = 0; i < size; i++) vertices[random.nextInt(size)].addEdge(
        edgeLabel, vertices[random.nextInt(size)], T.id, (long) (start + size + i),
        'weight', random.nextDouble(), 'year', 1950 + random.nextInt(70))
}
load(random, 0, %d, 'item', 'linked')
load(random, 10_000_000, %d, 'few', 'joined')
graph.vertices().size()
"""
_LIVE = "System.gc(); Runtime.runtime.totalMemory() - Runtime.runtime.freeMemory()"


def main() -> None:
    """Print every figure."""
    settings = GremlinServerConfig(
        data_root(), graph="empty", port=0, heap_mib=2048, jvm_options=("-XX:+UseSerialGC",)
    )
    with running_server(settings) as server:
        for figure in figures(server, LARGE, SMALL, SAMPLE):
            sys.stdout.write(json.dumps(figure) + "\n")
            sys.stdout.flush()


def figures(server: GremlinServer, large: int, small: int, sample: int) -> Iterator[dict[str, Any]]:
    """Load a graph and measure."""
    script(server, _LOAD % (large, small))
    yield from reading(server, sample)
    with tempfile.TemporaryDirectory() as folder:
        yield exported(server, Path(folder) / "small", 1)
        yield exported(server, Path(folder) / "all", 0)
    for position in (1, 0):
        yield in_the_server(server, position)


def script(server: GremlinServer, groovy: str) -> Any:
    """Return the first result of a script."""
    client = Client(server.url, "g", pool_size=1)
    try:
        options = {"language": "gremlin-groovy", "evaluationTimeout": 600_000}
        return client.submit(groovy, request_options=options).all().result()[0]
    finally:
        client.close()


def reading(server: GremlinServer, sample: int) -> Iterator[dict[str, Any]]:
    """Return rows per second of every reader, on the same rows, after each has read some."""
    config = ExportConfig(server.url)
    with BulkSource(config) as bulk, GremlinSource(config) as plain:
        for element, (label, _) in LABELS.items():
            ids = bulk_ids(bulk, element, label)[:sample]
            list(bulk.blocks(element, label, None))
            by_driver(server, element, label, sample // 10)
            driver = rate(sample, lambda element=element, label=label: by_driver(server, element, label, sample))
            ours = rate(
                sample, lambda element=element, label=label, ids=ids: plain.blocks(element, label, None, ids)
            )
            rows, seconds = timed(bulk.blocks(element, label, None))
            yield {
                "benchmark": f"reading {element}",
                "rows": rows,
                "gremlin_python_rows_per_second": round(driver),
                "plain_reader_rows_per_second": round(ours),
                "plain_reader_ratio": round(ours / driver, 1),
                "bulk_rows_per_second": round(rows / seconds),
                "bulk_ratio": round(rows / seconds / driver, 1),
            }


def bulk_ids(bulk: BulkSource, element: Element, label: str) -> list[int]:
    """Return the ids of a label, read faster than by `ids`."""
    from gremlin_python.statics import long

    return [long(text) for block in bulk.blocks(element, label, None) for text in block.ids]


def rate(rows: int, read: Any) -> float:
    """Return rows per second."""
    start = time.perf_counter()
    found = sum(len(block.ids) if isinstance(block, Block) else 1 for block in read())
    assert found == rows
    return rows / (time.perf_counter() - start)


def timed(blocks: Iterable[Block]) -> tuple[int, float]:
    """Return rows and seconds."""
    start = time.perf_counter()
    rows = sum(len(block.ids) for block in blocks)
    return rows, time.perf_counter() - start


def by_driver(server: GremlinServer, element: Element, label: str, rows: int) -> list[Any]:
    """Read rows with gremlin-python as it comes, in the form that neptune-export uses."""
    client = Client(server.url, "g", pool_size=1, max_content_length=1 << 30)
    try:
        found = project(elements(element).has_label(label).limit(rows), element)
        answer: list[Any] = client.submit(found.bytecode).all().result()
        return answer
    finally:
        client.close()


def project(found: GraphTraversal, element: Element) -> GraphTraversal:
    """Return neptune-export's projection."""
    if element is Element.NODE:
        return found.project("~id", "~label", "properties").by(T.id).by(T.label).by(__.value_map())
    ends = (__.out_v().id_(), __.in_v().id_(), __.out_v().label(), __.in_v().label())
    members = ("~id", "~label", "~from", "~to", "~fromLabels", "~toLabels", "properties")
    projected = found.project(*members).by(T.id).by(T.label)
    for end in ends:
        projected = projected.by(end)
    return projected.by(__.value_map())


def exported(server: GremlinServer, target: Path, position: int) -> dict[str, Any]:
    """Return what an export in a process of its own took; position 1: of the small labels only."""
    labels = [f"--{kind}-label={names[1]}" for kind, names in zip(("node", "edge"), LABELS.values(), strict=True)]
    command = [
        str(Path(sys.executable).with_name("neptuneml")), "export", "--json", "--reader", "bulk",
        "--gremlin", server.url, "--output", str(target), *(labels if position else []),
    ]  # fmt: skip
    summary = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    rows = sum(summary["counts"].values())
    return {
        "benchmark": "export in bulk",
        "rows": rows,
        "rows_per_second": round(rows / summary["seconds"]),
        "peak_memory_mib": summary["peak_memory_mib"],
        "csv_mib": round(sum(path.stat().st_size for path in target.glob("*/*.csv")) / MIB, 1),
    }


def in_the_server(server: GremlinServer, position: int) -> dict[str, Any]:
    """Return how much more memory is in use in the middle of a stream than before it."""
    label = LABELS[Element.EDGE][position]
    before = script(server, _LIVE)
    with BulkSource(ExportConfig(server.url)) as source:
        half = source.state(Element.EDGE, label, ()).count // 2
        rows = 0
        during = before
        for block in source.blocks(Element.EDGE, label, None):
            if rows < half <= rows + len(block.ids):
                during = script(server, _LIVE)
            rows += len(block.ids)
    return {
        "benchmark": "memory in the server while it sends",
        "rows": rows,
        "mib_more": round((during - before) / MIB, 1),
    }


if __name__ == "__main__":
    main()
