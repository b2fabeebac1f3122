"""What a body's members must be, and how those that are not are refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidParameter, MissingParameter
from neptuneml_plugin.serving.members import (
    all_ascii,
    all_texts,
    flag,
    json_list,
    json_object,
    known,
    required,
    same_length,
    shown,
    text,
    texts,
)

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1.5,
    "",
    "é",
    "\ud83d",
    [],
    ["a"],
    ["é"],
    ["a", "\udcff"],
    [1],
    {},
    {"a": 1},
]


@pytest.mark.parametrize(
    ("read", "accepted", "says"),
    [
        (json_object, [{}, {"a": 1}], "must be a JSON object, not"),
        (json_list, [[], ["a"], ["é"], ["a", "\udcff"], [1]], "must be a list, not"),
        (flag, [True, False], "must be true or false, not"),
        (text, ["", "é"], "must be a text, not|holds half a surrogate pair"),
        (
            texts,
            [[], ["a"], ["é"]],
            "must be a list of texts, not|must be a text, not 1|holds half a surrogate pair",
        ),
    ],
)
def test_what_is_read_and_what_is_refused(read: Callable[[Any, str], Any], accepted: list[Any], says: str) -> None:
    for value in VALUES:
        if any(value is one or (type(value) is type(one) and value == one) for one in accepted):
            assert read(value, "data.it") is value
        else:
            with pytest.raises(InvalidParameter, match=rf"data\.it ({says})"):
                read(value, "data.it")


def test_unknown_members_are_refused_with_the_nearest_name() -> None:
    known({"ids": 1}, ("ids", "type"), "data.subgraph")
    with pytest.raises(InvalidParameter, match=r"unknown member 'idz' in data\.subgraph.*ids"):
        known({"idz": 1}, ("ids", "type"), "data.subgraph")


@pytest.mark.parametrize("value", [0, "", False, []])
def test_what_is_there_may_be_empty(value: Any) -> None:
    assert required({"a": value}, "a", "data") is value


@pytest.mark.parametrize("body", [{}, {"a": None}])
def test_absent_and_null_are_missing(body: dict[str, Any]) -> None:
    with pytest.raises(MissingParameter, match="data lacks 'a'"):
        required(body, "a", "data")


def test_lists_of_one_length() -> None:
    assert same_length({}, "data") == 0
    assert same_length({"a": [1, 2], "b": "xy"}, "data") == 2
    with pytest.raises(InvalidParameter, match=r"the lists of data must be equally long, not {'a': 1, 'b': 0}"):
        same_length({"a": [1], "b": []}, "data")


@given(st.lists(st.text(st.characters(exclude_categories=[])) | st.integers() | st.none()))
def test_the_short_way_through_a_list_lets_nothing_pass_that_the_long_way_refuses(values: list[Any]) -> None:
    assert all_ascii(values) == all(isinstance(value, str) and value.isascii() for value in values)
    writable = all(isinstance(value, str) and _is_utf8(value) for value in values)
    assert all_texts(values) == writable
    try:
        assert texts(values, "ids") == values
    except InvalidParameter:
        assert not writable
    else:
        assert writable


def _is_utf8(value: str) -> bool:
    return value.encode(errors="replace").decode() == value


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=50))
def test_a_message_shows_a_value_in_one_short_line(value: Any) -> None:
    assert len(shown(value)) <= 60
    assert shown(json.loads("[1]")) == "[1]"
