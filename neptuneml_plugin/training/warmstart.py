"""What a training takes over from an earlier one of the same target: its search, and the weights that fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neptuneml_plugin.artifacts import IDS, TRAINING, TRIALS, WEIGHTS, GraphSchema, TrainingRecord, read_record
from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.training.data import TrainingData


@dataclass(frozen=True)
class Initial:
    """Parameters to start from."""

    weights: Mapping[str, Tensor]
    #: Per node type, the row in the earlier graph of each node, or -1.
    rows: tuple[Tensor, ...]


def open_previous(folder: Path, data: TrainingData) -> TrainingRecord:
    """Return the record of an earlier training.

    Raises:
        InvalidData: the folder is no whole output of `train`.
        InvalidParameter: it learned something else.
    """
    record = read_record(folder / TRAINING, TrainingRecord)
    here = data.processed
    wanted = (here.task, here.target.node, here.target.edges, here.target.property_name)
    if (record.task, record.target.node, record.target.edges, record.target.property_name) != wanted:
        raise InvalidParameter(
            f"{folder} was trained for {record.task} of another target; name a training of the same target"
        )
    return record


def initial_weights(folder: Path, source: Path, data: TrainingData) -> Initial:
    """Return the weights of the best trial of an earlier training, as far as they mean the same here.

    Args:
        folder: the earlier training.
        source: the processed folder of this one.
        data: the same, loaded.

    Raises:
        InvalidData: a file is missing or damaged.
    """
    record = open_previous(folder, data)
    path = folder / TRIALS / str(record.best_trial) / WEIGHTS
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InvalidData(f"{path} is no whole file of weights ({error}); name another training") from None
    here = data.processed.schema
    if _types(record.schema) != _types(here):
        return Initial({}, ())
    for kind, (node, earlier) in enumerate(zip(here.nodes, record.schema.nodes, strict=True)):
        if node.features != earlier.features:  # its columns mean something else now
            weights = {name: value for name, value in weights.items() if not _projects(name, kind)}
    if record.target.classes != data.processed.target.classes:
        weights = {name: value for name, value in weights.items() if not name.startswith("decoder.")}
    return Initial(
        weights, tuple(_rows(folder / IDS / str(k), source / IDS / str(k)) for k in range(len(here.nodes)))
    )


def _types(schema: GraphSchema) -> tuple[list[str], list[tuple[str, str, str]]]:
    return [node.label for node in schema.nodes], [edge.type.triple for edge in schema.edges]


def _projects(name: str, kind: int) -> bool:
    prefix = f"encoder.inputs.{kind}."
    return name.startswith(prefix) and name != f"{prefix}embedding"


def _rows(earlier: Path, here: Path) -> Tensor:
    return torch.from_numpy(IdColumn(earlier).rows(IdColumn(here).texts()))
