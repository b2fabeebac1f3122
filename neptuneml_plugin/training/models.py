"""The R-GCN encoder (Schlichtkrull et al., 2018) and the decoders of the five tasks.

Vectors are lists of (rows, d), one per node type in the schema's order; messages are lists of `Messages`, one per
relation in `TrainingData.relations`.
"""

import errno
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from neptuneml_plugin.artifacts import GraphSchema, Target, Task
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import LinkScorer
from neptuneml_plugin.training.message_passing import Aggregation, MessageGraph, channel_ends
from neptuneml_plugin.training.tasks import label_columns, output_count

if TYPE_CHECKING:
    from neptuneml_plugin.training.data import TrainingData

Vectors = list[Tensor]


class Described(Protocol):
    """What a model is built for: a processed graph, or an artifact."""

    @property
    def task(self) -> Task:
        """What it predicts."""

    @property
    def target(self) -> Target:
        """Of which elements."""

    @property
    def schema(self) -> GraphSchema:
        """Node and edge types; a table of the model has a row for each node that they count."""


@dataclass(frozen=True)
class Hop:
    """What one layer computes: every row, or some that later layers go on from."""

    #: One per relation, from rows of the layer before to rows of this one.
    messages: Sequence[Aggregation]
    #: Per node type, the row in the layer before of each row of this one; None: all rows as they are.
    kept: Sequence[Tensor] | None = None

    def own(self, vectors: Vectors) -> Vectors:
        """Return what the rows of this layer were in the layer before."""
        if self.kept is None:
            return vectors
        return [h.index_select(0, rows) for h, rows in zip(vectors, self.kept, strict=True)]


class RelationalLayer(nn.Module):
    """One layer: h_v' = W_0 h_v + sum over relations r of W_r (weighted sum of h_u over v's neighbours by r) + b.

    Args:
        ends: source and target node type of each relation.
        types: number of node types.
        bases: 0, or the number of matrices of which each W_r is a combination.
    """

    def __init__(
        self, ends: Sequence[tuple[int, int]], types: int, width: int, *, bases: int = 0, self_loop: bool = True
    ) -> None:
        super().__init__()
        self._ends = tuple(ends)
        self.weights = nn.Parameter(_glorot(min(bases, len(ends)) or len(ends), width, width))
        uses_bases = 0 < bases < len(ends)
        self.coefficients = nn.Parameter(_glorot(len(ends), bases)) if uses_bases else None
        self.self_weights = nn.Parameter(_glorot(types, width, width)) if self_loop else None
        self.bias = nn.Parameter(torch.zeros(types, width))

    def forward(self, vectors: Vectors, hop: Hop, themselves: Vectors | None = None) -> Vectors:
        """Return the new vector of each row; `themselves` stand in the self term where they differ."""
        weights: Tensor = self.weights
        if self.coefficients is not None:
            weights = torch.einsum("rb,bio->rio", self.coefficients, weights)
        own = self.self_weights
        out = [
            (h @ own[kind] if own is not None else torch.zeros_like(h)) + self.bias[kind]
            for kind, h in enumerate(hop.own(themselves or vectors))
        ]
        for relation, (source, target) in enumerate(self._ends):
            out[target] = out[target] + hop.messages[relation].aggregate(vectors[source]) @ weights[relation]
        return out


class InputLayer(nn.Module):
    """The first vector of every node: its features projected, a learnable vector, or both, projected."""

    def __init__(self, widths: Mapping[str, int], count: int, hyperparameters: Hyperparameters) -> None:
        super().__init__()
        hidden = hyperparameters.num_hidden
        self._names = tuple(widths)
        learns = not widths or hyperparameters.concat_node_embed
        self.embedding = nn.Parameter(torch.randn(count, hidden) * 0.1) if learns else None
        self.parts: nn.ModuleList | None = None
        total = sum(widths.values())
        if hyperparameters.per_feat_name_embed and widths:
            self.parts = nn.ModuleList(nn.Linear(width, hidden) for width in widths.values())
            total = hidden * len(widths)
        self.project = nn.Linear(total + (hidden if learns else 0), hidden) if widths else None

    def forward(
        self, features: Mapping[str, Tensor], learned: Tensor | None = None, *, embedded: bool = True
    ) -> Tensor:
        """Return (rows, hidden); unless `embedded`, of the features alone (zeros where there are none).

        `learned` stands in for the layer's own vectors, (rows, hidden).
        """
        table = self.embedding if learned is None else learned
        columns = [features[name] for name in self._names]
        if self.parts is not None:
            columns = [part(column) for part, column in zip(self.parts, columns, strict=True)]
        if self.embedding is not None and table is not None:
            columns.append(table if embedded else torch.zeros_like(table))
        joined = torch.cat(columns, 1) if len(columns) > 1 else columns[0]
        return joined if self.project is None else self.project(joined)


