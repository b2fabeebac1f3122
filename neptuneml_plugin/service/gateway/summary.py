"""`/propertygraph/statistics/summary`: what the graph holds, counted by Gremlin and kept for a while."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from neptuneml_plugin.errors import (
    InvalidParameter,
    MalformedQuery,
    StatisticsNotAvailable,
    TimeLimitExceeded,
    nearest,
)
from neptuneml_plugin.service.gateway.answers import Script, ask_all
from neptuneml_plugin.service.gateway.graphson import plain
from neptuneml_plugin.service.gateway.messages import GREMLIN_LANG
from neptuneml_plugin.service.gateway.server import Server

#: How long a summary is given again.
KEPT_SECONDS = 60.0
#: How long each of the counts may take.
COUNT_MILLIS = 60_000
MODES = ("basic", "detailed")

_KEYS = "properties().key().dedup().order().fold()"
_OUT = "outE().label().dedup().order().fold()"
_NODES = f"g.V().groupCount().by(project('label', 'keys', 'out').by(label()).by({_KEYS}).by({_OUT}))"
_EDGES = f"g.E().groupCount().by(project('label', 'keys').by(label()).by({_KEYS}))"
_NODE_VALUES = "g.V().properties().count()"
_EDGE_VALUES = "g.E().properties().count()"


@dataclass(frozen=True)
class Structure:
    """Elements that look the same."""

    count: int
    label: str
    keys: tuple[str, ...]
    out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What a graph holds."""

    counted_at: datetime
    nodes: tuple[Structure, ...]
    edges: tuple[Structure, ...]
    node_values: int
    edge_values: int


class Summaries:
    """Counts a server's graph, at most once at a time and once in `KEPT_SECONDS`."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._newest: tuple[float, Summary] | None = None

    async def newest(self, server: Server) -> Summary:
        """Return the kept summary, or a new one.

        Raises:
            StatisticsNotAvailable: counting took too long, or the server has no gremlin-lang or no source `g`.
            FailureByQuery: the server does not answer.
        """
        async with self._lock:
            if self._newest is None or time.monotonic() - self._newest[0] > KEPT_SECONDS:
                self._newest = (time.monotonic(), await _count(server))
            return self._newest[1]


async def _count(server: Server) -> Summary:
    try:
        nodes, edges = await _grouped(server, _NODES), await _grouped(server, _EDGES)
        node_values, edge_values = await _number(server, _NODE_VALUES), await _number(server, _EDGE_VALUES)
    except TimeLimitExceeded:
        raise StatisticsNotAvailable(
            f"one of the counts of the graph took longer than {COUNT_MILLIS // 1000} s; ask for fewer by Gremlin"
        ) from None
    except (MalformedQuery, InvalidParameter) as error:
        raise StatisticsNotAvailable(f"the Gremlin Server cannot count its graph: {error}") from None
    return Summary(datetime.now(UTC), nodes, edges, node_values, edge_values)


async def _ask(server: Server, text: str) -> Any:
    (result,) = await ask_all(server, Script(text, GREMLIN_LANG, evaluation_timeout=COUNT_MILLIS))
    return result


async def _number(server: Server, text: str) -> int:
    return int(plain(await _ask(server, text)))


async def _grouped(server: Server, text: str) -> tuple[Structure, ...]:
    items = (await _ask(server, text))["@value"]
    pairs = zip(items[::2], items[1::2], strict=True)
    found = [_structure(plain(group), int(plain(count))) for group, count in pairs]
    return tuple(sorted(found, key=lambda structure: (-structure.count, structure.label, structure.keys)))


def _structure(group: Mapping[str, Any], count: int) -> Structure:
    return Structure(count, group["label"], tuple(group["keys"]), tuple(group.get("out", ())))


# --- on the wire -------------------------------------------------------------------------------------------------


def parse_mode(mode: str | None) -> str:
    """Return the mode that is asked for.

    Raises:
        InvalidParameter: there is no such mode.
    """
    chosen = mode or "basic"
    if chosen not in MODES:
        raise InvalidParameter(f"no mode '{chosen[:40]}'{nearest(chosen, MODES)}")
    return chosen


def render(summary: Summary, mode: str) -> dict[str, Any]:
    """Return Neptune's document."""
    graph = {
        "numNodes": _total(summary.nodes),
        "numEdges": _total(summary.edges),
        "numNodeLabels": len(_labels(summary.nodes)),
        "numEdgeLabels": len(_labels(summary.edges)),
        "nodeLabels": _labels(summary.nodes),
        "edgeLabels": _labels(summary.edges),
        "numNodeProperties": len(_uses(summary.nodes)),
        "numEdgeProperties": len(_uses(summary.edges)),
        "nodeProperties": _uses(summary.nodes),
        "edgeProperties": _uses(summary.edges),
        "totalNodePropertyValues": summary.node_values,
        "totalEdgePropertyValues": summary.edge_values,
    }
    if mode == "detailed":
        graph["nodeStructures"] = [
            {"count": count, "nodeProperties": list(keys), "distinctOutgoingEdgeLabels": list(out)}
            for (keys, out), count in _merged((found.keys, found.out, found.count) for found in summary.nodes)
        ]
        graph["edgeStructures"] = [
            {"count": count, "edgeProperties": list(keys)}
            for (keys, _), count in _merged((found.keys, (), found.count) for found in summary.edges)
        ]
    counted_at = summary.counted_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    payload = {"version": "v1", "lastStatisticsComputationTime": counted_at, "graphSummary": graph}
    return {"status": "200 OK", "payload": payload}


def _total(structures: Iterable[Structure]) -> int:
    return sum(structure.count for structure in structures)


def _labels(structures: Iterable[Structure]) -> list[str]:
    """Return the labels, the most frequent first."""
    found: Counter[str] = Counter()
    for structure in structures:
        found[structure.label] += structure.count
    return [label for label, _ in found.most_common()]


def _uses(structures: Iterable[Structure]) -> list[dict[str, int]]:
    """Return each property's name and how many elements have it, the most frequent first."""
    found: Counter[str] = Counter()
    for structure in structures:
        for key in structure.keys:
            found[key] += structure.count
    return [{key: count} for key, count in found.most_common()]


def _merged(
    rows: Iterable[tuple[tuple[str, ...], tuple[str, ...], int]],
) -> Sequence[tuple[tuple[tuple[str, ...], tuple[str, ...]], int]]:
    """Return counts by keys and outgoing labels, whatever the elements' own labels."""
    found: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
    for keys, out, count in rows:
        found[keys, out] += count
    return found.most_common()
