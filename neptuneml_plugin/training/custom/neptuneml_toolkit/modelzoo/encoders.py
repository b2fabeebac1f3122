"""Encoders: relational convolution, relational attention, and attention over metapaths."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dgl
import dgl.function as fn
import torch
from dgl.nn import GATConv
from torch import Tensor, nn
from torch.nn import functional

Vectors = dict[str, Tensor]
Activation = Callable[[Tensor], Tensor] | None


class LayeredEncoder(nn.Module):
    """Layers over blocks, the first one first; a layer maps a block and vectors by node type to vectors."""

    layers: nn.ModuleList

    def forward(self, g: Sequence[Any], h: Vectors) -> Vectors:
        """Return the vectors of the last block's targets, by node type, from those of the first one's sources."""
        for layer, block in zip(self.layers, g, strict=True):
            h = layer(block, h)
        return h

    @torch.no_grad()
    def batch_inference(self, g: Any, x: Vectors, batch_size: int, device: Any, num_workers: int = 0) -> Vectors:
        """Return the vectors of all nodes by node type, from whole neighbourhoods, a layer after the other.

        One process does it all, whatever `num_workers` says.
        """
        sampler = dgl.dataloading.MultiLayerFullNeighborSampler(1)
        for layer in self.layers:
            made: dict[str, list[Tensor]] = {label: [] for label in g.ntypes}
            for label in g.ntypes:
                for rows in torch.split(torch.arange(g.num_nodes(label)), batch_size):
                    sources, _, (block,) = sampler.sample_blocks(g, {label: rows})
                    h = {kind: x[kind][own].to(device) for kind, own in _by_type(g, sources).items()}
                    made[label].append(layer(block.to(device), h)[label].cpu())
            x = {label: torch.cat(rows) for label, rows in made.items() if rows}
        return x


class RGCNEncoder(LayeredEncoder):
    """R-GCN (Schlichtkrull et al., 2018): the mean of the neighbours by each relation, times its matrix.

    Args:
        etypes: names of the relations.
        in_size: width of the input.
        hidden_size: width of the output.
        num_layers: how many.
        num_bases: matrices that each relation's is a combination of; one per relation where it is negative.
        use_self_loop: add the node itself, times a matrix.
        dropout: of each layer's output.
        activation: of each layer.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the toolkit's signature
        self,
        etypes: Sequence[str],
        in_size: int,
        hidden_size: int,
        num_layers: int = 1,
        num_bases: int = -1,
        use_self_loop: bool = True,  # noqa: FBT001, FBT002
        dropout: float = 0.0,
        activation: Activation = functional.relu,
    ) -> None:
        super().__init__()
        names = sorted(set(etypes))
        bases = len(names) if num_bases < 0 else min(num_bases, len(names))
        widths = [in_size] + [hidden_size] * num_layers
        self.layers = nn.ModuleList(
            _ConvolutionLayer(names, (widths[at], hidden_size), bases, use_self_loop, (dropout, activation))
            for at in range(num_layers)
        )


class RGATEncoder(LayeredEncoder):
    """Attention over the neighbours by each relation (GAT, Veličković et al., 2018), summed over relations.

    Vectors are `num_heads` times as wide as `hidden_size`; other arguments as above.
    """

    def __init__(
        self,
        etypes: Sequence[str],
        in_size: int,
        hidden_size: int,
        num_layers: int = 1,
        num_heads: int = 1,
        dropout: float = 0.0,
        activation: Activation = functional.elu,
    ) -> None:
        super().__init__()
        names = sorted(set(etypes))
        widths = [in_size] + [hidden_size * num_heads] * num_layers
        self.layers = nn.ModuleList(
            _AttentionLayer(names, (widths[at], hidden_size), num_heads, (dropout, activation))
            for at in range(num_layers)
        )


class HANEncoder(nn.Module):
    """Attention over the neighbours by each metapath, then over metapaths (HAN, Wang et al., 2019).

    Args:
        num_metapaths: how many.
        in_size: width of the input.
        hidden_size: width of the output, and of a head.
        num_layers: how many.
        num_heads: of each layer, or one number for all.
        dropout: of features and of attention.
        activation: of each layer.
    """

    def __init__(
        self,
        num_metapaths: int,
        in_size: int,
        hidden_size: int,
        num_layers: int,
        num_heads: int | Sequence[int] = 4,
        dropout: float = 0.0,
        activation: Activation = functional.elu,
    ) -> None:
        super().__init__()
        heads = [num_heads] * num_layers if isinstance(num_heads, int) else list(num_heads)
        if len(heads) != num_layers:
            raise ValueError(f"num_heads has {len(heads)} entries for {num_layers} layers")
        widths = [in_size, *(hidden_size * count for count in heads)]
        options: dict[str, Any] = {"activation": activation, "allow_zero_in_degree": True}
        self.layers = nn.ModuleList(
            nn.ModuleList(
                GATConv(widths[at], hidden_size, heads[at], dropout, dropout, **options)
                for _ in range(num_metapaths)
            )
            for at in range(num_layers)
        )
        self.attention = nn.Sequential(
            nn.Linear(widths[-1], hidden_size), nn.Tanh(), nn.Linear(hidden_size, 1, bias=False)
        )
        self.project = nn.Linear(widths[-1], hidden_size)

    def forward(self, g: Sequence[Any], h: Sequence[Tensor]) -> Tensor:
        """Return (nodes, hidden_size).

        Args:
            g: a graph or block for each metapath; of several layers a list of blocks for each.
            h: vectors of the sources of each.
        """
        vectors, layers = list(h), list[Any](self.layers)
        for at, layer in enumerate(layers):
            graphs = [blocks[at] if isinstance(blocks, list) else blocks for blocks in g]
            vectors = [
                conv(graph, own).flatten(1) for conv, graph, own in zip(layer, graphs, vectors, strict=True)
            ]
        stacked = torch.stack(vectors, 1)
        shares = self.attention(stacked).mean(0).softmax(0)
        output: Tensor = self.project((shares * stacked).sum(1))
        return output


