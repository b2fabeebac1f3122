"""The document that says which labels and properties are exported: `filter`, `config.json` given back.

camelCase and `~` live here: `{"nodes": [{"label", "properties"}], "edges": [{"label", "properties"}]}`. A label
is a text, an array (a vertex of several), or for edges `{"~fromLabels", "~label", "~toLabels"}`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from neptuneml_plugin.artifacts import EdgeType, join_labels
from neptuneml_plugin.config import load_value
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.export.elements import Element, ElementType, node_type
from neptuneml_plugin.export.request.selection import Selected, Selection
from neptuneml_plugin.problems import Problems, is_text

#: Beside label and properties, what `config.json` holds and so may be given back.
_ENTRY_MEMBERS = ("label", "properties", "idType", "files")
#: In place of what a file holds that was not read.
UNREAD: Final = object()

#: Reads the file that a location names: `read_file`, or `find_file`.
FileReader = Callable[[Any, str, Problems], Any]


def read_selections(value: Any, path: str, problems: Problems) -> tuple[Selection, Selection]:
    """Read the document, or its text: what is selected of nodes and of edges."""
    if isinstance(value, str):
        value = parse(value, path, problems)
    if value is None or value is UNREAD:
        return Selection(), Selection()
    if not isinstance(value, Mapping):
        problems.invalid(path, f"must be an object with 'nodes' and 'edges', not {value!r}")
        return Selection(), Selection()
    problems.check_members(value, tuple(Element), path)
    nodes, edges = (_read_entries(value.get(member), f"{path}.{member}", member, problems) for member in Element)
    return Selection(tuple(nodes)), Selection(tuple(edges))


def local_path(value: Any, path: str, problems: Problems) -> Path | None:
    """Return the file that a location names."""
    if not is_text(value) or "\0" in value:
        problems.invalid(path, f"must be a path, not {value!r}")
        return None
    if "://" in value and not value.startswith("file://"):
        scheme = value.partition("://")[0]
        problems.refuse(path, f"'{value}': the export opens no {scheme}:// location; give a local path")
        return None
    return Path(value.removeprefix("file://"))


def read_file(value: Any, path: str, problems: Problems) -> Any:
    """Return the JSON or YAML in the file that a location names; `UNREAD` where it has a problem."""
    file = local_path(value, path, problems)
    if file is None:
        return UNREAD
    try:
        return load_value(file)
    except InvalidSettings as error:
        problems.invalid(path, f"'{file}' {'; '.join(error.problems)}")
        return UNREAD


def find_file(value: Any, path: str, problems: Problems) -> Any:
    """Check a location as `read_file` does, and leave the file to whoever reads it later."""
    local_path(value, path, problems)
    return UNREAD


def parse(text: str, path: str, problems: Problems) -> Any:
    """Return what a text of JSON holds."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.invalid(path, f"is not JSON: {error}")
        return None


def read_types(value: Any, path: str, element: Element, problems: Problems) -> list[ElementType]:
    """Read one label or an array of labels; an edge label may be a triple, as `config.json` spells it."""
    found: list[ElementType] = []
    for item in value if isinstance(value, list) else [] if value is None else [value]:
        kind = _read_label(item, element)
        if kind is None:
            problems.invalid(path, f"must be a label or an array of labels, not {item!r}")
        else:
            found.append(kind)
    return found


def _read_entries(value: Any, path: str, element: Element, problems: Problems) -> list[Selected]:
    entries: list[Selected] = []
    for index, item in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        place = f"{path}[{index}]"
        kind = _read_label(item.get("label"), element) if isinstance(item, Mapping) else None
        if kind is None:
            problems.invalid(place, "must be an object with a 'label'")
            continue
        problems.check_members(item, _ENTRY_MEMBERS, place)
        given = item.get("properties") or []
        names = [_property_name(entry) for entry in given] if isinstance(given, list) else [None]
        if None in names:
            problems.invalid(f"{place}.properties", "must be names or objects with 'property'")
        entries.append(Selected(kind, tuple(name for name in names if name is not None) or None))
    return entries


def _read_label(value: Any, element: Element) -> ElementType | None:
    if is_text(value):
        return value if element is Element.EDGE else node_type(value)
    if element is Element.NODE:
        return _joined(value)
    if isinstance(value, list):
        return value[0] if len(value) == 1 and is_text(value[0]) else None
    if not isinstance(value, Mapping):
        return None
    source, target = (_joined(value.get(end)) for end in ("~fromLabels", "~toLabels"))
    label = value.get("~label")
    if not is_text(label) or source is None or target is None:
        return None
    return EdgeType(source, label, target)


def _joined(labels: Any) -> str | None:
    if not isinstance(labels, Sequence) or isinstance(labels, str) or not labels:
        return None
    return join_labels(labels) if all(map(is_text, labels)) else None


def _property_name(value: Any) -> str | None:
    name = value.get("property") if isinstance(value, Mapping) else value
    return name if is_text(name) else None
