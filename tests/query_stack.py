"""A graph whose stored properties equal its predictions: what benchmarks of queries compare.

Movies have a `genre` (8 classes) and a `price` (distinct doubles), edges `rated` a `score`. Endpoints of the same
names predict them, from real artifacts through a real service and its workers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gremlin_python.driver.client import Client
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.process.anonymous_traversal import traversal

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.counting_service import CountingService
from tests.made_artifacts import Made, make_artifact
from tests.running_service import RunningService, running_service
from tests.servers import make_data_root

TASKS = {"genre": Task.NODE_CLASS, "price": Task.NODE_REGRESSION, "score": Task.EDGE_REGRESSION}
CLASSES = ("drama", "comedy", "noir", "western", "horror", "romance", "crime", "war")
USERS = 100
#: The longest query: one call per element, on a slow machine.
TIMEOUT_MS = 600_000

_LOAD = """
def rated = users.collect { graph.addVertex(T.label, 'user', T.id, it) }
movies.eachWithIndex { id, i ->
  def movie = graph.addVertex(T.label, 'movie', T.id, id, 'genre', genres[i], 'price', prices[i])
  rated[i % rated.size()].addEdge('rated', movie, T.id, i, 'score', scores[i])
}
movies.size()
"""


@dataclass(frozen=True)
class Served:
    """A running service with the three endpoints."""

    folder: Path
    service: RunningService
    counting: CountingService
    movies: tuple[str, ...]

    @property
    def users(self) -> list[int]:
        return list(range(USERS))

    def deploy(self, endpoint: str, task: Task, seed: int) -> None:
        """Make an artifact and an endpoint that serves it."""
        folder = self.service_root / endpoint
        users = [str(user) for user in self.users]
        make_artifact(folder, Made(task, users, self.movies, classes=CLASSES, seed=seed))
        self.service.client.create_endpoint(endpoint, str(folder))

    def ask_all(self, endpoint: str, key: str) -> list[Any]:
        """Return the best prediction of every movie, or of the edge to it."""
        if TASKS[key].on_nodes:
            items: dict[str, Any] = {"nodes": [{"nodeId": movie} for movie in self.movies]}
        else:
            ends = [{"headNodeId": str(i % USERS), "tailNodeId": movie} for i, movie in enumerate(self.movies)]
            items = {"edges": ends}
        answers = self.service.client.invoke(endpoint, {"data": items})["answers"]
        return [answer["value"] for (answer,) in answers]

    @property
    def service_root(self) -> Path:
        return self.folder / "service"


@contextmanager
def served(folder: Path, vertices: int) -> Iterator[Served]:
    """Serve the three endpoints."""
    movies = tuple(f"m{number}" for number in range(vertices))
    (folder / "service").mkdir()
    with running_service(folder / "service") as service, CountingService(service.url) as counting:
        found = Served(folder, service, counting, movies)
        for name, task in TASKS.items():
            found.deploy(name, task, seed=1)
        yield found


@contextmanager
def graph_server(found: Served, *, tables: bool, cached_answers: int | None = None) -> Iterator[GremlinServer]:
    """Start a Gremlin Server with the graph; the plugin keeps prediction tables or does not.

    Args:
        found: what it asks.
        tables: whether the plugin keeps tables.
        cached_answers: how many answers it keeps; None for its default.
    """
    cache = () if cached_answers is None else (f"-Dneptuneml.cachedAnswers={cached_answers}",)
    settings = GremlinServerConfig(
        make_data_root(found.folder / f"server-{tables}-{cached_answers}"),
        "empty",
        port=0,
        service_url=found.service.url,
        table_limit_mib=None if tables else 0,
        # All of the JIT, since this server lives long.
        jvm_options=("-XX:+UseSerialGC", f"-Dneptuneml.allowedUrls={found.counting.url}", *cache),
        evaluation_timeout_ms=TIMEOUT_MS,
    )
    with gremlin_server.running_server(settings) as server:
        stored = {f"{key}s": found.ask_all(key, key) for key in TASKS}
        submit(server, _LOAD, stored | {"movies": list(found.movies), "users": found.users})
        yield server


def submit(server: GremlinServer, script: str, bindings: dict[str, Any] | None = None) -> Sequence[Any]:
    """Run a Groovy script and return its results."""
    client = Client(server.url, "g")
    try:
        results: list[Any] = client.submit(script, bindings).all().result()
    finally:
        client.close()
    return results


@contextmanager
def connected(server: GremlinServer) -> Iterator[Any]:
    """Yield a traversal source of gremlin-python over one connection."""
    connection = DriverRemoteConnection(server.url, "g", pool_size=1, max_workers=1)
    try:
        yield traversal().with_(connection)
    finally:
        connection.close()
