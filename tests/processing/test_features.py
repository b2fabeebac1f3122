"""Features of a whole graph: what is told of each, the vocabulary that they share, names, raw values."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing import process
from neptuneml_plugin.processing.configuration.trainingdata import (
    read_training_data,
)
from neptuneml_plugin.processing.encoders.fitted import read_encoders
from neptuneml_plugin.processing.encoders.tfidf import TfIdf
from neptuneml_plugin.processing.graph.facts import FeatureFacts
from neptuneml_plugin.processing.graph.native import write_graph
from neptuneml_plugin.processing.reading.dropping import drop_rows
from neptuneml_plugin.processing.reading.elements import read_elements
from neptuneml_plugin.processing.reading.exportschema import read_schema
from neptuneml_plugin.processing.target import read_answers
from tests.processing.exports import configuration, edge, feature, node, write_export

CONFIGURATION = "training-data-configuration.json"
EDGES = "~from,~to,note\n0,1,one red fox\n1,2,one fox\n2,3,\n"


def export(folder: Path, columns: dict[str, list[str]], features: list[Any], edge_features: Any = ()) -> Path:
    """Write vertices 0, 1, … of the label Book with these columns."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(["~id", *columns]), *(f"{i},{','.join(row)}" for i, row in enumerate(rows))]
    files = {"nodes/Book.csv": "\n".join(lines) + "\n", "edges/next.csv": EDGES}
    return write_export(
        folder, files, configuration(node("Book", features), edge("Book", "next", "Book", edge_features))
    )


def facts(folder: Path) -> dict[str, FeatureFacts]:
    data = read_training_data(folder, CONFIGURATION)
    elements = read_elements(folder, data)
    recorded = read_schema(folder)
    answers = read_answers(folder, data, elements, recorded, 0)
    return {one.name: one for one in write_graph(folder / "graph", elements, answers, recorded).facts}


