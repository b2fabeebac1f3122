"""A service in the test's own process, over a planted export that jobs and chains begin with."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import create_app


class StagesService:
    """Speaks to the service, and looks into it."""

    def __init__(self, client: "TestClient[Any, Any]", app: web.Application) -> None:
        self.client = client
        self.app = app

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, config: ServiceConfig) -> AsyncIterator[Self]:
        """Yield a service that runs."""
        app = create_app(config)
        async with TestClient(TestServer(app)) as client:
            yield cls(client, app)

    async def post(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post(path, json=body)
        return answer.status, await answer.json()

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.client.get(path)
        document: dict[str, Any] = await answer.json()
        assert answer.status == 200, document
        return document

    async def delete(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = await self.client.delete(path)
        return answer.status, await answer.json()


def one_at_a_time(root: Path, export: Path) -> ServiceConfig:
    """Return the settings of a service that runs one job at a time and finds `export` at `s3://lib/export`."""
    location = root / "s3" / "lib" / "export"
    location.parent.mkdir(parents=True)
    location.symlink_to(export)
    return ServiceConfig(root, allow_paths=(export,), parallel_jobs=1)
