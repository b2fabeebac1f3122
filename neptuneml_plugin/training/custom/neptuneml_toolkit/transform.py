"""What transform scripts call: their settings, and the files of a model's artifact."""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .splits import REVERSE, edge_rows, node_rows
from .utils import get_available_devices


def get_transform_config() -> tuple[str, str, list[int], dict[str, Any]]:
    """Return the folder of the data, the one of the model, the devices, and the hyperparameters."""
    data, model = os.environ["SM_DATA_DIR"], os.environ["SM_MODEL_DIR"]
    tuning = Path(os.environ["SM_OUTPUT_DIR"]) / "tuning_job_details.json"
    if tuning.is_file():
        details = json.loads(tuning.read_text(encoding="utf-8"))["BestTrainingJob"]
    else:
        details = json.loads((Path(data) / "training_job_details.json").read_text(encoding="utf-8"))
    return data, model, get_available_devices(), details["TrainingJobParameters"]


def normalize_hyperparameter_keys(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with `_` in place of `-` in the names."""
    return {name.replace("-", "_"): value for name, value in params.items()}


def get_test_nids(g: Any, target_ntype: str | None = None) -> torch.Tensor | None:
    """Return the test nodes; None where there is no such mask."""
    return node_rows(g, "test_mask", target_ntype)


def get_test_eids(g: Any, target_etype: Any = None, include_reverse_etypes: bool = False) -> Any:  # noqa: FBT001, FBT002
    """Return the test edges, by type."""
    return edge_rows(g, "test", target_etype, reverse=include_reverse_etypes)


def save_node_prediction_model_artifacts(
    model_path: str, predictions: Any, graphloader: Any, params: Mapping[str, Any], embeddings: Any = None
) -> None:
    """Write the artifact of a node task: `result.npz`, `entity.npy`, `mapping.info`, `config.json`."""
    folder, target = Path(model_path), params["target_ntype"]
    np.savez(folder / "result.npz", infer_scores=_array(predictions))
    if embeddings is not None:
        save_entity_embeddings(embeddings, model_path, target_ntype=target)
    mapping = {
        "node2id": graphloader.node2id,
        "label_map": graphloader.label_map,
        "target_ntype": target,
        "target_ntype_property": graphloader.label_properties[target],
    }
    _save_mapping(folder, mapping)
    _save_config(folder, params)


def save_link_prediction_model_artifacts(
    g: Any,
    model_path: str,
    graphloader: Any,
    params: Mapping[str, Any],
    entity_embeddings: Mapping[str, Any],
    rel_type_embeddings: Any,
) -> None:
    """Write the artifact of link prediction: `relation.npy` and `graph.bin` in place of `result.npz`."""
    import dgl  # noqa: PLC0415 - only graphs need it

    folder = Path(model_path)
    forward = [kind for kind in g.canonical_etypes if REVERSE not in kind[1]]
    numbers = [number for number, kind in enumerate(g.canonical_etypes) if REVERSE not in kind[1]]
    np.save(folder / "relation.npy", _array(rel_type_embeddings)[numbers])
    kept = dgl.edge_type_subgraph(g, forward)
    whole = dgl.to_homogeneous(kept)
    kinds = whole.ndata[dgl.NTYPE].numpy()
    rows = {label: np.flatnonzero(kinds == number) for number, label in enumerate(kept.ntypes)}
    dgl.save_graphs(str(folder / "graph.bin"), [whole])
    mapping = {
        "model_type": params["model"],
        "node2id": graphloader.node2id,
        "label_map": graphloader.label_map,
        "relation2id_map": {kind: number for number, kind in enumerate(kept.canonical_etypes)},
        "nodetype2id_map": {label: number for number, label in enumerate(kept.ntypes)},
        "node2gid": rows,
    }
    _save_mapping(folder, mapping)
    save_entity_embeddings(entity_embeddings, model_path, tnid2gnid=rows)
    _save_config(folder, params)


def save_entity_embeddings(
    entity_embeddings: Any,
    path: str,
    target_ntype: str | None = None,
    tnid2gnid: Mapping[str, Any] | None = None,
) -> None:
    """Write `entity.npy`: of one type, or of all types in the order that `tnid2gnid` gives their rows."""
    if isinstance(entity_embeddings, Mapping) and target_ntype is None:
        if tnid2gnid is None:
            raise ValueError("embeddings of several types need tnid2gnid: the row of each node among all")
        arrays = {label: _array(values) for label, values in entity_embeddings.items()}
        whole = np.zeros((sum(map(len, arrays.values())), next(iter(arrays.values())).shape[1]))
        for label, values in arrays.items():
            whole[tnid2gnid[label]] = values
    else:
        chosen = entity_embeddings[target_ntype] if isinstance(entity_embeddings, Mapping) else entity_embeddings
        whole = _array(chosen)
    np.save(Path(path) / "entity.npy", whole)


def _array(values: Any) -> Any:
    return values.detach().cpu().numpy() if torch.is_tensor(values) else np.asarray(values)


def _save_mapping(folder: Path, content: Mapping[str, Any]) -> None:
    with (folder / "mapping.info").open("wb") as file:
        pickle.dump(dict(content), file, protocol=4)


def _save_config(folder: Path, params: Mapping[str, Any]) -> None:
    config = {name: params[name] for name in ("task", "model", "name")}
    config |= {"infer_type": "online-transductive-infer"}
    config |= {"property": params["property"]} if "property" in params else {}
    path = folder / "config.json"
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(config | there), encoding="utf-8")
