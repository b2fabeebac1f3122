"""The trained model over the neighbourhoods that requests bring along (`docs/wire.md`, section 6).

Imported with torch when the first such request comes (decision 32). One forward pass per request, in float64;
embeddings and outputs are rounded to float32, which hides the order of summation, so that an item gets the same
answer alone or among others (decision 31). With every neighbour given, and all of them known, an embedding is the
one that the artifact stores. What depends on more than an item's own neighbourhood: with new vectors from the
neighbours, or symmetric norms, an unknown vertex at its rim says more when another item's neighbourhood shows its
edges too.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neptuneml_plugin.artifacts import EdgeType, Manifest
from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.serving.edge_labels import read_labels
from neptuneml_plugin.serving.features import LiveEncoder
from neptuneml_plugin.serving.hops import Channel, Part, parts
from neptuneml_plugin.serving.stored_model import read_model
from neptuneml_plugin.serving.subgraph import EdgeColumns, Ints, NodeColumns, Subgraph
from neptuneml_plugin.training.message_passing import EdgeMessages
from neptuneml_plugin.training.models.decoders import EdgeDecoder, LinkDecoder
from neptuneml_plugin.training.models.encoder import STRUCTURE, Hop
from neptuneml_plugin.training.tasks import KINDS, answer_of, columns_of

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Embedded:
    """The embeddings of the wanted vertices of a subgraph."""

    #: Vertex label -> id -> position among them.
    positions: Mapping[str, Mapping[str, int]]
    #: Vertex label -> float32 (vertices, d).
    vectors: Mapping[str, Tensor]
    #: Vertex label -> row in the artifact of each vertex, -1 where it has none.
    rows: Mapping[str, Ints]

    def find(self, label: str, ids: Sequence[str]) -> Ints:
        """Return the position of each vertex, -1 where the subgraph has none such."""
        at = self.positions.get(label, {})
        return np.array([at.get(text, -1) for text in ids], np.int64)


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
        stored = read_model(folder, manifest)
        self._model, self._tables, self._degrees = stored.model, stored.tables, stored.degrees
        self._encoders, self._edge_encoders = stored.encoders, stored.edge_encoders
        self._learned = [self._tables.get(f"encoder.inputs.{kind}.embedding") for kind in range(len(self._ids))]
        self._structures = [self._tables.get(f"encoder.inputs.{kind}.structure") for kind in range(len(self._ids))]
        encoder = self._model.encoder
        joined = [f"encoder.roles.{kind}" for kind in range(len(encoder.roles))]
        joined += [f"encoder.votes.{kind}.values" for kind in range(len(encoder.votes))]
        self._joined = [self._tables[name] for name in joined]

    @property
    def width(self) -> int:
        """Of an embedding."""
        return self._model.width

    @torch.inference_mode()
    def embed(self, subgraph: Subgraph, wanted: Collection[str]) -> Embedded:
        """Return the embeddings of the vertices with these ids, of all labels that the model knows.

        Raises:
            InvalidParameter: a property does not fit its encoder, which has nothing to stand in for it.
        """
        nodes = [subgraph.nodes.get(node.label, NodeColumns((), {})) for node in self._schema.nodes]
        features = [
            {encoder.name: self._encode(encoder, columns, node.label) for encoder in encoders}
            for node, columns, encoders in zip(self._schema.nodes, nodes, self._encoders, strict=True)
        ]
        rows = [ids.rows(columns.ids) for ids, columns in zip(self._ids, nodes, strict=True)]
        for table, known, columns in zip(self._structures, rows, features, strict=True):
            if table is not None:
                columns[STRUCTURE] = table.of(known)
        channels = [
            Channel.of(subgraph.edges.get((edge.type, reverse)), self._ends(edge.type), reverse=reverse)
            for edge in self._schema.edges
            for reverse in (False, True)
        ]
        counts = [len(columns.ids) for columns in nodes]
        chosen = [_chosen(columns.ids, wanted) for columns in nodes]
        computed = parts(channels, counts, chosen, len(self._model.encoder.layers))
        said = [self._edge_features(at, channel, nodes) for at, channel in enumerate(channels)]
        carried = self._carried(channels, rows)
        vectors = self._model.encoder.along(
            [_hop(part, channels, carried, said) for part in computed],
            features,
            self._initial(channels, rows),
            [table.of(known[at]) for table, known, at in zip(self._joined, rows, chosen, strict=False)],
        )
        if not computed:  # no layer has chosen among the rows
            vectors = [h[torch.from_numpy(at)] for h, at in zip(vectors, chosen, strict=True)]
        return _embedded([node.label for node in self._schema.nodes], nodes, chosen, vectors, rows)

    @torch.inference_mode()
    def node_outputs(self, embedded: Embedded, label: str, at: Ints) -> Floats:
        """Return class probabilities or values of the vertices at these positions: (vertices, outputs)."""
        return self._predictions(self._model.decoder(embedded.vectors[label][torch.from_numpy(at)].double()))

    @torch.inference_mode()
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

    @torch.inference_mode()
    def in_candidate_role(self, vectors: Vectors) -> Vectors:
        """Return what the targets of new edges are compared by."""
        if not isinstance(self._model.decoder, LinkDecoder):  # which alone has a role for them
            return vectors
        projected: Tensor = self._model.decoder.candidate(torch.from_numpy(vectors).double())
        return np.asarray(projected.float().numpy())

    def link_biases(self, edge: EdgeType, end: str, rows: Ints) -> Vectors:
        """Return the biases of vertices, by their rows in the artifact, as `source` or `target` of new edges."""
        if not isinstance(self._model.decoder, LinkDecoder):  # which alone has biases
            return np.zeros(len(rows), np.float32)
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

    def _edge_features(self, at: int, channel: Channel, nodes: Sequence[NodeColumns]) -> Tensor | None:
        """Return the features of a channel's edges, (messages, w), where messages depend on them."""
        edges, encoders = channel.edges, self._edge_encoders[at // 2]
        if edges is None or not encoders:
            return None
        kind, nothing = edges.type, [None] * len(edges.sources)
        names = _EdgeNames(edges, *(nodes[position].ids for position in self._ends(kind)))
        columns = [
            encoder.encode(edges.properties.get(encoder.column) or nothing, names, str(kind))
            for encoder in encoders
        ]
        return torch.from_numpy(np.concatenate(columns, 1)).double()

    def _ends(self, kind: EdgeType) -> tuple[int, int]:
        return self._types[kind.source], self._types[kind.target]

    def _carried(self, channels: Sequence[Channel], rows: Sequence[Ints]) -> list[tuple[int, Tensor]]:
        """Return the channel and weights of messages: presence, then columns of labels, as `channel_ends` says."""
        plain, labelled = [], []
        for at, channel in enumerate(channels):
            weights = torch.from_numpy(self._norm(at, channels, rows))
            plain.append((at, weights))
            if self._model.says_labels and self._schema.edges[at // 2].type == self._manifest.target.edges[0]:
                labelled += [(at, weights * said) for said in self._said(channel).T]
        return [*plain, *labelled]

    def _norm(self, at: int, channels: Sequence[Channel], rows: Sequence[Ints]) -> Floats:
        """Return the weight of each message of a channel, (messages,)."""
        channel = channels[at]
        received = np.bincount(channel.receivers)[channel.receivers]
        if channel.edges is None:
            return 1.0 / received
        if self._model.propagates:
            kind = channel.ends[1]
            into = [each.degrees(len(rows[kind])) for each in channels if each.ends[1] == kind]
            alike: Floats = channel.edges.drawn_from / received / (1 + np.sum(into, 0))[channel.receivers]
            return alike
        if not self._model.symmetric:
            return 1.0 / received
        sender_type = channel.ends[0]
        degrees = channel.seen_degrees(channels[at ^ 1], len(rows[sender_type]))
        known = rows[sender_type] >= 0
        degrees[known] = self._degrees[at][rows[sender_type][known]]
        weights: Floats = np.sqrt(channel.edges.drawn_from / np.maximum(degrees, 1)[channel.senders]) / received
        return weights

    def _said(self, channel: Channel) -> Tensor:
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

    def _initial(self, channels: Sequence[Channel], rows: Sequence[Ints]) -> list[Tensor | None]:
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
        channels: Sequence[Channel],
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


@dataclasses.dataclass(frozen=True)
class _EdgeNames:
    """What edges are called in messages: by the ids of their ends."""

    edges: EdgeColumns
    sources: Sequence[str]
    targets: Sequence[str]

    def __getitem__(self, row: int) -> str:
        return f"{self.sources[self.edges.sources[row]]} -> {self.targets[self.edges.targets[row]]}"


def _chosen(ids: Sequence[str], wanted: Collection[str]) -> Ints:
    return np.array([row for row, text in enumerate(ids) if text in wanted], np.int64)


def _hop(
    part: Part,
    channels: Sequence[Channel],
    carried: Sequence[tuple[int, Tensor]],
    said: Sequence[Tensor | None],
) -> Hop:
    """Return what a layer computes, from the channel and weights of all messages, and each channel's features."""
    messages = []
    for channel, weights in carried:
        taken, count = part.taken[channel], len(part.kept[channels[channel].ends[1]])
        at, senders, receivers = map(torch.from_numpy, (taken.at, taken.senders, taken.receivers))
        features = said[channel]
        own = None if features is None else features[at]
        messages.append(EdgeMessages(senders, receivers, weights[at], count, own))
    return Hop(messages, [torch.from_numpy(rows) for rows in part.kept])


def _embedded(
    labels: Sequence[str],
    nodes: Sequence[NodeColumns],
    chosen: Sequence[Ints],
    vectors: Sequence[Tensor],
    rows: Sequence[Ints],
) -> Embedded:
    """Return the embeddings, (chosen, d) per node type, by label; `rows` are those of all nodes."""
    ids = [[columns.ids[row] for row in at.tolist()] for columns, at in zip(nodes, chosen, strict=True)]
    return Embedded(
        {label: {text: at for at, text in enumerate(each)} for label, each in zip(labels, ids, strict=True)},
        {label: h.float() for label, h in zip(labels, vectors, strict=True)},
        {label: known[at] for label, known, at in zip(labels, rows, chosen, strict=True)},
    )
