"""`additionalParams.neptune_ml`: what is to be learned, read strictly and completely.

One object, an array of objects, or (v2) an object with `jobs`; each becomes one training-data configuration of its
own `version`. Other than in Neptune's exporter, unknown members are errors, `split_rate` may hold integers and be
off by 1e-6 (decision 7), and all problems are reported at once, each with its path. `split` of a target and
`similar` are additions, written as they are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from neptuneml_plugin.artifacts import EdgeType, Task, join_labels
from neptuneml_plugin.errors import one_of
from neptuneml_plugin.export.elements import ElementType, node_type
from neptuneml_plugin.export.request.feature_types import (
    V1_FEATURES,
    V2_FEATURES,
    FeatureRequest,
    FeatureRules,
    is_number,
    read_feature,
)
from neptuneml_plugin.problems import Problems, is_text
from neptuneml_plugin.trainingdata.similar import read_similar
from neptuneml_plugin.trainingdata.splits import (
    CLASSIFICATION,
    LINK_PREDICTION,
    REGRESSION,
    Splitting,
    read_split,
)

SPLIT_TOLERANCE = 1e-6
_NODE_TYPES = (CLASSIFICATION, REGRESSION)
_EDGE_TYPES = (*_NODE_TYPES, LINK_PREDICTION)
JOB_MEMBERS = (
    "version", "name", "targets", "features", "split_rate", "feature_encoding", "disableEdgeFeatures", "similar",
)  # fmt: skip
TARGET_MEMBERS = ("node", "edge", "property", "type", "separator", "split_rate", "split")
_RDF_MEMBERS = ("subject", "predicate", "object")
#: Members of a job and of a target that v1 does not have.
_V2_ONLY = frozenset({"feature_encoding", "disableEdgeFeatures", "similar", "separator", "split"})
#: Other files of an export folder.
_RESERVED_NAMES = frozenset({"config", "stats"})
#: Room for `.json` and for the name of a file that is being written.
_MAX_NAME_BYTES = 200

Split = tuple[float, float, float]


class Version(StrEnum):
    """The versions of the configuration: `v1.` and anything else of Neptune's."""

    V1 = "v1.0"
    V2 = "v2.0"

    @property
    def default_name(self) -> str:
        """The first configuration's file, without `.json`."""
        return "training-job-configuration" if self is Version.V1 else "training-data-configuration"

    @property
    def default_split(self) -> Split:
        """Shares of training, validation and test where none are given."""
        return (0.7, 0.1, 0.2) if self is Version.V1 else (0.9, 0.1, 0.0)

    @property
    def features(self) -> FeatureRules:
        """What `features` may hold."""
        return V1_FEATURES if self is Version.V1 else V2_FEATURES


@dataclass(frozen=True)
class TargetRequest:
    """One property, or one edge type, to be predicted."""

    path: str
    element: ElementType
    type: str
    #: Empty for link prediction.
    property_name: str = ""
    separator: str | None = None
    split_rate: Split | None = None
    #: As it is written; None: processing's own.
    split: Mapping[str, Any] | None = None

    @property
    def task(self) -> Task:
        """The task that the target asks for."""
        if self.type == LINK_PREDICTION:
            return Task.LINK_PREDICTION
        is_edge, is_class = isinstance(self.element, EdgeType), self.type == "classification"
        if is_edge:
            return Task.EDGE_CLASS if is_class else Task.EDGE_REGRESSION
        return Task.NODE_CLASS if is_class else Task.NODE_REGRESSION


@dataclass(frozen=True)
class LearningJob:
    """One training-data configuration to write."""

    name: str = Version.V2.default_name
    targets: tuple[TargetRequest, ...] = ()
    features: tuple[FeatureRequest, ...] = ()
    split_rate: Split = Version.V2.default_split
    version: Version = Version.V2
    #: False: every property that is no target is written with type `none`.
    encode: bool = True
    edge_features: bool = True
    #: Edges to build, as they are written.
    similar: tuple[Mapping[str, Any], ...] = ()


def read_jobs(value: Any, path: str, problems: Problems) -> tuple[LearningJob, ...]:
    """Read `neptune_ml` in any of its three forms."""
    if isinstance(value, Mapping) and "jobs" in value:
        value, path = _own_jobs(value, path, problems), f"{path}.jobs"
    located = [(path, value)]
    if isinstance(value, list):
        located = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    jobs: list[LearningJob] = []
    for number, (place, item) in enumerate(located, start=1):
        if isinstance(item, Mapping):
            jobs.append(_read_job(item, number, place, problems))
        else:
            problems.invalid(place, f"must be an object, not {item!r}")
    if not located:
        problems.invalid(path, "names no job")
    _check_names(jobs, path, problems)
    return tuple(jobs)


