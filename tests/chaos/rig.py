"""A strike: a job is started, something is killed without warning, and the job must end well all the same."""

import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from neptuneml_plugin.artifacts import ARTIFACT, EXPORT_STATS, Task, open_artifact
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.stage import FOLDER_VARIABLE
from tests.planted import planted_export
from tests.running_service import PATIENCE_SECONDS, RunningService, eventually, running_service
from tests.training.graphs import set_hyperparameters

EPOCHS = 12


class Victim(StrEnum):
    """What is killed."""

    SERVICE = "service"
    #: The job's process, or an endpoint's worker.
    PROCESS = "process"
    #: Everything at once, as when a machine loses its power.
    BOTH = "both"


@dataclass(frozen=True)
class Kind:
    """A kind of job, and how to tell that its output is whole."""

    name: str
    path: str
    body: Mapping[str, Any]
    #: Raises where the output is not whole.
    check: Callable[[Path], object]
    done: str = "Completed"


@dataclass(frozen=True)
class Strike:
    """What was done, and what came of it."""

    kind: str
    victim: Victim
    #: Since the start of the job, as a share of an undisturbed run.
    moment: float
    state: str
    seconds: float
    #: What is not as it must be.
    faults: tuple[str, ...] = field(default=())


def _check_export(output: Path) -> None:
    if not (output / EXPORT_STATS).is_file():
        raise AssertionError(f"{output} has no {EXPORT_STATS}")


KINDS = (
    Kind(
        "export",
        "/neptune-export",
        {"command": "export-pg", "outputS3Path": "s3://lib/exports"},
        _check_export,
        "succeeded",
    ),
    Kind(
        "dataprocessing",
        "/ml/dataprocessing",
        {"inputDataS3Location": "s3://lib/export", "processedDataS3Location": "s3://lib/dp"},
        open_processed,
    ),
    Kind(
        "modeltraining",
        "/ml/modeltraining",
        {
            "dataProcessingJobId": "p",
            "trainModelS3Location": "s3://lib/train",
            "modelName": "rgcn",
            "maxHPONumberOfTrainingJobs": 2,
        },
        lambda output: open_artifact(output / ARTIFACT),
    ),
    Kind(
        "modeltransform",
        "/ml/modeltransform",
        {
            "dataProcessingJobId": "p",
            "mlModelTrainingJobId": "t",
            "modelTransformOutputS3Location": "s3://lib/mt",
        },
        open_artifact,
    ),
    Kind("endpoints", "/ml/endpoints", {"mlModelTrainingJobId": "t"}, lambda _: None, "InService"),
)


