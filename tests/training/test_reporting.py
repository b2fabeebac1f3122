"""The report of a training says what was measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import Task, TrainingRecord, read_record
from neptuneml_plugin.charts import Columns, Heat, Lines, Points, Reliability
from neptuneml_plugin.report import Bars, Notes, Page, Part, Table
from neptuneml_plugin.training.reporting.answers import MATRIX_CLASSES, confusion, labelled_parts
from neptuneml_plugin.training.reporting.embeddings import project
from neptuneml_plugin.training.reporting.page import OWN, Report, page
from neptuneml_plugin.training.tasks import Answer
from tests.training.graphs import processed, trained_here

CASES = [(task, False) for task in Task] + [(Task.NODE_CLASS, True)]


def parts(shown: Page, title: str) -> tuple[Part, ...]:
    return next(section.parts for section in shown.sections if section.title.startswith(title))


class Made:
    def __init__(self, folder: Path, task: Task, *, multi_label: bool) -> None:
        source = processed(folder, task, nodes=80, multi_label=multi_label, values={"num-epochs": 3})
        self.folder = folder / "training"
        trained_here(source, self.folder, trials=4 if task is Task.NODE_REGRESSION else 1)
        self.record = read_record(self.folder / "training.json", TrainingRecord)
        self.html = (self.folder / "report.html").read_text()


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Task, bool], Made]:
    return {case: Made(tmp_path_factory.mktemp("t"), case[0], multi_label=case[1]) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_task_has_all_of_its_figures(trainings: Any, case: tuple[Task, bool]) -> None:
    html = trainings[case].html
    wanted = ["loss", "embeddings before training", "embeddings after training", "Beside trivial competitors"]
    if case[0].is_class:
        wanted += ["reliability", "probability of the first answer", "training rows of each class", "each class"]
        wanted += [] if case[1] else ["confusion of classes"]
    elif case[0] is Task.LINK_PREDICTION:
        wanted += ["reliability", "score of edges that are there", "ranks of known targets"]
    else:
        wanted += ["residuals", "predictions and truth"]
    for text in (*wanted, *trainings[case].record.baselines, OWN):
        assert f">{text}" in html, text
    assert "<script" not in html


def test_curves_are_those_of_the_log(trainings: Any) -> None:
    made = trainings[Task.NODE_REGRESSION, False]
    shown = page(Report(made.folder, made.record, (), (), higher_is_better=False))
    loss, mse, *others = parts(shown, "Curves")
    log = made.folder / "trials" / str(made.record.best_trial) / "metrics.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert isinstance(loss, Lines)
    assert loss.series[0].points == tuple((line["epoch"], line["loss"]) for line in lines)
    assert loss.mark == (made.record.best.best_epoch, f"kept: epoch {made.record.best.best_epoch}")
    assert isinstance(mse, Lines)
    assert {each.name: each.points for each in mse.series} == {
        name: tuple((line["epoch"], line[split]["mse"]) for line in lines)
        for name, split in (("training", "train"), ("validation", "valid"))
    }
    together = others[-1]
    assert isinstance(together, Lines)
    assert [each.name for each in together.series] == [f"trial {number}" for number in range(4)]


def test_trials_stand_with_what_was_varied(trainings: Any) -> None:
    made = trainings[Task.NODE_REGRESSION, False]
    table, *drawn, fixed = parts(page(Report(made.folder, made.record, (), ())), "Trials")
    assert isinstance(table, Table)
    assert len(table.rows) == 4
    assert "lr" in table.columns
    position = table.columns.index("lr")
    assert [row[position] for row in table.rows] == [t.hyperparameters["lr"] for t in made.record.trials]
    assert [row[0] for row in table.rows if str(row[0]).endswith("(best)")] == [f"{made.record.best_trial} (best)"]
    assert "lr and mse" in [each.caption for each in drawn if isinstance(each, Points)]
    assert isinstance(fixed, Table)
    assert ("num-hidden", 16) in fixed.rows


@pytest.mark.parametrize(
    ("competitor", "higher", "sentence"),
    [
        (0.5, True, "the model beats all 1 trivial competitors on test, by acc"),
        (0.9, True, "the model does not beat majority on test, by acc: see below before it is used"),
        (0.7, True, "the model does not beat majority"),
        (0.5, False, "the model does not beat majority"),
    ],
)
def test_a_better_competitor_is_said(trainings: Any, competitor: float, higher: Any, sentence: str) -> None:
    record = trainings[Task.NODE_CLASS, False].record
    trial = replace(record.best, metrics={"test": {"acc": 0.7, "f1": 0.6}})
    record = replace(record, trials=(trial,), baselines={"majority": {"acc": competitor}}, baselines_split="test")
    warnings = ["the model does not beat the trivial competitor 'x': …", "another"]
    shown = page(Report(Path("nowhere"), record, warnings, (), higher_is_better=higher))
    (notes,) = parts(shown, "What stands out")
    assert isinstance(notes, Notes)
    assert notes.items[0].startswith(sentence)
    assert notes.items[1:] == ("another",)
    bars, table = parts(shown, "Beside trivial competitors")
    assert isinstance(bars, Bars)
    assert bars.bars == ((OWN, 0.7), ("majority", competitor))
    assert isinstance(table, Table)
    assert (table.rows[1][0], *table.rows[1][2:4]) == ("majority", competitor, None)
    assert bool(table.rows[1][1]) is sentence.startswith("the model does not beat")


PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])


def test_single_answers_on_paper() -> None:
    labels, names = np.array([0, 1, 1, 2]), ("a", "b", "c")
    matrix, sure, histogram, support, table = labelled_parts(
        Answer.CLASS, PROBABILITIES, labels, names, np.array([5, 9, 2])
    )
    assert isinstance(matrix, Heat)
    assert matrix.rows == ("b", "a", "c")
    assert matrix.counts == ((1, 1, 0), (0, 1, 0), (0, 0, 1))
    assert isinstance(sure, Reliability)
    np.testing.assert_allclose(sure.series[0].points, ((0.6, 0.0), (0.7, 1.0), (0.8, 1.0), (0.9, 1.0)))
    assert isinstance(histogram, Columns)
    assert sum(histogram.counts) == 4
    assert isinstance(support, Bars)
    assert support.bars == (("b", 9.0), ("a", 5.0), ("c", 2.0))
    assert isinstance(table, Table)
    assert table.rows[0] == ("b", 9, 2, 1, 1.0, 0.5, 2 / 3)


def test_several_answers_on_paper() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], np.float32)
    sure, _, _, table = labelled_parts(Answer.CLASSES, PROBABILITIES, labels, "abc", np.array([5, 9, 2]))
    assert isinstance(sure, Reliability)
    assert sure.series[0].points[-1] == pytest.approx((0.9, 1.0))
    assert isinstance(table, Table)
    assert [row[:4] for row in table.rows] == [("b", 9, 2, 1), ("a", 5, 2, 2), ("c", 2, 0, 1)]


def test_values_on_paper() -> None:
    truth, said = np.arange(20.0), np.arange(20.0) + np.tile([1, -1], 10)
    pairs, residuals, errors = labelled_parts(Answer.VALUE, said[:, None], truth, (), np.zeros(0, np.int64))
    assert isinstance(pairs, Points)
    assert sorted(pairs.series[0].points) == sorted(zip(truth.tolist(), said.tolist(), strict=True))
    assert isinstance(residuals, Columns)
    assert (residuals.counts[0], residuals.counts[-1], sum(residuals.counts)) == (10, 10, 20)
    assert isinstance(errors, Lines)
    assert {y for _, y in errors.series[0].points} == {1.0}


def test_a_constant_is_no_fault() -> None:
    assert len(labelled_parts(Answer.VALUE, np.ones((3, 1)), np.ones(3), (), np.zeros(0, np.int64))) == 3


def test_rare_classes_are_put_together() -> None:
    labels = np.repeat(np.arange(20), np.arange(20, 0, -1))
    matrix = confusion(labels, (labels + 1) % 20, [f"c{number}" for number in range(20)])
    assert matrix.rows[-1] == f"{20 - MATRIX_CLASSES} others"
    assert sum(map(sum, matrix.counts)) == len(labels)
    assert matrix.counts[0][1] == 20


def test_the_plane_keeps_most_of_the_variance() -> None:
    random = np.random.default_rng(0)
    hidden = random.normal(size=(100, 2)) @ np.array([[5, 0], [0, 3]])
    turned = hidden @ np.linalg.qr(random.normal(size=(6, 6)))[0][:2] + 7
    plane = project(turned)
    np.testing.assert_allclose(plane.var(0).sum(), turned.var(0).sum(), rtol=1e-6)
    assert project(np.ones((4, 3))).tolist() == [[0, 0]] * 4
    assert project(np.zeros((0, 3))).shape == (0, 2)
    assert project(np.array([[1.0], [3.0]])).shape == (2, 2)
