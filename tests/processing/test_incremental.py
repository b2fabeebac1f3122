"""A snapshot after another: the same encoders, classes and parts, and the refusal of what does not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from neptuneml_plugin.artifacts import ENCODERS, PARTS, Task
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processed import ProcessedFolder
from neptuneml_plugin.processing.configuration.trainingdata import (
    read_training_data,
)
from neptuneml_plugin.processing.encoders.fitted import read_encoders
from neptuneml_plugin.processing.reading.elements import read_elements
from tests.planted import planted_export
from tests.processing.exports import BOOKS, change_labels, feature, library, twins
from tests.processing.snapshots import CONFIGURATION, ITEMS, edges, ids, later, processed, read, write

RATES = (0.7, 0.15, 0.15)


def parts(opened: ProcessedFolder) -> npt.NDArray[np.int64]:
    """Return the part of each row of the first target type, -1 for none."""
    schema, target = opened.record.schema, opened.record.target
    columns = opened.node(schema.node(target.node)) if target.node else opened.edge(schema.edge(target.edges[0]))
    found = np.full(len(columns.masks["train"]), -1)
    for number, part in enumerate(PARTS):
        found[columns.masks[part]] = number
    return found


def keys(opened: ProcessedFolder) -> list[Any]:
    """Return the ids, or ends, of the rows of the first target type."""
    target = opened.record.target
    if target.node:
        return list(ids(opened, target.node))
    return list(edges(opened, opened.record.schema.edge(target.edges[0])))


@pytest.mark.parametrize("task", Task)
def test_encoders_are_those_of_before_row_by_row(task: Task, tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e1", task, nodes=120)
    processed(source, tmp_path / "p1")
    other = later(source, tmp_path / "e2", gone=["item-0", "item-7"], new=9)
    second = processed(other, tmp_path / "p2", previous=tmp_path / "p1")
    assert (tmp_path / "p2" / ENCODERS).read_bytes() == (tmp_path / "p1" / ENCODERS).read_bytes()
    encoders = read_encoders(tmp_path / "p1" / ENCODERS)
    elements = read_elements(other, read_training_data(other, CONFIGURATION))
    for position, table in enumerate(elements.nodes):
        assert table.file is not None
        rows = second.ids(position).rows(table.ids.to_list())
        for encoder in encoders.nodes[table.label]:
            whole = encoder.encode(table.file.column(encoder.column))
            assert np.array_equal(whole, second.node(position).features[encoder.name][rows])


@pytest.mark.parametrize("task", Task)
def test_known_rows_keep_their_part_and_new_ones_fill_the_rates(task: Task, tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e1", task, nodes=200)
    first = processed(source, tmp_path / "p1")
    other = later(source, tmp_path / "e2", gone=[f"item-{i}" for i in range(150, 170)], new=60)
    second = processed(other, tmp_path / "p2", previous=tmp_path / "p1", seed=5)
    before = dict(zip(keys(first), parts(first).tolist(), strict=True))
    after = dict(zip(keys(second), parts(second).tolist(), strict=True))
    assert {key: part for key, part in after.items() if key in before} == {
        key: part for key, part in before.items() if key in after
    }
    assert len(before.keys() & after.keys()) < len(after)
    assert np.bincount(parts(second)) / len(after) == pytest.approx(RATES, abs=0.02)


@pytest.mark.parametrize("task", [Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
def test_a_new_edge_joins_the_part_of_its_pair(task: Task, tmp_path: Path) -> None:
    source = twins(tmp_path, task)
    road = pl.read_csv(source / "edges/road.csv", infer_schema=False)
    write(source, "edges/road.csv", road[::2])  # without the ways back
    first = processed(source, tmp_path / "p1")
    write(source, "edges/road.csv", road)
    second = processed(source, tmp_path / "p2", previous=tmp_path / "p1")
    of = dict(zip(keys(first), parts(first).tolist(), strict=True))
    assert len(keys(second)) == 2 * len(of) == 400
    for (a, b), part in zip(keys(second), parts(second).tolist(), strict=True):
        assert part == of.get((a, b), of.get((b, a)))


def test_held_out_vertices_stay_held_out(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e1", Task.LINK_PREDICTION, nodes=200)
    change_labels(source, split={"kind": "inductive"})
    first = processed(source, tmp_path / "p1")
    other = later(source, tmp_path / "e2", gone=["item-3"], new=80)
    second = processed(other, tmp_path / "p2", previous=tmp_path / "p1")
    item = second.record.schema.node("item")
    before = dict(zip(ids(first, "item"), np.asarray(first.held_out(item)).tolist(), strict=True))
    after = dict(zip(ids(second, "item"), np.asarray(second.held_out(item)).tolist(), strict=True))
    assert all(after[name] == held for name, held in before.items() if name in after)
    assert any(held for name, held in after.items() if name not in before)
    known = dict(zip(keys(first), parts(first).tolist(), strict=True))
    for (a, b), part in zip(keys(second), parts(second).tolist(), strict=True):
        assert part == known.get((a, b), part)
        assert (part > 0) == (after[a] or after[b])  # nothing of a vertex held out is learnt from


def test_vertices_of_an_inductive_split(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e1", Task.NODE_CLASS, nodes=200)
    change_labels(source, split={"kind": "inductive"})
    processed(source, tmp_path / "p1")
    second = processed(later(source, tmp_path / "e2", new=50), tmp_path / "p2", previous=tmp_path / "p1")
    assert np.array_equal(np.asarray(second.held_out(0)), parts(second) > 0)


def test_a_few_new_rows_do_not_pile_up_in_validation(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_REGRESSION, nodes=100)
    items = read(source, ITEMS)
    write(source, ITEMS, items)
    previous = tmp_path / "p0"
    processed(source, previous)
    for night in range(1, 4):
        new = items[:2].with_columns(pl.col("~id") + f"-night-{night}")
        items = pl.concat([items, new])
        write(source, ITEMS, items)
        opened = processed(source, tmp_path / f"p{night}", previous=previous)
        previous = tmp_path / f"p{night}"
    assert np.bincount(parts(opened)).tolist() == [74, 16, 16]


SHELF = [{"label": ["shelf", "classification"], "split_rate": [0.5, 0.5, 0.0]}]


def books(folder: Path, rows: str = "", *, labels: Any = SHELF, pages: str = "numerical") -> Path:
    folder.mkdir()
    features = [feature("pages", pages)]
    return library(folder, book_features=features, book_labels=labels, files={"nodes/Book.csv": BOOKS + rows})


NEW = "5,Book,9,art\n6,Book,9,poetry\n"


def test_the_class_map_stays_and_new_classes_are_named(tmp_path: Path) -> None:
    first = processed(books(tmp_path / "e1"), tmp_path / "p1")
    second = processed(books(tmp_path / "e2", NEW), tmp_path / "p2", tmp_path / "p1")
    assert second.record.target == first.record.target
    assert second.record.target.classes == ("crime", "poetry")
    assert second.node(0).labels is not None
    assert np.asarray(second.node(0).labels).tolist() == [0, 1, 0, 1, -1, 1]
    assert parts(second)[4] == -1
    (told,) = (text for text in second.record.warnings if "classes that the previous snapshot" in text)
    assert told.startswith("'shelf': 1 values are of classes that the previous snapshot does not have ('art')")


def test_several_classes(tmp_path: Path) -> None:
    labels = [{**SHELF[0], "separator": ";"}]
    processed(books(tmp_path / "e1", labels=labels), tmp_path / "p1")
    second = processed(
        books(tmp_path / "e2", "5,Book,9,art;crime\n6,Book,9,art\n", labels=labels),
        tmp_path / "p2",
        tmp_path / "p1",
    )
    values = np.asarray(second.node(0).labels)
    assert values[4].tolist() == [1.0, 0.0]
    assert np.isnan(values[5]).all()


REFUSED: dict[str, tuple[Any, str]] = {
    "another task": (
        {"labels": [{"label": ["pages", "regression"]}]},
        r"asks for node_regression of 'Book', property 'pages', .*was processed for node_class of 'Book'",
    ),
    "no target": ({"labels": None}, r"asks for link_prediction of \(Reader\)-Reviewed-\(Book\)"),
    "several classes": (
        {"labels": [{**SHELF[0], "separator": ";"}]},
        r"'shelf' has several classes in a row, in .* one; set its separator alike",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_another_target_is_refused(case: str, tmp_path: Path) -> None:
    settings, message = REFUSED[case]
    processed(books(tmp_path / "e1"), tmp_path / "p1")
    with pytest.raises(InvalidData, match=message):
        processed(books(tmp_path / "e2", **settings), tmp_path / "p2", tmp_path / "p1")
    assert not (tmp_path / "p2").exists()


def change_features(source: Path, features: Any) -> Path:
    path = source / CONFIGURATION
    document = json.loads(path.read_text())
    document["graph"]["nodes"][0]["features"] = features
    path.write_text(json.dumps(document))
    return source


def test_a_feature_that_is_missing_is_refused(tmp_path: Path) -> None:
    processed(books(tmp_path / "e1"), tmp_path / "p1")
    other = change_features(books(tmp_path / "e2"), [])
    with pytest.raises(InvalidData, match="feature 'pages' of Book is in the previous snapshot, but not in the"):
        processed(other, tmp_path / "p2", tmp_path / "p1")


def test_a_new_feature_is_left_out_and_another_type_has_no_effect(tmp_path: Path) -> None:
    first = processed(books(tmp_path / "e1"), tmp_path / "p1")
    features = [feature("~label", "category"), feature("pages", "category")]
    second = processed(change_features(books(tmp_path / "e2"), features), tmp_path / "p2", tmp_path / "p1")
    assert second.record.schema == first.record.schema
    told = "\n".join(second.record.warnings)
    assert "feature '~label' is left out: it has no encoder in the previous snapshot" in told
    assert "feature 'pages' stays numerical as in the previous snapshot, not category" in told


def test_ids_of_another_class_are_refused(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=30)
    processed(source, tmp_path / "p1")
    schema = json.loads((source / "config.json").read_text())
    schema["nodes"][1]["idType"] = "Long"
    (source / "config.json").write_text(json.dumps(schema))
    with pytest.raises(InvalidData, match=r"ids of 'tag' are of the class Long, in .*p1 Integer"):
        processed(source, tmp_path / "p2", tmp_path / "p1")


def test_previous_is_no_processed_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"processed\.json is missing; is .*nowhere the output of"):
        processed(books(tmp_path / "e"), tmp_path / "p", tmp_path / "nowhere")


def test_onto_its_own_previous(tmp_path: Path) -> None:
    processed(books(tmp_path / "e"), tmp_path / "p")
    again = processed(books(tmp_path / "e2", "5,Book,9,crime\n"), tmp_path / "p", tmp_path / "p", overwrite=True)
    assert ids(again, "Book") == ["1", "2", "3", "4", "5"]
