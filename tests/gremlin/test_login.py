"""A Gremlin Server that wants a name and a password, as TinkerPop ships it: requests over HTTP, and exports."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from neptuneml_plugin import jars
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.errors import AccessDenied
from neptuneml_plugin.gremlin_login import PASSWORD_VARIABLE, USER_VARIABLE, Login
from neptuneml_plugin.gremlin_server import free_port
from neptuneml_plugin.locations import Place
from neptuneml_plugin.service.app import DATABASE
from neptuneml_plugin.transfer import publish
from tests import stock_server
from tests.chaos.rig import post, wait
from tests.planted import planted_export
from tests.running_service import RunningService, eventually, running_service
from tests.s3_server import BUCKET, s3_server
from tests.s3_server import CREDENTIALS as CREDENTIALS_OF_S3

#: Of jBCrypt's own test vectors.
PASSWORD = "abcdefghijklmnopqrstuvwxyz"
HASH = "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
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


class Seen:
    """What a caller of a service, and another user of its machine, have seen."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self.texts: list[str] = []

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str = TOKEN
    ) -> dict[str, Any]:
        """Return an answer, refusals too."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._service.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
        self.texts.append(text)
        return json.loads(text) if text.startswith("{") else {}

    def until(self, path: str, *ends: str) -> dict[str, Any]:
        """Return a status once it is one of `ends`, and look at the lists of processes meanwhile."""
        status: dict[str, Any] = {}

        def has_ended() -> bool:
            self.texts += [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
            status.update(self.ask("GET", path))
            return status["status"] in ends

        eventually(has_ended)
        return status


def test_no_secret_is_written_down_or_told(guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries, an export to an S3, a processing, a training and an endpoint, and what of each is refused."""
    root, secret = tmp_path / "root", password_file(tmp_path)
    with s3_server() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
        publish(export, Place(f"s3://{BUCKET}/export", None, s3.url))
        # its log says all that it can
        with running_service(
            root, TOKEN, gremlin=guarded, gremlin_user="anna", gremlin_password_file=secret
        ) as service:
            seen = Seen(service)
            assert "result" in seen.ask("POST", "/gremlin", {"gremlin": "g.V().count()"})
            assert seen.ask("POST", "/gremlin", {"gremlin": "g.V().none("})["code"] == "MalformedQueryException"
            assert seen.ask("GET", "/ml/endpoints", token="wrong")["code"] == "AccessDeniedException"
            there = {"outputS3Path": f"s3://{BUCKET}/x", "command": "export-pg"}
            seen.ask("POST", "/neptune-export", {**there, "id": "x"})
            seen.ask(
                "POST", "/neptune-export", {**there, "id": "y", "params": {"gremlinFilter": "has('no' 'end')"}}
            )
            assert seen.until("/neptune-export/x", "succeeded", "failed")["status"] == "succeeded"
            assert seen.until("/neptune-export/y", "succeeded", "failed")["status"] == "failed"
            out = {"processedDataS3Location": f"s3://{BUCKET}/p"}
            for job_id, given in (("p", f"s3://{BUCKET}/export"), ("q", f"s3://{BUCKET}/nothing")):
                seen.ask("POST", "/ml/dataprocessing", {**out, "id": job_id, "inputDataS3Location": given})
            assert seen.until("/ml/dataprocessing/p", "Completed", "Failed")["status"] == "Completed"
            assert seen.until("/ml/dataprocessing/q", "Completed", "Failed")["status"] == "Failed"
            body = {"id": "t", "dataProcessingJobId": "p", "trainModelS3Location": f"s3://{BUCKET}/t"}
            seen.ask("POST", "/ml/modeltraining", {**body, "maxHPONumberOfTrainingJobs": 1})
            assert seen.until("/ml/modeltraining/t", "Completed", "Failed")["status"] == "Completed"
            seen.ask("POST", "/ml/endpoints", {"id": "e", "mlModelTrainingJobId": "t"})
            assert seen.until("/ml/endpoints/e", "InService", "Failed")["status"] == "InService"
            for path in ("/neptune-export/y", "/ml/dataprocessing/q", "/ml/modeltraining/t"):
                seen.ask("GET", f"{path}/log")
    secrets = [
        *(text.encode() for text in (PASSWORD, TOKEN, CREDENTIALS_OF_S3["AWS_SECRET_ACCESS_KEY"])),
        Login("anna", PASSWORD).sasl["sasl"].encode(),
    ]
    written = [path for path in root.rglob("*") if path.is_file()]
    assert {"service.log", DATABASE, "log.txt", "settings.json", "outcome.json"} <= {path.name for path in written}
    assert [path for path in written for text in secrets if text in path.read_bytes()] == []
    assert any("neptuneml_plugin.cli train" in text for text in seen.texts)
    assert [told for told in seen.texts for text in secrets if text in told.encode()] == []


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
