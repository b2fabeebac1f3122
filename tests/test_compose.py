"""The containers' configuration: what it must hold, and its commands and files at work without containers."""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from neptuneml_plugin import config, jars
from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.connection import Connection
from neptuneml_plugin.errors import AccessDenied, NeptuneMLError
from neptuneml_plugin.gremlin_server import fetch, free_port
from tests.made_artifacts import Made, make_artifact
from tests.running_service import eventually

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "compose"
DOCUMENT: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
SETTINGS: dict[str, Any] = yaml.safe_load((COMPOSE / "service.yaml").read_text())
#: Name of a stage of the Dockerfile -> its lines.
STAGES = {
    part.split("\n", 1)[0].rpartition(" AS ")[2]: part
    for part in re.split(r"^(?=FROM )", (COMPOSE / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
}
TOKEN = "5f0c2a9be1d7c3405f0c2a9be1d7c340"


def test_only_the_service_is_published() -> None:
    assert SERVICES["service"]["ports"] == [f"127.0.0.1:{SETTINGS['port']}:{SETTINGS['port']}"]
    assert "ports" not in SERVICES["gremlin-server"]
    first, last = SETTINGS["worker_ports"]
    assert not first <= SETTINGS["port"] <= last


def test_no_image_runs_as_root() -> None:
    for name, service in SERVICES.items():
        lines = STAGES[service["build"]["target"]].splitlines()
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert users, name
        assert users[-1] not in ("root", "0"), name
        assert lines.index(f"USER {users[-1]}") < next(
            n for n, line in enumerate(lines) if line.startswith("ENTRY")
        )
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_what_is_named_is_there() -> None:
    for name, service in SERVICES.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted == {"condition": "service_healthy"}, name
            assert "healthcheck" in SERVICES[other], name
        assert set(service["secrets"]) <= set(DOCUMENT["secrets"]), name
        assert set(service["networks"]) <= set(DOCUMENT["networks"]), name
        assert {volume.split(":")[0] for volume in service.get("volumes", ())} <= set(DOCUMENT["volumes"]), name
        assert service["environment"]["NEPTUNEML_SERVICE_TOKEN_FILE"] == "/run/secrets/service-token"
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert service["hostname"] == name
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"compose/{Path(DOCUMENT['secrets']['service-token']['file']).parent}/" in ignored


def test_the_images_hold_what_is_there() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source
        for stage in STAGES.values()
        for line in stage.splitlines()
        if line.startswith("COPY ") and "--from=" not in line
        for source in [word for word in line.split()[1:-1] if not word.startswith("--")]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == name or source.startswith(f"{name}/") for name in allowed), source


def test_the_two_know_each_other() -> None:
    settings = config.load_settings(config.ServiceConfig, COMPOSE / "service.yaml", {"data_root": "/x"})
    plugin = yaml.safe_load((COMPOSE / "gremlin-server.yaml").read_text())["scriptEngines"]["gremlin-groovy"][
        "plugins"
    ]["io.github.neptuneml.gremlin.NeptuneMLGremlinPlugin"]
    assert plugin["serviceUrl"] == f"http://service:{settings.port}"
    assert settings.allow_hosts == ("service",)
    assert settings.worker_host == SERVICES["service"]["hostname"]
    assert settings.gremlin == f"ws://gremlin-server:{SERVICES['gremlin-server']['expose'][0]}/gremlin"
    assert STAGES["service"].count(SERVICES["service"]["command"][-1]) == 2


@dataclass(frozen=True)
class Stack:
    """The two, as processes of this machine."""

    root: Path
    service: str
    gremlin_port: int
    processes: tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]

    def query(self, text: str) -> Any:
        """Ask the Gremlin Server over HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gremlin_port, timeout=60)
        headers = {"Content-Type": "application/json", "Accept": "application/vnd.gremlin-v3.0+json;types=false"}
        with contextlib.closing(connection):
            connection.request("POST", "/gremlin", json.dumps({"gremlin": text}), headers)
            answer = connection.getresponse()
            document = json.loads(answer.read())
        assert answer.status == 200, document
        return document["result"]["data"]


def local(text: str, places: dict[str, str]) -> str:
    """Return a text of the containers' with this machine's places."""
    for container, here in places.items():
        text = text.replace(container, here)
    return text


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("compose")
    for name in ("data", "conf", "run"):
        (root / name).mkdir()
    token = root / "run" / "service-token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    port, gremlin_port, workers = free_port(), free_port(), free_port()
    places = {
        "/run/secrets": str(root / "run"), "/var/lib/neptuneml": str(root / "data"),
        "/etc/neptuneml": str(root / "conf"), "/opt/gremlin-server/conf/neptuneml": str(root / "conf"),
        "http://service:8183": f"http://localhost:{port}", "ws://gremlin-server:8182": f"ws://localhost:{gremlin_port}",
        "worker_host: service": "worker_host: localhost", "port: 8183": f"port: {port}",
        "port: 8182": f"port: {gremlin_port}", "9000, 9099": f"{workers}, {workers}", ":8183/": f":{port}/",
        ":8182/": f":{gremlin_port}/",
    }  # fmt: skip
    for file in (COMPOSE / "service.yaml", COMPOSE / "gremlin-server.yaml", COMPOSE / "graph.properties"):
        (root / "conf" / file.name).write_text(local(file.read_text(), places))
    shutil.copy(ROOT / "gremlin_steps" / "start.groovy", root / "conf")
    with contextlib.ExitStack() as running:
        gremlin = running.enter_context(started(gremlin_command(root / "conf"), "gremlin-server", root, places))
        command = ["neptuneml", *(local(word, places) for word in SERVICES["service"]["command"])]
        service = running.enter_context(started(command, "service", root, places))
        for name in SERVICES:
            eventually(lambda name=name: is_healthy(name, places))  # type: ignore[misc]
        yield Stack(root, f"http://127.0.0.1:{port}", gremlin_port, (gremlin, service))


def gremlin_command(conf: Path) -> list[str]:
    """Return what `with-token` and the image's `gremlin-server.sh` run, with the jars of this machine."""
    library = fetch(config.data_root())
    class_path = os.pathsep.join([f"{library}/*", str(jars.plugin_jar())])
    options = SERVICES["gremlin-server"]["environment"]["JAVA_OPTIONS"].split()
    main = "org.apache.tinkerpop.gremlin.server.GremlinServer"
    java = [str(jars.find_java().executable), *options, "-cp", class_path, main]
    return [str(COMPOSE / "with-token.sh"), *java, str(conf / "gremlin-server.yaml")]


