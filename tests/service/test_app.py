"""The service's HTTP face: every route's errors, who may call, and what is cached."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import AppRunner

from neptuneml_plugin import __version__
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.service.app import create_app, run
from neptuneml_plugin.service.routes.unsupported import INSTEAD
from tests.made_artifacts import make_artifact

Client = TestClient[Any, Any]


@contextlib.asynccontextmanager
async def service(config: ServiceConfig) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(config))) as client:
        yield client


@pytest.fixture
def config(tmp_path: Path) -> ServiceConfig:
    return ServiceConfig(tmp_path, pin_seconds=0.2)


async def settled(client: Client, name: str) -> dict[str, Any]:
    """Return the endpoint's status once it changes no more."""
    async with asyncio.timeout(60):
        while True:
            status: dict[str, Any] = await (await client.get(f"/ml/endpoints/{name}")).json()
            if status["status"] in ("InService", "Failed"):
                return status


#: method, path, body, status, code; `wrong` exists and has failed.
ERRORS = [
    ("GET", "/nothing", None, 400, "UnsupportedOperationException"),
    *(
        (method, path, None, 400, "UnsupportedOperationException")
        for path in INSTEAD
        for method in ("GET", "POST")
    ),
    *(("GET", f"{path}/{{rest}}", None, 400, "UnsupportedOperationException") for path in INSTEAD),
    ("GET", "/gremlin?gremlin=g.V()", None, 400, "UnsupportedOperationException"),
    ("POST", "/gremlin", b'{"gremlin": "g.V()"}', 400, "UnsupportedOperationException"),
    ("POST", "/gremlin/explain", b'{"gremlin": "g.V()"}', 400, "UnsupportedOperationException"),
    ("POST", "/gremlin/profile", b'{"gremlin": "g.V()"}', 400, "UnsupportedOperationException"),
    ("GET", "/propertygraph/statistics/summary?mode=full", None, 400, "InvalidParameterException"),
    ("GET", "/pg/statistics/summary", None, 400, "UnsupportedOperationException"),
    ("POST", "/status", b"", 405, "MethodNotAllowedException"),
    ("PUT", "/ml/endpoints", b"{}", 405, "MethodNotAllowedException"),
    ("POST", "/health", b"", 405, "MethodNotAllowedException"),
    ("POST", "/openapi.json", b"", 405, "MethodNotAllowedException"),
    ("POST", "/ml/endpoints", b"{", 400, "BadRequestException"),
    ("POST", "/ml/endpoints", b"{}", 400, "MissingParameterException"),
    ("POST", "/ml/endpoints", b'{"mlModelTrainingJobId": "t"}', 400, "BadRequestException"),
    ("POST", "/ml/endpoints", b'{"artifactLocation": "/"}', 400, "BadRequestException"),
    ("POST", "/ml/endpoints", b'{"artifactLocation": "x:y"}', 400, "BadRequestException"),
    (
        "POST",
        "/ml/endpoints",
        b'{"id": "new", "artifactLocation": "s3://b/wrong", "update": true}',
        400,
        "InvalidParameterException",
    ),
    (
        "POST",
        "/ml/endpoints",
        b'{"id": "wrong", "artifactLocation": "s3://b/wrong"}',
        400,
        "InvalidParameterException",
    ),
    ("GET", "/ml/endpoints?maxItems=0", None, 400, "InvalidParameterException"),
    ("GET", "/ml/endpoints?nextToken=zz", None, 400, "InvalidParameterException"),
    ("GET", "/ml/endpoints/unknown", None, 404, "MLResourceNotFoundException"),
    ("DELETE", "/ml/endpoints/unknown", None, 404, "MLResourceNotFoundException"),
    ("DELETE", "/ml/endpoints/wrong?clean=perhaps", None, 400, "InvalidParameterException"),
    ("GET", "/endpoints/unknown", None, 404, "MLResourceNotFoundException"),
    ("GET", "/endpoints/wrong?version=0", None, 404, "MLResourceNotFoundException"),
    ("GET", "/endpoints/unknown/tables/{label}", None, 404, "MLResourceNotFoundException"),
    ("GET", "/endpoints/wrong/tables/movie", None, 404, "MLResourceNotFoundException"),
    ("GET", "/endpoints/wrong/tables/movie?version=0", None, 404, "MLResourceNotFoundException"),
    ("POST", "/endpoints/unknown/invocations", b"{}", 404, "MLResourceNotFoundException"),
    ("POST", "/endpoints/wrong/invocations", b"{}", 400, "PreconditionsFailedException"),
    (
        "POST",
        "/endpoints/wrong/invocations",
        b'{"data": {"globalParameters": {"artifactVersion": "old"}}}',
        400,
        "ConstraintViolationException",
    ),
    ("POST", "/ml/endpoints/unknown/rollback", b"", 404, "MLResourceNotFoundException"),
    ("POST", "/ml/chains", b"{}", 400, "InvalidParameterException"),
    ("POST", "/ml/chains", b"[]", 400, "BadRequestException"),
    ("GET", "/ml/chains?maxItems=0", None, 400, "InvalidParameterException"),
    ("GET", "/ml/chains/unknown", None, 404, "MLResourceNotFoundException"),
    ("DELETE", "/ml/chains/unknown", None, 404, "MLResourceNotFoundException"),
    *(
        (method, path + suffix, body, status, code)
        for path in ("/ml/dataprocessing", "/ml/modeltraining", "/ml/modeltransform", "/neptune-export")
        for method, suffix, body, status, code in (
            ("POST", "", b"{}", 400, "MissingParameterException"),
            ("POST", "", b"[]", 400, "BadRequestException"),
            ("GET", "?maxItems=0", None, 400, "InvalidParameterException"),
            ("GET", "?state=Sleeping", None, 400, "InvalidParameterException"),
            ("GET", "/unknown", None, 404, "MLResourceNotFoundException"),
            ("GET", "/unknown/log", None, 404, "MLResourceNotFoundException"),
            ("DELETE", "/unknown?purge=true", None, 404, "MLResourceNotFoundException"),
            ("DELETE", "/unknown", None, 404, "MLResourceNotFoundException"),
        )
    ),
]


