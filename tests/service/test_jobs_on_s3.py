"""Jobs whose clients name an S3: what they read comes from it, what they write goes there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.gremlin_server import free_port
from neptuneml_plugin.locations import Place
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState
from neptuneml_plugin.service.routes.requests import JOBS, REGISTRY
from neptuneml_plugin.transfer import publish
from tests.made_artifacts import make_artifact
from tests.planted import planted_export
from tests.s3_server import BUCKET, CREDENTIALS, S3Server, s3_server

PROCESSING = JobKind.DATA_PROCESSING
BODY = {"inputDataS3Location": f"s3://{BUCKET}/export", "processedDataS3Location": f"s3://{BUCKET}/processed"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address at which no S3 answers."""
    url = f"http://127.0.0.1:{free_port()}"
    for name, value in {**CREDENTIALS, "NEPTUNEML_S3_ENDPOINT": url}.items():
        monkeypatch.setenv(name, value)
    return url


def names(folder: Path) -> set[str]:
    """Return the names of the files of a folder, which need not be there."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}


async def run(root: Path, **more: Any) -> tuple[JobRecord, dict[str, Any]]:
    """Run one data-processing job; return its record and its status."""
    app = create_app(ServiceConfig(root))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(240):
        answer = await client.post("/ml/dataprocessing", json={"id": "one", **BODY, **more})
        assert answer.status == 200, await answer.text()
        record = await app[JOBS].finished(PROCESSING, "one")
        return record, await (await client.get("/ml/dataprocessing/one")).json()


async def test_from_s3_to_s3(s3: S3Server, tmp_path: Path) -> None:
    export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
    await asyncio.to_thread(publish, export, Place(f"s3://{BUCKET}/export", None, s3.url))
    record, status = await run(tmp_path / "root")
    assert record.state is JobState.COMPLETED, record.failure_reason
    location = status["processingJob"]["outputLocation"]
    assert location.startswith(f"s3://{BUCKET}/processed/")
    here = names(Path(record.plan.output))
    assert "processed.json" in here
    assert {f"{location.removeprefix(f's3://{BUCKET}/')}/{name}" for name in here} <= s3.keys("processed/")


async def test_clean_removes_what_lies_in_the_s3(s3: S3Server, tmp_path: Path) -> None:
    export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
    await asyncio.to_thread(publish, export, Place(f"s3://{BUCKET}/export", None, s3.url))
    record, _ = await run(tmp_path / "root")
    assert record.state is JobState.COMPLETED, record.failure_reason
    await asyncio.to_thread(publish, export, Place(f"s3://{BUCKET}/processed/other", None, s3.url))
    others = s3.keys("processed/other/")
    async with TestClient(TestServer(create_app(ServiceConfig(tmp_path / "root")))) as client:
        answer = await client.delete("/ml/dataprocessing/one?purge=true&clean=true")
        assert (answer.status, await answer.json()) == (200, {"status": "Completed"})
    assert s3.keys("processed/") == others
    assert s3.keys("export/")
    assert names(Path(record.plan.output)) == set()


async def test_a_model_is_checked_once_its_artifact_is_here(s3: S3Server, tmp_path: Path) -> None:
    make_artifact(tmp_path / "made")
    await asyncio.to_thread(publish, tmp_path / "made", Place(f"s3://{BUCKET}/made", None, s3.url))
    app = create_app(ServiceConfig(tmp_path / "root"))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(240):
        for name, status in (("transe", "Failed"), ("rgcn", "InService")):
            body = {"id": name, "artifactLocation": f"s3://{BUCKET}/made", "modelName": name}
            assert (await client.post("/ml/endpoints", json=body)).status == 200
            record = await app[REGISTRY].settled(name)
            assert record.status == status, record.failure_reason
    assert "modelName is 'transe', and the artifact holds the model 'rgcn'" in str(
        app[REGISTRY].get("transe").failure_reason
    )


async def test_an_s3_that_does_not_answer(nobody: str, tmp_path: Path) -> None:
    record, status = await run(tmp_path / "root")
    assert record.state is JobState.FAILED
    assert f"the S3 at {nobody} does not answer" in status["failureReason"]
    assert names(Path(record.plan.output)) == set()
    async with TestClient(TestServer(create_app(ServiceConfig(tmp_path / "root")))) as client:
        answer = await client.delete("/ml/dataprocessing/one?purge=true&clean=true")
        assert (answer.status, await answer.json()) == (200, {"status": "Failed"})


@pytest.mark.usefixtures("nobody")
async def test_files_of_a_request_must_be_here(tmp_path: Path) -> None:
    app = create_app(ServiceConfig(tmp_path, gremlin="ws://127.0.0.1:1/gremlin"))
    async with TestClient(TestServer(app)) as client:
        body = {"outputS3Path": f"s3://{BUCKET}/x", "completionFileS3Path": f"s3://{BUCKET}/done.json"}
        document = await (await client.post("/neptune-export", json=body)).json()
    assert document["code"] == "UnsupportedOperationException"
    assert "no single files" in document["message"]


@contextlib.asynccontextmanager
async def gate(s3: S3Server, marker: bytes) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Yield an address that passes all on to the S3 but what holds `marker`, and whether that has come."""
    reached, serving = asyncio.Event(), set[asyncio.Task[None] | None]()

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1 << 16):
            if marker in chunk:
                reached.set()
                return
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        from_there, there = await asyncio.open_connection("127.0.0.1", URL(s3.url).port)
        try:
            await asyncio.gather(passed(reader, there), passed(from_there, writer))
        finally:
            writer.close()
            there.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", reached
        tasks = [task for task in serving if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_job_that_is_stopped_amid_publishing_leaves_nothing(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
    await asyncio.to_thread(publish, export, Place(f"s3://{BUCKET}/export", None, s3.url))
    async with gate(s3, b"/processed.json HTTP/1.1") as (url, reached), asyncio.timeout(240):
        monkeypatch.setenv("NEPTUNEML_S3_ENDPOINT", url)
        app = create_app(ServiceConfig(tmp_path / "root"))
        async with TestClient(TestServer(app)) as client:
            assert (await client.post("/ml/dataprocessing", json={"id": "one", **BODY})).status == 200
            await reached.wait()
            assert await asyncio.to_thread(s3.keys, "processed/")
            for query in ("", "?clean=true"):  # the second thought counts
                answer = await client.delete(f"/ml/dataprocessing/one{query}")
                assert (answer.status, await answer.json()) == (200, {"status": "Stopping"})
            record = await app[JOBS].finished(PROCESSING, "one")
    assert (record.state, record.clean) == (JobState.STOPPED, True)
    assert await asyncio.to_thread(s3.keys, "processed/") == set()
    assert names(Path(record.plan.output)) == set()
