"""The R-GCN encoder (Schlichtkrull et al., 2018).

Vectors are lists of (rows, d), one per node type in the schema's order; messages are lists of `Messages`, one per
relation in `TrainingData.relations`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from neptuneml_plugin.artifacts import GraphSchema, NodeType, Target, Task
from neptuneml_plugin.training.dropout import dropout
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.message_passing import Aggregation, channel_ends
from neptuneml_plugin.training.models.propagation import PropagationLayer, propagates

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
    #: Per node type, the rows in the layer before of those of this one; None: all rows as they are.
    kept: Sequence[Tensor | slice] | None = None

    def own(self, vectors: Vectors) -> Vectors:
        """Return what the rows of this layer were in the layer before."""
        if self.kept is None:
            return vectors
        return [h[rows] for h, rows in zip(vectors, self.kept, strict=True)]


class EdgeModule(nn.Module):
    """What an edge's features f do to the vector h that it carries: h * (1 + scale(f)) + shift(f).

    Feature-wise linear modulation (Brockschmidt: "GNN-FiLM", 2020), of the edge in place of the node. It starts at
    changing nothing.

    Args:
        features: their number.
        hidden: width of the hidden layer that scale and shift share.
        width: of a vector.
    """

    def __init__(self, features: int, hidden: int, width: int) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(features, hidden), nn.Linear(hidden, 2 * width)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, vectors: Tensor, features: Tensor) -> Tensor:
        """See `message_passing.Carry`."""
        columns, (scale, shift) = self.columns(features), self.weights()
        changed: Tensor = vectors * (columns @ scale.T) + columns @ shift.T
        return changed

    def columns(self, features: Tensor) -> Tensor:
        """See `message_passing.Carry`: the hidden layer, and ones."""
        hidden = functional.relu(self.hidden(features))
        return functional.pad(hidden, (0, 1), value=1.0)

    def weights(self) -> tuple[Tensor, Tensor]:
        """See `message_passing.Carry`."""
        scale, shift = torch.cat([self.output.weight, self.output.bias[:, None]], 1).chunk(2)
        unchanged = functional.pad(scale.new_ones(1), (self.output.in_features, 0))
        return scale + unchanged, shift


class RelationalLayer(nn.Module):
    """One layer: h_v' = W_0 h_v + sum over relations r of W_r (weighted sum of h_u over v's neighbours by r) + b.

    Args:
        ends: source and target node type of each relation.
        types: number of node types.
        bases: 0, or the number of matrices of which each W_r is a combination.
        diagonal: each W_r, and W_0, is diagonal and starts at ones; `bases` means nothing then.
        carries: relation -> what its edges do to each h_u, where they have features.
    """

    def __init__(
        self,
        ends: Sequence[tuple[int, int]],
        types: int,
        width: int,
        *,
        bases: int = 0,
        self_loop: bool = True,
        diagonal: bool = False,
        carries: Mapping[int, EdgeModule] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self._ends = tuple(ends)
        self.carries = nn.ModuleDict({str(relation): module for relation, module in carries.items()})
        uses_bases = 0 < bases < len(ends) and not diagonal
        matrices = bases if uses_bases else len(ends)
        self.weights = nn.Parameter(torch.ones(matrices, width) if diagonal else _glorot(matrices, width, width))
        self.coefficients = nn.Parameter(_glorot(len(ends), bases)) if uses_bases else None
        loops = torch.ones(types, width) if diagonal else _glorot(types, width, width)
        self.self_weights = nn.Parameter(loops) if self_loop else None
        self.bias = nn.Parameter(torch.zeros(types, width))

    def forward(self, vectors: Vectors, hop: Hop, themselves: Vectors | None = None) -> Vectors:
        """Return the new vector of each row; `themselves` stand in the self term where they differ."""
        weights: Tensor = self.weights
        if self.coefficients is not None:
            weights = torch.einsum("rb,bio->rio", self.coefficients, weights)
        own = self.self_weights
        out = [
            (_weighed(h, own[kind]) if own is not None else torch.zeros_like(h)) + self.bias[kind]
            for kind, h in enumerate(hop.own(themselves or vectors))
        ]
        for relation, (source, target) in enumerate(self._ends):
            carry = dict(self.carries.items()).get(str(relation))
            carried = carry if isinstance(carry, EdgeModule) else None
            message = hop.messages[relation].aggregate(vectors[source], carried)
            out[target] = out[target] + _weighed(message, weights[relation])
        return out


def _weighed(vectors: Tensor, weight: Tensor) -> Tensor:
    """Multiply vectors, (rows, d), by a matrix, (d, d), or by a diagonal one, (d,)."""
    return vectors @ weight if weight.dim() > 1 else vectors * weight


#: Name of the structural features among a node's.
STRUCTURE = "~structure"
#: Of the columns that bins make of its numbers.
BINS = "~bins"
#: Rows that bins are fitted to, at most.
MAX_FITTED_ROWS = 100_000


class NumberBins(nn.Module):
    """Piecewise-linear encoding of single numbers (Gorishniy et al., 2022), so that a long tail hides nothing.

    A number becomes one column per bin: 0 below it, 1 above it, and between its ends the share that it has come.

    Args:
        numbers: how many there are.
        bins: of each, at most.
    """

    edges: Tensor

    def __init__(self, numbers: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(numbers, bins + 1))

    def fit(self, values: Tensor) -> None:
        """Let bins hold equal parts of the values, (rows, numbers); a value that fills several empties them."""
        if len(values):
            values = values[:: math.ceil(len(values) / MAX_FITTED_ROWS)].sort(0).values
            places = torch.linspace(0, len(values) - 1, self.edges.shape[1], dtype=torch.float64)
            self.edges.copy_(values[places.round().long().to(values.device)].T)

    def forward(self, values: Tensor) -> Tensor:
        """Map (rows, numbers) to (rows, numbers * bins)."""
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        wide = high > low
        shares = (values[:, :, None] - low) / torch.where(wide, high - low, 1)
        return torch.where(wide, shares.clamp(0, 1), 0).flatten(1)


class InputLayer(nn.Module):
    """The first vector of every node: its features projected, a learnable vector, or both, projected."""

    structure: Tensor

    def __init__(self, widths: Mapping[str, int], count: int, hyperparameters: Hyperparameters) -> None:
        super().__init__()
        hidden, structural = hyperparameters.num_hidden, hyperparameters.structural_features
        self.is_structural = structural > 0
        self._numbers = tuple(name for name, width in widths.items() if width == 1 and hyperparameters.number_bins)
        self.bins = NumberBins(len(self._numbers), hyperparameters.number_bins) if self._numbers else None
        if structural:
            widths = {**widths, STRUCTURE: structural}
            self.register_buffer("structure", torch.zeros(count, structural))
        self._names = tuple(widths)
        if self.bins is not None:
            widths = {**widths, BINS: len(self._numbers) * hyperparameters.number_bins}
        learns = not widths or hyperparameters.concat_node_embed
        self.embedding = nn.Parameter(torch.randn(count, hidden) * 0.1) if learns else None
        self.parts: nn.ModuleList | None = None
        #: Of its features, with what is made of them.
        self.width = total = sum(widths.values())
        if hyperparameters.per_feat_name_embed and widths:
            self.parts = nn.ModuleList(nn.Linear(width, hidden) for width in widths.values())
            total = hidden * len(widths)
        self.project = nn.Linear(total + (hidden if learns else 0), hidden) if widths else None
        self._dropout = hyperparameters.feature_dropout

    def forward(
        self, features: Mapping[str, Tensor], learned: Tensor | None = None, *, embedded: bool = True
    ) -> Tensor:
        """Return (rows, hidden); unless `embedded`, of the features alone (zeros where there are none).

        `learned` stands in for the layer's own vectors, (rows, hidden), and `STRUCTURE` among the features for its
        own structural ones.
        """
        return self.first(self.columns(features), learned, embedded=embedded)

    def first(self, columns: Sequence[Tensor], learned: Tensor | None = None, *, embedded: bool = True) -> Tensor:
        """Return what `forward` does, of `columns` of the features."""
        table = self.embedding if learned is None else learned
        columns = list(columns)
        if self._dropout:
            columns = [dropout(column, self._dropout, training=self.training) for column in columns]
        if self.parts is not None:
            columns = [part(column) for part, column in zip(self.parts, columns, strict=True)]
        if self.embedding is not None and table is not None:
            columns.append(table if embedded else torch.zeros_like(table))
        joined = torch.cat(columns, 1) if len(columns) > 1 else columns[0]
        return joined if self.project is None else self.project(joined)

    def columns(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the features with what is made of them, each (rows, its width)."""
        columns = [
            self.structure if name == STRUCTURE and name not in features else features[name]
            for name in self._names
        ]
        return columns if self.bins is None else [*columns, self.bins(self.numbers(features))]

    def numbers(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return those of the features that are one number each: (rows, numbers)."""
        return torch.cat([features[name] for name in self._numbers], 1)


class OwnFeatures(nn.Module):
    """What a node's own features say, whoever its neighbours are: two hidden layers beside those of messages."""

    def __init__(self, features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, width), nn.Linear(width, width)
        self._dropout = dropout

    def forward(self, features: Tensor) -> Tensor:
        """Map (rows, features) to (rows, width)."""
        hidden = dropout(functional.relu(self.first(features)), self._dropout, training=self.training)
        return functional.relu(self.second(hidden))


class Table(nn.Module):
    """Numbers of each node that are not learned."""

    values: Tensor

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(count, width))


