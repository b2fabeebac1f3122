"""A worker's HTTP server in the test's own process."""

from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestClient

from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.paths import create_server


class BareServer(BaseTestServer):
    """Serves what a function makes, as `TestServer` does an application."""

    def __init__(self, make: Callable[[], web.Server]) -> None:
        super().__init__()
        self._make = make

    async def _make_runner(self, **settings: Any) -> web.ServerRunner:
        return web.ServerRunner(self._make(), **settings)


class WorkerServer(BareServer):
    """Answers for one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(lambda: create_server(endpoint))
        self.endpoint = endpoint


def worker_client(server: WorkerServer) -> "TestClient[Any, Any]":
    """Return a client that shows the worker's token."""
    return TestClient(server, headers={"Authorization": f"Bearer {server.endpoint.config.token}"})
