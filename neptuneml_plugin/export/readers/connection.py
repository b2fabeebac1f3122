"""One WebSocket to a Gremlin Server: bytecode out, results in as fast as they are asked for and no faster.

gremlin-python's own client takes in a whole answer before anybody asks for it; here a reader that is busy leaves
the rest on the server, which then waits.
"""

import contextlib
import itertools
import logging
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError
from gremlin_python.driver.aiohttp.transport import AiohttpTransport
from gremlin_python.driver.request import RequestMessage
from gremlin_python.driver.serializer import GraphBinarySerializersV1
from gremlin_python.process.graph_traversal import GraphTraversal

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import (
    AccessDenied,
    FailureByQuery,
    InvalidParameter,
    PreconditionsFailed,
    TimeLimitExceeded,
)
from neptuneml_plugin.export.readers.graphbinary import TypedReader
from neptuneml_plugin.gremlin_login import PASSWORD_VARIABLE, USER_VARIABLE, Login, login_of

_MAX_CONTENT_BYTES = 1 << 30
#: How much longer than the server itself we wait for its answer.
_GRACE_SECONDS = 15.0
#: What a server says of values of its graph's own classes, such as JanusGraph's ids of edges.
_UNREADABLE = "Serializer for type"
_UNREADABLE_HINT = "; the reader 'bulk' reads such values, where the server has the plugin (`neptuneml plugin`)"
_OK, _NO_CONTENT, _PARTIAL, _SERVER_TIMEOUT = 200, 204, 206, 598
#: The server asks who is there, and does not believe who says so.
_WHO, _NOT_KNOWN = 407, 401


class Connection:
    """Asks one request at a time; a context manager, opened by the first one.

    Args:
        config: where the server is.
        is_reached: whether it has answered another connection, so that it has gone away if it does not answer.

    Raises:
        PreconditionsFailed: nothing answers at the URL.
        FailureByQuery: the server went away or refused a query. InvalidParameter: it refused a script.
        TimeLimitExceeded: one request took longer than `request_timeout_seconds`.
        AccessDenied: it wants a name and a password, others than the environment has.
    """

    def __init__(self, config: ExportConfig, *, is_reached: bool = False) -> None:
        # The driver prints whole server traces; our errors say what happened.
        logging.getLogger("gremlinpython").addHandler(logging.NullHandler())
        self._config = config
        self._serializer = GraphBinarySerializersV1(reader=TypedReader())
        self._transport: AiohttpTransport | None = None
        self._is_reached = is_reached
        self._script: str | None = None
        #: None once it was told, which is done once.
        self._login: Login | None = login_of()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, whatever is still on its way."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def send(self, asked: GraphTraversal | str, batch_size: int, *, endless: bool = False) -> None:
        """Send a request, whose `results` must be read before the next one.

        Args:
            asked: a traversal, or a script in gremlin-lang.
            batch_size: results in one message.
            endless: whether the time limit holds for each message and not for the whole answer.
        """
        limit = 0 if endless else int(self._config.request_timeout_seconds * 1000)
        options = {"evaluationTimeout": limit, "batchSize": batch_size}
        self._script = asked if isinstance(asked, str) else None
        message = self._serializer.serialize_message(str(uuid.uuid4()), self._request(asked, options))
        with self._explained():
            self._opened().write(message)

    def _request(self, asked: GraphTraversal | str, options: Mapping[str, Any]) -> RequestMessage:
        arguments = {"aliases": {"g": self._config.traversal_source}, **options}
        if isinstance(asked, str):
            return RequestMessage("", "eval", {"gremlin": asked, "language": "gremlin-lang", **arguments})
        return RequestMessage("traversal", "bytecode", {"gremlin": asked.bytecode, **arguments})

    def results(self) -> Iterator[Any]:
        """Return the results of the request that was sent, message by message."""
        while True:
            with self._explained():
                content = self._opened().read()
                if content is None:
                    raise RuntimeError("the connection was closed")
                message = self._serializer.deserialize_message(content)
            self._is_reached = True
            code = message["status"]["code"]
            if code == _WHO and self._login is not None:
                self._log_in(self._login)
                continue
            if code not in {_OK, _NO_CONTENT, _PARTIAL}:
                raise self._refused(code, message["status"]["message"])
            for result in message["result"]["data"] or ():
                yield from (result,) if self._script else itertools.repeat(result.object, result.bulk)
            if code != _PARTIAL:
                return

    def ask(self, asked: GraphTraversal | str, batch_size: int, *, endless: bool = False) -> Iterator[Any]:
        """Send a request and return its results."""
        self.send(asked, batch_size, endless=endless)
        return self.results()

    def _opened(self) -> AiohttpTransport:
        if self._transport is None:
            timeout = self._config.request_timeout_seconds + _GRACE_SECONDS
            self._transport = AiohttpTransport(read_timeout=timeout, max_content_length=_MAX_CONTENT_BYTES)
            self._transport.connect(self._config.gremlin)
        return self._transport

    def _log_in(self, login: Login) -> None:
        self._login = None
        request = RequestMessage("", "authentication", login.sasl)
        with self._explained():
            self._opened().write(self._serializer.serialize_message(str(uuid.uuid4()), request))

    def _refused(self, code: int, message: str) -> Exception:
        if code in (_WHO, _NOT_KNOWN):
            return AccessDenied(
                f"the Gremlin Server at {self._config.gremlin} asks for a name and a password that it knows; "
                f"set {USER_VARIABLE} and {PASSWORD_VARIABLE}"
            )
        if code == _SERVER_TIMEOUT:
            return self._late()
        if self._script is not None:
            return InvalidParameter(
                f"the Gremlin Server at {self._config.gremlin} does not run {self._script}: {message}"
            )
        hint = _UNREADABLE_HINT if _UNREADABLE in message else ""
        return FailureByQuery(f"the Gremlin Server at {self._config.gremlin} failed: {message}{hint}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        url = self._config.gremlin
        try:
            yield
        except TimeoutError:
            raise self._late() from None
        except (ClientError, OSError, RuntimeError) as error:
            if self._is_reached:
                raise FailureByQuery(f"the Gremlin Server at {url} went away while exporting ({error})") from None
            raise PreconditionsFailed(
                f"no Gremlin Server answers at {url} ({error}); start it, or check host, port and path"
            ) from None

    def _late(self) -> TimeLimitExceeded:
        seconds = self._config.request_timeout_seconds
        return TimeLimitExceeded(
            f"a request to {self._config.gremlin} took longer than {seconds:g} s; "
            "raise request_timeout_seconds, lower block_size, or let a filter or query of yours ask for less"
        )
