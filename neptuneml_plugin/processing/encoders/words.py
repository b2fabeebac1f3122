"""Texts of a column as words: each distinct text once, in blocks of bounded size."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from scipy import sparse

from neptuneml_plugin.processing.encoders.columns import Floats, Matrix, require_present
from neptuneml_plugin.processing.reading.tables import Column

#: Text that is taken apart at a time, and cells of a matrix: 2 MiB, 32 MiB of float32.
_BLOCK_BYTES, _BLOCK_CELLS = 1 << 21, 1 << 23
#: A run of letters, digits and marks; a Chinese character alone, as Chinese has no spaces.
_WORD = r"\p{Han}|[\w--\p{Han}]+"


def encode_distinct(values: pl.Series, width: int, encode: Callable[[pl.Series], Matrix]) -> Matrix:
    """Return (rows, width): what `encode` makes of each distinct text; zeros where a value is missing."""
    matrix = np.zeros((len(values), width), np.float32)
    distinct = values.drop_nulls().unique(maintain_order=True)
    numbered = distinct.alias("text").to_frame().with_row_index("at")
    at = values.alias("text").to_frame().join(numbered, on="text", how="left", maintain_order="left")["at"]
    known = at.is_not_null().arg_true().to_numpy()
    places = at.drop_nulls().to_numpy()
    order = np.argsort(places, kind="stable")
    for start, texts in blocks(distinct, _BLOCK_CELLS // max(1, width)):
        low, high = np.searchsorted(places[order], [start, start + len(texts)])
        chosen = order[low:high]
        matrix[known[chosen]] = encode(texts)[places[chosen] - start]
    return matrix


def encode_texts(column: Column, width: int, encode: Callable[[pl.Series], Matrix], *, required: bool) -> Matrix:
    """Return (rows, width) of a column's texts; see `encode_distinct`.

    Raises:
        InvalidData: a value is missing that must not be.
    """
    if required:
        require_present(column)
    return encode_distinct(column.texts, width, encode)


def blocks(texts: pl.Series, most: int = 1 << 20) -> Iterator[tuple[int, pl.Series]]:
    """Yield slices of a column, none of much more than 2 MiB or `most` texts, each with its first row."""
    ends = np.cumsum(texts.str.len_bytes().fill_null(0).to_numpy(), dtype=np.int64)
    start = 0
    while start < len(texts):
        before = int(ends[start - 1]) if start else 0
        end = int(np.searchsorted(ends, before + _BLOCK_BYTES, side="right"))
        end = max(start + 1, min(end, start + max(1, most)))
        yield start, texts[start:end]
        start = end


def words(texts: pl.Series) -> pl.DataFrame:
    """Return `row` and `word`, the words of each text in their order."""
    frame = texts.str.extract_all(_WORD).alias("word").to_frame().with_row_index("row")
    return frame.explode("word").drop_nulls("word")


def terms(texts: pl.Series, ngram_range: tuple[int, int]) -> pl.DataFrame:
    """Return `row` and `word`: sequences of words, from shortest to longest, in lower case."""
    single = words(texts.str.to_lowercase())
    found = []
    for length in range(ngram_range[0], ngram_range[1] + 1):
        parts = [pl.col("word").shift(-step) for step in range(length)]
        whole = pl.col("row") == pl.col("row").shift(1 - length)
        found.append(single.select(pl.when(whole).then("row").alias("row"), pl.concat_str(parts, separator=" ")))
    return pl.concat(found).drop_nulls()


def weighted_sums(
    rows: pl.Series, columns: pl.Series, weights: Floats, shape: tuple[int, int]
) -> sparse.csr_array:
    """Return a sparse matrix; a product with it adds up each row's entries alone, by column."""
    entries = sparse.coo_array((weights, (rows.to_numpy(), columns.to_numpy())), shape=shape)
    matrix = sparse.csr_array(entries)
    matrix.sort_indices()
    return matrix
