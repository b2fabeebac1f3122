"""The request document of neptune-export: everything in it has an effect, is recorded, or is refused.

camelCase lives here. Members are those of AWS's guide ("Export parameters") and of neptune-export's command line.
What only steers a cluster or a bucket is accepted and recorded in `stats.json`; what a later release brings is
refused by name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EdgeType, join_labels
from neptuneml_plugin.config import ExportConfig, load_document
from neptuneml_plugin.errors import nearest
from neptuneml_plugin.export.elements import ElementType, node_type
from neptuneml_plugin.export.problems import Problems
from neptuneml_plugin.export.selection import Selected, Selection, Selections
from neptuneml_plugin.export.targets import LearningJob, read_jobs

_SOURCE = "export request"
_COMMANDS = ("export-pg", "export-pg-from-config")
_LATER_COMMANDS = ("export-pg-from-queries", "create-pg-config", "export-rdf", "add-clone", "remove-clone")
_PROFILE = "neptune_ml"
_SCOPES = ("all", "nodes", "edges")
_LATER_FORMATS = ("csvNoHeaders", "json", "neptuneStreamsJson", "neptuneStreamsSimpleJson", "parquet")


def _names(text: str) -> list[str]:
    return text.split()


#: Top-level members that have no effect on a local export.
_RECORDED = frozenset(
    _names(
        """outputS3Path jobSize jobsize expectedBucketOwner createExportSubdirectory overwriteExisting
        uploadToS3OnError s3Region sseKmsKeyId s3RoleArn s3RoleExternalId s3RoleSessionName"""
    )
)
_LATER = frozenset(_names("completionFileS3Path completionFilePayload configFileS3Path queriesFileS3Path"))
_MEMBERS = {"command", "params", "additionalParams", *_RECORDED, *_LATER}

#: Parameters that steer a cluster or a connection, or that the ML profile overrides.
_RECORDED_PARAMS = frozenset(
    _names(
        """cloneCluster cloneClusterInstanceType cloneClusterReplicaCount cloneClusterEnableAuditLogs
        cloneClusterCorrelationId clusterId endpoint endpoints port useIamAuth useSsl disableSsl nlbEndpoint
        albEndpoint lbPort serializer maxContentLength batchSize logLevel region exportId mergeFiles
        edgeLabelStrategy excludeTypeDefinitions includeTypeDefinitions concurrency"""
    )
)
#: Parameter -> the values that mean "not used".
_UNUSED_ONLY: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        _names(
            """gremlinFilter gremlinNodeFilter gremlinEdgeFilter range limit skip sampleSize approxNodeCount
            approxEdgeCount rdfExportScope sparql namedGraph queries queriesFile tokenPrefix partitionDirectories
            tag output"""
        ),
        (None, ""),
    ),
    **dict.fromkeys(
        _names(
            """filterEdgesEarly sample includeLastEventId escapeCsvHeaders escapeNewline perLabelDirectories
            strictCardinality structuredOutput janus"""
        ),
        (None, False),
    ),
    "tokensOnly": (None, "off"),
    "multiValueSeparator": (None, ";"),
}
_SYNONYMS = {
    "nodeLabel": "nodeLabels",
    "edgeLabel": "edgeLabels",
    "config": "filter",
    "configFile": "filterConfigFile",
}
_READ_PARAMS = {"profile", "scope", "format", "nodeLabels", "edgeLabels", "filter", "filterConfigFile"}
_PARAMS = {*_READ_PARAMS, *_SYNONYMS, *_RECORDED_PARAMS, *_UNUSED_ONLY}


@dataclass(frozen=True)
class ExportRequest:
    """What to export and which configurations to write."""

    selections: Selections = field(default_factory=Selections)
    jobs: tuple[LearningJob, ...] = (LearningJob(),)
    #: Members that were accepted though they change nothing here, by path.
    recorded: Mapping[str, Any] = field(default_factory=dict)


def read_request(config: ExportConfig) -> ExportRequest:
    """Read the request of the settings; their label flags win over it.

    Raises:
        InvalidSettings: with every problem, each with its path.
        UnsupportedOperation: valid, but not offered by this release.
    """
    problems = Problems(_SOURCE)
    request = config.request
    problems.check_members(request, _MEMBERS, "")
    _check_command(request.get("command"), problems)
    for name in sorted(_LATER & request.keys()):
        problems.unsupported(name)
    params = _object(request, "params", problems)
    additional = _object(request, "additionalParams", problems)
    problems.check_members(additional, {_PROFILE}, "additionalParams")
    selections = _read_params(params, problems)
    jobs: tuple[LearningJob, ...] = (LearningJob(),)
    if additional.get(_PROFILE) is not None:
        jobs = read_jobs(additional[_PROFILE], f"additionalParams.{_PROFILE}", problems)
    problems.raise_if_any()
    recorded = {name: request[name] for name in request if name in _RECORDED}
    recorded |= {f"params.{name}": params[name] for name in params if name in _RECORDED_PARAMS}
    return ExportRequest(_with_flags(selections, config), jobs, recorded)


def _with_flags(selections: Selections, config: ExportConfig) -> Selections:
    nodes, edges = selections.nodes, selections.edges
    if config.node_labels:
        nodes = (nodes or Selection()).only(config.node_labels)
    if config.edge_labels:
        edges = (edges or Selection()).only(config.edge_labels)
    return Selections(nodes, edges)


def _check_command(command: Any, problems: Problems) -> None:
    if command is None or command in _COMMANDS:
        return
    if command in _LATER_COMMANDS or (isinstance(command, str) and " " in command.strip()):
        problems.unsupported("command", f"'{command}' is not offered; use export-pg and params")
    else:
        problems.invalid("command", f"{command!r} is unknown{nearest(str(command), _COMMANDS)}")


def _read_params(params: Mapping[str, Any], problems: Problems) -> Selections:
    problems.check_members(params, _PARAMS, "params")
    for name, unused in _UNUSED_ONLY.items():
        if name in params and params[name] not in unused:
            problems.unsupported(f"params.{name}")
    _check_profile_and_format(params, problems)
    given = {_SYNONYMS.get(name, name): value for name, value in params.items()}
    scope = given.get("scope") or "all"
    if scope not in _SCOPES:
        problems.invalid("params.scope", f"must be one of {', '.join(_SCOPES)}, not {scope!r}")
    chosen = _read_filter(given, problems)
    nodes = _labelled(chosen[0], given.get("nodeLabels"), "params.nodeLabels", problems)
    edges = _labelled(chosen[1], given.get("edgeLabels"), "params.edgeLabels", problems)
    return Selections(None if scope == "edges" else nodes, None if scope == "nodes" else edges)


def _check_profile_and_format(params: Mapping[str, Any], problems: Problems) -> None:
    if params.get("profile") not in (None, "", _PROFILE):
        problems.unsupported("params.profile", f"{params['profile']!r}: only '{_PROFILE}' is offered")
    form = params.get("format")
    if form in _LATER_FORMATS:
        problems.unsupported("params.format", f"'{form}': only csv is written")
    elif form not in (None, "csv"):
        problems.invalid("params.format", f"{form!r} is unknown{nearest(str(form), ('csv', *_LATER_FORMATS))}")


def _labelled(selection: Selection, labels: Any, path: str, problems: Problems) -> Selection:
    """Narrow a selection to labels, as neptune-export intersects them."""
    names = [labels] if isinstance(labels, str) else labels or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        problems.invalid(path, f"must be a label or an array of labels, not {labels!r}")
        return selection
    for name in names:
        if selection.entries and node_type(name) not in {entry.label for entry in selection.entries}:
            problems.invalid(path, f"'{name}' is not in params.filter")
    return selection.only(names)


def _read_filter(params: Mapping[str, Any], problems: Problems) -> tuple[Selection, Selection]:
    path, value = "params.filter", params.get("filter")
    file = params.get("filterConfigFile")
    if file is not None:
        path = "params.filterConfigFile"
        if value is not None:
            problems.invalid(path, "stands beside 'filter'; give one of them")
        value = _read_filter_file(file, path, problems)
    if isinstance(value, str):
        value = _parse(value, path, problems)
    if value is None:
        return Selection(), Selection()
    if not isinstance(value, Mapping):
        problems.invalid(path, f"must be an object with 'nodes' and 'edges', not {value!r}")
        return Selection(), Selection()
    problems.check_members(value, ("nodes", "edges"), path)
    nodes, edges = (
        Selection(tuple(_read_entries(value.get(member), f"{path}.{member}", problems)))
        for member in ("nodes", "edges")
    )
    return nodes, edges


def _read_filter_file(file: Any, path: str, problems: Problems) -> Any:
    if not isinstance(file, str):
        problems.invalid(path, f"must be a path, not {file!r}")
        return None
    if "://" in file and not file.startswith("file://"):
        problems.unsupported(path, f"'{file}': only local files are read")
        return None
    return load_document(Path(file.removeprefix("file://")))


def _parse(text: str, path: str, problems: Problems) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        problems.invalid(path, f"is not JSON: {error}")
        return None


def _read_entries(value: Any, path: str, problems: Problems) -> list[Selected]:
    entries: list[Selected] = []
    for index, item in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        place = f"{path}[{index}]"
        kind = _read_label(item.get("label")) if isinstance(item, Mapping) else None
        if kind is None:
            problems.invalid(place, "must be an object with a 'label'")
            continue
        # What config.json holds beside label and properties is allowed, since it may be given back as a filter.
        problems.check_members(item, ("label", "properties", "idType", "files"), place)
        names = [_property_name(entry) for entry in item.get("properties") or []]
        if None in names:
            problems.invalid(f"{place}.properties", "must be names or objects with 'property'")
        entries.append(Selected(kind, tuple(name for name in names if name is not None)))
    return entries


def _read_label(value: Any) -> ElementType | None:
    if isinstance(value, str) and value:
        return node_type(value)
    if isinstance(value, list):
        return _joined(value)
    if not isinstance(value, Mapping):
        return None
    ends = [_joined(value.get(end)) for end in ("~fromLabels", "~toLabels")]
    label = value.get("~label")
    if not isinstance(label, str) or ends[0] is None or ends[1] is None:
        return None
    return EdgeType(ends[0], label, ends[1])


def _joined(labels: Any) -> str | None:
    if not isinstance(labels, Sequence) or isinstance(labels, str) or not labels:
        return None
    return join_labels(labels) if all(isinstance(label, str) and label for label in labels) else None


def _property_name(value: Any) -> str | None:
    name = value.get("property") if isinstance(value, Mapping) else value
    return name if isinstance(name, str) and name else None


def _object(request: Mapping[str, Any], member: str, problems: Problems) -> Mapping[str, Any]:
    value = request.get(member)
    if value is None or isinstance(value, Mapping):
        return value or {}
    problems.invalid(member, f"must be an object, not {value!r}")
    return {}
