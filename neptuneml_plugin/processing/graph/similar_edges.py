"""Makes the edges that a configuration asks for under `similar`, from features that are encoded already."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neptuneml_plugin.arrays import map_array
from neptuneml_plugin.artifacts import EdgeSchema, GraphSchema, NodeType, edge_folder, node_folder
from neptuneml_plugin.errors import InvalidData, UnsupportedOperation, nearest
from neptuneml_plugin.processing.encoders.columns import Matrix
from neptuneml_plugin.processing.graph.native import refuse_clash, write_ends
from neptuneml_plugin.processing.graph.similar import Ints, similar_pairs
from neptuneml_plugin.processing.snapshots.previous import ANEW, Previous
from neptuneml_plugin.trainingdata.similar import SimilarSpec

#: All cosines are computed: 10^10 of vectors of 100 numbers take half a minute on two cores.
MOST_NODES = 100_000


@dataclass(frozen=True)
class WithSimilar:
    """A graph's types, the built ones last."""

    schema: GraphSchema
    warnings: tuple[str, ...] = ()


def write_similar(
    folder: Path, schema: GraphSchema, specs: Sequence[SimilarSpec], previous: Previous | None
) -> WithSimilar:
    """Write the edges that are asked for, both ways; after a previous snapshot those of its types.

    Args:
        folder: takes them; it holds the features.
        schema: the types it holds.
        specs: the edges to build.
        previous: the snapshot before, if there is one.

    Raises:
        InvalidData: a feature was left out.
        UnsupportedOperation: too many vertices.
        OSError: a file could not be written.
    """
    wanted, warnings = _wanted(specs, previous)
    built, said = list(schema.edges), list(warnings)
    for kind, spec in wanted:
        sources = targets = np.zeros(0, dtype=np.int64)
        if spec is not None:
            sources, targets = _edges(folder, schema, spec)
            if not len(sources):
                said.append(f"no two vertices '{spec.node}' are similar enough for an edge '{spec.edge}'")
        write_ends(folder / edge_folder(len(built)), sources, targets)
        built.append(replace(kind, count=len(sources)))
    refuse_clash([edge.type for edge in built])
    return WithSimilar(replace(schema, edges=tuple(built)), tuple(said))


def _wanted(
    specs: Sequence[SimilarSpec], previous: Previous | None
) -> tuple[list[tuple[EdgeSchema, SimilarSpec | None]], list[str]]:
    """Return the types to build, and how; None: they stay without rows."""
    if previous is None:
        return [(EdgeSchema(spec.type, 0, built=True), spec) for spec in specs], []
    before = [edge for edge in previous.record.schema.edges if edge.built]
    given = {spec.type: spec for spec in specs}
    left_out = given.keys() - {edge.type for edge in before}
    warnings = [
        f"edges to build {kind} are new since the previous snapshot and left out; to use them, {ANEW}"
        for kind in given
        if kind in left_out
    ]
    warnings += [
        f"edges to build {edge.type} of the previous snapshot are not in the configuration; they stay as a "
        "type without rows"
        for edge in before
        if edge.type not in given
    ]
    return [(edge, given.get(edge.type)) for edge in before], warnings


def _edges(folder: Path, schema: GraphSchema, spec: SimilarSpec) -> tuple[Ints, Ints]:
    position = schema.node(spec.node)
    node = schema.nodes[position]
    if node.count > MOST_NODES:
        raise UnsupportedOperation(
            f"similar: '{node.label}' has {node.count} vertices; edges are built among at most {MOST_NODES}, as "
            "all pairs are compared"
        )
    vectors = _vectors(folder / node_folder(position) / "features", node, spec)
    pairs = similar_pairs(vectors, top_k=spec.top_k, threshold=spec.threshold, max_edges=spec.max_edges)
    sources = np.concatenate([pairs.first, pairs.second])
    return sources, np.concatenate([pairs.second, pairs.first])


def _vectors(folder: Path, node: NodeType, spec: SimilarSpec) -> Matrix:
    """Return the features of each vertex one after the other, (rows, width)."""
    columns = []
    for name in spec.features:
        found = next(
            (i for i, feature in enumerate(node.features) if name in {feature.name, feature.column}), None
        )
        if found is None:
            raise InvalidData(
                f"similar: '{name}' of '{node.label}' is not encoded, so no edges can be built from it"
                f"{nearest(name, [feature.name for feature in node.features])}; see the other warnings"
            )
        columns.append(map_array(folder / f"{found}.npy"))
    joined: Matrix = np.concatenate(columns, axis=1)
    return joined
