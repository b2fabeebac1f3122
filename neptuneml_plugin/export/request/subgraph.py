"""The member `subgraph` of a request, an addition of ours: the part of a graph around some vertices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.elements import Element, node_type
from neptuneml_plugin.export.request.filterconfig import read_types
from neptuneml_plugin.export.request.gremlin_text import read_filter
from neptuneml_plugin.export.request.parameters import read_choice, read_count
from neptuneml_plugin.export.request.selection import Selected, Selection
from neptuneml_plugin.problems import Problems, is_text

_PATH = "params.subgraph"
MEMBERS = ("seeds", "hops", "direction", "nodeLabels", "edgeLabels", "limitPerHop", "seed")


class Direction(StrEnum):
    """Along which of a vertex's edges a hop goes."""

    BOTH = "both"
    OUT = "out"
    IN = "in"


@dataclass(frozen=True)
class NamedSeeds:
    """Vertices of one label, by the texts of their ids."""

    label: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Subgraph:
    """All vertices within some hops of the seeds, and the edges between them."""

    #: A filter of vertices, or their ids.
    seeds: str | NamedSeeds
    hops: int = 1
    direction: Direction = Direction.BOTH
    #: Vertices that a hop may reach; no entries: those that are exported.
    nodes: Selection = field(default_factory=Selection)
    #: Edges that a hop may take; no entries: those that are exported.
    edges: Selection = field(default_factory=Selection)
    #: New vertices of one hop, at most; None: all.
    limit_per_hop: int | None = None
    #: Which vertices a limit leaves.
    seed: int = 0


def read_subgraph(given: Mapping[str, Any], problems: Problems) -> Subgraph | None:
    """Read the member of `params`."""
    value = given.get("subgraph")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        problems.invalid(_PATH, f"must be an object with 'seeds' and 'hops', not {value!r}")
        return None
    problems.check_members(value, MEMBERS, _PATH)
    hops = read_count(value, "hops", 0, problems, _PATH)
    return Subgraph(
        seeds=_read_seeds(value.get("seeds"), problems),
        hops=1 if hops is None else hops,
        direction=Direction(read_choice(value, "direction", tuple(Direction), problems, _PATH)),
        nodes=_read_labels(value, "nodeLabels", Element.NODE, problems),
        edges=_read_labels(value, "edgeLabels", Element.EDGE, problems),
        limit_per_hop=read_count(value, "limitPerHop", 1, problems, _PATH),
        seed=read_count(value, "seed", 0, problems, _PATH) or 0,
    )


def _read_seeds(value: Any, problems: Problems) -> str | NamedSeeds:
    path = f"{_PATH}.seeds"
    if isinstance(value, Mapping):
        return _read_named(value, path, problems)
    if value in (None, ""):
        problems.invalid(path, "is required: Gremlin steps such as has('code', 'ATL'), or a 'label' and its 'ids'")
        return ""
    return read_filter(value, path, problems) or ""


def _read_named(value: Mapping[str, Any], path: str, problems: Problems) -> NamedSeeds:
    problems.check_members(value, ("label", "ids"), path)
    label, ids = value.get("label"), value.get("ids")
    if not is_text(label):
        problems.invalid(f"{path}.label", f"must be a label, not {label!r}")
        label = ""
    if not isinstance(ids, list) or not ids or not all(_is_id(item) for item in ids):
        problems.invalid(f"{path}.ids", "must be one or more ids, each a text or a whole number")
        ids = []
    return NamedSeeds(node_type(label), tuple(dict.fromkeys(map(str, ids))))


def _is_id(value: Any) -> bool:
    return is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


def _read_labels(value: Mapping[str, Any], name: str, element: Element, problems: Problems) -> Selection:
    path = f"{_PATH}.{name}"
    kinds = read_types(value.get(name), path, element, problems)
    if any(isinstance(kind, EdgeType) for kind in kinds):
        problems.invalid(path, "must be plain labels: a hop takes edges of one label between any vertices")
    return Selection(tuple(Selected(kind) for kind in kinds))
