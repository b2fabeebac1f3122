"""An in-memory stand-in for the service and its workers, for testing clients and plugins without a model.

`with FakeService({"airport-country": node_endpoint(...)}) as service:` answers at `service.url` as docs/wire.md
says; `service.requests` holds what was asked.
"""

import base64
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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
    #: Item id -> its answers where the request brings its neighbourhood and they differ from `predictions`.
    inductive: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    #: Vertex label -> its `table.bin`: a file that a caller may map, or bytes that it can only get over HTTP.
    tables: Mapping[str, Path | bytes] = field(default_factory=dict)
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


class LoopbackServer:
    """An HTTP server on a free port of the loopback address, in a thread of its own while it is entered.

    A handler finds the server that it belongs to in `self.server.owner`.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.owner = self  # type: ignore[attr-defined] # how a handler finds it
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class FakeService(LoopbackServer):
    """Answers `GET /endpoints/{name}` and invocations on a free port of the loopback address."""

    def __init__(self, endpoints: Mapping[str, FakeEndpoint]) -> None:
        self.endpoints = dict(endpoints)
        #: The body of every invocation, in the order of arrival.
        self.requests: list[dict[str, Any]] = []
        super().__init__(_Handler)

    def describe(self, name: str) -> dict[str, Any]:
        """Return what `GET /endpoints/{name}` answers.

        Raises:
            ResourceNotFound: no such endpoint.
        """
        endpoint = self._endpoint(name)
        defaults: dict[str, Any] = {"threshold": None, "modes": ["transductive"], "inductive": None}
        if endpoint.inductive:
            defaults |= {"modes": ["transductive", "inductive"], "inductive": _neighbourhood(endpoint)}
        tables = [
            {
                "label": label,
                "bytes": len(_content(table)),
                "path": str(table) if isinstance(table, Path) else f"/nowhere/{name}/table.bin",
            }
            for label, table in endpoint.tables.items()
        ]
        own = {"name": name, "status": "InService", "version": endpoint.version, "tables": tables}
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
        data = body["data"]
        items = data.get("nodes", []) + data.get("edges", []) + _listed(data.get("items", {}))
        own = {"endpoint": name, "artifactVersion": endpoint.version}
        own["requestId"] = parameters.get("requestId", "none")
        if body.get("mode") == "embed":  # a zero for each: what is ranked is written down, not computed
            return own | {"embeddings": base64.b64encode(bytes(4 * len(items))).decode(), "width": 1}
        known = dict(endpoint.predictions) | (dict(endpoint.inductive) if "subgraph" in data else {})
        answers = [_answer(endpoint, known, item, parameters) for item in items]
        if parameters.get("columns"):
            task = endpoint.description["task"]
            scored = task == "link_prediction" or bool(parameters.get("score"))
            return own | {"columns": _columns(task, answers, scored=scored)}
        return own | {"answers": answers}

    def table(self, name: str, label: str) -> bytes:
        """Return the table of a vertex label.

        Raises:
            ResourceNotFound: no such endpoint or table.
        """
        tables = self._endpoint(name).tables
        if label not in tables:
            raise ResourceNotFound(f"endpoint '{name}' has no table of '{label}'")
        return _content(tables[label])

    def _endpoint(self, name: str) -> FakeEndpoint:
        if name not in self.endpoints:
            raise ResourceNotFound(f"no endpoint '{name}'")
        return self.endpoints[name]


def _neighbourhood(endpoint: FakeEndpoint) -> dict[str, Any]:
    """Return what a caller gathers around an element: two hops, and no properties."""
    schema = endpoint.description["schema"]
    edges = [{name: edge[name] for name in ("from", "label", "to")} for edge in schema["edges"]]
    return {
        "fanouts": [10, 10],
        "nodes": {node["label"]: [] for node in schema["nodes"]},
        "edges": [edge | {"properties": []} for edge in edges],
        "maxNewCandidates": 1000,
    }


def _answer(
    endpoint: FakeEndpoint,
    known: Mapping[str, Sequence[Answer]],
    item: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> list[Answer]:
    excluded = {*parameters.get("exclude", ()), *item.get("exclude", ())}
    threshold = parameters.get("threshold")
    if isinstance(threshold, str):  # "tuned"
        threshold = endpoint.description.get("threshold")
    rows = [
        row
        for row in known.get(_item_id(known, item), ())
        if row.get("id") not in excluded and (threshold is None or row["score"] >= threshold)
    ]
    shown = {"id", "value", "score"} if "id" in (rows or [{}])[0] or parameters.get("score") else {"value"}
    return [{name: row[name] for name in row if name in shown} for row in rows[: parameters.get("topk", 1)]]


def _listed(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the items that `data.items` holds in columns."""
    rows = zip(*columns.values(), strict=True)
    return [{key: value for key, value in zip(columns, row, strict=True) if value is not None} for row in rows]


def _columns(task: str, answers: Sequence[Sequence[Answer]], *, scored: bool) -> dict[str, Any]:
    """Return answers as the member `columns`."""
    flat = [answer for item in answers for answer in item]
    columns: dict[str, Any] = {}
    if task == "link_prediction":
        columns["ids"] = [answer["id"] for answer in flat]
    elif task.endswith("regression"):
        columns["values"] = [answer["value"] for answer in flat]
    else:
        columns["classes"] = list(dict.fromkeys(answer["value"] for answer in flat))
        columns["indices"] = [columns["classes"].index(answer["value"]) for answer in flat]
    if any(len(item) != 1 for item in answers):
        columns["counts"] = [len(item) for item in answers]
    if scored:
        columns["scores"] = [answer["score"] for answer in flat]
    return columns


def _content(table: Path | bytes) -> bytes:
    return table if isinstance(table, bytes) else table.read_bytes()


def _token(name: str) -> str:
    return f"token-of-{name}"


def _item_id(known: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    if "nodeId" in item:
        return str(item["nodeId"])
    if item.get("edgeId") in known:
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
        service: FakeService = self.server.owner  # type: ignore[attr-defined]
        return service

    def _reply(self, answer: Any) -> None:
        try:
            path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if self.command == "GET" and len(path) == 4 and path[0::2] == ["endpoints", "tables"]:
                self._send_table(path[1], path[3])
                return
            status, body = answer(path)
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

    def _send_table(self, name: str, label: str) -> None:
        """Send a table, or the one range of it that is asked for."""
        self._check_version(name)
        table = self._service.table(name, label)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        part = table[first : int(asked[2]) + 1] if asked and asked[2] else table[first:]
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(table)}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def _check_version(self, name: str) -> str:
        """Return the version that is asked for."""
        version = self._service.describe(name)["version"]
        wanted = parse_qs(urlsplit(self.path).query).get("version", [version])[0]
        if wanted != version:
            raise ResourceNotFound(f"endpoint '{name}' has no version {wanted}")
        return version  # type: ignore[no-any-return] # a text in every description

    def _get(self, path: list[str]) -> tuple[int, Any]:
        if path == ["health"]:
            return HTTPStatus.OK, {"status": "healthy"}
        if len(path) != 2 or path[0] != "endpoints":
            raise ResourceNotFound(f"no such path: {self.path}")
        version = self._check_version(path[1])
        if self.headers.get("If-None-Match") == f'"{version}"':
            return HTTPStatus.NOT_MODIFIED, None
        return HTTPStatus.OK, self._service.describe(path[1])

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
