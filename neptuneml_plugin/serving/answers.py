"""The answers to an invocation in columns, and as the JSON that callers get (`docs/wire.md`, section 2)."""

import base64
import dataclasses
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """The answers to all items, one after the other: no Python object per answer.

    One of `indices`, `values` and `ids` is there, and is as long as the sum of `counts`.
    """

    #: How many answers each item has; shape (items,).
    counts: Integers
    #: Classification: positions in `classes`, best first.
    indices: Integers | None = None
    classes: Sequence[str | int | float | bool] = ()
    #: Regression.
    values: Floats | None = None
    #: Link prediction: ids of candidates, best first.
    ids: Sequence[str] | None = None
    #: None where they are not asked for.
    scores: Floats | None = None

    def spread(self, count: int, known: Integers) -> "Answers":
        """Return the answers to `count` items, of which those at `known`, ascending, have these."""
        counts = np.zeros(count, np.int64)
        counts[known] = self.counts
        return dataclasses.replace(self, counts=counts)


def columns(answers: Answers, *, packed: bool = False) -> dict[str, Any]:
    """Return the member `columns` of a reply.

    Args:
        answers: in the items' order.
        packed: whether numbers are base64 instead of lists: of little-endian float64, indices and counts of int32.

    Raises:
        ValueError: a number is not finite.
    """
    numbers: Callable[[Floats], Any] = _packed if packed else _finite
    integers: Callable[[Integers], Any] = _packed_integers if packed else _listed
    rendered: dict[str, Any] = {}
    if answers.indices is not None:
        used = np.flatnonzero(np.bincount(answers.indices, minlength=len(answers.classes)))
        rendered["classes"] = [answers.classes[index] for index in used.tolist()]
        rendered["indices"] = integers(np.searchsorted(used, answers.indices))
    elif answers.values is not None:
        rendered["values"] = numbers(answers.values)
    else:
        rendered["ids"] = list(answers.ids or ())
    if not (answers.counts == 1).all():
        rendered["counts"] = integers(answers.counts)
    if answers.scores is not None:
        rendered["scores"] = numbers(answers.scores)
    return rendered


def objects(answers: Answers) -> str:
    """Return the member `answers` of a reply as JSON: one list of objects per item.

    Raises:
        ValueError: a number is not finite.
    """
    texts = _objects(answers)
    if (answers.counts == 1).all():
        lists = texts
    else:
        ends = [0, *np.cumsum(answers.counts).tolist()]
        lists = [",".join(texts[start:end]) for start, end in itertools.pairwise(ends)]
    return f"[[{'],['.join(lists)}]]" if lists else "[]"


def _objects(answers: Answers) -> list[str]:
    """Return one JSON object per answer."""
    if answers.indices is not None:
        names = [f'{{"value":{_json(value)}' for value in answers.classes]
        begun = [names[index] for index in answers.indices.tolist()]
    elif answers.values is not None:
        begun = [f'{{"value":{value!r}' for value in _finite(answers.values)]
    else:
        begun = [f'{{"id":{_json(name)}' for name in answers.ids or ()]
    if answers.scores is None:
        return [text + "}" for text in begun]
    return [f'{text},"score":{score!r}}}' for text, score in zip(begun, _finite(answers.scores), strict=True)]


def _packed(numbers: Floats) -> str:
    _check_finite(numbers)
    return base64.b64encode(numbers.astype("<f8").tobytes()).decode("ascii")


def _packed_integers(numbers: Integers) -> str:
    return base64.b64encode(numbers.astype("<i4").tobytes()).decode("ascii")


def _listed(numbers: Integers) -> list[int]:
    listed: list[int] = numbers.tolist()
    return listed


def _check_finite(numbers: Floats) -> None:
    if not np.isfinite(numbers).all():
        raise ValueError("numbers that are not finite have no place in a reply")


def _finite(numbers: Floats) -> list[float]:
    """Return the numbers, whose `repr` is their JSON."""
    _check_finite(numbers)
    listed: list[float] = numbers.tolist()
    return listed


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
