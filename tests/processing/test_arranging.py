"""The order of a later snapshot: known elements first, as they stood, then new ones, and no gaps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.trainingdata import (
    read_training_data,
)
from neptuneml_plugin.processing.reading.elements import read_elements
from neptuneml_plugin.processing.snapshots.arranging import arrange, rows_before
from neptuneml_plugin.processing.snapshots.previous import open_previous
from tests.planted import planted_export
from tests.processing.exports import configuration, edge, feature, node, write_export
from tests.processing.snapshots import CONFIGURATION, edges, ids, later, processed

Graph = tuple[list[str], list[tuple[str, str]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Vertices in any order, and edges between them, several between the same two among them."""
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=2, unique=True))
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names))
    return names, draw(st.lists(ends, min_size=1, max_size=12))


def export(folder: Path, graph: Graph) -> Path:
    names, pairs = graph
    folder.mkdir()
    files = {
        "nodes/X.csv": "~id,v\n" + "".join(f"{name},{ord(name)}\n" for name in names),
        "edges/r.csv": "~from,~to,w\n" + "".join(f"{a},{b},{i}\n" for i, (a, b) in enumerate(pairs)),
    }
    x = node("X", [feature("v", "numerical", norm="none")])
    links = [{"label": ["", "link_prediction"], "split_rate": [1, 0, 0]}]
    r = edge("X", "r", "X", [feature("w", "numerical", norm="none")], links)
    return write_export(folder, files, configuration(x, r))