class _Layer(nn.Module):
    """What relational layers share: where vectors come from and go to."""

    def __init__(self, names: Sequence[str], dropout: float, activation: Activation) -> None:
        super().__init__()
        self._numbers = {name: number for number, name in enumerate(names)}
        self._activation, self._dropout = activation, nn.Dropout(dropout)

    def forward(self, block: Any, h: Vectors) -> Vectors:
        """Return the vectors of the block's targets, by node type."""
        own = {label: rows[: block.num_dst_nodes(label)] for label, rows in h.items() if label in block.dsttypes}
        sums = self.start(own)
        for kind in block.canonical_etypes:
            if block.num_edges(kind):
                source, name, target = kind
                heard = self.heard(block[kind], self._numbers[name], (h[source], own[target]))
                sums[target] = sums[target] + heard if target in sums else heard
        made = {
            label: rows if self._activation is None else self._activation(rows) for label, rows in sums.items()
        }
        return {label: self._dropout(rows) for label, rows in made.items()}

    def start(self, own: Vectors) -> Vectors:
        """Return what nodes are without neighbours."""
        raise NotImplementedError

    def heard(self, graph: Any, number: int, ends: tuple[Tensor, Tensor]) -> Tensor:
        """Return what targets receive by one relation."""
        raise NotImplementedError


class _ConvolutionLayer(_Layer):
    def __init__(
        self,
        names: Sequence[str],
        widths: tuple[int, int],
        bases: int,
        self_loop: bool,  # noqa: FBT001
        ending: tuple[float, Activation],
    ) -> None:
        super().__init__(names, *ending)
        self.weight = nn.Parameter(torch.empty(bases, *widths))
        nn.init.xavier_uniform_(self.weight, gain=nn.init.calculate_gain("relu"))
        combines = bases < len(names)
        self.coefficients = nn.Parameter(torch.empty(len(names), bases)) if combines else None
        if self.coefficients is not None:
            nn.init.xavier_uniform_(self.coefficients)
        self.loop_weight = nn.Parameter(torch.empty(*widths)) if self_loop else None
        if self.loop_weight is not None:
            nn.init.xavier_uniform_(self.loop_weight, gain=nn.init.calculate_gain("relu"))
        self.h_bias = nn.Parameter(torch.zeros(widths[1]))

    def start(self, own: Vectors) -> Vectors:
        """See `_Layer`."""
        if self.loop_weight is None:
            return {label: self.h_bias.expand(len(rows), -1) for label, rows in own.items()}
        return {label: rows @ self.loop_weight + self.h_bias for label, rows in own.items()}

    def heard(self, graph: Any, number: int, ends: tuple[Tensor, Tensor]) -> Tensor:
        """See `_Layer`."""
        weight = self.weight[number] if self.coefficients is None else self._combined(number)
        with graph.local_scope():
            graph.srcdata["sent"] = ends[0]
            graph.update_all(fn.copy_u("sent", "m"), fn.mean("m", "heard"))
            mean: Tensor = graph.dstdata["heard"]
        return mean @ weight

    def _combined(self, number: int) -> Tensor:
        if self.coefficients is None:
            raise ValueError("no relation is a combination of others")
        return torch.einsum("b,bio->io", self.coefficients[number], self.weight)


class _AttentionLayer(_Layer):
    def __init__(
        self, names: Sequence[str], widths: tuple[int, int], heads: int, ending: tuple[float, Activation]
    ) -> None:
        super().__init__(names, *ending)
        self.convs = nn.ModuleList(GATConv(*widths, heads, allow_zero_in_degree=True) for _ in names)
        self._width = widths[1] * heads

    def start(self, own: Vectors) -> Vectors:
        """See `_Layer`."""
        return {label: rows.new_zeros(len(rows), self._width) for label, rows in own.items()}

    def heard(self, graph: Any, number: int, ends: tuple[Tensor, Tensor]) -> Tensor:
        """See `_Layer`."""
        vectors: Tensor = self.convs[number](graph, ends).flatten(1)
        return vectors


def _by_type(g: Any, rows: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return rows if isinstance(rows, Mapping) else {g.ntypes[0]: rows}
