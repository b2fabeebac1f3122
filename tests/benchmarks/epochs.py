"""Seconds of an epoch beside a bare DGL loop of the same model (target: at most 1.2 times that).

Run with `python -m tests.benchmarks.epochs [EDGES]…`; one line of JSON per size and kind of neighbourhood. The
model is the default for classes of vertices: two layers of 64, features and learned vectors, layer norm, dropout.
The loop is written as DGL's user guide writes it: `HeteroGraphConv` of `GraphConv`, and its `DataLoader` for
sampled neighbourhoods. Both take batches of the same size and train in turn, without evaluation; how long that
takes stands beside, since a training evaluates after each epoch.
"""

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dgl.nn
import torch
from torch import Tensor, nn
from torch.nn import functional

from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.dgl_graph import dgl
from neptuneml_plugin.processing.process import run as process
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.loop import Trainer
from neptuneml_plugin.training.stopping import Goal
from tests.benchmarks.costs import show
from tests.made_exports import made_export

SIZES = (100_000, 1_000_000)
#: Epochs of each that are measured, after one that is not.
EPOCHS = 5
#: Nearest first.
FANOUT = (10, 15)
#: Rows of a batch, where neighbourhoods are sampled.
BATCH = 4096
TARGET = 1.2


class Peer(nn.Module):
    """The same model from DGL's layers, on a graph of one node type."""

    def __init__(self, graph: Any, width: int, classes: int, hp: Hyperparameters) -> None:
        super().__init__()
        hidden = hp.num_hidden
        self.embedding = nn.Embedding(graph.num_nodes(), hidden, sparse=True)
        self.project = nn.Linear(width + hidden, hidden)
        self.layers = nn.ModuleList(
            dgl.nn.HeteroGraphConv(
                {
                    name: dgl.nn.GraphConv(hidden, hidden, norm="right", bias=False, allow_zero_in_degree=True)
                    for name in graph.etypes
                }
            )
            for _ in range(hp.num_layer)
        )
        self.loops = nn.ModuleList(nn.Linear(hidden, hidden) for _ in self.layers)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.layers)
        self.output = nn.Linear(hidden, classes)
        self.dropout = hp.dropout

    def forward(self, blocks: Sequence[Any], features: Tensor, rows: Tensor) -> Tensor:
        """Return the outputs of the last block's targets, (targets, classes)."""
        kind = blocks[0].srctypes[0]
        h = self._drop(self.project(torch.cat([features, self.embedding(rows)], 1)))
        for layer, loop, norm, block in zip(self.layers, self.loops, self.norms, blocks, strict=True):
            own = h[: block.num_dst_nodes()]
            h = norm(layer(block, ({kind: h}, {kind: own}))[kind] + loop(own))
            h = self._drop(functional.relu(h) if layer is not self.layers[-1] else h)
        outputs: Tensor = self.output(h)
        return outputs

    def _drop(self, vectors: Tensor) -> Tensor:
        return functional.dropout(vectors, self.dropout, self.training)


class PeerLoop:
    """A training loop of DGL's user guide."""

    def __init__(self, data: TrainingData, hp: Hyperparameters) -> None:
        ends = {f"r{at}": (r.sources, r.targets) for at, r in enumerate(data.relations)}
        self.graph = dgl.heterograph({("item", name, "item"): pair for name, pair in ends.items()})
        self.graph.create_formats_()
        self.features = torch.cat(list(data.features[0].values()), 1)
        labels = data.samples[0].labels
        if labels is None:
            raise ValueError("this benchmark is of classes of vertices")
        self.labels, self.train = labels, data.samples[0].splits["train"]
        self.model = Peer(self.graph, self.features.shape[1], len(data.processed.target.classes), hp)
        tables = set(self.model.embedding.parameters())
        others = [parameter for parameter in self.model.parameters() if parameter not in tables]
        self.optimizers = (torch.optim.Adam(others, hp.lr), torch.optim.SparseAdam(list(tables), hp.sparse_lr))

    def full(self) -> None:
        """Train an epoch of one step on the whole graph."""
        everything = torch.arange(self.graph.num_nodes())
        outputs = self.model([self.graph] * len(self.model.layers), self.features, everything)
        self._step(functional.cross_entropy(outputs[self.train], self.labels[self.train]))

    def sampled(self) -> None:
        """Train an epoch of batches with sampled neighbourhoods."""
        sampler = dgl.dataloading.NeighborSampler(list(reversed(FANOUT)))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Dataloader CPU affinity opt")
            loader = dgl.dataloading.DataLoader(self.graph, self.train, sampler, batch_size=BATCH, shuffle=True)
            for inputs, outputs, blocks in loader:
                scores = self.model(blocks, self.features[inputs], inputs)
                self._step(functional.cross_entropy(scores, self.labels[outputs]))

    def _step(self, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in self.optimizers:
            optimizer.step()


def our_epoch(trainer: Trainer) -> None:
    """Train an epoch without evaluation."""
    for batch in trainer._objective.batches():
        trainer._step(batch)


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare(data: TrainingData, *, sampled: bool) -> dict[str, object]:
    """Return the median seconds of our epochs and of the loop's, measured in turn."""
    rows = len(data.samples[0].splits["train"])
    hp = Hyperparameters(fanout=FANOUT, batch_size=BATCH if sampled else rows)
    trainer = Trainer(data, hp, Goal("acc"), seed=0, sampled=sampled)
    loop = PeerLoop(data, hp)
    theirs = loop.sampled if sampled else loop.full
    pairs = [(seconds_of(lambda: our_epoch(trainer)), seconds_of(theirs)) for _ in range(EPOCHS + 1)][1:]
    ours, dgls = (statistics.median(side) for side in zip(*pairs, strict=True))
    evaluation = seconds_of(lambda: trainer._evaluator.measure(trainer._average, ["valid", "train"]))
    return {
        "epoch_seconds": round(ours, 3),
        "dgl_seconds": round(dgls, 3),
        "ratio": round(ours / dgls, 2),
        "target": TARGET,
        "evaluation_seconds": round(evaluation, 3),
    }


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    for size in [int(argument) for argument in arguments] or SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            process(ProcessConfig(dgl_graph=False), made_export(folder / "export", size), folder / "processed")
            data = load_data(folder / "processed")
            for sampled in (False, True):
                kind = "sampled" if sampled else "full"
                show({"benchmark": f"epoch, {kind}", "edges": size, **compare(data, sampled=sampled)})


if __name__ == "__main__":
    main(sys.argv[1:])
