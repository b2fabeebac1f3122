"""Well-known models that people would try instead, written as their papers or DGL's examples have them.

They see the same processed folder and are measured by the same code as ours; unlike the trivial competitors of a
report they stand here alone, for they need DGL or fit few graphs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import dgl.nn
import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.dgl_graph import dgl
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.links import Scorer
from neptuneml_plugin.training.message_passing import MessageGraph

Floats = npt.NDArray[np.floating]
EPOCHS = 200
#: Of APPNP, and of the propagation of labels: steps, and the chance to start again.
STEPS, RESTART = 10, 0.1


class Gcn(nn.Module):
    """Two layers of Kipf and Welling (2017), 64 wide: dropout .5 of features and hidden vectors."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([dgl.nn.GraphConv(width, 64), dgl.nn.GraphConv(64, classes)])

    def forward(self, graph: "dgl.DGLGraph", features: Tensor) -> Tensor:
        """Map (nodes, width) to (nodes, classes)."""
        first, second = self.layers
        hidden = functional.relu(first(graph, functional.dropout(features, 0.5, self.training)))
        outputs: Tensor = second(graph, functional.dropout(hidden, 0.5, self.training))
        return outputs


class Appnp(nn.Module):
    """Predict, then propagate (Gasteiger et al., 2019)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, 64), nn.Linear(64, classes)
        self.propagate = dgl.nn.APPNPConv(STEPS, RESTART)

    def forward(self, graph: "dgl.DGLGraph", features: Tensor) -> Tensor:
        """Map (nodes, width) to (nodes, classes)."""
        hidden = functional.relu(self.first(functional.dropout(features, 0.5, self.training)))
        outputs: Tensor = self.propagate(graph, self.second(functional.dropout(hidden, 0.5, self.training)))
        return outputs


def peers(folder: Path, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return the test metrics of every peer that fits a processed folder, by name."""
    data = load_data(folder)
    evaluator = Evaluator(data, MessageGraph(data))
    if data.task is Task.LINK_PREDICTION:
        if len(set(data.ends_of(data.samples[0].position))) > 1 or len(data.samples) > 1:
            return {}
        return {
            name: evaluator.rank([(_scorer(close), _scorer(close.T))], "test")
            for name, close in ((name, scores(data)) for name, scores in CLOSENESS.items())
        }
    if data.task is not Task.NODE_CLASS or not data.features[data.samples[0].position]:
        return {}
    graph = _graph(data)
    found = {name: _fitted(model, graph, evaluator, seed) for name, model in NETWORKS.items()}
    found["label_propagation"] = _propagated_labels(graph, data)
    rows = evaluator.rows("test").numpy()
    own = data.samples[0].ends[0].numpy()[rows]
    return {name: evaluator.judge(outputs[own], "test") for name, outputs in found.items()}


def _graph(data: TrainingData) -> "dgl.DGLGraph":
    """Return all nodes and edges as one homogeneous graph, the target's nodes first, with loops."""
    starts = _starts(data)
    ends = [(starts[r.source_type] + r.sources, starts[r.target_type] + r.targets) for r in data.relations]
    sources, targets = (torch.cat(side) for side in zip(*ends, strict=True))
    graph = dgl.graph((sources, targets), num_nodes=sum(data.counts))
    return dgl.add_self_loop(dgl.to_simple(graph))


def _starts(data: TrainingData) -> dict[int, int]:
    """Return the first row of each node type, the target's first."""
    kinds = sorted(range(len(data.counts)), key=lambda kind: kind != data.samples[0].position)
    sizes = [data.counts[kind] for kind in kinds]
    return dict(zip(kinds, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))


def _features(data: TrainingData) -> Tensor:
    """Return the target's features, each row of sum 1; nodes of other types have the mean of its neighbours'."""
    starts, own = _starts(data), data.samples[0].position
    target = torch.cat(list(data.features[own].values()), 1)
    features = torch.zeros(sum(data.counts), target.shape[1])
    features[: len(target)] = target / target.abs().sum(1, keepdim=True).clamp(min=1e-9)
    for relation in data.relations:
        if relation.source_type == own != relation.target_type:
            sums = torch.zeros(data.counts[relation.target_type], target.shape[1])
            sums.index_add_(0, relation.targets, features[relation.sources])
            degrees = torch.bincount(relation.targets, minlength=len(sums)).clamp(min=1)
            first = starts[relation.target_type]
            features[first : first + len(sums)] += sums / degrees[:, None]
    return features


def _fitted(
    network: Callable[[int, int], nn.Module], graph: "dgl.DGLGraph", evaluator: Evaluator, seed: int
) -> Floats:
    """Return (nodes, classes) of the epoch that is best on validation: Adam .01, weight decay .0005."""
    torch.manual_seed(seed)
    data, features = evaluator.data, _features(evaluator.data)
    samples, labels = data.samples[0], data.samples[0].labels
    if labels is None:
        raise ValueError("no labels")
    train = samples.splits["train"]
    model = network(features.shape[1], len(data.processed.target.classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    best, kept = -1.0, torch.zeros(0)
    for _ in range(EPOCHS):
        model.train()
        optimizer.zero_grad()
        outputs = model(graph, features)[samples.ends[0]]
        loss = functional.cross_entropy(outputs[train], labels[train])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        model.eval()
        with torch.no_grad():
            answers = model(graph, features).softmax(1)
        own = answers[samples.ends[0][evaluator.rows("valid")]]
        if (accuracy := evaluator.judge(own.numpy(), "valid")["acc"]) > best:
            best, kept = accuracy, answers
    return np.asarray(kept.numpy())


def _propagated_labels(graph: "dgl.DGLGraph", data: TrainingData) -> Floats:
    """Return the training labels after 50 steps of a walk that starts again at them (Zhou et al., 2004)."""
    samples, labels, classes = data.samples[0], data.samples[0].labels, len(data.processed.target.classes)
    if labels is None:
        raise ValueError("no labels")
    train = samples.splits["train"]
    known = torch.zeros(graph.num_nodes(), classes)
    known[samples.ends[0][train], labels[train]] = 1
    found = dgl.nn.APPNPConv(50, RESTART)(graph, known) + 1e-9
    return np.asarray((found / found.sum(1, keepdim=True)).numpy())


def _adjacency(data: TrainingData) -> sparse.csr_array:
    """Return which vertices of the one type training edges join, either way."""
    samples = data.samples[0]
    rows, columns = (end[samples.splits["train"]].numpy() for end in samples.ends)
    count = data.counts[data.ends_of(samples.position)[0]]
    edges = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return ((edges + edges.T) > 0).astype(np.float64)


def common_neighbours(data: TrainingData) -> Floats:
    """Return how many neighbours each two vertices have in common."""
    joined = _adjacency(data)
    return np.asarray((joined @ joined).toarray())


def adamic_adar(data: TrainingData) -> Floats:
    """Return the same, each of them less the more neighbours it has (Adamic and Adar, 2003)."""
    joined = _adjacency(data)
    weights = 1 / np.log(np.maximum(joined.sum(0), 2))
    return np.asarray((joined * weights @ joined).toarray())


CLOSENESS: Mapping[str, Callable[[TrainingData], Floats]] = {
    "common_neighbours": common_neighbours,
    "adamic_adar": adamic_adar,
}
NETWORKS: Mapping[str, Callable[[int, int], nn.Module]] = {"gcn": Gcn, "appnp": Appnp}


def _scorer(scores: Floats) -> Scorer:
    values = torch.from_numpy(np.ascontiguousarray(scores))
    return lambda rows: values[rows]