class Rig:
    """A data root with everything that the jobs need, and the service on it."""

    def __init__(self, root: Path, gremlin: str) -> None:
        self._root, self._gremlin = root, gremlin
        self._usual: dict[str, float] = {}

    def prepare(self) -> None:
        """Run a data processing and a short training that the strikes build on, where none has yet."""
        prepared = self._root / "prepared"
        if prepared.exists():
            return
        planted_export(self._root / "s3" / "lib" / "export", Task.NODE_CLASS, nodes=120)
        processing, training = KINDS[1], KINDS[2]
        with self._service() as service:
            output = self._output(self._undisturbed(service, processing, "p"))
            set_hyperparameters(output, {"num-epochs": EPOCHS})
            self._undisturbed(service, training, "t")
        prepared.touch()

    def strike(self, kind: Kind, victim: Victim, moment: float) -> Strike:
        """Start a job, kill at `moment` (0..1 of the usual time), and see it to its end."""
        usual = self._usual_seconds(kind)
        began = time.monotonic()
        with self._service() as service:
            path = self._start(service, kind, _new_id(kind))
            time.sleep(max(0.0, usual * moment - (time.monotonic() - began)))  # the moment is what is tested
            self._kill(service, victim)
            if victim is Victim.PROCESS:
                document, faults = self._see_to_its_end(service, kind, path)
        if victim is not Victim.PROCESS:
            with self._service() as service:
                document, faults = self._see_to_its_end(service, kind, path)
        seconds = time.monotonic() - began
        return Strike(kind.name, victim, moment, str(document["status"]), seconds, tuple(faults))

    def _usual_seconds(self, kind: Kind) -> float:
        if kind.name not in self._usual:
            with self._service() as service:
                self._undisturbed(service, kind, _new_id(kind))
        return self._usual[kind.name]

    def _undisturbed(self, service: RunningService, kind: Kind, job_id: str) -> dict[str, Any]:
        """Run a job, remember how long that takes, and return its last status."""
        began = time.monotonic()
        document = wait(service, self._start(service, kind, job_id))
        self._usual[kind.name] = time.monotonic() - began
        return document

    def _start(self, service: RunningService, kind: Kind, job_id: str) -> str:
        started = post(service, kind.path, {**kind.body, "id": job_id})
        return f"{kind.path}/{started.get('jobId') or started['id']}"

    def _see_to_its_end(self, service: RunningService, kind: Kind, path: str) -> tuple[dict[str, Any], list[str]]:
        faults: list[str] = []
        try:
            document = wait(service, path, lambda: faults.extend(self._twice()))
        except AssertionError:
            document = service.connection.call("GET", path)
        if document["status"] != kind.done:
            faults.append(f"{path} is {document['status']}: {document.get('failureReason', document)}")
            return document, faults
        if kind.name == "endpoints":
            service.connection.call("DELETE", path)  # or each service of the next strikes starts it anew
        else:
            faults += self._half_written(kind, document)
        return document, faults

    def _half_written(self, kind: Kind, document: dict[str, Any]) -> Iterator[str]:
        output = self._output(document)
        try:
            kind.check(output)
        except Exception as error:  # noqa: BLE001 - whatever is wrong is told in the table
            yield f"{output} is not whole: {error}"
        yield from (
            f"left behind: {path}" for path in output.parent.iterdir() if path.name.startswith(f".{output.name}")
        )

    def _output(self, document: Mapping[str, Any]) -> Path:
        resource = document.get("processingJob", {})
        location = document.get("outputS3Uri") or resource["outputLocation"]
        return self._root / "s3" / str(location).removeprefix("s3://")

    def _twice(self) -> Iterator[str]:
        """Yield the job folders in which two processes of stages run."""
        found: dict[str, list[str]] = {}
        members = _members(self._root)
        for process in members.values():
            with contextlib.suppress(psutil.Error):
                if process.ppid() not in members:
                    told = f"{process.pid}, of {process.ppid()}: {' '.join(process.cmdline())}"
                    found.setdefault(process.environ()[FOLDER_VARIABLE], []).append(told)
        yield from (f"two processes run {folder}: {roots}" for folder, roots in found.items() if len(roots) > 1)

    def _kill(self, service: RunningService, victim: Victim) -> None:
        processes = [*_members(self._root).values(), *service.workers()]
        if victim is not Victim.PROCESS:
            service.process.kill()
            service.process.wait()
        if victim is not Victim.SERVICE:
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(processes, PATIENCE_SECONDS)  # or two trials that are dying count as two stages

    @contextlib.contextmanager
    def _service(self) -> Iterator[RunningService]:
        with running_service(self._root, gremlin=self._gremlin, parallel_jobs=1) as service:
            yield service


def strikes(kind: Kind, count: int, seed: int) -> list[tuple[Victim, float]]:
    """Return victims, each in turn, and random moments of an undisturbed run."""
    drawing = random.Random(f"{kind.name} {seed}")
    victims = list(Victim)
    return [(victims[number % len(victims)], drawing.random()) for number in range(count)]


def _new_id(kind: Kind) -> str:
    return f"{kind.name}-{secrets.token_hex(4)}"


def post(service: RunningService, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Start something."""
    return service.connection.call("POST", path, body)


def wait(service: RunningService, path: str, look: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Return a status once it changes no more."""
    document: dict[str, Any] = {}

    def is_settled() -> bool:
        look()
        document.clear()
        document.update(service.connection.call("GET", path))
        return document["status"] in {"Completed", "Failed", "Stopped", "succeeded", "failed", "InService"}

    eventually(is_settled)
    return document


def _members(root: Path) -> dict[int, psutil.Process]:
    """Return the processes of jobs below a data root."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(FOLDER_VARIABLE, "").startswith(str(root)):
                found[process.pid] = process
    return found
