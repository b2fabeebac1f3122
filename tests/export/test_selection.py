"""Which labels and properties a selection takes."""

import pytest

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.elements import ElementType
from neptuneml_plugin.export.selection import Selected, Selection

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
    assert everything.keys("a") == ()
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
    assert selection.keys("wrote") == (), "all"
    assert Selection((*entries, Selected("rated"))).keys("rated") == (), "all, since one entry wants all"


def test_only_narrows_and_adds() -> None:
    selection = Selection((Selected("a", ("p",)), Selected("b")))
    assert selection.only(["a", "c"]) == Selection((Selected("a", ("p",)), Selected("c")))
    assert selection.only([]) is selection
