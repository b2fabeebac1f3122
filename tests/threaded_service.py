"""The service in a thread, for clients that block."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from aiohttp import web

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import create_app


@contextlib.contextmanager
def threaded_service(config: ServiceConfig) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1, whatever the configuration calls the host, and yield the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(create_app(config), access_log=None, shutdown_timeout=5)
    try:
        yield asyncio.run_coroutine_threadsafe(_start(runner), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _start(runner: web.AppRunner) -> int:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])
