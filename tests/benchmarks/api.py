"""The management API while two trainings run, beside a server that does nothing; and 200 exports in one queue.

Run `python -m tests.benchmarks.api [--calls N] [--exports N]`; one line of JSON per figure. Callers keep their
connections, and are processes of this machine like everything else; trainings have it to themselves but for them.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.chaos.rig import post, wait
from tests.made_artifacts import make_artifact
from tests.planted import planted_export
from tests.running_service import RunningService, eventually, running_service
from tests.servers import make_data_root
from tests.training.graphs import set_hyperparameters

CALLERS = 2
ITEMS = 3000
#: More than the trainings finish while they are looked at.
EPOCHS = 1_000_000
SAMPLE_SECONDS = 0.5
TOLD_SECONDS = 20.0
#: What everything is compared with: a path that answers two bytes.
NOTHING = "no-op server"

_PEER = """
from aiohttp import web

async def nothing(request):
    return web.Response(text="{}")

app = web.Application()
app.add_routes([web.get("/", nothing)])
web.run_app(app, host="127.0.0.1", port=0, print=lambda text: print(text.split()[3], flush=True))
"""


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.api")
    parser.add_argument("--calls", type=int, default=3000, help="of each kind")
    parser.add_argument("--exports", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="neptuneml-api-") as name, contextlib.ExitStack() as held:
        if options.calls:
            with running_service(prepared(Path(name) / "trainings")) as service:
                for figure in asyncio.run(latencies(service, options.calls)):
                    _print(figure)
        if options.exports:
            settings = GremlinServerConfig(make_data_root(Path(name) / "servers"), "modern", port=0)
            server = held.enter_context(gremlin_server.running_server(settings))
            root = Path(name) / "exports"
            with running_service(root, gremlin=server.url) as service:
                _print(queue(service, options.exports))


def _print(figure: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()


def prepared(root: Path, items: int = ITEMS) -> Path:
    """Return a data root with an export and an artifact."""
    root.mkdir()
    planted_export(root / "s3" / "lib" / "export", Task.NODE_CLASS, nodes=items)
    make_artifact(root / "artifact")
    return root


async def latencies(service: RunningService, calls: int) -> list[dict[str, Any]]:
    """Return what each kind of call takes without trainings, and while two run."""
    await asyncio.to_thread(_begin, service)
    with _peer() as peer:
        paths = {NOTHING: f"{peer}/", **{name: service.url + path for name, path in _paths().items()}}
        idle = await _measured(paths, calls)
        for number in range(2):
            await asyncio.to_thread(_train, service, f"t{number}")
        await asyncio.to_thread(eventually, lambda: _are_training(service), 300)
        busy = await _measured(paths, calls)
        _are_training(service)
    return [{"call": name, "idle": idle[name], "two trainings": busy[name]} for name in paths]


def _begin(service: RunningService) -> None:
    """Run what the trainings need, and create what is described."""
    locations = {"inputDataS3Location": "s3://lib/export", "processedDataS3Location": "s3://lib/dp"}
    post(service, "/ml/dataprocessing", {"id": "p", **locations})
    done = wait(service, "/ml/dataprocessing/p")
    root = service.log.parent
    output = root / "s3" / done["processingJob"]["outputLocation"].removeprefix("s3://")
    set_hyperparameters(output, {"num-epochs": EPOCHS, "window-for-early-stop": EPOCHS})
    post(service, "/ml/endpoints", {"id": "e", "artifactLocation": str(root / "artifact")})
    wait(service, "/ml/endpoints/e")


def _train(service: RunningService, job_id: str) -> None:
    body = {"dataProcessingJobId": "p", "trainModelS3Location": "s3://lib/train", "modelName": "rgcn"}
    post(service, "/ml/modeltraining", {"id": job_id, **body, "maxHPONumberOfTrainingJobs": 2})


def _are_training(service: RunningService) -> bool:
    statuses = [service.connection.call("GET", f"/ml/modeltraining/t{number}") for number in range(2)]
    ended = [one for one in statuses if one["status"] != "InProgress"]
    if ended:
        raise RuntimeError(f"a training ended too early: {ended[0]}")
    return all("epoch" in one["progress"]["stage"] for one in statuses)


def _paths() -> dict[str, str]:
    return {
        "status of a job": "/ml/dataprocessing/p",
        "list of jobs": "/ml/dataprocessing?maxItems=100",
        "status of an endpoint": "/ml/endpoints/e",
        "list of endpoints": "/ml/endpoints",
        "description for the plugin": "/endpoints/e",
        "health": "/health",
    }


async def _measured(paths: Mapping[str, str], calls: int) -> dict[str, dict[str, float]]:
    """Return the latencies of all paths, asked in turn, so that each sees the same of the machine."""
    taken: dict[str, list[float]] = {name: [] for name in paths}

    async def call(session: aiohttp.ClientSession, name: str) -> None:
        began = time.perf_counter()
        async with session.get(paths[name]) as answer:
            await answer.read()
            answer.raise_for_status()
        taken[name].append(1000 * (time.perf_counter() - began))

    async def caller() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(calls // CALLERS):
                for name in paths:
                    await call(session, name)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return {name: percentiles(milliseconds) for name, milliseconds in taken.items()}


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return what half, 99 of 100, and all stay below."""
    p50, p99, most = np.percentile(milliseconds, [50, 99, 100])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "max_ms": round(float(most), 2)}


