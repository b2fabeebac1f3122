"""Whether a Gremlin Server is where its URL says, asked before anything else.

A server does not answer at another path than its own, not even with an error, and the driver waits for minutes.
"""

import base64
import http.client
import os
import ssl
from urllib.parse import urlsplit

from neptuneml_plugin.errors import InvalidParameter, PreconditionsFailed

_SECONDS = 10.0
_USUAL_PATH = "/gremlin"


def check_reachable(url: str, seconds: float = _SECONDS) -> None:
    """Begin a WebSocket at a URL, and break it off.

    Raises:
        InvalidParameter: no URL of a WebSocket.
        PreconditionsFailed: nothing answers, or something else than a Gremlin Server does.
    """
    parts = _parsed(url)
    if parts is None:
        raise InvalidParameter(f"gremlin: '{url}' must be a URL like ws://host:8182{_USUAL_PATH}")
    secure, host, port, path = parts
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, port, timeout=seconds)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    try:
        connection.request("GET", path, headers=headers)
        status = connection.getresponse().status
    except TimeoutError:
        raise _unreached(url, f"no answer within {seconds:g} s", _path_hint(path)) from None
    except ssl.SSLError as error:
        hint = "; wss:// is for servers with TLS" if "WRONG_VERSION" in str(error) else ""
        raise _unreached(url, str(error), hint) from None
    except (OSError, http.client.HTTPException) as error:
        hint = "" if secure or isinstance(error, OSError) else "; a server with TLS is reached by wss://"
        raise _unreached(url, str(error) or type(error).__name__, hint) from None
    finally:
        connection.close()
    if status == http.HTTPStatus.NOT_FOUND:
        raise _unreached(url, f"HTTP {status}", _path_hint(path))


def _parsed(url: str) -> tuple[bool, str, int | None, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        return None
    path = parts.path or "/"
    return parts.scheme == "wss", parts.hostname, port, f"{path}?{parts.query}" if parts.query else path


def _path_hint(path: str) -> str:
    return "" if path == _USUAL_PATH else f"; the path of most servers is {_USUAL_PATH}, not {path}"


def _unreached(url: str, reason: str, hint: str) -> PreconditionsFailed:
    return PreconditionsFailed(
        f"no Gremlin Server answers at {url} ({reason}); start it, or check host, port and path{hint}"
    )
