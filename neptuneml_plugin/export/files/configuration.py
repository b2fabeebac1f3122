"""Training-data configurations: a job's names checked against the schema, then the writer of its version.

One thing is other than in Neptune's exporter, which drops or ignores it: a target or a feature that names what the
graph does not have is an error with the nearest name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidSettings, nearest
from neptuneml_plugin.export.elements import Element, ElementType, node_type
from neptuneml_plugin.export.files import configuration_v1, configuration_v2
from neptuneml_plugin.export.request.feature_types import FeatureRequest
from neptuneml_plugin.export.request.layout import Layout
from neptuneml_plugin.export.request.targets import LearningJob, TargetRequest, Version
from neptuneml_plugin.export.schema import TypeTable
from neptuneml_plugin.problems import Problems
from neptuneml_plugin.trainingdata.similar import check_similar, read_similar

_SOURCE = "export request"
_WRITERS = {Version.V1: configuration_v1.document, Version.V2: configuration_v2.document}


def write_configuration(tables: Sequence[TypeTable], job: LearningJob, layout: Layout) -> dict[str, Any]:
    """Return the configuration of one job.

    Raises:
        InvalidSettings: targets and features that name what the export does not hold, all of them.
    """
    job = _with_ends(job, [table.type for table in tables if isinstance(table.type, EdgeType)])
    _check_names({table.type: table for table in tables}, job)
    return _WRITERS[job.version](tables, job, layout)


def check_labels(jobs: Iterable[LearningJob], labels: Mapping[Element, Iterable[str]]) -> None:
    """Check that targets and features name exported labels, which can be done before any element is read.

    Raises:
        InvalidSettings: all those that do not.
    """
    known = {element: {node_type(label) for label in names} for element, names in labels.items()}
    problems: list[str] = []
    for item in (item for job in jobs for item in _asked(job)):
        is_edge = isinstance(item.element, EdgeType)
        label = item.element.label if isinstance(item.element, EdgeType) else item.element
        names = known[Element.EDGE if is_edge else Element.NODE]
        if label not in names:
            what = "edge" if is_edge else "node"
            problems.append(f"{item.path}: the export has no {what} label '{label}'{nearest(label, names)}")
    if problems:
        raise InvalidSettings(_SOURCE, problems)


def _with_ends(job: LearningJob, edges: Sequence[EdgeType]) -> LearningJob:
    """Return a job whose targets name both ends, where edges of their label have one type that fits.

    Raises:
        InvalidSettings: they have several, all those named.
    """
    targets, problems = [], []
    for target in job.targets:
        fitting = [edge for edge in edges if _fits(target.element, edge)]
        if len(fitting) == 1:
            targets.append(replace(target, element=fitting[0]))
            continue
        targets.append(target)
        if fitting:
            types = ", ".join(map(str, fitting))
            problems.append(f"{target.path}.edge: there are several types: {types}; name both ends")
    if problems:
        raise InvalidSettings(_SOURCE, problems)
    return replace(job, targets=tuple(targets))


def _fits(asked: ElementType, edge: EdgeType) -> bool:
    """Return whether a target that leaves an end open may mean an edge type."""
    return (
        isinstance(asked, EdgeType)
        and not (asked.source and asked.target)
        and asked.label == edge.label
        and asked.source in ("", edge.source)
        and asked.target in ("", edge.target)
    )


def _check_names(tables: Mapping[ElementType, TypeTable], job: LearningJob) -> None:
    problems: list[str] = []
    for item in _asked(job):
        table = tables.get(item.element)
        if table is None:
            problems.append(f"{item.path}: {_unknown_type(item.element, tables)}")
        elif isinstance(item, TargetRequest) and item.property_name and item.property_name not in table.columns:
            hint = nearest(item.property_name, table.columns)
            problems.append(f"{item.path}.property: {table.name} has no property '{item.property_name}'{hint}")
        else:
            problems += _unknown_moment(item, table)
    problems += _unknown_similar(tables, job)
    if problems:
        raise InvalidSettings(_SOURCE, problems)


def _unknown_moment(item: TargetRequest | FeatureRequest, table: TypeTable) -> list[str]:
    """Say that no element has the property that a split by time asks for."""
    name = (item.split or {}).get("property") if isinstance(item, TargetRequest) else None
    if name is None or name in table.columns:
        return []
    return [f"{item.path}.split.property: {table.name} has no property '{name}'{nearest(name, table.columns)}"]


def _unknown_similar(tables: Mapping[ElementType, TypeTable], job: LearningJob) -> list[str]:
    """Say which edges to build name a label or a feature that is not there, or a type that is."""
    found = Problems()
    specs = [read_similar(entry, "", found) for entry in job.similar]
    taken = {(target.element, target.property_name) for target in job.targets}
    features = {
        kind: [name for name in table.columns if (kind, name) not in taken]
        for kind, table in tables.items()
        if isinstance(kind, str)
    }
    check_similar(specs, features, [kind for kind in tables if isinstance(kind, EdgeType)], found)
    return found.problems


def _asked(job: LearningJob) -> list[TargetRequest | FeatureRequest]:
    return [*job.targets, *job.features]


def _unknown_type(kind: ElementType, tables: Iterable[ElementType]) -> str:
    is_edge = isinstance(kind, EdgeType)
    names = [str(known) for known in tables if isinstance(known, EdgeType) == is_edge]
    what = "edge type" if is_edge else "node label"
    name = str(kind)
    return f"the export has no {what} '{name}'{nearest(name, names)}"
