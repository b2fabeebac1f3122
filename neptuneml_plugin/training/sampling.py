"""Sampled neighbourhoods: what a batch of nodes needs of a graph whose whole would take too much memory.

DGL samples; messages pass as everywhere else (`message_passing`). An edge that stands for others carries their
weight too, so that a node receives on average what all its neighbours send (GraphSAGE, Hamilton et al., 2017).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from neptuneml_plugin.training.data import Relation, TrainingData
from neptuneml_plugin.training.message_passing import Adjacency, MessageGraph, Messages, Order, channels, in_order
from neptuneml_plugin.training.models.encoder import Hop

LeftOut = Mapping[int, Tensor]
#: By DGL's name of a node type.
Rows = Mapping[str, Tensor]


@dataclass(frozen=True)
class Neighbourhood:
    """The nodes that a batch's embeddings are computed from, and how."""

    #: Per node type: the graph's rows whose first vectors are needed, (rows,).
    rows: Sequence[Tensor]
    hops: Sequence[Hop]

    def features(self, data: TrainingData) -> list[dict[str, Tensor]]:
        """Return the features of those rows, per node type."""
        return [
            {name: values[rows] for name, values in columns.items()}
            for rows, columns in zip(self.rows, data.features, strict=True)
        ]


class NeighbourSampler:
    """Draws neighbourhoods, fewer edges the farther from the batch as `fanouts` says.

    Args:
        graph: the messages of the whole graph.
        data: the graph.
        fanouts: edges of each relation that a node receives messages by, at most; first those of the batch itself.
    """

    def __init__(self, graph: MessageGraph, data: TrainingData, fanouts: Sequence[int]) -> None:
        from neptuneml_plugin.dgl_graph import dgl  # noqa: PLC0415  # seconds that full neighbourhoods do not need

        self._dgl = dgl
        self._graph, self._data, self._fanouts = graph, data, tuple(fanouts)
        #: Per relation: the edges that may be drawn; None: all.
        self._carrying = [_carrying(graph, relation.edge_type) for relation in data.relations]
        self._all_degrees = [
            [_degrees(ends, edges, data.counts[kind]) for ends, kind in _ends(relation)]
            for relation, edges in zip(data.relations, self._carrying, strict=True)
        ]
        self._drawn_from = dgl.heterograph(
            {
                _triple(at, relation): (_of(relation.sources, edges), _of(relation.targets, edges))
                for at, (relation, edges) in enumerate(zip(data.relations, self._carrying, strict=True))
            },
            num_nodes_dict={str(kind): count for kind, count in enumerate(data.counts)},
        ).formats("csc")

    def around(self, nodes: Mapping[int, Tensor], left_out: LeftOut = MappingProxyType({})) -> Neighbourhood:
        """Return what the embeddings of nodes are computed from.

        Args:
            nodes: node type -> distinct rows; the last hop's rows are these, in their order.
            left_out: edge type -> edges that carry no message, in either direction.
        """
        # DGL's generators follow torch's, which a seed and a checkpoint set.
        self._dgl.seed(int(torch.randint(2**31 - 1, ())))
        wanted = {str(kind): rows for kind, rows in nodes.items()}
        excluded = self._excluded(left_out)
        hops = []
        for fanout in self._fanouts:
            # Left-out edges are drawn, then dropped: the others stand for all that carry.
            drawn = self._dgl.sampling.sample_neighbors(
                self._drawn_from, wanted, fanout, exclude_edges=excluded or None
            )
            senders = self._senders(drawn, wanted)
            hops.append(self._hop(drawn, senders, wanted, left_out))
            wanted = senders
        return Neighbourhood([wanted[str(kind)] for kind in range(len(self._data.counts))], hops[::-1])

    def _senders(self, drawn: Any, wanted: Rows) -> dict[str, Tensor]:
        """Return the rows that a hop reads: those wanted, then the others that edges drawn come from, in order.

        DGL's `to_block` orders them by which of its threads comes first, and dropout goes by order.
        """
        sends = [torch.zeros(count, dtype=torch.bool) for count in self._data.counts]
        for at, relation in enumerate(self._data.relations):
            sends[relation.source_type][drawn.edges(etype=_triple(at, relation))[0]] = True
        senders = {}
        for kind, mark in enumerate(sends):
            rows = wanted.get(str(kind), torch.empty(0, dtype=torch.long))
            mark[rows] = False
            senders[str(kind)] = torch.cat([rows, torch.nonzero(mark)[:, 0]])
        return senders

    def _excluded(self, left_out: LeftOut) -> dict[Any, Tensor]:
        """Return which of the edges to draw from are left out."""
        excluded = {}
        for at, (relation, carrying) in enumerate(zip(self._data.relations, self._carrying, strict=True)):
            edges = left_out.get(relation.edge_type)
            if edges is not None:
                found = edges if carrying is None else torch.searchsorted(carrying, edges.contiguous())
                excluded[_triple(at, relation)] = found
        return excluded

    def _hop(self, drawn: Any, senders: Rows, wanted: Rows, left_out: LeftOut) -> Hop:
        block = self._block(drawn, senders, wanted)
        own = [
            self._channels(at, drawn, block, left_out.get(relation.edge_type))
            for at, relation in enumerate(self._data.relations)
        ]
        kept = [slice(block.num_dst_nodes(str(kind))) for kind in range(len(self._data.counts))]
        return Hop(in_order(own), kept)

    def _block(self, drawn: Any, senders: Rows, wanted: Rows) -> Any:
        """Return the edges drawn between the rows of one layer and those of the next, in the order drawn."""
        places = []
        for kind, count in enumerate(self._data.counts):
            place = torch.empty(count, dtype=torch.long)
            place[senders[str(kind)]] = torch.arange(len(senders[str(kind)]))
            places.append(place)
        edges = {}
        for at, relation in enumerate(self._data.relations):
            triple = _triple(at, relation)
            sources, targets = drawn.edges(etype=triple)
            edges[triple] = places[relation.source_type][sources], places[relation.target_type][targets]
        counts = [{kind: len(rows.get(kind, ())) for kind in senders} for rows in (senders, wanted)]
        return self._dgl.create_block(edges, *counts)

    def _edges(self, at: int, drawn: Any) -> Tensor:
        """Return which of a relation's edges those drawn are."""
        triple, carrying = _triple(at, self._data.relations[at]), self._carrying[at]
        edges: Tensor = drawn.edges[triple].data[self._dgl.EID]
        return edges if carrying is None else carrying[edges]

    def _channels(self, at: int, drawn: Any, block: Any, left_out: Tensor | None) -> list[Messages]:
        relation = self._data.relations[at]
        triple = _triple(at, relation)
        sources, targets = block.edges(etype=triple)
        counts = block.num_src_nodes(triple[0]), block.num_dst_nodes(triple[2])
        orders = Order(*block.adj_tensors("csc", triple)), Order(*block.adj_tensors("csr", triple))
        adjacency = Adjacency(sources, targets, *counts, orders)
        # The mean over the edges drawn stands for the mean over all.
        weights, labels = adjacency.norm(), self._graph.labels(relation.edge_type)
        features = self._graph.features(at)
        alike = self._graph.all_edges_alike
        if labels is None and features is None and not (self._graph.symmetric or alike):
            return channels(adjacency, weights, None)
        edges = self._edges(at, drawn)
        if self._graph.symmetric:
            out, into = self._degrees(at, left_out)
            weights = weights * (into[relation.targets[edges]] / out[relation.sources[edges]]).sqrt()
        elif alike:  # nothing is left out where properties of vertices are learned
            into = self._all_degrees[at][1]
            weights = weights * into[relation.targets[edges]] * self._graph.weights(at)[edges]
        said = (None if each is None else each[edges] for each in (labels, features))
        return channels(adjacency, weights, *said)

    def _degrees(self, at: int, left_out: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return how many edges carry messages at each source and each target of a relation, at least 1."""
        relation = self._data.relations[at]
        found = self._all_degrees[at]
        if left_out is not None:
            ends = (relation.sources[left_out], relation.targets[left_out])
            minus = torch.full((len(left_out),), -1.0)
            found = [degrees.index_add(0, rows, minus) for degrees, rows in zip(found, ends, strict=True)]
        sources, targets = (degrees.clamp(min=1) for degrees in found)
        return sources, targets


def _carrying(graph: MessageGraph, edge_type: int) -> Tensor | None:
    carriers = graph.carriers(edge_type)
    return None if carriers is None else torch.nonzero(carriers)[:, 0]


def _of(ends: Tensor, edges: Tensor | None) -> Tensor:
    return ends if edges is None else ends[edges]


def _ends(relation: Relation) -> tuple[tuple[Tensor, int], tuple[Tensor, int]]:
    return (relation.sources, relation.source_type), (relation.targets, relation.target_type)


def _degrees(ends: Tensor, edges: Tensor | None, count: int) -> Tensor:
    return torch.bincount(_of(ends, edges), minlength=count).float()


def _triple(at: int, relation: Relation) -> tuple[str, str, str]:
    return str(relation.source_type), str(at), str(relation.target_type)