def _own_jobs(value: Mapping[str, Any], path: str, problems: Problems) -> list[Any]:
    """Return the members of `jobs`, each with what stands beside them and is for all."""
    for key in ("name", "targets", "features"):
        if key in value:
            problems.invalid(f"{path}.{key}", "stands beside 'jobs'; move it into the jobs")
    if _is_v1(value.get("version")):
        problems.invalid(f"{path}.jobs", "is not known to v1; give an array of configurations")
    shared = {key: member for key, member in value.items() if key not in {"jobs", "name", "targets", "features"}}
    return [({**shared, **job} if isinstance(job, Mapping) else job) for job in _array(value["jobs"])]


def read_selector(
    value: Mapping[str, Any], path: str, problems: Problems, *, open_ends: bool = False
) -> ElementType | None:
    """Read the member `node` (text or array) or `edge` (array of three, each end text or array).

    Args:
        value: what holds the member.
        path: where it stands.
        problems: takes what is wrong.
        open_ends: whether an end may be null, for the only one there is; it becomes an empty label.
    """
    if ("node" in value) == ("edge" in value):
        problems.invalid(path, "must have exactly one of 'node' and 'edge'")
        return None
    if "node" in value:
        label = _labels(value["node"])
        if label is None:
            problems.invalid(f"{path}.node", f"must be a label or an array of labels, not {value['node']!r}")
        return label
    edge = value["edge"]
    parts = [_labels(part) for part in edge] if isinstance(edge, list) else []
    if open_ends and len(parts) == 3:
        parts = [part if given is not None else "" for part, given in zip(parts, edge, strict=True)]
    if len(parts) != 3 or None in parts or not is_text(edge[1]):
        problems.invalid(f"{path}.edge", f"must be [from label, edge label, to label], not {edge!r}")
        return None
    return EdgeType(parts[0] or "", edge[1], parts[2] or "")


def _read_job(value: Mapping[str, Any], number: int, path: str, problems: Problems) -> LearningJob:
    version = _read_version(value.get("version"), path, problems)
    problems.check_members(value, _known(JOB_MEMBERS, version), path)
    encoding = value.get("feature_encoding", "auto")
    if encoding not in ("auto", "none"):
        problems.invalid(f"{path}.feature_encoding", f"must be 'auto' or 'none', not {encoding!r}")
    disabled = value.get("disableEdgeFeatures", False)
    if not isinstance(disabled, bool):
        problems.invalid(f"{path}.disableEdgeFeatures", f"must be true or false, not {disabled!r}")
    targets = [
        _read_target(item, place, problems, version) for place, item in _objects(value, "targets", path, problems)
    ]
    features = [
        feature
        for place, item in _objects(value, "features", path, problems)
        for feature in read_feature(item, read_selector(item, place, problems), place, problems, version.features)
    ]
    job = LearningJob(
        name=_read_name(value.get("name"), number, version, path, problems),
        targets=tuple(target for target in targets if target is not None),
        features=tuple(features),
        split_rate=_read_split(value, path, problems) or version.default_split,
        version=version,
        encode=encoding != "none",
        edge_features=not disabled,
        similar=tuple(_read_similar(value, path, problems)),
    )
    _check_targets(job, problems)
    return job


def _read_target(
    value: Mapping[str, Any], path: str, problems: Problems, version: Version
) -> TargetRequest | None:
    if any(member in value for member in _RDF_MEMBERS):
        problems.refuse(path, "is a target of an RDF graph; only property graphs are exported")
        return None
    problems.check_members(value, _known(TARGET_MEMBERS, version), path)
    element = read_selector(value, path, problems, open_ends=version is Version.V2)
    kind = _read_task(value, path, problems, version)
    if kind is None:
        return None
    name = value.get("property") or ""
    if kind == LINK_PREDICTION and name:
        problems.invalid(f"{path}.property", "link prediction has no property; leave it out")
    elif kind != LINK_PREDICTION and not is_text(name):
        problems.invalid(f"{path}.property", "must name the property to predict")
    separator = value.get("separator")
    if separator is not None and not is_text(separator):
        problems.invalid(f"{path}.separator", f"must be a text, not {separator!r}")
    elif separator is not None and kind != "classification":
        problems.invalid(f"{path}.separator", "belongs to classification only")
    rates = _read_split(value, path, problems)
    splitting = Splitting(kind, name if isinstance(name, str) else "", on_nodes="node" in value)
    read_split(value.get("split"), splitting, f"{path}.split", problems)
    if element is None:
        return None
    return TargetRequest(path, element, kind, name, separator, rates, value.get("split"))