class Encoder(nn.Module):
    """R-GCN over the whole graph, with the learnable vectors of its nodes, or over another with given ones."""

    def __init__(self, described: Described, hyperparameters: Hyperparameters, labels: int) -> None:
        super().__init__()
        hp = hyperparameters
        self.inputs = nn.ModuleList(
            InputLayer({f.name: f.width for f in node.features}, node.count, hp) for node in described.schema.nodes
        )
        ends = channel_ends(described.schema, labels, described.target.edges[0] if labels else None)
        self.layers = nn.ModuleList(
            RelationalLayer(ends, len(self.inputs), hp.num_hidden, bases=hp.num_bases, self_loop=hp.use_self_loop)
            for _ in range(hp.num_layer)
        )
        norms = (nn.LayerNorm(hp.num_hidden) if hp.layer_norm else nn.Identity() for _ in self.layers)
        self.norms = nn.ModuleList(norms)
        self._dropout, self._feature_self_loop = hp.dropout, hp.feature_self_loop

    def forward(self, features: Sequence[Mapping[str, Tensor]], messages: Sequence[Aggregation]) -> Vectors:
        """Return the embedding of every node, (rows, d) per node type."""
        return self.along([Hop(messages)] * len(self.layers), features)

    def along(
        self,
        hops: Sequence[Hop],
        features: Sequence[Mapping[str, Tensor]],
        learned: Sequence[Tensor | None] | None = None,
    ) -> Vectors:
        """Return the embeddings of the last hop's rows, (rows, d) per node type.

        `learned` stands in for the encoder's own vectors, per node type; None where its nodes have none.
        """
        given = list(zip(self.inputs, features, learned or [None] * len(self.inputs), strict=True))
        vectors = [self._drop(layer(columns, own)) for layer, columns, own in given]
        themselves: Vectors | None = None
        if self._feature_self_loop:
            themselves = [layer(columns, own, embedded=False) for layer, columns, own in given]
        last = len(self.layers) - 1
        for position, (layer, norm, hop) in enumerate(zip(self.layers, self.norms, hops, strict=True)):
            vectors = layer(vectors, hop, None if position else themselves)
            if position < last:
                vectors = [self._drop(functional.relu(norm(h))) for h in vectors]
        return [self.norms[last](h) for h in vectors]

    def _drop(self, vectors: Tensor) -> Tensor:
        return functional.dropout(vectors, self._dropout, self.training)


class NodeDecoder(nn.Module):
    """A linear layer on the embedding."""

    def __init__(self, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)
        self._dropout = dropout

    def forward(self, vectors: Tensor) -> Tensor:
        """Map (rows, d) to (rows, outputs)."""
        output: Tensor = self.linear(functional.dropout(vectors, self._dropout, self.training))
        return output


class EdgeDecoder(nn.Module):
    """`Manifest`'s formula for edge tasks: a hidden layer over [u, v, u*v], a dot product, and node biases."""

    def __init__(self, width: int, outputs: int, counts: tuple[int, int]) -> None:
        super().__init__()
        self.hidden = nn.Linear(3 * width, width)
        self.output = nn.Linear(width, outputs)
        self.dot_weight = nn.Parameter(torch.ones(outputs))
        self.source_bias = nn.Parameter(torch.zeros(counts[0], outputs))
        self.target_bias = nn.Parameter(torch.zeros(counts[1], outputs))

    def biases(self, sources: Tensor, targets: Tensor) -> Tensor:
        """Return what the rows of both ends, (edges,) each, add: (edges, outputs)."""
        added: Tensor = self.source_bias[sources] + self.target_bias[targets]
        return added

    def forward(self, sources: Tensor, targets: Tensor, biases: Tensor) -> Tensor:
        """Map the vectors of both ends, each (edges, d), and what they add to (edges, outputs)."""
        joined = torch.cat([sources, targets, sources * targets], 1)
        hidden = functional.relu(self.hidden(joined))
        dot = (sources * targets).sum(1, keepdim=True) / math.sqrt(sources.shape[1])
        output: Tensor = self.output(hidden) + dot * self.dot_weight + biases
        return output


