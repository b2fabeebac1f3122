"""Filters and queries as text: what is read, and what is refused before it travels."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.export.request.gremlin_text import (
    REFUSED_STEPS,
    GremlinFilters,
    NamedQueries,
    read_filter,
    read_queries,
)
from neptuneml_plugin.problems import Problems


def filter_of(value: Any) -> str | None:
    problems = Problems("request", strict=True)
    text = read_filter(value, "f", problems)
    problems.raise_if_any()
    return text


def queries_of(value: Any) -> tuple[NamedQueries, ...]:
    problems = Problems("request", strict=True)
    found = read_queries(value, "q", problems)
    problems.raise_if_any()
    return found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("has('country', 'US')", "has('country', 'US')"),
        (" __.has('a') ", "has('a')"),
        (".has('a').out('b')", "has('a').out('b')"),
        ('has("name", within(["drop()", "it\'s"]))', 'has("name", within(["drop()", "it\'s"]))'),
        ("has('when', gt(datetime('2020-01-01')))", "has('when', gt(datetime('2020-01-01')))"),
        ("properties('a').hasValue(1)", "properties('a').hasValue(1)"),
        (None, None),
        ("", None),
    ],
)
def test_a_filter_is_anonymous_steps(value: str | None, text: str | None) -> None:
    assert filter_of(value) == text


@pytest.mark.parametrize("step", REFUSED_STEPS)
def test_steps_that_do_more_than_read_are_refused(step: str) -> None:
    with pytest.raises(InvalidSettings, match=f"f: .* calls '{step}'"):
        filter_of(f"has('a').{step} ('x')")
    with pytest.raises(InvalidSettings, match=f"q: .* calls '{step}'"):
        queries_of(f"g.V().{step}('x')")
    assert filter_of(f"has('{step}()')") == f"has('{step}()')", "a text is no step"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (5, "must be the text of Gremlin steps"),
        ("  ", "must be the text of Gremlin steps"),
        ("g.V().has('a')", r"leave out 'g\.'"),
        ("filter{it.get().value('a')}", "closure"),
        ("has('a'); has('b')", "several statements"),
        ("has('a'", "bracket or a quote"),
        ("has('a'))", "bracket or a quote"),
        ("has(['a')]", "bracket or a quote"),
        ("has('a)", "bracket or a quote"),
        ("has('a') g.addV()", "calls 'addV'"),
        ("has('a') g . V()", "several statements"),
        ("has('a') // ' \n g.V() '", "holds a comment"),
    ],
)
def test_a_wrong_filter_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(InvalidSettings, match=problem):
        filter_of(value)


def test_filters_are_set_or_not() -> None:
    assert not GremlinFilters()
    assert GremlinFilters(edges="has('a')")


Q1, Q2 = "g.V().hasLabel('a;b').elementMap()", "g.E().elementMap()"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Q1, [("query", (Q1,))]),
        (f"mine={Q1}", [("mine", (Q1,))]),
        (f'mine="{Q1};{Q2}"', [("mine", (Q1, Q2))]),
        ([f"a={Q1}", f"b={Q2}"], [("a", (Q1,)), ("b", (Q2,))]),
        ({"name": "a", "queries": [Q1, Q2]}, [("a", (Q1, Q2))]),
        ([{"name": "a", "query": Q1}], [("a", (Q1,))]),
        ([{"name": "a", "queries": Q1}], [("a", (Q1,))]),
        ('[{"name": "a", "queries": ["g.E().elementMap()"]}]', [("a", ("g.E().elementMap()",))]),
    ],
)
def test_queries_have_four_forms(value: Any, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert [(group.name, group.queries) for group in queries_of(value)] == expected


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "names no query"),
        (5, "must be a text or an object"),
        ("", "must be a text or an object"),
        ("[1", "is not JSON"),
        ({"name": "a"}, "must hold one or more queries"),
        ({"name": "a", "queries": []}, "must hold one or more queries"),
        ({"name": 3, "queries": [Q1]}, r"q\.name: must be a text"),
        ({"nam": "a", "queries": [Q1]}, r"q\.nam: unknown member"),
        ({"name": "a", "queries": ["V()"]}, "must begin with 'g.'"),
        ("a=g.V();g.V(", "bracket or a quote"),
        ("a=g.V();;g.V()", "must hold one or more queries"),
        ({"name": "a", "queries": [f"{Q2} {Q2}"]}, "several statements"),
        ("g.withoutStrategies(ReadOnlyStrategy).V().elementMap()", "calls 'withoutStrategies'"),
        ("g.V().hasLabel('elementMap()')", r"does not return elementMap\(\); end it with"),
        ("g.V().valueMap(true)", "calls 'valueMap', which does not tell edges"),
        ("g.V().where(elementMap()).propertyMap()", "calls 'propertyMap'"),
    ],
)
def test_wrong_queries_are_refused(value: Any, problem: str) -> None:
    with pytest.raises(InvalidSettings, match=problem):
        queries_of(value)


@given(st.text(st.sampled_from("g.V()'\"\\;={}[]ab ")) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (filter_of, queries_of):
        with contextlib.suppress(InvalidSettings):
            read(text)


@given(st.text(), st.sampled_from("'\""))
def test_what_stands_in_a_text_is_never_a_step(text: str, quote: str) -> None:
    inner = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    filter_text = f"has({quote}{inner}{quote})"
    assert filter_of(filter_text) == filter_text
