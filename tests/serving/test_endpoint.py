"""The worker: its HTTP face in this process, and the process itself."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from neptuneml_plugin.artifacts import Manifest
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.invocation import Invocation
from neptuneml_plugin.serving.memory import watch_memory
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.plain import PlainRequest
from neptuneml_plugin.serving.predict import Check
from tests.made_artifacts import make_artifact
from tests.running_service import PATIENCE_SECONDS
from tests.worker_server import WorkerServer, worker_client

TOKEN = {"Authorization": "Bearer secret-token"}
BODY = {"data": {"nodes": [{"nodeId": "a"}, {"nodeId": "zz"}]}}


class HeldPredictor:
    """Answers when it is let go."""

    live: Any = None

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.answered = 0

    def look_up(self, request: PlainRequest) -> str | None:
        return None

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        self.entered.set()
        self.go.wait(PATIENCE_SECONDS)
        check()
        self.answered += 1
        return Answers(np.ones(len(invocation.items), np.int64), values=np.ones(len(invocation.items)))


@contextlib.asynccontextmanager
async def _running(endpoint: Endpoint) -> Any:
    async with worker_client(WorkerServer(endpoint)) as client:
        yield client
    endpoint.close()


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return make_artifact(tmp_path)


def config(folder: Path, **more: Any) -> WorkerConfig:
    return WorkerConfig("films", folder, token="secret-token", **more)


async def test_an_invocation(tmp_path: Path, manifest: Manifest) -> None:
    async with _running(Endpoint(config(tmp_path), *open_predictor(tmp_path))) as client:
        answer = await client.post("/invocations", json=BODY)
        document = await answer.json()
        assert answer.status == 200
        assert document["endpoint"] == "films"
        assert document["artifactVersion"] == manifest.version
        assert document["requestId"] == answer.headers["x-amzn-RequestId"]
        assert [len(item) for item in document["answers"]] == [1, 0]
        named = {
            "data": {"globalParameters": {"requestId": "mine", "artifactVersion": manifest.version}, "nodes": []}
        }
        assert (await (await client.post("/invocations", json=named)).json())["requestId"] == "mine"
        health = await (await client.get("/health")).json()
        assert health == {"status": "healthy", "endpoint": "films", "artifactVersion": manifest.version}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("POST", "/invocations", "{}", {"Authorization": "Bearer wrong"}, 403, "AccessDeniedException"),
        ("GET", "/health", "", {"Authorization": "é"}, 403, "AccessDeniedException"),
        ("POST", "/invocations", "{", {}, 400, "BadRequestException"),
        ("POST", "/invocations", "{}", {}, 400, "MissingParameterException"),
        ("POST", "/invocations", " " * (1 << 20) + " ", {}, 400, "BadRequestException"),
        ("GET", "/invocations", "", {}, 405, "MethodNotAllowedException"),
        ("GET", "/ping", "", {}, 400, "UnsupportedOperationException"),
        (
            "POST",
            "/invocations",
            '{"data": {"globalParameters": {"artifactVersion": "old"}, "nodes": []}}',
            {},
            400,
            "ConstraintViolationException",
        ),
    ],
)
async def test_errors_have_one_shape(
    tmp_path: Path, method: str, path: str, body: str, headers: dict[str, str], status: int, code: str
) -> None:
    make_artifact(tmp_path)
    async with _running(Endpoint(config(tmp_path, max_body_mib=1), *open_predictor(tmp_path))) as client:
        answer = await client.request(method, path, data=io.BytesIO(body.encode()), headers=headers)
        document = await answer.json()
    assert (answer.status, document["code"]) == (status, code)
    assert set(document) == {"code", "detailedMessage", "message", "requestId"}
    assert document["message"] == document["detailedMessage"] != ""
    assert document["requestId"] == answer.headers["x-amzn-RequestId"]
    assert "secret-token" not in await answer.text()


async def test_an_error_of_ours_is_told_without_its_details(
    tmp_path: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        live: Any = None

        def look_up(self, request: PlainRequest) -> str | None:
            return None

        def answer(self, invocation: Invocation, check: Check) -> Answers:
            raise ZeroDivisionError("the inside of the machine")

    async with _running(Endpoint(config(tmp_path), manifest, Broken())) as client:
        answer = await client.post("/invocations", json=BODY)
        document = await answer.json()
    assert (answer.status, document["code"]) == (500, "InternalFailureException")
    assert "inside" not in document["message"]
    assert "the inside of the machine" in caplog.text
    assert document["requestId"] in caplog.text


async def test_a_full_queue_is_429_and_the_loop_stays_free(tmp_path: Path, manifest: Manifest) -> None:
    held = HeldPredictor()
    async with _running(Endpoint(config(tmp_path, max_queue=2), manifest, held)) as client:
        first = asyncio.create_task(client.post("/invocations", json=BODY))
        assert await asyncio.to_thread(held.entered.wait, 30)
        pending = {asyncio.create_task(client.post("/invocations", json=BODY)) for _ in range(4)}
        refused = set()
        while len(pending) > 1:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        for task in refused:
            answer = await task
            assert (answer.status, (await answer.json())["code"]) == (429, "TooManyRequestsException")
            assert int(answer.headers["Retry-After"]) >= 1
        assert (await client.get("/health")).status == 200
        held.go.set()
        assert [(await task).status for task in (first, *pending)] == [200, 200]
        assert (await client.post("/invocations", json=BODY)).status == 200


async def test_a_deadline_ends_waiting_and_computing(tmp_path: Path, manifest: Manifest) -> None:
    held = HeldPredictor()
    late = {"data": {"globalParameters": {"deadlineMs": 50}, "nodes": []}}
    async with _running(Endpoint(config(tmp_path), manifest, held)) as client:
        computing = asyncio.create_task(client.post("/invocations", json=late))
        assert await asyncio.to_thread(held.entered.wait, 30)
        queued = await client.post("/invocations", json=late)
        for answer in (await computing, queued):
            assert (answer.status, (await answer.json())["code"]) == (500, "TimeLimitExceededException")
        held.go.set()
        in_time = {"data": {"globalParameters": {"deadlineMs": 30000}, "nodes": []}}
        assert (await client.post("/invocations", json=in_time)).status == 200
    assert held.answered == 1


class Loading:
    """A predictor whose model takes its time to load, once."""

    def __init__(self) -> None:
        self.live: Any = self
        self.begun, self.go = threading.Event(), threading.Event()
        self.is_loaded = False

    def load(self) -> None:
        self.begun.set()
        self.is_loaded = self.go.wait(PATIENCE_SECONDS)

    def look_up(self, request: PlainRequest) -> str | None:
        return None

    def answer(self, invocation: Invocation, check: Check) -> Answers:
        assert self.is_loaded or not invocation.is_inductive
        return Answers(np.ones(len(invocation.items), np.int64), values=np.ones(len(invocation.items)))


async def test_loading_the_model_holds_up_only_those_who_need_it(tmp_path: Path, manifest: Manifest) -> None:
    loading = Loading()
    inductive: Any = {"data": BODY["data"] | {"subgraph": {"nodes": [], "edges": []}}}
    late = {"data": inductive["data"] | {"globalParameters": {"deadlineMs": 50}}}
    async with _running(Endpoint(config(tmp_path), manifest, loading)) as client:
        waiting = asyncio.create_task(client.post("/invocations", json=inductive))
        assert await asyncio.to_thread(loading.begun.wait, 30)
        assert (await client.post("/invocations", json=BODY)).status == 200
        in_vain = await client.post("/invocations", json=late)
        assert (in_vain.status, (await in_vain.json())["code"]) == (500, "TimeLimitExceededException")
        assert not waiting.done()
        loading.go.set()
        assert (await waiting).status == 200
        loading.begun.clear()
        assert (await client.post("/invocations", json=inductive)).status == 200
    assert not loading.begun.is_set()


async def test_many_at_once(tmp_path: Path, manifest: Manifest) -> None:
    async with _running(Endpoint(config(tmp_path), *open_predictor(tmp_path))) as client:

        async def one() -> Any:
            return (await (await client.post("/invocations", json=BODY)).json())["answers"]

        answers = await asyncio.gather(*(one() for _ in range(50)))
    assert all(answer == answers[0] for answer in answers)


# --- the process -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def worker_process(settings: dict[str, Any] | str) -> Iterator[subprocess.Popen[bytes]]:
    line = settings if isinstance(settings, str) else json.dumps(settings)
    with subprocess.Popen(
        [sys.executable, "-m", "neptuneml_plugin.serving.endpoint"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def report(process: subprocess.Popen[bytes]) -> dict[str, str]:
    assert process.stdout is not None
    line: dict[str, str] = json.loads(process.stdout.readline())
    return line


def test_it_ends_when_its_parent_does_and_hides_its_token(tmp_path: Path) -> None:
    version = make_artifact(tmp_path).version
    with worker_process({"endpoint": "e", "artifact": str(tmp_path), "token": "secret-token"}) as process:
        ready = report(process)
        assert ready["version"] == version
        seen = psutil.Process(process.pid)
        assert "secret-token" not in " ".join([*seen.cmdline(), *seen.environ().values()])
        request = urllib.request.Request(ready["address"] + "/health", headers=TOKEN)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_SECONDS) == 0


def test_it_ends_on_sigterm(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    with worker_process({"endpoint": "e", "artifact": str(tmp_path), "token": "t"}) as process:
        report(process)
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0


def test_it_says_why_it_cannot_serve(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    (tmp_path / "nodes/1/predictions.npy").write_bytes(b"")
    with worker_process({"endpoint": "e", "artifact": str(tmp_path), "token": "t"}) as process:
        told = report(process)
        assert told["code"] == "BadRequestException"
        assert "nodes/1/predictions.npy has 0 bytes" in told["message"]
        assert process.wait(PATIENCE_SECONDS) == 2


@pytest.mark.parametrize(
    ("settings", "says"),
    [("no json", "does not hold a JSON line"), ({"endpoint": "e", "artefact": "x"}, "unknown setting 'artefact'")],
)
def test_settings_it_cannot_read(settings: Any, says: str) -> None:
    with worker_process(settings) as process:
        assert says in report(process)["message"]
        assert process.wait(PATIENCE_SECONDS) == 2


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    async with WorkerServer(Endpoint(config(tmp_path), *open_predictor(tmp_path))) as server:
        port = server.port
        with worker_process({"endpoint": "e", "artifact": str(tmp_path), "token": "t", "port": port}) as process:
            told = await asyncio.to_thread(report, process)
    assert told["code"] == "PreconditionsFailedException"
    assert f"cannot listen on 127.0.0.1:{port}" in told["message"]


def test_it_imports_nothing_heavy(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    program = (
        "import sys; from pathlib import Path; import neptuneml_plugin.serving.endpoint as e; "
        f"e.open_predictor(Path({str(tmp_path)!r})); "
        "heavy = {'torch', 'dgl', 'gremlin_python', 'polars', 'sklearn', 'scipy', 'optuna'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("memory_mib", "ends"), [(1, True), (100_000, False)])
async def test_a_worker_that_has_taken_too_much_ends_by_itself(
    tmp_path: Path, memory_mib: int, *, ends: bool
) -> None:
    stop = asyncio.Event()
    watch = asyncio.create_task(watch_memory(config(tmp_path, memory_mib=memory_mib), stop, 0.01))
    done, _ = await asyncio.wait({watch}, timeout=PATIENCE_SECONDS if ends else 0.2)
    watch.cancel()
    assert (bool(done), stop.is_set()) == (ends, ends)
