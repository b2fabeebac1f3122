"""The whole loop on an embedded Gremlin Server: export, process, train, transform, serve, ask.

Each stage runs as a subprocess of the command that a person would type, so its memory is given back and its log
stands in a file. Nothing outlives the process, whatever ends it.
"""

import contextlib
import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import GraphTraversal, GraphTraversalSource, __
from gremlin_python.process.translator import Translator
from gremlin_python.process.traversal import TraversalStrategies
from gremlin_python.structure.graph import Graph

from neptuneml_plugin import gremlin_server, jars
from neptuneml_plugin.artifacts import SPLITS
from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.config import SERVICE_TOKEN_VARIABLE
from neptuneml_plugin.errors import FailureByQuery
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
class Answer:
    """A query, as text, and what came back."""

    query: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


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
                gremlin_server.GremlinServerConfig(data_root, "air-routes", gremlin_port, service_url), progress
            )
        )
        progress("starting the service")
        client = stack.enter_context(_running_service(service_url, server.url, folder))
        trainings = [_deploy(case, folder, server.url, client, progress) for case in CASES]
        progress("asking through gremlin-python")
        answers = _ask_all(server.url, folder)
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
    stage("process", "--input", f"{base}/export", "--output", f"{base}/processed")
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
    with log.open("w", encoding="utf-8") as stderr:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False)
    if done.returncode:
        lines = log.read_text(encoding="utf-8").strip().splitlines()
        raise FailureByQuery(f"{name} failed ({lines[-1] if lines else 'no output'}); its log is {log}")
    return Summary(**json.loads(done.stdout))


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
            [*command, "--gremlin", gremlin_url], stdout=output, stderr=output, env=environment
        )
    try:
        client = ServiceClient(url)
        client.wait_until_healthy(timeout_seconds=30)
        yield client
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- the questions ---------------------------------------------------------------------------------------------


Question = Callable[[GraphTraversalSource], GraphTraversal]


def _ask_all(gremlin_url: str, folder: Path) -> list[tuple[Answer, ...]]:
    """Ask about elements of each case's test split, and return the answers in the order of the cases."""
    connection = DriverRemoteConnection(gremlin_url, "g")
    try:
        g = traversal().with_(connection)
        held_out = {case.name: _held_out(folder / case.name / "processed") for case in CASES}
        return [
            _ask_countries(g, [row["~id"] for row in held_out["airport-country"]]),
            _ask_distances(g, held_out["route-distance"]),
            _ask_routes(g),
        ]
    finally:
        connection.close()


def _held_out(processed: Path, rows: int = 8) -> list[dict[str, str]]:
    with (processed / SPLITS / "0" / "test.csv").open(encoding="utf-8", newline="") as file:
        return [row for _, row in zip(range(rows), csv.DictReader(file), strict=False)]


def _ask_countries(g: GraphTraversalSource, ids: Sequence[str]) -> tuple[Answer, ...]:
    airports = [int(text) for text in ids]
    predicted = __.properties("country").with_("Neptune#ml.classification").value()
    beside = _ask(
        g,
        {"Neptune#ml.endpoint": "airport-country"},
        lambda g: g.V(*airports).project("airport", "truth", "predicted").by("code").by("country").by(predicted),
        ("airport", "truth", "predicted"),
    )
    ranked = _ask(
        g,
        {"Neptune#ml.endpoint": "airport-country", "Neptune#ml.limit": 3},
        lambda g: (
            g.V(airports[0]).properties("country", "Neptune#ml.score").with_("Neptune#ml.classification")
            .project("key", "value").by(__.key()).by(__.value())
        ),
        ("key", "value"),
    )  # fmt: skip
    return beside, ranked


def _ask_distances(g: GraphTraversalSource, routes: Sequence[Mapping[str, str]]) -> tuple[Answer, ...]:
    edges = [
        g.V(int(route["~from"])).out_e("route").where(__.in_v().has_id(int(route["~to"]))).id_().next()
        for route in routes
    ]
    predicted = __.properties("dist").with_("Neptune#ml.regression").value()
    columns = ("from", "to", "truth", "predicted")
    return (
        _ask(
            g,
            {"Neptune#ml.endpoint": "route-distance"},
            lambda g: (
                g.E(*edges).project(*columns)
                .by(__.out_v().values("code")).by(__.in_v().values("code")).by("dist").by(predicted)
            ),
            columns,
        ),
    )  # fmt: skip


def _ask_routes(g: GraphTraversalSource) -> tuple[Answer, ...]:
    return (
        _ask(
            g,
            {"Neptune#ml.endpoint": "airport-routes", "Neptune#ml.limit": 5},
            lambda g: (
                g.V().has("airport", "code", "AUS").out("route").with_("Neptune#ml.prediction")
                .with_("Neptune#ml.filterExistingEdges").with_("Neptune#ml.score", "score").has_label("airport")
                .as_("to").select("to", "to", "score").by("code").by("desc").by()
            ),
            ("to", "score"),
        ),
    )  # fmt: skip


def _ask(
    g: GraphTraversalSource, options: Mapping[str, Any], question: Question, columns: tuple[str, ...]
) -> Answer:
    source, text = g, "g"
    for name, value in options.items():
        source = source.with_(name, value)
        text += f".with({name!r},{value!r})"
    plain = question(GraphTraversalSource(Graph(), TraversalStrategies()))
    rows = [tuple(row[column] for column in columns) for row in question(source).to_list()]
    return Answer(text + Translator().of("").translate(plain.bytecode), columns, tuple(rows))


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