async def test_every_error_of_every_route_has_one_shape(config: ServiceConfig) -> None:
    make_artifact(config.data_root / "s3/b/wrong")
    (config.data_root / "s3/b/wrong/nodes/1/ids.npy").unlink()
    async with service(config) as client:
        body = {"id": "wrong", "artifactLocation": "s3://b/wrong"}
        assert (await client.post("/ml/endpoints", json=body)).status == 200
        status = await settled(client, "wrong")
        assert status["status"] == "Failed"
        assert "lacks nodes/1/ids.npy" in status["endpoint"]["failureReason"]
        for method, path, content, status_code, code in ERRORS:
            answer = await client.request(method, path, data=content)
            document = await answer.json()
            told = f"{method} {path}: {document}"
            assert (answer.status, document["code"]) == (status_code, code), told
            assert set(document) == {"code", "detailedMessage", "message", "requestId"}, told
            assert document["message"] == document["detailedMessage"] != "", told
            assert document["requestId"] == answer.headers["x-amzn-RequestId"], told
            assert answer.content_type == "application/json", told


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (None, "is not an artifact: it has no manifest.json; give the output of `transform`"),
        (b"", "is not JSON"),
        (b'{"format_version": 99}', "has format version 99"),
    ],
)
async def test_a_folder_that_is_no_artifact_makes_no_endpoint(
    config: ServiceConfig, manifest: bytes | None, says: str
) -> None:
    folder = config.data_root / "s3/b/none"
    folder.mkdir(parents=True)
    if manifest is not None:
        (folder / "manifest.json").write_bytes(manifest)
    async with service(config) as client:
        answer = await client.post("/ml/endpoints", json={"id": "none", "artifactLocation": "s3://b/none"})
        document = await answer.json()
        assert (answer.status, document["code"]) == (400, "BadRequestException")
        assert says in document["message"]
        assert await (await client.get("/ml/endpoints")).json() == {"ids": []}


