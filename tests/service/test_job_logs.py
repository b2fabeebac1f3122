"""Logs of jobs as callers get them: redacted, and going on where the caller stopped."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.redaction import HIDDEN, redact
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.jobs.logs import RedactedLogs
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, Plan
from neptuneml_plugin.service.routes.requests import JOBS

RECORD = JobRecord(
    JobKind.DATA_PROCESSING,
    "p",
    "p-preloading",
    1,
    {"sagemakerIamRoleArn": "arn:aws:iam::1:role/x", "subnets": ["a"], "inputDataS3Location": "/x"},
    Plan("process", (), {}, "/nowhere", "/nowhere", 60.0),
    state=JobState.COMPLETED,
)


def test_a_copy_grows_by_whole_lines(tmp_path: Path) -> None:
    log, logs = tmp_path / "log.txt", RedactedLogs()
    log.write_text("begin\nAuthorization: Bearer abcdefgh")
    assert logs.copy_of(log, has_ended=False).read_text() == "begin\n"
    with log.open("a") as file:
        file.write("ijkl\nend")
    grown = logs.copy_of(log, has_ended=False).read_text()
    assert grown == f"begin\nAuthorization: {HIDDEN}\n"
    assert logs.copy_of(log, has_ended=True).read_text() == f"{grown}end"
    assert logs.copy_of(log, has_ended=True).read_text() == f"{grown}end"


@given(st.lists(st.text(alphabet="ab:= \n\u00e9", max_size=20) | st.just("\npassword=secret\n"), max_size=8))
def test_pieces_give_what_the_whole_gives(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    folder = tmp_path_factory.mktemp("log")
    logs, seen = RedactedLogs(), b""
    for piece in ["", *pieces]:
        with (folder / "log.txt").open("a", newline="") as file:
            file.write(piece)
        copy = logs.copy_of(folder / "log.txt", has_ended=False).read_bytes()
        assert copy.startswith(seen)
        seen = copy
    whole = "".join(redact(line) for line in "".join(pieces).splitlines(keepends=True))
    assert logs.copy_of(folder / "log.txt", has_ended=True).read_text() == whole
    assert RedactedLogs().copy_of(folder / "log.txt", has_ended=True).read_text() == whole
    assert b"secret" not in seen


async def test_the_route_sends_no_secret_and_ranges(tmp_path: Path) -> None:
    app = create_app(ServiceConfig(tmp_path))
    async with TestClient(TestServer(app)) as client:
        await app[JOBS].submit(RECORD)
        path = "/ml/dataprocessing/p/log"
        missing = await client.get(path)
        assert (missing.status, (await missing.json())["code"]) == (404, "MLResourceNotFoundException")
        log = app[JOBS].folder(RECORD).log
        log.write_bytes(b"one\nAWS_SECRET_ACCESS_KEY=wJalr\xff\nlast" + os.linesep.encode())
        answer = await client.get(path)
        text = await answer.text()
        assert (answer.status, answer.content_type) == (200, "text/plain")
        assert text == f"one\nAWS_SECRET_ACCESS_KEY={HIDDEN}\nlast\n"
        part = await client.get(path, headers={"Range": "bytes=4-"})
        assert (part.status, await part.text()) == (206, text[4:])
        assert (await client.get(path, headers={"Range": f"bytes={len(text)}-"})).status == 416
        shown = await (await client.get("/ml/dataprocessing/p")).json()
        assert shown["withoutEffect"] == {"sagemakerIamRoleArn": "arn:aws:iam::1:role/x", "subnets": ["a"]}


@pytest.mark.parametrize(
    ("kind", "path"),
    [(JobKind.DATA_PROCESSING, "/ml/dataprocessing/p"), (JobKind.EXPORT, "/v1/neptune-export/p")],
)
async def test_the_link_opens_at_the_host_that_was_asked(tmp_path: Path, kind: JobKind, path: str) -> None:
    app = create_app(ServiceConfig(tmp_path, allow_hosts=("ml.example",)))
    async with TestClient(TestServer(app)) as client:
        record = replace(RECORD, kind=kind)
        await app[JOBS].submit(record)
        app[JOBS].folder(record).log.write_text("all of it")

        async def link(**headers: str) -> str:
            status = await (await client.get(path, headers=headers)).json()
            return str(status["logs"] if kind is JobKind.EXPORT else status["processingJob"]["cloudwatchLogUrl"])

        assert await (await client.session.get(await link())).text() == "all of it"
        opened = f"http://ml.example:80{path.removeprefix('/v1')}/log"
        assert (
            await link(Host="ml.example:80", **{"X-Forwarded-Proto": "https", "Forwarded": "proto=https"})
            == opened
        )


@pytest.mark.parametrize(
    "public", ["https://ml.example", "https://ml.example/", "https://ml.example:8443/neptune"]
)
async def test_the_link_begins_with_the_public_url(tmp_path: Path, public: str) -> None:
    app = create_app(ServiceConfig(tmp_path, public_url=public))
    async with TestClient(TestServer(app)) as client:
        await app[JOBS].submit(RECORD)
        status = await (await client.get("/ml/dataprocessing/p")).json()
    assert status["processingJob"]["cloudwatchLogUrl"] == f"{public.rstrip('/')}/ml/dataprocessing/p/log"


@pytest.mark.parametrize(
    "public", ["ml.example", "ftp://ml.example", "https://", "https://u:p@ml.example", "http://a?b"]
)
def test_a_public_url_that_is_none_is_refused(tmp_path: Path, public: str) -> None:
    with pytest.raises(InvalidParameter, match="--public-url"):
        create_app(ServiceConfig(tmp_path, public_url=public))
