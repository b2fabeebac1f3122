"""A model: the encoder, and the decoder of a task."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from neptuneml_plugin.artifacts import KGE_MODELS, RGCN, Task
from neptuneml_plugin.training.checkpoints import save_tensors
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models.decoders import EdgeDecoder, LinkDecoder, NodeDecoder, RolesLinkDecoder
from neptuneml_plugin.training.models.embedded import Embedded
from neptuneml_plugin.training.models.encoder import Described, Encoder, has_own, has_roles
from neptuneml_plugin.training.models.items import REGULARIZATION
from neptuneml_plugin.training.models.kge import KgeDecoder, NodeVectors
from neptuneml_plugin.training.models.propagation import propagates
from neptuneml_plugin.training.models.votes import vote_width
from neptuneml_plugin.training.tasks import label_columns, output_count

if TYPE_CHECKING:
    from neptuneml_plugin.training.data import TrainingData


class Model(nn.Module):
    """The encoder and the decoder of a task.

    Args:
        described: what it is for.
        name: `rgcn`, or one of `artifacts.KGE_MODELS`.
    """

    scale: Tensor
    item_weights: Tensor
    item_ridges: Tensor
    rule_weights: Tensor

    def __init__(self, described: Described, hyperparameters: Hyperparameters, name: str = RGCN) -> None:
        super().__init__()
        hp = self.hyperparameters = hyperparameters
        self.name = name
        outputs = output_count(described.task, described.target)
        #: Whether messages carry their edges' labels.
        on_edges = described.task in {Task.EDGE_CLASS, Task.EDGE_REGRESSION}
        self.says_labels = hp.use_edge_labels and on_edges
        #: Whether layers propagate, and messages of all edge types weigh alike.
        self.propagates = name == RGCN and propagates(hp, described)
        #: Whether messages depend on their edges' features.
        self.reads_edges = hp.use_edge_features and name == RGCN and not self.propagates
        #: Whether messages are weighed by both ends' degrees.
        self.symmetric = hp.symmetric_norm and name == RGCN and not self.propagates
        votes = vote_width(described, hp) if name == RGCN else 0
        #: Of an embedding.
        is_double = name == RGCN and (has_roles(hp, described) or has_own(hp, described))
        self.width = hp.num_hidden * (2 if is_double else 1) + votes
        self.encoder: Encoder = (
            NodeVectors(described, hp)
            if name in KGE_MODELS
            else Encoder(described, hp, outputs if self.says_labels else 0, votes)
        )
        self.decoder = _decoder(described, hp, outputs, name, self.width)
        #: Mean and standard deviation of the training labels: regressions learn standardised values.
        self.register_buffer("scale", torch.tensor([0.0, 1.0], dtype=torch.float64))
        #: Weights of the item-item part when targets, and when sources are asked for (`items`).
        self.register_buffer("item_weights", torch.zeros(2), persistent=has_items(hp, described))
        #: Its ridges, in the same order.
        ridges = torch.full((2,), REGULARIZATION)
        self.register_buffer("item_ridges", ridges, persistent=has_items(hp, described))
        #: Weights of the rules, in the same order (`rules`).
        self.register_buffer("rule_weights", torch.zeros(2), persistent=has_rules(hp, described))
        #: Name of each parameter with a row per node -> position of the node type.
        self.node_tables = self._node_tables(described)

    def graph(self, data: "TrainingData") -> MessageGraph:
        """Return the graph whose messages the encoder takes."""
        if self.name in KGE_MODELS:  # which take none
            return MessageGraph(dataclasses.replace(data, relations=()))
        labels = label_columns(data, self.scale) if self.says_labels else None
        return MessageGraph(
            data,
            symmetric=self.symmetric,
            all_edges_alike=self.propagates,
            labels=labels,
            featured=self.reads_edges,
        )

    def outputs(self, embedded: Embedded, data: "TrainingData", chosen: Tensor) -> Tensor:
        """Return the outputs of node and edge tasks for the chosen samples: (chosen, outputs)."""
        samples = data.samples[0]
        if isinstance(self.decoder, NodeDecoder):
            output: Tensor = self.decoder(embedded.of(samples.position, samples.ends[0][chosen]))
            return output
        if not isinstance(self.decoder, EdgeDecoder):
            raise TypeError("link prediction has scorers, not outputs")
        rows = (samples.ends[0][chosen], samples.ends[1][chosen])
        ends = (embedded.of(kind, end) for kind, end in zip(data.ends_of(samples.position), rows, strict=True))
        edges: Tensor = self.decoder(*ends, self.decoder.biases(*rows))
        return edges

    def _node_tables(self, described: Described) -> dict[str, int]:
        tables = {
            f"encoder.inputs.{kind}.embedding": kind
            for kind, layer in enumerate(self.encoder.inputs)
            if layer.embedding is not None
        }
        if self.hyperparameters.structural_features:
            tables |= {f"encoder.inputs.{kind}.structure": kind for kind in range(len(self.encoder.inputs))}
        tables |= {f"encoder.roles.{kind}": kind for kind in range(len(self.encoder.roles))}
        tables |= {f"encoder.votes.{kind}.values": kind for kind in range(len(self.encoder.votes))}
        for position, (source, target) in enumerate(_target_ends(described)):
            if isinstance(self.decoder, EdgeDecoder):
                tables |= {"decoder.source_bias": source, "decoder.target_bias": target}
            elif isinstance(self.decoder, LinkDecoder):
                tables |= {
                    f"decoder.source_biases.{position}": source,
                    f"decoder.target_biases.{position}": target,
                }
        return tables


def has_items(hyperparameters: Hyperparameters, described: Described) -> bool:
    """Return whether the item-item part may have a weight."""
    return hyperparameters.item_item and described.task is Task.LINK_PREDICTION


def has_rules(hyperparameters: Hyperparameters, described: Described) -> bool:
    """Return whether rules may have a weight."""
    return hyperparameters.mined_rules and described.task is Task.LINK_PREDICTION


def _target_ends(described: Described) -> list[tuple[int, int]]:
    """Return the positions of the source's and the target's node types, per target edge type."""
    schema = described.schema
    return [(schema.node(edge.source), schema.node(edge.target)) for edge in described.target.edges]


def _decoder(
    described: Described, hp: Hyperparameters, outputs: int, name: str, width: int
) -> NodeDecoder | EdgeDecoder | LinkDecoder | KgeDecoder:
    if described.task.on_nodes:
        return NodeDecoder(width, outputs, hp.dropout)
    nodes = described.schema.nodes
    counts = [(nodes[source].count, nodes[target].count) for source, target in _target_ends(described)]
    if name in KGE_MODELS:
        return KgeDecoder(name, hp, len(counts))
    if has_roles(hp, described):
        return RolesLinkDecoder(2 * hp.num_hidden, counts)
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
    """Write a model's weights as safetensors; see `save_tensors` for errors."""
    save_tensors(model.state_dict(), path)
