"""Live values are encoded as processing encodes them; values that do not fit are named with their vertex."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.processing.encoders.categorical import Category, Hashed
from neptuneml_plugin.processing.encoders.datetimes import Datetime
from neptuneml_plugin.processing.encoders.fitted import Encoder
from neptuneml_plugin.processing.encoders.numerical import Buckets, Numerical
from neptuneml_plugin.processing.encoders.tfidf import TfIdf, Vocabulary
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.serving import features
from neptuneml_plugin.serving.features import LiveEncoder

ELEV = Numerical("elev", "elev", (100.0,), (0.01,), (200.0,))
STRICT = Numerical("elev", "elev", (0.0,), (1.0,), None)
PAIR = Numerical("at", "at", (0.0, 0.0), (1.0, 1.0), (0.0, 0.0), separator=";")
STRICT_PAIR = Numerical("at", "at", (0.0, 0.0), (1.0, 1.0), None, separator=";")
FILLED_AGE = Buckets("age", "age", 0.0, 10.0, 5, 1.0, 5.0)
FILLED_WHEN = Datetime("when", "when", {"year": (2020, 2021), "month": (1, 2)}, 1_600_000_000_000)
KIND = Category("kind", "kind", ("a", "b"), has_other=True)
TAGS = Category("tags", "tags", ("x", "y", "p;q"), separator=";")
PIPED = Category("tags", "tags", ("x", "p;q"), separator="|")
AGE = Buckets("age", "age", 0.0, 10.0, 5, 1.0, None)
WHEN = Datetime("when", "when", {"year": (2020, 2021), "month": (1, 2)})
NAMED = Category("kind", "kind", ("a", "b"), required=True)
LOOSE = Numerical("elev", "elev", (0.0,), (1.0,), (7.0,), coerce=True)
CODES = Hashed("codes", "codes", 8, separator=",")
ABOUT = TfIdf("about", "about", Vocabulary(("fox", "red"), (2, 4)), (1, 1))

CASES: list[tuple[Encoder, list[Any], list[str | None]]] = [
    (ELEV, ["150", None, " 1e3", "150", ""], ["150", None, " 1e3", "150", None]),
    (PAIR, [["1", "2"], "3;4", None], ["1;2", "3;4", None]),
    (KIND, ["b", "zz", None, "a"], ["b", "zz", None, "a"]),
    (TAGS, [["x", "y"], "y", ["p;q"], [], None], ["x;y", "y", "p\\;q", None, None]),
    (PIPED, [["x", "p;q"], "x|p;q"], ["x|p;q", "x|p;q"]),
    (AGE, ["3.5", "9"], ["3.5", "9"]),
    (LOOSE, ["high", "3", None], ["high", "3", None]),
    (CODES, [["a", "new,er"], "b"], ["a,new\\,er", "b"]),
    (ABOUT, ["the red fox", None, "a dog", "Red fox"], ["the red fox", None, "a dog", "Red fox"]),
    (WHEN, ["2020-01-05", None, "2021-02-01T10:00:00Z"], ["2020-01-05", None, "2021-02-01T10:00:00Z"]),
]


@pytest.mark.parametrize(("encoder", "cells", "texts"), CASES)
def test_live_values_are_encoded_as_in_processing(
    encoder: Encoder, cells: list[Any], texts: list[str | None]
) -> None:
    expected = encoder.encode(Column(pl.Series(texts, dtype=pl.String), "file.csv", encoder.column))
    live, ids = LiveEncoder(encoder), [f"v{at}" for at in range(len(cells))]
    np.testing.assert_array_equal(live.encode(cells, ids, "label"), expected)
    # Again, and each alone: from what was kept.
    np.testing.assert_array_equal(live.encode(cells[::-1], ids, "label"), expected[::-1])
    for cell, row in zip(cells, expected, strict=True):
        np.testing.assert_array_equal(live.encode([cell], ["v"], "label"), row[None])


#: Numbers as Python and Polars may read them differently, and as they do not.
WRITTEN = (
    "7", "-7", "007", "-0", "1.5", "1e3", "1E-3", "2.5e+10", "0.1", "123456789012345678901234567890", "4.9e-324",
    "1e-400", "9007199254740993", "+1", "1.", ".5", " 1", "1 ", "1_0", "0x1", "1e400", "nan", "inf", "-inf", "1e",
    "\u0661", "1,5", "e5", "--1", "",
)  # fmt: skip


@pytest.mark.parametrize("encoder", [LOOSE, FILLED_AGE], ids=lambda encoder: encoder.type)
def test_a_number_is_what_processing_reads_however_it_is_written(encoder: Encoder) -> None:
    random = np.random.default_rng(0)
    numbers = [repr(float(number)) for number in random.normal(size=300) * 10.0 ** random.integers(-300, 300, 300)]
    for text in (*WRITTEN, *numbers):
        column = Column(pl.Series([text or None], dtype=pl.String), "file.csv", encoder.column)
        try:
            expected = encoder.encode(column)
        except InvalidData:
            continue
        np.testing.assert_array_equal(LiveEncoder(encoder).encode([text], ["v"], "label"), expected, text)


def test_plain_numbers_are_read_without_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl, "Series", None)
    assert LiveEncoder(STRICT).encode(["1", "-2.5e1"], ["v", "w"], "label").tolist() == [[1.0], [-25.0]]
    assert LiveEncoder(AGE).encode(["3.5"], ["v"], "label").sum() == 2.0


@pytest.mark.parametrize(
    ("encoder", "good", "wrong"),
    [
        (ELEV, "150", ["high", ["1", "2"], "inf", "NaN-ish"]),
        (PAIR, "1;2", ["1;2;3", "1;x", ["x", "y"]]),
        (FILLED_AGE, "3", ["old"]),
        (WHEN, "2020-01-05", ["yesterday"]),
        (FILLED_WHEN, "2020-01-05", ["yesterday"]),
    ],
)
def test_what_does_not_fit_counts_as_missing_where_something_stands_in(
    encoder: Encoder, good: str, wrong: list[Any]
) -> None:
    live, ids = LiveEncoder(encoder), [f"v{at}" for at in range(len(wrong) + 2)]
    rows = live.encode([good, *wrong, good], ids, "label")
    expected = encoder.encode(Column(pl.Series([good, None], dtype=pl.String), "file.csv", encoder.column))
    np.testing.assert_array_equal(rows, expected[[0, *[1] * len(wrong), 0]])
    # Alone, and from what was kept.
    for value in wrong:
        np.testing.assert_array_equal(live.encode([value], ["v"], "label"), expected[1:])
        np.testing.assert_array_equal(LiveEncoder(encoder).encode([value], ["v"], "label"), expected[1:])


def test_no_cells() -> None:
    assert LiveEncoder(KIND).encode([], [], "label").shape == (0, 3)


def test_what_is_kept_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CACHED_CELLS", 10)
    live = LiveEncoder(ELEV)
    for start in range(0, 100, 7):
        texts = [str(number) for number in range(start, start + 7)]
        expected = [[(number - 100) * 0.01] for number in range(start, start + 7)]
        np.testing.assert_allclose(live.encode(texts, texts, "label"), expected, rtol=1e-6)
        assert len(live._rows) <= 10


@pytest.mark.parametrize(
    ("encoder", "bad", "says"),
    [
        (STRICT, "high", "'high' is not a finite number; correct it, or train again with an imputer$"),
        (STRICT, ["1", "2"], "'1;2' is not a finite number"),
        (STRICT, None, r"is missing; fill it in, or set an imputer .* or train again with one"),
        (STRICT_PAIR, "1;2;3", "has 3 numbers"),
        (STRICT_PAIR, "1;x", "'x' is not a finite number"),
        (AGE, None, "is missing"),
        (NAMED, None, "is missing; .* or train again with one"),
    ],
)
def test_what_does_not_fit_is_named(encoder: Encoder, bad: Any, says: str) -> None:
    good = {"elev": "1", "at": "1;2", "age": "1", "kind": "a"}[encoder.column]
    live = LiveEncoder(encoder)
    with pytest.raises(InvalidParameter, match=says) as raised:
        live.encode([good, bad, good], ["first", "second", "third"], "airport")
    assert f"property '{encoder.column}' of vertex 'second' (airport)" in str(raised.value)
    # The request after it is answered as ever.
    assert live.encode([good], ["first"], "airport").shape == (1, encoder.width)
