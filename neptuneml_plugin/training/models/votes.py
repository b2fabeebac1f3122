"""What the labels of the vertices around one say: columns beside its embedding, fixed before training.

A vertex is told of others' training labels, never of its own, so that a training row looks like any other. They
stand behind the layers and not before them, for a message would bring a vertex's own label back to it.
"""

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.message_passing import Adjacency
from neptuneml_plugin.training.models.encoder import Described, Encoder
from neptuneml_plugin.training.tasks import answer_of, columns_of, label_scale, output_count

if TYPE_CHECKING:
    from neptuneml_plugin.training.data import TrainingData

#: Outputs above which there are no votes: each has columns of its own for every edge type.
MAX_OUTPUTS = 64
#: Votes for the mean of all, beside those of others.
PRIOR = 1.0
#: Of walks: the chance to start again, and how many edges they take at most.
RESTART, STEPS = 0.1, 15
#: Edges times labelled nodes above which there are no walks: seconds; and cells that they take at a time.
MAX_WALKED, MAX_CELLS = 200_000_000, 10_000_000


def vote_width(described: Described, hyperparameters: Hyperparameters) -> int:
    """Return the number of columns."""
    outputs = output_count(described.task, described.target)
    if not (hyperparameters.label_votes and described.task.on_nodes) or outputs > MAX_OUTPUTS:
        return 0
    label = described.target.node
    ends = [(edge.type.source == label, edge.type.target == label) for edge in described.schema.edges]
    return outputs * (1 + sum(3 if all(at) else int(any(at)) for at in ends))


def set_votes(encoder: Encoder, data: "TrainingData") -> None:
    """Give an encoder the votes of a graph's training labels."""
    if encoder.votes:
        found = data.once("votes", lambda: votes(data))
        encoder.vote_tables()[data.samples[0].position].copy_(found)


@torch.no_grad()
def votes(data: "TrainingData") -> Tensor:
    """Return, for each node of the target's type, what the labels around say: (nodes, columns).

    First those that walks from the node end at. Then, of an edge type that leads from the type to itself, those of
    the nodes it comes from, of those it leads to, and of those two edges away; of one that joins it with another
    type, of those that share a neighbour. Each is the mean of the labels less that of all.
    """
    samples, position = data.samples[0], data.samples[0].position
    target, count = data.processed.target, data.counts[position]
    if samples.labels is None:
        raise ValueError("link prediction has no labels")
    labels = columns_of(samples.labels, answer_of(data.task, target), len(target.classes), label_scale(data))
    train = samples.splits["train"]
    centred, rows = labels[train] - labels[train].mean(0), samples.ends[0][train]
    # Beside each label 1 for having one, so that sums give means.
    known = labels.new_zeros(count, centred.shape[1] + 1)
    known[rows] = torch.cat([centred, torch.ones_like(centred[:, :1])], 1)
    found = [_walks(data, known, rows)]
    for relation in data.relations[::2]:
        own = relation.source_type == position, relation.target_type == position
        sources, targets = relation.sources, relation.targets
        if all(own):
            sources, targets = sources[sources != targets], targets[sources != targets]
            found += [_near(_sums(known, *ends, count)) for ends in ((sources, targets), (targets, sources))]
            both = torch.cat([sources, targets]), torch.cat([targets, sources])
            found.append(_near(_there_and_back(known, both, count)))
        elif own[0]:
            found.append(_near(_there_and_back(known, (sources, targets), data.counts[relation.target_type])))
        elif own[1]:
            found.append(_near(_there_and_back(known, (targets, sources), data.counts[relation.source_type])))
    return torch.cat(found, 1)


def _near(sums: Tensor) -> Tensor:
    """Return means, drawn to 0 where there are few."""
    return sums[:, :-1] / (sums[:, -1:] + PRIOR)


def _walks(data: "TrainingData", known: Tensor, rows: Tensor) -> Tensor:
    """Return the mean label at the ends of walks over all edges that start again with `RESTART`: (nodes, columns).

    As the propagation of labels (Zhou et al., 2004), but without walks back to the node itself; of variance 1.
    Each labelled node has walks of its own; where there are too many of them, zeros.
    """
    starts = [0, *itertools.accumulate(data.counts)]
    first, total, edges = starts[data.samples[0].position], starts[-1], sum(len(r.sources) for r in data.relations)
    if not 0 < edges * len(rows) <= MAX_WALKED:
        return torch.zeros_like(known[:, :-1])
    ends = [(r.sources + starts[r.source_type], r.targets + starts[r.target_type]) for r in data.relations]
    sources, targets = (torch.cat(side) for side in zip(*ends, strict=True))
    adjacency = Adjacency(sources, targets, total, total)
    steps = adjacency.weighted(adjacency.norm(symmetric=True))
    sums = torch.zeros_like(known)
    for chosen in torch.split(rows, max(1, MAX_CELLS // total)):
        at = torch.arange(len(chosen), device=chosen.device)
        walked = known.new_zeros(total, len(chosen))
        walked[first + chosen, at] = RESTART
        begun = walked
        for _ in range(STEPS):
            walked = (1 - RESTART) * steps.aggregate(walked) + begun
        ended = walked[first : first + len(known)]
        ended[chosen, at] = 0
        sums += ended @ known[chosen]
    means = sums[:, :-1] / sums[:, -1:].clamp(min=1e-12)
    return means / means.std(0, correction=0).clamp(min=1e-6)


def _sums(known: Tensor, sources: Tensor, targets: Tensor, count: int) -> Tensor:
    """Return the sum over each target's sources: (count, columns)."""
    return known.new_zeros(count, known.shape[1]).index_add_(0, targets, known[sources])


def _there_and_back(known: Tensor, edges: tuple[Tensor, Tensor], middles: int) -> Tensor:
    """Return the sum over paths of two edges to other nodes, those over a node of d edges weighing 1 / sqrt(d)."""
    sources, targets = edges
    # Edges that join the same two are one, else the paths back to a node itself are not as many as its edges.
    pairs = torch.unique(sources * middles + targets)
    sources, targets = pairs // middles, pairs % middles
    weights = torch.bincount(targets, minlength=middles).clamp(min=1).float().rsqrt()
    through = _sums(known, sources, targets, middles) * weights[:, None]
    back = weights.new_zeros(len(known)).index_add_(0, sources, weights[targets])
    return _sums(through, targets, sources, len(known)) - back[:, None] * known
