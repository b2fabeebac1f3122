"""The members of `params`: which have an effect here, which are recorded, which are refused, and why.

They are the options of neptune-export's command line in camelCase. An array repeats an option, so that options
which may be repeated are known by their singular too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from neptuneml_plugin.problems import Problems

_MAX_DIGITS = 18


class Use(StrEnum):
    """What becomes of a parameter."""

    EFFECT = "effect"
    #: Accepted without effect, and named in `stats.json`.
    RECORDED = "recorded"
    REFUSED = "refused"


@dataclass(frozen=True)
class Parameter:
    """One member of `params`."""

    use: Use
    #: Why it has no effect, or why it is refused.
    reason: str = ""
    #: Values that ask for nothing, and so are never refused.
    unused: tuple[Any, ...] = (None, "", False)


def _each(names: str, use: Use, reason: str = "", *unused: Any) -> dict[str, Parameter]:
    return {name: Parameter(use, reason, (None, "", False, *unused)) for name in names.split()}


#: Other spelling of a member -> ours.
SYNONYMS: Mapping[str, str] = {
    "nodeLabel": "nodeLabels",
    "edgeLabel": "edgeLabels",
    "config": "filter",
    "configFile": "filterConfigFile",
    "query": "queries",
    "gremlin": "queries",
    "rangeSize": "range",
}

PARAMETERS: Mapping[str, Parameter] = {
    **_each(
        """profile scope nodeLabels edgeLabels filter filterConfigFile tokensOnly format multiValueSeparator range
        concurrency skip limit sample sampleSize gremlinFilter gremlinNodeFilter gremlinEdgeFilter queries
        queriesFile subgraph""",
        Use.EFFECT,
    ),
    **_each(
        """cloneCluster cloneClusterInstanceType cloneClusterReplicaCount cloneClusterEnableAuditLogs
        cloneClusterCorrelationId cloneClusterEngineVersion cloneClusterMaxConcurrency clusterId cluster
        clusterid""",
        Use.RECORDED,
        "steers a cluster of Neptune",
    ),
    **_each(
        """endpoint endpoints port useIamAuth useSsl disableSsl nlbEndpoint albEndpoint lbPort proxyEndpoint
        proxyPort proxyRemoveHostHeader serializer maxContentLength batchSize region credentialsProfile
        credentialsConfigFile awsCliEndpointUrl awsCliRegion""",
        Use.RECORDED,
        "steers the connection, which `--gremlin` names",
    ),
    **_each("timeoutMillis", Use.RECORDED, "the setting `request_timeout_seconds` bounds each request"),
    **_each("approxNodeCount approxEdgeCount", Use.RECORDED, "elements are listed and counted"),
    **_each("exportId tag dir d", Use.RECORDED, "`--output` names the folder"),
    **_each("logLevel featureToggle maxFileDescriptorCount", Use.RECORDED, "steers neptune-export's own process"),
    **_each(
        "mergeFiles edgeLabelStrategy excludeTypeDefinitions includeTypeDefinitions escapeCsvHeaders",
        Use.RECORDED,
        "the profile `neptune_ml` is always on: one file per type, edges by three labels, headers without types",
    ),
    **_each("filterEdgesEarly", Use.RECORDED, "filters apply before `skip` and `limit` in any case"),
    **_each("structuredOutput", Use.RECORDED, "results of queries are written by label in any case"),
    **_each("splitQueries twoPassAnalysis", Use.RECORDED, "changes how queries are read, not what they give"),
    **_each("perLabelDirectories partitionDirectories", Use.REFUSED, "there is one file per type"),
    **_each("tokenPrefix", Use.REFUSED, "the training-data configuration names its columns with `~`", "~"),
    **_each("escapeNewline", Use.REFUSED, "cells keep their line breaks, in quotes"),
    **_each("strictCardinality", Use.REFUSED, "a property is an array where some element has several values"),
    **_each("includeLastEventId", Use.REFUSED, "the change log is Neptune's own"),
    **_each("janus", Use.REFUSED, "the server's own serializer is spoken"),
    **_each("output", Use.REFUSED, "only files are written", "files"),
    **_each(
        """streamName streamRegion streamLargeRecordStrategy streamRoleArn streamRoleExternalId
        streamRoleSessionName disableStreamAggregation""",
        Use.REFUSED,
        "nothing is sent to a stream",
    ),
    **_each("rdfExportScope sparql namedGraph", Use.REFUSED, "RDF is not exported"),
}


def given_parameters(params: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Return the members that have an effect, by our spelling; note unknown and refused ones."""
    problems.check_members(params, {*PARAMETERS, *SYNONYMS}, "params")
    given: dict[str, Any] = {}
    for key, value in params.items():
        name = SYNONYMS.get(key, key)
        parameter = PARAMETERS.get(name)
        if parameter is None or _is_in(value, parameter.unused):
            continue
        if parameter.use is Use.REFUSED:
            problems.refuse(f"params.{key}", f"is not offered: {parameter.reason}")
        elif parameter.use is Use.EFFECT and name in given:
            problems.invalid(f"params.{key}", f"stands beside '{name}'; give one of them")
        elif parameter.use is Use.EFFECT:
            given[name] = value
    return given


def recorded_parameters(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that have no effect, by path."""
    return {f"params.{key}": value for key, value in params.items() if _use(key) is Use.RECORDED}


def read_count(
    given: Mapping[str, Any], name: str, least: int, problems: Problems, path: str = "params"
) -> int | None:
    """Read a whole number; its text will do, as on a command line."""
    value = given.get(name)
    if value is None:
        return None
    is_text = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS
    number = int(value) if is_text else value
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        problems.invalid(f"{path}.{name}", f"must be a whole number of at least {least}, not {value!r}")
        return None
    return number


def read_choice(
    given: Mapping[str, Any], name: str, allowed: tuple[str, ...], problems: Problems, path: str = "params"
) -> str:
    """Read one of the allowed texts; the first of them where there is none."""
    value = given.get(name, allowed[0])
    if not isinstance(value, str) or value not in allowed:
        problems.invalid(f"{path}.{name}", f"must be one of {', '.join(allowed)}, not {value!r}")
        return allowed[0]
    return value


def read_flag(given: Mapping[str, Any], name: str, problems: Problems) -> bool:
    """Read true or false."""
    value = given.get(name, False)
    if not isinstance(value, bool):
        problems.invalid(f"params.{name}", f"must be true or false, not {value!r}")
        return False
    return value


def _use(key: str) -> Use | None:
    parameter = PARAMETERS.get(SYNONYMS.get(key, key))
    return parameter.use if parameter else None


def _is_in(value: Any, unused: tuple[Any, ...]) -> bool:
    """Whether the value asks for nothing; 0 is a value, though it equals False."""
    return any(value is item or (isinstance(value, str) and value == item) for item in unused)
