"""Labels: classes of their original type, several at once, and numbers."""

from collections.abc import Sequence

import polars as pl
import pytest

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.sources import (
    LabelSpec,
)
from neptuneml_plugin.processing.configuration.trainingdata import (
    DEFAULT_SPLIT,
)
from neptuneml_plugin.processing.labels import Labels, read_labels
from neptuneml_plugin.processing.reading.tables import Column


def read(
    cells: Sequence[str | None],
    kind: str = "classification",
    data_type: str | None = None,
    separator: str | None = None,
) -> Labels:
    column = Column(pl.Series(list(cells), dtype=pl.String), "nodes/a.csv", "y")
    return read_labels(LabelSpec("y", kind, DEFAULT_SPLIT, {}, separator), column, data_type)


@pytest.mark.parametrize(
    ("cells", "data_type", "classes", "kind"),
    [
        (["b", "a"], None, ("a", "b"), "String"),
        (["10", "9"], None, (9, 10), "Integer"),
        (["10", "9"], "String", ("10", "9"), "String"),
        (["10", "9"], "Byte", (9, 10), "Byte"),
        (["3000000000", "-1"], None, (-1, 3000000000), "Long"),
        (["1.5", "2"], None, (1.5, 2.0), "Double"),
        (["1.0", "1", "2.0"], "Float", (1.0, 2.0), "Float"),
        (["true", "False"], None, (False, True), "Boolean"),
        (
            ["2020-01-01T00:00:00Z", "2019-01-01T00:00:00Z"],
            "Date",
            ("2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            "Date",
        ),
    ],
)
def test_classes_keep_their_type(
    cells: list[str], data_type: str | None, classes: tuple[object, ...], kind: str
) -> None:
    labels = read(cells, data_type=data_type)
    assert labels.classes == classes
    assert [type(value) for value in labels.classes] == [type(value) for value in classes]
    assert labels.data_type == kind


def test_single_labels() -> None:
    labels = read(["b", None, "a", "b"])
    assert labels.values.tolist() == [1, -1, 0, 1]
    assert labels.known.tolist() == [True, False, True, True]
    assert labels.groups.tolist() == [1, -1, 0, 1]


def test_equal_numbers_of_other_spelling_are_one_class() -> None:
    assert read(["1.0", "1", "2"], data_type="Double").values.tolist() == [0, 0, 1]


def test_several_labels() -> None:
    labels = read(["x;z", None, "y\\;y", ";"], separator=";")
    assert labels.multi_label
    assert labels.classes == ("x", "y;y", "z")
    assert labels.values[[0, 2]].tolist() == [[1, 0, 1], [0, 1, 0]]
    assert labels.known.tolist() == [True, False, True, False]


def test_numbers() -> None:
    labels = read(["1.5", None, "NaN", "-2"], kind="regression", data_type="Float")
    assert labels.values[[0, 3]].tolist() == [1.5, -2.0]
    assert labels.known.tolist() == [True, False, False, True]
    assert labels.classes == ()


@pytest.mark.parametrize(
    ("cells", "kind", "data_type", "message"),
    [
        ([None, None], "classification", None, r"nodes/a\.csv: target 'y' has no values"),
        (["a", "a", None], "classification", None, "target 'y' has the single class 'a'"),
        (
            ["1", "x"],
            "classification",
            "Integer",
            r"nodes/a\.csv, row 2, column 'y': 'x' is not of the type Integer",
        ),
        (["1", "inf"], "classification", "Double", "row 2, column 'y': 'inf' is not of the type Double"),
        (["1", "x"], "regression", None, r"row 2, column 'y': 'x' is not a finite number"),
    ],
)
def test_refused(cells: list[str | None], kind: str, data_type: str | None, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        read(cells, kind, data_type)
