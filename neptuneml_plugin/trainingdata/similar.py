"""An entry of `similar`: edges that processing makes between vertices whose properties are alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.artifacts import EdgeType, join_labels
from neptuneml_plugin.errors import nearest
from neptuneml_plugin.problems import Problems, shown

MEMBERS = frozenset({"node", "features", "edge", "top_k", "threshold", "max_edges"})
DEFAULT_MAX_EDGES = 100


@dataclass(frozen=True)
class SimilarSpec:
    """Which vertices are joined to which (docs/processing.md, Edges to build)."""

    #: A vertex label.
    node: str
    #: Features of the label, by name or column.
    features: tuple[str, ...]
    #: Label of the edges.
    edge: str
    #: Each vertex is joined to so many, the most similar ones; None: to all that the threshold admits.
    top_k: int | None = None
    #: Smallest cosine.
    threshold: float | None = None
    #: Edges that a vertex has at most.
    max_edges: int = DEFAULT_MAX_EDGES

    @property
    def type(self) -> EdgeType:
        """The edge type."""
        return EdgeType(self.node, self.edge, self.node)


def read_similar(raw: Mapping[str, Any], path: str, found: Problems) -> SimilarSpec:
    """Read one entry; what is wrong with it is told to `found`."""
    members = found.members(raw, path, MEMBERS)
    features = members.get("features")
    if not (isinstance(features, list) and features and all(isinstance(name, str) for name in features)):
        found.problems.append(f"{path}.features: must be an array of names, not {shown(features)}")
        features = []
    given = {key for key in ("top_k", "threshold", "max_edges") if members.get(key) is not None}
    if not given & {"top_k", "threshold"}:
        found.problems.append(f"{path}: says neither top_k nor threshold; give one or both")
    spec = SimilarSpec(
        join_labels(found.text(members, "node", path).split(";")),
        tuple(features),
        found.text(members, "edge", path),
        found.count(members, "top_k", path) if "top_k" in given else None,
        found.number(members["threshold"], f"{path}.threshold") if "threshold" in given else None,
        found.count(members, "max_edges", path) if "max_edges" in given else DEFAULT_MAX_EDGES,
    )
    if spec.threshold is not None and not 0 < spec.threshold <= 1:
        found.problems.append(f"{path}.threshold: {spec.threshold} must be a cosine above 0 and at most 1")
    return spec


def check_similar(
    specs: Sequence[SimilarSpec], features: Mapping[str, Sequence[str]], edges: Sequence[EdgeType], found: Problems
) -> None:
    """Tell `found` of labels and features that are not there, and of edge types that are.

    Args:
        specs: in their order.
        features: vertex label -> names and columns of its features.
        edges: types that the graph has already.
        found: takes the problems.
    """
    taken = list(edges)
    for i, spec in enumerate(specs):
        path = f"similar[{i}]"
        if spec.node and spec.node not in features:
            found.problems.append(f"{path}.node: no file of vertices '{spec.node}'{nearest(spec.node, features)}")
        for name in spec.features if spec.node in features else ():
            if name not in features[spec.node]:
                found.problems.append(
                    f"{path}.features: '{name}' is no feature of '{spec.node}'{nearest(name, features[spec.node])}"
                )
        if spec.type in taken:
            found.problems.append(f"{path}.edge: edge type {spec.type} is there already; choose another name")
        taken.append(spec.type)
