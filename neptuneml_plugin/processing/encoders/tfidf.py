"""Texts by the terms that they hold: TF-IDF, then a sparse random projection (spec/neptune-ml.md 2.5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from neptuneml_plugin.processing.encoders.columns import Dropped, Floats, Matrix
from neptuneml_plugin.processing.encoders.hashing import SLOTS, signed_slots
from neptuneml_plugin.processing.encoders.words import blocks, encode_texts, terms, weighted_sums
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import FeatureSpec

#: Columns at most.
PROJECTED_WIDTH = 100


@dataclass(frozen=True)
class Vocabulary:
    """The terms of all `text_tfidf` features of a graph, by name, and how many texts hold each."""

    terms: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class TfIdf:
    """A term's weight is its count in the text, divided by the number of training texts that hold it.

    Up to 100 terms have a column each; more are projected, each term by its own hash, onto 100 columns. A row has
    length 1, whatever the length of the text.
    """

    column: str
    name: str
    vocabulary: Vocabulary
    ngram_range: tuple[int, int]
    required: bool = False
    type: str = "text_tfidf"

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return min(len(self.vocabulary.terms), PROJECTED_WIDTH)

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width).

        Raises:
            InvalidData: a value is missing that must not be.
        """
        return encode_texts(column, self.width, self._encode, required=self.required)

    def _encode(self, texts: pl.Series) -> Matrix:
        found = terms(texts, self.ngram_range).join(self._known, on="word")
        counted = found.group_by("row", "term", "texts").len()
        weights = (counted["len"] / counted["texts"]).to_numpy()
        shape = (len(texts), len(self.vocabulary.terms))
        sums: Floats = weighted_sums(counted["row"], counted["term"], weights, shape) @ self._projection
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return (sums / np.where(lengths > 0, lengths, 1)).astype(np.float32)

    @cached_property
    def _known(self) -> pl.DataFrame:
        texts = pl.Series("texts", self.vocabulary.counts, dtype=pl.Float64)
        names = pl.Series("word", self.vocabulary.terms, dtype=pl.String)
        return pl.DataFrame([names, texts]).with_row_index("term")

    @cached_property
    def _projection(self) -> Floats:
        count = len(self.vocabulary.terms)
        if count <= PROJECTED_WIDTH:
            return np.eye(count)
        slots, signs = signed_slots(self.vocabulary.terms, PROJECTED_WIDTH)
        projection = np.zeros((count, PROJECTED_WIDTH))
        projection[np.arange(count)[:, None], slots] = signs / np.sqrt(SLOTS)
        return projection


def fit_tfidf(spec: FeatureSpec, vocabulary: Vocabulary) -> TfIdf | Dropped:
    """Return the encoder of one feature with the graph's vocabulary."""
    if not vocabulary.terms:
        return Dropped(f"no term stands in {spec.min_df} or more training texts (min_df)")
    return TfIdf(spec.column, spec.name, vocabulary, spec.ngram_range, spec.required)


def learn_vocabulary(columns: Iterable[pl.Series], spec: FeatureSpec) -> Vocabulary:
    """Return the terms of the training texts of all columns, by the limits of `spec`.

    Of equally frequent terms at the limit the first by name are kept.
    """
    counted = pl.DataFrame(schema={"word": pl.String, "texts": pl.UInt64, "count": pl.UInt64})
    for column in columns:
        distinct = column.drop_nulls().alias("text").value_counts(name="weight")
        for start, texts in blocks(distinct["text"]):
            weights = distinct["weight"][start : start + len(texts)]
            counted = _added(counted, _count_terms(texts, weights, spec.ngram_range))
    kept = counted.filter(pl.col("texts") >= spec.min_df)
    kept = kept.sort(["count", "word"], descending=[True, False]).head(spec.max_features).sort("word")
    return Vocabulary(tuple(kept["word"].to_list()), tuple(kept["texts"].to_list()))


def _count_terms(texts: pl.Series, weights: pl.Series, ngram_range: tuple[int, int]) -> pl.DataFrame:
    """Return each term with the number of texts that hold it and its count in all; texts stand `weights` times."""
    weight = weights.cast(pl.UInt64).alias("weight").to_frame().with_row_index("row")
    once = terms(texts, ngram_range).group_by("row", "word").len().join(weight, on="row")
    return once.group_by("word").agg(
        pl.col("weight").sum().alias("texts"),
        (pl.col("len").cast(pl.UInt64) * pl.col("weight")).sum().alias("count"),
    )


def _added(counted: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([counted, more]).group_by("word").sum()
