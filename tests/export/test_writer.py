"""CSV cells, files and names."""

import csv
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from gremlin_python import statics
from gremlin_python.statics import long
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.block import BlockBuilder, in_blocks
from neptuneml_plugin.export.elements import Row
from neptuneml_plugin.export.files.spool import Spool
from neptuneml_plugin.export.files.writer import write_files
from neptuneml_plugin.export.request.layout import Format, Layout
from neptuneml_plugin.export.values import Float, Instant, java_text

CSV = Layout()
DAY = Instant("2020-01-01T00:00:00Z")


def write(
    folder: Path,
    *properties: dict[str, Any],
    block_size: int = 2,
    chunk_bytes: int = 0,
    layout: Layout = CSV,
) -> Path:
    """Write rows, of which each block goes to the disk by itself."""
    folder.mkdir(exist_ok=True)
    spool = Spool(folder, chunk_bytes)
    for part in in_blocks(
        [Row(f"t{number}", "Thing", (), row) for number, row in enumerate(properties)], block_size
    ):
        add(spool, *part)
    write_files(spool, folder, layout)
    return folder / f"nodes/Thing{layout.format.suffix}"


def add(spool: Spool, *rows: Row) -> None:
    builder = BlockBuilder()
    for row in rows:
        builder.add(row)
    for block in builder.blocks():
        spool.add(block)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("plain", '"plain"'),
        ('say "hi"', '"say ""hi"""'),
        ("a,b\nc", '"a,b\nc"'),
        ("a;b", '"a;b"'),
        ("", ""),
        (None, ""),
        (5, "5"),
        (statics.long(5), "5"),
        (-84.42, "-84.42"),
        (True, "true"),
        (Instant("2020-01-01T00:00:00Z"), "2020-01-01T00:00:00Z"),
        (["only;one"], '"only;one"'),
        (["a;b", "c"], '"a\\;b;c"'),
        ([1, 2], "1;2"),
        ([["a", "b"], "c"], '"a;b;c"'),
        ([math.nan, 1e10], "NaN;1.0E10"),
        ([], ""),
    ],
)
def test_cell(value: Any, cell: str, tmp_path: Path) -> None:
    file = write(tmp_path, {"other": 0, "value": value})
    header = "~id,~label,other,value" if value is not None else "~id,~label,other"
    line = f'"t0","Thing",0,{cell}' if value is not None else '"t0","Thing",0'
    assert file.read_text() == f"{header}\n{line}\n"


def test_columns_are_first_seen_and_ragged_rows_padded(tmp_path: Path) -> None:
    file = write(tmp_path, {"b": 1}, {"a": "x"}, {"c": 2, "b": 3})
    assert file.read_text().splitlines() == [
        "~id,~label,b,a,c",
        '"t0","Thing",1,,',
        '"t1","Thing",,"x",',
        '"t2","Thing",3,,2',
    ]


def test_a_later_row_decides_how_earlier_ones_are_written(tmp_path: Path) -> None:
    file = write(tmp_path, {"tags": ["a;b"], "mixed": 5}, {"tags": ["c", "d"], "mixed": "x"})
    assert file.read_text().splitlines()[1:] == ['"t0","Thing","a\\;b","5"', '"t1","Thing","c;d","x"']


@pytest.mark.parametrize("chunk_bytes", [0, 1 << 20])
@pytest.mark.parametrize("block_size", [1, 3, 100])
def test_the_size_of_blocks_and_chunks_changes_nothing(block_size: int, chunk_bytes: int, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"a": 1, "b": ["x", 2, 2.5]}, {}, {"b": [], "a": 1e7}, {"c": None, "a": [None]}, {"a": True, "b": "x;y"},
    ]  # fmt: skip
    file = write(tmp_path, *rows, block_size=block_size, chunk_bytes=chunk_bytes)
    assert file.read_text().splitlines() == [
        "~id,~label,a,b",
        '"t0","Thing","1","x;2;2.5"',
        '"t1","Thing",,',
        '"t2","Thing","1.0E7",',
        '"t3","Thing",,',
        '"t4","Thing","true","x\\;y"',
    ]


