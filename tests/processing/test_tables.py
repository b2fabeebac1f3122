"""CSV as RFC 4180 says, with multi-line cells, lists, numbers and dates."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.reading import tables
from neptuneml_plugin.processing.reading.files import check_columns, header, row_count
from neptuneml_plugin.processing.reading.tables import (
    Column,
    Rows,
    TableFile,
    numbers,
    parse_dates,
    split_lists,
)


def read_columns(path: Path, delimiter: str, names: list[str]) -> pl.DataFrame:
    """Return columns of one file as text, as a stage does."""
    check_columns(path, delimiter, names)
    return Rows((TableFile(path.parent, path.name, delimiter),)).read(names)


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_any_table_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerows([("~id", "ti tle", 'q"'), *rows])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(text.getvalue().encode())
    assert header(path, ",") == ["~id", "ti tle", 'q"']
    frame = read_columns(path, ",", ["~id", "ti tle", 'q"'])
    assert frame.rows() == [tuple(cell or None for cell in row) for row in rows]


def test_columns_by_name_and_tabs(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('b\ta\n1\t"x\ty"\n', encoding="utf-8")
    assert read_columns(tmp_path / "t.csv", "\t", ["a", "b"]).to_dicts() == [{"a": "x\ty", "b": "1"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as CSV"),
        (b"~id,a\n1,2,3\n", "cannot be read as CSV"),
        (b'~id,a\n"1,2\n3,4\n', "cannot be read as CSV"),
        (b"~id,a\n\xff,2\n", "cannot be read as CSV in UTF-8"),
        (b"~id,~id,a\n1,2,3\n", "column '~id' stands twice"),
        (b"~id,b\n1,2\n", r"has no column 'a'"),
        (b"~id,aa\n1,2\n", r"has no column 'a' \(did you mean 'aa'\?\)"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InvalidData, match=message):
        read_columns(tmp_path / "t.csv", ",", ["~id", "a"])


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=8))
def test_parquet_reads_as_csv_does(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("~id", "a"), *rows])
    columns = [pl.Series(name, [row[i] for row in rows], dtype=pl.String) for i, name in enumerate(("~id", "a"))]
    pl.DataFrame(columns).write_parquet(folder / "t.parquet")
    both = [read_columns(folder / name, ",", ["a", "~id"]) for name in ("t.csv", "t.parquet")]
    assert both[0].equals(both[1])
    assert header(folder / "t.parquet", ",") == ["~id", "a"]


def test_typed_columns_of_parquet_count_as_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    day = datetime(2020, 1, 2, 3, 4, tzinfo=UTC)
    pl.DataFrame(
        {"n": [5, None], "f": [0.5, float("nan")], "b": [True, None], "t": ["", "x"], "d": [day, None]}
    ).write_parquet(path)
    frame = read_columns(path, ",", ["n", "f", "b", "t", "d"])
    assert frame.drop("d").rows() == [("5", "0.5", "true", None), (None, "NaN", None, "x")]
    typed = Rows((TableFile(tmp_path, "t.parquet"),))
    assert typed.column("f").values.dtype == pl.Float64
    assert numbers(typed.column("f")).to_list() == [0.5, None]
    assert parse_dates(typed.column("d").values).to_list() == parse_dates(frame["d"]).to_list() == [day, None]


def test_lists_of_parquet_count_as_joined_texts(tmp_path: Path) -> None:
    values = {"s": [["a;b", "", "c"], [], None], "n": [[1.0, 1e7], [0.5], None], "a": [[1, 2], [3, 4], [5, 6]]}
    kinds = {"a": pl.Array(pl.Int64, 2), "n": pl.List(pl.Float64), "s": pl.List(pl.String)}
    pl.DataFrame(values, schema={name: kinds[name] for name in values}).write_parquet(tmp_path / "t.parquet")
    rows = Rows((TableFile(tmp_path, "t.parquet"),))
    assert rows.read(["s", "n", "a"]).rows() == [
        ("a\\;b;;c", "1.0;1.0E7", "1;2"),
        (None, "0.5", "3;4"),
        (None, None, "5;6"),
    ]
    assert split_lists(rows.column("s").values, "|").to_list() == [["a;b", "c"], None, None]
    assert split_lists(rows.column("n").values, "|").to_list() == [["1.0", "1.0E7"], ["0.5"], None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"~id": ["1"], "a": [[["x"]]]}, r"column 'a': holds List\(String\); write texts, numbers, truth values"),
        ({"~id": ["1"], "a": [{"x": 1}]}, r"column 'a': holds Struct"),
        ({"~id": ["1"], "a": [b"x"]}, "column 'a': holds Binary"),
        ({"~id": ["1"], "aa": ["x"]}, r"has no column 'a' \(did you mean 'aa'\?\)"),
    ],
)
def test_refused_parquet(tmp_path: Path, columns: dict[str, list[object]], message: str) -> None:
    pl.DataFrame(columns).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InvalidData, match=message):
        read_columns(tmp_path / "t.parquet", ",", ["~id", "a"])


@pytest.mark.parametrize("content", [b"", b"~id,a\n1,2\n", b"PAR1", b"PAR1" + b"x" * 40 + b"PAR1"])
def test_what_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(InvalidData, match="cannot be read as Parquet"):
        read_columns(tmp_path / "t.parquet", ",", ["~id", "a"])


ITEM = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\"), min_size=1, max_size=5)


@given(lists=st.lists(st.lists(ITEM, min_size=1, max_size=4), min_size=1, max_size=5))
def test_lists_come_back(lists: list[list[str]]) -> None:
    cells = [";".join(item.replace(";", "\\;") for item in items) for items in lists]
    assert split_lists(pl.Series(cells), ";").to_list() == lists


def test_lists_with_another_separator_and_nulls() -> None:
    assert split_lists(pl.Series(["a|b;c", None, "|"]), "|").to_list() == [["a", "b;c"], None, []]


def test_numbers_as_java_writes_them() -> None:
    column = Column(pl.Series(["5", "-84.42", "1.0E-5", " 7 ", None, "NaN"]), "f.csv", "n")
    assert numbers(column).to_list() == [5.0, -84.42, 1e-5, 7.0, None, None]


@pytest.mark.parametrize("text", ["x", "Infinity", "-Infinity", "1,5", "true"])
def test_numbers_refused(text: str) -> None:
    column = Column(pl.Series(["1", text]), "nodes/a.csv", "n")
    with pytest.raises(InvalidData, match=rf"nodes/a\.csv, row 2, column 'n': '{text}' is not a finite number"):
        numbers(column)


@given(value=st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 1, 1)))
def test_dates_come_back(value: datetime) -> None:
    value = value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=UTC)
    text = value.strftime("%Y-%m-%dT%H:%M:%S.").rjust(20, "0") + f"{value.microsecond // 1000:03}Z"
    assert parse_dates(pl.Series([text])).to_list() == [value]


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2020-12-06T23:10", 23), ("2020-12-06 23:10:05", 23), ("2020-12-06T23:10:05+02:00", 21), ("2020-12-06", 0)],
)
def test_dates_as_people_write_them(text: str, hour: int) -> None:
    date = parse_dates(pl.Series([text]))[0]
    assert (date.day, date.hour) == (6, hour)


def test_other_texts_are_no_dates() -> None:
    assert parse_dates(pl.Series(["12/06/2020", "2020", "x", None])).null_count() == 4


def test_the_first_rows_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n4,,6\n7,8,9\n")
    assert Rows((TableFile(tmp_path, "t.csv"),)).head(["c", "b"], 2).rows() == [("3", "2"), ("6", None)]


def csv_file(folder: Path, wanted: tuple[str, ...] = ()) -> Rows:
    (folder / "t.csv").write_text("a,b,c\n1,2,3\n4,5,6\n7,8,9\n")
    return Rows((TableFile(folder, "t.csv"),), wanted)


def test_a_file_gives_a_column_at_a_time(tmp_path: Path) -> None:
    file = csv_file(tmp_path)
    column = file.column("b")
    assert (column.values.to_list(), column.file, column.name) == (["2", "5", "8"], "t.csv", "b")
    assert file.read(["c", "a"]).rows() == [("3", "1"), ("6", "4"), ("9", "7")]


def test_what_follows_a_column_is_read_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = csv_file(tmp_path, ("b", "c"))
    assert (file.following("b"), file.following("c"), file.following("a")) == (("b", "c"), ("c",), ("a",))
    monkeypatch.setattr(tables, "HELD", 1)
    assert file.following("b") == ("b",)
    assert [file.column(name).values[0] for name in ("b", "c", "b")] == ["2", "3", "2"]


def test_a_column_asked_for_again_is_not_read_again(tmp_path: Path) -> None:
    file = csv_file(tmp_path, ("b", "c"))
    assert file.column("b").values.to_list() == ["2", "5", "8"]
    file.files[0].path.unlink()
    assert file.column("c").values.to_list() == ["3", "6", "9"]


def test_rows_that_are_left_out_stay_out(tmp_path: Path) -> None:
    file = csv_file(tmp_path, ("a",))
    less = replace(file, positions=pl.Series([0, 2]))
    assert less.column("a").values.to_list() == ["1", "7"]
    assert less.read(["a", "b"]).rows() == [("1", "2"), ("7", "8")]
    assert file.column("a").values.to_list() == ["1", "4", "7"]
    assert str(less.column("a").fail(1, "is odd")) == "t.csv, row 3, column 'a': is odd"


def test_pieces_of_a_column_keep_their_places(tmp_path: Path) -> None:
    pieces = list(csv_file(tmp_path).column("a").blocks(2))
    assert [piece.values.to_list() for piece in pieces] == [["1", "4"], ["7"]]
    assert str(pieces[1].fail(0, "is odd")) == "t.csv, row 3, column 'a': is odd"


def two_files(folder: Path) -> Rows:
    """Columns in another order, one in the first file alone; the second is typed."""
    (folder / "t.csv").write_text("a,b\n1,x\n,y\n")
    pl.DataFrame({"c": [0.5], "a": [7]}).write_parquet(folder / "u.parquet")
    return Rows((TableFile(folder, "t.csv"), TableFile(folder, "u.parquet")), ("a", "b", "c"))


def test_files_stand_one_below_the_other(tmp_path: Path) -> None:
    rows = two_files(tmp_path)
    assert rows.read(["a", "b", "c"]).rows() == [("1", "x", None), (None, "y", None), ("7", None, "0.5")]
    assert rows.column("c").values.to_list() == [None, None, 0.5]
    assert rows.head(["b", "a"], 2).rows() == [("x", "1"), ("y", None)]
    assert rows.scan({"a": pl.col("a")})["a"].to_list() == ["1", None, "7"]
    assert (rows.has("c"), rows.has("d")) == (True, False)


def test_errors_name_the_row_of_its_own_file(tmp_path: Path) -> None:
    column = two_files(tmp_path).column("a")
    assert str(column.fail(1, "is odd")) == "t.csv, row 2, column 'a': is odd"
    assert str(column.fail(2, "is odd")) == "u.parquet, row 1, column 'a': is odd"
    less = two_files(tmp_path).at(pl.Series([2, 0])).column("a")
    assert str(less.fail(0, "is odd")) == "u.parquet, row 1, column 'a': is odd"


def test_rows_of_a_file_are_counted_as_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n"1\n2",3\n4,5\n')
    assert row_count(tmp_path / "t.csv", ",") == 2
