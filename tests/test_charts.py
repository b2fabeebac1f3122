"""Charts stay on their sheet, whatever the values, and say them."""

import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin import charts
from neptuneml_plugin.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Axis,
    Chart,
    Columns,
    Heat,
    Lines,
    Points,
    Reliability,
    Series,
)
from neptuneml_plugin.report import Notes, Page, Section, render

NUMBERS = st.floats(-1e12, 1e12)


def page(*parts: Chart | Notes) -> str:
    return render(Page("a report", (), (Section("all", parts),)))


class Svg(HTMLParser):
    """Collects elements and their texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def named(self, tag: str, name: str = "") -> list[dict[str, str]]:
        found = (attributes for kind, attributes in self.elements if kind == tag)
        return [each for each in found if not name or name in each.get("class", "").split(" ")]


@given(st.lists(NUMBERS, min_size=1), st.booleans())
def test_an_axis_covers_its_values_with_a_handful_of_round_numbers(values: list[float], zero: bool) -> None:  # noqa: FBT001
    axis = Axis.over(values, LEFT, RIGHT, zero=zero)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low - slack <= min(values) <= max(values) <= axis.high + slack
    assert not zero or axis.low <= 0
    places = [place for place, _ in axis.ticks]
    assert 2 <= len(places) <= 7
    assert places == sorted(places)
    assert (places[0], places[-1]) == pytest.approx((LEFT, RIGHT))
    assert len({text for _, text in axis.ticks}) == len(places) or axis.high - axis.low < 1e-4 * abs(axis.high)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0, 1], ["0", "0.25", "0.5", "0.75", "1"]),
        ([1, 39], ["0", "10", "20", "30", "40"]),
        ([0.052, 0.094], ["0.04", "0.06", "0.08", "0.1"]),
        ([0, 40000], ["0", "10k", "20k", "30k", "40k"]),
        ([0, 2.5e6], ["0", "1M", "2M", "3M"]),
        ([3, 3], ["1", "2", "3", "4", "5"]),
    ],
    ids=str,
)
def test_round_numbers(values: list[float], texts: list[str]) -> None:
    assert [text for _, text in Axis.over(values, 0, 1).ticks] == texts


@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), max_size=20))
def test_points_stay_on_the_sheet(points: list[tuple[float, float]]) -> None:
    chart = Points((Series("a", tuple(points)),))
    placed = chart.placed(chart.series[0])
    assert len(placed) == sum(math.isfinite(x) and math.isfinite(y) for x, y in points)
    assert all(LEFT - 0.01 <= x <= RIGHT + 0.01 and TOP - 0.01 <= y <= BOTTOM + 0.01 for x, y in placed)


def test_lines_are_drawn_with_their_names_and_mark() -> None:
    series = (Series("training", ((1, 3.0), (2, 2.0))), Series("validation", ((1, 4.0), (2, math.nan))))
    drawn = Svg(page(Lines(series, "epoch", "loss", "the loss", (2, "kept: epoch 2"))))
    assert [path["class"] for path in drawn.named("path")] == ["line c0", "line c1"]
    assert drawn.named("path", "c0")[0]["d"].count("L") == 1
    assert len(drawn.named("circle", "c1")) == 1  # a line of one point would not be seen
    assert len(drawn.named("line", "mark")) == 1
    for text in ("training", "validation", "kept: epoch 2", "epoch", "the loss"):
        assert text in drawn.texts


def test_reliability_stands_beside_the_diagonal() -> None:
    drawn = Svg(page(Reliability((Series("", ((0.0, 0.0), (1.0, 1.0))),))))
    mark = drawn.named("line", "mark")[0]
    ends = [(float(mark["x1"]), float(mark["y1"])), (float(mark["x2"]), float(mark["y2"]))]
    dots = [(float(dot["cx"]), float(dot["cy"])) for dot in drawn.named("circle", "c0")]
    assert ends == dots == [(LEFT, BOTTOM), (RIGHT, TOP)]


def test_columns_are_as_high_as_their_counts() -> None:
    drawn = Svg(page(Columns((0, 0.5, 1), (5, 10))))
    heights = [float(bar["height"]) for bar in drawn.named("rect", "column")]
    assert heights[1] == pytest.approx(2 * heights[0])
    assert "0.5 to 1: 10" in drawn.texts


def test_a_heat_map_is_shaded_by_rows_and_says_what_each_cell_is() -> None:
    drawn = Svg(page(Heat(("a", "b"), ("a", "b"), ((9, 1), (0, 0)), "truth", "prediction", "confusion")))
    assert [cell["opacity"] for cell in drawn.named("rect", "heat")] == ["0.9", "0.1", "0.0", "0.0"]
    assert "a as b: 1 (10%)" in drawn.texts
    many = tuple(str(number) for number in range(13))
    assert not Svg(page(Heat(many, many, tuple((1,) * 13 for _ in many)))).named("text", "count")


def test_charts_that_follow_each_other_share_a_row() -> None:
    chart = Columns((0, 1), (1,))
    drawn = Svg(page(chart, chart, Notes(("between",)), chart))
    assert len(drawn.named("div", "charts")) == 2
    assert len(drawn.named("figure")) == 3


@pytest.mark.parametrize("chart", [Lines(()), Points((Series("", ()),)), Columns((), ()), Heat((), (), ())])
def test_nothing_is_drawn_as_nothing(chart: Chart) -> None:
    assert len(Svg(page(chart)).named("svg")) == 1


def test_more_groups_than_colours_share_the_last() -> None:
    series = tuple(Series(str(number), ((number, 1.0),)) for number in range(charts.COLOURS + 3))
    assert len(Svg(page(Points(series))).named("g", f"c{charts.COLOURS - 1}")) == 4


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (9999, "9999"), (10_000, "10k"), (2_400_000, "2M")])
def test_counts_are_compact(count: int, text: str) -> None:
    assert charts.compact(count) == text
    assert charts.short("a" * 20) == "a" * 11 + "…"
