"""The data report says what the graph is made of, as JSON and as a page."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from neptuneml_plugin.artifacts import (
    PARTS,
    Drift,
    EdgeSchema,
    EdgeType,
    FeatureDrift,
    GraphSchema,
    NodeType,
    ProcessedGraph,
    SplitReport,
    Target,
    Task,
    TypeDrift,
)
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processing import process
from neptuneml_plugin.processing.graph.facts import FeatureFacts
from neptuneml_plugin.processing.reports.datareport import data_report, page
from neptuneml_plugin.report import Bars, Table
from tests.processing.exports import feature, library

PAGES = feature("pages", "auto")
NOTHING = feature("~label", "category")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A processed library, whose books' shelf is predicted."""
    label = {"label": ["shelf", "classification"], "split_rate": [0.5, 0.5, 0.0]}
    source = library(tmp_path / "export", book_features=[PAGES, NOTHING], book_labels=[label])
    process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "processed")
    return tmp_path / "processed"


def test_json_has_types_features_and_splits(folder: Path) -> None:
    report = json.loads((folder / "data_report.json").read_text())
    assert report["task"] == "node_class"
    assert [(kind["name"], kind["count"]) for kind in report["nodes"]] == [("Book", 4), ("Reader", 2)]
    assert [(kind["name"], kind["count"]) for kind in report["edges"]] == [("(Reader)-Reviewed-(Book)", 4)]
    pages, nothing = report["nodes"][0]["features"]
    assert (pages["requested"], pages["chosen"], pages["width"], pages["distinct"]) == ("auto", "numerical", 1, 4)
    assert "number" in pages["reason"]
    assert nothing["distinct"] == 1
    assert sum(report["splits"][0]["rows"].values()) == 4
    assert report["warnings"] == json.loads((folder / "processed.json").read_text())["warnings"]
    assert any("one value only" in warning for warning in report["warnings"])


def test_the_page_shows_every_feature_and_every_warning(folder: Path) -> None:
    report = json.loads((folder / "data_report.json").read_text())
    html = (folder / "data_report.html").read_text()
    assert html.startswith("<!doctype html>")
    for text in ("Book.shelf", "(Reader)-Reviewed-(Book)", "pages", "node classification", "numerical"):
        assert text in html
    for warning in report["warnings"]:
        assert warning.replace("'", "&#39;") in html


def record(task: Task, target: Target, split: SplitReport) -> ProcessedGraph:
    return ProcessedGraph(task, target, GraphSchema((NodeType("Book", 10),), ()), splits=(split,))


def test_classes_are_counted_for_every_part() -> None:
    split = SplitReport(
        "stratified", {"train": 6, "valid": 2, "test": 2}, 0, node="Book", rates=(0.6, 0.2, 0.2),
        classes={"train": (5, 1), "valid": (2, 0), "test": (1, 1)},
    )  # fmt: skip
    target = Target(node="Book", property_name="shelf", classes=("crime", "poetry"))
    parts = page(data_report(record(Task.NODE_CLASS, target, split), [])).sections[3].parts
    assert parts[1] == Bars((("crime", 5.0), ("poetry", 1.0)), "classes of the training rows")
    assert isinstance(parts[2], Table)
    assert parts[2].rows == (("crime", 5, 2, 1), ("poetry", 1, 0, 1))


def test_a_split_by_time_shows_its_periods() -> None:
    periods = {"train": ("1999", "2010"), "valid": ("2011", "2020")}
    rows = {"train": 8, "valid": 2, "test": 0}
    split = SplitReport("time", rows, 0, node="Book", rates=(0.8, 0.2, 0.0), periods=periods)
    target = Target(node="Book", property_name="pages")
    (table,) = page(data_report(record(Task.NODE_REGRESSION, target, split), [])).sections[3].parts
    assert isinstance(table, Table)
    assert table.columns[-2:] == ("first", "last")
    assert [row[-2:] for row in table.rows] == [("1999", "2010"), ("2011", "2020"), (None, None)]


def test_features_left_out_say_why() -> None:
    fact = FeatureFacts("Book", "isbn", "isbn", "auto", None, "like an id", 0, 10, 0, 0, 10, "like an id")
    split = SplitReport("random", dict.fromkeys(PARTS, 1), 7, node="Book")
    report = data_report(record(Task.NODE_REGRESSION, Target(node="Book", property_name="pages"), split), [fact])
    (table,) = page(report).sections[2].parts
    assert isinstance(table, Table)
    assert table.rows == (("isbn", "auto", "left out", 0, 0, 10, "like an id"),)
    assert dict(page(report).facts)["features"] == 0


def test_features_stand_with_their_own_type() -> None:
    rated, wrote = EdgeType("Reader", "rated", "Book"), EdgeType("Author", "rated", "Book")
    schema = GraphSchema((NodeType("Book", 10),), (EdgeSchema(rated, 10), EdgeSchema(wrote, 3)))
    fact = FeatureFacts(rated, "stars", "stars", "numerical", "numerical", "as configured", 2, 10, 0, 0, 5)
    split = SplitReport("random", {"train": 10}, 0, edge=rated)
    report = data_report(
        ProcessedGraph(Task.LINK_PREDICTION, Target(edges=(rated,)), schema, splits=(split,)), [fact]
    )
    assert [(kind.name, kind.features, kind.width) for kind in report.edges] == [
        ("(Reader)-rated-(Book)", (fact,), 2),
        ("(Author)-rated-(Book)", (), 0),
    ]
    assert report.nodes[0].features == ()


def test_drift_is_shown_for_a_later_snapshot_alone() -> None:
    moved = FeatureDrift("pages", "Kolmogorov-Smirnov", 0.25)
    kinds = (TypeDrift(10, 9, 3, 1, 10, 4, node="Book", features=(moved,)),)
    graph = record(Task.NODE_REGRESSION, Target(node="Book", property_name="pages"), SplitReport("random", {}, 0))
    titles = [section.title for section in page(data_report(graph, [])).sections]
    assert titles == ["Warnings", "Vertices and edges", "Features", "Target"]
    later = replace(graph, drift=Drift(kinds, 0.4, 0.0, 0.2))
    (section,) = [s for s in page(data_report(later, [])).sections if s.title == "Since the previous snapshot"]
    rows, shares, features = section.parts
    assert isinstance(rows, Table)
    assert rows.rows == (("Book", 10, 3, 1),)
    assert isinstance(shares, Bars)
    assert dict(shares.bars) == {"vertices": 0.4, "edges": 0.0, "train again beyond": 0.2}
    assert isinstance(features, Bars)
    assert features.bars == (("Book.pages, Kolmogorov-Smirnov", 0.25),)
    assert "Since the previous snapshot" not in [
        section.title for section in page(data_report(graph, [])).sections
    ]
