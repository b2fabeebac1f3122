"""Ends of edges become rows of ids, whatever the ids look like."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidData, InvalidSettings
from neptuneml_plugin.processing.configuration.trainingdata import (
    read_training_data,
)
from neptuneml_plugin.processing.reading.elements import Elements, read_elements
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


def by_relation(folder: Path, text: str, prefix: str = "is", **members: object) -> Elements:
    entry = edge("n", "r", "t", **members) | {"relation": ["kind", prefix]}
    write_export(folder, {"edges/r.csv": text}, configuration(entry))
    return read_elements(folder, read_training_data(folder, "training-data-configuration.json"))


def test_a_column_may_say_which_type_an_edge_is_of(tmp_path: Path) -> None:
    elements = by_relation(tmp_path, "~from,~to,kind,w\n1,a,new,5\n2,b,old,6\n2,a,new,7\n")
    assert [str(kind.source.type) for kind in elements.edges] == ["(n)-is-new-(t)", "(n)-is-old-(t)"]
    assert [(kind.sources.tolist(), kind.targets.tolist()) for kind in elements.edges] == [
        ([0, 1], [0, 0]),
        ([1], [1]),
    ]
    assert [kind.file.column("w").values.to_list() for kind in elements.edges] == [["5", "7"], ["6"]]


def test_relations_without_a_prefix_are_their_values(tmp_path: Path) -> None:
    elements = by_relation(tmp_path, "~from,~to,kind\n1,a,new\n", prefix="")
    assert [kind.source.type.label for kind in elements.edges] == ["new"]


def test_a_missing_relation_is_named_by_its_row(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"edges/r\.csv, row 2, column 'kind': the relation is missing"):
        by_relation(tmp_path, "~from,~to,kind\n1,a,new\n2,b,\n")


def test_an_unknown_end_among_relations_is_named(tmp_path: Path) -> None:
    entry = edge("n", "r", "n") | {"relation": ["kind", ""]}
    files = {"nodes/n.csv": "~id\n1\n", "edges/r.csv": "~from,~to,kind\n1,1,a\n1,1,b\n1,9,b\n"}
    write_export(tmp_path, files, configuration(node("n"), entry))
    with pytest.raises(InvalidData, match=r"1 of 2 edges have a '~to' that is not a vertex of .* \(such as '9'\)"):
        read_elements(tmp_path, read_training_data(tmp_path, "training-data-configuration.json"))


def test_one_type_from_two_files_is_refused(tmp_path: Path) -> None:
    entries = edge("n", "is-new", "t"), edge("n", "r", "t") | {"relation": ["kind", "is"]}
    files = {"edges/is-new.csv": "~from,~to\n1,a\n", "edges/r.csv": "~from,~to,kind\n1,a,new\n"}
    write_export(tmp_path, files, configuration(*entries))
    with pytest.raises(InvalidData, match=r"edges of \(n\)-is-new-\(t\) stand elsewhere too"):
        read_elements(tmp_path, read_training_data(tmp_path, "training-data-configuration.json"))


def test_properties_of_several_types_cannot_be_predicted(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="of which only links can be predicted"):
        by_relation(tmp_path, "~from,~to,kind,w\n1,a,b,5\n", labels=[{"label": ["w", "regression"]}])
