"""Configurations of version 1 mean what they would mean in version 2, and their problems keep their places."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType, Task
from neptuneml_plugin.errors import InvalidSettings, NeptuneMLError
from neptuneml_plugin.problems import Problems
from neptuneml_plugin.processing.configuration.trainingdata import (
    TrainingData,
    read_training_data,
)
from neptuneml_plugin.processing.configuration.version1 import translate
from tests.processing.exports import BOOKS, READERS, REVIEWS, configuration, edge, feature, node, write_export

FILES = {"nodes/Book.csv": BOOKS, "nodes/Reader.csv": READERS, "edges/Reviewed.csv": REVIEWS}
REVIEWED = ["Reader", "Reviewed", "Book"]
KEYS = {"node": ["~id"], "edge": ["~from", "~to"]}


def of_type(kind: str) -> dict[str, Any]:
    return {"node_type": kind} if kind != "Reviewed" else {"edge_type": REVIEWED}


def item(kind: str, name: str, encoding: str, **members: Any) -> dict[str, Any]:
    """Return a feature of version 1."""
    element = "edge" if kind == "Reviewed" else "node"
    head = {"feat_type": element, "sub_feat_type": encoding, "cols": [*KEYS[element], name]}
    return {**head, **members, **of_type(kind)}


def label(kind: str, name: str, task: str, **members: Any) -> dict[str, Any]:
    """Return a label of version 1."""
    element = "edge" if kind == "Reviewed" else "node"
    head = {"label_type": element, "sub_label_type": f"{element}_{task}_label", "cols": [*KEYS[element], name]}
    return {**head, **members, **of_type(kind)}


def file(name: str, **sections: Any) -> dict[str, Any]:
    return {"file_name": name, "separator": ",", **sections}


EDGES_ALONE = {"edge_spec_type": "edge", "cols": ["~from", "~to"], "edge_type": REVIEWED}
BOOK = file(
    "nodes/Book.csv",
    labels=[label("Book", "shelf", "class", split_rate=[0.8, 0.1, 0.1])],
    features=[item("Book", "pages", "bucket_numerical", range=[0, 9], bucket_cnt=3, slide_window_size=0)],
)
READER = file("nodes/Reader.csv", features=[item("Reader", "age", "numerical", norm="min-max")])
LINKS = file("edges/Reviewed.csv", edges=[EDGES_ALONE])


def read(folder: Path, graph: Any, **members: Any) -> TrainingData:
    source = write_export(folder, FILES, {"graph": graph, "warnings": [], **members})
    return read_training_data(source, "training-data-configuration.json")


def problems(folder: Path, graph: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        read(folder, graph)
    return caught.value.problems


def test_it_reads_as_the_same_configuration_of_version_2(tmp_path: Path) -> None:
    second = configuration(
        node(
            "Book",
            [feature("pages", "bucket_numerical", range=[0, 9], bucket_cnt=3, imputer="median")],
            [{"label": ["shelf", "classification"], "split_rate": [0.8, 0.1, 0.1]}],
        ),
        node("Reader", [feature("age", "numerical", norm="min-max", imputer="median")]),
        edge(*REVIEWED),
    )
    expected = read(tmp_path / "2", second["graph"], version="v2.0")
    assert read(tmp_path / "1", [BOOK, READER, LINKS]) == expected
    assert read(tmp_path / "said", [BOOK, READER, LINKS], version="v1.0") == expected


def test_edges_carry_labels_and_features(tmp_path: Path) -> None:
    stars = label("Reviewed", "stars", "regression", split_rate=[0.7, 0.1, 0.2])
    when = item("Reviewed", "~id", "numerical", norm="standard")
    data = read(tmp_path, [file("edges/Reviewed.csv", labels=[stars], features=[when])])
    assert data.task is Task.EDGE_REGRESSION
    assert data.edges[0].type == EdgeType(*REVIEWED)
    assert (data.edges[0].source_column, data.edges[0].target_column) == ("~from", "~to")
    assert [(spec.column, spec.type, spec.norm) for spec in data.edges[0].features] == [
        ("~id", "numerical", "standard")
    ]


def test_without_labels_links_are_learnt(tmp_path: Path) -> None:
    assert read(tmp_path, [READER, LINKS]).task is Task.LINK_PREDICTION


def test_a_label_without_rates_takes_those_of_version_1(tmp_path: Path) -> None:
    data = read(tmp_path, [file("nodes/Book.csv", labels=[label("Book", "shelf", "class")]), LINKS])
    assert data.nodes[0].target is not None
    assert data.nodes[0].target.split_rate == (0.7, 0.1, 0.2)


def test_a_feature_of_several_columns_is_one_for_each(tmp_path: Path) -> None:
    several = item("Book", "pages", "category", separator=";") | {"cols": ["~id", "pages", "shelf"]}
    data = read(tmp_path, [file("nodes/Book.csv", features=[several]), LINKS])
    assert [(spec.column, spec.type, spec.separator) for spec in data.nodes[0].features] == [
        ("pages", "category", ";"),
        ("shelf", "category", ";"),
    ]


def test_word2vec_is_read(tmp_path: Path) -> None:
    words = item("Book", "shelf", "word2vec", language=["en_core_web_lg"])
    data = read(tmp_path, [file("nodes/Book.csv", features=[words]), LINKS])
    assert [(spec.type, spec.language) for spec in data.nodes[0].features] == [("text_word2vec", "en_core_web_lg")]


def test_a_file_of_vertices_without_columns_is_named_after_its_label(tmp_path: Path) -> None:
    source = write_export(
        tmp_path, {**FILES, "nodes/Big+Shop%3BShop.consolidated.csv": "~id,~label\n1,x\n"},
        {"graph": [file("nodes/Big+Shop%3BShop.consolidated.csv"), LINKS]},
    )  # fmt: skip
    data = read_training_data(source, "training-data-configuration.json")
    assert [source.label for source in data.nodes] == ["Big Shop;Shop"]


def test_problems_stand_where_they_were_written(tmp_path: Path) -> None:
    several = item("Book", "pages", "category") | {"cols": ["~id", "pages", "shelf"]}
    graph = [
        LINKS,
        file("nodes/Book.csv", features=[several, item("Book", "pages", "numerica")]),
        file("nodes/Nowhere.csv", features=[item("Reader", "age", "numerical", norm="minmax")]),
        file("nodes/Reader.csv", labels=[label("Shop", "age", "regression", split_rate=[1, 1, 1])]),
        file("edges/Other.csv"),
        file("nodes/Reader.csv", features=[{"sub_feat_type": "numerical", "cols": ["~id", "age"]}]),
    ]
    found = problems(tmp_path, graph)
    starts = [
        "graph[1].features[1]: unknown feature type 'numerica' (did you mean 'numerical'?)",
        "graph[2].file_name: nodes/Nowhere.csv is not in",
        "graph[2].features[0].norm:",
        "graph[3].labels[0].split_rate:",
        "graph[4]: names no feature, label or edge",
        "graph[5].features[0]: must name its 'node_type'",
    ]
    for start in starts:
        assert any(problem.startswith(start) for problem in found), (start, found)
    assert len(found) == len(starts)


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        ("text", 'graph: must be an array of files in version 1, not "text"'),
        ([3], "graph[0]: must be an object, not 3"),
        ([{"file_name": "nodes/Book.csv", "featurs": []}, LINKS], "unknown member 'featurs'"),
        (
            [file("nodes/Book.csv", features=[item("Book", "pages", "numerical") | {"cols": []}])],
            "graph[0].features[0].cols: must be an array of the id's column",
        ),
        ([file("nodes/Book.csv", labels=[label("Book", "shelf", "clas")]), LINKS], "graph[0].labels[0].label[1]"),
        ([file("e.csv", edges=[{"cols": ["~from", "~to"], "edge_type": ["a", "b"]}])], "three texts"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, graph: Any, problem: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(tmp_path, graph, version="v1.0")
    assert any(problem in found for found in caught.value.problems), caught.value.problems


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["~id", "Book", "nodes/a.csv"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*sorted(BOOK), "cols"]), inner),
    max_leaves=20,
)
MEMBERS = ["file_name", "features", "labels", "edges", "cols", "node_type", "edge_type", "sub_feat_type"]
DOCUMENTS = st.lists(st.dictionaries(st.sampled_from(MEMBERS), JSON), max_size=3)


@given(DOCUMENTS)
def test_any_document_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, graph: Any) -> None:
    folder = tmp_path_factory.mktemp("v1")
    try:
        read(folder, graph, version="v1.0")
    except NeptuneMLError as error:
        assert error.exit_code == 2  # noqa: PT017 - success is allowed


@given(DOCUMENTS)
def test_every_entry_has_a_place(graph: Any) -> None:
    translation = translate(graph, Problems())
    for kind, entries in translation.graph().items():
        for position, entry in enumerate(entries):
            assert translation.places[f"graph.{kind}[{position}]"].startswith("graph[")
            for section in ("features", "labels"):
                for index in range(len(entry.get(section, []))):
                    assert section in translation.places[f"graph.{kind}[{position}].{section}[{index}]"]