def test_the_errors_cover_every_route(config: ServiceConfig) -> None:
    router = create_app(config).router
    paths = {resource.canonical for resource in router.resources()}
    covered = {path.split("?")[0].replace("unknown", "{id}") for _, path, *_ in ERRORS}
    covered |= {
        path.replace("/endpoints/{id}", "/endpoints/{name}") for path in covered if not path.startswith("/ml")
    }
    without_errors = {"/metrics"}
    assert {path.removeprefix("/v1") for path in paths} <= covered | without_errors


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ml/endpoints", "BadRequestException"),
        ("/neptune-export", "BadRequestException"),
        ("/gremlin", "QueryTooLargeException"),
        ("/gremlin/explain", "QueryTooLargeException"),
        ("/gremlin/profile", "QueryTooLargeException"),
    ],
)
async def test_a_body_beyond_the_limit(config: ServiceConfig, path: str, code: str) -> None:
    limited = replace(config, max_body_mib=1, gremlin="ws://127.0.0.1:1/gremlin")
    async with service(limited) as client:
        answer = await client.post(path, data=io.BytesIO(b" " * ((1 << 20) + 1)))
        document = await answer.json()
    assert (answer.status, document["code"]) == (400, code)
    assert "too large: at most 1 MiB" in document["message"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/ml/trainings", "near it are /ml/modeltraining"),
        ("/ml/modeltraining/", "near it are /ml/modeltraining"),
        ("/", "nothing is served at /; GET /openapi.json lists"),
        ("/日本", "nothing is served at /日本; GET /openapi.json lists"),
    ],
)
async def test_a_path_that_is_not_there(config: ServiceConfig, path: str, says: str) -> None:
    async with service(config) as client:
        answer = await client.get(path)
        document = await answer.json()
    assert (answer.status, document["code"]) == (400, "UnsupportedOperationException")
    assert says in document["message"]
    assert len(document["message"]) < 200


async def test_a_method_that_a_path_does_not_take(config: ServiceConfig) -> None:
    async with service(config) as client:
        answer = await client.put("/ml/endpoints/e")
        assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD")
        assert "/ml/endpoints/e does not take PUT; it takes DELETE, GET, HEAD" in await answer.text()


async def test_a_body_that_does_not_arrive(config: ServiceConfig) -> None:
    async with service(replace(config, body_seconds=0.05)) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"POST /ml/endpoints HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        told = await reader.readuntil(b"ClientTimeoutException")
        assert b"x-amzn-RequestId" in told
        writer.close()
        await writer.wait_closed()


async def test_health_and_request_ids(config: ServiceConfig) -> None:
    async with service(replace(config, token="secret")) as client:
        answer = await client.get("/health", headers={"x-amzn-RequestId": "mine-1"})
        assert await answer.json() == {"status": "healthy", "version": __version__}
        assert answer.headers["x-amzn-RequestId"] == "mine-1"
        answer = await client.get("/health", headers={"x-amzn-RequestId": "not one <>"})
        assert len(answer.headers["x-amzn-RequestId"]) == 36


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8183", True),
        ("localhost", True),
        ("LocalHost:1", True),
        ("[::1]:8183", True),
        ("ml.example:8183", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[::1", False),
        ("user@localhost:80@evil.example", False),
    ],
)
async def test_hosts(config: ServiceConfig, host: str, allowed: bool) -> None:  # noqa: FBT001
    async with service(replace(config, allow_hosts=("ML.example",))) as client:
        answer = await client.get("/ml/endpoints", headers={"Host": host})
        assert answer.status == (200 if allowed else 403)
        if not allowed:
            assert (await answer.json())["code"] == "AccessDeniedException"


async def test_origins(config: ServiceConfig) -> None:
    async with service(replace(config, allow_origins=("https://good.example",), token="secret")) as client:
        token = {"Authorization": "Bearer secret"}
        own = f"http://127.0.0.1:{client.port}"
        for origin, status in (
            ("https://good.example", 200),
            (own, 200),
            ("https://evil.example", 403),
            ("null", 403),
            ("http://good.example", 403),
        ):
            answer = await client.get("/ml/endpoints", headers=token | {"Origin": origin})
            assert answer.status == status, origin
            assert answer.headers.get("Access-Control-Allow-Origin") == (origin if status == 200 else None)
        asked = {"Origin": "https://good.example", "Access-Control-Request-Method": "DELETE"}
        answer = await client.options("/ml/endpoints/x", headers=asked)
        assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (204, "GET, POST, DELETE")
        assert (await client.options("/ml/endpoints/x", headers=asked | {"Origin": "https://evil"})).status == 403


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}])
async def test_the_token_is_needed_where_one_is_set(config: ServiceConfig, given: dict[str, str]) -> None:
    async with service(replace(config, token="secret")) as client:
        for path in ("/ml/endpoints", "/endpoints/x", "/nothing"):
            answer = await client.get(path, headers=given)
            assert (answer.status, (await answer.json())["code"]) == (403, "AccessDeniedException")
        assert (await client.get("/ml/endpoints", headers={"Authorization": "Bearer secret"})).status == 200


