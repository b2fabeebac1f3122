"""The request document of neptune-export: everything in it has an effect, is recorded, or is refused.

camelCase lives here. Members are those of AWS's guide ("Export parameters") and of neptune-export's command line.
What only steers a cluster or a bucket is accepted and recorded in `stats.json`.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import nearest
from neptuneml_plugin.export.elements import Element, node_type
from neptuneml_plugin.export.files.completion import Completion, read_completion
from neptuneml_plugin.export.request.filterconfig import (
    UNREAD,
    FileReader,
    find_file,
    read_file,
    read_selections,
    read_types,
)
from neptuneml_plugin.export.request.gremlin_text import GremlinFilters, NamedQueries, read_filter, read_queries
from neptuneml_plugin.export.request.layout import Format, Layout
from neptuneml_plugin.export.request.parameters import (
    PARAMETERS,
    SYNONYMS,
    given_parameters,
    read_choice,
    read_count,
    read_flag,
    recorded_parameters,
)
from neptuneml_plugin.export.request.selection import Selection, Selections, Window
from neptuneml_plugin.export.request.subgraph import Subgraph, read_subgraph
from neptuneml_plugin.export.request.targets import JOB_MEMBERS, LearningJob, read_jobs
from neptuneml_plugin.problems import Problems, as_json, is_text

_SOURCE = "export request"
EXPORT, FROM_CONFIG, FROM_QUERIES = "export-pg", "export-pg-from-config", "export-pg-from-queries"
SCHEMA_ONLY = "create-pg-config"
_COMMANDS = (EXPORT, FROM_CONFIG, FROM_QUERIES, SCHEMA_ONLY)
#: Commands of neptune-export that are refused -> why.
_REFUSED_COMMANDS = {
    "export-rdf": "RDF is not exported",
    "add-clone": "no cluster is cloned",
    "remove-clone": "no cluster is cloned",
    "nesvc": "give its document as the request",
    "export-svc": "give its document as the request",
}
_PROFILE = "neptune_ml"
#: Of both kinds of elements, of nodes, of edges.
_FILTERS = ("gremlinFilter", "gremlinNodeFilter", "gremlinEdgeFilter")
_REFUSED_FORMATS = ("neptuneStreamsJson", "neptuneStreamsSimpleJson")
#: What numbers, dates, quotes and escapes are written with.
_RESERVED_SEPARATORS = frozenset(",+-.:\\\"'\r\n\0") | set(string.ascii_letters) | set(string.digits)
_DEFAULT_SAMPLE = 1000

#: Top-level members that have no effect on a local export.
RECORDED: Mapping[str, str] = {
    "outputS3Path": "`--output` names the folder",
    "jobSize": "no cluster is cloned",
    "jobsize": "no cluster is cloned",
    "expectedBucketOwner": "nothing is uploaded",
    "createExportSubdirectory": "`--output` names the folder",
    "overwriteExisting": "`--overwrite` decides",
    "uploadToS3OnError": "nothing is uploaded",
    "s3Region": "nothing is uploaded",
    "sseKmsKeyId": "nothing is uploaded",
    "s3RoleArn": "nothing is uploaded",
    "s3RoleExternalId": "nothing is uploaded",
    "s3RoleSessionName": "nothing is uploaded",
}
#: Top-level member -> the parameter that it is another way to give.
_FILES = {"configFileS3Path": "filterConfigFile", "queriesFileS3Path": "queriesFile"}
MEMBERS = (
    "command", "params", "additionalParams", "completionFileS3Path", "completionFilePayload", *_FILES, *RECORDED,
)  # fmt: skip
#: Members that stand further inside -> where.
_PLACES: Mapping[str, str] = {
    **dict.fromkeys((*JOB_MEMBERS, "jobs"), f"additionalParams.{_PROFILE}"),
    **dict.fromkeys({*PARAMETERS, *SYNONYMS}, "params"),
    _PROFILE: "additionalParams",
}


@dataclass(frozen=True)
class ExportRequest:
    """What to export and which configurations to write."""

    selections: Selections = field(default_factory=Selections)
    jobs: tuple[LearningJob, ...] = (LearningJob(),)
    #: Members that were accepted though they change nothing here, by path.
    recorded: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    window: Window = field(default_factory=Window)
    filters: GremlinFilters = field(default_factory=GremlinFilters)
    queries: tuple[NamedQueries, ...] = ()
    subgraph: Subgraph | None = None
    #: Whether `config.json` alone is written.
    schema_only: bool = False
    #: Elements of each label that the schema is taken from; None: all.
    sample: int | None = None
    #: Elements asked for in one request; None: as the settings say.
    range_size: int | None = None
    #: Processes that read at the same time; None: as the settings say.
    concurrency: int | None = None
    completion: Completion | None = None

    @property
    def may_part_edges(self) -> bool:
        """Whether an edge may be chosen and one of its vertices not."""
        return bool(self.window or self.filters.nodes or self.queries or self.subgraph)


def read_request(config: ExportConfig) -> ExportRequest:
    """Read the request of the settings; their label flags win over it.

    Raises:
        InvalidSettings: with every problem, each with its path.
        UnsupportedOperation: valid, but not offered.
    """
    request = _read(config.request, read_file)
    return replace(request, selections=_with_flags(request.selections, config))


def check_request(document: Mapping[str, Any]) -> None:
    """Refuse a request for what its document shows; the files that it names are read with the graph.

    Raises:
        InvalidSettings, UnsupportedOperation: as `read_request`.
    """
    _read(document, find_file)


def _read(request: Mapping[str, Any], read: FileReader) -> ExportRequest:
    problems = Problems(_SOURCE, strict=True)
    _check_members(request, problems)
    command = _read_command(request.get("command"), problems)
    params = _object(request, "params", problems)
    given = given_parameters(params, problems)
    _add_files(given, request, problems)
    found = ExportRequest(
        selections=_read_selections(given, read, problems),
        jobs=_read_jobs(request, command, problems),
        recorded=_recorded(request, params, command),
        layout=_read_layout(given, problems),
        window=_read_window(given, problems),
        filters=_read_filters(given, problems),
        queries=_read_queries(given, command, read, problems),
        subgraph=_read_subgraph(given, problems),
        schema_only=command == SCHEMA_ONLY,
        sample=_read_sample(given, command, problems),
        range_size=read_count(given, "range", 1, problems),
        concurrency=read_count(given, "concurrency", 1, problems),
        completion=read_completion(request, problems),
    )
    problems.raise_if_any()
    return found


def _check_members(request: Mapping[str, Any], problems: Problems) -> None:
    """Note members that do not exist, and where those belong that only stand too far outside."""
    misplaced = {key: _PLACES[key] for key in request if key in _PLACES and key not in MEMBERS}
    for key, place in misplaced.items():
        problems.invalid(key, f"belongs into {place}")
    problems.check_members({key: request[key] for key in request if key not in misplaced}, MEMBERS, "")


def _with_flags(selections: Selections, config: ExportConfig) -> Selections:
    nodes, edges = selections.nodes, selections.edges
    if config.node_labels:
        nodes = (nodes or Selection()).only(node_type(label) for label in config.node_labels)
    if config.edge_labels:
        edges = (edges or Selection()).only(config.edge_labels)
    return Selections(nodes, edges)


def _read_command(command: Any, problems: Problems) -> str:
    if command is None or command in _COMMANDS:
        return command or EXPORT
    if isinstance(command, str) and command in _REFUSED_COMMANDS:
        problems.refuse("command", f"'{command}' is not offered: {_REFUSED_COMMANDS[command]}")
    elif isinstance(command, str) and " " in command.strip():
        problems.refuse("command", f"'{command}' is a command line; give export-pg and its options in params")
    else:
        problems.invalid("command", f"{command!r} is unknown{nearest(str(command), _COMMANDS)}")
    return EXPORT


def _read_jobs(request: Mapping[str, Any], command: str, problems: Problems) -> tuple[LearningJob, ...]:
    additional = _object(request, "additionalParams", problems)
    problems.check_members(additional, {_PROFILE}, "additionalParams")
    if command == SCHEMA_ONLY:
        return ()
    if additional.get(_PROFILE) is None:
        return (LearningJob(),)
    return read_jobs(additional[_PROFILE], f"additionalParams.{_PROFILE}", problems)


def _recorded(request: Mapping[str, Any], params: Mapping[str, Any], command: str) -> dict[str, Any]:
    recorded = {name: value for name, value in request.items() if name in RECORDED} | recorded_parameters(params)
    if command != SCHEMA_ONLY:
        recorded |= {f"params.{name}": params[name] for name in ("sample", "sampleSize") if name in params}
    elif request.get("additionalParams"):
        recorded["additionalParams"] = request["additionalParams"]
    return {name: as_json(value) for name, value in recorded.items()}


def _add_files(given: dict[str, Any], request: Mapping[str, Any], problems: Problems) -> None:
    """Take the files that the document names beside `params`."""
    for member, name in _FILES.items():
        value = request.get(member)
        if value in (None, ""):
            continue
        if name in given:
            problems.invalid(member, f"stands beside 'params.{name}'; give one of them")
        given[name] = value


def _read_selections(given: Mapping[str, Any], read: FileReader, problems: Problems) -> Selections:
    if given.get("profile", _PROFILE) != _PROFILE:
        problems.refuse("params.profile", f"{given['profile']!r}: only '{_PROFILE}' is offered")
    scope = read_choice(given, "scope", ("all", *Element), problems)
    chosen = _read_filter(given, read, problems)
    nodes, edges = (
        _labelled(selection, given.get(name), name, element, problems)
        for selection, name, element in zip(chosen, ("nodeLabels", "edgeLabels"), Element, strict=True)
    )
    tokens = read_choice(given, "tokensOnly", ("off", *Element, "both"), problems)
    nodes = replace(nodes, tokens_only=tokens in {Element.NODE, "both"})
    edges = replace(edges, tokens_only=tokens in {Element.EDGE, "both"})
    return Selections(None if scope == Element.EDGE else nodes, None if scope == Element.NODE else edges)


def _read_filter(given: Mapping[str, Any], read: FileReader, problems: Problems) -> tuple[Selection, Selection]:
    path, value = "params.filter", given.get("filter")
    file = given.get("filterConfigFile")
    if file is not None:
        path = "params.filterConfigFile"
        if value is not None:
            problems.invalid(path, "stands beside 'filter'; give one of them")
        value = read(file, path, problems)
    return read_selections(value, path, problems)


def _labelled(selection: Selection, labels: Any, name: str, element: Element, problems: Problems) -> Selection:
    """Narrow a selection to labels, as neptune-export intersects them."""
    kinds = read_types(labels, f"params.{name}", element, problems)
    for kind in kinds:
        if not selection.has(kind):
            problems.invalid(f"params.{name}", f"'{kind}' is not in params.filter")
    return selection.only(kinds)


def _read_layout(given: Mapping[str, Any], problems: Problems) -> Layout:
    name = given.get("format", Format.CSV)
    if name in _REFUSED_FORMATS:
        problems.refuse("params.format", f"'{name}' is not offered: it is read by Neptune's streams only")
        name = Format.CSV
    elif name not in list(Format):
        problems.invalid("params.format", f"{name!r} is unknown{nearest(str(name), Format)}")
        name = Format.CSV
    separator = given.get("multiValueSeparator", ";")
    if not is_text(separator) or len(separator) != 1 or separator in _RESERVED_SEPARATORS:
        problems.invalid(
            "params.multiValueSeparator", f"must be one sign that no cell is written with, not {separator!r}"
        )
        separator = ";"
    return Layout(Format(name), separator)


def _read_window(given: Mapping[str, Any], problems: Problems) -> Window:
    return Window(read_count(given, "skip", 0, problems) or 0, read_count(given, "limit", 0, problems))


def _read_sample(given: Mapping[str, Any], command: str, problems: Problems) -> int | None:
    wanted = read_flag(given, "sample", problems)
    size = read_count(given, "sampleSize", 1, problems)
    return (size or _DEFAULT_SAMPLE) if wanted and command == SCHEMA_ONLY else None


def _read_filters(given: Mapping[str, Any], problems: Problems) -> GremlinFilters:
    """Read the filters; that of one kind of element wins over the one for both."""
    both, nodes, edges = (read_filter(given.get(name), f"params.{name}", problems) for name in _FILTERS)
    return GremlinFilters(nodes or both, edges or both)


def _read_queries(
    given: Mapping[str, Any], command: str, read: FileReader, problems: Problems
) -> tuple[NamedQueries, ...]:
    path, value = "params.queries", given.get("queries")
    if given.get("queriesFile") is not None:
        path = "params.queriesFile"
        if value is not None:
            problems.invalid(path, "stands beside 'queries'; give one of them")
        value = read(given["queriesFile"], path, problems)
    if value is None:
        if command == FROM_QUERIES:
            problems.invalid(path, f"is required by {FROM_QUERIES}")
        return ()
    if command != FROM_QUERIES:
        problems.invalid(path, f"belongs to the command {FROM_QUERIES}")
    for name in (*_FILTERS, "skip", "limit", "subgraph"):
        if name in given:
            problems.invalid(f"params.{name}", "does not apply to queries; write it into them")
    return () if value is UNREAD else read_queries(value, path, problems)


def _read_subgraph(given: Mapping[str, Any], problems: Problems) -> Subgraph | None:
    if "subgraph" in given:
        for name in _FILTERS:
            if name in given:
                problems.invalid(f"params.{name}", "stands beside 'subgraph'; give one of them")
        if given.get("scope") == Element.EDGE:
            problems.invalid(
                "params.scope", "must not be 'edges' beside 'subgraph', whose edges have their vertices"
            )
    return read_subgraph(given, problems)


def _object(request: Mapping[str, Any], member: str, problems: Problems) -> Mapping[str, Any]:
    value = request.get(member)
    if value is None or isinstance(value, Mapping):
        return value or {}
    problems.invalid(member, f"must be an object, not {value!r}")
    return {}
