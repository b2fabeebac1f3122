"""The files that clients of Neptune ML look for under a training's or a transform's output (spec/formats.md B.6).

```
embeddings/entity.npy      float32 (rows, d). Node tasks: the target's vertices; others: all vertices, one label
                           after the other in the order of `node_id_map`
predictions/result.npz     `infer_scores` float32 (rows, classes), or (rows, 1) of a regression; node tasks
mapping.info               a pickle of builtins and numpy: which row is whose, and which class is which
infer_instance_recommendation.json
```

They are made from an artifact, a block of rows at a time, and read by no stage of ours.
"""

import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.arrays import read_blocks, save_blocks, write_blocks
from neptuneml_plugin.artifacts import (
    INFER_INSTANCE,
    MAPPING_PICKLE,
    GraphSchema,
    Manifest,
    Target,
    node_folder,
)
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.stage import write_json

#: The newest that Python 3.6 reads, which the original's custom models run on.
PICKLE_PROTOCOL = 4
#: A worker with nothing in it.
BASE_BYTES = 300 << 20
#: Of an artifact's size, for what answers hold beside it.
MARGIN = 1.5
#: GiB of memory -> instance of Amazon's `ml.m5d` family, which Neptune ML names; beyond, its largest `ml.r5d`.
INSTANCES: Mapping[int, str] = {
    8: "ml.m5d.large",
    16: "ml.m5d.xlarge",
    32: "ml.m5d.2xlarge",
    64: "ml.m5d.4xlarge",
    128: "ml.m5d.8xlarge",
    192: "ml.m5d.12xlarge",
    256: "ml.m5d.16xlarge",
    384: "ml.m5d.24xlarge",
}
LARGEST = "ml.r5d.24xlarge"


def write_client_files(folder: Path, artifact: Path, manifest: Manifest) -> None:
    """Write the files into `folder`, which may be the artifact itself.

    Raises:
        OSError: a file could not be written whole.
    """
    schema, target = manifest.schema, manifest.target
    position = None if target.node is None else schema.node(target.node)
    (folder / "embeddings").mkdir()
    _write_entities(folder / "embeddings" / "entity.npy", artifact, schema, position)
    if position is not None:
        (folder / "predictions").mkdir()
        kind = artifact / node_folder(position)
        _write_scores(folder / "predictions" / "result.npz", kind / "predictions.npy")
    with (folder / MAPPING_PICKLE).open("wb") as file:
        pickle.dump(mapping(artifact, manifest), file, protocol=PICKLE_PROTOCOL)
    write_json(folder / INFER_INSTANCE, instance_recommendation(manifest))


def _write_entities(path: Path, artifact: Path, schema: GraphSchema, position: int | None) -> None:
    positions = range(len(schema.nodes)) if position is None else [position]
    files = [artifact / node_folder(each) / "embeddings.npy" for each in positions]
    width = next(np.load(file, mmap_mode="r").shape[1] for file in files)
    rows = sum(schema.nodes[each].count for each in positions)
    save_blocks(path, (rows, width), np.float32, (block for file in files for block in read_blocks(file)))


def _write_scores(path: Path, predictions: Path) -> None:
    """Write an `.npz` as `np.savez` would, which wants the whole array."""
    shape = np.load(predictions, mmap_mode="r").shape
    with zipfile.ZipFile(path, "w") as archive, archive.open("infer_scores.npy", "w", force_zip64=True) as file:
        write_blocks(file, shape, np.float32, read_blocks(predictions))


def mapping(artifact: Path, manifest: Manifest) -> dict[str, Any]:
    """Return what `mapping.info` holds, as the toolkit's models write it."""
    schema, target = manifest.schema, manifest.target
    ids = {node.label: IdColumn(artifact / node_folder(at)).texts() for at, node in enumerate(schema.nodes)}
    content: dict[str, Any] = {
        "model_type": manifest.model,
        "node2id": {label: dict(zip(texts, range(len(texts)), strict=True)) for label, texts in ids.items()},
        "label_map": _label_map(target),
    }
    if target.node is not None:
        return content | {"target_ntype": target.node, "target_ntype_property": target.property_name}
    starts = np.cumsum([0, *(node.count for node in schema.nodes)]).tolist()
    return content | {
        "relation2id_map": {edge.type.triple: at for at, edge in enumerate(schema.edges)},
        "nodetype2id_map": {node.label: at for at, node in enumerate(schema.nodes)},
        "node2gid": {
            node.label: np.arange(start, start + node.count)
            for node, start in zip(schema.nodes, starts[:-1], strict=True)
        },
    }


def _label_map(target: Target) -> dict[Any, dict[int, Any]]:
    if target.property_name is None:
        return {}
    kinds: Iterable[Any] = [target.node] if target.node is not None else [edge.triple for edge in target.edges]
    return {kind: dict(enumerate(target.classes)) for kind in kinds}


def instance_recommendation(manifest: Manifest) -> dict[str, str]:
    """Return the memory and disk that serving takes (an estimate); sizes are bytes, as texts."""
    size = sum(file.size for file in manifest.files.values())
    memory = BASE_BYTES + int(MARGIN * size)
    instance = next((name for gib, name in INSTANCES.items() if memory <= gib << 30), LARGEST)
    return {"instance": instance, "disk_size": str(2 * size), "mem_size": str(memory)}
