"""Tables: their bytes, and that they say what the worker says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neptuneml_plugin import table
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.ids import IdColumn, write_ids
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from neptuneml_plugin.table import rank_classes, write_class_table, write_id_table, write_value_table
from tests.listed_answers import listed
from tests.made_artifacts import KNOWS, Made, make_artifact
from tests.read_table import Table, read_table

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in (GOLDEN / "table").glob("*.json"))


def written(folder: Path, case: dict[str, Any]) -> bytes:
    """Write the table that a golden case describes."""
    write_ids(folder, [row["id"] for row in case["rows"]])
    ids, path = IdColumn(folder), folder / "table.bin"
    if case["kind"] == "ids":
        write_id_table(path, ids)
    elif case["kind"] == "values":
        values = [row["answers"][0]["value"] if row["answers"] else np.nan for row in case["rows"]]
        write_value_table(path, ids, np.array(values, np.float64))
    else:
        probabilities = np.full((len(case["rows"]), len(case["classes"])), np.nan, np.float32)
        for line, row in zip(probabilities, case["rows"], strict=True):
            for answer in row["answers"]:
                line[case["classes"].index(answer["value"])] = answer["score"]
        write_class_table(path, ids, case["classes"], [probabilities])
    return path.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_golden_tables(tmp_path: Path, name: str) -> None:
    case = json.loads((GOLDEN / "table" / f"{name}.json").read_text())
    content = (GOLDEN / "table" / f"{name}.bin").read_bytes()
    assert written(tmp_path, case) == content
    read = read_table(content)
    assert read.header["kind"] == case["kind"]
    assert read.header.get("classes") == case.get("classes")
    assert len(read.hashes) == len(case["rows"])
    for row in case["rows"]:
        answers = [
            {"value": value} | ({} if s is None else {"score": s}) for value, s in read.answers(row["id"]) or ()
        ]
        assert answers == row["answers"]
    assert [read.answers(unknown) for unknown in case["unknown"]] == [None] * len(case["unknown"])


def test_the_golden_tables_cover_every_kind() -> None:
    kinds = {json.loads((GOLDEN / "table" / f"{name}.json").read_text())["kind"] for name in CASES}
    assert kinds == {"classes", "values", "ids"}


def test_golden_hashes() -> None:
    vectors = json.loads((GOLDEN / "xxh64.json").read_text())
    assert {len(vector["text"].encode()) for vector in vectors} >= set(range(101))
    for vector in vectors:
        assert vector["hash"] == f"{xxhash.xxh64_intdigest(vector['text'].encode()):016x}"
    by_text = {vector["text"]: vector["hash"] for vector in vectors}
    assert by_text[""] == "ef46db3751d8e999"  # of the algorithm's specification
    assert by_text["abc"] == "44bc2cf5ad770999"


NUMBERS = st.floats(0, 1, width=32) | st.sampled_from([0.0, 0.5, float("nan"), float("inf"), -float("inf")])


def artifact(folder: Path, task: Task, predictions: Any) -> tuple[Table, Predictor, tuple[str, ...]]:
    ids = tuple(f"é{number}" for number in range(len(predictions)))
    classes = tuple(f"c{number}" for number in range(predictions.shape[1]))
    overrides = {"nodes/1/predictions.npy": predictions}
    make_artifact(
        folder, Made(task, movies=ids, classes=classes, multi_label=True, overrides=overrides, training_edges=[])
    )
    return read_table((folder / "nodes/1/table.bin").read_bytes()), open_predictor(folder)[1], ids


def worker_says(predictor: Predictor, ids: tuple[str, ...], **parameters: Any) -> list[Any]:
    answers = predictor.answer(Invocation(Mode.PREDICT, Items(nodes=ids), **parameters), lambda: None)
    return [[(answer.value, answer.score) for answer in item] for item in listed(answers)]


@settings(max_examples=40)
@given(data=st.data(), rows=st.integers(0, 12), classes=st.integers(1, 11), block=st.sampled_from([1, 3, 1 << 16]))
def test_a_table_of_classes_says_what_the_worker_says(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: int, classes: int, block: int
) -> None:
    predictions = data.draw(arrays.arrays(np.float32, (rows, classes), elements=NUMBERS))
    folder = tmp_path_factory.mktemp("classes")
    read, predictor, ids = artifact(folder, Task.NODE_CLASS, predictions)
    blocks = (predictions[start : start + block] for start in range(0, rows, block))
    write_class_table(folder / "blocks", IdColumn(folder / "nodes/1"), read.header["classes"], blocks)
    assert (folder / "blocks").read_bytes() == (folder / "nodes/1/table.bin").read_bytes()
    topk = data.draw(st.integers(1, table.LARGEST_K))
    threshold = data.draw(st.floats(0, 1) | st.sampled_from([0.5, float(np.float32(0.1))]))
    asked = worker_says(predictor, ids, topk=topk, threshold=threshold, score=True)
    for name, expected in zip(ids, asked, strict=True):
        kept = [
            (value, score) for value, score in read.answers(name) or () if score is not None and score >= threshold
        ]
        assert kept[:topk] == expected


@settings(max_examples=40)
@given(values=st.lists(st.floats(), max_size=12))
def test_a_table_of_values_says_what_the_worker_says(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    predictions = np.array(values, np.float64)[:, None]
    read, predictor, ids = artifact(tmp_path_factory.mktemp("values"), Task.NODE_REGRESSION, predictions)
    assert [list(read.answers(name) or ()) for name in ids] == worker_says(predictor, ids)


def test_link_prediction_has_a_table_of_ids_for_every_end(tmp_path: Path) -> None:
    make_artifact(tmp_path / "two", Made(Task.LINK_PREDICTION))
    for position, ids in enumerate((("1", "2", "3"), ("a", "b", "c", "d", "e"))):
        read = read_table((tmp_path / f"two/nodes/{position}/table.bin").read_bytes())
        assert (read.header, len(read.hashes)) == ({"kind": "ids"}, len(ids))
        assert all(read.answers(name) == () for name in ids)
        assert read.answers("zz") is None
    make_artifact(tmp_path / "one", Made(Task.LINK_PREDICTION, edge=KNOWS))
    assert not (tmp_path / "one/nodes/1/table.bin").exists()


def test_every_part_is_a_multiple_of_eight_bytes_long(tmp_path: Path) -> None:
    write_ids(tmp_path, ["a"])
    for length in range(9):
        write_class_table(tmp_path / "t", IdColumn(tmp_path), ["x" * length, "é"], [np.ones((1, 2), np.float32)])
        content = (tmp_path / "t").read_bytes()
        assert len(content) % 8 == 0
        assert read_table(content).answers("a") == (("x" * length, 1.0), ("é", 1.0))


def test_ranks_are_stable_and_what_is_not_finite_comes_last() -> None:
    given_ = np.array([[0.5, np.nan, 0.5, 0.75], [np.inf, 0.0, np.nan, -np.inf]], np.float32)
    best, scores = rank_classes(given_, 4)
    assert best.tolist() == [[3, 0, 2, 1], [1, 0, 2, 3]]
    assert scores.tolist() == [[0.75, 0.5, 0.5, -1], [0, -1, -1, -1]]
    first, _ = rank_classes(given_, 1)
    assert first.tolist() == [[3], [1]]
