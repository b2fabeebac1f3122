"""The trained model over the neighbourhoods that requests bring along (`docs/wire.md`, section 6).

Imported with torch when the first such request comes (decision 32). One forward pass per request, in float64;
embeddings and outputs are rounded to float32, which hides the order of summation, so that an item gets the same
answer alone or among others (decision 31). With every neighbour given, and all of them known, an embedding is the
one that the artifact stores. What depends on more than an item's own neighbourhood: with new vectors from the
neighbours, or symmetric norms, an unknown vertex at its rim says more when another item's neighbourhood shows its
edges too.
"""

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

from neptuneml_plugin.artifacts import ENCODERS, WEIGHTS, EdgeType, GraphSchema, Manifest
from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing.encoders import FittedEncoders, read_encoders
from neptuneml_plugin.serving.edge_labels import read_labels
from neptuneml_plugin.serving.features import LiveEncoder
from neptuneml_plugin.serving.subgraph import EdgeColumns, Ints, NodeColumns, Subgraph
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.message_passing import Aggregation, EdgeMessages
from neptuneml_plugin.training.models import EdgeDecoder, LinkDecoder, Model
from neptuneml_plugin.training.tasks import KINDS, answer_of, columns_of

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


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
class Embedded:
    """The embeddings of a subgraph's vertices."""

    subgraph: Subgraph
    #: Vertex label -> float32 (vertices, d).
    vectors: Mapping[str, Tensor]
    #: Vertex label -> row in the artifact of each vertex, -1 where it has none.
    rows: Mapping[str, Ints]

    def find(self, label: str, ids: Sequence[str]) -> Ints:
        """Return the position of each vertex in the subgraph, -1 where it is not there."""
        if label not in self.subgraph.nodes:
            return np.full(len(ids), -1, np.int64)
        at = {text: position for position, text in enumerate(self.subgraph.nodes[label].ids)}
        return np.array([at.get(text, -1) for text in ids], np.int64)


@dataclasses.dataclass(frozen=True)
class _Channel:
    """Messages of one edge type in one direction: from rows of one node type to rows of another."""

    edges: EdgeColumns | None
    ends: tuple[int, int]
    senders: Ints
    receivers: Ints


