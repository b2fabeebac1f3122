"""How a client of the service speaks to it: requests, pages of a list, and the errors that the service names."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from neptuneml_plugin import errors
from neptuneml_plugin.config import DEFAULT_SERVICE_URL
from neptuneml_plugin.errors import FailureByQuery, InvalidParameter, NeptuneMLError, PreconditionsFailed

LARGEST_PAGE = 1024


class Connection:
    """Speaks to one service.

    Args:
        url: such as `http://127.0.0.1:8183`.
        token: the service's token, if it has one.
        timeout_seconds: how long one answer may take.
    """

    def __init__(
        self, url: str = DEFAULT_SERVICE_URL, token: str | None = None, timeout_seconds: float = 120.0
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidParameter(f"service address '{url}' must look like {DEFAULT_SERVICE_URL}")
        self._url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        self._timeout = timeout_seconds

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one request and return the answer.

        Raises:
            PreconditionsFailed: nothing listens there.
            NeptuneMLError: the error that the service names.
        """
        return self._read(*self._send(method, path, {}, None if body is None else json.dumps(body)))

    def ids(self, path: str, query: Mapping[str, Any] | None = None) -> list[str]:
        """Return all ids of a list, of all its pages."""
        found: list[str] = []
        asked = {"maxItems": LARGEST_PAGE, **(query or {})}
        while True:
            page = self.call("GET", f"{path}?{urlencode(asked)}")
            found += page["ids"]
            if "nextToken" not in page:
                return found
            asked["nextToken"] = page["nextToken"]

    def bytes_from(self, path: str, begin: int) -> bytes:
        """Return what a file of the service holds from a byte on; nothing where it ends there."""
        status, content = self._send("GET", path, {"Range": f"bytes={begin}-"})
        if status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return b""
        if status >= 400:
            self._read(status, content)
        return content

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], content: str | None = None
    ) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout)
        try:
            connection.request(method, self._base + path, content, {**self._headers, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise PreconditionsFailed(
                f"no service answers at {self._url} ({error or type(error).__name__}); "
                "start one with `neptuneml serve`"
            ) from None
        finally:
            connection.close()

    def _read(self, status: int, text: bytes) -> dict[str, Any]:
        """Return the answer, or raise the error that the service names."""
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise FailureByQuery(f"{self._url} does not answer as this service does (HTTP {status})")
        if status >= 400:
            kind = _ERRORS.get(str(document.get("code")), NeptuneMLError)
            raise kind(document.get("detailedMessage") or f"HTTP {status}")
        return document


#: Code -> the class of the tree that bears it first.
_ERRORS: dict[str, type[NeptuneMLError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, NeptuneMLError) and "code" in vars(kind)
}
