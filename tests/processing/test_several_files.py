"""Several files of one vertex label or edge type are read as one table."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidData, InvalidSettings
from neptuneml_plugin.processing import process
from tests.processing.exports import BOOKS, REVIEWS, configuration, edge, feature, library, node, write_export
from tests.processing.test_golden import describe

SHELF = [{"label": ["shelf", "classification"], "split_rate": [0.5, 0.25, 0.25]}]
PAGES = feature("pages", "numerical", norm="min-max")
STARS = feature("stars", "numerical", norm="none")


def named(entry: dict[str, Any], file_name: str, **members: Any) -> dict[str, Any]:
    return entry | {"file_name": file_name} | members


def processed(folder: Path, files: dict[str, str], *entries: dict[str, Any]) -> dict[str, Any]:
    write_export(folder / "export", files, configuration(*entries))
    process.run(ProcessConfig(dgl_graph=False), folder / "export", folder / "processed")
    return describe(folder / "processed")


def cut(table: str, after: int) -> tuple[str, str]:
    """Return two files of the rows of one."""
    head, *lines = table.splitlines(keepends=True)
    return head + "".join(lines[:after]), head + "".join(lines[after:])


def test_a_table_cut_in_two_is_the_same_graph(tmp_path: Path) -> None:
    books, reviews = cut(BOOKS, 1), cut(REVIEWS, 3)
    whole = processed(
        tmp_path / "whole",
        {"nodes/Book.csv": BOOKS, "edges/Reviewed.csv": REVIEWS},
        node("Book", [PAGES], SHELF),
        edge("Reader", "Reviewed", "Book", [STARS]),
    )
    parts = processed(
        tmp_path / "parts",
        {
            "nodes/Book.csv": books[0],
            "b2": books[1],
            "edges/Reviewed.csv": reviews[0],
            "e2": reviews[1],
        },
        node("Book", [PAGES], SHELF),
        edge("Reader", "Reviewed", "Book", [STARS]),
        named(edge("Reader", "Reviewed", "Book", [STARS]), "e2"),
        named(node("Book", [PAGES], SHELF), "b2"),
    )
    assert parts == whole


def test_columns_and_members_of_all_entries_count(tmp_path: Path) -> None:
    colour = feature("colour", "category")
    found = processed(
        tmp_path,
        {
            "nodes/Book.csv": "~id,pages,shelf\n1,100,crime\n2,300,poetry\n3,200,crime\n",
            "more.csv": "colour;~id\nred;4\nblue;5\n",
            "edges/Reviewed.csv": "~from,~to\nr,1\nr,5\n",
        },
        node("Book", [feature("pages", "numerical", norm="none", imputer="mean")], SHELF),
        named(node("Book", [colour]), "more.csv", separator=";"),
        edge("Reader", "Reviewed", "Book"),
    )
    data = found["nodes"]["Book"]["data"]
    assert found["nodes"]["Book"]["ids"] == ["1", "2", "3", "4", "5"]
    assert found["nodes"]["Book"]["types"] == {"pages": "numerical", "colour": "category"}
    assert data["colour"] == [[0, 0], [0, 0], [0, 0], [0, 1], [1, 0]]
    assert data["labels"] == [0, 1, 0, -1, -1]
    assert [row[0] for row in data["pages"]][:3] == [100, 300, 200]


def test_two_entries_of_one_file_are_one(tmp_path: Path) -> None:
    files = {"nodes/Book.csv": BOOKS, "edges/Reviewed.csv": REVIEWS}
    edges = edge("Reader", "Reviewed", "Book")
    once = processed(tmp_path / "once", files, node("Book", [PAGES], SHELF), edges)
    twice = processed(tmp_path / "twice", files, node("Book", [PAGES]), node("Book", [], SHELF), edges)
    assert twice == once


def test_formats_may_differ(tmp_path: Path) -> None:
    books = cut(BOOKS, 2)
    files = {"nodes/Book.csv": books[0], "edges/Reviewed.csv": REVIEWS}
    folder = write_export(
        tmp_path / "export",
        files,
        configuration(
            node("Book", [PAGES], SHELF),
            named(node("Book", [PAGES], SHELF), "nodes/Book.parquet"),
            edge("Reader", "Reviewed", "Book"),
        ),
    )
    rest = {"~id": ["3", "4"], "pages": [200, 500], "shelf": ["crime", "poetry"]}
    pl.DataFrame(rest).write_parquet(folder / "nodes" / "Book.parquet")
    process.run(ProcessConfig(dgl_graph=False), folder, tmp_path / "processed")
    pages = describe(tmp_path / "processed")["nodes"]["Book"]["data"]["pages"]
    assert len(pages) == 4
    assert all(row[0] is not None for row in pages)


CONFLICTS: dict[str, tuple[dict[str, Any], str]] = {
    "features": (
        node("Book", [feature("pages", "category")]),
        "graph.nodes[1].features 'pages': says column 'pages' as category, graph.nodes[0] column 'pages' as",
    ),
    "members of a feature": (
        node("Book", [feature("pages", "numerical", norm="none")]),
        "graph.nodes[1].features 'pages': says column 'pages' as numerical, graph.nodes[0] column 'pages' as",
    ),
    "targets": (
        node("Book", [], [{"label": ["pages", "regression"]}]),
        "graph.nodes[1].labels: says another target or split, graph.nodes[0] its own, of the same label",
    ),
    "ids": (node("Book") | {"node": ["pages", "Book"]}, "graph.nodes[1].node: says 'pages', graph.nodes[0] '~id'"),
    "separators of one file": (
        node("Book") | {"separator": ";"},
        "graph.nodes[1].separator: says ';', graph.nodes[0] ','",
    ),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_what_two_entries_say_differently_is_refused(tmp_path: Path, case: str) -> None:
    other, message = CONFLICTS[case]
    with pytest.raises(InvalidSettings) as caught:
        processed(
            tmp_path,
            {"nodes/Book.csv": BOOKS, "edges/Reviewed.csv": REVIEWS},
            node("Book", [PAGES], SHELF),
            other,
            edge("Reader", "Reviewed", "Book"),
        )
    assert any(message in problem for problem in caught.value.problems)


def with_second_file(folder: Path, books: str) -> Path:
    library(folder, book_features=[PAGES], book_labels=SHELF, files={"more.csv": books})
    path = folder / "training-data-configuration.json"
    document = json.loads(path.read_text())
    document["graph"]["nodes"].append(named(node("Book", [PAGES], SHELF), "more.csv"))
    path.write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(
    ("books", "message"),
    [
        (
            "~id,pages,shelf\n9,1,crime\n2,5,poetry\n",
            "nodes/Book.csv, more.csv: id '2' stands in several rows (nodes/Book.csv, row 2, more.csv, row 2)",
        ),
        ("~id,pages,shelf\n8,1,crime\n9,many,poetry\n", "more.csv, row 2, column 'pages': 'many' is not a finite"),
        ("~id,shelf\n9,crime\n", "more.csv has no column 'pages'"),
        ("~id,pages,shelf\n9,1\n", "more.csv, row 1: has 2 of 3 cells"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, books: str, message: str) -> None:
    with pytest.raises(InvalidData) as caught:
        process.run(ProcessConfig(dgl_graph=False), with_second_file(tmp_path / "e", books), tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()
