"""What a training reads: the processed folder as tensors."""

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from neptuneml_plugin.arrays import Array
from neptuneml_plugin.artifacts import PARTS, ProcessedGraph, Task
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processed import Columns, ProcessedFolder, open_processed

SPLITS = PARTS

Computed = TypeVar("Computed")


@dataclass(frozen=True)
class Relation:
    """The edges of one type in one direction; types are positions in the schema."""

    source_type: int
    target_type: int
    #: Position in `GraphSchema.edges`.
    edge_type: int
    sources: Tensor
    targets: Tensor
    #: Name of the feature -> (edges, width).
    features: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """The elements of one type that have a target."""

    #: Position of the type: in `GraphSchema.nodes` for node tasks, in `GraphSchema.edges` otherwise.
    position: int
    #: Rows of the node, or of the source and of the target; each (rows,).
    ends: tuple[Tensor, ...]
    #: None for link prediction; otherwise as `ProcessedGraph` says.
    labels: Tensor | None
    #: Split -> positions among the rows.
    splits: Mapping[str, Tensor]
    #: Edges whose pairs of vertices stay together: the number of each edge's pair, (rows,); those of one pair may
    #: say the same of each other, so none is learnt from while another is in the messages.
    pairs: Tensor | None = None


@dataclass(frozen=True)
class TrainingData:
    """A processed graph in memory."""

    processed: ProcessedGraph
    #: Rows per node type.
    counts: tuple[int, ...]
    #: Per node type: name of the feature -> (rows, width).
    features: tuple[Mapping[str, Tensor], ...]
    #: Forward and reverse relations of each edge type, in the schema's order.
    relations: tuple[Relation, ...]
    #: One per target type.
    samples: tuple[Samples, ...]
    #: Per node type: rows that a training must not see, (rows,) bool; None where it may see all.
    held_out: tuple[Tensor | None, ...] = ()
    #: Per edge type: edges that carry no message in a training, (edges,) bool; None where all may.
    later: tuple[Tensor | None, ...] = ()
    #: What was computed from it, by name; it stays with this graph alone, and no copy with changes takes it along.
    _computed: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: Hashable, compute: Callable[[], Computed]) -> Computed:
        """Return what `compute` gives, computed the first time that this name is asked for."""
        if name not in self._computed:
            self._computed[name] = compute()
        found: Computed = self._computed[name]
        return found

    @property
    def task(self) -> Task:
        """The task that the graph was processed for."""
        return self.processed.task

    def to(self, device: torch.device) -> "TrainingData":
        """Return the same data on a device: this object itself where it is there already."""
        if self.samples[0].ends[0].device == device:
            return self
        return dataclasses.replace(
            self,
            features=tuple(
                {name: value.to(device) for name, value in columns.items()} for columns in self.features
            ),
            relations=tuple(
                dataclasses.replace(
                    r,
                    sources=r.sources.to(device),
                    targets=r.targets.to(device),
                    features={name: value.to(device) for name, value in r.features.items()},
                )
                for r in self.relations
            ),
            samples=tuple(_moved(samples, device) for samples in self.samples),
            held_out=tuple(None if rows is None else rows.to(device) for rows in self.held_out),
            later=tuple(None if rows is None else rows.to(device) for rows in self.later),
        )

    def not_finite(self) -> str | None:
        """Name the first feature with values that are NaN or infinite; None where there is none."""
        for node, columns in zip(self.processed.schema.nodes, self.features, strict=True):
            for name, values in columns.items():
                if not torch.isfinite(values).all():
                    return f"feature '{name}' of '{node.label}' holds values that are not finite"
        for relation in self.relations[::2]:  # those in reverse have the same
            edge = self.processed.schema.edges[relation.edge_type].type
            for name, values in relation.features.items():
                if not torch.isfinite(values).all():
                    return f"feature '{name}' of '{edge}' holds values that are not finite"
        return None

    def known_edges(self, relation: Relation) -> Tensor:
        """Return which edges may be known: of target types not those of validation and test, (edges,) bool."""
        kept = torch.ones(len(relation.sources), dtype=torch.bool, device=relation.sources.device)
        for samples in self.samples if not self.task.on_nodes else ():
            if samples.position == relation.edge_type:
                for split in ("valid", "test"):
                    kept[samples.splits[split]] = False
        return kept

    def ends_of(self, edge_type: int) -> tuple[int, int]:
        """Return the positions of the source's and the target's node types."""
        schema = self.processed.schema
        kind = schema.edges[edge_type].type
        return schema.node(kind.source), schema.node(kind.target)


