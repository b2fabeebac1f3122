"""What `auto` stands for, seen on all rows of a column (spec/neptune-ml.md 2.7).

The guide lists rules without an order; ours is: numbers, truth values, dates, text, categories.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from neptuneml_plugin.cells import texts
from neptuneml_plugin.processing.encoders.columns import Dropped
from neptuneml_plugin.processing.encoders.language import detect_language
from neptuneml_plugin.processing.encoders.textmodels import SENTENCE_MODEL, find_model
from neptuneml_plugin.processing.reading.tables import Column, parse_dates, parse_numbers, split_lists
from neptuneml_plugin.trainingdata.features import DROP_ROW, RAISE, FeatureSpec

#: Numbers with fewer distinct values than both limits are categories.
FEW_VALUES, FEW_VALUES_SHARE = 100, 0.1
#: Text has at least so many words on average, and more distinct values than the share.
TEXT_WORDS, TEXT_DISTINCT_SHARE = 3, 0.1
TRUTH_VALUES = ("true", "false")
#: Languages whose texts are encoded by word vectors, all others by a sentence model.
WORD_LANGUAGES = ("en", "zh", "hi", "es", "fr")
#: A column with at least so many numbers is told to be nearly numeric.
_MOSTLY = 0.5


@dataclass(frozen=True)
class Inferred:
    """A feature of a type of its own, and what spoke for it."""

    spec: FeatureSpec
    reason: str
    #: Set: something the user should know.
    warning: str = ""


def infer(spec: FeatureSpec, column: Column, models: Path | None) -> Inferred | Dropped:
    """Return the feature that `auto` stands for.

    Args:
        spec: the feature.
        column: all its rows.
        models: folder of text models; None: that of the environment. What is installed does not count, so that the
            same data and settings mean the same everywhere.
    """
    values = column.values.drop_nulls()
    if values.is_empty():
        return Dropped("it has no values")
    if spec.separator is not None:
        return _infer_list(spec, values)
    parsed = parse_numbers(values)
    finite = parsed.is_finite().fill_null(value=False) | parsed.is_nan().fill_null(value=False)
    if finite.all():
        return _infer_number(spec, parsed.drop_nans())
    cells = texts(values)
    found = _infer_text(spec, cells, models)
    return _with_reason(found, _no_numbers(cells, finite))


def _infer_number(spec: FeatureSpec, parsed: pl.Series) -> Inferred | Dropped:
    if parsed.is_empty():
        return Dropped("it has no values")
    distinct = parsed.n_unique()
    if distinct == 2 and parsed.is_in([0.0, 1.0]).all():
        return Inferred(_as_category(spec), "0 and 1 are truth values")
    if distinct < FEW_VALUES and distinct < FEW_VALUES_SHARE * len(parsed):
        return Inferred(_as_category(spec), f"{distinct} distinct numbers in {len(parsed)} values")
    return Inferred(_as_numbers(spec), "all values are numbers")


def _infer_text(spec: FeatureSpec, values: pl.Series, models: Path | None) -> Inferred | Dropped:
    if values.str.to_lowercase().is_in(TRUTH_VALUES).all():
        return Inferred(_as_category(spec), "all values are truth values")
    if parse_dates(values).null_count() == 0:
        return Inferred(replace(spec, type="datetime"), "all values are dates")
    distinct = values.n_unique()
    words = values.str.count_matches(r"\S+").mean()
    if distinct > TEXT_DISTINCT_SHARE * len(values) and isinstance(words, float) and words >= TEXT_WORDS:
        return _text_encoding(replace(spec, imputer=None), values, models)
    if distinct == len(values) > 1:
        return Dropped("every row has a value of its own, like an id")
    return Inferred(_as_category(spec), f"{distinct} distinct texts in {len(values)} values")


def _text_encoding(spec: FeatureSpec, values: pl.Series, models: Path | None) -> Inferred:
    """Return the encoding of a text in its language, or TF-IDF where the model for it is not there."""
    language = detect_language(values)
    if language in WORD_LANGUAGES:
        wanted = replace(spec, type="text_fasttext", language=str(language))
    else:
        wanted = replace(spec, type=SENTENCE_MODEL)
    reason = f"free text, {f'of language {language}' if language else 'of no language that is told apart'}"
    if find_model(wanted, models, installed=False):
        return Inferred(wanted, reason)
    missing = f"no model for {wanted.type} in a folder of text models, so it is encoded as text_tfidf"
    return Inferred(replace(spec, type="text_tfidf"), f"{reason}; {missing}", f"is {reason}; {missing}")


def _infer_list(spec: FeatureSpec, values: pl.Series) -> Inferred:
    lists = split_lists(values, spec.separator or "")
    lists = lists.filter(lists.list.len() > 0)
    numeric = parse_numbers(lists.explode()).is_finite().fill_null(value=False).all()
    if len(lists) and numeric and lists.list.len().n_unique() == 1:
        return Inferred(_as_numbers(spec), "all values are lists of as many numbers")
    return Inferred(_as_category(spec), "lists of texts")


def _as_numbers(spec: FeatureSpec) -> FeatureSpec:
    imputer = None if spec.on_error in {RAISE, DROP_ROW} else spec.imputer or "median"
    return replace(spec, type="numerical", imputer=imputer)


def _as_category(spec: FeatureSpec) -> FeatureSpec:
    return replace(spec, type="category", imputer=spec.imputer if spec.imputer == "most-frequent" else None)


def _no_numbers(values: pl.Series, finite: pl.Series) -> str:
    """Say what keeps a column of mostly numbers from being one."""
    others = values.filter(~finite)
    if len(others) > (1 - _MOSTLY) * len(values):
        return ""
    return f"{len(others)} of {len(values)} values are no numbers, such as '{others[0]}'"


def _with_reason(found: Inferred | Dropped, more: str) -> Inferred | Dropped:
    return replace(found, reason=f"{found.reason}; {more}") if more else found