def expected_edges(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the known edges in their old order, then the new ones in theirs, by counting."""
    left: list[Any] = list(after)
    known = []
    for pair in before:
        if pair in left:
            left.remove(pair)
            known.append(pair)
    # Of several between the same two, the first ones are the known ones.
    new, counts = [], {pair: known.count(pair) for pair in known}
    for pair in after:
        if counts.get(pair, 0):
            counts[pair] -= 1
        else:
            new.append(pair)
    return known + new


@settings(max_examples=25, deadline=None)
@given(before=graphs(), after=graphs())
def test_order(tmp_path_factory: pytest.TempPathFactory, before: Graph, after: Graph) -> None:
    folder = tmp_path_factory.mktemp("order")
    first = processed(export(folder / "e1", before), folder / "p1")
    second = processed(export(folder / "e2", after), folder / "p2", previous=folder / "p1")
    assert ids(first, "X") == before[0]
    new = [name for name in after[0] if name not in before[0]]
    assert ids(second, "X") == [name for name in before[0] if name in after[0]] + new
    assert edges(second, 0) == expected_edges(before[1], after[1])
    values = second.node(0).features["v"][:, 0].tolist()
    assert values == [float(ord(name)) for name in ids(second, "X")]
    weights = second.edge(0).features["w"][:, 0].astype(int).tolist()
    assert sorted(weights) == list(range(len(after[1])))
    assert [after[1][w] for w in weights] == edges(second, 0)


def test_rows_before_are_those_of_the_same_elements(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e1", Task.NODE_CLASS, nodes=60)
    first = processed(source, tmp_path / "p1")
    other = later(source, tmp_path / "e2", gone=["item-3", "item-59"], new=4)
    elements = read_elements(other, read_training_data(other, CONFIGURATION))
    arranged = arrange(elements, open_previous(tmp_path / "p1"))
    item = arranged.elements.nodes[0]
    rows = arranged.rows["item"]
    assert rows.tolist() == [row for row in range(60) if row not in {3, 59}] + [-1] * 4
    assert item.ids.to_list()[:58] == [ids(first, "item")[row] for row in rows[:58]]
    assert sorted(item.ids.to_list()[58:]) == ["new-0", "new-1", "new-2", "new-3"]
    linked = arranged.elements.edges[0]
    before = arranged.rows[linked.source.type]
    known = before >= 0
    assert (np.diff(before[known]) > 0).all()
    assert known[: known.sum()].all()
    names = item.ids.to_list()
    ends = [(names[a], names[b]) for a, b in zip(linked.sources, linked.targets, strict=True)]
    old = edges(first, 0)
    assert [old[row] for row in before[known]] == [
        end for end, is_known in zip(ends, known, strict=True) if is_known
    ]
    assert len(old) - known.sum() == sum("item-3" in pair or "item-59" in pair for pair in old)


def test_a_message_names_the_row_of_the_file(tmp_path: Path) -> None:
    processed(export(tmp_path / "e1", (["a", "b", "c"], [("a", "b")])), tmp_path / "p1")
    other = export(tmp_path / "e2", (["c", "b", "a"], [("a", "b")]))
    path = other / "nodes" / "X.csv"
    path.write_text(path.read_text().replace("a,97", "a,many"))
    with pytest.raises(InvalidData, match=r"nodes/X\.csv, row 3, column 'v': 'many' is not a finite number"):
        processed(other, tmp_path / "p2", previous=tmp_path / "p1")


CITY = "~id,v\na,1\nb,2\n"


def cities(folder: Path, files: Mapping[str, str], *entries: Any) -> Path:
    folder.mkdir()
    return write_export(
        folder, {"nodes/X.csv": CITY, "edges/r.csv": "~from,~to\na,b\n", **files}, configuration(*entries)
    )


X = node("X", [feature("v", "numerical", norm="none")])
Y = node("Y", [feature("colour", "category")])
R, S = edge("X", "r", "X"), edge("X", "s", "Y")
WITH_Y = {"nodes/Y.csv": "~id,colour\ny1,red\ny2,blue\n", "edges/s.csv": "~from,~to\na,y1\n"}


def test_new_types_are_left_out_by_name(tmp_path: Path) -> None:
    first = processed(cities(tmp_path / "e1", {}, X, R), tmp_path / "p1")
    second = processed(cities(tmp_path / "e2", WITH_Y, Y, X, S, R), tmp_path / "p2", previous=tmp_path / "p1")
    assert second.record.schema == first.record.schema
    told = [text for text in second.record.warnings if "is new since the previous snapshot and left out" in text]
    assert [text.split(" is new")[0] for text in told] == ["vertex label 'Y'", "edge type (X)-s-(Y)"]


def test_types_that_are_gone_stay_without_rows(tmp_path: Path) -> None:
    first = processed(cities(tmp_path / "e1", WITH_Y, X, Y, R, S), tmp_path / "p1")
    second = processed(cities(tmp_path / "e2", {}, X, R), tmp_path / "p2", previous=tmp_path / "p1")
    schema = second.record.schema
    assert [(node.label, node.count, node.features) for node in schema.nodes] == [
        ("X", 2, first.record.schema.nodes[0].features),
        ("Y", 0, first.record.schema.nodes[1].features),
    ]
    assert [edge.count for edge in schema.edges] == [1, 0]
    assert second.node(1).features["colour"].shape == (0, 2)
    told = [text for text in second.record.warnings if "it stays as a type without rows" in text]
    assert [text.split(" of the")[0] for text in told] == ["vertex label 'Y'", "edge type (X)-s-(Y)"]
    third = processed(cities(tmp_path / "e3", WITH_Y, X, Y, R, S), tmp_path / "p3", previous=tmp_path / "p2")
    assert third.node(1).features["colour"].tolist() == first.node(1).features["colour"].tolist()


@given(st.lists(st.integers(-1, 5)), st.lists(st.integers(-1, 5)))
def test_equal_keys_are_matched_in_turn(old: list[int], new: list[int]) -> None:
    left = [(key, row) for row, key in enumerate(old) if key >= 0]
    expected = []
    for key in new:
        match = next((pair for pair in left if pair[0] == key), (key, -1))
        expected.append(match[1])
        left = [pair for pair in left if pair != match]
    found = rows_before(np.array(old, dtype=np.int64), np.array(new, dtype=np.int64))
    assert found.tolist() == expected