class Encoder(nn.Module):
    """R-GCN over the whole graph, with the learnable vectors of its nodes, or over another with given ones."""

    def __init__(
        self, described: Described, hyperparameters: Hyperparameters, labels: int, votes: int = 0
    ) -> None:
        super().__init__()
        hp = hyperparameters
        nodes = described.schema.nodes
        self.inputs = nn.ModuleList(InputLayer(_widths(node, hp), node.count, hp) for node in nodes)
        #: Vectors by which nodes are found as candidates, joined to the others; empty unless `separate-roles`.
        self.roles = nn.ParameterList(
            torch.randn(n.count, hp.num_hidden) * 0.1 for n in nodes if has_roles(hp, described)
        )
        #: What the labels around a node say (`models.votes`), joined too; empty unless `label-votes`.
        self.votes = nn.ModuleList(Table(n.count, votes) for n in nodes if votes)
        #: Node type -> what its own features say, joined last; empty unless `own-features`.
        self.own = nn.ModuleDict(
            {
                str(kind): OwnFeatures(layer.width, hp.num_hidden, hp.dropout)
                for kind, layer in enumerate(self.inputs)
                if has_own(hp, described) and isinstance(layer, InputLayer) and layer.width
            }
        )
        ends = channel_ends(described.schema, labels, described.target.edges[0] if labels else None)
        self._propagates = propagates(hp, described)
        self.layers = nn.ModuleList(
            PropagationLayer(ends, hp.restart)
            if self._propagates
            else RelationalLayer(
                ends,
                len(self.inputs),
                hp.num_hidden,
                bases=hp.num_bases,
                self_loop=hp.use_self_loop,
                diagonal=hp.diagonal_relations,
                carries=_edge_modules(described.schema, hp),
            )
            for _ in range(hp.num_layer)
        )
        norms = (nn.LayerNorm(hp.num_hidden) if hp.layer_norm else nn.Identity() for _ in self.layers)
        self.norms = nn.ModuleList(norms)
        self._width = hp.num_hidden
        self._dropout, self._feature_self_loop, self._low_mem = hp.dropout, hp.feature_self_loop, hp.low_mem

    def forward(self, features: Sequence[Mapping[str, Tensor]], messages: Sequence[Aggregation]) -> Vectors:
        """Return the embedding of every node, (rows, d) per node type."""
        return self.along([Hop(messages)] * len(self.layers), features)

    def along(
        self,
        hops: Sequence[Hop],
        features: Sequence[Mapping[str, Tensor]],
        learned: Sequence[Tensor | None] | None = None,
        joined: Sequence[Tensor] | None = None,
    ) -> Vectors:
        """Return the embeddings of the last hop's rows, (rows, d) per node type.

        `learned` stands in for the encoder's own vectors, per node type; None where its nodes have none. `joined`
        does so for `self.roles` or `self.votes`, of the last hop's rows.
        """
        layers = [layer for layer in self.inputs if isinstance(layer, InputLayer)]
        columns = [layer.columns(own) for layer, own in zip(layers, features, strict=True)]
        given = list(zip(layers, columns, learned or [None] * len(layers), strict=True))
        vectors = [layer.first(of_layer, own) for layer, of_layer, own in given]
        if self._propagates:
            vectors = self._propagated(hops, vectors)
        else:
            themselves: Vectors | None = None
            if self._feature_self_loop:
                themselves = [layer.first(of_layer, own, embedded=False) for layer, of_layer, own in given]
            vectors = self._convolved(hops, vectors, themselves)
        tables = joined or [*self.roles] or self.vote_tables()
        if tables:
            vectors = [torch.cat(pair, 1) for pair in zip(vectors, tables, strict=True)]
        if self.own:
            own = self._own(hops, columns, vectors)
            vectors = [torch.cat(pair, 1) for pair in zip(vectors, own, strict=True)]
        return vectors

    def _convolved(self, hops: Sequence[Hop], vectors: Vectors, themselves: Vectors | None) -> Vectors:
        """Return what R-GCN's layers make of the first vectors."""
        vectors = [self._drop(h) for h in vectors]
        for position, hop in enumerate(hops):
            given_to = position, vectors, hop, None if position else themselves
            # Where a neighbourhood is drawn; on whole ones what is kept is small beside the graph.
            saves = self._low_mem and hop.kept is not None and torch.is_grad_enabled()
            vectors = checkpoint(self._layer, *given_to, use_reentrant=False) if saves else self._layer(*given_to)
        return vectors

    def _propagated(self, hops: Sequence[Hop], vectors: Vectors) -> Vectors:
        """Return where walks from the first vectors end."""
        vectors = first = [self._drop(functional.relu(h)) for h in vectors]
        for layer, hop in zip(self.layers, hops, strict=True):
            first = hop.own(first)
            vectors = layer(vectors, hop, first)
        return vectors

    def _own(self, hops: Sequence[Hop], columns: Sequence[Sequence[Tensor]], vectors: Vectors) -> Vectors:
        """Return what the own features of the last hop's rows say; zeros where there are none.

        `columns` are those of each input layer.
        """
        found = [h.new_zeros(len(h), self._width) for h in vectors]
        for kind, of_kind in enumerate(columns):
            if str(kind) in self.own:
                joined = torch.cat(list(of_kind), 1)
                for hop in hops:
                    joined = joined if hop.kept is None else joined[hop.kept[kind]]
                found[kind] = self.own[str(kind)](joined)
        return found

    def fit_bins(self, features: Sequence[Mapping[str, Tensor]]) -> None:
        """Set the bins of numbers by the features of a graph's nodes."""
        for layer, columns in zip(self.inputs, features, strict=True):
            if isinstance(layer, InputLayer) and layer.bins is not None:
                layer.bins.fit(layer.numbers(columns))

    def _layer(self, position: int, vectors: Vectors, hop: Hop, themselves: Vectors | None) -> Vectors:
        vectors = self.layers[position](vectors, hop, themselves)
        normed = [self.norms[position](h) for h in vectors]
        return normed if position == len(self.layers) - 1 else [self._drop(functional.relu(h)) for h in normed]

    def learned(self, rows: Sequence[Tensor]) -> list[Tensor | None]:
        """Return the encoder's own vectors of distinct rows, per node type; the gradient has these rows alone."""
        tables = [layer.embedding for layer in self.inputs]
        return [
            functional.embedding(chosen, table, sparse=True) if isinstance(table, Tensor) else None
            for table, chosen in zip(tables, rows, strict=True)
        ]

    def structured(
        self, features: Sequence[Mapping[str, Tensor]], rows: Sequence[Tensor]
    ) -> list[Mapping[str, Tensor]]:
        """Return the features of some rows, per node type, with their structural ones."""
        return [
            {**columns, STRUCTURE: layer.structure[chosen]}
            if isinstance(layer, InputLayer) and layer.is_structural
            else columns
            for layer, columns, chosen in zip(self.inputs, features, rows, strict=True)
        ]

    def vote_tables(self) -> list[Tensor]:
        """Return what the labels around each node say, (rows, columns) per node type; empty where nothing does."""
        return [table.values for table in self.votes if isinstance(table, Table)]

    def joined_of(self, rows: Sequence[Tensor]) -> list[Tensor] | None:
        """Return what is joined to the embeddings of distinct rows, per node type; None: nothing.

        The gradient of `roles` has these rows alone, as `learned` does it.
        """
        tables = [
            functional.embedding(chosen, table, sparse=True)
            for chosen, table in zip(rows, self.roles, strict=False)
        ]
        return tables or [table[chosen] for table, chosen in zip(self.vote_tables(), rows, strict=False)] or None

    def _drop(self, vectors: Tensor) -> Tensor:
        return dropout(vectors, self._dropout, training=self.training)


