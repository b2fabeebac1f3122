"""The embedded server: real processes on free ports; Javas and Mavens that are missing, wrong, or broken."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from neptuneml_plugin import gremlin_server as embedded
from neptuneml_plugin.errors import InvalidParameter, NeptuneMLError, PreconditionsFailed
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.gremlin_server_config import (
    GremlinServerConfig,
    graph_properties,
    server_settings,
    write_configuration,
)
from tests.running_service import PATIENCE_SECONDS
from tests.servers import Connect, make_data_root

#: A process that only holds a foreground server, and tells its pid.
FOREGROUND = """
import sys; from pathlib import Path; from neptuneml_plugin import gremlin_server as gs
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
server = gs.start(GremlinServerConfig(Path(sys.argv[1]), "empty", port=0), foreground=True)
print(server.pid, flush=True); sys.stdin.read()
"""
#: A process that leaves a server running.
DETACHED = """
import sys; from pathlib import Path; from neptuneml_plugin import gremlin_server as gs
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
server = gs.start(GremlinServerConfig(Path(sys.argv[1]), "empty", port=int(sys.argv[2])))
print(server.pid, flush=True)
"""


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    return make_data_root(tmp_path / "root with a space")


def small(data_root: Path, port: int = 0, graph: str = "empty", **settings: Any) -> GremlinServerConfig:
    return GremlinServerConfig(data_root, graph, port, **({"heap_mib": 256} | settings))


def test_a_server_answers_and_leaves_nothing_running(data_root: Path, connect: Connect) -> None:
    said: list[str] = []
    with embedded.running_server(
        small(data_root, graph="modern"), lambda message, fraction=None: said.append(message)
    ) as server:
        assert connect(server).V().count().next() == 6
        assert os.getsid(server.pid) == server.pid != os.getsid(0)
        listening = {c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"}
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    assert server.process.returncode is not None
    assert embedded.is_free(server.port)
    assert said == [f"starting a Gremlin Server with the graph 'modern' on port {server.port}"]


def test_the_sample_is_loaded_once_though_sessions_run_the_start_script_again(
    gremlin_server: GremlinServer,
) -> None:
    from gremlin_python.driver.client import Client

    client = Client(gremlin_server.url, "g", session="once")
    try:
        counts = [client.submit(query).all().result() for query in ("g.V().count()", "g.E().count()")]
    finally:
        client.close()
    assert counts == [[3749], [57645]]


def test_a_detached_server_survives_its_starter_until_it_is_stopped(data_root: Path, connect: Connect) -> None:
    port = embedded.free_port()
    done = subprocess.run(
        [sys.executable, "-c", DETACHED, str(data_root), str(port)], capture_output=True, text=True, check=True
    )
    pid = int(done.stdout)
    try:
        with pytest.raises(PreconditionsFailed, match=rf"process {pid}.*gremlin-server stop --port {port}"):
            embedded.start(small(data_root, port))
        assert embedded.stop(data_root, port) == pid
    finally:
        kill_if_alive(pid)
    assert embedded.is_free(port)
    with pytest.raises(PreconditionsFailed, match=f"runs on port {port}"):
        embedded.stop(data_root, port)
    with embedded.running_server(small(data_root, port)) as again:
        assert again.port == port
        assert connect(again).V().count().next() == 0


def test_an_interrupt_waits_until_the_new_process_is_known() -> None:
    before, known = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), embedded._interrupts_held():  # noqa: PT012 - raised when it ends
        signal.raise_signal(signal.SIGINT)
        known.append("process")
    assert known
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_foreground_server_ends_with_its_parent(data_root: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, str(data_root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        server = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(how)
        parent.wait()
        try:
            server.wait(PATIENCE_SECONDS)  # raises TimeoutExpired
        finally:
            kill_if_alive(server.pid)


def kill_if_alive(pid: int) -> None:
    """End a server that a failing test would leave behind."""
    try:
        process = psutil.Process(pid)
        if "gremlin" in " ".join(process.cmdline()):
            process.kill()
    except psutil.NoSuchProcess:
        pass


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_refused_before_anything_is_written(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(
        PreconditionsFailed, match=rf"port {taken_port} is taken by another program.*--port"
    ) as error:
        embedded.start(small(tmp_path, taken_port))
    assert error.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_free_port_is_the_preferred_one_where_that_is_free(taken_port: int) -> None:
    assert embedded.free_port(taken_port) not in {0, taken_port}
    free = embedded.free_port()
    assert embedded.free_port(free) == free


def test_a_free_port_is_none_that_the_system_gives_away() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        given = listener.getsockname()[1]
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert first <= given <= last
    everywhere = set(range(embedded.FIRST_FREE_PORT, 1 << 16))
    assert {embedded.free_port() for _ in range(50)} <= (everywhere - set(range(first, last + 1)) or everywhere)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"graph": "air-route"}, "no graph 'air-route' .did you mean 'air-routes'"),
        ({"id_manager": "UID"}, "no id manager 'UID' .did you mean 'UUID'"),
    ],
)
def test_unknown_names_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        small(tmp_path, **settings)


def test_a_server_that_dies_while_starting_shows_the_end_of_its_log(data_root: Path) -> None:
    with pytest.raises(
        NeptuneMLError, match=r"ended with exit code 1 while starting; the end of .*server\.log"
    ) as error:
        embedded.start(small(data_root, heap_mib=1))
    assert "Error occurred during initialization of VM" in str(error.value)
    assert not list(data_root.glob("gremlin-server/*/process.json"))


def process_file(data_root: Path, port: int, content: str) -> Path:
    file = data_root / "gremlin-server" / str(port) / "process.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    return file


@pytest.mark.parametrize(
    "content",
    [pytest.param(json.dumps({"pid": os.getpid()}), id="ours"), '{"pid": 4194304}', "{}", "[]", "not JSON"],
)
def test_stop_signals_no_process_but_its_own(tmp_path: Path, content: str) -> None:
    file = process_file(tmp_path, 8182, content)
    with pytest.raises(PreconditionsFailed, match="no Gremlin Server that was started from"):
        embedded.stop(tmp_path, 8182)
    assert not file.exists()


def test_stop_leaves_a_server_of_another_data_root_alone(
    gremlin_server_any_ids: GremlinServer, tmp_path: Path
) -> None:
    process_file(tmp_path, gremlin_server_any_ids.port, json.dumps({"pid": gremlin_server_any_ids.pid}))
    with pytest.raises(PreconditionsFailed, match="no Gremlin Server"):
        embedded.stop(tmp_path, gremlin_server_any_ids.port)
    assert gremlin_server_any_ids.process.poll() is None


@pytest.mark.parametrize(
    ("id_manager", "graph", "written"),
    [(None, "empty", "ANY"), (None, "modern", "INTEGER"), ("UUID", "empty", "UUID")],
)
def test_ids_are_treated_as_asked(tmp_path: Path, id_manager: str | None, graph: str, written: str) -> None:
    settings = GremlinServerConfig(tmp_path, graph, id_manager=id_manager)
    write_configuration(settings, 8182, tmp_path)
    properties = dict(line.split("=") for line in (tmp_path / "graph.properties").read_text().splitlines())
    assert properties["gremlin.tinkergraph.vertexIdManager"] == written
    assert properties["gremlin.tinkergraph.edgeIdManager"] == written


def test_another_graphs_settings_stand_alone(tmp_path: Path) -> None:
    settings = GremlinServerConfig(tmp_path, graph_settings={"gremlin.graph": "org.example.Graph", "a.b": "1"})
    assert graph_properties(settings) == "gremlin.graph=org.example.Graph\na.b=1\n"


def test_the_plugin_text_is_what_the_embedded_server_uses(tmp_path: Path, fake_jar: Callable[..., Path]) -> None:
    text = embedded.plugin_text(fake_jar(tmp_path / "plugin.jar"), "http://127.0.0.1:8183")
    start = text.index("  scriptEngines:")
    lines = yaml.safe_load(text[start : text.index("JVM option")])
    assert lines == {
        "scriptEngines": {
            "gremlin-groovy": {"plugins": {"org.example.Plugin": {"serviceUrl": "http://127.0.0.1:8183"}}}
        }
    }
    assert str(tmp_path / "plugin.jar") in text
    assert embedded.JVM_OPTION in text


def test_the_containers_server_is_configured_as_the_embedded_one(tmp_path: Path) -> None:
    compose = Path(__file__).parents[1] / "compose"
    settings = GremlinServerConfig(tmp_path, service_url="http://service:8183")
    own = server_settings(settings, 8182, tmp_path)
    container = yaml.safe_load((compose / "gremlin-server.yaml").read_text())
    for each in (own, container):
        plugins = each["scriptEngines"]["gremlin-groovy"]["plugins"]
        (script,) = plugins.pop("org.apache.tinkerpop.gremlin.jsr223.ScriptFileGremlinPlugin")["files"]
        (graph,) = each.pop("graphs").values()
        assert (Path(script).name, Path(graph).name) == ("start.groovy", "graph.properties")
    assert (own.pop("host"), container.pop("host")) == ("127.0.0.1", "0.0.0.0")
    assert container == own
    assert (compose / "graph.properties").read_text().endswith(graph_properties(settings))
