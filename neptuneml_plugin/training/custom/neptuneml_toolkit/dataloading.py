"""Samplers along metapaths, and batches of what several of them draw."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dgl
import torch
from torch import Tensor

Seeds = Tensor | Mapping[str, Tensor]
Metapath = Sequence[Any]


class RandomWalkNeighborSampler:
    """The neighbours of nodes are those where random walks along a metapath end most often (PinSAGE, 2018).

    Args:
        G: the graph, on the processor.
        num_traversals: how often a walk goes along the metapath, at most.
        termination_prob: chance that it ends after each time.
        num_random_walks: walks from each node.
        num_neighbors: neighbours that are kept.
        metapath: edge types in turn; of a graph of one type that type.
        weight_column: edge data that takes the number of visits.
    """

    def __init__(
        self,
        G: Any,  # noqa: N803 - the toolkit's signature
        num_traversals: int,
        termination_prob: float,
        num_random_walks: int,
        num_neighbors: int,
        metapath: Metapath | None = None,
        weight_column: str = "weights",
    ) -> None:
        if metapath is None and len(G.canonical_etypes) > 1:
            raise ValueError("a graph of several edge types needs a metapath")
        types = [G.to_canonical_etype(kind) for kind in metapath or G.canonical_etypes]
        self._graph, self._hops, self._traversals = G, len(types), num_traversals
        self.start_ntype, self.end_ntype = types[0][0], types[-1][2]
        if num_traversals > 1 and self.start_ntype != self.end_ntype:
            raise ValueError("a metapath that is gone along several times must end where it starts")
        self._metapath = types * num_traversals
        self._ending = torch.zeros(len(self._metapath))
        self._ending[self._hops :: self._hops] = termination_prob
        self._walks, self._kept, self._column = num_random_walks, num_neighbors, weight_column

    def __call__(self, seed_nodes: Tensor) -> Any:
        """Return a graph of edges from neighbours to seeds, of the nodes of both ends' types."""
        seeds = torch.as_tensor(seed_nodes).repeat_interleave(self._walks)
        paths, _ = dgl.sampling.random_walk(self._graph, seeds, metapath=self._metapath, restart_prob=self._ending)
        ends = paths[:, self._hops :: self._hops].reshape(-1)
        starts = paths[:, 0].repeat_interleave(self._traversals)
        arrived = ends >= 0
        counts = {label: self._graph.num_nodes(label) for label in (self.start_ntype, self.end_ntype)}
        kind = (self.end_ntype, "_E", self.start_ntype)
        visited = dgl.to_simple(
            dgl.heterograph({kind: (ends[arrived], starts[arrived])}, counts), return_counts=self._column
        )
        kept = dgl.sampling.select_topk(visited, self._kept, self._column)
        kept.edata[self._column] = visited.edata[self._column][kept.edata[dgl.EID]]
        return kept


class MetapathListSampler:
    """Draws neighbours along several metapaths, for one layer or more.

    Args:
        g: the graph.
        metapath_list: of edge types each.
        num_neighbors: neighbours of a node, of each layer where there are several.
        num_random_walks: walks from each node; as many as neighbours by default.
    """

    def __init__(
        self,
        g: Any,
        metapath_list: Sequence[Metapath],
        num_neighbors: int | Sequence[int] = 1,
        num_random_walks: int | None = None,
    ) -> None:
        paths = [[g.to_canonical_etype(kind) for kind in path] for path in metapath_list]
        layers = [num_neighbors] if isinstance(num_neighbors, int) else list(num_neighbors)
        torn = [path for path in paths if path[0][0] != path[-1][2]]
        if len(layers) > 1 and torn:
            raise ValueError(f"of several layers a metapath must end where it starts: {torn[0]}")
        self.sampler_list = [
            [RandomWalkNeighborSampler(g, 1, 0, num_random_walks or count, count, path) for count in layers]
            for path in paths
        ]
        self.metapaths_src_ntype = [path[0][0] for path in paths]

    def sample_blocks(self, seeds: Seeds) -> list[Any]:
        """Return a block for each metapath, or a list of blocks, the first layer's first, of several layers."""
        found: list[Any] = []
        for samplers, label in zip(self.sampler_list, self.metapaths_src_ntype, strict=True):
            wanted, blocks = _seeds_of(seeds, label), list[Any]()
            for sampler in samplers:
                frontier = sampler(wanted)
                block = dgl.to_block(frontier, wanted if len(frontier.ntypes) == 1 else {label: wanted})
                blocks.insert(0, block)
                if len(samplers) > 1:
                    wanted = block.srcdata[dgl.NID]
            found.append(blocks if len(blocks) > 1 else blocks[0])
        return found

    def sample(self, seeds: Seeds) -> list[Any]:
        """Return a graph for each metapath, of its first layer."""
        pairs = zip(self.sampler_list, self.metapaths_src_ntype, strict=True)
        return [samplers[0](_seeds_of(seeds, label)) for samplers, label in pairs]


class MultiSubgraphNodeDataLoader:
    """Batches of nodes with the blocks that a sampler of several subgraphs draws.

    Args:
        g: the graph.
        nids: nodes, by node type where there are several.
        sampler: has `sample_blocks`.
        device: of what is given; the graph's by default.
        kwargs: of torch's `DataLoader`.
    """

    def __init__(self, g: Any, nids: Seeds, sampler: Any, device: Any = None, **kwargs: Any) -> None:
        rows: list[Any] = (
            [(label, row) for label, own in nids.items() for row in own.tolist()]
            if isinstance(nids, Mapping)
            else torch.as_tensor(nids).tolist()
        )
        self._sampler, self._device = sampler, g.device if device is None else torch.device(device)
        self.dataloader: Any = torch.utils.data.DataLoader(rows, collate_fn=self._collate, **kwargs)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
        """Yield input nodes, output nodes and blocks, one of each per metapath."""
        return iter(self.dataloader)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.dataloader)

    def _collate(self, items: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        seeds: Seeds = torch.tensor(items) if not isinstance(items[0], tuple) else _grouped(items)
        drawn = [
            [block.to(self._device) for block in (blocks if isinstance(blocks, list) else [blocks])]
            for blocks in self._sampler.sample_blocks(seeds)
        ]
        inputs = [blocks[0].srcdata[dgl.NID] for blocks in drawn]
        outputs = [blocks[-1].dstdata[dgl.NID] for blocks in drawn]
        return inputs, outputs, [blocks if len(blocks) > 1 else blocks[0] for blocks in drawn]


def _grouped(items: Sequence[tuple[str, int]]) -> dict[str, Tensor]:
    labels = dict.fromkeys(label for label, _ in items)
    return {label: torch.tensor([row for kind, row in items if kind == label]) for label in labels}


def _seeds_of(seeds: Seeds, label: str) -> Tensor:
    if not isinstance(seeds, Mapping):
        return seeds
    if label not in seeds:
        raise ValueError(f"there are no seeds of '{label}', where a metapath starts")
    return seeds[label]
