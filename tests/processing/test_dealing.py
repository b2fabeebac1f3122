"""Each kind of split through the stage: what is dealt, recorded, held out of encoders, and warned of."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from neptuneml_plugin.artifacts import ProcessedGraph, SplitReport, Task, read_record
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing import process
from neptuneml_plugin.training.data import TrainingData, load_data
from tests.planted import KINDS, planted_export
from tests.processing.exports import (
    change_labels,
    configuration,
    edge,
    feature,
    library,
    node,
    twins,
    write_export,
)

RATES = [0.6, 0.2, 0.2]
PARTS = ("train", "valid", "test")


def run(source: Path, seed: int = 0) -> tuple[ProcessedGraph, TrainingData]:
    target = source.parent / f"processed-{source.name}-{seed}"
    process.run(ProcessConfig(seed=seed, dgl_graph=False), source, target)
    return read_record(target / "processed.json", ProcessedGraph), load_data(target)


def parts_of(data: TrainingData, position: int = 0) -> npt.NDArray[np.int64]:
    """Return the part of each row of a target type, -1 for none."""
    samples = data.samples[position]
    parts = torch.full((len(samples.ends[0]),), -1)
    for number, part in enumerate(PARTS):
        parts[samples.splits[part]] = number
    return parts.numpy()


def planted(folder: Path, task: Task, split: Mapping[str, Any], rates: Sequence[float] = RATES) -> Path:
    return change_labels(planted_export(folder / "export", task), split=split, split_rate=rates)


@pytest.mark.parametrize("task", Task)
def test_each_target_type_is_reported(task: Task, tmp_path: Path) -> None:
    record, data = run(planted_export(tmp_path / "export", task), seed=4)
    (report,) = record.splits
    assert (report.node, report.edge) == (record.target.node, (*record.target.edges, None)[0])
    assert report.kind == ("stratified" if task.is_class else "random")
    assert (report.rates, report.seed, report.keep_pairs) == ((0.7, 0.15, 0.15), 4, not task.on_nodes)
    assert report.rows == {part: len(data.samples[0].splits[part]) for part in PARTS}
    assert report.unused == 0
    assert set(report.classes) == (set(PARTS) if task.is_class else set())
    labels = data.samples[0].labels
    for part, counts in report.classes.items():
        assert labels is not None
        found = torch.bincount(labels[data.samples[0].splits[part]], minlength=len(record.target.classes))
        assert found.tolist() == list(counts)


def test_several_labels_are_spread_by_the_rarest(tmp_path: Path) -> None:
    record, _ = run(planted_export(tmp_path / "export", Task.NODE_CLASS, multi_label=True))
    assert record.target.classes == tuple(sorted(KINDS))
    (report,) = record.splits
    for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        for count, total in zip(
            report.classes[part], map(sum, zip(*report.classes.values(), strict=True)), strict=True
        ):
            assert count == pytest.approx(share * total, abs=8)


def test_random_is_not_stratified(tmp_path: Path) -> None:
    rows = "".join(f"{i},Book,{'rare' if i % 20 == 0 else 'common'}\n" for i in range(1000))
    source = library(
        tmp_path / "export",
        book_labels=[{"label": ["shelf", "classification"], "split_rate": RATES}],
        files={"nodes/Book.csv": "~id,~label,shelf\n" + rows},
    )
    (even,) = run(source)[0].splits
    assert [counts[1] for counts in even.classes.values()] == [30, 10, 10]
    change_labels(source, split={"kind": "random"})
    rare = [[counts[1] for counts in run(source, seed)[0].splits[0].classes.values()] for seed in range(1, 5)]
    assert any(counts != [30, 10, 10] for counts in rare)


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
def test_pairs_stay_together_unless_told_otherwise(task: Task, tmp_path: Path) -> None:
    source = twins(tmp_path / "export", task)
    together, apart = run(source)[1], run(change_labels(source, split={"keep_pairs": False}), 1)[1]
    assert torn(together) == 0
    assert torn(apart) > 20
    assert together.samples[0].pairs is not None
    assert apart.samples[0].pairs is None
    assert np.bincount(parts_of(together)) == pytest.approx([240, 80, 80], abs=4)


def torn(data: TrainingData) -> int:
    """Return how many held-out edges have a twin in training."""
    samples = data.samples[0]
    ends = torch.stack(samples.ends).T.tolist()
    learnt = {frozenset(ends[row]) for row in samples.splits["train"].tolist()}
    return sum(frozenset(ends[row]) in learnt for part in PARTS[1:] for row in samples.splits[part].tolist())


@pytest.mark.parametrize("task", [Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
@pytest.mark.parametrize("ends", ["both", "source"])
def test_inductive_edges_hold_out_whole_vertices(task: Task, ends: str, tmp_path: Path) -> None:
    record, data = run(planted(tmp_path, task, {"kind": "inductive", "ends": ends}))
    (report,) = record.splits
    held = data.held_out[0]
    assert held is not None
    assert report.held_out == {"item": int(held.sum())}
    assert 0 < report.held_out["item"] < 150
    touches = (held[data.samples[0].ends[0]] | held[data.samples[0].ends[1]]).numpy()
    assert (touches == (parts_of(data) > 0)).all()
    assert np.bincount(parts_of(data)) / len(touches) == pytest.approx(RATES, abs=0.05)


def test_inductive_edges_may_hold_out_one_end(tmp_path: Path) -> None:
    source = ratings(tmp_path / "export", [{"label": ["stars", "regression"], "split_rate": RATES}])
    cases = (("source", {"Reader"}), ("target", {"Book"}), ("both", {"Reader", "Book"}))
    for seed, (ends, held) in enumerate(cases):
        change_labels(source, split={"kind": "inductive", "ends": ends})
        record, _ = run(source, seed)
        assert record.splits[0].held_out.keys() == held


def ratings(folder: Path, labels: Any, **files: str) -> Path:
    rng = np.random.default_rng(0)
    edges = [(r, b) for r in range(20) for b in rng.permutation(30)[:10]]
    rows = "".join(f"r{r},b{b},{(r + b) % 5},{2000 + i % 25}\n" for i, (r, b) in enumerate(edges))
    contents = {
        "nodes/Reader.csv": "~id,age\n" + "".join(f"r{i},{20 + i}\n" for i in range(20)),
        "nodes/Book.csv": "~id,pages\n" + "".join(f"b{i},{100 * i}\n" for i in range(30)),
        "edges/Reviewed.csv": "~from,~to,stars,year\n" + rows,
    }
    entries = (
        node("Reader", [feature("age", "numerical")]),
        node("Book", [feature("pages", "numerical")]),
        edge("Reader", "Reviewed", "Book", [feature("year", "numerical")], labels),
    )
    return write_export(folder, contents | files, configuration(*entries))


def test_inductive_nodes(tmp_path: Path) -> None:
    record, data = run(planted(tmp_path, Task.NODE_CLASS, {"kind": "inductive"}))
    held = data.held_out[0]
    assert held is not None
    assert (held.numpy() == (parts_of(data) > 0)).all()
    assert record.splits[0].held_out == {"item": int(held.sum())}
    assert data.held_out[1] is None
    assert np.bincount(parts_of(data)).tolist() == [180, 60, 60]


def test_custom_files_of_nodes_may_be_inductive(tmp_path: Path) -> None:
    files = {"train.csv": "~id\n1\n2\n", "valid.csv": "~id\n3\n"}
    label = {"label": ["shelf", "classification"], "custom_split_filenames": {p: f"{p}.csv" for p in PARTS[:2]}}
    source = library(tmp_path / "export", book_labels=[label | {"split": {"kind": "inductive"}}], files=files)
    record, data = run(source)
    assert record.splits[0].held_out == {"Book": 1}
    assert data.held_out[0] is not None
    assert data.held_out[0].tolist() == [False, False, True, False]


def test_nothing_is_held_out_otherwise(tmp_path: Path) -> None:
    source = planted(tmp_path, Task.NODE_CLASS, {"kind": "random"})
    _, data = run(source)
    assert data.held_out == (None, None)
    assert not list((tmp_path / "processed-export-0").rglob("held_out.npy"))


def test_encoders_learn_nothing_of_held_out_vertices(tmp_path: Path) -> None:
    """A planted leak: vertices and edges that are held out get huge values, which no encoder may notice."""
    source = ratings(tmp_path / "export", [{"label": ["stars", "regression"], "split_rate": RATES}])
    change_labels(source, split={"kind": "inductive"})
    _, data = run(source)
    before = (tmp_path / "processed-export-0" / "encoders.json").read_text()
    readers, books = data.held_out
    assert readers is not None
    assert books is not None
    plant(source / "nodes/Reader.csv", readers.numpy())
    plant(source / "nodes/Book.csv", books.numpy())
    plant(source / "edges/Reviewed.csv", parts_of(data) > 0)
    process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "planted")
    assert (tmp_path / "planted" / "encoders.json").read_text() == before
    plant(source / "nodes/Book.csv", ~books.numpy())
    process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "seen")
    assert (tmp_path / "seen" / "encoders.json").read_text() != before


def plant(path: Path, rows: npt.NDArray[np.bool_]) -> None:
    """Put a huge number into the last column of the chosen rows."""
    header, *lines = path.read_text().splitlines()
    lines = [line.rpartition(",")[0] + ",99999999" if row else line for line, row in zip(lines, rows, strict=True)]
    path.write_text("\n".join([header, *lines]) + "\n")


@pytest.mark.parametrize("form", ["{}", "{}-06-01", "{}-06-01T10:00:00Z"])
def test_time_orders_the_parts(form: str, tmp_path: Path) -> None:
    years = [2000 + (i * 7) % 10 for i in range(40)]
    rows = "".join(f"{i},Book,{i},{form.format(year)}\n" for i, year in enumerate(years))
    source = library(
        tmp_path / "export",
        book_labels=[{"label": ["pages", "regression"], "split_rate": RATES}],
        files={"nodes/Book.csv": "~id,~label,pages,printed\n" + rows + "40,Book,1,\n"},
    )
    change_labels(source, split={"kind": "time", "property": "printed"})
    record, data = run(source)
    (report,) = record.splits
    assert report.rows == {"train": 24, "valid": 8, "test": 8}
    assert report.unused == 1
    assert report.periods == {
        part: (form.format(first), form.format(last))
        for part, first, last in (("train", 2000, 2005), ("valid", 2006, 2007), ("test", 2008, 2009))
    }
    assert "'pages': rows in no part: 1, as they lack a value or their 'printed'" in record.warnings
    parts = parts_of(data)
    assert [part for _, part in sorted(zip(years, parts[:40].tolist(), strict=True))] == [0] * 24 + [1] * 8 + [
        2
    ] * 8


def test_time_of_edges_is_that_of_their_pairs_latest(tmp_path: Path) -> None:
    source = ratings(tmp_path / "export", [{"label": ["stars", "regression"], "split_rate": RATES}])
    rows = "a,b,1,1\nb,a,2,9\na,c,1,2\nc,d,3,3\nd,a,1,4\nd,b,3,5\n"
    source = write_export(
        tmp_path / "other",
        {"edges/next.csv": "~from,~to,w,at\n" + rows},
        configuration(
            edge("X", "next", "X", labels=[{"label": ["w", "regression"], "split_rate": [0.5, 0.25, 0.25]}])
        ),
    )
    change_labels(source, split={"kind": "time", "property": "at"})
    assert parts_of(run(source)[1]).tolist() == [2, 2, 0, 0, 0, 1]
    change_labels(source, split={"kind": "time", "property": "at", "keep_pairs": False})
    assert parts_of(run(source, 1)[1]).tolist() == [0, 2, 0, 0, 1, 1]


def test_link_targets_have_rates_of_their_own(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "export", Task.LINK_PREDICTION)
    path = source / "training-data-configuration.json"
    document = json.loads(path.read_text())
    linked, has = document["graph"]["edges"]
    linked["labels"] = [{"label": ["", "link_prediction"], "split_rate": [0.5, 0.25, 0.25]}]
    has["labels"] = [{"label": ["", "link_prediction"], "split_rate": [0.8, 0.0, 0.2]}]
    path.write_text(json.dumps(document))
    record, data = run(source)
    assert [report.edge for report in record.splits] == list(record.target.edges)
    assert [report.rates for report in record.splits] == [(0.5, 0.25, 0.25), (0.8, 0.0, 0.2)]
    for position, report in enumerate(record.splits):
        total = sum(report.rows.values())
        assert [n / total for n in report.rows.values()] == pytest.approx(report.rates, abs=0.02)
        assert np.bincount(parts_of(data, position), minlength=3).tolist() == list(report.rows.values())


LINK = {"label": ["", "link_prediction"], "split_rate": [0.5, 0.25, 0.25]}


def mirrors(folder: Path, first: Any, second: Any) -> Path:
    """Edges of one label from X to Y, and the same pairs from Y to X."""
    rng = np.random.default_rng(0)
    pairs = [(x, y) for x in range(12) for y in rng.permutation(12)[:4]]
    files = {
        "edges/a.csv": "~from,~to\n" + "".join(f"x{x},y{y}\n" for x, y in pairs),
        "edges/b.csv": "~from,~to\n" + "".join(f"y{y},x{x}\n" for x, y in pairs),
    }
    entries = [
        edge("X", "knows", "Y", labels=first) | {"file_name": "edges/a.csv"},
        edge("Y", "knows", "X", labels=second) | {"file_name": "edges/b.csv"},
    ]
    return write_export(folder, files, configuration(*entries))


def test_pairs_stay_together_across_types_of_one_label(tmp_path: Path) -> None:
    _, data = run(mirrors(tmp_path / "export", [LINK], [LINK]))
    assert (parts_of(data, 0) == parts_of(data, 1)).all()
    other = LINK | {"split_rate": [0.8, 0.1, 0.1]}
    with pytest.raises(
        InvalidData, match=r"\('X', 'knows', 'Y'\) and \('Y', 'knows', 'X'\) are dealt out together"
    ):
        run(mirrors(tmp_path / "b", [LINK], [other]))
    apart = {"split": {"keep_pairs": False}}
    _, data = run(mirrors(tmp_path / "c", [LINK | apart], [other | apart]))
    assert (parts_of(data, 0) != parts_of(data, 1)).any()


def test_types_that_give_links_away_are_named(tmp_path: Path) -> None:
    record, _ = run(mirrors(tmp_path / "export", [LINK], None))
    (warning,) = (w for w in record.warnings if "give it away" in w)
    assert "24 edges of ('Y', 'knows', 'X') join pairs whose edge of ('X', 'knows', 'Y') is held out" in warning


def test_inductive_link_targets_share_what_is_held_out(tmp_path: Path) -> None:
    inductive = LINK | {"split": {"kind": "inductive"}}
    record, data = run(mirrors(tmp_path / "export", [inductive], [inductive]))
    assert record.splits[0].held_out == record.splits[1].held_out
    assert (parts_of(data, 0) == parts_of(data, 1)).all()
    with pytest.raises(InvalidData, match="an inductive split holds out vertices of all target types alike"):
        run(mirrors(tmp_path / "b", [inductive], [LINK]))


def shelves(folder: Path, cells: Sequence[str], **label: Any) -> SplitReport | ProcessedGraph:
    rows = "".join(f"{i},Book,{i % 7},{cell}\n" for i, cell in enumerate(cells, 1))
    entry = {"label": ["shelf", "classification"], "split_rate": RATES} | label
    return run(library(folder, book_labels=[entry], files={"nodes/Book.csv": "~id,~label,pages,shelf\n" + rows}))[
        0
    ]


def test_classes_that_cannot_be_learnt_are_named(tmp_path: Path) -> None:
    record = shelves(tmp_path / "export", ["a"] * 40 + ["b"] * 40 + ["once", "twice", "twice"])
    assert isinstance(record, ProcessedGraph)
    (warning,) = (w for w in record.warnings if "classes" in w)
    assert warning.startswith(
        "'shelf': of 4 classes: 1 with a single row ('once'), which is either learnt from or m"
    )
    assert "without a row of test" in warning


def test_a_part_without_rows_is_named(tmp_path: Path) -> None:
    record = shelves(tmp_path / "export", ["a", "b", "", ""])
    assert isinstance(record, ProcessedGraph)
    assert "'shelf': split_rate asks for test, but too few rows (2) are left for it" in record.warnings


def test_parts_far_from_their_rates_are_named(tmp_path: Path) -> None:
    rows = "a,b\n" * 40 + "".join(f"a,x{i}\n" for i in range(40))
    source = write_export(
        tmp_path / "export",
        {"edges/next.csv": "~from,~to\n" + rows},
        configuration(edge("X", "next", "X", labels=[LINK | {"split_rate": [0.34, 0.33, 0.33]}])),
    )
    (warning,) = (w for w in run(source)[0].warnings if "the parts are" in w)
    assert warning.endswith("of the rows, not 0.34, 0.33, 0.33, as edges of one pair of vertices stay together")


def test_nothing_is_left_to_train_on(tmp_path: Path) -> None:
    files = {
        "train.csv": "~id\n3\n",
        "valid.csv": "~id\n1\n2\n",
        "nodes/Book.csv": "~id,shelf\n1,a\n2,b\n3,\n4,\n",
    }
    label = {"label": ["shelf", "classification"], "custom_split_filenames": {p: f"{p}.csv" for p in PARTS[:2]}}
    source = library(tmp_path / "export", book_labels=[label], files=files)
    with pytest.raises(
        InvalidData, match=r"left to train on \(training 0, validation 2, test 0\); check its values"
    ):
        run(source)


def test_a_hub_that_leaves_nothing_to_hold_out(tmp_path: Path) -> None:
    rows = "".join(f"hub,x{i}\n" for i in range(30)) + "hub,hub\n"
    source = write_export(
        tmp_path / "export",
        {"edges/next.csv": "~from,~to\n" + rows},
        configuration(
            edge("Hub", "next", "X", labels=[LINK | {"split": {"kind": "inductive", "ends": "source"}}])
        ),
    )
    record, _ = run(source)
    assert record.splits[0].rows["train"] == 31
    (warning,) = (w for w in record.warnings if "split_rate" in w and "asks for" in w)
    assert "asks for validation and test, but too few rows (31) are left" in warning


def test_a_feature_that_copies_the_target_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{i},Book,{i % 3},{'abc'[i % 3]},{i % 2}\n" for i in range(1, 31))
    source = library(
        tmp_path / "export",
        book_features=[feature("code", "category"), feature("noise", "category")],
        book_labels=[{"label": ["shelf", "classification"], "split_rate": RATES}],
        files={"nodes/Book.csv": "~id,~label,code,shelf,noise\n" + rows},
    )
    warnings = [w for w in run(source)[0].warnings if "tell each other" in w]
    start = "nodes/Book.csv: feature 'code' and the target 'shelf' tell each other exactly; leave it out"
    assert [warning.startswith(start) for warning in warnings] == [True]


def test_a_target_is_never_a_feature(tmp_path: Path) -> None:
    source = library(
        tmp_path / "export",
        book_features=[feature("shelf", "category"), feature("pages", "numerical")],
        book_labels=[{"label": ["shelf", "classification"], "split_rate": [0.5, 0.5, 0.0]}],
    )
    record, data = run(source)
    assert [each.column for each in record.schema.nodes[0].features] == ["pages"]
    assert data.features[0].keys() == {"pages"}
    assert any("'shelf' is the target, so it is no feature" in warning for warning in record.warnings)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"kind": "time", "property": "printd"}, r"Book.csv has no column 'printd' \(did you mean 'printed'\?\)"),
        ({"kind": "time", "property": "mixed"}, r"Book.csv, row 2, column 'mixed': 'soon' is not of one kind"),
    ],
)
def test_refused(split: Any, message: str, tmp_path: Path) -> None:
    source = library(
        tmp_path / "export",
        book_labels=[{"label": ["pages", "regression"], "split_rate": RATES, "split": split}],
        files={
            "nodes/Book.csv": "~id,pages,printed,mixed\n1,1,2000,2001-01-01\n2,2,2001,soon\n3,3,2002,\n4,4,,\n"
        },
    )
    with pytest.raises(InvalidData, match=message):
        run(source)


def test_the_same_seed_deals_the_same(tmp_path: Path) -> None:
    for kind in ("random", "inductive"):
        source = planted(tmp_path / kind, Task.LINK_PREDICTION, {"kind": kind})
        first = parts_of(run(source, 1)[1])
        again = source.parent / "again"
        process.run(ProcessConfig(seed=1, dgl_graph=False), source, again)
        assert (parts_of(load_data(again)) == first).all()
        assert (parts_of(run(source, 2)[1]) != first).any()
