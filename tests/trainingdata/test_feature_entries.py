"""Entries of `features`: members, defaults, and what is refused."""

from typing import Any

import pytest

from neptuneml_plugin.problems import Problems
from neptuneml_plugin.trainingdata.features import FEATURE_TYPES, FeatureSpec, read_feature


def read(kind: str, **members: Any) -> tuple[FeatureSpec, Problems]:
    found = Problems()
    return read_feature({"feature": ["x", "", kind], **members}, "f", found), found


SPECS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("numerical", {}, {"norm": "min-max", "imputer": None, "separator": None}),
    ("numerical", {"norm": "z-score", "imputation": "most_frequent"}, {"imputer": "most-frequent"}),
    ("vector", {}, {"norm": "none", "separator": ";"}),
    ("vector", {"separator": ",", "imputer": "mean"}, {"separator": ",", "imputer": "mean"}),
    ("hash", {}, {"hash_width": 64}),
    ("hash", {"hash_width": 4, "separator": ";"}, {"hash_width": 4, "separator": ";"}),
    ("text_tfidf", {}, {"ngram_range": (1, 1), "min_df": 2, "max_features": 5000}),
    ("text_tfidf", {"ngram_range": [1, 3], "min_df": 1}, {"ngram_range": (1, 3), "min_df": 1}),
    ("text_word2vec", {"language": ["en_core_web_lg"]}, {"language": "en_core_web_lg"}),
    ("word2vec", {}, {"type": "text_word2vec", "language": "en_core_web_lg"}),
    ("text_fasttext", {"language": "es", "max_length": 256}, {"language": "es", "max_length": 256}),
    ("category", {"imputer": "most-frequent"}, {"imputer": "most-frequent"}),
    ("datetime", {"datetime_parts": ["hour", "year"]}, {"datetime_parts": ("year", "hour")}),
    ("bucket_numerical", {"range": [9, 1], "num_buckets": 3}, {"range": (1.0, 9.0), "bucket_count": 3}),
    *((kind, {}, {"type": kind}) for kind in ("none", "text_sbert", "text_sbert128", "text_sbert512")),
]


@pytest.mark.parametrize(("kind", "members", "expected"), SPECS)
def test_reads(kind: str, members: dict[str, Any], expected: dict[str, Any]) -> None:
    spec, found = read(kind, **members)
    assert (found.problems, found.warnings) == ([], [])
    assert {name: getattr(spec, name) for name in expected} == expected
    assert spec.name == "x"


def test_every_type_is_read() -> None:
    assert {read(kind, **members)[0].type for kind, members, _ in SPECS} | {"auto"} == set(FEATURE_TYPES)


PROBLEMS: list[tuple[str, dict[str, Any], str]] = [
    ("text_tfdif", {}, "f: unknown feature type 'text_tfdif' (did you mean 'text_tfidf'?)"),
    ("text_fasttext", {}, "f.language: must be a text, not missing"),
    ("text_fasttext", {"language": "../x"}, "f.language: must be a language or the name of a model, not '../x'"),
    ("text_word2vec", {"language": ["a", "b"]}, 'f.language: must be a text, not ["a", "b"]'),
    ("text_fasttext", {"language": "en", "max_length": 0}, "f.max_length: must be a positive integer, not 0"),
    ("text_tfidf", {"ngram_range": [2, 1]}, "f.ngram_range: must be two whole numbers, 1 or more"),
    ("text_tfidf", {"ngram_range": [1, 1.5]}, "f.ngram_range: must be two whole numbers, 1 or more"),
    ("text_tfidf", {"min_df": "2"}, 'f.min_df: must be a positive integer, not "2"'),
    ("hash", {"hash_width": 3}, "f.hash_width: must be at least 4, not 3"),
    ("hash", {"on_error": "coerce"}, 'f.on_error: "coerce" is not allowed (allowed: drop-row, raise)'),
    ("category", {"on_error": "coerce"}, 'f.on_error: "coerce" is not allowed'),
    ("text_sbert", {"on_error": "impute"}, 'f.on_error: "impute" is not allowed'),
    ("numerical", {"on_error": "drop"}, "f.on_error: \"drop\" is not allowed (did you mean 'drop-row'?)"),
    ("numerical", {"on_error": ["drop"]}, "f.on_error: \"['drop']\" is not allowed"),
    ("numerical", {"on_error": "raise", "imputer": "mean"}, "f.imputer: excludes on_error 'raise'"),
    ("category", {"imputer": "mean"}, 'f.imputer: "mean" is not allowed (allowed: most-frequent)'),
    ("datetime", {"datetime_parts": 3}, "f.datetime_parts: must be an array of year, month, weekday, hour"),
    ("numerical", {"on_eror": "raise"}, "f: unknown member 'on_eror' (did you mean 'on_error'?)"),
]


@pytest.mark.parametrize(("kind", "members", "problem"), PROBLEMS)
def test_refuses(kind: str, members: dict[str, Any], problem: str) -> None:
    _, found = read(kind, **members)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(problem)


def test_members_of_other_types_are_named() -> None:
    _, found = read("none", imputer="mean", on_error="raise")
    assert sorted(found.warnings) == [
        "f.imputer is without effect on a none feature",
        "f.on_error is without effect on a none feature",
    ]


@pytest.mark.parametrize(
    ("kind", "members", "required", "filled_by"),
    [
        ("numerical", {}, True, None),
        ("numerical", {"imputer": "mean"}, False, "mean"),
        ("numerical", {"on_error": "impute"}, False, "median"),
        ("numerical", {"on_error": "coerce", "imputer": "mean"}, False, "mean"),
        ("numerical", {"on_error": "coerce"}, False, "median"),
        ("numerical", {"on_error": "drop-row"}, True, None),
        ("category", {}, False, None),
        ("category", {"on_error": "impute"}, False, "most-frequent"),
        ("datetime", {"on_error": "coerce"}, False, None),
        ("datetime", {"on_error": "impute"}, False, "median"),
        ("text_sbert", {"on_error": "raise"}, True, None),
    ],
)
def test_what_a_missing_value_leads_to(
    kind: str, members: dict[str, Any], required: object, filled_by: str | None
) -> None:
    spec, found = read(kind, **members)
    assert found.problems == []
    assert (spec.required, spec.filled_by) == (required, filled_by)
