"""Time and peak memory of an export in bulk as graphs grow: the graph that `processing` measures, live.

Run with `python -m tests.benchmarks.export_scale [EDGES]…`; one line of JSON per figure, and log-log slopes.
There is a vertex for every ten edges, with 5 numbers and 2 categories; an edge has one number.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from neptuneml_plugin.config import data_root
from neptuneml_plugin.gremlin_server import GremlinServer, running_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.benchmarks.costs import Cost, run, show, slopes
from tests.benchmarks.export import script
from tests.benchmarks.processing import SIZES

#: Of the server's heap.
BYTES_PER_EDGE = 1250

_LOAD = """
def random = new Random(7)
def vertices = new org.apache.tinkerpop.gremlin.structure.Vertex[%(vertices)d]
for (int i = 0; i < vertices.length; i++) vertices[i] = graph.addVertex(T.id, (long) (%(first)d + i),
    T.label, 'item%(edges)d', 'a', random.nextDouble(), 'b', random.nextGaussian(), 'c', random.nextInt(100),
    'd', random.nextInt(10000), 'e', random.nextDouble() * 1000, 'kind', 'kind ' + random.nextInt(20),
    'group', 'group ' + random.nextInt(5))
for (int i = 0; i < %(edges)d; i++) vertices[random.nextInt(vertices.length)].addEdge('linked%(edges)d',
    vertices[random.nextInt(vertices.length)], T.id, (long) (%(first)d + vertices.length + i),
    'weight', random.nextDouble())
vertices.length
"""


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    sizes = [int(argument) for argument in arguments] or SIZES
    heap = 512 + sum(sizes) * BYTES_PER_EDGE // (1 << 20)
    config = GremlinServerConfig(
        data_root(), graph="empty", port=0, heap_mib=heap, jvm_options=("-XX:+UseParallelGC",)
    )
    with running_server(config) as server:
        costs = [_measured(server, sum(sizes[:position]) * 2, size) for position, size in enumerate(sizes)]
    if len(sizes) > 1:
        show(slopes("export in bulk", sizes, costs))


def _measured(server: GremlinServer, first: int, edges: int) -> Cost:
    """Load a graph, whose ids begin with `first`, beside those that are there, and export it."""
    script(server, _LOAD % {"vertices": edges // 10, "edges": edges, "first": first})
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "export"
        cost = run(_export(server, target, edges))
        csv = sum(path.stat().st_size for path in target.glob("*/*.csv")) / 1e6
    show(
        {
            "benchmark": "export in bulk",
            "edges": edges,
            "csv_mb": round(csv, 1),
            "seconds": round(cost.seconds, 2),
            "rows_per_second": round(edges * 1.1 / cost.seconds),
            "cpu_seconds": round(cost.cpu_seconds, 2),
            "peak_mb": round(cost.memory),
        }
    )
    return cost


def _export(server: GremlinServer, target: Path, edges: int) -> list[str]:
    command = [sys.executable, "-m", "neptuneml_plugin.cli", "export", "--reader", "bulk"]
    labels = [f"--node-label=item{edges}", f"--edge-label=linked{edges}"]
    return [*command, "--gremlin", server.url, "--output", str(target), *labels]


if __name__ == "__main__":
    main(sys.argv[1:])
