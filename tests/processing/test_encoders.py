"""Encoders: what they learn, what they give, and that the saved ones give the same, row by row."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.encoders.categorical import Category
from neptuneml_plugin.processing.encoders.columns import Dropped, impute
from neptuneml_plugin.processing.encoders.datetimes import Datetime
from neptuneml_plugin.processing.encoders.fitted import FittedEncoders, read_encoders, write_encoders
from neptuneml_plugin.processing.encoders.numerical import Buckets
from neptuneml_plugin.trainingdata.features import FEATURE_TYPES, FeatureSpec
from tests.processing.columns import column, encode, fitted, learn, spec
from tests.processing.text_models import write_vectors

# the same from the saved state

NUMBER = st.floats(allow_nan=False, allow_infinity=False).map(repr)
SENTENCE = st.lists(st.sampled_from(["the", "red", "Fox", "FOX", "unheard", "42", "!"])).map(
    lambda words: " ".join(words) or None
)
CELLS: dict[str, tuple[FeatureSpec, st.SearchStrategy[str | None]]] = {
    "min-max": (spec("numerical", imputer="mean"), NUMBER | st.none()),
    "standard": (spec("numerical", norm="standard", imputer="median"), NUMBER | st.none()),
    "plain": (spec("numerical", norm="none", imputer="most-frequent"), NUMBER | st.none()),
    "vector": (
        spec("numerical", separator=";", imputer="median"),
        st.tuples(NUMBER, NUMBER).map(";".join) | st.none(),
    ),
    "category": (spec("category"), st.sampled_from(["a", "b;c", "ä", '"', "x\ny"]) | st.none()),
    "categories": (
        spec("category", separator=";"),
        st.sampled_from(["a;b", "b;c", "c", ";", "a\\;b"]) | st.none(),
    ),
    "buckets": (
        spec("bucket_numerical", range=(-5.0, 5.0), bucket_count=7, window=1.5, imputer="median"),
        st.floats(-9, 9).map(repr) | st.none(),
    ),
    "dates": (
        spec("datetime"),
        st.datetimes().map(lambda d: d.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")) | st.none(),
    ),
    "dates filled": (spec("datetime", imputer="median"), st.dates().map(str) | st.none()),
    "z-score": (spec("numerical", norm="z-score", imputer="mean"), NUMBER | st.none()),
    "coerced": (spec("numerical", on_error="coerce"), NUMBER | st.sampled_from(["x", "inf", "NaN"]) | st.none()),
    "embedding": (
        spec("vector", norm="none", separator=",", on_error="coerce"),
        st.lists(NUMBER, min_size=2, max_size=2).map(lambda numbers: f"[{', '.join(numbers)}]")
        | st.sampled_from(["[1]", "[]", "x,2"])
        | st.none(),
    ),
    "category filled": (spec("category", on_error="impute"), st.sampled_from(["a", "b"]) | st.none()),
    "coerced dates": (spec("datetime", on_error="coerce"), st.dates().map(str) | st.just("soon") | st.none()),
    "hash": (spec("hash", hash_width=7), st.text(max_size=3).map(lambda t: t or None)),
    "hashes": (spec("hash", separator=";"), st.lists(st.text(max_size=3)).map(lambda t: ";".join(t) or None)),
    "terms": (spec("text_tfidf", min_df=1, ngram_range=(1, 2)), st.text(max_size=12).map(lambda t: t or None)),
    "many terms": (
        spec("text_tfidf", min_df=1, ngram_range=(1, 3)),
        st.lists(st.sampled_from("abcdefghijklmnop"), min_size=20, max_size=30).map(" ".join),
    ),
    "word2vec": (spec("text_word2vec", language="small"), SENTENCE),
    "fasttext": (spec("text_fasttext", language="xx", max_length=3), SENTENCE),
    "auto": (spec("auto"), st.text(max_size=4).map(lambda t: t.replace("\0", "") or None)),
    "auto numbers": (spec("auto"), st.integers(-3, 3).map(str) | st.none()),
    "auto lists": (spec("auto", separator=";"), st.lists(NUMBER, min_size=1, max_size=2).map(";".join)),
}


#: These need a model that is not made in a moment, or encode nothing; they are tested elsewhere.
OTHERWISE = {"text_sbert", "text_sbert128", "text_sbert512", "none"}


def test_every_type_has_a_property_test() -> None:
    assert {feature.type for feature, _ in CELLS.values()} | OTHERWISE == set(FEATURE_TYPES)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("small", "text_fasttext-xx"):
        write_vectors(tmp_path / "models" / f"{name}.vec")
    monkeypatch.setenv("NEPTUNEML_TEXT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("NEPTUNEML_DATA_ROOT", str(tmp_path / "data"))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", CELLS)
def test_saved_encoders_give_the_same(name: str, tmp_path: Path) -> None:
    feature, cell = CELLS[name]

    @settings(max_examples=40, deadline=None)
    @given(data=st.lists(st.tuples(cell, st.booleans()), min_size=1, max_size=12))
    def check(data: list[tuple[str | None, bool]]) -> None:
        cells = [value for value, _ in data]
        encoder = learn(feature, cells, [trains for _, trains in data])
        if isinstance(encoder, Dropped):
            return
        matrix = encoder.encode(column(cells))
        assert matrix.shape == (len(cells), encoder.width)
        assert np.isfinite(matrix).all()
        edge_type = EdgeType("a", "r", "b")
        write_encoders(tmp_path / "e.json", FittedEncoders({"a": (encoder,)}, ((edge_type, (encoder,)),)))
        loaded = read_encoders(tmp_path / "e.json")
        assert loaded == FittedEncoders({"a": (encoder,)}, ((edge_type, (encoder,)),))
        for i, value in enumerate(cells):
            assert loaded.nodes["a"][0].encode(column([value])).tolist() == matrix[i : i + 1].tolist()

    check()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format_version": 9}', '{"format_version": 1, "nodes": {"a": [{"encoder": "X"}]}}']
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidData, match=r"e\.json"):
        read_encoders(tmp_path / "e.json")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"is missing; is .* the output of `process`"):
        read_encoders(tmp_path / "e.json")


# numbers


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("min-max", [[0.0], [0.5], [1.0]]),
        ("standard", [[0.125], [0.3125], [0.5625]]),
        ("none", [[2.0], [5.0], [9.0]]),
    ],
)
def test_norms(norm: str, expected: list[list[float]]) -> None:
    cells = ["2", "5.5" if norm == "min-max" else "5", "9"]
    assert encode(spec("numerical", norm=norm), cells) == expected


@pytest.mark.parametrize(("imputer", "filled"), [("mean", 4.0), ("median", 2.5), ("most-frequent", 1.0)])
def test_imputers(imputer: str, filled: float) -> None:
    cells = ["1", "1", "4", "10", None]
    assert encode(spec("numerical", norm="none", imputer=imputer), cells)[-1] == [filled]


def test_numbers_are_learnt_on_training_rows_only() -> None:
    cells, training = ["0", "10", "30", None], [True, True, False, False]
    assert encode(spec("numerical", imputer="mean"), cells, training) == [[0.0], [1.0], [3.0], [0.5]]


def test_missing_number_without_imputer_names_its_place() -> None:
    with pytest.raises(InvalidData, match=r"nodes/a\.csv, row 2, column 'x': is missing; .*imputer"):
        encode(spec("numerical"), ["1", None])


def test_constant_column() -> None:
    assert encode(spec("numerical"), ["7", "7"]) == [[0.0], [0.0]]
    assert encode(spec("numerical", norm="standard"), ["0", "0"]) == [[0.0], [0.0]]


def test_numbers_near_the_largest() -> None:
    cells = ["1e308", "1.2e308", None]
    assert encode(spec("numerical", imputer="mean"), cells) == [[0.0], [1.0], [0.5]]
    assert encode(spec("numerical", imputer="median"), cells)[2] == [0.5]


def test_numbers_are_parsed_in_double_precision() -> None:
    assert encode(spec("numerical"), ["100000000", "100000001", "100000002"]) == [[0.0], [0.5], [1.0]]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1;2", "3"], r"row 2, column 'x': '3' has 1 numbers, other rows have 2"),
        (["1;2", "3;y"], r"row 2, column 'x': 'y' is not a finite number"),
    ],
)
def test_bad_vectors_name_their_place(cells: list[str], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        encode(spec("numerical", separator=";"), cells)


def test_no_values_in_training() -> None:
    dropped = learn(spec("numerical", imputer="mean"), ["1", None], [False, True])
    assert dropped == Dropped("it has no values in the training rows")


# categories


def test_unknown_and_missing_categories_are_zeros() -> None:
    assert encode(spec("category"), ["b", "a", "c", None], [True, True, False, True]) == [
        [0, 1],
        [1, 0],
        [0, 0],
        [0, 0],
    ]


def test_a_hundred_categories_are_kept() -> None:
    encoder = fitted(spec("category"), [f"c{i}" for i in range(100)])
    assert (encoder.width, isinstance(encoder, Category) and encoder.has_other) == (100, False)


def test_beyond_a_hundred_the_99_most_frequent_are_kept() -> None:
    cells = [f"c{i:03}" for i in range(101)] + [f"c{i:03}" for i in range(2, 101)]
    encoder = fitted(spec("category"), cells)
    assert isinstance(encoder, Category)
    assert encoder.categories == tuple(f"c{i:03}" for i in range(2, 101))
    assert encoder.width == 100
    assert np.flatnonzero(encoder.encode(column(["c000", "c001", "new", "c002", None]))[:, 99]).tolist() == [
        0,
        1,
        2,
    ]


def test_several_categories() -> None:
    assert encode(spec("category", separator=";"), ["a;b", None, "b", "c\\;d"]) == [
        [1, 1, 0],
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]


# buckets and dates


@pytest.mark.parametrize(
    ("value", "bucket"),
    [("-1", 0), ("0", 0), ("24.9", 0), ("25", 1), ("50", 2), ("99.9", 3), ("100", 3), ("500", 3)],
)
def test_buckets_are_closed_below(value: str, bucket: int) -> None:
    encoder = Buckets("x", "x", 0.0, 100.0, 4, 0.0, None)
    assert np.flatnonzero(encoder.encode(column([value]))).tolist() == [bucket]


@pytest.mark.parametrize(
    ("value", "buckets"), [("9", [0, 1]), ("12", [1]), ("8", [0, 1]), ("20", [1, 2]), ("60", [5])]
)
def test_window_touches_several_buckets(value: str, buckets: list[int]) -> None:
    encoder = Buckets("x", "x", 0.0, 60.0, 6, 4.0, None)
    assert np.flatnonzero(encoder.encode(column([value]))).tolist() == buckets


def test_missing_bucket_value() -> None:
    with pytest.raises(InvalidData, match="row 1, column 'x': is missing"):
        encode(spec("bucket_numerical", range=(0.0, 1.0), bucket_count=2), [None, "1"])


def test_the_specifications_date() -> None:
    # spec/neptune-ml.md 2.6: data 2018-2021, 2020-12-06T23:10 is a Sunday
    encoder = fitted(spec("datetime"), ["2018-01-01", "2019-01-02T01:00", "2021-02-03", "2020-12-06T23:10"])
    assert isinstance(encoder, Datetime)
    row = encoder.encode(column(["2020-12-06T23:10"]))[0]
    assert row[:4].tolist() == [0, 0, 1, 0]
    assert np.flatnonzero(row[4:16]).tolist() == [11]
    assert np.flatnonzero(row[16:23]).tolist() == [6]
    assert np.flatnonzero(row[23:]).tolist() == [23]
    assert encoder.width == 4 + 12 + 7 + 24


def test_parts_with_one_value_are_left_out() -> None:
    encoder = fitted(spec("datetime"), ["2020-01-06", "2020-01-07", None])
    assert isinstance(encoder, Datetime)
    assert list(encoder.parts) == ["weekday"]
    assert isinstance(learn(spec("datetime"), ["2020-01-06", "2020-01-06"]), Dropped)


def test_bad_date_names_its_place() -> None:
    with pytest.raises(InvalidData, match=r"row 2, column 'x': 'soon' is not an ISO 8601 date"):
        encode(spec("datetime"), ["2020-01-06", "soon"])


def test_missing_date_is_filled_or_zeros() -> None:
    cells = ["2019-01-01", "2021-01-01", "2021-01-01", None]
    assert encode(spec("datetime", datetime_parts=("year",)), cells)[-1] == [0, 0]
    assert encode(spec("datetime", datetime_parts=("year",), imputer="most-frequent"), cells)[-1] == [0, 1]


@pytest.mark.parametrize(
    ("feature", "cells"),
    [
        (spec("numerical", on_error="raise"), ["1", None]),
        (spec("vector", separator=";", norm="none"), ["1;2", None]),
        (spec("category", on_error="raise"), ["a", None]),
        (spec("category", on_error="drop-row"), ["a", None]),
        (spec("hash", on_error="raise"), ["a", None]),
        (spec("datetime", on_error="raise"), ["2020-01-01", None]),
        (spec("text_tfidf", on_error="raise", min_df=1), ["a b", None]),
    ],
)
def test_a_missing_value_that_must_not_be_names_its_place(feature: FeatureSpec, cells: list[str | None]) -> None:
    known = fitted(feature, ["2020-01-01", "2021-03-05"] if feature.type == "datetime" else [cells[0], cells[0]])
    with pytest.raises(InvalidData, match=r"nodes/a\.csv, row 2, column 'x': is missing"):
        known.encode(column(cells))


def test_coerce_takes_what_does_not_fit_for_missing() -> None:
    cells = ["2", "inf", "4", "n/a", None, "9"]
    assert encode(spec("numerical", norm="none", on_error="coerce"), cells) == [[2], [4], [4], [4], [4], [9]]
    assert encode(spec("bucket_numerical", range=(0.0, 10.0), bucket_count=2, on_error="coerce"), cells)[1] == [
        1,
        0,
    ]
    dates = ["2020-01-01", "2021-01-01", "soon"]
    assert encode(spec("datetime", datetime_parts=("year",), on_error="coerce"), dates)[2] == [0, 0]


def test_impute_stands_in_for_missing_values_only() -> None:
    assert encode(spec("category", on_error="impute"), ["b", None, "b", "a"])[1] == [0, 1]
    assert encode(spec("numerical", norm="none", on_error="impute"), ["1", None, "4", "7"])[1] == [4]
    with pytest.raises(InvalidData, match=r"row 2, column 'x': 'n/a' is not a finite number"):
        encode(spec("numerical", on_error="impute"), ["1", "n/a"])


def test_z_score_has_mean_0_and_deviation_1() -> None:
    assert encode(spec("numerical", norm="z-score"), ["1", "3", "1", "3"]) == [[-1], [1], [-1], [1]]
    assert encode(spec("numerical", norm="z-score"), ["5", "5"]) == [[0], [0]]


def test_a_vector_is_kept_as_it_is() -> None:
    cells = ["[0.5, -2]", "1,3", "1e3, 0"]
    assert encode(spec("vector", norm="none", separator=","), cells) == [[0.5, -2], [1, 3], [1000, 0]]


def test_long_vectors_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptuneml_plugin.processing.encoders.columns._BLOCK", 6)
    feature = spec("vector", norm="none", separator=";")
    cells = [f"{i};{i + 1};{i + 2}" for i in range(7)]
    assert encode(feature, cells) == [[i, i + 1, i + 2] for i in range(7)]
    with pytest.raises(InvalidData, match=r"row 6, column 'x': 'y' is not a finite number"):
        encode(feature, [*cells[:5], "1;y;2", "3;4;5"])


# hashes


def test_any_text_has_a_hash() -> None:
    encoder = fitted(spec("hash"), ["a"])
    rows = encoder.encode(column([f"unseen {i}" for i in range(1000)]))
    assert rows.shape == (1000, 64)
    assert (np.abs(rows).sum(axis=1) == 2).all()
    assert len(np.unique(rows, axis=0)) == 1000


def test_hashes_of_a_list_add_up() -> None:
    encoder = fitted(spec("hash", separator=";"), ["a;b"])
    a, b, both, none = encoder.encode(column(["a", "b", "b;a", None]))
    assert (a + b == both).all()
    assert not none.any()


def test_hashes_are_the_same_in_every_release() -> None:
    row = fitted(spec("hash", hash_width=16), ["a"]).encode(column(["graph"]))[0]
    assert {int(i): float(row[i]) for i in np.flatnonzero(row)} == {1: -0.5, 5: 0.5, 10: 0.5, 13: 0.5}


@pytest.mark.parametrize("imputer", ["mean", "median"])
@pytest.mark.parametrize("last", [sys.float_info.max, math.nextafter(sys.float_info.max, 0)])
def test_the_largest_numbers_have_a_mean(imputer: str, last: float) -> None:
    known = np.array([sys.float_info.max, sys.float_info.max, last])
    assert known.min() <= impute(imputer, known) <= known.max()
