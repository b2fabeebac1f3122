"""Answers as the lists of objects that tests compare."""

import itertools
from dataclasses import dataclass

import numpy as np

from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.embeddings import Embeddings


@dataclass(frozen=True)
class Answer:
    """One prediction: a value, or the id of an element, with the score where there is one."""

    value: str | int | float | bool | None = None
    id: str | None = None
    score: float | None = None


Listed = list[list[Answer]]


def listed(answers: Answers | Embeddings) -> Listed:
    """Return one list per item."""
    assert isinstance(answers, Answers)
    count = int(answers.counts.sum())
    values: list[str | int | float | bool | None] = [None] * count
    if answers.indices is not None:
        values = [answers.classes[index] for index in answers.indices.tolist()]
    elif answers.values is not None:
        values = answers.values.tolist()
    scores = [None] * count if answers.scores is None else answers.scores.tolist()
    names = [None] * count if answers.ids is None else answers.ids
    flat = [Answer(value, name, score) for value, name, score in zip(values, names, scores, strict=True)]
    ends = [0, *np.cumsum(answers.counts).tolist()]
    return [flat[start:end] for start, end in itertools.pairwise(ends)]
