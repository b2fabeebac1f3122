"""Learns the encoder of one feature from the training rows of its column."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl

from neptuneml_plugin.processing.encoders.categorical import fit_category, fit_hash
from neptuneml_plugin.processing.encoders.columns import Bools, Dropped
from neptuneml_plugin.processing.encoders.datetimes import fit_datetime
from neptuneml_plugin.processing.encoders.fitted import Encoder
from neptuneml_plugin.processing.encoders.numerical import fit_buckets, fit_numerical
from neptuneml_plugin.processing.encoders.sentences import fit_sentences
from neptuneml_plugin.processing.encoders.textmodels import require_model
from neptuneml_plugin.processing.encoders.tfidf import Vocabulary, fit_tfidf, learn_vocabulary
from neptuneml_plugin.processing.encoders.vectors import fit_word_means
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import SENTENCE_TOKENS, FeatureSpec

_FITS: Mapping[str, Callable[[FeatureSpec, Column, Bools], Encoder | Dropped]] = {
    "numerical": fit_numerical,
    "vector": fit_numerical,
    "bucket_numerical": fit_buckets,
    "category": fit_category,
    "hash": fit_hash,
    "datetime": fit_datetime,
}
_MODEL_FITS: Mapping[str, Callable[[FeatureSpec, Path], Encoder]] = {
    "text_word2vec": fit_word_means,
    "text_fasttext": fit_word_means,
    **dict.fromkeys(SENTENCE_TOKENS, fit_sentences),
}


class Texts:
    """What text encoders learn from beyond their own column.

    Args:
        columns: returns the training rows of every `text_tfidf` feature of the graph, which share one vocabulary.
        models: folder of text models; None: that of the environment, and installed packages.
    """

    def __init__(self, columns: Callable[[], Iterable[pl.Series]], models: Path | None = None) -> None:
        self._columns = columns
        self.models = models
        self._vocabularies: dict[tuple[tuple[int, int], int, int], Vocabulary] = {}

    def vocabulary(self, spec: FeatureSpec) -> Vocabulary:
        """Return the graph's terms by the limits of one feature."""
        key = (spec.ngram_range, spec.min_df, spec.max_features)
        if key not in self._vocabularies:
            self._vocabularies[key] = learn_vocabulary(self._columns(), spec)
        return self._vocabularies[key]


def fit(spec: FeatureSpec, column: Column, training: Bools, texts: Texts) -> Encoder | Dropped:
    """Learn the encoder of one feature.

    Args:
        spec: the feature, of a type that encodes (not `auto`, not `none`).
        column: all its rows.
        training: the rows to learn from, (rows,).
        texts: of the whole graph.

    Raises:
        InvalidData: a cell does not fit the feature's type; file, row and column are named.
        PreconditionsFailed: the type needs a text model that is not there.
    """
    encoder = _fit(spec, column, training, texts)
    if isinstance(encoder, Dropped) or encoder.width:
        return encoder
    return Dropped("no value in the training rows tells it apart")


def _fit(spec: FeatureSpec, column: Column, training: Bools, texts: Texts) -> Encoder | Dropped:
    if spec.type == "text_tfidf":
        return fit_tfidf(spec, texts.vocabulary(spec))
    if spec.type in _MODEL_FITS:
        return _MODEL_FITS[spec.type](spec, require_model(spec, texts.models))
    return _FITS[spec.type](spec, column, training)
