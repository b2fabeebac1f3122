"""The words of an export: nodes and edges, their types, and one of them as a row."""

import functools
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from neptuneml_plugin.artifacts import MULTI_LABEL_SEPARATOR, EdgeType, join_labels

#: Neptune gives a vertex of several labels as one text, joined by this.
NEPTUNE_LABEL_SEPARATOR = "::"

#: Properties to read; None: all, none: tokens only.
Keys = Sequence[str] | None

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


@functools.lru_cache(maxsize=4096)
def node_type(label: str) -> str:
    """Return the node type of a label as a graph, or a person, spells it: `Person::Admin`, `Person;Admin`."""
    return join_labels(label.replace(NEPTUNE_LABEL_SEPARATOR, MULTI_LABEL_SEPARATOR).split(MULTI_LABEL_SEPARATOR))
