"""`training-data-configuration.json`, version 2: which columns are features, which are labels.

The schema and a job go in, the document comes out; nothing is read or written here. Two things are better than in
Neptune's exporter, which drops or ignores them: a target or a feature that names what the graph does not have is
an error with the nearest name, and a target property is never a feature.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidSettings, nearest
from neptuneml_plugin.export.elements import Element, ElementType, node_type, qualified_name
from neptuneml_plugin.export.feature_types import LANGUAGES, OVERRIDES, FeatureRequest
from neptuneml_plugin.export.schema import PropertyColumn, TypeTable
from neptuneml_plugin.export.targets import LearningJob, TargetRequest
from neptuneml_plugin.export.values import DATE, NUMBERS
from neptuneml_plugin.export.writer import SEPARATOR, file_name

VERSION = "v2.0"
_SOURCE = "export request"
_INFERRED_PARTS = ("year", "month", "weekday", "hour")
#: Several entries for one column are written in this order.
_COLUMN_TYPES = (
    "none", "text_tfidf", "datetime", "text_word2vec", "text_fasttext",
    "text_sbert", "text_sbert128", "text_sbert512", "bucket_numerical",
)  # fmt: skip
_SINGLE_VALUED_ONLY = frozenset(_COLUMN_TYPES) - {"none"}

Feature = dict[str, Any]


def write_configuration(tables: Sequence[TypeTable], job: LearningJob) -> dict[str, Any]:
    """Return the configuration of one job.

    Raises:
        InvalidSettings: targets and features that name what the export does not hold, all of them.
    """
    _check_names({table.type: table for table in tables}, job)
    warnings: list[str] = []
    graph: dict[str, list[dict[str, Any]]] = {"nodes": [], "edges": []}
    for table in tables:
        graph[table.element].append(_entry(table, job, warnings))
    return {"version": VERSION, "query_engine": "gremlin", "graph": graph, "warnings": warnings}


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


def _check_names(tables: Mapping[ElementType, TypeTable], job: LearningJob) -> None:
    problems: list[str] = []
    for item in _asked(job):
        table = tables.get(item.element)
        if table is None:
            problems.append(f"{item.path}: {_unknown_type(item.element, tables)}")
        elif isinstance(item, TargetRequest) and item.property_name and item.property_name not in table.columns:
            hint = nearest(item.property_name, table.columns)
            problems.append(f"{item.path}.property: {table.name} has no property '{item.property_name}'{hint}")
    if problems:
        raise InvalidSettings(_SOURCE, problems)


def _asked(job: LearningJob) -> list[TargetRequest | FeatureRequest]:
    return [*job.targets, *job.features]


def _unknown_type(kind: ElementType, tables: Iterable[ElementType]) -> str:
    is_edge = isinstance(kind, EdgeType)
    names = [qualified_name(known) for known in tables if isinstance(known, EdgeType) == is_edge]
    what = "edge type" if is_edge else "node label"
    name = qualified_name(kind)
    return f"the export has no {what} '{name}'{nearest(name, names)}"


def _entry(table: TypeTable, job: LearningJob, warnings: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"file_name": file_name(table), "separator": ","}
    if isinstance(table.type, EdgeType):
        entry["source"] = ["~from", table.type.source]
        entry["relation"] = ["", table.type.label]
        entry["dest"] = ["~to", table.type.target]
    else:
        entry["node"] = ["~id", table.type]
    targets = [target for target in job.targets if target.element == table.type]
    if job.edge_features or not isinstance(table.type, EdgeType):
        entry["features"] = _features(table, job, {target.property_name for target in targets}, warnings)
    if targets:
        entry["labels"] = [_label(table, target, job) for target in targets]
    return entry


def _label(table: TypeTable, target: TargetRequest, job: LearningJob) -> dict[str, Any]:
    label: dict[str, Any] = {
        "label": [target.property_name, target.type],
        "split_rate": list(target.split_rate or job.split_rate),
    }
    multi_valued = bool(target.property_name) and table.columns[target.property_name].is_multi_value
    separator = target.separator or (SEPARATOR if multi_valued else None)
    return {**label, "separator": separator} if separator else label


def _features(table: TypeTable, job: LearningJob, targets: set[str], warnings: list[str]) -> list[Feature]:
    asked = [feature for feature in job.features if feature.element == table.type]
    columns = [column for column in table.columns.values() if column.name not in targets]
    if not job.encode:
        void = "without effect, as feature_encoding is 'none'"
        warnings += [f"{_place(table, feature)}: {void}" for feature in asked]
        return [_feature(column.name, "none") for column in columns]
    usable = [feature for feature in asked if _is_usable(table, feature, targets, warnings)]
    written: list[Feature] = []
    for column in columns:
        own = [feature for feature in usable if feature.property_name == column.name]
        written += _column_features(table, column, own, warnings)
    overrides = [feature for feature in usable if feature.type in OVERRIDES and not _is_void(table, feature)]
    return written + [_override(table.columns[feature.property_name], feature) for feature in overrides]


def _is_usable(table: TypeTable, feature: FeatureRequest, targets: set[str], warnings: list[str]) -> bool:
    name = feature.property_name
    if name in targets:
        warnings.append(f"{_place(table, feature)}: is the target, and so no feature")
    elif name not in table.columns:
        warnings.append(f"{_place(table, feature)}: no element has it{nearest(name, table.columns)}")
    else:
        return True
    return False


def _is_void(table: TypeTable, feature: FeatureRequest) -> bool:
    """Whether the entry has no effect, as `auto` on edges in Neptune's exporter."""
    return feature.type == "auto" and isinstance(table.type, EdgeType)


