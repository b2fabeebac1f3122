"""The walk around some vertices: hop by hop, in plain Gremlin, holding nothing but ids."""

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.elements import Element, node_type
from neptuneml_plugin.export.readers.source import GraphSource
from neptuneml_plugin.export.request.selection import Selected, Selection
from neptuneml_plugin.export.request.subgraph import NamedSeeds, Subgraph
from neptuneml_plugin.export.values import java_text
from neptuneml_plugin.stage import Progress

#: Label, as the graph spells it -> ids in the order in which they were found.
Found = dict[str, dict[Any, None]]
_NAMED = 5


@dataclass(frozen=True)
class Hop:
    """What one hop led to."""

    #: Vertices that were not there before.
    reached: int
    #: Those of them that the limit has left.
    added: int


@dataclass(frozen=True)
class Walk:
    """The elements to export, by label, and how they were found."""

    seeds: Mapping[str, int]
    hops: Sequence[Hop]
    vertices: Mapping[str, Sequence[Any]]
    edges: Mapping[str, Sequence[Any]]
    #: Edges from these vertices to others.
    outward_edges: int

    def report(self) -> dict[str, Any]:
        """Return the member `subgraph` of `stats.json`."""
        return {
            "seeds": dict(self.seeds),
            "hops": [{"reached": hop.reached, "added": hop.added} for hop in self.hops],
            "vertices": {label: len(ids) for label, ids in self.vertices.items()},
            "edges": {label: len(ids) for label, ids in self.edges.items()},
            "outwardEdges": self.outward_edges,
        }


def walk(
    source: GraphSource, subgraph: Subgraph, exported: Mapping[Element, Sequence[str]], progress: Progress
) -> Walk:
    """Find the vertices around the seeds and the edges between them.

    Args:
        source: the graph.
        subgraph: how far to go.
        exported: the labels that are exported.
        progress: told of each hop.

    Raises:
        InvalidParameter: no vertex is a seed; a label or an id that the graph does not have.
    """
    found = _seeds(source, subgraph.seeds)
    seeds = {label: len(ids) for label, ids in found.items()}
    hops = list(_hops(source, subgraph, exported, found, progress))
    inside = {label: found[label] for label in exported[Element.NODE] if label in found}
    edges, outward = _edges_between(source, inside, exported.get(Element.EDGE, ()), progress)
    return Walk(seeds, hops, {label: list(ids) for label, ids in inside.items()}, edges, outward)


def _seeds(source: GraphSource, seeds: str | NamedSeeds) -> Found:
    if isinstance(seeds, NamedSeeds):
        return _named(source, seeds)
    found = {
        label: dict.fromkeys(source.filtered(Element.NODE, label, seeds)) for label in source.labels(Element.NODE)
    }
    if not any(found.values()):
        raise InvalidParameter(f"params.subgraph.seeds: no vertex passes {seeds}")
    return {label: ids for label, ids in found.items() if ids}


def _named(source: GraphSource, seeds: NamedSeeds) -> Found:
    labels = Selection((Selected(seeds.label),)).labels(source.labels(Element.NODE), "node")
    # By text, since JSON does not tell the classes of ids: 1 may be a Long or a text.
    missing = set(seeds.ids)
    found: Found = {}
    for label in labels:
        texts = {key: java_text(key) for key in source.ids(Element.NODE, label)}
        found[label] = {key: None for key, text in texts.items() if text in seeds.ids}
        missing -= {*texts.values()}
    if missing:
        named = ", ".join(f"'{text}'" for text in sorted(missing)[:_NAMED])
        raise InvalidParameter(
            f"params.subgraph.seeds.ids: {len(missing)} are no ids of '{seeds.label}', such as {named}"
        )
    return found


def _hops(
    source: GraphSource,
    subgraph: Subgraph,
    exported: Mapping[Element, Sequence[str]],
    found: Found,
    progress: Progress,
) -> Iterator[Hop]:
    """Go hop by hop, and put what is reached into `found`."""
    nodes, edges = (
        wanted.labels(source.labels(element), element.removesuffix("s"))
        if wanted.entries
        else exported.get(element, source.labels(element))
        for wanted, element in ((subgraph.nodes, Element.NODE), (subgraph.edges, Element.EDGE))
    )
    frontier = found
    for number in range(1, subgraph.hops + 1):
        if not edges or not _count(frontier):
            return
        reached: Found = {}
        for ids in frontier.values():
            for label, keys in source.neighbours(list(ids), subgraph.direction, edges, nodes):
                fresh = reached.setdefault(label, {})
                known = found.get(label, {})
                fresh.update((key, None) for key in keys if key not in known)
        frontier = _drawn(reached, subgraph)
        for label, added in frontier.items():
            found[label] = found.get(label, {}) | added
        hop = Hop(_count(reached), _count(frontier))
        progress(f"hop {number} of {subgraph.hops}: {hop.added:,} vertices more")
        yield hop


def _drawn(reached: Found, subgraph: Subgraph) -> Found:
    """Return as many vertices as a hop may add: the same ones in whatever order the server gives them."""
    limit = subgraph.limit_per_hop
    if limit is None or _count(reached) <= limit:
        return reached
    every = ((_draw(subgraph.seed, label, key), label, key) for label, keys in reached.items() for key in keys)
    drawn: Found = {}
    for _, label, key in heapq.nsmallest(limit, every, key=itemgetter(0)):
        drawn.setdefault(label, {})[key] = None
    return drawn


def _draw(seed: int, label: str, key: Any) -> bytes:
    return hashlib.blake2b(f"{seed} {label} {java_text(key)}".encode(), digest_size=16).digest()


def _count(found: Found) -> int:
    return sum(map(len, found.values()))


def _edges_between(
    source: GraphSource, inside: Found, labels: Sequence[str], progress: Progress
) -> tuple[dict[str, list[Any]], int]:
    """Return the edges of some labels between vertices, and how many lead from them to others."""
    by_type: dict[str, list[dict[Any, None]]] = {}
    for label, ids in inside.items():
        by_type.setdefault(node_type(label), []).append(ids)
    kept: dict[str, list[Any]] = {}
    outward = 0
    for label, ids in inside.items() if labels else ():
        progress(f"edges between the vertices found: from '{label}'")
        for kind, key, target in source.out_edges(list(ids), labels):
            if any(target in known for known in by_type.get(kind.target, ())):
                kept.setdefault(kind.label, []).append(key)
            else:
                outward += 1
    return kept, outward
