"""Texts as the embedding that a sentence model gives them.

Each text goes through the model alone and on one thread: otherwise its last digits would depend on the texts
beside it and on the threads, and an element would be encoded otherwise when it is met again.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from neptuneml_plugin.errors import InvalidData, PreconditionsFailed
from neptuneml_plugin.processing.encoders.columns import Matrix
from neptuneml_plugin.processing.encoders.textmodels import (
    ModelReference,
    folder_fingerprint,
    open_model,
    reference_to,
)
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
        model = open_model(self.model, _load)
        return encode_texts(column, self.width, lambda texts: self._encode(texts, model), required=self.required)

    def _encode(self, texts: pl.Series, model: Any) -> Matrix:
        model.max_seq_length = self.max_length
        with _one_thread():
            encoded: Matrix = model.encode(texts.to_list(), batch_size=1, show_progress_bar=False)
        return encoded.astype(np.float32, copy=False)


def fit_sentences(spec: FeatureSpec, path: Path) -> Sentences:
    """Return the encoder with the model at `path`, which learns nothing from the rows."""
    model, fingerprint = _load(path)
    length = min(SENTENCE_TOKENS[spec.type], _longest(model))
    width = model.encode(["width"], batch_size=1, show_progress_bar=False).shape[1]
    reference = reference_to(spec, path, fingerprint)
    return Sentences(spec.column, spec.name, spec.type, reference, width, length, spec.required)


@lru_cache(maxsize=2)
def _load(path: Path) -> tuple[Any, str]:
    """Return a model on the CPU, so that the worker that meets a text later gives it the same numbers."""
    try:
        library: Any = importlib.import_module("sentence_transformers")
        logging: Any = importlib.import_module("transformers.utils.logging")
    except ImportError:
        raise PreconditionsFailed(
            "sentence models need sentence-transformers: pip install 'neptuneml-plugin[text]'"
        ) from None
    logging.disable_progress_bar()  # progress is the stage's to show
    try:
        model = library.SentenceTransformer(str(path), device="cpu", local_files_only=True)
        return model, folder_fingerprint(path)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InvalidData(f"{path} cannot be read as a sentence model: {str(error).splitlines()[0]}") from None


@contextmanager
def _one_thread() -> Iterator[None]:
    torch: Any = importlib.import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _longest(model: Any) -> int:
    """Return the most tokens that a model has positions for."""
    configuration = getattr(model[0].auto_model, "config", None)
    longest = getattr(configuration, "max_position_embeddings", None)
    return longest if isinstance(longest, int) else max(SENTENCE_TOKENS.values())
