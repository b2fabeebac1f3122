"""The client against a real service, and against what is none."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.errors import (
    AccessDenied,
    BadRequest,
    FailureByQuery,
    InvalidParameter,
    NeptuneMLError,
    PreconditionsFailed,
    ResourceNotFound,
)
from neptuneml_plugin.gremlin_server import free_port
from tests.made_artifacts import Made, make_artifact
from tests.running_service import RunningService, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    root = tmp_path_factory.mktemp("root")
    make_artifact(root / "one")
    make_artifact(root / "two", Made(seed=1))
    make_artifact(root / "cut", Made(seed=2))
    (root / "cut/nodes/1/ids.npy").write_bytes(b"")
    with running_service(root, token="secret") as running:
        yield running


def folder(service: RunningService, name: str) -> str:
    return str(service.log.parent / name)


def test_an_endpoint_from_its_creation_to_its_end(service: RunningService) -> None:
    client = service.client
    client.wait_until_healthy()
    assert client.health()["status"] == "healthy"
    first = client.create_endpoint("films", folder(service, "one"))
    assert client.describe_endpoint("films")["version"] == first
    assert client.invoke("films", {"data": {"nodes": [{"nodeId": "a"}]}})["artifactVersion"] == first
    second = client.update_endpoint("films", folder(service, "two"))
    assert second != first
    assert client.get_endpoint("films")["version"] == second
    assert client.list_endpoints() == ["films"]
    with pytest.raises(FailureByQuery, match=rf"nodes/1/ids.npy has 0 bytes.*version {second} goes on answering"):
        client.update_endpoint("films", folder(service, "cut"))
    client.delete_endpoint("films")
    assert client.list_endpoints() == []


def test_errors_come_back_as_their_classes(service: RunningService) -> None:
    client = service.client
    with pytest.raises(ResourceNotFound, match="there is no endpoint 'none'"):
        client.get_endpoint("none")
    with pytest.raises(ResourceNotFound, match="there is no endpoint 'a/b'"):
        client.delete_endpoint("a/b")
    with pytest.raises(BadRequest, match="--allow-path"):
        client.create_endpoint("x", "/")
    with pytest.raises(InvalidParameter, match="names no endpoint"):
        client.update_endpoint("x", folder(service, "one"))
    with pytest.raises(FailureByQuery, match=r"nodes/1/ids.npy has 0 bytes"):
        client.create_endpoint("x", folder(service, "cut"))
    with pytest.raises(PreconditionsFailed, match="'x' is Failed"):
        client.invoke("x", {"data": {"nodes": []}})
    client.delete_endpoint("x")
    with pytest.raises(AccessDenied, match="token is missing or wrong"):
        ServiceClient(service.url).list_endpoints()


@pytest.mark.parametrize("url", ["127.0.0.1:8183", "ftp://host", "http://"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InvalidParameter, match="must look like http://"):
        ServiceClient(url)


def test_no_service_there() -> None:
    client = ServiceClient(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(PreconditionsFailed, match=r"no service answers at .*neptuneml serve"):
        client.health()
    with pytest.raises(PreconditionsFailed, match="no service answers"):
        client.wait_until_healthy(timeout_seconds=0.0)


class Stranger(BaseHTTPRequestHandler):
    """Answers, but not as the service does."""

    def do_GET(self) -> None:
        body = b'{"code": "NewException", "detailedMessage": "later"}' if self.path == "/health" else b"<html>"
        self.send_response(500 if self.path == "/health" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Stay silent."""


def test_a_stranger_at_the_address() -> None:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            client = ServiceClient(f"http://127.0.0.1:{server.server_port}/")
            with pytest.raises(FailureByQuery, match="does not answer as this service does"):
                client.list_endpoints()
            with pytest.raises(NeptuneMLError, match="later"):
                client.health()
        finally:
            server.shutdown()
            thread.join()


def test_waiting_has_an_end(service: RunningService) -> None:
    with pytest.raises(FailureByQuery, match="'slow' is still Creating after 0 s"):
        service.client.create_endpoint("slow", folder(service, "one"), timeout_seconds=0.0)
    service.client.delete_endpoint("slow")
