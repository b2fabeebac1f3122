"""`additionalParams.neptune_ml`: what is to be learned, read strictly and completely.

One object, an array of objects, or an object with `jobs`; each becomes one training-data configuration. Other
than in Neptune's exporter, unknown members are errors, `split_rate` may hold integers and be off by 1e-6
(decision 7), and all problems are reported at once, each with its path.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.artifacts import EdgeType, Task, join_labels
from neptuneml_plugin.export.elements import ElementType, node_type
from neptuneml_plugin.export.feature_types import FeatureRequest, read_feature
from neptuneml_plugin.export.problems import Problems

DEFAULT_NAME = "training-data-configuration"
DEFAULT_SPLIT = (0.9, 0.1, 0.0)
SPLIT_TOLERANCE = 1e-6
LINK_PREDICTION = "link_prediction"
_NODE_TYPES = ("classification", "regression")
_EDGE_TYPES = (*_NODE_TYPES, LINK_PREDICTION)
_JOB_MEMBERS = ("version", "name", "targets", "features", "split_rate", "feature_encoding", "disableEdgeFeatures")
_TARGET_MEMBERS = ("node", "edge", "property", "type", "separator", "split_rate")
#: Other files of an export folder.
_RESERVED_NAMES = frozenset({"config", "stats"})

Split = tuple[float, float, float]


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

    name: str = DEFAULT_NAME
    targets: tuple[TargetRequest, ...] = ()
    features: tuple[FeatureRequest, ...] = ()
    split_rate: Split = DEFAULT_SPLIT
    #: False: every property that is no target is written with type `none`.
    encode: bool = True
    edge_features: bool = True


def read_jobs(value: Any, path: str, problems: Problems) -> tuple[LearningJob, ...]:
    """Read `neptune_ml` in any of its three forms."""
    if isinstance(value, Mapping) and "jobs" in value:
        own = [key for key in ("name", "targets", "features") if key in value]
        for key in own:
            problems.invalid(f"{path}.{key}", "stands beside 'jobs'; move it into the jobs")
        shared = {key: member for key, member in value.items() if key not in {"jobs", *own}}
        raw: Any = [({**shared, **job} if isinstance(job, Mapping) else job) for job in _array(value["jobs"])]
        path = f"{path}.jobs"
    else:
        raw = value
    items = list(enumerate(raw)) if isinstance(raw, list) else None
    located = [(f"{path}[{index}]", item) for index, item in items] if items is not None else [(path, raw)]
    jobs: list[LearningJob] = []
    for number, (place, item) in enumerate(located, start=1):
        default = DEFAULT_NAME if number == 1 else f"{DEFAULT_NAME}-{number}"
        if isinstance(item, Mapping):
            jobs.append(_read_job(item, default, place, problems))
        else:
            problems.invalid(place, f"must be an object, not {item!r}")
    if not jobs:
        problems.invalid(path, "names no job")
    _check_names(jobs, path, problems)
    return tuple(jobs)


def read_selector(value: Mapping[str, Any], path: str, problems: Problems) -> ElementType | None:
    """Read the member `node` (text or array) or `edge` (array of three, each end text or array)."""
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
    if len(parts) != 3 or None in parts or not isinstance(edge[1], str):
        problems.invalid(f"{path}.edge", f"must be [from label, edge label, to label], not {edge!r}")
        return None
    return EdgeType(parts[0] or "", edge[1], parts[2] or "")


def _read_job(value: Mapping[str, Any], default_name: str, path: str, problems: Problems) -> LearningJob:
    problems.check_members(value, _JOB_MEMBERS, path)
    _check_version(value.get("version"), path, problems)
    encoding = value.get("feature_encoding", "auto")
    if encoding not in ("auto", "none"):
        problems.invalid(f"{path}.feature_encoding", f"must be 'auto' or 'none', not {encoding!r}")
    disabled = value.get("disableEdgeFeatures", False)
    if not isinstance(disabled, bool):
        problems.invalid(f"{path}.disableEdgeFeatures", f"must be true or false, not {disabled!r}")
    targets = [_read_target(item, place, problems) for place, item in _objects(value, "targets", path, problems)]
    features = [
        feature
        for place, item in _objects(value, "features", path, problems)
        for feature in read_feature(item, read_selector(item, place, problems), place, problems)
    ]
    return LearningJob(
        name=_read_name(value.get("name", default_name), path, problems),
        targets=tuple(target for target in targets if target is not None),
        features=tuple(features),
        split_rate=_read_split(value, path, problems) or DEFAULT_SPLIT,
        encode=encoding != "none",
        edge_features=not disabled,
    )


def _read_target(value: Mapping[str, Any], path: str, problems: Problems) -> TargetRequest | None:
    problems.check_members(value, _TARGET_MEMBERS, path)
    element = read_selector(value, path, problems)
    allowed = _EDGE_TYPES if "edge" in value else _NODE_TYPES
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in allowed:
        said = "is missing; " if kind is None else f"{kind!r} is unknown; "
        problems.invalid(f"{path}.type", f"{said}allowed: {', '.join(allowed)}")
        return None
    name = value.get("property") or ""
    if kind == LINK_PREDICTION and name:
        problems.invalid(f"{path}.property", "link prediction has no property; leave it out")
    elif kind != LINK_PREDICTION and not (isinstance(name, str) and name):
        problems.invalid(f"{path}.property", "must name the property to predict")
    separator = value.get("separator")
    if separator is not None and not (isinstance(separator, str) and separator):
        problems.invalid(f"{path}.separator", f"must be a text, not {separator!r}")
    elif separator is not None and kind != "classification":
        problems.invalid(f"{path}.separator", "belongs to classification only")
    split = _read_split(value, path, problems)
    return None if element is None else TargetRequest(path, element, kind, name, separator, split)


def _read_split(value: Mapping[str, Any], path: str, problems: Problems) -> Split | None:
    rates = value.get("split_rate")
    if rates is None:
        return None
    numbers = [rate for rate in _array(rates) if isinstance(rate, int | float) and not isinstance(rate, bool)]
    if not isinstance(rates, list) or len(rates) != 3 or len(numbers) != 3:
        problems.invalid(f"{path}.split_rate", f"must be three numbers [train, valid, test], not {rates!r}")
        return None
    if any(not 0 <= rate <= 1 for rate in numbers) or abs(sum(numbers) - 1) > SPLIT_TOLERANCE:
        problems.invalid(f"{path}.split_rate", f"must be three shares that add up to 1, not {rates!r}")
        return None
    return (float(numbers[0]), float(numbers[1]), float(numbers[2]))


def _check_version(version: Any, path: str, problems: Problems) -> None:
    if isinstance(version, str) and version.startswith("v1."):
        problems.unsupported(f"{path}.version", f"'{version}': only v2.0 is written")
    elif version is not None and not isinstance(version, str):
        problems.invalid(f"{path}.version", f"must be a text such as 'v2.0', not {version!r}")


def _read_name(name: Any, path: str, problems: Problems) -> str:
    if not isinstance(name, str) or not name or "/" in name or name.startswith(".") or name in _RESERVED_NAMES:
        problems.invalid(f"{path}.name", f"{name!r} cannot be the name of a configuration file")
        return DEFAULT_NAME
    return name


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
    if isinstance(value, str) and value:
        return node_type(value)
    if isinstance(value, list) and value and all(isinstance(part, str) and part for part in value):
        return join_labels(value)
    return None


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
