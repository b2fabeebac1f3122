"""A configuration of version 1, `training-job-configuration.json`, in the words of version 2.

Version 1 (spec/formats.md A.9) is a flat list of files whose features and labels each name the type that they
belong to; a file without any is a vertex label's, named after it. Only words are translated here: what is wrong
with them is found by the reader of version 2, and `placed` says where that stands in the document as written.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from neptuneml_plugin.problems import Problems, shown

#: Where a label has no rates of its own.
DEFAULT_SPLIT = [0.7, 0.1, 0.2]
_TASKS: Mapping[str, str] = {
    f"{kind}_{task}_label": name
    for kind in ("node", "edge")
    for task, name in (("class", "classification"), ("regression", "regression"))
}
#: Types whose missing values version 1 says nothing of: as version 2 infers it.
_IMPUTED = {kind: {"imputer": "median"} for kind in ("numerical", "bucket_numerical")}
_SECTIONS = ("features", "labels", "edges")
#: Members that say where an item belongs; all others mean the same in version 2.
_STRUCTURE = frozenset(
    "feat_type sub_feat_type label_type sub_label_type edge_spec_type cols node_type edge_type".split()  # noqa: SIM905
)
_ID = "~id"

Members = dict[str, Any]
#: A vertex label, or the labels of an edge type.
Owner = str | tuple[str, str, str]


def is_version1(document: Mapping[str, Any]) -> bool:
    """Whether a document is of version 1: it says so, or its graph lists files."""
    graph = document.get("graph")
    lists_files = isinstance(graph, list) and any(isinstance(part, dict) and "file_name" in part for part in graph)
    return str(document.get("version", "")).startswith("v1") or lists_files


@dataclass
class Translation:
    """The same configuration in version 2."""

    nodes: list[Members] = field(default_factory=list)
    edges: list[Members] = field(default_factory=list)
    #: Path in version 2 -> path as written.
    places: dict[str, str] = field(default_factory=dict)

    def graph(self) -> Members:
        """Return the member `graph`."""
        return {"nodes": self.nodes, "edges": self.edges}

    def placed(self, problem: str) -> str:
        """Return a problem whose path is the one as written."""
        prefixes = [path for path in self.places if problem.startswith(path)]
        path = max(prefixes, key=len, default="")
        return self.places.get(path, "") + problem.removeprefix(path)


def translate(graph: Any, found: Problems) -> Translation:
    """Translate the member `graph`; what has no meaning in either version is told to `found`."""
    result = Translation()
    if not isinstance(graph, list):
        found.problems.append(f"graph: must be an array of files in version 1, not {shown(graph)}")
        return result
    for i, part in enumerate(graph):
        path = f"graph[{i}]"
        members = found.members(part, path, {"file_name", "separator", *_SECTIONS})
        for owner, items in _by_owner(members, path, found).items():
            _Entry(result, owner, members, path).add(items)
    return result


def _by_owner(members: Members, path: str, found: Problems) -> dict[Owner, list[tuple[str, str, Members]]]:
    """Return the items of a file by the type that they name: (section, path, item)."""
    owners: dict[Owner, list[tuple[str, str, Members]]] = {}

    def take(item: Any, place: str) -> None:
        owner, section = _owner(item), place.removeprefix(f"{path}.").partition("[")[0]
        if owner is None:
            found.problems.append(f"{place}: must name its 'node_type', a text, or its 'edge_type', three texts")
        elif len(_columns(item)) < _keys(owner) + (section != "edges"):
            keys = "the id's column" if isinstance(owner, str) else "the columns of both ends"
            found.problems.append(f"{place}.cols: must be an array of {keys} and the property's")
        else:
            owners.setdefault(owner, []).append((section, place, item))

    for section in _SECTIONS:
        found.each(members, section, path, take)
    if not any(members.get(section) for section in _SECTIONS):
        label = _label_of(str(members.get("file_name", "")))
        if label is None:
            found.problems.append(f"{path}: names no feature, label or edge, so nothing says what its rows are")
        else:
            owners[label] = []
    return owners


def _owner(item: Members) -> Owner | None:
    node, edge = item.get("node_type"), item.get("edge_type")
    if isinstance(node, str) and node and edge is None:
        return node
    is_triple = isinstance(edge, list) and len(edge) == 3 and all(isinstance(label, str) for label in edge)
    return (edge[0], edge[1], edge[2]) if node is None and isinstance(edge, list) and is_triple else None


def _label_of(file_name: str) -> str | None:
    """Return the label that the exporter names a file of vertices after."""
    path = PurePosixPath(file_name)
    if path.parent.name != "nodes":
        return None
    return urllib.parse.unquote_plus(path.name.partition(".")[0]) or None


class _Entry:
    """The entry of one type of one file."""

    def __init__(self, result: Translation, owner: Owner, members: Members, path: str) -> None:
        entries = result.nodes if isinstance(owner, str) else result.edges
        self._places = result.places
        self._path = f"graph.{'nodes' if isinstance(owner, str) else 'edges'}[{len(entries)}]"
        self._keys = _keys(owner)
        self._members: Members = {key: members[key] for key in ("file_name", "separator") if key in members}
        self._owner = owner
        self._places[self._path] = path
        entries.append(self._members)

    def add(self, items: list[tuple[str, str, Members]]) -> None:
        """Write the head, from the columns that the items name, and the items."""
        self._head(_columns(items[0][2]) if items else [_ID])
        for section, place, item in items:
            write = {"features": self._features, "labels": self._label}.get(section)
            if write is not None:
                write(item, place)

    def _head(self, columns: list[str]) -> None:
        if isinstance(self._owner, str):
            self._members["node"] = [columns[0], self._owner]
            return
        source, label, target = self._owner
        ends = {"source": [columns[0], source], "relation": ["", label], "dest": [columns[1], target]}
        self._members |= ends

    def _features(self, item: Members, place: str) -> None:
        kind = str(item.get("sub_feat_type"))
        for name in _columns(item)[self._keys :]:
            members = {"feature": [name, name, kind], **_IMPUTED.get(kind, {}), **_rest(item)}
            self._append("features", members, place)

    def _label(self, item: Members, place: str) -> None:
        kind = item.get("sub_label_type")
        label = [_columns(item)[self._keys], _TASKS.get(str(kind), kind)]
        self._append("labels", {"label": label, "split_rate": DEFAULT_SPLIT, **_rest(item)}, place)

    def _append(self, section: str, item: Members, place: str) -> None:
        items = self._members.setdefault(section, [])
        self._places[f"{self._path}.{section}[{len(items)}]"] = place
        items.append(item)


def _keys(owner: Owner) -> int:
    """Return how many columns say which element a row is."""
    return 1 if isinstance(owner, str) else 2


def _columns(item: Members) -> list[str]:
    columns = item.get("cols")
    return columns if isinstance(columns, list) and all(isinstance(name, str) for name in columns) else []


def _rest(item: Members) -> Members:
    """Return the members that mean the same in version 2."""
    rest = {key: value for key, value in item.items() if key not in _STRUCTURE}
    if "custom_split_filenames" in rest:
        rest.setdefault("split_rate", None)
    return rest
