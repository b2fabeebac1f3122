"""Settings of every stage and of the service: frozen dataclasses, and one strict loader.

A setting comes from a command-line flag, else from `--config FILE` (YAML or JSON), else from its default. The
loader reports every problem of a file at once, each with its path; unknown names are errors.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import cattrs
import yaml
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn
from cattrs.v import format_exception

from neptuneml_plugin.errors import InvalidSettings, nearest

DATA_ROOT_VARIABLE = "NEPTUNEML_DATA_ROOT"
SERVICE_URL_VARIABLE = "NEPTUNEML_SERVICE_URL"
SERVICE_TOKEN_VARIABLE = "NEPTUNEML_SERVICE_TOKEN"  # noqa: S105 - a name, not a secret
SERVICE_TOKEN_FILE_VARIABLE = "NEPTUNEML_SERVICE_TOKEN_FILE"  # noqa: S105 - a name, not a secret
KEYS_FILE_VARIABLE = "NEPTUNEML_KEYS_FILE"
TEXT_MODELS_VARIABLE = "NEPTUNEML_TEXT_MODELS"
DEFAULT_SERVICE_URL = "http://127.0.0.1:8183"


class Reader(StrEnum):
    """How an export reads the graph; the folder is the same."""

    #: In bulk where the server has the plugin.
    AUTO = "auto"
    #: By plain Gremlin, from any server.
    GREMLIN = "gremlin"
    #: Whole blocks of columns, made by the plugin in the server.
    BULK = "bulk"


class Watch(StrEnum):
    """What a reader in bulk compares before and after it has read (docs/readers.md)."""

    #: Which elements there are, which costs an export a few percent of its time.
    ELEMENTS = "elements"
    #: Their properties too, which means to read the graph two more times.
    VALUES = "values"


@dataclass(frozen=True)
class ExportConfig:
    """Settings of `export`."""

    #: Gremlin Server, as `ws://host:port/gremlin`.
    gremlin: str
    #: The request document of neptune-export (`command`, `params`, `additionalParams`, …), as it was read.
    request: Mapping[str, Any] = field(default_factory=dict)
    #: Vertex labels to export; empty: those of the request, else all.
    node_labels: tuple[str, ...] = ()
    #: Edge labels to export; empty: those of the request, else all.
    edge_labels: tuple[str, ...] = ()
    traversal_source: str = "g"
    reader: Reader = Reader.AUTO
    watch: Watch = Watch.ELEMENTS
    #: Processes that read by plain Gremlin, at most; never more than there are cores.
    concurrency: int = 4
    #: Elements asked for in one request of plain Gremlin.
    block_size: int = 1000
    #: How long one request may take on the server, seconds; in bulk: how long one block may take.
    request_timeout_seconds: float = 300.0
    overwrite: bool = False


@dataclass(frozen=True)
class ProcessConfig:
    """Settings of `process`."""

    config_file_name: str = "training-data-configuration.json"
    #: Seed of the split into training, validation and test.
    seed: int = 0
    #: Write `graph.bin` and `info.pkl`, which custom models of the original read.
    dgl_graph: bool = True
    #: Folder of text models by their names; None: what `NEPTUNEML_TEXT_MODELS` names, and installed packages.
    text_models: Path | None = None
    #: Processed folder of an earlier snapshot, whose encoders, order of ids and splits go on (docs/processing.md).
    previous: Path | None = None
    overwrite: bool = False


class Neighbourhoods(StrEnum):
    """What a batch of R-GCN is computed from (decision 13)."""

    #: Whole neighbourhoods where a trial's memory allows, else sampled ones.
    AUTO = "auto"
    #: All neighbours, and so all vertices.
    FULL = "full"
    #: As many neighbours as `fanout` says.
    SAMPLED = "sampled"


class TrialExecutor(StrEnum):
    """Who runs the trials of a training; the results are the same."""

    #: Processes of this machine.
    LOCAL = "local"
    #: Tasks of a Ray cluster.
    RAY = "ray"


@dataclass(frozen=True)
class CustomModel:
    """A model of scripts of one's own (docs/training.md)."""

    #: Folder of the scripts and of `model-hpo-configuration.json`.
    source: Path
    training_script: str = "training.py"
    transform_script: str = "transform.py"
    #: How long one run of a script may take.
    time_limit_seconds: float = 86400.0
    #: Memory of each process of a script, MiB; 0: all that the machine has.
    memory_limit_mib: int = 0


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `train`."""

    trials: int = 1
    #: Trials that run at the same time, each in a process of its own.
    parallel: int = 1
    #: Model to train, instead of that of `model-HPO-configuration.json` unless someone has edited it.
    model: str | None = None
    seed: int = 0
    #: Output folder of an earlier training of the same target, whose search and weights go on (docs/training.md).
    previous: Path | None = None
    #: Threads of one trial; 0: the cores divided by `parallel`.
    threads: int = 0
    #: Cores for all trials that run at the same time; 0: those that this process may use.
    cores: int = 0
    #: Memory for all trials that run at the same time, MiB; 0: what is free at the start.
    memory_mib: int = 0
    neighbourhoods: Neighbourhoods = Neighbourhoods.AUTO
    executor: TrialExecutor = TrialExecutor.LOCAL
    #: `host:port` of a Ray cluster's head; None: what `RAY_ADDRESS` names, else the cluster of this machine.
    ray_address: str | None = None
    #: A training that is killed loses no more than this.
    checkpoint_seconds: float = 60.0
    #: Train this model instead of one of ours.
    custom: CustomModel | None = None
    #: Whether code of users may run.
    allow_custom_models: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class TransformConfig:
    """Settings of `transform`."""

    #: Output folder of `train`.
    model: Path
    #: Number of the trial whose model is applied; None: the best one.
    trial: int | None = None
    #: Artifact of a graph that differs little, whose embeddings are taken where no change reaches; None: the
    #: training's own where the model is its best trial's.
    previous: Path | None = None
    #: Scripts for a custom model in place of those that it was trained with.
    custom: CustomModel | None = None
    #: Whether code of users may run.
    allow_custom_models: bool = False
    overwrite: bool = False


class LogFormat(StrEnum):
    """How processes write their logs to stderr."""

    TEXT = "text"
    #: One object a line, requests included (docs/serving.md, Logs).
    JSON = "json"


@dataclass(frozen=True)
class ServiceConfig:
    """Settings of `serve`."""

    data_root: Path
    host: str = "127.0.0.1"
    port: int = 8183
    #: Local folders, beside the data root, that locations may name (decision 4).
    allow_paths: tuple[Path, ...] = ()
    #: Host names that requests may use, beside loopback's and the one bound to (decision 33).
    allow_hosts: tuple[str, ...] = ()
    #: Web origins that may call (decision 33).
    allow_origins: tuple[str, ...] = ()
    #: What links in answers begin with, such as a proxy's `https://ml.example`; None: as each request named us.
    public_url: str | None = None
    worker_host: str = "127.0.0.1"
    #: First and last port for workers; None: any free ones.
    worker_ports: tuple[int, int] | None = None
    #: Gremlin Server behind the service, `ws://host:port/gremlin` (docs/gateway.md); exports read it.
    gremlin: str | None = None
    #: Who the service is there, and the file of the password; else what the environment says.
    gremlin_user: str | None = None
    gremlin_password_file: Path | None = None
    #: Connections to it that callers may hold at once.
    max_gremlin_connections: int = 256
    #: Pass Groovy and lambdas on from callers elsewhere too: whoever may call may then run code (decision 33).
    allow_groovy: bool = False
    #: Jobs that run at the same time; each gets its share of the cores and of the memory.
    parallel_jobs: int = 2
    #: Cores for all jobs; 0: those that the service may use.
    job_cores: int = 0
    #: Memory for all jobs, MiB; 0: what is free when one starts.
    job_memory_mib: int = 0
    #: Days after its end for which a job or a chain is known; 0: for good. What it has written stays anyway.
    job_retention_days: float = 0.0
    #: Whether jobs may run code of users (`customModelTrainingParameters`).
    allow_custom_models: bool = False
    #: Required as `Authorization: Bearer …` where set.
    token: str | None = field(default=None, repr=False)
    #: File that holds the token.
    token_file: Path | None = None
    #: File of access keys and their secrets, for requests signed as AWS does.
    keys_file: Path | None = None
    #: Certificate chain and its key, PEM: the service then speaks https.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    #: Requests that one client address may send, on average; 0: any number.
    requests_per_second: float = 0.0
    #: How many more than that it may send at once.
    request_burst: int = 100
    #: How long a connection may take for the head of a request, or wait for the next one.
    idle_seconds: float = 75.0
    #: How long the body of a request may take to arrive.
    body_seconds: float = 30.0
    max_body_mib: int = 64
    log_format: LogFormat = LogFormat.TEXT
    #: Edges that an inductive caller draws per edge type, direction and hop, where the model names no fan-outs.
    inductive_fanout: int = 10
    #: Vertices unknown to the model that one inductive link prediction may take as candidates (decision 29).
    max_new_candidates: int = 1000
    #: How long a replaced or deleted version stays loadable: a server's longest evaluation timeout (decision 21).
    pin_seconds: float = 120.0


class NewNodeVectors(StrEnum):
    """Where an inductive answer takes the learned vector of a vertex from that the model does not know."""

    #: The average over its vertex label.
    TYPE = "type"
    #: The average over its neighbours.
    NEIGHBOURS = "neighbours"


class WarmUp(StrEnum):
    """What a worker answers for itself before it is in service."""

    #: Nothing.
    NONE = "none"
    #: Requests made from the artifact's own vertices.
    STORED = "stored"
    #: These, and the model is loaded, with torch, which the first inductive answer would wait for.
    INDUCTIVE = "inductive"


class Index(StrEnum):
    """How the best of many candidates are found."""

    #: By looking at all of them.
    EXACT = "exact"
    #: By an approximate index, which misses some.
    FAISS = "faiss"


@dataclass(frozen=True)
class WorkerConfig:
    """Settings of one worker process; the service writes them, no user does."""

    endpoint: str
    artifact: Path
    host: str = "127.0.0.1"
    port: int = 0
    token: str = field(default="", repr=False)
    max_body_mib: int = 64
    #: Requests waiting for an answer beyond which a worker answers 429.
    max_queue: int = 256
    #: Items that are answered in one batch, at most; a larger request is a batch of its own.
    max_batch: int = 1024
    #: How long a batch waits for others to join, microseconds; 0: it takes what queued while the last one ran.
    max_delay_us: int = 0
    #: Answers that are kept for those who ask the same again, MiB; 0: none.
    cache_mib: int = 0
    warm_up: WarmUp = WarmUp.STORED
    log_format: LogFormat = LogFormat.TEXT
    #: The worker's number among those of its version.
    instance: int = 0
    #: Memory of its own that a worker may take, MiB, the mapped artifact not counted; 0: any.
    memory_mib: int = 0
    #: What a vertex that the model does not know takes in place of a learned vector.
    new_node_vectors: NewNodeVectors = NewNodeVectors.TYPE
    index: Index = Index.EXACT
    #: Where indices are kept for all workers of a version, each version in a folder; None: each makes its own.
    indices: Path | None = None


@dataclass(frozen=True)
class SharedConfig:
    """Settings of a process that endpoints share; the service writes them, no user does."""

    group: str
    host: str = "127.0.0.1"
    port: int = 0
    #: Of the service alone, which says which endpoints there are; each of these has a token of its own.
    token: str = field(default="", repr=False)
    max_body_mib: int = 64
    log_format: LogFormat = LogFormat.TEXT


AnyConfig = TypeVar("AnyConfig")
Choice = TypeVar("Choice", bound=StrEnum)


def data_root(flag: Path | None = None) -> Path:
    """Return the data root: the flag, else `NEPTUNEML_DATA_ROOT`, else `~/.local/share/neptuneml`."""
    if flag is not None:
        return flag.absolute()
    variable = os.environ.get(DATA_ROOT_VARIABLE)
    return Path(variable).absolute() if variable else Path.home() / ".local" / "share" / "neptuneml"


def text_models_folder() -> Path | None:
    """Return the folder that `NEPTUNEML_TEXT_MODELS` names."""
    variable = os.environ.get(TEXT_MODELS_VARIABLE)
    return Path(variable).absolute() if variable else None


def load_document(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file that holds one mapping.

    Raises:
        InvalidSettings: unreadable, not YAML, or not a mapping.
    """
    value = load_value(path)
    if not isinstance(value, dict):
        raise InvalidSettings(str(path), ["must hold one mapping of settings"])
    return value


