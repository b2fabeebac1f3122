"""Rows of another width than the header are found, whatever stands in the cells."""

import csv
import io
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.reading import widths
from neptuneml_plugin.processing.reading.widths import refuse_uneven

Quoting = Literal[0, 1, 2, 3]
CELL = st.text(st.sampled_from('a",;\t\n é'), max_size=4)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[list[str]]]:
    width = draw(st.integers(2, 4))
    return width, draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=6))


def written(path: Path, rows: list[list[str]], delimiter: str, quoting: Quoting, end: str) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)
    path.write_bytes(text.getvalue().encode())
    return path


@settings(max_examples=150, deadline=None)
@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.sampled_from([1, 7, 1 << 24]),
    at=st.none() | st.integers(0, 5),
    longer=st.booleans(),
)
def test_only_uneven_tables_are_refused(
    tmp_path_factory: pytest.TempPathFactory,
    table: tuple[int, list[list[str]]],
    delimiter: str,
    quoting: Quoting,
    end: str,
    block: int,
    at: int | None,
    *,
    longer: bool,
) -> None:
    width, rows = table
    uneven = at is not None and at < len(rows)
    if uneven:
        assert at is not None
        rows[at] = [*rows[at], "x"] if longer else [*rows[at][1:-1], "x"]
    whole = [[f"c{i}" for i in range(width)], *rows]
    path = written(tmp_path_factory.mktemp("widths") / "t.csv", whole, delimiter, quoting, end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(widths, "_BLOCK", block)
        if not uneven:
            refuse_uneven(path, delimiter, width)
            return
        assert at is not None
        with pytest.raises(InvalidData, match=rf"t\.csv, row {at + 1}: has {len(rows[at])} of"):
            refuse_uneven(path, delimiter, width)


def test_a_short_row_does_not_hide_behind_a_long_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n1,2\n1,2,3,4\n", encoding="utf-8")
    with pytest.raises(InvalidData, match="row 1: has 2 of 3 cells"):
        refuse_uneven(tmp_path / "t.csv", ",", 3)
