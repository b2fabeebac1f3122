"""What is wrong with a document is collected, and told all at once."""

import datetime as dt
from typing import Any

import pytest

from neptuneml_plugin.errors import InvalidSettings, UnsupportedOperation
from neptuneml_plugin.problems import MOST_LETTERS, MOST_PROBLEMS, Problems, shown


def test_all_problems_at_once_and_what_is_not_offered_with_them() -> None:
    found = Problems("the request")
    found.invalid("a.b", "is odd")
    found.refuse("c", "is not offered")
    with pytest.raises(InvalidSettings) as caught:
        found.raise_if_any()
    assert str(caught.value) == "the request: a.b: is odd; c: is not offered"


def test_what_is_right_but_not_offered_is_another_error() -> None:
    found = Problems("the request")
    found.raise_if_any()
    found.refuse("c", "is not offered")
    with pytest.raises(UnsupportedOperation, match="the request: c: is not offered"):
        found.raise_if_any()


def test_a_document_with_too_many_problems_is_read_no_further() -> None:
    found = Problems("the request")
    with pytest.raises(InvalidSettings) as caught:
        found.check_members({f"member{number}" + "x" * 10**6: 1 for number in range(200)}, {"a"}, "")
    assert len(caught.value.problems) == MOST_PROBLEMS + 1
    assert len(str(caught.value)) < 200 * MOST_PROBLEMS
    found = Problems("the request")
    found.invalid("a", "x" * 10**6)
    assert [len(problem) for problem in found.problems] == [MOST_LETTERS]


def test_foreign_members() -> None:
    lenient, strict = Problems(), Problems(strict=True)
    for found in (lenient, strict):
        assert found.members({"kind": 1, "knd": 2, "note": 3}, "split", frozenset({"kind"}))["kind"] == 1
    assert lenient.problems == ["split: unknown member 'knd' (did you mean 'kind'?)"]
    assert lenient.warnings == ["split: member 'note' is unknown and has no effect"]
    assert strict.problems == [
        "split.knd: unknown member (did you mean 'kind'?)",
        "split.note: unknown member (allowed: kind)",
    ]


NESTED: list[Any] = []
NESTED.append(NESTED)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "missing"),
        ("a", '"a"'),
        ([1, True], "[1, true]"),
        (float("nan"), "NaN"),
        (dt.date(2020, 1, 2), '"datetime.date(2020, 1, 2)"'),
        (NESTED, "[[...]]"),
        ("x" * 200, '"' + "x" * 79),
    ],
)
def test_values_as_messages_show_them(value: Any, text: str) -> None:
    assert shown(value) == text
