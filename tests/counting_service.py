"""A stand-in between plugin and service that counts what the plugin asks; the answers are the real ones.

Descriptions name this address instead of the workers', so a query whose endpoint is
`counting.endpoint(name)` passes through here. The server must be told `allowedUrls` with `counting.url`.
"""

import base64
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from neptuneml_plugin.testing import LoopbackServer

#: What a proxy must not pass on.
_OWN_HEADERS = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "upgrade"}


@dataclass(frozen=True)
class Call:
    """One invocation."""

    items: int
    #: Of the request and of its answer.
    body_bytes: int


class CountingService(LoopbackServer):
    """Passes requests on, from a free port of the loopback address."""

    def __init__(self, service_url: str) -> None:
        self.service = urlsplit(service_url).netloc
        #: Invocations in the order of their answers.
        self.calls: list[Call] = []
        #: Token of a description -> where its worker listens.
        self.workers: dict[str, str] = {}
        super().__init__(_Handler)

    def endpoint(self, name: str) -> str:
        """How a query names an endpoint whose calls are to be counted (decision 27)."""
        return f"{self.url}/endpoints/{name}"


def count_items(body: Mapping[str, Any]) -> int:
    """Return how many items an invocation has, in either of its spellings (docs/wire.md, section 2)."""
    data = body["data"]
    columns = data.get("items", {}).values()
    return len(data.get("nodes", ())) + len(data.get("edges", ())) + max(map(_length, columns), default=0)


def _length(column: Sequence[Any] | str) -> int:
    """Return how many items a column has: a list, or hashes of 8 bytes each as Base64."""
    return len(base64.b64decode(column)) // 8 if isinstance(column, str) else len(column)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: A header and a body that leave in two packets would wait for each other.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        status, headers, content = self._forward(self._counting.service, b"")
        if status == 200 and self.path.count("/") == 2:
            content = self._through_here(content)
        self._reply(status, headers, content)

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        direct = self.path == "/invocations"
        status, headers, content = self._forward(
            self._counting.workers[token] if direct else self._counting.service, asked
        )
        self._counting.calls.append(Call(count_items(json.loads(asked)), len(asked) + len(content)))
        self._reply(status, headers, content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep the output clean."""

    @property
    def _counting(self) -> CountingService:
        counting: CountingService = self.server.owner  # type: ignore[attr-defined]
        return counting

    def _through_here(self, content: bytes) -> bytes:
        description = json.loads(content)
        if description.get("addresses"):
            self._counting.workers[description["token"]] = urlsplit(description["addresses"][0]).netloc
            description["addresses"] = [self._counting.url]
        return json.dumps(description).encode()

    def _forward(self, address: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN_HEADERS}
        connection = http.client.HTTPConnection(address, timeout=120)
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN_HEADERS}
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _reply(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("date", "server"):
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