def _read_task(value: Mapping[str, Any], path: str, problems: Problems, version: Version) -> str | None:
    allowed = _EDGE_TYPES if "edge" in value and version is Version.V2 else _NODE_TYPES
    kind = value.get("type")
    if kind is None and version is Version.V1:
        return "classification"
    if isinstance(kind, str) and kind in allowed:
        return kind
    said = "is missing; " if kind is None else f"{kind!r} is unknown; "
    problems.invalid(f"{path}.type", said + one_of(str(kind or ""), allowed))
    return None


def _check_targets(job: LearningJob, problems: Problems) -> None:
    """Note what is targeted twice: v1 has one target per label, v2 one per property."""
    seen: set[tuple[ElementType, str]] = set()
    for target in job.targets:
        key = (target.element, "" if job.version is Version.V1 else target.property_name)
        if key in seen:
            what = "label" if job.version is Version.V1 else "property"
            problems.invalid(target.path, f"is the second target of one {what}; give it its own configuration")
        seen.add(key)


def _read_split(value: Mapping[str, Any], path: str, problems: Problems) -> Split | None:
    rates = value.get("split_rate")
    if rates is None:
        return None
    numbers = [rate for rate in _array(rates) if is_number(rate)]
    if not isinstance(rates, list) or len(rates) != 3 or len(numbers) != 3:
        problems.invalid(f"{path}.split_rate", f"must be three numbers [train, valid, test], not {rates!r}")
        return None
    if any(not 0 <= rate <= 1 for rate in numbers) or abs(sum(numbers) - 1) > SPLIT_TOLERANCE:
        problems.invalid(f"{path}.split_rate", f"must be three shares that add up to 1, not {rates!r}")
        return None
    return (float(numbers[0]), float(numbers[1]), float(numbers[2]))


def _read_similar(value: Mapping[str, Any], path: str, problems: Problems) -> Iterator[Mapping[str, Any]]:
    for place, item in _objects(value, "similar", path, problems):
        read_similar(item, place, problems)
        yield item


def _is_v1(version: Any) -> bool:
    return isinstance(version, str) and version.startswith("v1.")


def _read_version(version: Any, path: str, problems: Problems) -> Version:
    if version is not None and not isinstance(version, str):
        problems.invalid(f"{path}.version", f"must be a text such as 'v2.0', not {version!r}")
    return Version.V1 if _is_v1(version) else Version.V2


def _known(members: Iterable[str], version: Version) -> list[str]:
    return [name for name in members if version is Version.V2 or name not in _V2_ONLY]


def _read_name(given: Any, number: int, version: Version, path: str, problems: Problems) -> str:
    default = version.default_name if number == 1 else f"{version.default_name}-{number}"
    name = default if given is None else given
    if not is_text(name) or name.startswith(".") or not _is_file_name(name):
        problems.invalid(f"{path}.name", f"{name!r} cannot be the name of a configuration file")
        return default
    return name


def _is_file_name(name: str) -> bool:
    plain = name.isprintable() and not set(name) & set("/\\")
    return plain and name not in _RESERVED_NAMES and len(name.encode()) <= _MAX_NAME_BYTES


def _check_names(jobs: Iterable[LearningJob], path: str, problems: Problems) -> None:
    seen: set[str] = set()
    for job in jobs:
        if job.name in seen:
            problems.invalid(path, f"two jobs have the name '{job.name}'")
        seen.add(job.name)


def _objects(
    value: Mapping[str, Any], member: str, path: str, problems: Problems
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the objects of a member that may hold one or an array of them, each with its path."""
    raw = value.get(member)
    if raw is None:
        return []
    single = not isinstance(raw, list)
    found: list[tuple[str, Mapping[str, Any]]] = []
    for index, item in enumerate([raw] if single else raw):
        place = f"{path}.{member}" if single else f"{path}.{member}[{index}]"
        if isinstance(item, Mapping):
            found.append((place, item))
        else:
            problems.invalid(place, f"must be an object, not {item!r}")
    return found


def _labels(value: Any) -> str | None:
    if is_text(value):
        return node_type(value)
    if isinstance(value, list) and value and all(map(is_text, value)):
        return join_labels(value)
    return None


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
