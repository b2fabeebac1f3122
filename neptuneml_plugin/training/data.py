"""What a training reads: the processed folder as tensors."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neptuneml_plugin.artifacts import GRAPH, IDS, PROCESSED, ProcessedGraph, Task, read_record
from neptuneml_plugin.dgl_graph import load_graph
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.ids import IdColumn

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Relation:
    """The edges of one type in one direction; types are positions in the schema."""

    source_type: int
    target_type: int
    #: Position in `GraphSchema.edges`.
    edge_type: int
    sources: Tensor
    targets: Tensor


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

    @property
    def task(self) -> Task:
        """The task that the graph was processed for."""
        return self.processed.task

    def to(self, device: torch.device) -> "TrainingData":
        """Return the same data on a device."""
        return dataclasses.replace(
            self,
            features=tuple(
                {name: value.to(device) for name, value in columns.items()} for columns in self.features
            ),
            relations=tuple(
                dataclasses.replace(r, sources=r.sources.to(device), targets=r.targets.to(device))
                for r in self.relations
            ),
            samples=tuple(_moved(samples, device) for samples in self.samples),
        )

    def ends_of(self, edge_type: int) -> tuple[int, int]:
        """Return the positions of the source's and the target's node types."""
        schema = self.processed.schema
        kind = schema.edges[edge_type].type
        return schema.node(kind.source), schema.node(kind.target)


def load_data(folder: Path) -> TrainingData:
    """Read a processed folder.

    Raises:
        InvalidData: a file is missing or damaged, or graph and description do not fit.
    """
    processed = read_record(folder / PROCESSED, ProcessedGraph)
    graph = load_graph(folder / GRAPH)
    schema = processed.schema
    try:
        data = TrainingData(
            processed=processed,
            counts=tuple(graph.num_nodes(node.label) for node in schema.nodes),
            features=tuple(
                {feature.name: graph.nodes[node.label].data[feature.name].float() for feature in node.features}
                for node in schema.nodes
            ),
            relations=tuple(_relations(graph, processed)),
            samples=tuple(_samples(graph, processed)),
        )
    except (KeyError, ValueError) as error:
        raise InvalidData(
            f"{folder / GRAPH} lacks {error}, which {PROCESSED} names; run `process` again"
        ) from None
    _check(data, folder)
    return data


def _relations(graph: Any, processed: ProcessedGraph) -> Iterator[Relation]:
    schema = processed.schema
    for position, edge in enumerate(schema.edges):
        source, target = graph.edges(etype=edge.type.triple, order="eid")
        start, end = schema.node(edge.type.source), schema.node(edge.type.target)
        yield Relation(start, end, position, source, target)
        yield Relation(end, start, position, target, source)


def _samples(graph: Any, processed: ProcessedGraph) -> Iterator[Samples]:
    schema, target = processed.schema, processed.target
    if target.node is not None:
        columns = graph.nodes[target.node].data
        yield _sample(schema.node(target.node), (torch.arange(graph.num_nodes(target.node)),), columns, processed)
        return
    for edge_type in target.edges:
        columns = graph.edges[edge_type.triple].data
        ends = graph.edges(etype=edge_type.triple, order="eid")
        yield _sample(schema.edge(edge_type), ends, columns, processed)


def _sample(
    position: int, ends: tuple[Tensor, ...], columns: Mapping[str, Tensor], processed: ProcessedGraph
) -> Samples:
    labels = None if processed.task is Task.LINK_PREDICTION else columns["labels"]
    known = torch.ones(len(ends[0]), dtype=torch.bool) if labels is None else known_labels(labels)
    splits = {name: torch.nonzero(columns[f"{name}_mask"].bool() & known)[:, 0] for name in SPLITS}
    return Samples(position, tuple(ends), labels, splits)


def _moved(samples: Samples, device: torch.device) -> Samples:
    return Samples(
        samples.position,
        tuple(end.to(device) for end in samples.ends),
        None if samples.labels is None else samples.labels.to(device),
        {name: rows.to(device) for name, rows in samples.splits.items()},
    )


def known_labels(labels: Tensor) -> Tensor:
    """Return which rows have a label: (rows,) bool."""
    if not labels.is_floating_point():
        return labels >= 0
    known = ~labels.isnan()
    return known if labels.dim() == 1 else known.all(1)


def _check(data: TrainingData, folder: Path) -> None:
    if not any(len(samples.splits["train"]) for samples in data.samples):
        raise InvalidData(
            f"{folder} holds no training targets; check the target and the split rate of its processing"
        )
    for position, count in enumerate(data.counts):
        node = data.processed.schema.nodes[position]
        if node.count != count:
            raise InvalidData(
                f"{folder / GRAPH} holds {count} '{node.label}' vertices, {PROCESSED} says {node.count}; "
                "run `process` again"
            )
        _check_ids(folder / IDS / str(position), count)


def _check_ids(folder: Path, count: int) -> None:
    try:
        ids = len(IdColumn(folder))
    except (OSError, ValueError) as error:
        raise InvalidData(f"{folder} holds no whole ids ({error}); run `process` again") from None
    if ids != count:
        raise InvalidData(f"{folder} holds {ids} ids for {count} vertices; run `process` again")
