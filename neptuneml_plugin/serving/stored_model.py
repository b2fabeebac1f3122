"""What an artifact holds of its model: weights, tables with a row per node, encoders, degrees."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neptuneml_plugin.artifacts import ENCODERS, WEIGHTS, GraphSchema, Manifest
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.encoders.fitted import FittedEncoders, read_encoders
from neptuneml_plugin.serving.features import LiveEncoder
from neptuneml_plugin.serving.subgraph import Ints
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.models.model import Model


@dataclasses.dataclass(frozen=True)
class Table:
    """A parameter with a row per node, in the artifact's row order, and their mean for nodes that it lacks."""

    rows: Tensor
    mean: Tensor

    def of(self, rows: Ints) -> Tensor:
        """Return the row of each node, float64; the mean where a row is -1."""
        unknown = rows < 0
        if unknown.all():
            return self.mean.expand(len(rows), *self.mean.shape).clone()
        found = self.rows[torch.from_numpy(np.maximum(rows, 0))].double()
        if unknown.any():
            found[torch.from_numpy(unknown)] = self.mean
        return found


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A model without its tables per node, in float64, and what it reads; lists are per node or edge type."""

    model: Model
    #: By the names of `Model.node_tables`, as they are stored.
    tables: Mapping[str, Table]
    encoders: Sequence[Sequence[LiveEncoder]]
    #: Empty where messages do not depend on features of edges.
    edge_encoders: Sequence[Sequence[LiveEncoder]]
    #: Of those who send, per edge type forward and in reverse; empty where messages do not depend on them.
    degrees: Sequence[npt.NDArray[Any]]


def read_model(folder: Path, manifest: Manifest) -> StoredModel:
    """Read the model of an artifact.

    Raises:
        InvalidData: weights, encoders or degrees are missing or damaged.
    """
    model, tables = _weights(folder, manifest)
    encoders, edge_encoders = _encoders(folder, manifest.schema, with_edges=model.reads_edges)
    degrees = _degrees(folder, manifest.schema) if model.symmetric else []
    return StoredModel(model, tables, encoders, edge_encoders, degrees)


def _weights(folder: Path, manifest: Manifest) -> tuple[Model, dict[str, Table]]:
    path = folder / WEIGHTS
    nodes = tuple(dataclasses.replace(node, count=0) for node in manifest.schema.nodes)
    empty = dataclasses.replace(manifest, schema=dataclasses.replace(manifest.schema, nodes=nodes))
    chosen = hyperparameters.build(manifest.hyperparameters, manifest.model)
    model = Model(empty, chosen, manifest.model)
    try:
        weights = load_file(path)
        tables = {name: weights[name] for name in model.node_tables}
        model.load_state_dict(weights | {name: table[:0] for name, table in tables.items()})
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise InvalidData(f"{path} does not hold the model's weights ({error}); run `transform` again") from None
    return model.double().eval(), {name: _table(rows) for name, rows in tables.items()}


def _table(rows: Tensor) -> Table:
    return Table(rows, rows.double().sum(0) / max(1, len(rows)))


def _encoders(
    folder: Path, schema: GraphSchema, *, with_edges: bool
) -> tuple[list[list[LiveEncoder]], list[list[LiveEncoder]]]:
    """Return the encoders of each node type, and of each edge type if messages depend on their features."""
    wanted = any(node.features for node in schema.nodes) or (with_edges and any(e.features for e in schema.edges))
    fitted = read_encoders(folder / ENCODERS) if wanted else FittedEncoders()
    of_edges = dict(fitted.edges) if with_edges else {}
    return (
        [[LiveEncoder(encoder) for encoder in fitted.nodes.get(node.label, ())] for node in schema.nodes],
        [[LiveEncoder(encoder, "edge") for encoder in of_edges.get(edge.type, ())] for edge in schema.edges],
    )


def _degrees(folder: Path, schema: GraphSchema) -> list[npt.NDArray[Any]]:
    """Return the degrees of those who send, per edge type forward and in reverse."""
    paths = [
        folder / "edges" / str(position) / f"{end}_degrees.npy"
        for position in range(len(schema.edges))
        for end in ("source", "target")
    ]
    return [_mapped(path) for path in paths]


def _mapped(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidData(f"{path} is missing or damaged ({error}); run `transform` again") from None
    return array
