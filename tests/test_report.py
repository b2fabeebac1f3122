"""Pages are whole, escaped, and fetch nothing."""

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.report import NOTHING, Bars, Cell, Notes, Page, Section, Table, most_frequent, render, shown

VOID = {"meta"}
KNOWN_TAGS = {
    tag
    for name in ("report.html", "charts.html")
    for tag in re.findall(r"<(\w+)", files("neptuneml_plugin").joinpath(name).read_text("utf-8"))
}


class Document(HTMLParser):
    """Reads a page strictly: every element is closed by its own tag."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(*parts: Table | Bars | Notes, title: str = "a report") -> Page:
    return Page(title, (("vertices", 3504), ("task", "node_class")), (Section("all", parts),))


def test_a_page_shows_everything_it_was_given() -> None:
    table = Table(("label", "count"), (("airport", 3504), ("country", None)), "types")
    bars = Bars((("US", 586.0), ("CA", 203.0)), "classes")
    document = Document(render(page(table, bars, Notes(("feature 'icao' is left out",)))))
    shown_texts = [text.strip() for text in document.texts if text.strip()]
    for text in ("airport", "3,504", NOTHING, "types", "US", "586", "feature 'icao' is left out", "node_class"):
        assert text in shown_texts
    assert document.open == []


def test_columns_of_numbers_are_aligned_as_numbers() -> None:
    table = Table(("label", "count", "share"), (("a", 1, None), ("b", 2, 0.5)))
    assert table.numeric == (False, True, True)
    cells = [
        value for tag, name, value in Document(render(page(table))).attributes if (tag, name) == ("td", "class")
    ]
    assert cells == ["number"] * 4


def test_bars_are_as_long_as_their_share_of_the_largest() -> None:
    assert Bars((("a", 4.0), ("b", 1.0), ("c", 0.0))).shares == (100.0, 25.0, 0.0)
    assert Bars((("a", 0.0),)).shares == (0.0,)
    assert Bars(()).shares == ()


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    html = render(page(Notes(("https://example.org/x.js",))))
    document = Document(html)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(document.tags)
    assert not {name for _, name, _ in document.attributes} & {"src", "href", "srcset", "action"}
    assert not any(name.startswith("on") for _, name, _ in document.attributes)
    assert "url(" not in html
    assert "@import" not in html


def test_a_page_fits_a_phone() -> None:
    html = render(page(Table(("a",), (("b",),))))
    assert ("meta", "content", "width=device-width, initial-scale=1") in Document(html).attributes
    assert '<div class="wide"><table>' in html


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_texts_stay_texts(text: str) -> None:
    table = Table((text,), ((text,),), "table")
    parts = (table, Bars(((text, 1.0),), "bars"), Notes((text,), "notes"))
    document = Document(render(page(*parts, title=text)))
    assert text.strip() in [found.strip() for found in [*document.texts, ""]]
    assert set(document.tags) <= KNOWN_TAGS
    assert document.open == []


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, NOTHING),
        ("as it is", "as it is"),
        (1234567, "1,234,567"),
        (0.12345, "0.123"),
        (12345.6, "12,346"),
        (-0.5, "-0.5"),
        (0.0, "0"),
    ],
)
def test_cells_are_short(cell: Cell, text: str) -> None:
    assert shown(cell) == text


def test_the_largest_counts_have_bars_and_the_rest_has_one() -> None:
    counts = [("c", 1), ("a", 5), ("b", 3), ("d", 1)]
    assert most_frequent(counts, 2) == (("a", 5.0), ("b", 3.0), ("2 others", 2.0))
    assert most_frequent(counts, 4)[-1] == ("d", 1.0)