class InductiveModel:
    """An artifact's model, loaded once.

    Args:
        folder: the artifact.
        manifest: its manifest.
        new_node_vectors: what a vertex that the model does not know takes as its learned vector: the mean of its
            type, or of its known neighbours where it has any.

    Raises:
        InvalidData: weights or encoders are missing or damaged.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, new_node_vectors: NewNodeVectors = NewNodeVectors.TYPE
    ) -> None:
        self._manifest, self._schema = manifest, manifest.schema
        self._from_neighbours = new_node_vectors is NewNodeVectors.NEIGHBOURS
        self._types = {node.label: kind for kind, node in enumerate(self._schema.nodes)}
        self._ids = [IdColumn(folder / "nodes" / str(kind)) for kind in range(len(self._schema.nodes))]
        self._model, self._tables = _load(folder, manifest)
        self._learned = [self._tables.get(f"encoder.inputs.{kind}.embedding") for kind in range(len(self._ids))]
        self._encoders = _encoders(folder, self._schema)
        self._degrees = _degrees(folder, self._schema) if self._model.symmetric else []

    @property
    def width(self) -> int:
        """Of an embedding."""
        return self._model.width

    @torch.no_grad()
    def embed(self, subgraph: Subgraph) -> Embedded:
        """Return the embeddings of all vertices whose label the model knows.

        Raises:
            InvalidParameter: a property does not fit its encoder.
        """
        nodes = [subgraph.nodes.get(node.label, NodeColumns((), {})) for node in self._schema.nodes]
        features = [
            {encoder.name: self._encode(encoder, columns, node.label) for encoder in encoders}
            for node, columns, encoders in zip(self._schema.nodes, nodes, self._encoders, strict=True)
        ]
        rows = [ids.rows(columns.ids) for ids, columns in zip(self._ids, nodes, strict=True)]
        channels = [
            _channel(subgraph.edges.get((edge.type, reverse)), reverse, self._ends(edge.type))
            for edge in self._schema.edges
            for reverse in (False, True)
        ]
        vectors = self._model.encoder(features, self._messages(channels, rows), self._initial(channels, rows))
        labels = [node.label for node in self._schema.nodes]
        return Embedded(
            subgraph,
            {label: h.float() for label, h in zip(labels, vectors, strict=True)},
            dict(zip(labels, rows, strict=True)),
        )

    @torch.no_grad()
    def node_outputs(self, embedded: Embedded, label: str, at: Ints) -> Floats:
        """Return class probabilities or values of the vertices at these positions: (vertices, outputs)."""
        return self._predictions(self._model.decoder(embedded.vectors[label][torch.from_numpy(at)].double()))

    @torch.no_grad()
    def edge_outputs(self, embedded: Embedded, edge: EdgeType, heads: Ints, tails: Ints) -> Floats:
        """Return class probabilities or values of edges between vertices at these positions: (edges, outputs)."""
        if not isinstance(self._model.decoder, EdgeDecoder):
            raise TypeError("only edge tasks decode edges")
        vectors, biases = [], []
        for label, at, name in ((edge.source, heads, "source_bias"), (edge.target, tails, "target_bias")):
            vectors.append(embedded.vectors[label][torch.from_numpy(at)].double())
            biases.append(self._tables[f"decoder.{name}"].of(embedded.rows[label][at]))
        return self._predictions(self._model.decoder(vectors[0], vectors[1], biases[0] + biases[1]))

    def rows(self, label: str, ids: Sequence[str]) -> Ints:
        """Return the rows of vertices in the artifact, -1 where it has none."""
        return self._ids[self._types[label]].rows(ids)

    def embeddings(self, embedded: Embedded, label: str, at: Ints) -> Vectors:
        """Return the embeddings of the vertices at these positions."""
        return np.asarray(embedded.vectors[label][torch.from_numpy(at)].numpy())

    @torch.no_grad()
    def in_candidate_role(self, vectors: Vectors) -> Vectors:
        """Return what the targets of new edges are compared by."""
        if not isinstance(self._model.decoder, LinkDecoder):
            raise TypeError("only link prediction has candidates")
        projected: Tensor = self._model.decoder.candidate(torch.from_numpy(vectors).double())
        return np.asarray(projected.float().numpy())

    def link_biases(self, edge: EdgeType, end: str, rows: Ints) -> Vectors:
        """Return the biases of vertices, by their rows in the artifact, as `source` or `target` of new edges."""
        position = self._manifest.target.edges.index(edge)
        return np.asarray(self._tables[f"decoder.{end}_biases.{position}"].of(rows).float().numpy())

    def _predictions(self, outputs: Tensor) -> Floats:
        answer = answer_of(self._manifest.task, self._manifest.target)
        predicted = KINDS[answer].predict(outputs.float(), self._model.scale)
        kind = np.float32 if self._manifest.task.is_class else np.float64
        return np.asarray(predicted.numpy()).astype(kind).astype(np.float64)

    def _encode(self, encoder: LiveEncoder, columns: NodeColumns, label: str) -> Tensor:
        cells = columns.properties.get(encoder.column) or [None] * len(columns.ids)
        return torch.from_numpy(encoder.encode(cells, columns.ids, label)).double()

    def _ends(self, kind: EdgeType) -> tuple[int, int]:
        return self._types[kind.source], self._types[kind.target]

    def _messages(self, channels: Sequence[_Channel], rows: Sequence[Ints]) -> list[Aggregation]:
        """Return the messages of each channel: presence first, then columns of labels, as `channel_ends` says."""
        plain, labelled = [], []
        for at, channel in enumerate(channels):
            weights = torch.from_numpy(self._norm(at, channels, rows))
            ends, count = self._positions(channel), len(rows[channel.ends[1]])
            plain.append(EdgeMessages(*ends, weights, count))
            if self._model.says_labels and self._schema.edges[at // 2].type == self._manifest.target.edges[0]:
                labelled += [EdgeMessages(*ends, weights * said, count) for said in self._said(channel).T]
        return [*plain, *labelled]

    def _positions(self, channel: _Channel) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(channel.senders), torch.from_numpy(channel.receivers)

    def _norm(self, at: int, channels: Sequence[_Channel], rows: Sequence[Ints]) -> Floats:
        """Return the weight of each message of a channel, (messages,)."""
        channel = channels[at]
        received = np.bincount(channel.receivers)[channel.receivers]
        if not self._model.symmetric or channel.edges is None:
            return 1.0 / received
        sender_type = channel.ends[0]
        degrees = _seen_degrees(channel, channels[at ^ 1], len(rows[sender_type]))
        known = rows[sender_type] >= 0
        degrees[known] = self._degrees[at][rows[sender_type][known]]
        weights: Floats = np.sqrt(channel.edges.drawn_from / np.maximum(degrees, 1)[channel.senders]) / received
        return weights

    def _said(self, channel: _Channel) -> Tensor:
        """Return the labels of a channel's edges as columns; zeros where an edge has none."""
        target, edges = self._manifest.target, channel.edges
        answer = answer_of(self._manifest.task, target)
        cells = (
            []
            if edges is None
            else edges.properties.get(target.property_name or "") or [None] * len(edges.sources)
        )
        labels = torch.from_numpy(read_labels(cells, self._manifest))
        return columns_of(labels, answer, len(target.classes), self._model.scale).double()

    def _initial(self, channels: Sequence[_Channel], rows: Sequence[Ints]) -> list[Tensor | None]:
        """Return the learned vectors that the first layer starts from, per node type."""
        own = [
            None if table is None else table.of(known) for table, known in zip(self._learned, rows, strict=True)
        ]
        if not self._from_neighbours:
            return own
        return [
            None if vectors is None else self._averaged(kind, vectors, own, channels, rows)
            for kind, vectors in enumerate(own)
        ]

    def _averaged(
        self,
        kind: int,
        vectors: Tensor,
        own: Sequence[Tensor | None],
        channels: Sequence[_Channel],
        rows: Sequence[Ints],
    ) -> Tensor:
        """Return the vectors of one type, of unknown nodes the mean of the known nodes that send them messages."""
        sums, counts = torch.zeros_like(vectors), torch.zeros(len(vectors), 1, dtype=torch.float64)
        for channel in channels:
            sent = own[channel.ends[0]]
            if channel.ends[1] != kind or sent is None:
                continue
            known = rows[channel.ends[0]][channel.senders] >= 0
            senders, receivers = (torch.from_numpy(end[known]) for end in (channel.senders, channel.receivers))
            sums.index_add_(0, receivers, sent[senders])
            counts.index_add_(0, receivers, torch.ones(len(receivers), 1, dtype=torch.float64))
        replaced = (counts[:, 0] > 0) & torch.from_numpy(rows[kind] < 0)
        return torch.where(replaced[:, None], sums / counts.clamp(min=1), vectors)


