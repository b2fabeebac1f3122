"""Ends of edges become rows of ids, whatever the ids look like."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.elements import read_elements
from neptuneml_plugin.processing.trainingdata import read_training_data
from tests.processing.exports import configuration, edge, node, write_export

IDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=20),
    unique=True,
    min_size=1,
    max_size=30,
)


def table(names: list[str], *rows: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    return text.getvalue()


@settings(deadline=None)
@given(ids=IDS, data=st.data(), has_file=st.booleans())
def test_rows_are_those_of_the_ids(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], data: st.DataObject, *, has_file: bool
) -> None:
    ends = data.draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids)), min_size=1, max_size=40))
    folder = tmp_path_factory.mktemp("export")
    files = {
        "nodes/a.csv": table(["~id"], *((name,) for name in ids)),
        "edges/r.csv": table(["~from", "~to"], *ends),
    }
    entries = [node("a")] if has_file else []
    write_export(folder, files, configuration(*entries, edge("a", "r", "a")))
    elements = read_elements(folder, read_training_data(folder, "training-data-configuration.json"))
    names = elements.nodes[0].ids.to_list()
    assert names == (ids if has_file else sorted({name for pair in ends for name in pair}))
    linked = elements.edges[0]
    assert [(names[a], names[b]) for a, b in zip(linked.sources, linked.targets, strict=True)] == ends


def test_labels_that_only_edges_know_are_gathered_from_all_of_them(tmp_path: Path) -> None:
    files = {"edges/r.csv": "~from,~to\n3,b\n1,a\n", "edges/s.csv": "~from,~to\na,2\nc,3\n"}
    write_export(tmp_path, files, configuration(edge("n", "r", "t"), edge("t", "s", "n")))
    elements = read_elements(tmp_path, read_training_data(tmp_path, "training-data-configuration.json"))
    assert {kind.label: kind.ids.to_list() for kind in elements.nodes} == {
        "n": ["1", "2", "3"],
        "t": ["a", "b", "c"],
    }
    assert [kind.sources.tolist() for kind in elements.edges] == [[2, 0], [0, 2]]


@pytest.mark.parametrize("nodes", [[node("n")], []])
def test_an_end_that_is_missing_is_named(tmp_path: Path, nodes: list[object]) -> None:
    files = {"nodes/n.csv": "~id\n1\n2\n", "edges/r.csv": "~from,~to\n1,2\n2,\n"}
    write_export(tmp_path, files, configuration(*nodes, edge("n", "r", "n")))  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match=r"edges/r\.csv, row 2, column '~to': the id is missing"):
        read_elements(tmp_path, read_training_data(tmp_path, "training-data-configuration.json"))


def test_edges_to_a_label_without_rows_are_refused(tmp_path: Path) -> None:
    files = {"nodes/n.csv": "~id\n", "edges/r.csv": "~from,~to\n1,2\n"}
    write_export(tmp_path, files, configuration(node("n"), edge("n", "r", "n")))
    with pytest.raises(InvalidData, match=r"1 of 1 edges have a '~from' that is not a vertex of nodes/n\.csv"):
        read_elements(tmp_path, read_training_data(tmp_path, "training-data-configuration.json"))