def test_edges_carry_ends_and_their_labels(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kind = EdgeType("Admin;Person", "knows", "Person")
    add(spool, Row(statics.long(9), kind, (1, 2), {"since": 2001}))
    write_files(spool, tmp_path, CSV)
    assert (tmp_path / "edges/%28Admin%3BPerson%29-knows-%28Person%29.consolidated.csv").read_text() == (
        "~id,~label,~from,~to,~fromLabels,~toLabels,since\n"
        '"9","knows","1","2","Admin;Person","Person",2001\n'
    )  # fmt: skip


def test_two_types_with_one_file_name_are_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for kind in (EdgeType("a)-b-(c", "d", "e"), EdgeType("a", "b", "c)-d-(e")):
        add(spool, Row(1, kind, (1, 2), {}))
    with pytest.raises(UnsupportedOperation, match="would both be written to"):
        write_files(spool, tmp_path, CSV)


def test_a_header_that_needs_quotes_gets_them(tmp_path: Path) -> None:
    file = write(tmp_path, {'a,"b"': 1})
    assert file.read_text().splitlines()[0] == '~id,~label,"a,""b"""'


def test_values_are_joined_by_the_separator_of_the_layout(tmp_path: Path) -> None:
    file = write(tmp_path, {"tags": ["a;b", "c|d"], "numbers": [1, 2]}, layout=Layout(separator="|"))
    assert file.read_text().splitlines()[1] == '"t0","Thing","a;b|c\\|d",1|2'


def test_without_headers_the_first_line_is_a_row(tmp_path: Path) -> None:
    file = write(tmp_path, {"p": 1}, layout=Layout(Format.CSV_NO_HEADERS))
    assert (file.name, file.read_text()) == ("Thing.consolidated.csv", '"t0","Thing",1\n')


def test_json_is_one_object_per_row_without_what_it_lacks(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": 'say "hi"\n', "number": statics.long(5), "flag": True, "texts": ["a;b", "c"], "day": DAY},
        {"double": math.inf, "numbers": [1.5, math.nan], "empty": []},
    ]
    lines = write(tmp_path, *rows, layout=Layout(Format.JSON)).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "~id": "t0", "~label": ["Thing"],
            "text": 'say "hi"\n', "number": 5, "flag": True, "texts": ["a;b", "c"], "day": "2020-01-01T00:00:00Z",
        },
        {"~id": "t1", "~label": ["Thing"], "double": "Infinity", "numbers": [1.5, "NaN"], "empty": []},
    ]  # fmt: skip


def test_json_of_edges_names_ends_and_their_labels(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    add(spool, Row("e1", EdgeType("Admin;Person", "knows", "Person"), (1, 2), {}))
    write_files(spool, tmp_path, Layout(Format.JSON))
    (file,) = (tmp_path / "edges").iterdir()
    assert json.loads(file.read_text()) == {
        "~id": "e1", "~label": "knows", "~from": "1", "~to": "2",
        "~fromLabels": ["Admin", "Person"], "~toLabels": ["Person"],
    }  # fmt: skip


def test_parquet_holds_typed_columns(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"b": 1e10, "tags": ["a;b", "c"], "n": 5, "is": True, "at": Instant("2020-01-02T03:04:05.000006Z")},
        {"a": 'x"y', "n": long(2**40), "is": False, "sizes": [1, 2]},
        {"b": Float(0.1), "tags": [], "sizes": [3]},
    ]
    frame = pl.read_parquet(write(tmp_path, *rows, layout=Layout(Format.PARQUET)))
    moment = datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert frame.to_dict(as_series=False) == {
        "~id": ["t0", "t1", "t2"],
        "~label": ["Thing"] * 3,
        "b": [1e10, None, 0.1],
        "tags": [["a;b", "c"], None, []],
        "n": [5, 2**40, None],
        "is": [True, False, None],
        "at": [moment, None, None],
        "a": [None, 'x"y', None],
        "sizes": [None, [1, 2], [3]],
    }
    assert frame.schema["at"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    "values",
    [
        (5, 0.5),
        (1, "x"),
        (True, "x"),
        (Instant("2020-01-02T03:04:05.000000006Z"), Instant("2020-01-02T03:04:05Z")),
        (Instant("-999999-01-02T03:04:05Z"),),
    ],
)
def test_parquet_holds_texts_where_types_would_say_something_else(tmp_path: Path, values: tuple[Any, ...]) -> None:
    frame = pl.read_parquet(write(tmp_path, *({"a": value} for value in values), layout=Layout(Format.PARQUET)))
    assert frame["a"].to_list() == [java_text(value) for value in values]


def test_two_columns_of_one_name_are_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperation, match="'~id' would be two columns"):
        write(tmp_path, {"~id": 1}, layout=Layout(Format.PARQUET))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)


@settings(deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({"text": TEXTS, "number": st.integers(-(2**31), 2**31 - 1)}), min_size=1)
)
def test_what_is_written_is_read_back(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = write(tmp_path_factory.mktemp("csv"), *rows)
    with file.open(newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    assert [(row["text"], int(row["number"])) for row in read] == [(row["text"], row["number"]) for row in rows]
    frame = pl.read_csv(file, schema_overrides={"text": pl.String, "number": pl.Int64})
    assert frame["number"].to_list() == [row["number"] for row in rows]
    assert [text or "" for text in frame["text"].to_list()] == [row["text"] for row in rows]


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(TEXTS.filter(lambda text: text and not text.endswith("\\")), min_size=2), min_size=1)
)
def test_several_values_are_split_again(rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = write(tmp_path_factory.mktemp("csv"), *({"tags": tags} for tags in rows))
    with file.open(newline="", encoding="utf-8") as stream:
        cells = [row["tags"] for row in csv.DictReader(stream)]
    assert [split(cell) for cell in cells] == rows


def split(cell: str) -> list[str]:
    parts = cell.replace("\\;", "\0").split(";")
    return [part.replace("\0", ";") for part in parts]
