"""A reply in columns and in objects: the same answers, written twice."""

import base64
import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.wire import Reply, render_reply
from tests.listed_answers import listed

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def rendered(answers: Answers, *, columns: bool = False, packed: bool = False) -> dict[str, Any]:
    reply = Reply("e", "v", "r", answers, columns=columns, packed=packed)
    document: dict[str, Any] = json.loads(render_reply(reply))
    return document


def unpacked(numbers: str, dtype: str) -> list[float]:
    listed: list[float] = np.frombuffer(base64.b64decode(numbers, validate=True), dtype).tolist()
    return listed


def integers(*values: int) -> Any:
    return np.array(values, np.int64)


CLASSES = Answers(integers(2, 0, 1), integers(2, 0, 2), ("é", "b", True), scores=np.array([0.5, 0.25, 1e-9]))


def test_the_reply() -> None:
    assert rendered(CLASSES) == {
        "endpoint": "e",
        "artifactVersion": "v",
        "requestId": "r",
        "answers": [
            [{"value": True, "score": 0.5}, {"value": "é", "score": 0.25}],
            [],
            [{"value": True, "score": 1e-9}],
        ],
    }
    assert rendered(CLASSES, columns=True) == {
        "endpoint": "e",
        "artifactVersion": "v",
        "requestId": "r",
        "columns": {
            "classes": ["é", True],
            "indices": [1, 0, 1],
            "counts": [2, 0, 1],
            "scores": [0.5, 0.25, 1e-9],
        },
    }


@pytest.mark.parametrize(
    ("answers", "objects", "columns"),
    [
        (
            Answers(integers(1, 1), integers(1, 1), (3, 5)),
            [[{"value": 5}], [{"value": 5}]],
            {"classes": [5], "indices": [0, 0]},
        ),
        (
            Answers(integers(1, 0), values=np.array([512.0])),
            [[{"value": 512.0}], []],
            {"values": [512.0], "counts": [1, 0]},
        ),
        (
            Answers(integers(1), ids=['a"b'], scores=np.array([0.75])),
            [[{"id": 'a"b', "score": 0.75}]],
            {"ids": ['a"b'], "scores": [0.75]},
        ),
        (Answers(integers(), integers(), ("a",)), [], {"classes": [], "indices": []}),
        (Answers(integers(), values=np.array([])), [], {"values": []}),
        (
            Answers(integers(0, 0), ids=[], scores=np.array([])),
            [[], []],
            {"ids": [], "counts": [0, 0], "scores": []},
        ),
    ],
)
def test_every_kind(answers: Answers, objects: Any, columns: Any) -> None:
    assert rendered(answers)["answers"] == objects
    assert rendered(answers, columns=True)["columns"] == columns


@st.composite
def some_answers(draw: st.DrawFn) -> Answers:
    counts = draw(st.lists(st.just(1), max_size=6) | st.lists(st.integers(0, 3), max_size=6))
    size = sum(counts)

    def exactly(elements: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(elements, min_size=size, max_size=size))

    scores = draw(st.none() | st.lists(FINITE, min_size=size, max_size=size).map(np.array))
    kind = draw(st.sampled_from(["classes", "values", "ids"]))
    lengths = np.array(counts, np.int64)
    if kind == "classes":
        classes = draw(st.lists(TEXTS | st.booleans() | st.integers() | FINITE, min_size=1, max_size=4))
        indices = np.array(exactly(st.integers(0, len(classes) - 1)), np.int64)
        return Answers(lengths, indices, classes, scores=scores)
    if kind == "values":
        return Answers(lengths, values=np.array(exactly(FINITE)))
    return Answers(lengths, ids=exactly(TEXTS), scores=np.zeros(size) if scores is None else scores)


@given(some_answers())
def test_objects_and_columns_say_the_same_as_the_arrays(answers: Answers) -> None:
    expected = [
        [
            ({"value": a.value} if a.id is None else {"id": a.id})
            | ({} if a.score is None else {"score": a.score})
            for a in item
        ]
        for item in listed(answers)
    ]
    assert rendered(answers)["answers"] == expected
    columns = rendered(answers, columns=True)["columns"]
    counts = columns.get("counts", [1] * len(answers.counts))
    if "indices" in columns:
        values = [columns["classes"][index] for index in columns["indices"]]
        assert len(columns["classes"]) == len(set(columns["indices"]))
    else:
        values = columns["values"] if "values" in columns else columns["ids"]
    scores = columns.get("scores", [None] * len(values))
    pairs = iter(zip(values, scores, strict=True))
    read = [list(itertools.islice(pairs, count)) for count in counts]
    assert read == [[(a.value if a.id is None else a.id, a.score) for a in item] for item in listed(answers)]


@given(some_answers())
def test_packed_numbers_are_the_same_to_the_bit(answers: Answers) -> None:
    columns = rendered(answers, columns=True)["columns"]
    packed = rendered(answers, columns=True, packed=True)["columns"]
    floats = {name: unpacked(packed[name], "<f8") for name in ("values", "scores") if name in packed}
    numbers = floats | {name: unpacked(packed[name], "<i4") for name in ("indices", "counts") if name in packed}
    assert {name: repr(value) for name, value in (packed | numbers).items()} == {
        name: repr(value) for name, value in columns.items()
    }


def test_answers_find_their_items() -> None:
    answers = Answers(integers(2, 1), integers(0, 1, 1), ("a", "b")).spread(5, integers(1, 4))
    assert answers.counts.tolist() == [0, 2, 0, 0, 1]
    assert rendered(answers)["answers"][1] == [{"value": "a"}, {"value": "b"}]


@pytest.mark.parametrize(("columns", "packed"), [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize(
    "answers",
    [
        Answers(integers(1), values=np.array([np.nan])),
        Answers(integers(1), ids=["a"], scores=np.array([np.inf])),
        Answers(integers(1), integers(0), (float("nan"),)),
    ],
)
def test_numbers_that_are_not_finite_are_never_written(answers: Answers, columns: bool, packed: bool) -> None:  # noqa: FBT001
    with pytest.raises(ValueError, match=r"not JSON compliant|not finite"):
        render_reply(Reply("e", "v", "r", answers, columns=columns, packed=packed))