def has_roles(hyperparameters: Hyperparameters, described: Described) -> bool:
    """Return whether nodes have another vector as candidates than as queries."""
    return hyperparameters.separate_roles and described.task is Task.LINK_PREDICTION


def has_own(hyperparameters: Hyperparameters, described: Described) -> bool:
    """Return whether embeddings hold what a node's own features say by themselves."""
    return hyperparameters.own_features and described.task.on_nodes


def _edge_modules(schema: GraphSchema, hyperparameters: Hyperparameters) -> dict[int, EdgeModule]:
    """Return a module for each relation whose edges have features that messages depend on (`channel_ends`)."""
    hp = hyperparameters
    widths = [sum(f.width for f in edge.features) for edge in schema.edges if hp.use_edge_features]
    return {
        relation: EdgeModule(width, hp.edge_num_hidden, hp.num_hidden)
        for at, width in enumerate(widths)
        for relation in (2 * at, 2 * at + 1)
        if width
    }


def _widths(node: NodeType, hyperparameters: Hyperparameters) -> dict[str, int]:
    return {f.name: f.width for f in node.features} if hyperparameters.node_features else {}


def _glorot(*shape: int) -> Tensor:
    weight = torch.empty(*shape)
    bound = math.sqrt(6 / (shape[-2] + shape[-1]))
    return nn.init.uniform_(weight, -bound, bound)