@contextlib.contextmanager
def started(
    command: list[str], name: str, root: Path, places: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    given = {key: local(value, places) for key, value in SERVICES[name]["environment"].items()}
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    with (root / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | given | {"PATH": path}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def is_healthy(name: str, places: dict[str, str]) -> bool:
    """Run a container's own health check."""
    kind, *command = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD"
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    command = [local(word, places) for word in command]
    done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, check=False, timeout=60)
    return done.returncode == 0


def test_a_prediction_travels_from_service_to_query(stack: Stack) -> None:
    client = ServiceClient(stack.service, TOKEN)
    movies = ("900001", "900002", "900003")
    make_artifact(stack.root / "data" / "artifact", Made(movies=movies, movie_id_type="Integer"))
    client.create_endpoint("e", str(stack.root / "data" / "artifact"))
    description = client.describe_endpoint("e")
    first = yaml.safe_load((stack.root / "conf/service.yaml").read_text())["worker_ports"][0]
    assert description["addresses"] == [f"http://localhost:{first}"]
    key = description["target"]["property"]
    stack.query(f'g.addV("movie").property(T.id, {movies[0]}).iterate()')
    body = {"data": {"globalParameters": {"property": key}, "nodes": [{"nodeId": movies[0]}]}}
    (((expected,),)) = client.invoke("e", body)["answers"]
    asked = f'.V({movies[0]}).hasLabel("movie").properties("{key}").with("Neptune#ml.classification").value()'
    text = f'g.with("Neptune#ml.endpoint", "e"){asked}'
    assert stack.query(text) == [expected["value"]]
    through = Connection(stack.service, TOKEN).call("POST", "/gremlin", {"gremlin": text})["result"]["data"]
    assert through == {"@type": "g:List", "@value": [expected["value"]]}


def test_no_code_passes_through_the_published_port(stack: Stack) -> None:
    connection = Connection(stack.service, TOKEN)
    with pytest.raises(NeptuneMLError):
        connection.call("POST", "/gremlin", {"gremlin": "System.exit(1); g.V()"})
    assert connection.call("POST", "/gremlin", {"gremlin": "g.V().limit(1).count()"})["status"]["code"] == 200


def test_others_are_asked_who_they_are(stack: Stack) -> None:
    with pytest.raises(AccessDenied):
        ServiceClient(stack.service, "wrong").list_endpoints()


def test_the_token_stands_in_no_argument_and_no_log(stack: Stack) -> None:
    for process in stack.processes:
        assert TOKEN.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    for log in stack.root.glob("*.log"):
        assert TOKEN not in log.read_text(errors="replace")
