"""A service in the test's own process, over a planted export that jobs and chains begin with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import psutil
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.chains.record import ChainRecord, Part
from neptuneml_plugin.service.jobs.jobs import Jobs
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord
from neptuneml_plugin.service.routes.requests import CHAINS, JOBS
from neptuneml_plugin.stage import FOLDER_VARIABLE
from tests.running_service import eventually_async

#: A configuration that is there, and is none: its job fails.
BROKEN = "broken.json"
#: The export that `one_at_a_time` makes known.
INPUT = {"inputDataS3Location": "s3://lib/export"}


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

    @property
    def jobs(self) -> Jobs:
        return self.app[JOBS]

    async def process(self, job_id: str, **more: Any) -> dict[str, Any]:
        """Start a data-processing job."""
        body = {"id": job_id, **INPUT, "processedDataS3Location": "s3://lib/dp"}
        status, document = await self.post("/ml/dataprocessing", **body, **more)
        assert status == 200, document
        return document

    async def job_ended(self, kind: JobKind, job_id: str) -> JobRecord:
        """Return a job once it has ended."""
        async with asyncio.timeout(300):
            return await self.jobs.finished(kind, job_id)

    def processes(self, record: JobRecord) -> list[psutil.Process]:
        """Return the processes of a job."""
        folder = str(self.jobs.folder(record).path)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(FOLDER_VARIABLE) == folder:
                    found.append(process)
        return found

    async def running(self, kind: JobKind, job_id: str) -> psutil.Process:
        """Return a job's process once there is one."""
        await eventually_async(lambda: bool(self.processes(self.jobs.get(kind, job_id))))
        return self.processes(self.jobs.get(kind, job_id))[0]

    async def begin(self, document: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Start a chain."""
        return await self.post("/ml/chains", **document)

    async def chain_ended(self, chain_id: str) -> ChainRecord:
        """Return a chain once it has ended."""
        async with asyncio.timeout(1500):
            return await self.app[CHAINS].finished(chain_id)

    async def until_begun(self, chain_id: str, part: Part) -> None:
        """Return once a part of a chain has begun."""
        await eventually_async(lambda: part in self.app[CHAINS].get(chain_id).begun, seconds=300)


def one_at_a_time(root: Path, export: Path) -> ServiceConfig:
    """Return the settings of a service that runs one job at a time and finds `export` at `s3://lib/export`."""
    location = root / "s3" / "lib" / "export"
    location.parent.mkdir(parents=True)
    location.symlink_to(export)
    (export / BROKEN).write_text("[]")
    return ServiceConfig(root, allow_paths=(export,), parallel_jobs=1)
