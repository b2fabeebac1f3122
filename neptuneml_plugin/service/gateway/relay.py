"""A caller's WebSocket, passed through to a connection of its own to the Gremlin Server."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import WSCloseCode, WSMessage, WSMsgType, hdrs, web

from neptuneml_plugin.service.gateway.messages import Unreadable
from neptuneml_plugin.service.gateway.policy import Refused, check_frame, check_text
from neptuneml_plugin.service.gateway.pool import Connection
from neptuneml_plugin.service.gateway.server import Server

#: Larger messages are read in a thread.
_LARGE = 1 << 16
#: A close frame's reason may have 123 bytes.
_LONGEST_REASON = 123
#: Codes that stand for "no code" and may not be sent.
_UNSENDABLE = frozenset({WSCloseCode.ABNORMAL_CLOSURE, 1005, 1015})
_GONE = b"the Gremlin Server has ended the connection"

Socket = Connection | web.WebSocketResponse
Check = Callable[[WSMessage], Awaitable[WSMessage]]


async def relay(
    request: web.Request, server: Server, max_message_bytes: int, *, check: bool
) -> web.WebSocketResponse:
    """Pass messages, pings and the end on in both directions, one message at a time each.

    Args:
        request: the caller's.
        server: where its messages go.
        max_message_bytes: the largest message of the caller.
        check: whether requests must pass `policy`.
    """
    offered = [name.strip() for name in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
    async with server.connection([name for name in offered if name]) as upstream:
        caller = web.WebSocketResponse(
            protocols=[upstream.protocol] if upstream.protocol else (),
            autoping=False,
            compress=False,
            max_msg_size=max_message_bytes + 1,  # aiohttp refuses the limit itself
            timeout=2.0,
        )
        await caller.prepare(request)
        server.callers.add(caller)
        try:
            await _both_ways(caller, upstream, check=check)
        finally:
            server.callers.discard(caller)
    return caller


async def _both_ways(caller: web.WebSocketResponse, upstream: Connection, *, check: bool) -> None:
    sending = asyncio.create_task(_to_server(caller, upstream, check=check))
    receiving = asyncio.create_task(_pass_on(upstream, caller))
    try:
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done() and caller.closed:
            await _close(upstream, *sending.result())
        else:
            code, reason = receiving.result() if receiving.done() else (WSCloseCode.INTERNAL_ERROR, b"")
            await _close(caller, code, reason or _GONE)
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)


async def _to_server(caller: web.WebSocketResponse, upstream: Connection, *, check: bool) -> tuple[int, bytes]:
    """Pass a caller's requests on until one side ends; return the code and reason of the end."""
    if not check:
        return await _pass_on(caller, upstream)
    while True:
        message = await caller.receive()
        try:
            checked = await _checked(message)
        except Refused as refused:
            is_text = message.type is WSMsgType.TEXT
            await (caller.send_str(refused.response.decode()) if is_text else caller.send_bytes(refused.response))
            continue
        except Unreadable as error:
            reason = f"the request {error}"
            await _close(caller, WSCloseCode.POLICY_VIOLATION, reason.encode())
            return WSCloseCode.OK, b""
        if not await _send(checked, upstream):
            return _end(caller, message)


async def _checked(message: WSMessage) -> WSMessage:
    if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
        return message
    check = check_text if message.type is WSMsgType.TEXT else check_frame
    is_large = len(message.data) > _LARGE
    data = await asyncio.to_thread(check, message.data) if is_large else check(message.data)
    return WSMessage(message.type, data, message.extra)


async def _pass_on(source: Socket, target: Socket) -> tuple[int, bytes]:
    """Pass messages on until one side ends; return the code and reason of the end."""
    while True:
        message = await source.receive()
        if not await _send(message, target):
            return _end(source, message)


async def _send(message: WSMessage, target: Socket) -> bool:
    """Send a message on, waiting while the target is slow; False if it is an end."""
    try:
        match message.type:
            case WSMsgType.TEXT:
                await target.send_str(message.data)
            case WSMsgType.BINARY:
                await target.send_bytes(message.data)
            case WSMsgType.PING:
                await target.ping(message.data)
            case WSMsgType.PONG:
                await target.pong(message.data)
            case _:
                return False
    except ConnectionError:
        return False
    return True


def _end(source: Socket, message: WSMessage) -> tuple[int, bytes]:
    code = source.close_code or WSCloseCode.INTERNAL_ERROR
    reason = message.extra.encode() if message.type is WSMsgType.CLOSE and message.extra else b""
    if message.type is WSMsgType.ERROR and not reason:
        reason = str(message.data).encode()
    return (WSCloseCode.INTERNAL_ERROR if code in _UNSENDABLE else code), reason


async def _close(socket: Socket, code: int, reason: bytes) -> None:
    cut = reason[:_LONGEST_REASON].decode(errors="ignore").encode()
    await socket.close(code=code, message=cut)
