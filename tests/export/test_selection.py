"""Which labels and properties a selection takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.elements import ElementType
from neptuneml_plugin.export.request.selection import Selected, Selection, Window

RATED = EdgeType("user", "rated", "movie")
OTHER_RATED = EdgeType("bot", "rated", "movie")


@pytest.mark.parametrize(
    ("selected", "kind", "matches"),
    [
        ("movie", "movie", True),
        ("movie", "user", False),
        ("rated", RATED, True),
        ("wrote", RATED, False),
        (RATED, RATED, True),
        (RATED, OTHER_RATED, False),
        (RATED, "rated", False),
    ],
)
def test_an_entry_matches(selected: ElementType, kind: ElementType, matches: bool) -> None:  # noqa: FBT001
    assert Selected(selected).matches(kind) is matches


def test_no_entries_take_everything() -> None:
    everything = Selection()
    assert everything.labels(["a", "b"], "node") == ["a", "b"]
    assert everything.keys("a") is None
    assert everything.entry("a") == Selected("a")


def test_labels_keep_the_graphs_order_and_spelling() -> None:
    selection = Selection((Selected("c"), Selected("Admin;Person")))
    assert selection.labels(["Person::Admin", "b", "Admin::Person", "c"], "node") == [
        "Person::Admin",
        "Admin::Person",
        "c",
    ]


def test_an_absent_label_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r"no edge label 'rate' \(did you mean 'rated'\?\)"):
        Selection((Selected("rate"),)).labels(["rated", "wrote"], "edge")


def test_keys_are_those_of_all_entries_of_a_label() -> None:
    entries = (Selected(RATED, ("score",)), Selected(OTHER_RATED, ("when", "score")), Selected("wrote"))
    selection = Selection(entries)
    assert selection.keys("rated") == ("score", "when")
    assert selection.keys("wrote") is None, "all"
    assert Selection((*entries, Selected("rated"))).keys("rated") is None, "all, since one entry wants all"


def test_only_narrows_and_adds() -> None:
    selection = Selection((Selected("a", ("p",)), Selected("b")))
    assert selection.only(["a", "c"]) == Selection((Selected("a", ("p",)), Selected("c")))
    assert selection.only([]) is selection


def test_only_narrows_labels_to_types_and_keeps_types_of_a_label() -> None:
    assert Selection((Selected("rated", ("score",)),)).only([RATED]) == Selection((Selected(RATED, ("score",)),))
    types = (Selected(RATED, ("score",)), Selected(OTHER_RATED), Selected("wrote"))
    assert Selection(types).only(["rated"]) == Selection(types[:2])
    assert [Selection(types).has(kind) for kind in ("rated", RATED, "wrote", "read")] == [True, True, True, False]


def test_tokens_only_asks_for_no_property() -> None:
    some = Selection((Selected("a", ("p",)),), tokens_only=True)
    assert (some.keys("a"), some.entry("a"), some.entry("b")) == ((), Selected("a", ()), None)
    everything = Selection(tokens_only=True)
    assert (everything.keys("a"), everything.entry("a")) == ((), Selected("a", ()))
    assert everything.only(["a"]).keys("a") == ()


@given(st.integers(0, 30), st.none() | st.integers(0, 30), st.lists(st.integers(0, 10), max_size=8))
def test_a_window_counts_over_all_labels(skip: int, limit: int | None, sizes: list[int]) -> None:
    window = Window(skip, limit)
    elements = [(label, number) for label, size in enumerate(sizes) for number in range(size)]
    taken: list[tuple[int, int]] = []
    before = 0
    for label, size in enumerate(sizes):
        taken += [(label, number) for number in range(size)[window.part(before, size)]]
        before += size
    assert taken == elements[skip : None if limit is None else skip + limit]