class LinkDecoder(nn.Module):
    """score(u, v) = sum(u * relation * v) + target_bias[v] + source_bias[u], per target edge type.

    The candidate's role has a projection of its own, so that scores need not be symmetric.
    """

    def __init__(self, width: int, counts: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.relations = nn.Parameter(torch.ones(len(counts), width) / math.sqrt(width))
        self.candidate = nn.Linear(width, width)
        self.source_biases = nn.ParameterList(torch.zeros(count) for count, _ in counts)
        self.target_biases = nn.ParameterList(torch.zeros(count) for _, count in counts)

    def scorers(self, sources: Tensor, targets: Tensor, position: int = 0) -> tuple[LinkScorer, LinkScorer]:
        """Return the scorers of targets and of sources, from the embeddings of both ends' types."""
        candidates: Tensor = self.candidate(targets)
        relation = self.relations[position]
        biases = self.source_biases[position], self.target_biases[position]
        tails = LinkScorer(sources * relation, biases[0], candidates, biases[1])
        return tails, LinkScorer(candidates * relation, biases[1], sources, biases[0])


def _glorot(*shape: int) -> Tensor:
    weight = torch.empty(*shape)
    bound = math.sqrt(6 / (shape[-2] + shape[-1]))
    return nn.init.uniform_(weight, -bound, bound)


class Model(nn.Module):
    """The encoder and the decoder of a task."""

    scale: Tensor

    def __init__(self, described: Described, hyperparameters: Hyperparameters) -> None:
        super().__init__()
        hp = self.hyperparameters = hyperparameters
        outputs = output_count(described.task, described.target)
        #: Whether messages carry their edges' labels.
        self.says_labels = hp.use_edge_labels and described.task in {Task.EDGE_CLASS, Task.EDGE_REGRESSION}
        #: Whether messages are weighed by both ends' degrees.
        self.symmetric = hp.symmetric_norm
        #: Of an embedding.
        self.width = hp.num_hidden
        self.encoder = Encoder(described, hp, outputs if self.says_labels else 0)
        self.decoder = _decoder(described, hp, outputs)
        #: Mean and standard deviation of the training labels: regressions learn standardised values.
        self.register_buffer("scale", torch.tensor([0.0, 1.0], dtype=torch.float64))
        #: Name of each parameter with a row per node -> position of the node type.
        self.node_tables = self._node_tables(described)

    def graph(self, data: "TrainingData") -> MessageGraph:
        """Return the graph whose messages the encoder takes."""
        labels = label_columns(data, self.scale) if self.says_labels else None
        return MessageGraph(data, symmetric=self.symmetric, labels=labels)

    def outputs(self, vectors: Vectors, data: "TrainingData", chosen: Tensor) -> Tensor:
        """Return the outputs of node and edge tasks for the chosen samples: (chosen, outputs)."""
        samples = data.samples[0]
        if isinstance(self.decoder, NodeDecoder):
            output: Tensor = self.decoder(functional.embedding(samples.ends[0][chosen], vectors[samples.position]))
            return output
        if not isinstance(self.decoder, EdgeDecoder):
            raise TypeError("link prediction has scorers, not outputs")
        rows = (samples.ends[0][chosen], samples.ends[1][chosen])
        source_type, target_type = data.ends_of(samples.position)
        # An embedding look-up, as its gradient is deterministic on CPU; that of indexing is not.
        sources = functional.embedding(rows[0], vectors[source_type])
        targets = functional.embedding(rows[1], vectors[target_type])
        edges: Tensor = self.decoder(sources, targets, self.decoder.biases(*rows))
        return edges

    def _node_tables(self, described: Described) -> dict[str, int]:
        tables = {
            f"encoder.inputs.{kind}.embedding": kind
            for kind, layer in enumerate(self.encoder.inputs)
            if layer.embedding is not None
        }
        for position, (source, target) in enumerate(_target_ends(described)):
            if isinstance(self.decoder, EdgeDecoder):
                tables |= {"decoder.source_bias": source, "decoder.target_bias": target}
            else:
                tables |= {
                    f"decoder.source_biases.{position}": source,
                    f"decoder.target_biases.{position}": target,
                }
        return tables


def _target_ends(described: Described) -> list[tuple[int, int]]:
    """Return the positions of the source's and the target's node types, per target edge type."""
    schema = described.schema
    return [(schema.node(edge.source), schema.node(edge.target)) for edge in described.target.edges]


def _decoder(described: Described, hp: Hyperparameters, outputs: int) -> NodeDecoder | EdgeDecoder | LinkDecoder:
    if described.task.on_nodes:
        return NodeDecoder(hp.num_hidden, outputs, hp.dropout)
    nodes = described.schema.nodes
    counts = [(nodes[source].count, nodes[target].count) for source, target in _target_ends(described)]
    if described.task is Task.LINK_PREDICTION:
        return LinkDecoder(hp.num_hidden, counts)
    return EdgeDecoder(hp.num_hidden, outputs, counts[0])


def aligned(table: Tensor, rows: Tensor) -> Tensor:
    """Return the rows of a node table in another order; the average stands where there is none (-1)."""
    if not len(table):
        return table.new_zeros(len(rows), *table.shape[1:])
    found = table[rows.clamp(min=0)]
    found[rows < 0] = table.mean(0)
    return found


def save_weights(model: Model, path: Path) -> None:
    """Write a model's weights as safetensors.

    Raises:
        OSError: the file cannot be written; safetensors reports that as an error of its own.
    """
    try:
        save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, path)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error)) from None