@contextlib.contextmanager
def _peer() -> Iterator[str]:
    """Run the server that does nothing, and yield its address."""
    process = subprocess.Popen([sys.executable, "-c", _PEER], stdout=subprocess.PIPE, text=True)
    with process:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def queue(service: RunningService, count: int) -> dict[str, Any]:
    """Let a queue of exports run out, and return how, and what the service's memory did meanwhile."""
    memory = psutil.Process(service.process.pid)
    began = time.monotonic()
    post(service, "/neptune-export", _export("before"))
    wait(service, "/neptune-export/before")
    one_seconds = time.monotonic() - began
    before = memory.memory_info().rss
    began = time.monotonic()
    for number in range(count):
        post(service, "/neptune-export", _export(f"x{number}"))
    submitted = time.monotonic() - began
    samples = list(_samples(service, memory, f"x{count - 1}", began))
    seconds = time.monotonic() - began
    documents = [service.connection.call("GET", f"/neptune-export/x{number}") for number in range(count)]
    starts = [document["startTimeInMillis"] for document in documents]
    slope, _ = statistics.linear_regression(*zip(*samples[len(samples) // 4 :], strict=True))
    return {
        "exports": count,
        "succeeded": sum(document["status"] == "succeeded" for document in documents),
        "in order": starts == sorted(starts),
        "seconds": round(seconds, 1),
        "seconds of one": round(one_seconds, 2),
        "submitted_ms each": round(1000 * submitted / count, 1),
        "rss_before_mib": _mib(before),
        "rss_after_mib": _mib(memory.memory_info().rss),
        "rss_slope_kib per export": round(slope * seconds / count / 1024, 2),
    }


def _export(job_id: str) -> dict[str, Any]:
    return {"id": job_id, "command": "export-pg", "outputS3Path": "s3://lib/exports"}


def _samples(
    service: RunningService, memory: psutil.Process, last: str, began: float
) -> Iterator[tuple[float, float]]:
    """Yield seconds and bytes until the last export has ended; tell of them now and then."""
    told = began
    while service.connection.call("GET", f"/neptune-export/{last}")["status"] not in {"succeeded", "failed"}:
        now, size = time.monotonic(), memory.memory_info().rss
        if now - told > TOLD_SECONDS:
            told = now
            _print({"seconds": round(now - began), "rss_mib": _mib(size)})
        yield now - began, float(size)
        time.sleep(SAMPLE_SECONDS)


def _mib(size: float) -> float:
    return round(size / (1 << 20), 1)


if __name__ == "__main__":
    main()
