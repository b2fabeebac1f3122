"""Texts per second of `text_sbert`, beside sentence-transformers itself, one text at a time and in batches.

Run with `python -m tests.benchmarks.sentences [TEXTS]…`; one line of JSON per figure. The texts are of 1 to 40
words. `encoder` gives each text the same numbers to the last digit as alone; `identical` says of how many texts a
padded batch does.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from neptuneml_plugin.processing.encoders.sentences import Sentences, fit_sentences
from neptuneml_plugin.processing.encoders.textmodels import require_model
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import FeatureSpec
from tests.benchmarks.costs import show

SIZES = (500,)
WORDS = ("a", "the", "red", "old", "fox", "man", "train", "river", "bank", "of", "over", "runs", "rests", "rises")


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    from sentence_transformers import SentenceTransformer

    spec = FeatureSpec("x", "x", "text_sbert")
    path = require_model(spec, None)
    encoder = fit_sentences(spec, path)
    library = SentenceTransformer(str(path), device="cpu")
    library.max_seq_length = encoder.max_length
    for size in [int(argument) for argument in arguments] or SIZES:
        _compare(encoder, library, _texts(size))


def _compare(encoder: Sentences, library: Any, texts: list[str]) -> None:
    def alone() -> Any:
        return np.concatenate([encoder.encode(_column([text])) for text in texts])

    whole = _measure("encoder", texts, lambda: encoder.encode(_column(texts)))
    assert (whole == _measure("encoder, one text at a time", texts, alone)).all()
    first, rows = _library(library, texts, 1), _library(library, texts, 32)
    identical = round(float((rows == first).all(axis=1).mean()), 3)
    show(
        {"benchmark": "sentence-transformers, batches of 32 as of 1", "texts": len(texts), "identical": identical}
    )
    np.testing.assert_allclose(rows, whole, atol=1e-5)


def _library(model: Any, texts: list[str], batch: int) -> Any:
    return _measure(
        f"sentence-transformers, batches of {batch}",
        texts,
        lambda: model.encode(texts, batch_size=batch, show_progress_bar=False),
    )


def _texts(count: int) -> list[str]:
    draw = random.Random(0)
    return [f"{' '.join(draw.choices(WORDS, k=draw.randint(1, 39)))} {i}" for i in range(count)]


def _column(texts: list[str]) -> Column:
    return Column(pl.Series("x", texts), "texts", "x")


def _measure(name: str, texts: list[str], encode: Callable[[], Any]) -> Any:
    began, cpu = time.perf_counter(), time.process_time()
    rows = encode()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    show(
        {
            "benchmark": name,
            "texts": len(texts),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "texts_per_second": round(len(texts) / seconds),
        }
    )
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
