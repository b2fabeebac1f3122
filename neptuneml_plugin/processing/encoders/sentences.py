"""Texts as the embedding that a sentence model gives them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from neptuneml_plugin.processing.encoders.columns import Matrix
from neptuneml_plugin.processing.encoders.sentencemodels import embed, load_sentence_model
from neptuneml_plugin.processing.encoders.textmodels import ModelReference, open_model, reference_to
from neptuneml_plugin.processing.encoders.words import encode_texts
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import SENTENCE_TOKENS, FeatureSpec


@dataclass(frozen=True)
class Sentences:
    """What the model says of the first `max_length` tokens."""

    column: str
    name: str
    type: str
    model: ModelReference
    vector_width: int
    max_length: int
    required: bool = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return self.vector_width

    def encode(self, column: Column) -> Matrix:
        """Return (rows, width).

        Raises:
            InvalidData: a value is missing that must not be.
            PreconditionsFailed: the model is gone, or sentence-transformers is not installed.
        """
        model = open_model(self.model, load_sentence_model)
        return encode_texts(column, self.width, lambda texts: self._encode(texts, model), required=self.required)

    def _encode(self, texts: pl.Series, model: Any) -> Matrix:
        model.max_seq_length = self.max_length
        return embed(texts.to_list(), model)


def fit_sentences(spec: FeatureSpec, path: Path) -> Sentences:
    """Return the encoder with the model at `path`, which learns nothing from the rows."""
    model, fingerprint = load_sentence_model(path)
    length = min(SENTENCE_TOKENS[spec.type], _longest(model))
    width = embed(["width"], model).shape[1]
    reference = reference_to(spec, path, fingerprint)
    return Sentences(spec.column, spec.name, spec.type, reference, width, length, spec.required)


def _longest(model: Any) -> int:
    """Return the most tokens that a model has positions for."""
    configuration = getattr(model[0].auto_model, "config", None)
    longest = getattr(configuration, "max_position_embeddings", None)
    return longest if isinstance(longest, int) else max(SENTENCE_TOKENS.values())