def load_value(path: Path) -> Any:
    """Read a YAML or JSON file.

    Raises:
        InvalidSettings: unreadable, or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(str(path), [f"cannot be read: {error.strerror}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSettings(str(path), [f"is neither YAML nor JSON: {error}"]) from None


def structure(kind: type[AnyConfig], values: Mapping[str, Any], source: str) -> AnyConfig:
    """Return the settings that `values` describe.

    Raises:
        InvalidSettings: with every problem found.
    """
    try:
        return _CONVERTER.structure(values, kind)
    except cattrs.BaseValidationError as error:
        problems = cattrs.transform_error(error, format_exception=_explain)
        raise InvalidSettings(source, [_plain(problem) for problem in problems]) from None


def load_settings(
    kind: type[AnyConfig], file: Path | None = None, flags: Mapping[str, Any] | None = None
) -> AnyConfig:
    """Return settings from a file, overridden by the flags that are set (not None and not empty)."""
    values = load_document(file) if file else {}
    values |= {name: value for name, value in (flags or {}).items() if value is not None and value != ()}
    return structure(kind, values, str(file) if file else "settings")


def _explain(error: BaseException, kind: type | None) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        allowed = [f.name for f in dataclasses.fields(error.cl)] if dataclasses.is_dataclass(error.cl) else []
        return ", ".join(f"unknown setting '{key}'{nearest(key, allowed)}" for key in sorted(error.extra_fields))
    if isinstance(error, KeyError):
        return f"required setting {error} is missing"
    if isinstance(error, ValueError):
        return str(error)
    return format_exception(error, kind)


def _plain(problem: str) -> str:
    message, _, path = problem.rpartition(" @ $")
    return f"{path.lstrip('.')}: {message}" if path else message or problem


def _strict(kind: type, value: Any) -> Any:
    """Refuse what Python would quietly convert, such as "3" or True for an int."""
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"must be {_KIND_NAMES[kind]}, not {value!r}")
    return kind(value)


def one_of(kind: type[Choice], value: Any) -> Choice:
    """Return the member of `kind` that is spelled so.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    raise ValueError(f"must be {' or '.join(kind)}, not {value!r}{nearest(str(value), kind)}")


_KIND_NAMES: dict[type, str] = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
for _kind in _KIND_NAMES:
    _CONVERTER.register_structure_hook(_kind, lambda value, kind: _strict(kind, value))
_CONVERTER.register_structure_hook(NewNodeVectors, lambda value, kind: one_of(kind, value))
_CONVERTER.register_structure_hook(LogFormat, lambda value, kind: one_of(kind, value))
_CONVERTER.register_structure_hook(WarmUp, lambda value, kind: one_of(kind, value))
_CONVERTER.register_structure_hook(Index, lambda value, kind: one_of(kind, value))
_CONVERTER.register_structure_hook(TrialExecutor, lambda value, kind: one_of(kind, value))
_CONVERTER.register_structure_hook(Reader, lambda value, kind: one_of(kind, value))
_CONVERTER.register_structure_hook(Path, lambda value, _: Path(value))
_CONVERTER.register_structure_hook_factory(
    dataclasses.is_dataclass,
    lambda kind: make_dict_structure_fn(kind, _CONVERTER, _cattrs_forbid_extra_keys=True),
)
