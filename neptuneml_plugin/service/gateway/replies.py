"""The reply of `/gremlin` over HTTP: one document, written while the batches arrive."""

import json
import logging
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from neptuneml_plugin.error_body import REQUEST_ID, REQUEST_ID_HEADER
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.service.gateway.answers import Batch
from neptuneml_plugin.service.gateway.queries import Format
from neptuneml_plugin.service.gateway.untyped import untyped

#: An answer is held back up to this size, so that a failure amid it still has a status of its own.
HELD_BYTES = 4 << 20

_log = logging.getLogger(__name__)


async def reply(request: web.Request, batches: AsyncIterator[Batch], form: Format) -> web.StreamResponse:
    """Write the batches of an answer as one document.

    A failure after `HELD_BYTES` breaks the connection off, so that no part of an answer passes for the whole.

    Raises:
        NeptuneMLError: the failure of an answer of which nothing has been sent.
        ConnectionResetError: that of one of which something has.
    """
    stream: web.StreamResponse | None = None
    held = bytearray()
    try:
        async for part in _parts(request[REQUEST_ID], batches, form):
            held += part
            if len(held) >= HELD_BYTES:
                stream = stream or await _start(request, form)
                await stream.write(bytes(held))
                held.clear()
    except NeptuneMLError as error:
        if stream is None:
            raise
        _log.warning("request %s was broken off amid its answer: %s", request[REQUEST_ID], error)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError(str(error)) from None
    if stream is None:
        return web.Response(body=bytes(held), headers={"Content-Type": form.name})
    await stream.write_eof(bytes(held))
    return stream


async def _start(request: web.Request, form: Format) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": form.name, REQUEST_ID_HEADER: request[REQUEST_ID]})
    await stream.prepare(request)
    return stream


async def _parts(request_id: str, batches: AsyncIterator[Batch], form: Format) -> AsyncIterator[bytes]:
    """Yield the document in parts: results first, since the status is known last."""
    opening, closing = ('{"@type":"g:List","@value":[', "]}") if form.lists_have_types else ("[", "]")
    yield f'{{"requestId":{json.dumps(request_id)},"result":{{"data":{opening}'.encode()
    separator, last = "", None
    async for last in batches:
        items = last.text if not form.untyped else ",".join(json.dumps(untyped(item)) for item in last.items)
        if items:
            yield f"{separator}{items}".encode()
            separator = ","
    yield closing.encode()
    for text in _end(last, form):
        yield text.encode()


def _end(last: Batch | None, form: Format) -> Iterator[str]:
    attributes, meta = (last.attributes, last.meta) if last else ({}, {})
    if form.untyped:
        attributes, meta = untyped(attributes), untyped(meta)
    status = {"message": last.message if last else "", "code": 200, "attributes": attributes}
    yield f',"meta":{json.dumps(meta)}}},"status":{json.dumps(status)},"meta":{json.dumps(meta)}}}'
