"""An in-memory stand-in for the service and its workers, for testing clients and plugins without a model.

`with FakeService({"airport-country": node_endpoint(...)}) as service:` answers at `service.url` as docs/wire.md
says; `service.requests` holds what was asked.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from neptuneml_plugin.errors import AccessDenied, ConstraintViolation, NeptuneMLError, ResourceNotFound

Answer = Mapping[str, Any]
VERSION = "5f0c2a9be1d7c340"


@dataclass(frozen=True)
class FakeEndpoint:
    """An endpoint that answers from a table."""

    #: What `GET /endpoints/{name}` says beside `name`, `status`, `version` and `addresses`: `task`, `target`, …
    description: Mapping[str, Any]
    #: Item id -> its answers, best first. An edge item's id is its `edgeId`, else `head->tail`; that of a link
    #: prediction is the one end that was given.
    predictions: Mapping[str, Sequence[Answer]]
    version: str = VERSION
    #: Raised instead of answering.
    failure: NeptuneMLError | None = None


def node_endpoint(
    label: str, key: str, data_type: str, id_type: str, predictions: Mapping[str, Sequence[Answer]]
) -> FakeEndpoint:
    """Return an endpoint that predicts a vertex property: `Double` by regression, else by classification."""
    task = "node_regression" if data_type == "Double" else "node_class"
    target = {"element": "node", "label": label, "property": key, "dataType": data_type, "multiLabel": False}
    nodes = [{"label": label, "idType": id_type, "count": 1000}]
    return FakeEndpoint({"task": task, "target": target, "schema": {"nodes": nodes, "edges": []}}, predictions)


def edge_endpoint(
    edge: tuple[str, str, str], key: str, data_type: str, id_type: str, predictions: Mapping[str, Sequence[Answer]]
) -> FakeEndpoint:
    """Return an endpoint that predicts a property of an edge (from label, label, to label)."""
    task = "edge_regression" if data_type == "Double" else "edge_class"
    target = _edge_type(edge) | {"element": "edge", "property": key, "dataType": data_type, "multiLabel": False}
    return FakeEndpoint({"task": task, "target": target, "schema": _edge_schema(edge, id_type)}, predictions)


def link_endpoint(
    edge: tuple[str, str, str], id_type: str, predictions: Mapping[str, Sequence[Answer]]
) -> FakeEndpoint:
    """Return an endpoint that predicts edges (from label, label, to label)."""
    target = {"element": "edge", "edges": [_edge_type(edge)]}
    description = {"task": "link_prediction", "target": target, "schema": _edge_schema(edge, id_type)}
    return FakeEndpoint(description, predictions)


def _edge_type(edge: tuple[str, str, str]) -> dict[str, Any]:
    return dict(zip(("from", "label", "to"), edge, strict=True))


def _edge_schema(edge: tuple[str, str, str], id_type: str) -> dict[str, Any]:
    nodes = [{"label": label, "idType": id_type, "count": 1000} for label in sorted({edge[0], edge[2]})]
    return {"nodes": nodes, "edges": [_edge_type(edge) | {"count": 1000}]}


class FakeService:
    """Answers `GET /endpoints/{name}` and invocations on a free port of the loopback address."""

    def __init__(self, endpoints: Mapping[str, FakeEndpoint]) -> None:
        self.endpoints = dict(endpoints)
        #: The body of every invocation, in the order of arrival.
        self.requests: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.fake_service = self  # type: ignore[attr-defined] # how a handler finds its owner
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """The service's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def describe(self, name: str) -> dict[str, Any]:
        """Return what `GET /endpoints/{name}` answers.

        Raises:
            ResourceNotFound: no such endpoint.
        """
        endpoint = self._endpoint(name)
        defaults = {"threshold": None, "modes": ["transductive"], "table": None}
        own = {"name": name, "status": "InService", "version": endpoint.version}
        return defaults | dict(endpoint.description) | own | {"addresses": [self.url], "token": _token(name)}

    def invoke(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to an invocation's body.

        Raises:
            NeptuneMLError: no such endpoint, another version is pinned, or the endpoint's own failure.
        """
        endpoint = self._endpoint(name)
        self.requests.append(body)
        if endpoint.failure is not None:
            raise endpoint.failure
        parameters = body["data"].get("globalParameters", {})
        pinned = parameters.get("artifactVersion", endpoint.version)
        if pinned != endpoint.version:
            raise ConstraintViolation(f"endpoint '{name}' has version {endpoint.version}, not {pinned}")
        items = body["data"].get("nodes", []) + body["data"].get("edges", [])
        answers = [_answer(endpoint, item, parameters) for item in items]
        own = {"endpoint": name, "artifactVersion": endpoint.version}
        return own | {"requestId": parameters.get("requestId", "none"), "answers": answers}

    def _endpoint(self, name: str) -> FakeEndpoint:
        if name not in self.endpoints:
            raise ResourceNotFound(f"no endpoint '{name}'")
        return self.endpoints[name]


def _answer(endpoint: FakeEndpoint, item: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[Answer]:
    excluded = {*parameters.get("exclude", ()), *item.get("exclude", ())}
    threshold = parameters.get("threshold")
    if isinstance(threshold, str):  # "tuned"
        threshold = endpoint.description.get("threshold")
    rows = [
        row
        for row in endpoint.predictions.get(_item_id(endpoint, item), ())
        if row.get("id") not in excluded and (threshold is None or row["score"] >= threshold)
    ]
    shown = {"id", "value", "score"} if "id" in (rows or [{}])[0] or parameters.get("score") else {"value"}
    return [{name: row[name] for name in row if name in shown} for row in rows[: parameters.get("topk", 1)]]


def _token(name: str) -> str:
    return f"token-of-{name}"


def _item_id(endpoint: FakeEndpoint, item: Mapping[str, Any]) -> str:
    if "nodeId" in item:
        return str(item["nodeId"])
    if item.get("edgeId") in endpoint.predictions:
        return str(item["edgeId"])
    ends = [str(item[end]) for end in ("headNodeId", "tailNodeId") if end in item]
    return "->".join(ends)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(self._get)

    def do_POST(self) -> None:
        self._reply(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output clean."""

    @property
    def _service(self) -> FakeService:
        service: FakeService = self.server.fake_service  # type: ignore[attr-defined]
        return service

    def _reply(self, answer: Any) -> None:
        try:
            status, body = answer([unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")])
        except NeptuneMLError as error:
            status = error.http_status
            body = {"code": error.code, "detailedMessage": str(error), "message": str(error), "requestId": "none"}
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if status == HTTPStatus.OK and body and "version" in body:
            self.send_header("ETag", f'"{body["version"]}"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _get(self, path: list[str]) -> tuple[int, Any]:
        if path == ["health"]:
            return HTTPStatus.OK, {"status": "healthy"}
        if len(path) != 2 or path[0] != "endpoints":
            raise ResourceNotFound(f"no such path: {self.path}")
        description = self._service.describe(path[1])
        wanted = parse_qs(urlsplit(self.path).query).get("version", [description["version"]])[0]
        if wanted != description["version"]:
            raise ResourceNotFound(f"endpoint '{path[1]}' has no version {wanted}")
        if self.headers.get("If-None-Match") == f'"{wanted}"':
            return HTTPStatus.NOT_MODIFIED, None
        return HTTPStatus.OK, description

    def _post(self, path: list[str]) -> tuple[int, Any]:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match path:
            case ["endpoints", name, "invocations"]:
                return HTTPStatus.OK, self._service.invoke(name, body)
            case ["invocations"]:  # one address is the worker of every endpoint; the token tells which is meant
                return HTTPStatus.OK, self._service.invoke(self._endpoint_of_token(), body)
        raise ResourceNotFound(f"no such path: {self.path}")

    def _endpoint_of_token(self) -> str:
        token = self.headers.get("Authorization", "")
        for name in self._service.endpoints:
            if token == f"Bearer {_token(name)}":
                return name
        raise AccessDenied("this worker needs the token of the endpoint's description")
