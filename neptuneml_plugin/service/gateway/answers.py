"""Scripts sent to the Gremlin Server by the service itself, and the batches that come back."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType

from neptuneml_plugin.errors import (
    AccessDenied,
    BadRequest,
    FailureByQuery,
    InvalidParameter,
    MalformedQuery,
    NeptuneMLError,
    TimeLimitExceeded,
    TooManyRequests,
)
from neptuneml_plugin.service.gateway.pool import Connection
from neptuneml_plugin.service.gateway.server import Server

#: What every Gremlin Server can write, and the only format with types for maps.
GRAPHSON_3 = "application/vnd.gremlin-v3.0+json"
#: Longer frames are read in a thread.
_LARGE = 1 << 18
#: How often it is looked whether whoever asked is still there.
_LOOK_SECONDS = 1.0
_DATA = re.compile(
    r'"result"\s*:\s*\{\s*"data"\s*:\s*(?:\{\s*"@type"\s*:\s*"g:List"\s*,\s*"@value"\s*:\s*)?(?=\[)'
)
_DECODER = json.JSONDecoder()
_PARTIAL = 206
#: The server asks who is there, and answers once it knows.
_WHO = 407
_SUCCESS = frozenset({200, 204, _PARTIAL})


@dataclass(frozen=True)
class Script:
    """A script and how it is to run; None: as the server sees fit."""

    text: str
    language: str | None = None
    bindings: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: Milliseconds.
    evaluation_timeout: int | None = None
    batch_size: int | None = None


@dataclass(frozen=True)
class Batch:
    """One response message: some of the results, or the reason why there are no more."""

    status: int
    message: str
    attributes: Any
    meta: Any
    #: The results as the server wrote them.
    items: list[Any]
    #: The same in JSON, separated by commas; empty for none.
    text: str


async def ask(
    server: Server, script: Script, mime_type: str = GRAPHSON_3, is_gone: Callable[[], bool] = lambda: False
) -> AsyncIterator[Batch]:
    """Yield the batches of a script's answer; the last one is that with another status than 206.

    Args:
        server: the Gremlin Server.
        script: what to run.
        mime_type: the GraphSON that the results are to be written in.
        is_gone: whether whoever asked has left; the server then hears no more of it.

    Raises:
        NeptuneMLError: the script failed, or the server does not answer.
        ConnectionResetError: whoever asked has left.
    """
    async with server.asked(_frame(script, mime_type)) as connection:
        said_who = False
        while True:
            batch = await _next_batch(connection, mime_type, is_gone)
            if batch.status == _WHO and server.login is not None and not said_who:
                said_who = True
                await connection.send_bytes(_message(mime_type, "authentication", server.login.sasl))
                continue
            if batch.status not in _SUCCESS:
                break
            yield batch
            if batch.status != _PARTIAL:
                return
    raise failure(batch)


async def ask_all(server: Server, script: Script) -> list[Any]:
    """Return all results of a script, as typed GraphSON.

    Raises:
        NeptuneMLError: the script failed, or the server does not answer.
    """
    return [item async for batch in ask(server, script) for item in batch.items]


def _frame(script: Script, mime_type: str) -> bytes:
    args = {
        "gremlin": script.text,
        "language": script.language,
        "bindings": dict(script.bindings),
        "aliases": dict(script.aliases),
        "evaluationTimeout": script.evaluation_timeout,
        "batchSize": script.batch_size,
    }
    return _message(mime_type, "eval", {name: value for name, value in args.items() if value not in (None, {})})


def _message(mime_type: str, op: str, args: Mapping[str, Any]) -> bytes:
    request_id = {"@type": "g:UUID", "@value": str(uuid.uuid4())}
    message = {"requestId": request_id, "op": op, "processor": "", "args": args}
    return bytes([len(mime_type)]) + mime_type.encode() + json.dumps(message).encode()


async def _next_batch(connection: Connection, mime_type: str, is_gone: Callable[[], bool]) -> Batch:
    while True:
        try:
            message = await connection.receive(timeout=_LOOK_SECONDS)
        except TimeoutError:
            if is_gone():
                raise ConnectionResetError("the caller has gone") from None
            continue
        if message.type is WSMsgType.PING:
            await connection.pong(message.data)
        elif message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
            return await _read(message.data, mime_type)
        elif message.type is not WSMsgType.PONG:
            raise FailureByQuery(_end_of(connection))


def _end_of(connection: Connection) -> str:
    if connection.close_code == 1009:
        return "a part of the answer is larger than 'max_body_mib' of the service; ask for a smaller batchSize"
    return "the Gremlin Server ended the connection before it had answered; its log says why"


async def _read(data: bytes | str, mime_type: str) -> Batch:
    return (
        await asyncio.to_thread(read_batch, data, mime_type) if len(data) > _LARGE else read_batch(data, mime_type)
    )


def read_batch(data: bytes | str, mime_type: str) -> Batch:
    """Read one response message.

    Raises:
        InvalidParameter: the server does not know the format that was asked for, and chose another.
        FailureByQuery: the message is none of the protocol.
    """
    try:
        text = data.decode() if isinstance(data, bytes) else data
        items, items_text, document = _split(text)
        status, result = document["status"], document["result"]
        message = status["message"]
        return Batch(
            int(status["code"]), message or "", status["attributes"], result.get("meta", {}), items, items_text
        )
    except UnicodeDecodeError:  # GraphBinary is what a server falls back to
        raise InvalidParameter(
            f"the Gremlin Server has no serializer for '{mime_type}'; add one to it, or accept '{GRAPHSON_3}'"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FailureByQuery(f"the Gremlin Server's answer cannot be read: {error}") from None


def _split(text: str) -> tuple[list[Any], str, Any]:
    """Return the results, their text, and the rest of the message.

    The text is kept as the server wrote it: Python's numbers have fewer digits than Java's.
    """
    found = _DATA.search(text)
    if found:
        items, end = _DECODER.raw_decode(text, found.end())
        return items, text[found.end() + 1 : end - 1].strip(), json.loads(f"{text[: found.end()]}[]{text[end:]}")
    document = json.loads(text)
    data = document["result"]["data"]
    items = [] if data is None else [data]
    return items, ",".join(map(json.dumps, items)), document


# --- failures ----------------------------------------------------------------------------------------------------


def _kinds(kind: type[NeptuneMLError]) -> dict[str, type[NeptuneMLError]]:
    found = {kind.code: kind}
    for narrower in kind.__subclasses__():
        found = _kinds(narrower) | found
    return found


#: Neptune's code -> our class. The plugin names its exceptions in the status attributes.
_BY_CODE = _kinds(NeptuneMLError)
#: Status of the driver protocol -> our class (decision 6). The plugin's own failures come first.
_BY_STATUS: dict[int, type[NeptuneMLError]] = {
    401: AccessDenied,
    403: AccessDenied,
    407: AccessDenied,
    429: TooManyRequests,
    498: BadRequest,
    499: InvalidParameter,
    595: BadRequest,  # the step fail()
    596: TooManyRequests,  # "the same request may be sent again"
    597: MalformedQuery,
    598: TimeLimitExceeded,
    599: BadRequest,  # results that the format cannot hold
}


def failure(batch: Batch) -> NeptuneMLError:
    """Return the error that a response stands for."""
    if batch.status == _WHO:
        return AccessDenied(
            "the Gremlin Server asks who is there; start the service with 'gremlin_user' and a password, or ask "
            "over WebSocket, whose drivers can say"
        )
    for name in _exceptions(batch.attributes):
        kind = _BY_CODE.get(re.split(r"[.$]", name)[-1])
        if kind is not None:
            return kind(batch.message.removeprefix(f"{kind.code}: ") or name)
    kind = _BY_STATUS.get(batch.status, FailureByQuery)
    return kind(batch.message or f"the Gremlin Server answered with status {batch.status}")


def _exceptions(attributes: Any) -> list[str]:
    """Return the names of the exceptions that the server tells, outermost first."""
    found = attributes
    if isinstance(found, dict) and found.get("@type") == "g:Map":
        values = found.get("@value") or []
        found = dict(zip(values[::2], values[1::2], strict=False))
    names = found.get("exceptions") if isinstance(found, dict) else None
    if isinstance(names, dict):
        names = names.get("@value")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
