"""Gremlin Servers of several TinkerPop releases and graphs, each with the plugin and a service of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.process.anonymous_traversal import traversal

from neptuneml_plugin import gremlin_server, jars
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from neptuneml_plugin.testing import FakeService
from tests.contract import graph
from tests.contract.queries import QUERIES, Steps, bound

OLDEST = "3.7.5"
NEWEST = jars.TINKERPOP_VERSION
JANUSGRAPH = "JanusGraph 1.1.0"
#: The driver is named since JanusGraph depends on that of its own TinkerPop, 3.7.3, and the server on none.
JANUSGRAPH_JARS = jars.server_jars(
    OLDEST, "org.janusgraph:janusgraph-inmemory:1.1.0", f"org.apache.tinkerpop:gremlin-driver:{OLDEST}"
)
_TRANSACTIONS = {
    "gremlin.graph": "org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerTransactionGraph",
    "gremlin.tinkergraph.vertexIdManager": "LONG",
    "gremlin.tinkergraph.edgeIdManager": "LONG",
}
_JANUSGRAPH = {"gremlin.graph": "org.janusgraph.core.JanusGraphFactory", "storage.backend": "inmemory"}

#: Name -> settings of the embedded server. The LONG id manager takes ids as text, as JanusGraph does.
PLATFORMS: dict[str, dict[str, Any]] = {
    f"TinkerGraph {OLDEST}": {"jar_set": jars.server_jars(OLDEST), "id_manager": "LONG"},
    f"TinkerGraph {NEWEST}": {"id_manager": "LONG"},
    f"TinkerTransactionGraph {NEWEST}": {"graph_settings": _TRANSACTIONS},
    JANUSGRAPH: {"jar_set": JANUSGRAPH_JARS, "graph_settings": _JANUSGRAPH},
}
TRANSACTIONAL = [name for name in PLATFORMS if not name.startswith("TinkerGraph")]


@dataclass(frozen=True)
class Platform:
    """A running server that holds the queries' graph, before a service that answers for it."""

    name: str
    server: GremlinServer
    service: FakeService
    ids: graph.Ids
    #: The folder of the server's jars.
    library: Path

    @property
    def queries(self) -> dict[str, Steps]:
        """The table's queries with the ids of this graph."""
        return {name: bound(steps, self.ids.edges) for name, (steps, _) in QUERIES.items()}


@contextmanager
def running(name: str, data_root: Path) -> Iterator[Platform]:
    """Start a platform's server, load the graph, and stop both at the end."""
    with FakeService({}) as service:
        config = GremlinServerConfig(
            data_root, "empty", port=0, service_url=service.url, heap_mib=256, **PLATFORMS[name]
        )
        with gremlin_server.running_server(config) as server:
            connection = DriverRemoteConnection(server.url, "g")
            try:
                ids = graph.load(traversal().with_(connection))
            finally:
                connection.close()
            service.endpoints |= graph.endpoints(ids)
            yield Platform(name, server, service, ids, jars.resolve(config.jar_set, data_root))
