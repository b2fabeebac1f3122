"""Weights of the parts that are added to the scores of link prediction, fitted on validation."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from neptuneml_plugin.training.evaluation.evaluator import Evaluator, link_scorers
from neptuneml_plugin.training.evaluation.metrics import Floats
from neptuneml_plugin.training.models.items import REGULARIZATION, RIDGES, item_parts, parts_of
from neptuneml_plugin.training.models.model import Model, has_items, has_rules
from neptuneml_plugin.training.models.parts import PairScorers, Parts, Remembered, with_parts
from neptuneml_plugin.training.models.rules import rule_parts

#: Standard errors that rules have to gain. EASE's gains are small, but seldom chance (tests/quality/LOG.md).
OF_RULES = 1.0
#: Weights of a part that are tried.
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_WAYS = ("mrr_targets", "mrr_sources")


@torch.no_grad()
def fit_parts(evaluator: Evaluator, model: Model) -> None:
    """Set the weights of a model's parts, and ridges of items, to the best on validation; without it to 0."""
    data = evaluator.data
    model.item_weights.zero_()
    model.rule_weights.zero_()
    if not any(len(samples.splits["valid"]) for samples in data.samples):
        return
    vectors = evaluator.embed(model)
    if has_items(model.hyperparameters, data.processed):
        ridges = data.once("item ridges", lambda: item_ridges(evaluator))
        model.item_ridges.copy_(torch.tensor(ridges))
        weights = best_weights(evaluator, link_scorers(model, vectors, data), parts_of(data, ridges))
        model.item_weights.copy_(torch.tensor(weights))
    if has_rules(model.hyperparameters, data.processed):
        weights = best_weights(evaluator, link_scorers(model, vectors, data), rule_parts(data), OF_RULES)
        model.rule_weights.copy_(torch.tensor(weights))


def best_weights(
    evaluator: Evaluator, scorers: PairScorers, parts: Parts, errors: float = 0.0
) -> tuple[float, float]:
    """Return the weights of a part that rank validation best, for targets and for sources.

    A weight that does not gain more than so many standard errors is 0.
    """
    if all(part is None for pair in parts for part in pair):
        return 0.0, 0.0
    bases = [(Remembered(tails), Remembered(heads)) for tails, heads in scorers]
    added = [(tails and Remembered(tails), heads and Remembered(heads)) for tails, heads in parts]
    targets, sources = zip(
        *(evaluator.reciprocal_ranks(with_parts(bases, added, (weight, weight)), "valid") for weight in WEIGHTS),
        strict=True,
    )
    return _surest(targets, errors), _surest(sources, errors)


def _surest(found: Sequence[Floats], errors: float) -> float:
    """Return the weight of the greatest mean, by reciprocal ranks of the same edges with each of `WEIGHTS`."""
    best = int(np.argmax([each.mean() for each in found]))
    gains = found[best] - found[0]
    chance = gains.std() / math.sqrt(max(1, len(gains) - 1))
    return WEIGHTS[best] if gains.mean() > errors * chance else 0.0


@torch.no_grad()
def item_ridges(evaluator: Evaluator) -> tuple[float, float]:
    """Return the ridges with which the item-item part alone ranks validation best, for targets and for sources."""
    found = []
    for ridge in RIDGES:
        parts = item_parts(evaluator.data, regularization=ridge)
        whole = [(tails, heads) for tails, heads in parts if tails is not None and heads is not None]
        if len(whole) < len(parts):
            return REGULARIZATION, REGULARIZATION
        found.append(evaluator.rank(whole, "valid"))
    targets, sources = (_best(RIDGES, found, way) for way in _WAYS)
    return targets, sources


def _best(tried: Sequence[float], found: Sequence[dict[str, float]], metric: str) -> float:
    return tried[int(np.argmax([each[metric] for each in found]))]
