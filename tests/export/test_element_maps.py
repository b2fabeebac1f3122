"""Rows of what Gremlin tells of an element."""

from typing import Any

import pytest

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.elements import Row
from neptuneml_plugin.export.readers.element_maps import element_row
from neptuneml_plugin.export.readers.graphbinary import ID, IN, LABEL, OUT, Token

END = {ID: 1, LABEL: "Person::Admin"}


def test_a_vertex() -> None:
    assert element_row({**END, "id": 5, "name": "Ann"}) == Row(1, "Admin;Person", (), {"id": 5, "name": "Ann"})


def test_an_edge() -> None:
    found = element_row({ID: 9, LABEL: "knows", OUT: END, IN: {ID: 2, LABEL: "Dog"}, "since": 2001})
    assert found == Row(9, EdgeType("Admin;Person", "knows", "Dog"), (1, 2), {"since": 2001})


@pytest.mark.parametrize(
    "found", [1, "a", None, [END], {}, {ID: 1}, {LABEL: "a"}, {"id": 1, "label": "a"}, {**END, Token("T.key"): 1}]
)
def test_what_is_no_element_map(found: Any) -> None:
    assert element_row(found) is None