def _column_features(
    table: TypeTable, column: PropertyColumn, asked: Sequence[FeatureRequest], warnings: list[str]
) -> list[Feature]:
    overridden = [feature for feature in asked if feature.type in OVERRIDES]
    if overridden and not all(_is_void(table, feature) for feature in overridden):
        return []
    void = "auto has no effect on edges; inferred from the data type"
    warnings += [f"{_place(table, feature)}: {void}" for feature in overridden]
    explicit = [feature for feature in asked if feature.type not in OVERRIDES]
    if not explicit:
        return _inferred(table, column, warnings)
    ordered = sorted(explicit, key=lambda feature: _COLUMN_TYPES.index(feature.type))
    written: list[Feature] = []
    for feature in ordered:
        if column.is_multi_value and feature.type in _SINGLE_VALUED_ONLY:
            warnings.append(f"{_place(table, feature)}: {feature.type} takes single values only; inferred instead")
            fallback = _inferred(table, column, [])
            written += [item for item in fallback if item not in written]
        else:
            _warn_of_parameters(table, feature, warnings)
            written.append(_feature(column.name, feature.type, **feature.parameters))
    return written


def _warn_of_parameters(table: TypeTable, feature: FeatureRequest, warnings: list[str]) -> None:
    place = _place(table, feature)
    if feature.type == "bucket_numerical" and "imputer" not in feature.parameters:
        warnings.append(f"{place}: no imputer; a missing value will stop the data processing")
    supported = LANGUAGES.get(feature.type, ())
    given = feature.parameters.get("language", [])
    languages = [given] if isinstance(given, str) else given
    unknown = [language for language in languages if language not in supported]
    warnings += [f"{place}: {feature.type} does not know the language '{language}'" for language in unknown]


def _inferred(table: TypeTable, column: PropertyColumn, warnings: list[str]) -> list[Feature]:
    """Return what the data type alone suggests; nothing where no value was seen."""
    kind, name = column.data_type, column.name
    if kind is None:
        return []
    separator = {"separator": SEPARATOR} if column.is_multi_value else {}
    if kind in NUMBERS and column.is_multi_value:
        return [_feature(name, "auto", **separator, imputer="median")]
    if kind in NUMBERS:
        return [_feature(name, "numerical", norm="min-max", imputer="median")]
    if kind == DATE and column.is_multi_value:
        warnings.append(f"{table.name}.{name}: several dates per element are no datetime feature; left to auto")
    elif kind == DATE:
        return [_feature(name, "datetime", datetime_parts=list(_INFERRED_PARTS))]
    return [_feature(name, "auto", **separator)]


def _override(column: PropertyColumn, feature: FeatureRequest) -> Feature:
    parameters = dict(feature.parameters)
    if column.is_multi_value and "separator" not in parameters:
        parameters = {"separator": SEPARATOR, **parameters}
    return _feature(column.name, feature.type, **parameters)


def _feature(name: str, kind: str, **parameters: Any) -> Feature:
    return {"feature": [name, name, kind], **parameters}


def _place(table: TypeTable, feature: FeatureRequest) -> str:
    return f"{table.name}.{feature.property_name}"
