"""Reads `config.json`, the export's schema: the types of ids and of properties.

Optional: without it ids are `String` and the types of properties are inferred. `idType` is our own addition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EXPORT_SCHEMA, EdgeType, join_labels
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.problems import load_json

_NO_LABEL = "_"


@dataclass(frozen=True)
class ExportSchema:
    """What the export recorded."""

    #: Vertex label -> simple name of the ids' Java class.
    id_types: Mapping[str, str] = field(default_factory=dict)
    #: (vertex label or edge type, property) -> data type.
    data_types: Mapping[tuple[str | EdgeType, str], str] = field(default_factory=dict)

    def id_type(self, label: str) -> str:
        """Return the class of a vertex label's ids."""
        return self.id_types.get(label, "String")


def read_schema(folder: Path) -> ExportSchema:
    """Read the schema of an export folder, if it has one.

    Raises:
        InvalidData: there is one, but of another shape.
    """
    path = folder / EXPORT_SCHEMA
    if not path.is_file():
        return ExportSchema()
    try:
        raw = load_json(path)
        nodes = [(_label(entry["label"]), entry) for entry in raw.get("nodes", [])]
        edges = [(_edge_type(entry["label"]), entry) for entry in raw.get("edges", [])]
        id_types = {label: str(entry["idType"]) for label, entry in nodes if "idType" in entry}
        data_types = {
            (kind, str(item["property"])): str(item["dataType"])
            for kind, entry in [*nodes, *edges]
            for item in entry.get("properties", [])
            if isinstance(item, dict) and item.get("dataType")
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidData(
            f"{path} is not the schema that the export writes ({type(error).__name__}: {error}); "
            "export again, or remove the file (ids are then texts)"
        ) from None
    return ExportSchema(id_types, data_types)


def _label(raw: Any) -> str:
    return join_labels(raw if isinstance(raw, list) else str(raw).split(";"))


def _edge_type(raw: Any) -> str | EdgeType:
    if not isinstance(raw, dict):
        return str(raw)
    source, target = (_label(raw.get(end) or _NO_LABEL) for end in ("~fromLabels", "~toLabels"))
    return EdgeType(source, str(raw["~label"]), target)
