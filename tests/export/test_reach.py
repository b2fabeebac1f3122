"""What is said of a URL at which no Gremlin Server answers."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from neptuneml_plugin.errors import InvalidParameter, PreconditionsFailed
from neptuneml_plugin.export.readers.reach import check_reachable

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@contextlib.contextmanager
def answering(answer: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection with an answer; None: with silence. Give the port and what was asked."""
    asked: list[bytes] = []
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096))
            if answer is None:
                done.wait(10)
            else:
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1], asked
        finally:
            done.set()
            thread.join()


def test_a_server_is_asked_for_a_websocket_at_its_path() -> None:
    with answering(SWITCHED) as (port, asked):
        check_reachable(f"ws://127.0.0.1:{port}/gremlin?x=1")
    (request,) = asked
    assert request.startswith(b"GET /gremlin?x=1 HTTP/1.1\r\n")
    assert b"Upgrade: websocket\r\n" in request


def test_a_server_that_wants_to_know_who_asks_is_one() -> None:
    with answering(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n") as (port, _):
        check_reachable(f"ws://127.0.0.1:{port}/gremlin")


@pytest.mark.parametrize(
    ("answer", "path", "said"),
    [
        (None, "", r"no answer within 0\.2 s.*; the path of most servers is /gremlin, not /$"),
        (None, "/gremln", r"the path of most servers is /gremlin, not /gremln$"),
        (None, "/gremlin", r"no answer within 0\.2 s\); start it, or check host, port and path$"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "/x", r"HTTP 404.*/gremlin, not /x$"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "/gremlin", r"a server with TLS is reached by wss://$"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_look_at(answer: bytes | None, path: str, said: str) -> None:
    with (
        answering(answer) as (port, _),
        pytest.raises(
            PreconditionsFailed, match=f"no Gremlin Server answers at ws://127.0.0.1:{port}{path} .*{said}"
        ),
    ):
        check_reachable(f"ws://127.0.0.1:{port}{path}", seconds=0.2)


def test_a_server_without_tls_is_named() -> None:
    with (
        answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _),
        pytest.raises(PreconditionsFailed, match=r"wss:// is for servers with TLS$"),
    ):
        check_reachable(f"wss://127.0.0.1:{port}/gremlin")


@pytest.mark.parametrize(
    "url",
    ["localhost:8182", "http://localhost:8182/gremlin", "ws:///gremlin", "ws://localhost:x/gremlin", "ws://[::1"],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidParameter, match=r"must be a URL like ws://host:8182/gremlin"):
        check_reachable(url)
