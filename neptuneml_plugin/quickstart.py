"""The whole loop on an embedded Gremlin Server: export, process, train, transform, serve, ask.

Each stage runs as a subprocess of the command that a person would type, so its memory is given back and its log
stands in a file. Nothing outlives the process, whatever ends it.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from neptuneml_plugin import gremlin_server, jars
from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.config import SERVICE_TOKEN_VARIABLE
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from neptuneml_plugin.questions import Answer, ask_all
from neptuneml_plugin.stage import Progress, Stopwatch, Summary, write_json

COMMAND = (sys.executable, "-m", "neptuneml_plugin.cli")
ROUTE = ("airport", "route", "airport")
SPLIT = [0.8, 0.1, 0.1]


@dataclass(frozen=True)
class Case:
    """One task of the quickstart; `name` is its folder and its endpoint."""

    name: str
    title: str
    target: Mapping[str, Any]
    #: Vertex properties that the model may see.
    properties: tuple[str, ...]

    @property
    def request(self) -> dict[str, Any]:
        """The export's document, as neptune-export takes it."""
        edge_properties = ["dist"] if "edge" in self.target and "property" in self.target else []
        return {
            "command": "export-pg",
            "params": {
                "nodeLabels": ["airport"],
                "edgeLabels": ["route"],
                "filter": {
                    "nodes": [{"label": "airport", "properties": list(self.properties)}],
                    "edges": [{"label": "route", "properties": edge_properties}],
                },
            },
            "additionalParams": {"neptune_ml": {"version": "v2.0", "targets": [self.target], "split_rate": SPLIT}},
        }


CASES = (
    Case(
        name="airport-country",
        title="an airport's country, from its routes and runways (node classification)",
        target={"node": "airport", "property": "country", "type": "classification"},
        # Nothing that gives the country away: no region, codes, names or coordinates, and no `contains` edges.
        properties=("country", "runways", "longest", "elev"),
    ),
    Case(
        name="route-distance",
        title="a route's distance in miles (edge regression)",
        target={"edge": list(ROUTE), "property": "dist", "type": "regression"},
        properties=("lat", "lon", "runways", "longest", "elev"),
    ),
    Case(
        name="airport-routes",
        title="routes that an airport does not have yet (link prediction)",
        target={"edge": list(ROUTE), "type": "link_prediction"},
        properties=("lat", "lon", "runways", "longest", "elev"),
    ),
)


@dataclass(frozen=True)
class CaseResult:
    """What the quickstart shows of one task."""

    case: Case
    training: Summary
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class QuickstartResult:
    """What the quickstart shows."""

    gremlin_url: str
    service_url: str
    folder: Path
    cases: tuple[CaseResult, ...]
    seconds: float
    peak_memory_mib: float


@contextlib.contextmanager
def quickstart(data_root: Path, progress: Progress) -> Iterator[QuickstartResult]:
    """Run the whole loop and yield what to show; the servers run until the block is left."""
    watch, folder = Stopwatch(), data_root / "quickstart"
    jars.plugin_jar()  # a clear error now rather than after the server is up
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(_sampled_memory())
        gremlin_port, service_port = gremlin_server.free_port(8182), gremlin_server.free_port(8183)
        service_url = f"http://127.0.0.1:{service_port}"
        server = stack.enter_context(
            gremlin_server.running_server(
                GremlinServerConfig(data_root, "air-routes", gremlin_port, service_url), progress
            )
        )
        progress(f"starting the service on port {service_port}")
        client = stack.enter_context(_running_service(service_url, server.url, folder))
        trainings = [_deploy(case, folder, server.url, client, progress) for case in CASES]
        progress("asking through gremlin-python")
        answers = ask_all(server.url, {case.name: folder / case.name / "processed" for case in CASES})
        yield QuickstartResult(
            gremlin_url=server.url,
            service_url=service_url,
            folder=folder,
            cases=tuple(map(CaseResult, CASES, trainings, answers)),
            seconds=watch.seconds,
            peak_memory_mib=memory.peak_mib,
        )


def _deploy(case: Case, folder: Path, gremlin_url: str, client: ServiceClient, progress: Progress) -> Summary:
    """Run the stages of one case, create or update its endpoint, and return the training's summary."""
    base = folder / case.name
    base.mkdir(exist_ok=True)
    write_json(base / "request.json", case.request)

    def stage(name: str, *arguments: str) -> Summary:
        progress(f"{case.name}: {name}")
        return _run_stage(name, arguments, base / f"{name}.log")

    stage("export", "--gremlin", gremlin_url, "--request", f"{base}/request.json", "--output", f"{base}/export")
    stage("process", "--input", f"{base}/export", "--output", f"{base}/processed", "--no-dgl-graph")
    training = stage("train", "--input", f"{base}/processed", "--output", f"{base}/training")
    stage(
        "transform", "--input", f"{base}/processed", "--model", f"{base}/training", "--output", f"{base}/artifact"
    )
    progress(f"{case.name}: endpoint")
    if case.name in client.list_endpoints():
        client.update_endpoint(case.name, f"{base}/artifact")
    else:
        client.create_endpoint(case.name, f"{base}/artifact")
    return training


def _run_stage(name: str, arguments: Sequence[str], log: Path) -> Summary:
    command = [*COMMAND, name, *arguments, "--overwrite", "--json"]
    with (
        log.open("w", encoding="utf-8") as stderr,
        # A session of its own: Ctrl-C reaches it once, from here, and lets it remove what is half-written.
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
        ) as process,
    ):
        try:
            output, _ = process.communicate()
        finally:
            _end(process)
    if process.returncode:
        lines = log.read_text(encoding="utf-8").strip().splitlines()
        raise FailureByQuery(f"{name} failed ({lines[-1] if lines else 'no output'}); its log is {log}")
    return Summary(**json.loads(output))


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _running_service(url: str, gremlin_url: str, folder: Path) -> Iterator[ServiceClient]:
    port, log = url.rpartition(":")[2], folder / "service.log"
    command = [
        sys.executable,
        "-m",
        "neptuneml_plugin.cli",
        "serve",
        "--port",
        port,
        "--data-root",
        str(folder),
    ]
    environment = {name: value for name, value in os.environ.items() if name != SERVICE_TOKEN_VARIABLE}
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*command, "--gremlin", gremlin_url], stdout=output, stderr=output, env=environment, text=True
        )
    try:
        client = ServiceClient(url)
        client.wait_until_healthy(timeout_seconds=30)
        yield client
    finally:
        _end(process)


# --- memory ----------------------------------------------------------------------------------------------------


class _Memory:
    peak_mib = 0.0


@contextlib.contextmanager
def _sampled_memory(interval_seconds: float = 1.0) -> Iterator[_Memory]:
    """Sample the memory (PSS) of this process and all below it each second."""
    memory, stopped, root = _Memory(), threading.Event(), psutil.Process()

    def sample() -> None:
        while not stopped.wait(interval_seconds):
            total = 0
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += getattr(process.memory_full_info(), "pss", 0)
            memory.peak_mib = max(memory.peak_mib, total / 2**20)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        stopped.set()
        thread.join()
