"""Scripts made of filters and queries."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.readers.scripts import filter_script, query_script

PREFIX = "g.withStrategies(ReadOnlyStrategy)"


def test_a_filter_comes_back_to_the_element() -> None:
    assert filter_script(Element.NODE, "airport", "out('route')", is_exact=False) == (
        f'{PREFIX}.V().hasLabel("airport").as("exported element").out(\'route\')'
        '.select("exported element").dedup().id()'
    )
    assert filter_script(Element.EDGE, "route", "has('dist')", is_exact=False).startswith(
        f'{PREFIX}.E().hasLabel("route").'
    )


def test_where_a_label_may_be_a_part_of_another_it_is_compared() -> None:
    assert '.V().where(__.label().is("A")).' in filter_script(Element.NODE, "A", "has('a')", is_exact=True)


@given(st.text())
def test_a_label_stays_one_text(label: str) -> None:
    script = filter_script(Element.NODE, label, "has('a')", is_exact=False)
    written = script.removeprefix(f"{PREFIX}.V().hasLabel(").partition(').as("exported element")')[0]
    if 'as("exported element")' not in label:
        assert json.loads(written) == label
    assert script.isascii()


@pytest.mark.parametrize("steps", ["sample(3)", "coin(0.5)", "order().by(shuffle)"])
def test_what_is_drawn_is_drawn_again(steps: str) -> None:
    seeded = "g.withStrategies(ReadOnlyStrategy, new SeedStrategy(seed:0))"
    assert filter_script(Element.NODE, "a", steps, is_exact=False).startswith(f"{seeded}.V().")
    assert query_script(f"g.V().{steps}.elementMap()") == f"{seeded}.V().{steps}.elementMap()"


def test_a_query_reads_only() -> None:
    assert query_script(" g . with('x', 1).V().elementMap()") == f"{PREFIX}. with('x', 1).V().elementMap()"
    assert query_script("g.V().has('g.', 1).elementMap()") == f"{PREFIX}.V().has('g.', 1).elementMap()"
