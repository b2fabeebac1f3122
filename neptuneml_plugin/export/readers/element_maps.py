"""What Gremlin's steps tell of an element, as a row: `elementMap()`, and `valueMap()` with tokens."""

from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.elements import Row, node_type
from neptuneml_plugin.export.readers.graphbinary import ID, IN, LABEL, OUT


def vertex_row(found: dict[Any, Any]) -> Row:
    """Return the row of a vertex; its members are taken out of the map."""
    key, label = found.pop(ID), found.pop(LABEL)
    return Row(key, node_type(label), (), found)


def edge_row(found: dict[Any, Any]) -> Row:
    """Return the row of an edge; its members are taken out of the map."""
    key, label, source, target = found.pop(ID), found.pop(LABEL), found.pop(OUT), found.pop(IN)
    kind = EdgeType(node_type(source[LABEL]), label, node_type(target[LABEL]))
    return Row(key, kind, (source[ID], target[ID]), found)


def element_row(found: Any) -> Row | None:
    """Return the row of a vertex or an edge; None: it is no element map."""
    if not isinstance(found, dict) or ID not in found or LABEL not in found:
        return None
    row = edge_row(found) if OUT in found and IN in found else vertex_row(found)
    return row if all(isinstance(key, str) for key in row.properties) else None
