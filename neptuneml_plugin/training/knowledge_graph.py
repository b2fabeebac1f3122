"""How knowledge-graph embeddings learn: by all candidates, or by random ones where these are too many.

For products, other known ends of what is asked are no negatives; for distances they are: that serves them better
(`tests/quality/LOG.md`). A margin loss with few negatives is far behind on small graphs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.dropout import dropout
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import BLOCK_CELLS, EdgeIndex
from neptuneml_plugin.training.models.kge import SCORE_FUNCTIONS, KgeDecoder, ScoreFunction, cubes
from neptuneml_plugin.training.objectives import Batch, Setting, dealt

#: Positions in what is asked, and a known candidate of each: (pairs,) both.
Known = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Asked:
    """Questions whose queries are of one node type, and their candidates of one: (questions,) each."""

    queries: Tensor
    #: Rows of `KgeDecoder.relations`.
    relations: Tensor
    wanted: Tensor

    @classmethod
    def joined(cls, several: Sequence["Asked"]) -> "Asked":
        """Return all of them as one."""
        parts = zip(*((each.queries, each.relations, each.wanted) for each in several), strict=True)
        return cls(*(torch.cat(part) for part in parts))


class KnownEnds:
    """The wanted ends of all that training asks, by query and relation."""

    def __init__(self, asked: Asked, query_count: int, candidate_count: int) -> None:
        self._query_count = query_count
        self._keys, rows = torch.unique(self._key(asked), return_inverse=True)
        self._index = EdgeIndex(rows, asked.wanted, len(self._keys), candidate_count)

    def of(self, asked: Asked) -> Known:
        """Return all that is known, what is wanted included; it is asked in training too."""
        return self._index.of(torch.searchsorted(self._keys, self._key(asked)))

    def _key(self, asked: Asked) -> Tensor:
        return asked.relations * self._query_count + asked.queries


class KnowledgeGraph:
    """New edges from learned vectors: both ends of a batch's edges, whatever their relations, at once."""

    def __init__(self, setting: Setting) -> None:
        if not isinstance(setting.model.decoder, KgeDecoder):
            raise TypeError("knowledge-graph embeddings need a KgeDecoder")
        self._setting, self._relations = setting, setting.model.decoder.relations
        self._function = setting.model.decoder.function
        train = {at: samples.splits["train"] for at, samples in enumerate(setting.data.samples)}
        counts = setting.data.counts
        self._known = {
            (source, target): KnownEnds(asked, counts[source], counts[target])
            for (source, target), asked in self._asked(train).items()
        }

    def batches(self) -> Sequence[Batch]:
        """See `Objective`."""
        hp = self._setting.hyperparameters
        if not hp.rel_part:
            return dealt(self._setting.data, hp.batch_size, 1)
        parts = [
            {at: rows}
            for batch in dealt(self._setting.data, hp.batch_size * len(self._setting.data.samples), 1)
            for at, several in batch.items()
            for rows in torch.split(several, hp.batch_size)
        ]
        return [parts[place] for place in torch.randperm(len(parts)).tolist()]

    def loss(self, batch: Batch) -> Tensor:
        """See `Objective`."""
        vectors = self._setting.model.encoder(self._setting.data.features, ())
        total: Tensor = self._relations.new_zeros(())
        count = 0
        for (source, target), asked in self._asked(batch).items():
            total = total + self._of_ends(vectors[source], vectors[target], asked, self._known[source, target])
            count += len(asked.queries)
        return total / count

    def _asked(self, batch: Batch) -> dict[tuple[int, int], Asked]:
        """Return what the edges of a batch ask, by the node types of queries and candidates."""
        data = self._setting.data
        alike: dict[tuple[int, int], list[int]] = {}
        for at in batch:
            alike.setdefault(data.ends_of(data.samples[at].position), []).append(at)
        found: dict[tuple[int, int], list[Asked]] = {}
        for (source, target), types in alike.items():
            heads, tails = (torch.cat([data.samples[at].ends[end][batch[at]] for at in types]) for end in (0, 1))
            lengths = heads.new_tensor([len(batch[at]) for at in types])
            relations = 2 * torch.repeat_interleave(heads.new_tensor(types), lengths)
            found.setdefault((source, target), []).append(Asked(heads, relations, tails))
            found.setdefault((target, source), []).append(Asked(tails, relations + 1, heads))
        return {ends: Asked.joined(several) for ends, several in found.items()}

    def _of_ends(self, queries: Tensor, candidates: Tensor, asked: Asked, known: KnownEnds) -> Tensor:
        """Return the sum of the losses of all that is asked."""
        hp, function = self._setting.hyperparameters, self._function
        vectors = functional.embedding(asked.queries, queries)
        relations = functional.embedding(asked.relations, self._relations)
        moved = dropout(function.move(vectors, relations), hp.dropout, training=self._setting.model.training)
        if scores_all(self._setting.model.name, self._setting.data):
            left_out = None if function.is_distance else known.of(asked)
            loss = all_candidates_loss(function, moved, candidates, asked.wanted, left_out)
        else:
            loss = negatives_loss(function, moved, candidates, asked.wanted, hp)
        if hp.regularization_coef:
            of_node, of_relation = function.sizes
            wanted = functional.embedding(asked.wanted, candidates)
            sized = (vectors, of_node), (wanted, of_node), (relations, of_relation)
            loss = loss + hp.regularization_coef * sum(cubes(each, size) for each, size in sized if size)
        return loss


