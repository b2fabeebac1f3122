"""`data.subgraph`: the sampled neighbourhood of a request's items, in columns (`docs/wire.md`, section 6).

Checked for itself alone: types and properties that a model does not know are its reader's to leave out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.serving.members import (
    flag,
    json_list,
    json_object,
    known,
    required,
    same_length,
    shown,
    text,
    texts,
)

Ints = npt.NDArray[np.int64]
#: A property of one element: text as an export writes it, several texts, or none.
Cell = str | list[str] | None
Properties = Mapping[str, Sequence[Cell]]

_LARGEST = 2**53
_NODE_MEMBERS = ("type", "ids", "properties")
_EDGE_MEMBERS = ("from", "label", "to", "reverse", "sources", "targets", "drawnFrom", "properties")


@dataclass(frozen=True)
class NodeColumns:
    """The vertices of one label, each once."""

    ids: Sequence[str]
    #: Key -> one cell per id.
    properties: Properties


@dataclass(frozen=True)
class EdgeColumns:
    """Messages along the edges of one type, into their targets or, in `reverse`, into their sources."""

    type: EdgeType
    reverse: bool
    #: Positions in the ids of both ends' labels, in the edge's own direction; (messages,) each.
    sources: Ints
    targets: Ints
    #: How many edges there were to draw from for the vertex that the message goes to, (messages,).
    drawn_from: Ints
    properties: Properties


@dataclass(frozen=True)
class Subgraph:
    """A neighbourhood."""

    nodes: Mapping[str, NodeColumns]
    edges: Mapping[tuple[EdgeType, bool], EdgeColumns]


def parse_subgraph(given: Any) -> Subgraph:
    """Read `data.subgraph`.

    Raises:
        InvalidParameter: a member is unknown, of the wrong type or length, or a position out of its bounds.
        MissingParameter: a required member is absent.
    """
    where = "data.subgraph"
    members = _members(given, where, ("nodes", "edges"), needed=("nodes", "edges"))
    nodes: dict[str, NodeColumns] = {}
    for at, entry in enumerate(json_list(members["nodes"], f"{where}.nodes")):
        label, columns = _nodes(entry, f"{where}.nodes[{at}]")
        if label in nodes:
            raise InvalidParameter(f"{where}.nodes has the type '{label}' twice; give its vertices in one entry")
        nodes[label] = columns
    edges: dict[tuple[EdgeType, bool], EdgeColumns] = {}
    for at, entry in enumerate(json_list(members["edges"], f"{where}.edges")):
        messages = _edges(entry, f"{where}.edges[{at}]", nodes)
        key = messages.type, messages.reverse
        if key in edges:
            raise InvalidParameter(
                f"{where}.edges has {messages.type.triple} with reverse {messages.reverse} twice; give these "
                "messages in one entry"
            )
        edges[key] = messages
    return Subgraph(nodes, edges)


def _nodes(entry: Any, where: str) -> tuple[str, NodeColumns]:
    members = _members(entry, where, _NODE_MEMBERS, needed=("type", "ids"))
    ids = texts(members["ids"], f"{where}.ids")
    if len(set(ids)) < len(ids):
        [(twice, _)] = Counter(ids).most_common(1)
        raise InvalidParameter(f"{where}.ids has '{twice}' twice; give each vertex once")
    return text(members["type"], f"{where}.type"), NodeColumns(ids, _properties(members, where, len(ids)))


def _edges(entry: Any, where: str, nodes: Mapping[str, NodeColumns]) -> EdgeColumns:
    members = _members(entry, where, _EDGE_MEMBERS, needed=_EDGE_MEMBERS[:-1])
    kind = EdgeType(*(text(members[name], f"{where}.{name}") for name in ("from", "label", "to")))
    reverse = flag(members["reverse"], f"{where}.reverse")
    sources, targets = (
        _positions(members[name], f"{where}.{name}", label, nodes)
        for name, label in (("sources", kind.source), ("targets", kind.target))
    )
    drawn_from = _integers(members["drawnFrom"], f"{where}.drawnFrom")
    if len(drawn_from) and (drawn_from.min() < 1 or drawn_from.max() > _LARGEST):
        raise InvalidParameter(f"{where}.drawnFrom must hold numbers of at least 1")
    count = same_length({"sources": sources, "targets": targets, "drawnFrom": drawn_from}, where)
    properties = _properties(members, where, count)
    return EdgeColumns(kind, reverse, sources, targets, drawn_from, properties)


def _properties(members: Mapping[str, Any], where: str, count: int) -> dict[str, list[Cell]]:
    given = json_object(members.get("properties") or {}, f"{where}.properties")
    return {key: _cells(column, f"{where}.properties['{key}']", count) for key, column in given.items()}


def _cells(column: Any, where: str, count: int) -> list[Cell]:
    cells: list[Cell] = json_list(column, where)
    if len(cells) != count:
        raise InvalidParameter(f"{where} has {len(cells)} values for {count} elements")
    plain = [cell for cell in cells if cell is not None]
    if set(map(type, plain)) <= {str}:
        texts(plain, where)
        return cells
    for cell in plain:
        if isinstance(cell, list):
            texts(cell, where)
        elif not isinstance(cell, str):
            raise InvalidParameter(f"{where} must hold texts, lists of texts or null, not {shown(cell)}")
    texts([cell for cell in plain if isinstance(cell, str)], where)
    return cells


def _positions(value: Any, where: str, label: str, nodes: Mapping[str, NodeColumns]) -> Ints:
    positions = _integers(value, where)
    count = len(nodes[label].ids) if label in nodes else 0
    outside = (positions < 0) | (positions >= count)
    if outside.any():
        raise InvalidParameter(
            f"{where} holds position {positions[outside][0]}, but data.subgraph has {count} '{label}' vertices"
        )
    return positions


def _integers(value: Any, where: str) -> Ints:
    values = json_list(value, where)
    for entry in values if not set(map(type, values)) <= {int} else ():
        if type(entry) is not int:
            raise InvalidParameter(f"{where} must hold integers, not {shown(entry)}")
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        raise InvalidParameter(f"{where} holds a number of more than 64 bits") from None


def _members(given: Any, where: str, allowed: Sequence[str], *, needed: Sequence[str]) -> Mapping[str, Any]:
    members = json_object(given, where)
    known(members, allowed, where)
    for name in needed:
        required(members, name, where)
    return members