def _load(folder: Path, manifest: Manifest) -> tuple[Model, dict[str, Table]]:
    """Return the model without its tables per node, in float64, and these tables as they are."""
    path = folder / WEIGHTS
    nodes = tuple(dataclasses.replace(node, count=0) for node in manifest.schema.nodes)
    empty = dataclasses.replace(manifest, schema=dataclasses.replace(manifest.schema, nodes=nodes))
    model = Model(empty, hyperparameters.build(manifest.hyperparameters))
    try:
        weights = load_file(path)
        tables = {name: weights[name] for name in model.node_tables}
        model.load_state_dict(weights | {name: table[:0] for name, table in tables.items()})
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise InvalidData(f"{path} does not hold the model's weights ({error}); run `transform` again") from None
    return model.double().eval(), {name: _table(rows) for name, rows in tables.items()}


def _table(rows: Tensor) -> Table:
    return Table(rows, rows.double().sum(0) / max(1, len(rows)))


def _encoders(folder: Path, schema: GraphSchema) -> list[list[LiveEncoder]]:
    wanted = any(node.features for node in schema.nodes)
    fitted = read_encoders(folder / ENCODERS) if wanted else FittedEncoders()
    return [[LiveEncoder(encoder) for encoder in fitted.nodes.get(node.label, ())] for node in schema.nodes]


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


def _channel(edges: EdgeColumns | None, reverse: bool, ends: tuple[int, int]) -> _Channel:  # noqa: FBT001
    nothing = np.zeros(0, np.int64)
    sources, targets = (nothing, nothing) if edges is None else (edges.sources, edges.targets)
    if reverse:
        return _Channel(edges, (ends[1], ends[0]), targets, sources)
    return _Channel(edges, ends, sources, targets)


def _seen_degrees(channel: _Channel, opposite: _Channel, count: int) -> Floats:
    """Return the degrees that the subgraph shows of a channel's senders.

    A sender that was expanded itself has said how many such edges it has; of others, those seen are counted.
    """
    degrees = np.bincount(channel.senders, minlength=count).astype(np.float64)
    if opposite.edges is not None:
        degrees[opposite.receivers] = opposite.edges.drawn_from
    return degrees
