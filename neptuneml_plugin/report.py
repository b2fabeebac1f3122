"""Self-contained HTML pages: what a page says goes in, one text comes out, with no script and nothing to fetch.

A page is a title, facts, and sections of tables, bars, notes and charts; `report.html` draws it, for any screen.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from neptuneml_plugin import charts
from neptuneml_plugin.charts import Chart

Cell = str | int | float | None
NOTHING = "-"
#: From here on a number is shown without decimals.
_WHOLE = 1000.0


@dataclass(frozen=True)
class Table:
    """Rows of cells; columns that hold no texts are aligned as numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers."""
        return tuple(
            not any(isinstance(row[position], str) for row in self.rows) for position in range(len(self.columns))
        )


@dataclass(frozen=True)
class Bars:
    """Named values, each drawn as a bar beside the largest of them; none below 0."""

    bars: tuple[tuple[str, float], ...]
    caption: str = ""

    @property
    def shares(self) -> tuple[float, ...]:
        """Length of each bar, 0..100."""
        largest = max((value for _, value in self.bars), default=0.0)
        return tuple(round(100 * value / largest, 1) if largest > 0 else 0.0 for _, value in self.bars)


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    items: tuple[str, ...]
    caption: str = ""


Part = Table | Bars | Notes | Chart


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: tuple[Part, ...]

    @property
    def groups(self) -> list[tuple[bool, tuple[Part, ...]]]:
        """The parts in order, charts that follow each other together: (whether they are charts, parts)."""
        grouped = itertools.groupby(self.parts, key=lambda part: isinstance(part, Chart))
        return [(are_charts, tuple(parts)) for are_charts, parts in grouped]


@dataclass(frozen=True)
class Page:
    """One report."""

    title: str
    #: Name -> value, shown first.
    facts: tuple[tuple[str, Cell], ...]
    sections: tuple[Section, ...]


def render(page: Page) -> str:
    """Return the page as one HTML document."""
    return _template().render(page=page)


def shown(cell: Cell) -> str:
    """Return a cell's text: thousands are separated, small numbers keep three digits, nothing is a dash."""
    if cell is None:
        return NOTHING
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if abs(cell) >= _WHOLE else f"{cell:.3g}"


def most_frequent(counts: Sequence[tuple[str, int]], limit: int) -> tuple[tuple[str, float], ...]:
    """Return the bars of the `limit` largest counts, and one for all others."""
    ranked = sorted(counts, key=lambda pair: -pair[1])
    bars = [(name, float(count)) for name, count in ranked[:limit]]
    rest = ranked[limit:]
    if rest:
        bars.append((f"{len(rest):,} others", float(sum(count for _, count in rest))))
    return tuple(bars)


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(lambda name: files(__package__).joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "kind": lambda part: type(part).__name__}
    environment.globals |= {
        "sheet": charts,
        "colour": lambda position: min(position, charts.COLOURS - 1),
        "short": charts.short,
        "compact": charts.compact,
    }
    return environment.get_template("report.html")
