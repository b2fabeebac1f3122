"""From a model's vectors to predictions and metrics, per split."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from neptuneml_plugin.training.data import SPLITS, Samples, TrainingData
from neptuneml_plugin.training.evaluation import metrics
from neptuneml_plugin.training.evaluation.logistic import fit_logistic
from neptuneml_plugin.training.links import (
    Direction,
    EdgeIndex,
    Scorer,
    directions,
    filtered_ranks,
    pooled,
)
from neptuneml_plugin.training.message_passing import MessageGraph
from neptuneml_plugin.training.models.decoders import LinkDecoder
from neptuneml_plugin.training.models.embedded import Embedded
from neptuneml_plugin.training.models.encoder import Vectors
from neptuneml_plugin.training.models.items import parts_of
from neptuneml_plugin.training.models.kge import KgeDecoder, pooled_scorer
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.models.parts import PairScorer, Parts, with_parts
from neptuneml_plugin.training.models.rules import rule_parts
from neptuneml_plugin.training.tasks import KINDS, Answer, answer_of, is_binary

#: Rows of the training split that are measured, of all types together; all of the other splits are.
MAX_TRAINING_ROWS = 2000
#: About how many rows of the validation split are measured for every epoch of link prediction.
MAX_QUICK_EDGES = 1000
#: About how many rows of the training split are measured for every epoch, for its curve.
MAX_QUICK_TRAINING_ROWS = 250
SLOW_METRICS = ("roc_auc", "average_precision", "recall@10", "ndcg@10")
_ROWS_AT_ONCE = 65536

#: Vertices of a pool, times its target types, at most.
MAX_POOLED_ROWS = 2**22

#: Positions of target types between the same node types, whose edges are ranked at once.
Pool = tuple[int, ...]
#: Scorers of targets and of sources, per target type.
Scorers = Sequence[tuple[Scorer, Scorer]]


@dataclass(frozen=True)
class Evaluator:
    """Measures models, or anything that predicts, on the splits of one graph."""

    data: TrainingData
    graph: MessageGraph
    #: The k of `acc_topk`.
    topk: int = 5
    #: Rank at most `MAX_QUICK_EDGES` edges, and leave out `SLOW_METRICS`: for every epoch.
    quick: bool = False
    _indices: dict[tuple[Pool, int, tuple[str, ...]], EdgeIndex] = field(default_factory=dict, repr=False)
    _asked: dict[tuple[Pool, int, str], Direction] = field(default_factory=dict, repr=False)

    @property
    def answer(self) -> Answer:
        """The shape of the task's answers."""
        return answer_of(self.data.task, self.data.processed.target)

    def embed(self, model: Model) -> Vectors:
        """Return the embeddings of all nodes."""
        model.eval()
        with torch.no_grad():
            vectors: Vectors = model.encoder(self.data.features, self.graph.messages())
        return vectors

    def measure(
        self, model: Model, splits: Iterable[str], *, threshold: float | None = None
    ) -> dict[str, dict[str, float]]:
        """Return the metrics of each split that has rows; see `metrics.measure`."""
        vectors = self.embed(model)
        if self.answer is Answer.RANKING:
            scorers = link_scorers(model, vectors, self.data)
            return self._each(splits, lambda split: self.rank(scorers, split))
        return self._each(
            splits,
            lambda split: self.judge(
                predict(model, vectors, self.data, self.rows(split)), split, threshold=threshold
            ),
        )

    def judge(
        self, predictions: metrics.Floats, split: str, *, threshold: float | None = None
    ) -> dict[str, float]:
        """Return the metrics of predictions for `rows(split)`; see `metrics.measure`."""
        slow = not self.quick
        labels = self.labels(split)
        return metrics.measure(self.answer, predictions, labels, topk=self.topk, slow=slow, threshold=threshold)

    def tuned_threshold(self, predictions: metrics.Floats) -> float | None:
        """Return the threshold that is best for predictions of `rows("valid")`, where there is one."""
        pairs = metrics.yes_or_no(self.answer, predictions, self.labels("valid"))
        return None if pairs is None else metrics.tuned_threshold(*pairs)

    def labels(self, split: str) -> metrics.Floats:
        """Return the labels of `rows(split)`."""
        labels = self.data.samples[0].labels
        if labels is None:
            raise ValueError("link prediction has no labels")
        return np.asarray(labels[self.rows(split)].cpu().numpy())

    def rows(self, split: str, position: int = 0) -> Tensor:
        """Return the positions of the samples of a type that a split is measured on: of each the same share."""
        rows = self.data.samples[position].splits[split]
        every = sum(len(samples.splits[split]) for samples in self.data.samples)
        most = MAX_TRAINING_ROWS if split == "train" else every
        if self.quick and self.answer is Answer.RANKING:
            most = MAX_QUICK_EDGES
        if self.quick and split == "train":
            most = MAX_QUICK_TRAINING_ROWS
        limit = math.ceil(len(rows) * most / max(1, every))
        if len(rows) <= limit:
            return rows
        chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:limit]
        return rows[chosen.to(rows.device)]

    def rank(self, scorers: Scorers, split: str) -> dict[str, float]:
        """Return filtered ranking metrics, the mean of both directions; lists per query ask for targets."""
        lists, offset = [], 0
        ranks = self._by_way(scorers, split)
        for position, samples in enumerate(self.data.samples):
            edges = self.rows(split, position)
            if len(edges) and not self.quick:
                both = directions(samples.ends, _end_counts(self.data, samples))
                earlier = self._known((position,), 0, SPLITS[: SPLITS.index(split)])
                ranked = filtered_ranks(scorers[position][0], both[0], edges, earlier, itself=True)
                lists.append((ranked.numpy(), both[0].queries[edges].cpu().numpy() + offset))
                offset += both[0].query_count
        values = metrics.ranking(np.concatenate(ranks))
        for end, every in zip(("targets", "sources"), ranks, strict=True):
            values[f"mrr_{end}"] = float((1 / every).mean())
        if self.quick:
            return values
        wanted, queries = (np.concatenate(part) for part in zip(*lists, strict=True))
        return values | metrics.per_query(wanted, queries)

    def reciprocal_ranks(self, scorers: Scorers, split: str) -> tuple[metrics.Floats, metrics.Floats]:
        """Return one by the filtered rank of each edge of a split, of targets and of sources: (edges,) each."""
        targets, sources = self._by_way(scorers, split)
        return 1 / targets, 1 / sources

    def _by_way(self, scorers: Scorers, split: str) -> tuple[metrics.Floats, metrics.Floats]:
        """Return the filtered ranks of targets and of sources, of all target types."""
        targets, sources = zip(*self._ranks(scorers, split).values(), strict=True)
        return np.concatenate(targets), np.concatenate(sources)

    def measure_types(self, model: Model, splits: Iterable[str]) -> dict[str, dict[str, dict[str, float]]]:
        """Return the ranking metrics of each split that has rows, by the name of the target edge type."""
        scorers = link_scorers(model, self.embed(model), self.data)
        edges = self.data.processed.target.edges
        found = {}
        for split in splits:
            with torch.no_grad():
                ranks = self._ranks(scorers, split)
            if ranks:
                found[split] = {
                    str(edges[at]): metrics.ranking(np.concatenate(both)) for at, both in ranks.items()
                }
        return found

    def _ranks(self, scorers: Scorers, split: str) -> dict[int, tuple[metrics.Floats, metrics.Floats]]:
        """Return the filtered ranks of targets and of sources, by the position of each target type with rows."""
        found: dict[int, tuple[metrics.Floats, metrics.Floats]] = {}
        for pool in self._pools(split):
            ways = []
            for way in (0, 1):
                asked = self._asked_of(pool, way, split)
                count = asked.query_count // len(pool)
                score = pooled_scorer([scorers[at][way] for at in pool], count)
                ranks = filtered_ranks(score, asked, asked.edges, self._known(pool, way, SPLITS))
                lengths = torch.bincount(asked.queries // count, minlength=len(pool))
                ways.append([each.numpy() for each in torch.split(ranks, lengths.tolist())])
            found |= dict(zip(pool, zip(*ways, strict=True), strict=True))
        return dict(sorted(found.items()))

    def _pools(self, split: str) -> list[Pool]:
        """Return the target types that have rows in a split, as pools."""
        alike: dict[tuple[int, int], list[int]] = {}
        for position, samples in enumerate(self.data.samples):
            if len(samples.splits[split]):
                alike.setdefault(self.data.ends_of(samples.position), []).append(position)
        pools = []
        for ends, positions in alike.items():
            size = max(1, MAX_POOLED_ROWS // max(self.data.counts[kind] for kind in ends))
            pools += [tuple(positions[start : start + size]) for start in range(0, len(positions), size)]
        return pools

    def _asked_of(self, pool: Pool, way: int, split: str) -> Direction:
        key = (pool, way, split)
        if key not in self._asked:
            self._asked[key] = self._pooled(pool, way, [self.rows(split, at) for at in pool])
        return self._asked[key]

    def _pooled(self, pool: Pool, way: int, rows: Sequence[Tensor]) -> Direction:
        """Return one way to ask for the rows of each type of a pool."""
        several = [self.data.samples[at] for at in pool]
        return pooled(
            [directions(samples.ends, _end_counts(self.data, samples))[way] for samples in several], rows
        )

    def _known(self, pool: Pool, way: int, splits: tuple[str, ...]) -> EdgeIndex:
        key = (pool, way, splits)
        if key not in self._indices:
            several = [_edges_of(self.data.samples[at], splits) for at in pool]
            direction = self._pooled(pool, way, several)
            self._indices[key] = direction.index(direction.edges)
        return self._indices[key]

    def _each(
        self, splits: Iterable[str], judge: Callable[[str], dict[str, float]]
    ) -> dict[str, dict[str, float]]:
        filled = [split for split in splits if any(len(samples.splits[split]) for samples in self.data.samples)]
        with torch.no_grad():
            return {split: judge(split) for split in filled}


def predict(model: Model, vectors: Vectors, data: TrainingData, rows: Tensor) -> metrics.Floats:
    """Return the predictions of node and edge tasks: (rows, classes) or (rows, 1), float64."""
    kind = KINDS[answer_of(data.task, data.processed.target)]
    embedded = Embedded(vectors)
    parts = [
        kind.predict(model.outputs(embedded, data, part), model.scale) for part in torch.split(rows, _ROWS_AT_ONCE)
    ]
    return np.asarray(torch.cat(parts).cpu().numpy())


def link_scorers(model: Model, vectors: Vectors, data: TrainingData) -> list[tuple[PairScorer, PairScorer]]:
    """Return the scorers of both directions for each target edge type."""
    decoder = model.decoder
    if not isinstance(decoder, LinkDecoder | KgeDecoder):
        raise TypeError("only link prediction has scorers")
    ends = [data.ends_of(samples.position) for samples in data.samples]
    scorers: list[tuple[PairScorer, PairScorer]] = [
        decoder.scorers(vectors[s], vectors[t], position) for position, (s, t) in enumerate(ends)
    ]
    for _, parts, weights in weighted_parts(model, data):
        scorers = with_parts(scorers, parts, weights)
    return scorers


def weighted_parts(model: Model, data: TrainingData) -> Iterator[tuple[str, Parts, Sequence[float]]]:
    """Yield what is added to the scores of a model: its name, the parts, and weights of targets and of sources."""
    items, rules = model.item_weights.tolist(), model.rule_weights.tolist()
    if any(items):
        yield "items", parts_of(data, model.item_ridges.tolist()), items
    if any(rules):
        yield "rules", rule_parts(data), rules


def tune_threshold(evaluator: Evaluator, model: Model) -> float | None:
    """Return the threshold tuned on validation, of binary and multi-label classification (decision 15)."""
    data = evaluator.data
    rows = data.samples[0].splits["valid"]
    if not len(rows) or not (evaluator.answer is Answer.CLASSES or is_binary(data.task, data.processed.target)):
        return None
    with torch.no_grad():
        return evaluator.tuned_threshold(predict(model, evaluator.embed(model), data, rows))


def calibrate(evaluator: Evaluator, model: Model) -> tuple[float, float]:
    """Return scale and offset of a model's link scores."""
    return calibrate_scorers(evaluator, link_scorers(model, evaluator.embed(model), evaluator.data))


def calibrate_scorers(
    evaluator: Evaluator, scorers: Sequence[tuple[PairScorer, PairScorer]]
) -> tuple[float, float]:
    """Return scale and offset of link scores: logistic regression of edges against random pairs (decision 16).

    The edges are those of validation, else of training.
    """
    data = evaluator.data
    split = "valid" if any(len(samples.splits["valid"]) for samples in data.samples) else "train"
    positives, negatives = [], []
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for position, samples in enumerate(data.samples):
            edges = evaluator.rows(split, position)
            score = scorers[position][0]
            counts = _end_counts(data, samples)
            drawn = torch.randint(counts[1], (len(edges), 1), generator=generator).to(edges.device)
            rows = samples.ends[0][edges]
            positives.append(score.some(rows, samples.ends[1][edges][:, None]))
            negatives.append(score.some(rows, drawn))
    scores = torch.cat([*positives, *negatives])[:, 0].double().cpu().numpy()
    truth = np.repeat([1, 0], len(scores) // 2)
    spread = float(scores.std()) or 1.0
    slope, offset = fit_logistic(scores / spread, truth)
    if slope <= 0:  # a model that learned nothing; the order of its answers stays
        return 1 / spread, -float(scores.mean()) / spread
    return slope / spread, offset


def training_edges(data: TrainingData, samples: Samples) -> tuple[EdgeIndex, EdgeIndex]:
    """Return the training edges of a target type, by source and by target."""
    tails, heads = directions(samples.ends, _end_counts(data, samples))
    return tails.index(samples.splits["train"]), heads.index(samples.splits["train"])


def _edges_of(samples: Samples, splits: Sequence[str]) -> Tensor:
    chosen = [samples.splits[split] for split in splits]
    return torch.cat(chosen) if chosen else samples.splits["train"][:0]


def _end_counts(data: TrainingData, samples: Samples) -> tuple[int, int]:
    source, target = data.ends_of(samples.position)
    return data.counts[source], data.counts[target]
