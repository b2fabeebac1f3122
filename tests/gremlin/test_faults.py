"""What a query meets when its endpoint dies, hangs, changes or goes: one version, or a failure with a name."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.driver.protocol import GremlinServerError
from gremlin_python.process.traversal import T

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.made_artifacts import Made, make_artifact
from tests.running_service import RunningService, eventually, running_service
from tests.servers import Connect

USERS, MOVIES = range(1, 21), [f"m{number}" for number in range(30)]
SCORE = Made(
    Task.EDGE_REGRESSION,
    users=[str(user) for user in USERS],
    movies=MOVIES,
    training_edges=[(user, movie) for user in range(20) for movie in range(30)],
)


@dataclass(frozen=True)
class Stack:
    """A service with real workers, and a server with a graph, for the tests of this module."""

    service: RunningService
    server: gremlin_server.GremlinServer
    folder: Path

    def create(self, name: str, seed: int = 0, *, update: bool = False) -> None:
        """Create or update an endpoint; each seed is another version."""
        artifact = self.folder / f"artifact-{seed}"
        if not artifact.exists():
            make_artifact(artifact, replace(SCORE, seed=seed))
        change = self.service.client.update_endpoint if update else self.service.client.create_endpoint
        change(name, str(artifact))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server_data_root: Path) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("faults")
    with running_service(folder, log_format="json") as service:
        settings = GremlinServerConfig(server_data_root, "empty", port=0, service_url=service.url, heap_mib=512)
        with gremlin_server.running_server(settings) as server:
            yield Stack(service, server, folder)


@pytest.fixture
def g(stack: Stack, connect: Connect) -> Any:
    """Six hundred edges, `rated` from users to movies."""
    source = connect(stack.server)
    if not source.V().has_next():
        for user in USERS:
            source.add_v("user").property(T.id, user).iterate()
        for movie in MOVIES:
            adding = source.add_v("movie").property(T.id, movie).as_("m").V().has_label("user")
            adding.add_e("rated").to("m").iterate()
    return source


def scores(g: Any, name: str, timeout_ms: int = 30_000) -> list[float]:
    """Return the predicted score of every edge, each asked of a worker."""
    source = g.with_("Neptune#ml.endpoint", name).with_("evaluationTimeout", timeout_ms)
    found: list[float] = source.E().has_label("rated").values("score").with_("Neptune#ml.regression").to_list()
    return found


def test_a_query_is_found_again_in_the_log_of_its_worker(stack: Stack, g: Any) -> None:
    stack.create("followed")
    source = g.with_("Neptune#ml.endpoint", "followed")
    profile = source.E().has_label("rated").values("score").with_("Neptune#ml.regression").profile().next()
    costs = [step["annotations"] for step in profile["metrics"] if "requestId" in step.get("annotations", {})]
    (asked,) = costs
    lines = [json.loads(line) for line in stack.service.log.read_text().splitlines() if line.startswith("{")]
    logged = [line for line in lines if line.get("callerRequestId") == asked["requestId"]]
    assert len(logged) == asked["calls"]
    assert {line["endpoint"] for line in logged} == {"followed"}
    assert sum(line["items"] for line in logged) == asked["items"] == len(USERS) * len(MOVIES)


def test_a_query_that_begins_a_second_after_a_deletion_fails(stack: Stack, g: Any) -> None:
    stack.create("deleted")
    assert len(scores(g, "deleted")) == len(USERS) * len(MOVIES)
    stack.service.client.delete_endpoint("deleted")
    deleted = time.monotonic()
    answered: list[float] = []  # when those began that were
    failures: list[GremlinServerError] = []

    def fails() -> bool:
        began = time.monotonic()
        try:
            scores(g, "deleted")
            answered.append(began)
        except GremlinServerError as error:
            failures.append(error)
        return bool(failures)

    eventually(fails)
    assert all(began < deleted + 1 for began in answered)
    assert "BadRequestException: endpoint 'deleted' was not found" in str(failures[0])


def test_an_update_is_seen_whole_or_not_at_all(stack: Stack, g: Any) -> None:
    stack.create("updated")
    versions = [sorted(scores(g, "updated"))]
    updating = threading.Thread(target=stack.create, args=("updated", 1), kwargs={"update": True})
    updating.start()

    def changed() -> bool:
        now = sorted(scores(g, "updated"))
        if now not in versions:
            versions.append(now)
        return len(versions) > 1

    eventually(changed)
    updating.join()
    assert all(sorted(scores(g, "updated")) == versions[1] for _ in range(5))
    assert len(set(versions[0]) & set(versions[1])) == 0


def test_a_hung_worker_ends_with_the_querys_time(stack: Stack, g: Any) -> None:
    stack.create("hung")
    worker = worker_of(stack, "hung")
    worker.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(GremlinServerError, match=r"TimeLimitExceededException|evaluationTimeout"):
            scores(g, "hung", timeout_ms=1500)
    finally:
        worker.send_signal(signal.SIGCONT)
    eventually(lambda: answers(g, "hung"))


def test_a_killed_worker_is_a_failure_with_a_name_and_comes_back(stack: Stack, g: Any) -> None:
    stack.create("killed")
    worker_of(stack, "killed").kill()
    failures = []
    for _ in range(3):
        try:
            scores(g, "killed")
        except GremlinServerError as error:
            failures.append(str(error))
    assert all("FailureByQueryException: " in failure for failure in failures), failures
    eventually(lambda: answers(g, "killed"))


def answers(g: Any, name: str) -> bool:
    """Whether the endpoint answers."""
    try:
        return len(scores(g, name)) == len(USERS) * len(MOVIES)
    except GremlinServerError:
        return False


def worker_of(stack: Stack, name: str) -> Any:
    """Return the process that answers for an endpoint."""
    address = stack.service.client.describe_endpoint(name)["addresses"][0]
    port = int(address.rsplit(":", 1)[1])
    return next(
        worker
        for worker in stack.service.workers()
        if any(connection.laddr.port == port for connection in worker.net_connections())
    )