def test_facts(tmp_path: Path) -> None:
    count = 40
    columns = {
        "isbn": [f"978-{i}" for i in range(count)],
        "code": [f"c{i}" for i in range(count)],
        "same": ["x"] * count,
        "pages": ["", "n/a", "inf", *("100" if i % 2 else "200" for i in range(count - 3))],
        "when": [f"20{i:02}-01-01" for i in range(count)],
        "text": ["the story of a man", "the story of a dog"] * (count // 2),
        "empty": [""] * count,
    }
    features = [
        feature("isbn", "auto"),
        feature("code", "category"),
        feature("same", "category"),
        feature("pages", "numerical", on_error="coerce"),
        feature("when", "auto"),
        feature("text", "none"),
        feature("empty", "auto"),
    ]
    found = facts(export(tmp_path, columns, features, [feature("note", "hash", hash_width=8)]))
    assert {name: (f.requested, f.chosen, f.width, f.missing, f.distinct) for name, f in found.items()} == {
        "isbn": ("auto", None, 0, 0, 40),
        "code": ("category", "category", 40, 0, 40),
        "same": ("category", "category", 1, 0, 1),
        "pages": ("numerical", "numerical", 1, 1, 4),
        "when": ("auto", "datetime", 47, 0, 40),
        "text": ("none", "none", 0, 0, 2),
        "empty": ("auto", None, 0, 40, 0),
        "note": ("hash", "hash", 8, 1, 2),
    }
    assert {f.owner for f in found.values()} == {"Book", EdgeType("Book", "next", "Book")}
    assert found["pages"].unfit == 2
    assert [name for name, f in found.items() if f.id_like] == ["code"]
    assert [name for name, f in found.items() if f.constant] == ["same"]
    assert {str(f) for f in found.values() if f.notable} == {
        "feature 'isbn' is left out: every row has a value of its own, like an id",
        "feature 'code' has a value of its own in every row, like an id, so nothing can be learnt from it",
        "feature 'same' has one value only, so it tells no rows apart",
        "feature 'pages' has 2 values that do not fit numerical and count as missing",
        "feature 'empty' is left out: it has no values",
    }
    assert str(found["when"]) == "feature 'when' is encoded as datetime: all values are dates"


def test_notable_facts_are_warnings(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", {"same": ["x"] * 4}, [feature("same", "category")])
    summary = process.run(ProcessConfig(), folder, tmp_path / "processed")
    assert "nodes/Book.csv: feature 'same' has one value only, so it tells no rows apart" in summary.warnings


def test_texts_of_a_graph_share_one_vocabulary(tmp_path: Path) -> None:
    columns = {"title": ["red", "", "", ""], "blurb": ["fox hunt", "hunt", "x", ""]}
    features = [feature("title", "text_tfidf"), feature("blurb", "text_tfidf", min_df=1)]
    folder = export(tmp_path / "export", columns, features, [feature("note", "text_tfidf")])
    process.run(ProcessConfig(), folder, tmp_path / "processed")
    fitted = read_encoders(tmp_path / "processed" / "encoders.json")
    title, blurb = fitted.nodes["Book"]
    ((_, (note,)),) = fitted.edges
    assert isinstance(title, TfIdf)
    assert isinstance(blurb, TfIdf)
    assert isinstance(note, TfIdf)
    # Of the edges' notes only those that are learnt from: links are split.
    assert title.vocabulary == note.vocabulary
    assert set(title.vocabulary.terms) <= {"red", "fox", "hunt", "one"}
    assert {"red", "fox", "hunt", "x"} <= set(blurb.vocabulary.terms)


def test_raw_values_go_to_custom_models(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", {"text": ["a", "", "b", "a"]}, [feature("text", "none")])
    process.run(ProcessConfig(), folder, tmp_path / "processed")
    info = pickle.loads((tmp_path / "processed" / "info.pkl").read_bytes())
    assert info["node_feat_meta"]["Book"]["text"] == {"type": "raw_feat", "raw_feat": ["a", None, "b", "a"]}


# rows left out

PAGES = {"pages": ["100", "x", "300", "", "500"], "tags": ["1;2", "1;2", "1;2", "1;2", "1;2;3"]}


@pytest.mark.parametrize(
    ("features", "ids", "ends"),
    [
        ([feature("pages", "numerical", on_error="drop-row")], ["0", "2", "4"], []),
        ([feature("tags", "vector", on_error="drop-row")], ["0", "1", "2", "3"], [(0, 1), (1, 2), (2, 3)]),
        ([feature("pages", "auto", on_error="drop-row")], ["0", "1", "2", "4"], [(0, 1), (1, 2)]),
        ([feature("pages", "numerical", on_error="coerce")], ["0", "1", "2", "3", "4"], [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_vertices_are_left_out_with_their_edges(
    tmp_path: Path, features: list[Any], ids: list[str], ends: list[tuple[int, int]]
) -> None:
    folder = export(tmp_path, PAGES, features)
    elements = read_elements(folder, read_training_data(folder, CONFIGURATION))
    if not ends:
        with pytest.raises(InvalidData, match=r"no edge is left: .*2 of 5 .*; .*3 of 3 .*choose on_error"):
            drop_rows(elements)
        return
    kept, notes = drop_rows(elements)
    assert kept.nodes[0].ids.to_list() == ids
    assert kept.nodes[0].file is not None
    assert kept.nodes[0].file.column("~id").values.to_list() == ids
    (table,) = kept.edges
    assert list(zip(table.sources.tolist(), table.targets.tolist(), strict=True)) == ends
    assert len(table.file.column("note").values) == len(ends)
    left_out = 5 - len(ids)
    assert any(f"nodes/Book.csv: {left_out} of 5 rows are left out" in note for note in notes) == (left_out > 0)


def test_errors_name_the_rows_of_the_file(tmp_path: Path) -> None:
    features = [feature("pages", "numerical", on_error="drop-row"), feature("more", "numerical")]
    columns = {"pages": ["1", "x", "3", "4"], "more": ["1", "2", "3", "y"]}
    folder = export(tmp_path / "export", columns, features)
    (folder / "edges" / "next.csv").write_text("~from,~to,note\n2,3,\n")
    with pytest.raises(InvalidData, match="row 4, column 'more': 'y' is not a finite number"):
        process.run(ProcessConfig(), folder, tmp_path / "processed")


def test_edges_are_left_out_alone(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", PAGES, [], [feature("note", "category", on_error="drop-row")])
    summary = process.run(ProcessConfig(), folder, tmp_path / "processed")
    assert (summary.counts["vertices"], summary.counts["edges"]) == (5, 2)
    assert "edges/next.csv: 1 of 3 rows are left out (on_error 'drop-row')" in summary.warnings


# bad input


def test_a_hundred_thousand_categories(tmp_path: Path) -> None:
    columns = {"code": [f"c{i % 100_000}" for i in range(100_001)]}
    found = facts(export(tmp_path, columns, [feature("code", "category")]))
    assert (found["code"].width, found["code"].distinct) == (100, 100_000)


@pytest.mark.parametrize("kind", ["numerical", "vector"])
@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e999", "1,5", "0x1f", "٣x"])
def test_what_is_no_number_names_its_place(tmp_path: Path, kind: str, value: str) -> None:
    cell = f'"{value}"' if "," in value else value
    folder = export(tmp_path, {"pages": ["1", "2", cell, "4"]}, [feature("pages", kind)])
    with pytest.raises(InvalidData, match=r"nodes/Book\.csv, row 3, column 'pages': '.*' is not a finite number"):
        facts(folder)
