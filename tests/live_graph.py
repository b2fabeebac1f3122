"""A small graph in memory, as a traversal would see it, and the sampled neighbourhoods that the plugin posts."""

import csv
import functools
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EdgeType

Vertex = tuple[str, str]
Properties = Mapping[str, Any]
Edge = tuple[EdgeType, str, str, Properties]
LINKED, HAS = EdgeType("item", "linked", "item"), EdgeType("item", "has", "tag")
#: More than any vertex has edges.
ALL = 10**6


@dataclass(frozen=True)
class LiveGraph:
    """Vertices by label and id, and edges, each with its properties as texts."""

    vertices: Mapping[Vertex, Properties] = field(default_factory=dict)
    edges: Sequence[Edge] = ()

    def neighbourhood(
        self, seeds: Iterable[Vertex], *, hops: int = 2, fanout: int = ALL, seed: int = 0
    ) -> dict[str, Any]:
        """Return `data.subgraph` for the seeds (`docs/wire.md`, section 6)."""
        drawing = random.Random(seed)
        positions: dict[str, dict[str, int]] = {}
        messages: dict[tuple[EdgeType, bool], list[tuple[int, int]]] = {}
        frontier = list(dict.fromkeys(seeds))
        for label, name in frontier:
            positions.setdefault(label, {}).setdefault(name, len(positions[label]))
        expanded: set[Vertex] = set()
        for _ in range(hops):
            reached: list[Vertex] = []
            for vertex in frontier:
                for key, choices in self._into.get(vertex, {}).items():
                    drawn = sorted(drawing.sample(choices, min(fanout, len(choices))))
                    messages.setdefault(key, []).extend((edge, len(choices)) for edge in drawn)
                    for edge in drawn:
                        kind, source, target, _ = self.edges[edge]
                        other = (kind.target, target) if key[1] else (kind.source, source)
                        positions.setdefault(other[0], {}).setdefault(other[1], len(positions[other[0]]))
                        reached.append(other)
            expanded |= set(frontier)
            frontier = [vertex for vertex in dict.fromkeys(reached) if vertex not in expanded]
        return {
            "nodes": [
                {
                    "type": label,
                    "ids": list(ids),
                    "properties": self._columns(self.vertices[label, i] for i in ids),
                }
                for label, ids in positions.items()
            ],
            "edges": [self._messages(key, drawn, positions) for key, drawn in messages.items()],
        }

    @functools.cached_property
    def _into(self) -> dict[Vertex, dict[tuple[EdgeType, bool], list[int]]]:
        """Return the edges that each vertex may draw, by type and direction."""
        into: dict[Vertex, dict[tuple[EdgeType, bool], list[int]]] = {}
        for edge, (kind, source, target, _) in enumerate(self.edges):
            into.setdefault((kind.target, target), {}).setdefault((kind, False), []).append(edge)
            into.setdefault((kind.source, source), {}).setdefault((kind, True), []).append(edge)
        return into

    def _messages(
        self, key: tuple[EdgeType, bool], drawn: list[tuple[int, int]], positions: Mapping[str, Mapping[str, int]]
    ) -> dict[str, Any]:
        kind, reverse = key
        edges = [self.edges[edge] for edge, _ in drawn]
        return {
            "from": kind.source,
            "label": kind.label,
            "to": kind.target,
            "reverse": reverse,
            "sources": [positions[kind.source][source] for _, source, _, _ in edges],
            "targets": [positions[kind.target][target] for _, _, target, _ in edges],
            "drawnFrom": [count for _, count in drawn],
            "properties": self._columns(properties for *_, properties in edges),
        }

    def _columns(self, rows: Iterable[Properties]) -> dict[str, list[Any]]:
        found = list(rows)
        return {key: [row.get(key) for row in found] for key in sorted({key for row in found for key in row})}


def planted_graph(export: Path, left_out: Collection[int] = ()) -> LiveGraph:
    """Return the graph of a planted export (`tests.planted`), without some rows of its `linked` edges."""
    vertices: dict[Vertex, Properties] = {}
    edges: list[Edge] = []
    for label in ("item", "tag"):
        for row in _rows(export / "nodes" / f"{label}.consolidated.csv"):
            vertices[label, row["~id"]] = _properties(row)
    for kind in (LINKED, HAS):
        path = export / "edges" / f"%28item%29-{kind.label}-%28{kind.target}%29.consolidated.csv"
        edges += [
            (kind, row["~from"], row["~to"], _properties(row))
            for at, row in enumerate(_rows(path))
            if kind is HAS or at not in left_out
        ]
    return LiveGraph(vertices, edges)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _properties(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: value.split(";") if ";" in value else value for key, value in row.items() if key[0] != "~" and value
    }
