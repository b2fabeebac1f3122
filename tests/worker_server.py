"""A worker's HTTP server in the test's own process."""

from typing import Any

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestClient

from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.paths import create_server


class WorkerServer(BaseTestServer):
    """Answers for one endpoint, as `TestServer` does for an application."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint

    async def _make_runner(self, **settings: Any) -> web.ServerRunner:
        return web.ServerRunner(create_server(self.endpoint), **settings)


def worker_client(server: WorkerServer) -> "TestClient[Any, Any]":
    """Return a client that shows the worker's token."""
    return TestClient(server, headers={"Authorization": f"Bearer {server.endpoint.config.token}"})
