"""Where elements come from: the protocol of a graph source, and a graph held in memory.

Ids are listed per label, then read back in blocks by id: linear on every server, and right whatever order it
enumerates in (`g.V().range(a, b)` promises none).
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from neptuneml_plugin.artifacts import EdgeType, join_labels

#: Neptune gives a vertex of several labels as one text, joined by this.
NEPTUNE_LABEL_SEPARATOR = "::"

#: A node label (several: sorted and joined by `;`) or an edge type.
ElementType = str | EdgeType


class Element(StrEnum):
    """The two kinds of elements; their values name the folders of an export."""

    NODE = "nodes"
    EDGE = "edges"


class Row(NamedTuple):
    """One element: values have the Python types that `values` lists; a list is several values of one key."""

    id: Any
    type: ElementType
    #: Ids of source and target; empty for a vertex.
    ends: tuple[Any, ...]
    properties: Mapping[str, Any]


class GraphSource(Protocol):
    """What an export asks of a graph."""

    def labels(self, element: Element) -> list[str]:
        """Return every label as the graph spells it."""

    def ids(self, element: Element, label: str) -> list[Any]:
        """Return the ids of the elements of exactly this label."""

    def rows(self, element: Element, ids: Sequence[Any], keys: Sequence[str]) -> Iterator[Row]:
        """Read elements by id, with the properties `keys` (empty: all); those gone since are left out."""


@functools.lru_cache(maxsize=4096)
def node_type(label: str) -> str:
    """Return the node type of a label as a graph spells it."""
    return join_labels(label.split(NEPTUNE_LABEL_SEPARATOR))


@dataclass(frozen=True)
class MemoryGraph:
    """A graph held in memory; edges whose ends are absent are the caller's mistake."""

    #: id -> (label, properties)
    vertices: Mapping[Any, tuple[str, Mapping[str, Any]]]
    #: id -> (source id, label, target id, properties)
    edges: Mapping[Any, tuple[Any, str, Any, Mapping[str, Any]]]

    def labels(self, element: Element) -> list[str]:
        """Return every label, in the order of first appearance."""
        found = (
            (label for label, _ in self.vertices.values())
            if element is Element.NODE
            else (label for _, label, _, _ in self.edges.values())
        )
        return list(dict.fromkeys(found))

    def ids(self, element: Element, label: str) -> list[Any]:
        """Return the ids of the elements of this label."""
        if element is Element.NODE:
            return [key for key, (own, _) in self.vertices.items() if own == label]
        return [key for key, (_, own, _, _) in self.edges.items() if own == label]

    def rows(self, element: Element, ids: Sequence[Any], keys: Sequence[str]) -> Iterator[Row]:
        """Read elements by id."""
        for key in ids:
            row = self._vertex(key) if element is Element.NODE else self._edge(key)
            yield row._replace(properties={k: v for k, v in row.properties.items() if not keys or k in keys})

    def _vertex(self, key: Any) -> Row:
        label, properties = self.vertices[key]
        return Row(key, node_type(label), (), properties)

    def _edge(self, key: Any) -> Row:
        source, label, target, properties = self.edges[key]
        ends = (node_type(self.vertices[end][0]) for end in (source, target))
        return Row(key, EdgeType(next(ends), label, next(ends)), (source, target), properties)