async def test_the_description_is_cached_until_it_changes(config: ServiceConfig) -> None:
    version = make_artifact(config.data_root / "one").version
    async with service(config) as client:
        await client.post("/ml/endpoints", json={"id": "e", "artifactLocation": str(config.data_root / "one")})
        await settled(client, "e")
        first = await client.get("/endpoints/e")
        tag = first.headers["ETag"]
        assert (await first.json())["version"] == version
        again = await client.get("/endpoints/e", headers={"If-None-Match": tag})
        assert (again.status, await again.text()) == (304, "")
        assert (await client.get("/endpoints/e", headers={"If-None-Match": '"other"'})).status == 200
        pinned = await (await client.get(f"/endpoints/e?version={version}")).json()
        assert pinned == await first.json()
        assert (await client.delete("/ml/endpoints/e")).status == 200
        assert (await client.get("/endpoints/e", headers={"If-None-Match": tag})).status == 404


async def test_one_service_per_data_root(config: ServiceConfig) -> None:
    async with service(config):
        runner = AppRunner(create_app(config))
        with pytest.raises(PreconditionsFailed, match="another service uses data root"):
            await runner.setup()
        await runner.cleanup()
    async with service(config) as client:
        assert (await client.get("/health")).status == 200


async def test_a_taken_port_is_told(config: ServiceConfig, tmp_path: Path) -> None:
    async with service(config) as client:
        port = client.port
        with pytest.raises(
            PreconditionsFailed, match=rf"cannot listen on 127.0.0.1:{port}: .*pass another --port"
        ):
            await asyncio.to_thread(_run_elsewhere, tmp_path / "other", port)


def _run_elsewhere(root: Path, port: int | None) -> None:
    """`run` needs the main thread for its signals, so it gets a process."""
    program = (
        "import sys; from pathlib import Path; from neptuneml_plugin.config import ServiceConfig; "
        "from neptuneml_plugin.service.app import run; "
        "run(ServiceConfig(Path(sys.argv[1]), port=int(sys.argv[2])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(root), str(port)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    raise PreconditionsFailed(done.stderr.strip().splitlines()[-1])


def test_a_data_root_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreconditionsFailed, match="cannot be written"):
        run(ServiceConfig(tmp_path / "file" / "root", port=0))


async def test_lists_are_newest_first_and_paged(config: ServiceConfig) -> None:
    make_artifact(config.data_root / "s3/b/cut")
    (config.data_root / "s3/b/cut/nodes/1/ids.npy").unlink()
    async with service(config) as client:
        for name in ("one", "two", "three"):
            await client.post("/ml/endpoints", json={"id": name, "artifactLocation": "s3://b/cut"})
        page = await (await client.get("/ml/endpoints?maxItems=2")).json()
        assert page == {"ids": ["three", "two"], "nextToken": "two"}
        rest = await (await client.get(f"/ml/endpoints?maxItems=2&nextToken={page['nextToken']}")).json()
        assert rest == {"ids": ["one"]}


def test_the_service_imports_nothing_heavy() -> None:
    program = (
        "import sys; import neptuneml_plugin.service.app; "
        "heavy = {'torch', 'dgl', 'gremlin_python', 'numpy', 'polars', 'sklearn', 'scipy', 'optuna'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_nothing_blocks_the_event_loop(config: ServiceConfig, caplog: pytest.LogCaptureFixture) -> None:
    """asyncio's debug mode names every callback that holds the loop for long."""
    make_artifact(config.data_root / "one")
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.5
    async with service(config) as client:
        await client.post("/ml/endpoints", json={"id": "e", "artifactLocation": str(config.data_root / "one")})
        await settled(client, "e")
        items = {"data": {"nodes": [{"nodeId": str(number)} for number in range(100_000)]}}
        body = io.BytesIO(json.dumps(items).encode())
        assert (await client.post("/endpoints/e/invocations", data=body)).status == 200
        await client.delete("/ml/endpoints/e")
    slow = [record.message for record in caplog.records if "Executing" in record.message]
    assert [message for message in slow if "test_nothing_blocks" not in message] == []


async def test_a_body_that_is_not_compressed_as_it_says(config: ServiceConfig) -> None:
    async with service(config) as client:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        answer = await client.post("/ml/endpoints", data=b"{}", headers=headers, compress=False)
        text = await answer.text()
    assert answer.status == 400, text
