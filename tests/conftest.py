"""Real servers, started once per session and only where a test asks for them."""

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from neptuneml_plugin.testing import FakeService
from tests import platforms
from tests.platforms import Platform
from tests.quickstart_stack import UP, QuickstartStack, quickstart_process
from tests.servers import Connect, make_data_root
from tests.workers import Scheduling, turn

# An example's time is the machine's: pytest's own timeout ends what hangs.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest group first, the quick modules last."""
    items.sort(key=lambda item: turn(item.nodeid))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which `make test` asks for
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Say which tests stay together."""
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def server_data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data_root(tmp_path_factory.mktemp("servers") / "root")


@pytest.fixture(scope="session")
def fake_service() -> Iterator[FakeService]:
    """The service of every test server; a test adds endpoints under names of its own."""
    with FakeService({}) as service:
        yield service


@pytest.fixture(scope="session", name="gremlin_server")
def air_routes_server(server_data_root: Path, fake_service: FakeService) -> Iterator[GremlinServer]:
    """A server with the graph `air-routes`, which no test changes."""
    settings = GremlinServerConfig(server_data_root, "air-routes", port=0, service_url=fake_service.url)
    with gremlin_server.running_server(settings) as server:
        yield server


@pytest.fixture(scope="session")
def gremlin_server_any_ids(server_data_root: Path, fake_service: FakeService) -> Iterator[GremlinServer]:
    """A server with an empty graph under the ANY id manager; tests use labels of their own."""
    settings = GremlinServerConfig(server_data_root, "empty", port=0, service_url=fake_service.url, heap_mib=512)
    with gremlin_server.running_server(settings) as server:
        yield server


@pytest.fixture(scope="session")
def platform_named(server_data_root: Path) -> Iterator[Callable[[str], Platform]]:
    """Return a function that gives one of `PLATFORMS`, started when it is first asked for."""
    running: dict[str, Platform] = {}
    with contextlib.ExitStack() as stack:

        def started(name: str) -> Platform:
            if name not in running:
                running[name] = stack.enter_context(platforms.running(name, server_data_root))
            return running[name]

        yield started


@pytest.fixture(params=platforms.PLATFORMS)
def platform(request: pytest.FixtureRequest, platform_named: Callable[[str], Platform]) -> Platform:
    """Every platform; parametrize it indirectly to choose some."""
    return platform_named(request.param)


@pytest.fixture(scope="session")
def quickstart_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickstartStack]:
    """The servers of a real `neptuneml quickstart --keep`, ended at the end of the session by Ctrl-C."""
    with quickstart_process(tmp_path_factory.mktemp("quickstart"), "--keep") as quickstart:
        page = quickstart.read_until(UP)
        yield QuickstartStack(page, quickstart.data_root, quickstart.home, quickstart.folder)
        tree = quickstart.tree()
        quickstart.interrupt()
        assert quickstart.leaves_nothing(tree) in (0, 130)
        assert list(quickstart.home.iterdir()) == []


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a function that gives a traversal source of a fresh gremlin-python connection, closed at the end."""
    from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
    from gremlin_python.process.anonymous_traversal import traversal

    opened = []

    def traversal_source(server: GremlinServer, serializer: Any = None) -> Any:
        opened.append(DriverRemoteConnection(server.url, "g", message_serializer=serializer))
        return traversal().with_(opened[-1])

    yield traversal_source
    for connection in opened:
        connection.close()


@pytest.fixture
def fake_jar() -> Callable[[Path], Path]:
    """Return a function that writes a jar which says that it holds the plugin `org.example.Plugin`."""

    def write(path: Path) -> Path:
        with zipfile.ZipFile(path, "w") as jar:
            jar.writestr(
                "META-INF/services/org.apache.tinkerpop.gremlin.jsr223.GremlinPlugin", "org.example.Plugin\n"
            )
        return path

    return write
