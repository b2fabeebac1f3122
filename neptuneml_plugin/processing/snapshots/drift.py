"""How far a graph has moved since its encoders were fitted, and when to train again.

Values are compared as they are encoded, which is what a model reads, by summaries that stand in the processed
folder: of categories, buckets and dates the mean of each row's share in every column, and of rows without any; of
numbers `POINTS` quantiles of each column. Both are of a sample where rows are many.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.arrays import Array, map_array, save_array
from neptuneml_plugin.artifacts import (
    Drift,
    EdgeSchema,
    FeatureDrift,
    FeatureSchema,
    GraphSchema,
    NodeType,
    TypeDrift,
    edge_folder,
    node_folder,
)
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.snapshots.arranging import Arranged
from neptuneml_plugin.processing.snapshots.previous import ANEW, Kind, Previous, types_by_kind

SUMMARIES = "summaries"
#: Neptune's rule of thumb (spec/neptune-ml.md 1.5): the share of a graph whose change asks for a new training,
#: where all vertices have features, and where some have none, as all these start alike.
LIMIT, LIMIT_WITHOUT_FEATURES = 0.2, 0.1
#: Quantiles of a column, so that distances are right to 0.005.
POINTS = 201
#: Rows that a summary is made of, fewer where they are wide: 16 MiB of float32. The shares of a sample of so many
#: are right to 0.004 in 95 of 100 cases.
SAMPLE_ROWS, SAMPLE_CELLS = 1 << 16, 1 << 22
_FEWEST_ROWS = 1 << 10

TOTAL_VARIATION, KOLMOGOROV_SMIRNOV = "total variation", "Kolmogorov-Smirnov"
#: Types whose columns are 0 or 1.
_SHARES = frozenset({"category", "bucket_numerical", "datetime"})

Floats = npt.NDArray[np.float64]


def summary(kind: str, matrix: Array) -> Floats:
    """Return what is kept of the rows of a feature of this type.

    Args:
        kind: the type of the feature.
        matrix: (rows, width).

    Returns:
        (width + 1,) for shares, the last of rows without any; else (`POINTS`, width); of no rows: (0,).
    """
    if not matrix.size:
        return np.zeros(0)
    sample = _sample(matrix)
    if kind not in _SHARES:
        return np.quantile(sample, np.linspace(0, 1, POINTS), axis=0, method="inverted_cdf").astype(np.float64)
    totals = sample.sum(1, keepdims=True)
    shares: Floats = (sample / np.maximum(totals, 1)).mean(0, dtype=np.float64)
    return np.append(shares, (totals == 0).mean())


def _sample(matrix: Array) -> Array:
    most = max(_FEWEST_ROWS, min(SAMPLE_ROWS, SAMPLE_CELLS // matrix.shape[1]))
    if len(matrix) <= most:
        return np.asarray(matrix)
    rows: Array = matrix[np.sort(np.random.default_rng(0).choice(len(matrix), most, replace=False))]
    return rows


def distance(kind: str, one: Floats, other: Floats) -> FeatureDrift | None:
    """Return how far two summaries of one type are apart, the name left empty; None where one is of no rows."""
    if not one.size or not other.size:
        return None
    if kind in _SHARES:
        return FeatureDrift("", TOTAL_VARIATION, float(np.abs(one - other).sum() / 2))
    columns = zip(one.T, other.T, strict=True)
    return FeatureDrift("", KOLMOGOROV_SMIRNOV, max(_apart(a, b) for a, b in columns))


def _apart(one: Floats, other: Floats) -> float:
    """Return the largest difference of two distribution functions, given by ascending quantiles."""
    at = np.concatenate([one, other])
    below = [np.searchsorted(values, at, side="right") / len(values) for values in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def write_summaries(folder: Path, schema: GraphSchema, previous: Previous | None) -> None:
    """Write the summaries of all features; those of an earlier snapshot go on, as its encoders do.

    Raises:
        OSError: a file could not be written.
    """
    for target, kind in _folders(folder, schema):
        if previous is not None:
            earlier = previous.folder_of(_kind(kind)) / SUMMARIES
            if earlier.is_dir():
                shutil.copytree(earlier, target / SUMMARIES)
            continue
        for position, feature in enumerate(kind.features):
            (target / SUMMARIES).mkdir(parents=True, exist_ok=True)
            matrix = map_array(target / "features" / f"{position}.npy")
            save_array(target / SUMMARIES / f"{position}.npy", summary(feature.type, matrix))


def measure(folder: Path, schema: GraphSchema, arranged: Arranged) -> Drift:
    """Compare a graph with the snapshots before it.

    Args:
        folder: takes the graph, its summaries included.
        schema: its types.
        arranged: its elements, and where they were before.

    Raises:
        InvalidData: the previous snapshot has no summaries.
    """
    before = types_by_kind(arranged.previous)
    last = arranged.previous.record.drift
    types = []
    for target, kind in _folders(folder, schema):
        name = _kind(kind)
        known = int((arranged.rows[name] >= 0).sum())
        added, removed = kind.count - known, before[name].count - known
        node, edge = (name, None) if isinstance(name, str) else (None, name)
        earlier = next((one for one in last.types if (one.node, one.edge) == (node, edge)), None) if last else None
        types.append(
            TypeDrift(
                before[name].count,
                known,
                added,
                removed,
                earlier.fitted if earlier else before[name].count,
                (earlier.changed if earlier else 0) + added + removed,
                node,
                edge,
                tuple(_features(target, kind.features)),
            )
        )
    limit = LIMIT if all(node.features for node in schema.nodes if node.count) else LIMIT_WITHOUT_FEATURES
    return Drift(
        tuple(types),
        _changed(one for one in types if one.node is not None),
        _changed(one for one in types if one.edge is not None),
        limit,
    )


def _features(folder: Path, features: Sequence[FeatureSchema]) -> Iterable[FeatureDrift]:
    for position, feature in enumerate(features):
        path = folder / SUMMARIES / f"{position}.npy"
        if not path.is_file():
            raise InvalidData(
                f"the previous snapshot holds no summary of '{feature.name}'; process that one again, too"
            )
        now = summary(feature.type, map_array(folder / "features" / f"{position}.npy"))
        found = distance(feature.type, map_array(path), now)
        if found is not None:
            yield FeatureDrift(feature.name, found.measure, round(found.distance, 4))


def _changed(types: Iterable[TypeDrift]) -> float:
    counts = [(one.changed, one.fitted) for one in types]
    return round(sum(changed for changed, _ in counts) / max(1, sum(fitted for _, fitted in counts)), 4)


def warnings(drift: Drift) -> list[str]:
    """Return what asks for a new training."""
    said = [
        f"since the encoders were fitted, {share:.0%} of the {name} were added or removed, more than "
        f"{drift.limit:.0%}: {ANEW}"
        for name, share in (("vertices", drift.vertices), ("edges", drift.edges))
        if share > drift.limit
    ]
    return said + [
        f"feature '{feature.name}' of {one.node or one.edge} has drifted by "
        f"{feature.distance:.2f} ({feature.measure}) since its encoder was fitted, more than {drift.limit:.2f}: "
        f"{ANEW}"
        for one in drift.types
        for feature in one.features
        if feature.distance > drift.limit
    ]


def _folders(folder: Path, schema: GraphSchema) -> Iterable[tuple[Path, NodeType | EdgeSchema]]:
    """Return the folder of each type, but of edges that processing made."""
    kinds: list[tuple[Callable[[int], str], Sequence[NodeType | EdgeSchema]]] = [
        (node_folder, schema.nodes),
        (edge_folder, schema.edges),
    ]
    for name, types in kinds:
        for position, kind in enumerate(types):
            if not (isinstance(kind, EdgeSchema) and kind.built):
                yield folder / name(position), kind


def _kind(of: NodeType | EdgeSchema) -> Kind:
    return of.label if isinstance(of, NodeType) else of.type
