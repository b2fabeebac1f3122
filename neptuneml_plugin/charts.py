"""Charts as plain values: what is drawn, and where on a sheet of 360 x 220 units; `charts.html` draws them as SVG.

Points that are not finite are left out. Names are data: the template escapes them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

#: The sheet, and the part of it that is plotted on.
WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 350, 12, 184
#: Colours there are for groups; more groups share the last.
COLOURS = 8
#: Cells of a heat map up to which each shows its number.
_NUMBERED_CELLS = 144

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on positions from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    #: Between round numbers.
    step: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float, *, zero: bool = False) -> "Axis":
        """Return the axis of some values, from round number to round number."""
        known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(known), max(known)
        if zero:
            low = min(0.0, low)
        if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
            low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
        step = _step(low, high)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(low, high, start, end, step)

    def at(self, value: float) -> float:
        """Return the position of a value."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of the round numbers."""
        count = round((self.high - self.low) / self.step)
        values = (self.low + position * self.step for position in range(count + 1))
        return [(self.at(value), _tick(value, self.step)) for value in values]


def _step(low: float, high: float) -> float:
    """Return a round number that fits some four times."""
    rough = (high - low) / 4
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if rough <= factor * power * (1 + 1e-9))


def _tick(value: float, step: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size or (unit == "k" and abs(value) >= 1000 and step >= 1000):
            return f"{value / (1000 if unit == 'k' else size):g}{unit}"
    return f"{0.0 if abs(value) < step / 2 else value:.6g}"


@dataclass(frozen=True)
class Series:
    """Points that belong together."""

    name: str
    points: tuple[Point, ...]

    @cached_property
    def finite(self) -> tuple[Point, ...]:
        """Those that can be drawn."""
        return tuple(point for point in self.points if all(map(math.isfinite, point)))


@dataclass(frozen=True)
class Plane:
    """What lines and points share: series over two axes."""

    series: tuple[Series, ...]
    #: Names of the axes.
    x: str = ""
    y: str = ""
    caption: str = ""

    @cached_property
    def horizontal(self) -> Axis:
        """The axis of the first coordinate."""
        return Axis.over((x for each in self.series for x, _ in each.finite), LEFT, RIGHT)

    @cached_property
    def vertical(self) -> Axis:
        """The axis of the second coordinate."""
        return Axis.over((y for each in self.series for _, y in each.finite), BOTTOM, TOP)

    def placed(self, series: Series) -> list[Point]:
        """Return where the points of a series stand on the sheet."""
        return [(self.horizontal.at(x), self.vertical.at(y)) for x, y in series.finite]


@dataclass(frozen=True)
class Lines(Plane):
    """Each series as a line."""

    #: Where a vertical mark stands, and what it says.
    mark: tuple[float, str] | None = None

    def path(self, series: Series) -> str:
        """Return the line of a series in SVG's words."""
        return "M" + "L".join(f"{x},{y}" for x, y in self.placed(series))


@dataclass(frozen=True)
class Reliability(Lines):
    """How often what is said with some probability is so, over 0..1 and beside the diagonal."""

    @cached_property
    def horizontal(self) -> Axis:
        """From 0 to 1."""
        return Axis(0, 1, LEFT, RIGHT, 0.25)

    @cached_property
    def vertical(self) -> Axis:
        """From 0 to 1."""
        return Axis(0, 1, BOTTOM, TOP, 0.25)


@dataclass(frozen=True)
class Points(Plane):
    """Each series as points of one colour."""

    #: Whether the axes' numbers mean something.
    ticks: bool = True


@dataclass(frozen=True)
class Columns:
    """A histogram: how many values lie between neighbouring edges."""

    #: One more than there are counts, ascending.
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    x: str = ""
    caption: str = ""
    y: str = ""

    @cached_property
    def horizontal(self) -> Axis:
        """From the first edge to the last."""
        return Axis.over(self.edges, LEFT, RIGHT)

    @cached_property
    def vertical(self) -> Axis:
        """From nothing to the largest count."""
        return Axis.over(self.counts or (1,), BOTTOM, TOP, zero=True)

    @property
    def bars(self) -> list[tuple[float, float, float, float, str]]:
        """Left, top, width, height and what to say of each."""
        found = []
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            left, right, top = self.horizontal.at(low), self.horizontal.at(high), self.vertical.at(count)
            text = f"{low:.3g} to {high:.3g}: {count:,}"
            found.append((left, top, max(0.5, round(right - left - 1, 2)), round(BOTTOM - top, 2), text))
        return found


@dataclass(frozen=True)
class Cell:
    """One field of a heat map."""

    x: float
    y: float
    #: 0..1 of the row's sum: how dark it is.
    share: float
    count: int
    text: str


@dataclass(frozen=True)
class Heat:
    """Counts by two kinds of names, such as a confusion matrix: each row shaded by its own shares."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    #: What rows and columns are.
    y: str = ""
    x: str = ""
    caption: str = ""

    @property
    def size(self) -> float:
        """Side of a cell; the map is 280 units wide."""
        return round(280 / max(1, len(self.columns)), 3)

    @property
    def row_size(self) -> float:
        """Height of a row: that of a cell, but no higher than 40 units."""
        return min(self.size, 40.0)

    @property
    def height(self) -> float:
        """Height of the sheet."""
        return round(70 + self.row_size * len(self.rows), 1)

    @property
    def numbered(self) -> bool:
        """Whether there is room for numbers."""
        return len(self.rows) * len(self.columns) <= _NUMBERED_CELLS

    @property
    def cells(self) -> list[Cell]:
        """All fields with their places."""
        found = []
        for row, (name, counts) in enumerate(zip(self.rows, self.counts, strict=True)):
            total = max(1, sum(counts))
            for column, count in enumerate(counts):
                text = f"{name} as {self.columns[column]}: {count:,} ({count / total:.0%})"
                x, y = round(75 + column * self.size, 2), round(8 + row * self.row_size, 2)
                found.append(Cell(x, y, round(count / total, 3), count, text))
        return found


Chart = Lines | Points | Columns | Heat


def short(name: str, length: int = 12) -> str:
    """Return a name that fits beside an axis."""
    return name if len(name) <= length else name[: length - 1] + "…"


def compact(count: int) -> str:
    """Return a count of at most four characters."""
    for size, unit in ((10**6, "M"), (10**4, "k")):
        if count >= size:
            return f"{count / (size if unit == 'M' else 1000):.0f}{unit}"
    return str(count)
