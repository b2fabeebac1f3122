"""The folder of an ensemble: an artifact of its own, whose version follows from those of its members.

What is stored of vertices is averaged once, here, so that it is looked up, and taken by the plugin, as that of any
artifact. Edges and links are computed when they are asked for, from the members' own folders.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import (
    CUSTOM,
    KGE_MODELS,
    MANIFEST,
    EdgeSchema,
    GraphSchema,
    Manifest,
    NodeType,
    Target,
    node_folder,
    open_artifact,
    table_name,
    write_record,
)
from neptuneml_plugin.ensembles.agreement import check_agreement, kept_classes, labels_of
from neptuneml_plugin.ensembles.definition import (
    ENSEMBLE_MODEL,
    Combine,
    Definition,
    EnsembleRecord,
    write_ensemble,
)
from neptuneml_plugin.ensembles.finish import Finish, Floats, mean
from neptuneml_plugin.filerecords import content_version, describe_files
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.stage import output_folder
from neptuneml_plugin.table import write_class_table, write_id_table, write_value_table

ROWS_PER_BLOCK = 1 << 16
IDS = ("ids.npy", "id_offsets.npy", "id_hashes.npy", "id_rows.npy")


def build(definition: Definition, target: Path, source: str = "ensemble") -> Manifest:
    """Write the folder of an ensemble.

    Args:
        definition: what it is made of.
        target: the folder to write.
        source: where the definition comes from, for messages.

    Raises:
        InvalidData: a member is no artifact.
        InvalidSettings: the members do not fit each other; with every problem found.
    """
    folders = [member.artifact for member in definition.members]
    manifests = [open_artifact(folder, verify=False) for folder in folders]  # a worker verifies them
    check_agreement(definition, manifests, source)
    schema = _schema(manifests)
    with output_folder(target) as folder:
        versions = tuple(manifest.version for manifest in manifests)
        write_ensemble(folder, EnsembleRecord(definition, versions))
        _write_vertices(folder, schema, definition, folders, manifests)
        manifest = _manifest(folder, schema, definition, manifests)
        write_record(folder / MANIFEST, manifest)
    return manifest


def _write_vertices(
    folder: Path,
    schema: GraphSchema,
    definition: Definition,
    folders: Sequence[Path],
    manifests: Sequence[Manifest],
) -> None:
    """Write ids, what is stored of the vertices, and the plugin's tables, as `Manifest` says."""
    first = manifests[0]
    for label in labels_of(first.target):
        own = folder / node_folder(schema.node(label))
        given = folders[0] / node_folder(first.schema.node(label))
        own.mkdir(parents=True)
        for name in IDS:
            shutil.copyfile(given / name, own / name)
        table = folder / table_name(schema.node(label))
        if label == first.target.node:
            _write_predictions(own, table, definition, folders, manifests)
        elif table_name(first.schema.node(label)) in first.files:
            write_id_table(table, IdColumn(own))


def _write_predictions(
    own: Path, table: Path, definition: Definition, folders: Sequence[Path], manifests: Sequence[Manifest]
) -> None:
    target, ids = manifests[0].target, IdColumn(own)
    stored = [
        np.load(folder / node_folder(manifest.schema.node(target.node or "")) / "predictions.npy", mmap_mode="r")
        for folder, manifest in zip(folders, manifests, strict=True)
    ]
    finish, is_class = Finish(definition, target), manifests[0].task.is_class
    classes = kept_classes(definition, target)
    predictions = np.lib.format.open_memmap(
        own / "predictions.npy",
        mode="w+",
        dtype=np.float32 if is_class else np.float64,
        shape=(len(ids), len(classes) if is_class else 1),
    )
    for rows, averaged in _blocks(stored, [member.weight for member in definition.members]):
        predictions[rows] = finish.outputs(averaged)
    predictions.flush()
    if is_class:
        starts = range(0, len(ids), ROWS_PER_BLOCK)
        blocks = (np.asarray(predictions[start : start + ROWS_PER_BLOCK]) for start in starts)
        write_class_table(table, ids, _renamed(definition, target), blocks)
    else:
        write_value_table(table, ids, np.asarray(predictions[:, 0]))


def _blocks(stored: Sequence[Any], weights: Sequence[float]) -> Iterator[tuple[slice, Floats]]:
    for start in range(0, len(stored[0]), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        yield rows, mean((array[rows] for array in stored), weights)


def _renamed(definition: Definition, target: Target) -> tuple[str | int | float | bool, ...]:
    return tuple(definition.rename.get(str(name), name) for name in kept_classes(definition, target))


def _manifest(
    folder: Path, schema: GraphSchema, definition: Definition, manifests: Sequence[Manifest]
) -> Manifest:
    files, first = describe_files(folder), manifests[0]
    return Manifest(
        version=content_version(files, first.task),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        task=first.task,
        target=replace(first.target, classes=_renamed(definition, first.target)),
        schema=schema,
        model=ENSEMBLE_MODEL,
        hyperparameters=_asked(definition, manifests),
        metrics={},
        files=files,
        threshold=definition.threshold,
    )


def _asked(definition: Definition, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Return what a caller gathers for all members; nothing where one answers from what is stored alone."""
    if definition.combine == Combine.FILTER or any(manifest.model == CUSTOM for manifest in manifests):
        return {}
    each = [manifest.hyperparameters for manifest in manifests]
    hops = max(map(_hops, manifests))
    fanouts = [given["fanout"] for given in each if given.get("fanout")]
    asked: dict[str, Any] = {
        name: any(given.get(name) for given in each) for name in ("use-edge-labels", "use-edge-features")
    }
    if len(fanouts) == len(each):  # where one says nothing, the service decides
        asked["fanout"] = [max(wanted[min(hop, len(wanted) - 1)] for wanted in fanouts) for hop in range(hops)]
    return {"inductive": True, "num-layer": hops, **asked}


def _hops(manifest: Manifest) -> int:
    given = manifest.hyperparameters
    return 1 if manifest.model in KGE_MODELS else int(given.get("num-layer", len(given.get("fanout") or [0])))


def _schema(manifests: Sequence[Manifest]) -> GraphSchema:
    """Return all types and features that one of the members knows."""
    nodes: dict[str, NodeType] = {}
    edges: dict[Any, EdgeSchema] = {}
    for manifest in manifests:
        for node in manifest.schema.nodes:
            known = nodes.setdefault(node.label, node)
            nodes[node.label] = replace(known, features=_distinct(known.features, node.features))
        for edge in manifest.schema.edges:
            found = edges.setdefault(edge.type, edge)
            built, features = found.built and edge.built, _distinct(found.features, edge.features)
            edges[edge.type] = replace(found, built=built, features=features)
    return GraphSchema(tuple(nodes.values()), tuple(edges.values()))


def _distinct(*features: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(feature for each in features for feature in each))