def scores_all(model: str, data: TrainingData) -> bool:
    """Return whether link prediction scores every candidate in every step."""
    ends = {kind for samples in data.samples for kind in data.ends_of(samples.position)}
    most = max(data.counts[kind] for kind in ends)
    if model in SCORE_FUNCTIONS:
        return most <= SCORE_FUNCTIONS[model].most_candidates
    return most * most <= BLOCK_CELLS


def all_candidates_loss(
    function: ScoreFunction, moved: Tensor, candidates: Tensor, wanted: Tensor, known: Known | None
) -> Tensor:
    """Return the sum of the negative log-likelihoods of what is wanted among all candidates, but other known ones.

    Args:
        function: compares.
        moved: queries, (n, d).
        candidates: (c, d).
        wanted: rows of candidates, (n,).
        known: which are no negatives; the wanted ones among them stay.
    """
    mask = torch.zeros(len(moved), len(candidates), dtype=torch.bool, device=moved.device)
    if known is not None:
        mask[known] = True
        mask[torch.arange(len(moved), device=moved.device), wanted] = False

    def one_block(some: Tensor, left_out: Tensor, target: Tensor) -> Tensor:
        scores = function.compare(some, candidates).masked_fill(left_out, float("-inf"))
        return functional.cross_entropy(scores, target, reduction="sum")

    size = max(1, BLOCK_CELLS // max(1, len(candidates)))
    if len(moved) <= size:
        return one_block(moved, mask, wanted)
    total: Tensor = moved.new_zeros(())
    for block in zip(*(torch.split(each, size) for each in (moved, mask, wanted)), strict=True):
        # Scores are computed again for the gradient, so that one block of them is held at a time.
        total = total + checkpoint(one_block, *block, use_reentrant=False)
    return total


def negatives_loss(
    function: ScoreFunction, moved: Tensor, candidates: Tensor, wanted: Tensor, hp: Hyperparameters
) -> Tensor:
    """Return the sum of the losses of what is wanted beside random candidates; arguments as above.

    Products: a softmax. Distances: a margin, negatives weighed by how well they score (Sun et al., "RotatE", 2019,
    equation 5).
    """
    drawn = torch.randint(len(candidates), (1 if hp.neg_share else len(moved), hp.num_negs), device=moved.device)
    positive = function.compare_each(moved, functional.embedding(wanted[:, None], candidates))
    vectors = functional.embedding(drawn, candidates)
    negative = function.compare(moved, vectors[0]) if hp.neg_share else function.compare_each(moved, vectors)
    negative = negative.masked_fill(drawn == wanted[:, None], -1e9)
    if not function.is_distance:
        return (torch.cat([positive, negative], 1).logsumexp(1) - positive[:, 0]).sum()
    weights = negative.detach().softmax(1)
    missed = functional.logsigmoid(hp.gamma + positive).sum()
    return -(missed + (weights * functional.logsigmoid(-hp.gamma - negative)).sum()) / 2
