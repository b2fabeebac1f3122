"""A Gremlin Server that wants a name and a password, as TinkerPop ships it: requests over HTTP, and exports."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from neptuneml_plugin import jars
from neptuneml_plugin.errors import AccessDenied
from neptuneml_plugin.gremlin_login import PASSWORD_VARIABLE, USER_VARIABLE
from neptuneml_plugin.gremlin_server import free_port
from tests import stock_server
from tests.chaos.rig import post, wait
from tests.running_service import running_service

#: Of jBCrypt's own test vectors.
PASSWORD = "abc"
HASH = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"
CREDENTIALS = "conf/credentials.properties"
AUTHENTICATOR = "org.apache.tinkerpop.gremlin.server.auth.SimpleAuthenticator"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, server_data_root: Path) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    stock_server.unpack(folder, jars.resolve(jars.SERVER_JARS, server_data_root))
    properties = {"username": [{"id": 1, "value": "anna"}], "password": [{"id": 2, "value": HASH}]}
    (folder / "conf" / "credentials.json").write_text(
        json.dumps({"id": 0, "label": "user", "properties": properties})
    )
    (folder / CREDENTIALS).write_text(
        "gremlin.graph=org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph\n"
        "gremlin.tinkergraph.graphLocation=conf/credentials.json\ngremlin.tinkergraph.graphFormat=graphson\n"
    )
    authentication = {"authenticator": AUTHENTICATOR, "config": {"credentialsDb": CREDENTIALS}}
    stock_server.add_settings(folder, {"port": port, "authentication": authentication})
    with stock_server.running(folder):
        yield f"ws://localhost:{port}/gremlin"


def password_file(folder: Path, text: str = PASSWORD) -> str:
    path = folder / "password"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_the_service_and_its_exports_log_in(guarded: str, tmp_path: Path) -> None:
    secret = password_file(tmp_path)
    root = tmp_path / "root"
    with running_service(root, gremlin=guarded, gremlin_user="anna", gremlin_password_file=secret) as service:
        for _ in range(3):
            answer = post(service, "/gremlin", {"gremlin": "g.V().count()"})
            assert answer["result"]["data"]["@value"][0]["@value"] == 6
        assert service.connection.call("GET", "/status")["status"] == "healthy"
        post(service, "/neptune-export", {"id": "x", "command": "export-pg", "outputS3Path": "s3://lib/exports"})
        assert wait(service, "/neptune-export/x")["status"] == "succeeded"
    written = [path for path in root.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if b"gremlin_password" in path.read_bytes()]


@pytest.mark.parametrize("password", [None, "wrong"])
def test_who_does_not_know_it_is_told(
    guarded: str, tmp_path: Path, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if password:
        monkeypatch.setenv(USER_VARIABLE, "anna")
        monkeypatch.setenv(PASSWORD_VARIABLE, password)
    with running_service(tmp_path / "root", gremlin=guarded) as service:
        with pytest.raises(AccessDenied):
            post(service, "/gremlin", {"gremlin": "g.V().count()"})
        post(service, "/neptune-export", {"id": "x", "command": "export-pg", "outputS3Path": "s3://lib/exports"})
        ended = wait(service, "/neptune-export/x")
    assert ended["status"] == "failed"
    assert "asks for a name and a password" in str(ended)
