"""Texts as the mean of their words' vectors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.processing.encoders.columns import Floats, Matrix
from neptuneml_plugin.processing.encoders.textmodels import ModelReference, open_model, reference_to
from neptuneml_plugin.processing.encoders.words import encode_texts, weighted_sums, words
from neptuneml_plugin.processing.encoders.wordvectors import WordVectors, open_word_vectors
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import FeatureSpec


@dataclass(frozen=True)
class WordMeans:
    """The mean over the words that the model knows, as written or else in lower case; zeros where it knows none.

    `text_fasttext`: of vectors of length 1, as fastText's sentence vectors; `text_word2vec`: of the vectors as
    they are, as spaCy's.
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

    def _encode(self, texts: pl.Series, model: WordVectors) -> Matrix:
        found = words(texts)
        if self.max_length is not None:
            found = found.filter(pl.int_range(pl.len()).over("row") < self.max_length)
        distinct = found["word"].unique()
        at = _rows_of_words(distinct, model)
        known = pl.DataFrame([distinct, pl.Series("at", at)]).filter(pl.col("at") >= 0).with_row_index("column")
        counted = found.join(known, on="word").group_by("row", "column").len()
        counts = counted["len"].to_numpy().astype(np.float64)
        sums = weighted_sums(counted["row"], counted["column"], counts, (len(texts), len(known)))
        totals = np.asarray(sums.sum(axis=1)).reshape(-1, 1)
        means: Matrix = ((sums @ self._vectors(known["at"], model)) / np.maximum(totals, 1)).astype(np.float32)
        return means

    def _vectors(self, rows: pl.Series, model: WordVectors) -> Floats:
        vectors: Floats = model.vectors[rows.to_numpy()].astype(np.float64)
        if self.type == "text_fasttext":
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(lengths > 0, lengths, 1)
        return vectors


def fit_word_means(spec: FeatureSpec, path: Path) -> WordMeans:
    """Return the encoder with the model at `path`, which learns nothing from the rows."""
    model, fingerprint = _load(path)
    reference, width = reference_to(spec, path, fingerprint), model.vectors.shape[1]
    return WordMeans(spec.column, spec.name, spec.type, reference, width, spec.max_length, spec.required)


def _rows_of_words(distinct: pl.Series, model: WordVectors) -> npt.NDArray[np.int64]:
    rows = model.words.rows(distinct.to_list())
    lower = model.words.rows(distinct.str.to_lowercase().to_list())
    return np.where(rows >= 0, rows, lower)


def _load(path: Path) -> tuple[WordVectors, str]:
    model = open_word_vectors(path)
    return model, model.fingerprint