def best_device() -> torch.device:
    """Return where to train: a GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_data(folder: Path, *, verify: bool = True) -> TrainingData:
    """Read a processed folder; features stay memory-mapped.

    Raises:
        InvalidData: a file is missing or damaged, or there is nothing to train on.
    """
    opened = open_processed(folder, verify=verify)
    record = opened.record
    nodes = range(len(record.schema.nodes))
    ends = [_ends(opened, position) for position in range(len(record.schema.edges))]
    data = TrainingData(
        processed=record,
        counts=tuple(len(opened.ids(position)) for position in nodes),
        features=tuple(
            {name: _tensor(array) for name, array in opened.node(position).features.items()} for position in nodes
        ),
        relations=tuple(_relations(opened, ends)),
        samples=tuple(_samples(opened, ends)),
        held_out=tuple(_mask(opened.held_out(position)) for position in nodes),
        later=tuple(_mask(opened.later(position)) for position in range(len(ends))),
    )
    _check_classes(data)
    if not any(len(samples.splits["train"]) for samples in data.samples):
        raise InvalidData(
            f"{folder} holds no training targets; check the target and the split rate of its processing"
        )
    return data


def _check_classes(data: TrainingData) -> None:
    target = data.processed.target
    for samples in data.samples:
        labels = samples.labels
        if labels is None or labels.is_floating_point() or not len(labels):
            continue
        highest = int(labels.max())
        if highest >= len(target.classes):
            owner = target.node or target.edges[0]
            raise InvalidData(
                f"the labels of '{owner}' name class {highest}, there are {len(target.classes)}; "
                "run `process` again"
            )


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.asarray(array))


def _mask(array: Array | None) -> Tensor | None:
    return None if array is None else _tensor(array)


def _ends(opened: ProcessedFolder, position: int) -> tuple[Tensor, Tensor]:
    sources, targets = opened.ends(position)
    return _tensor(sources).long(), _tensor(targets).long()


def _relations(opened: ProcessedFolder, ends: Sequence[tuple[Tensor, Tensor]]) -> Iterator[Relation]:
    schema = opened.record.schema
    for position, (edge, (source, target)) in enumerate(zip(schema.edges, ends, strict=True)):
        start, end = schema.node(edge.type.source), schema.node(edge.type.target)
        features = {name: _tensor(array) for name, array in opened.edge(position).features.items()}
        yield Relation(start, end, position, source, target, features)
        yield Relation(end, start, position, target, source, features)


def _samples(opened: ProcessedFolder, ends: Sequence[tuple[Tensor, Tensor]]) -> Iterator[Samples]:
    schema, target = opened.record.schema, opened.record.target
    if target.node is not None:
        position = schema.node(target.node)
        yield _sample(position, (torch.arange(schema.nodes[position].count),), opened.node(position), None)
        return
    for edge_type in target.edges:
        position = schema.edge(edge_type)
        pairs = _pairs(position, ends[position], opened.record)
        yield _sample(position, ends[position], opened.edge(position), pairs)


def _sample(position: int, ends: tuple[Tensor, ...], columns: Columns, pairs: Tensor | None) -> Samples:
    labels = None if columns.labels is None else _tensor(columns.labels)
    known = torch.ones(len(ends[0]), dtype=torch.bool) if labels is None else known_labels(labels)
    splits = {part: torch.nonzero(_tensor(mask) & known)[:, 0] for part, mask in columns.masks.items()}
    return Samples(position, ends, labels, splits, pairs)


def _pairs(position: int, ends: tuple[Tensor, Tensor], processed: ProcessedGraph) -> Tensor | None:
    """Number the pairs of vertices that edges join, in either direction, where these stay together."""
    edge_type = processed.schema.edges[position].type
    if not all(report.keep_pairs for report in processed.splits if report.edge == edge_type):
        return None
    low, high = ends
    if edge_type.source == edge_type.target:
        low, high = torch.minimum(*ends), torch.maximum(*ends)
    rows = processed.schema.nodes[processed.schema.node(edge_type.target)].count
    pairs: Tensor = torch.unique(low * rows + high, return_inverse=True)[1]
    return pairs


def _moved(samples: Samples, device: torch.device) -> Samples:
    return Samples(
        samples.position,
        tuple(end.to(device) for end in samples.ends),
        None if samples.labels is None else samples.labels.to(device),
        {name: rows.to(device) for name, rows in samples.splits.items()},
        None if samples.pairs is None else samples.pairs.to(device),
    )


def known_labels(labels: Tensor) -> Tensor:
    """Return which rows have a label: (rows,) bool."""
    if not labels.is_floating_point():
        return labels >= 0
    known = ~labels.isnan()
    return known if labels.dim() == 1 else known.all(1)
