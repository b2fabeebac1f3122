"""Texts as the mean of their words' vectors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.processing.encoders.columns import Floats, Matrix
from neptuneml_plugin.processing.encoders.fasttext import FastTextModel
from neptuneml_plugin.processing.encoders.textmodels import ModelReference, open_model, reference_to
from neptuneml_plugin.processing.encoders.words import encode_texts, weighted_sums, words
from neptuneml_plugin.processing.encoders.wordvectors import WordVectors, open_word_vectors
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import FeatureSpec

Model = WordVectors | FastTextModel


@dataclass(frozen=True)
class WordMeans:
    """The mean over the words that the model knows, as written or else in lower case; zeros where it knows none.

    `text_fasttext`: of vectors of length 1, as fastText's sentence vectors, and of words unknown to a binary model
    by their parts; `text_word2vec`: of the vectors as they are, as spaCy's.
    """

    column: str
    name: str
    type: str
    model: ModelReference
    vector_width: int
    #: Words of a text that are read; None: all.
    max_length: int | None = None
    required: bool = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return self.vector_width

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width).

        Raises:
            InvalidData: a value is missing that must not be.
            PreconditionsFailed: the model is gone.
        """
        model = open_model(self.model, _load)
        return encode_texts(column, self.width, lambda texts: self._encode(texts, model), required=self.required)

    def _encode(self, texts: pl.Series, model: Model) -> Matrix:
        found = words(texts)
        if self.max_length is not None:
            found = found.filter(pl.int_range(pl.len()).over("row") < self.max_length)
        known, vectors = self._words(found["word"].unique(), model)
        counted = found.join(known, on="word").group_by("row", "column").len()
        counts = counted["len"].to_numpy().astype(np.float64)
        sums = weighted_sums(counted["row"], counted["column"], counts, (len(texts), len(known)))
        totals = np.asarray(sums.sum(axis=1)).reshape(-1, 1)
        means: Matrix = ((sums @ vectors) / np.maximum(totals, 1)).astype(np.float32)
        return means

    def _words(self, distinct: pl.Series, model: Model) -> tuple[pl.DataFrame, Floats]:
        """Return the words that count, with their `column`, and (columns, width)."""
        written, rows = _as_known(distinct, model)
        vectors: Floats = model.vectors_of(written, rows).astype(np.float64)
        counts = rows >= 0
        if self.type == "text_fasttext":
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            counts = lengths[:, 0] > 0
            vectors /= np.where(lengths > 0, lengths, 1)
        known = distinct.filter(pl.Series(counts)).alias("word").to_frame().with_row_index("column")
        return known, vectors[counts]


def fit_word_means(spec: FeatureSpec, path: Path) -> WordMeans:
    """Return the encoder with the model at `path`, which learns nothing from the rows."""
    model, fingerprint = _load(path)
    reference, width = reference_to(spec, path, fingerprint), model.width
    return WordMeans(spec.column, spec.name, spec.type, reference, width, spec.max_length, spec.required)


def _as_known(distinct: pl.Series, model: Model) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return words as the model writes them, where it knows them, and their places in it."""
    written, lower = distinct.to_list(), distinct.str.to_lowercase().to_list()
    rows, of_lower = model.rows(written), model.rows(lower)
    lowered = (rows < 0) & (of_lower >= 0)
    return np.where(lowered, lower, written).tolist(), np.where(lowered, of_lower, rows)


def _load(path: Path) -> tuple[Model, str]:
    model = open_word_vectors(path)
    return model, model.fingerprint
