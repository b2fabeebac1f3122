"""The configuration: both shapes, aliases, and every refusal with its path."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import EdgeType, Task
from neptuneml_plugin.errors import InvalidSettings, UnsupportedOperation
from neptuneml_plugin.processing.configuration.trainingdata import (
    TrainingData,
    read_training_data,
)
from neptuneml_plugin.trainingdata.splits import SplitSpec
from tests.processing.exports import BOOKS, READERS, REVIEWS, configuration, edge, feature, node, write_export

FILES = {
    "nodes/Book.csv": BOOKS,
    "nodes/Reader.csv": READERS,
    "edges/Reviewed.csv": REVIEWS,
    "train.csv": "~id\n1\n",
}
SHELF = {"label": ["shelf", "classification"], "split_rate": [0.8, 0.1, 0.1]}
Change = Callable[[dict[str, Any]], None]


def document(**book: Any) -> dict[str, Any]:
    entry = node("Book", [feature("pages", "numerical")], [SHELF])
    return configuration(entry | book, node("Reader"), edge("Reader", "Reviewed", "Book"))


def read(folder: Path, raw: Any) -> TrainingData:
    return read_training_data(write_export(folder, FILES, raw), "training-data-configuration.json")


def test_reads_the_exporters_shape(tmp_path: Path) -> None:
    data = read(tmp_path, document())
    assert data.task is Task.NODE_CLASS
    assert [source.label for source in data.nodes] == ["Book", "Reader"]
    assert data.edges[0].type == EdgeType("Reader", "Reviewed", "Book")
    assert data.nodes[0].target is not None
    assert data.nodes[0].target.split_rate == (0.8, 0.1, 0.1)
    assert data.warnings == ()


def test_reads_the_guides_shape(tmp_path: Path) -> None:
    raw = document()
    raw["graph"] = [{**raw["graph"], "warnings": ["look here"]}]
    data = read(tmp_path, raw)
    assert (len(data.nodes), len(data.edges), data.warnings) == (2, 1, ("look here",))


def test_aliases(tmp_path: Path) -> None:
    features = [
        {
            "feature": ["pages", "", "bucket_numerical"],
            "range": [9, 1],
            "num_buckets": 3,
            "imputation": "most_frequent",
        },
        {"feature": ["pages", "year", "datetime"], "datetime_parts": ["hour", "year"]},
    ]
    bucket, date = read(tmp_path, document(features=features)).nodes[0].features
    assert (bucket.name, bucket.range, bucket.bucket_count, bucket.imputer) == (
        "pages",
        (1.0, 9.0),
        3,
        "most-frequent",
    )
    assert (date.name, date.datetime_parts) == ("year", ("year", "hour"))


@pytest.mark.parametrize(
    ("label", "rates"),
    [
        ({"label": ["shelf", "classification"]}, (0.9, 0.1, 0.0)),
        ({"label": ["shelf", "classification"], "split_rate": [1, 0, 0]}, (1.0, 0.0, 0.0)),
        ({"label": ["shelf", "classification"], "split_rate": [0.7, 0.2, 0.1]}, (0.7, 0.2, 0.1)),
    ],
)
def test_split_rates(tmp_path: Path, label: Any, rates: tuple[float, ...]) -> None:
    target = read(tmp_path, document(labels=[label])).nodes[0].target
    assert target is not None
    assert target.split_rate == rates


def test_link_prediction_by_label_has_a_split_of_its_own(tmp_path: Path) -> None:
    raw = configuration(
        node("Book"), node("Reader"), edge("Reader", "Reviewed", "Book", labels=[{"label": ["", "link_predict"]}])
    )
    data = read(tmp_path, raw)
    assert data.task is Task.LINK_PREDICTION
    assert data.edges[0].target is not None
    assert data.edges[0].target.split_rate == (0.9, 0.05, 0.05)


@pytest.mark.parametrize(
    ("label", "split", "expected"),
    [
        (["stars", "classification"], None, SplitSpec("stratified")),
        (["stars", "regression"], None, SplitSpec("random")),
        (["", "link_prediction"], {"keep_pairs": False}, SplitSpec("random", keep_pairs=False)),
        (["stars", "classification"], {"keep_pairs": False}, SplitSpec("stratified", keep_pairs=False)),
        (["stars", "classification"], {"kind": "random"}, SplitSpec("random")),
        (["stars", "regression"], {"kind": "inductive", "ends": "source"}, SplitSpec("inductive", ends="source")),
        (["stars", "regression"], {"kind": "time", "property": "at"}, SplitSpec("time", "at")),
    ],
)
def test_split(tmp_path: Path, label: Any, split: Any, expected: SplitSpec) -> None:
    entry = {"label": label} | ({"split": split} if split else {})
    raw = configuration(node("Book"), node("Reader"), edge("Reader", "Reviewed", "Book", labels=[entry]))
    target = read(tmp_path, raw).edges[0].target
    assert target is not None
    assert target.split == expected


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"ends": "source"}, "split.ends: only an inductive split of edges takes ends"),
        (
            {"kind": "inductive", "ends": "sources"},
            "split.ends: \"sources\" is not allowed (did you mean 'source'?)",
        ),
        ({"keep_pairs": "no"}, 'split.keep_pairs: must be true or false, not "no"'),
    ],
)
def test_split_problem_of_edges(tmp_path: Path, split: Any, message: str) -> None:
    label = {"label": ["", "link_prediction"], "split": split}
    raw = configuration(node("Book"), node("Reader"), edge("Reader", "Reviewed", "Book", labels=[label]))
    with pytest.raises(InvalidSettings) as caught:
        read(tmp_path, raw)
    assert [
        problem.removeprefix("graph.edges[0].labels[0].")[: len(message)] for problem in caught.value.problems
    ] == [message]


def test_foreign_members_are_named_and_misspelt_ones_refused(tmp_path: Path) -> None:
    data = read(tmp_path, document(my_note="x"))
    assert data.warnings == ("graph.nodes[0]: member 'my_note' is unknown and has no effect",)
    with pytest.raises(
        InvalidSettings, match=r"graph\.nodes\[0\]: unknown member 'feature' \(did you mean 'features'\?\)"
    ):
        read(tmp_path, document(feature=[]))


def test_members_without_effect_are_named(tmp_path: Path) -> None:
    data = read(tmp_path, document(features=[feature("shelf", "category", norm="none")]))
    assert data.warnings == ("graph.nodes[0].features[0].norm is without effect on a category feature",)


PROBLEMS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown feature type": (
        {"features": [feature("pages", "numeric")]},
        "features[0]: unknown feature type 'numeric' (did you mean 'numerical'?)",
    ),
    "bad norm": (
        {"features": [feature("pages", "numerical", norm="minmax")]},
        "features[0].norm: \"minmax\" is not allowed (did you mean 'min-max'?)",
    ),
    "bad imputer": (
        {"features": [feature("pages", "numerical", imputer="average")]},
        'features[0].imputer: "average" is not allowed (allowed: mean, median, most-frequent)',
    ),
    "imputer on category": (
        {"features": [feature("shelf", "category", imputer="median")]},
        'features[0].imputer: "median" is not allowed (allowed: most-frequent)',
    ),
    "separator on bucket": (
        {"features": [feature("pages", "bucket_numerical", range=[0, 1], bucket_cnt=2, separator=";")]},
        "features[0].separator: a bucket_numerical feature takes no separator",
    ),
    "bucket without range": (
        {"features": [feature("pages", "bucket_numerical", bucket_cnt=2)]},
        "features[0].range: must be an array of 2 numbers, not missing",
    ),
    "empty range": (
        {"features": [feature("pages", "bucket_numerical", bucket_cnt=2, range=[3, 3])]},
        "features[0].range: needs two different numbers",
    ),
    "bucket without count": (
        {"features": [feature("pages", "bucket_numerical", range=[0, 1], bucket_cnt=0)]},
        "features[0].bucket_cnt: must be a positive integer, not 0",
    ),
    "bad date part": (
        {"features": [feature("pages", "datetime", datetime_parts=["minute"])]},
        'features[0].datetime_parts: "minute" is not allowed',
    ),
    "feature without type": (
        {"features": [{"feature": ["pages", "pages"]}]},
        "features[0].feature: must be an array of 3 texts",
    ),
    "features no array": ({"features": "pages"}, 'features: must be an array, not "pages"'),
    "feature no object": ({"features": ["pages"]}, 'features[0]: must be an object, not "pages"'),
    "unknown task": (
        {"labels": [{"label": ["shelf", "classify"]}]},
        "labels[0].label[1]: \"classify\" is not allowed (did you mean 'classification'?)",
    ),
    "link prediction on vertices": (
        {"labels": [{"label": ["", "link_prediction"]}]},
        'labels[0].label[1]: "link_prediction" is not allowed',
    ),
    "no property": (
        {"labels": [{"label": ["", "classification"]}]},
        "labels[0].label[0]: names no property to predict",
    ),
    "separator on regression": (
        {"labels": [{"label": ["pages", "regression"], "separator": ";"}]},
        "labels[0].separator: only a classification has several values",
    ),
    "rates beyond one": (
        {"labels": [SHELF | {"split_rate": [0.9, 0.1, 0.1]}]},
        "labels[0].split_rate: [0.9, 0.1, 0.1] must be three shares",
    ),
    "no training rate": (
        {"labels": [SHELF | {"split_rate": [0.0, 1.0, 0.0]}]},
        "labels[0].split_rate: [0.0, 1.0, 0.0] must be three shares",
    ),
    "two rates": (
        {"labels": [SHELF | {"split_rate": [0.9, 0.1]}]},
        "labels[0].split_rate: must be an array of 3 numbers",
    ),
    "rates and files": (
        {"labels": [SHELF | {"custom_split_filenames": {"train": "train.csv", "valid": "train.csv"}}]},
        "custom_split_filenames: excludes split_rate",
    ),
    "no valid file": (
        {"labels": [{"label": SHELF["label"], "custom_split_filenames": {"train": "train.csv"}}]},
        "custom_split_filenames.valid: must be a text, not missing",
    ),
    "absent split file": (
        {
            "labels": [
                {"label": SHELF["label"], "custom_split_filenames": {"train": "train.csv", "valid": "v.csv"}}
            ]
        },
        "custom_split_filenames.valid: v.csv is not in",
    ),
    "unknown kind of split": (
        {"labels": [SHELF | {"split": {"kind": "inductve"}}]},
        "labels[0].split.kind: \"inductve\" is not allowed (did you mean 'inductive'?)",
    ),
    "misspelt member of a split": (
        {"labels": [SHELF | {"split": {"kind": "time", "property": "pages", "propery": "x"}}]},
        "labels[0].split: unknown member 'propery' (did you mean 'property'?)",
    ),
    "split no object": (
        {"labels": [SHELF | {"split": "inductive"}]},
        'labels[0].split: must be an object, not "inductive"',
    ),
    "time without property": (
        {"labels": [SHELF | {"split": {"kind": "time"}}]},
        "labels[0].split.property: must be a text, not missing",
    ),
    "time of the target": (
        {"labels": [SHELF | {"split": {"kind": "time", "property": "shelf"}}]},
        "labels[0].split.property: 'shelf' is the target itself",
    ),
    "property without time": (
        {"labels": [SHELF | {"split": {"kind": "random", "property": "pages"}}]},
        "labels[0].split.property: only a split by time takes a property, not random",
    ),
    "stratified numbers": (
        {"labels": [{"label": ["pages", "regression"], "split": {"kind": "stratified"}}]},
        "labels[0].split.kind: only a classification can be stratified by class; this is regression",
    ),
    "pairs of vertices": (
        {"labels": [SHELF | {"split": {"keep_pairs": False}}]},
        "labels[0].split.keep_pairs: only edges come in pairs",
    ),
    "ends of vertices": (
        {"labels": [SHELF | {"split": {"kind": "inductive", "ends": "source"}}]},
        "labels[0].split.ends: only an inductive split of edges takes ends",
    ),
    "split and files": (
        {
            "labels": [
                {
                    "label": SHELF["label"],
                    "split": {"kind": "random"},
                    "custom_split_filenames": {"train": "train.csv", "valid": "train.csv"},
                }
            ]
        },
        "labels[0].split.kind: custom_split_filenames deal the rows out already",
    ),
    "absent file": ({"file_name": "nodes/Bock.csv"}, "file_name: nodes/Bock.csv is not in"),
    "file outside": (
        {"file_name": "../secret.csv"},
        "file_name: ../secret.csv lies outside the folder of the export",
    ),
    "long delimiter": ({"separator": "||"}, "separator: must be one ASCII character"),
    "node no pair": ({"node": "Book"}, 'node: must be an array of 2 texts, not "Book"'),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_problem(tmp_path: Path, case: str) -> None:
    change, message = PROBLEMS[case]
    with pytest.raises(InvalidSettings) as caught:
        read(tmp_path, document(**change))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith("graph.nodes[0].")
    assert message in caught.value.problems[0]
    assert caught.value.exit_code == 2


def test_all_problems_at_once(tmp_path: Path) -> None:
    features = [
        feature("pages", "numeric"),
        feature("pages", "text_fasttext"),
        feature("pages", "numerical", norm="x"),
    ]
    with pytest.raises(InvalidSettings) as caught:
        read(tmp_path, document(features=features, file_name="nowhere.csv"))
    assert len(caught.value.problems) == 4


UNSUPPORTED: dict[str, tuple[Change, str]] = {
    "two targets of a label": (
        lambda raw: raw["graph"]["nodes"][0]["labels"].append(SHELF),
        "labels: more than one target",
    ),
    "two targets": (
        lambda raw: raw["graph"]["edges"][0].update(labels=[{"label": ["stars", "regression"]}]),
        "labels: more than one target ('shelf' (classification), 'stars' (regression))",
    ),
    "rdf": (lambda raw: raw.update(query_engine="sparql"), "RDF graphs are not supported"),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_unsupported(tmp_path: Path, case: str) -> None:
    change, message = UNSUPPORTED[case]
    raw = document()
    change(raw)
    with pytest.raises(UnsupportedOperation) as caught:
        read(tmp_path, raw)
    assert message in str(caught.value)


def test_no_edges(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no edge file is named"):
        read(tmp_path, configuration(node("Book")))


def test_missing_file_names_the_others(tmp_path: Path) -> None:
    write_export(tmp_path, FILES, document())
    with pytest.raises(InvalidSettings, match=r"by-shelf\.json: is missing.*training-data-configuration\.json"):
        read_training_data(tmp_path, "by-shelf.json")


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"graph": 3})])
def test_other_documents(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSettings):
        read_training_data(tmp_path, "c.json")
