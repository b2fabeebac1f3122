"""Vectors of words on disk: fastText's and word2vec's text format, spaCy's models, and our own form of these.

Text takes minutes to read, so it is read once, in blocks, into files that are mapped from then on:
`vectors.f32` (words, width) float32, row after row; the words as `ids` writes ids; `vectors.json` last.
"""

import gzip
import hashlib
import importlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from neptuneml_plugin.config import data_root
from neptuneml_plugin.errors import InvalidData, PreconditionsFailed
from neptuneml_plugin.ids import IdColumn, write_ids
from neptuneml_plugin.processing.encoders.fasttext import FastTextModel, open_fasttext
from neptuneml_plugin.stage import output_folder, write_json

DESCRIPTION, VECTORS = "vectors.json", "vectors.f32"
CACHE = "text-models"
_BLOCK_BYTES = 1 << 24

Block = tuple[list[str], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors, mapped."""

    words: IdColumn
    #: (words, width).
    vectors: npt.NDArray[np.float32]
    fingerprint: str

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.vectors.shape[1])

    def rows(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the place of each word, -1 where it has none."""
        return self.words.rows(words)

    def vectors_of(self, words: Sequence[str], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return (words, width), given the places of words; zeros where they have none."""
        vectors = np.zeros((len(words), self.width), np.float32)
        vectors[rows >= 0] = self.vectors[rows[rows >= 0]]
        return vectors


def open_word_vectors(path: Path) -> WordVectors | FastTextModel:
    """Map the vectors at a path; other forms than ours are first read, and kept under the data root.

    Raises:
        InvalidData: not vectors of words.
        PreconditionsFailed: a model of spaCy, which is not installed.
    """
    if (path / DESCRIPTION).is_file():
        return _map(path)
    state = path.stat()
    key = xxhash.xxh64_hexdigest(f"{path.absolute()}\0{state.st_size}\0{state.st_mtime_ns}".encode())
    folder = data_root() / CACHE / key
    if path.suffix == ".bin":
        return open_fasttext(path.absolute(), folder)
    if not (folder / DESCRIPTION).is_file():
        convert(path, folder)
    return _map(folder)


def convert(path: Path, target: Path) -> None:
    """Write vectors of another form in ours.

    Raises:
        InvalidData: not vectors of words.
        PreconditionsFailed: a model of spaCy, which is not installed.
    """
    blocks = _spacy_blocks(path) if path.is_dir() else _text_blocks(path)
    with output_folder(target, overwrite=True) as folder:
        words, width, digest = [], 0, hashlib.sha256()
        with (folder / VECTORS).open("wb") as file:
            for names, vectors in blocks:
                words += names
                width = vectors.shape[1]
                data = np.ascontiguousarray(vectors, np.float32).tobytes()
                digest.update("\0".join(names).encode())
                digest.update(data)
                file.write(data)
        if not words:
            raise InvalidData(f"{path} holds no vectors of words")
        write_ids(folder, words)
        description = {"words": len(words), "width": width, "fingerprint": digest.hexdigest()[:16]}
        write_json(folder / DESCRIPTION, description)


@lru_cache(maxsize=8)
def _map(folder: Path) -> WordVectors:
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        shape = (described["words"], described["width"])
        vectors = np.memmap(folder / VECTORS, np.float32, "r", shape=shape)
        return WordVectors(IdColumn(folder), vectors, described["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidData(f"{folder} does not hold vectors of words ({error}); remove it") from None


def _text_blocks(path: Path) -> Iterator[Block]:
    """Yield words and vectors of a text file; the first of equal words counts."""
    seen: set[str] = set()
    width = 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for lines in _line_blocks(file):
            if not width:
                first, _, rest = lines.partition(b"\n")
                width = len(first.split()) - 1
                if width == 1:  # "<words> <width>", which word2vec and fastText write first
                    width, lines = _width(first, path), rest  # noqa: PLW2901
            names, vectors = _parse(lines, width, path)
            fresh = [i for i, name in enumerate(names) if name not in seen and not seen.add(name)]  # type: ignore[func-returns-value]
            yield [names[i] for i in fresh], vectors[fresh]


def _width(header: bytes, path: Path) -> int:
    try:
        return int(header.split()[1])
    except ValueError:
        raise _no_vectors(path, "the first line is no header") from None


def _line_blocks(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    """Yield whole lines, about 16 MiB at a time."""
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        lines, newline, tail = block.rpartition(b"\n")
        if newline:
            yield rest + lines + newline
            rest = tail
        else:
            rest += block
    if rest:
        yield rest


def _parse(lines: bytes, width: int, path: Path) -> Block:
    if not lines:
        return [], np.zeros((0, width), np.float32)
    schema = {"word": pl.String, **{str(i): pl.Float32 for i in range(width)}}
    try:
        table = pl.read_csv(
            BytesIO(lines.replace(b" \n", b"\n")),  # fastText ends its lines so
            separator=" ",
            has_header=False,
            quote_char=None,
            schema=schema,
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError as error:
        raise _no_vectors(path, str(error).splitlines()[0]) from None
    numbers = table.drop("word").to_numpy()
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers).all(axis=1)))
        raise _no_vectors(path, f"'{table['word'][row]}' has no {width} finite numbers")
    return table["word"].fill_null("").to_list(), numbers


def _spacy_blocks(path: Path) -> Iterator[Block]:
    """Yield words and vectors of a model of spaCy."""
    try:
        spacy: Any = importlib.import_module("spacy")
    except ImportError:
        raise PreconditionsFailed(
            f"{path} is a folder without {DESCRIPTION}, so it is read as a model of spaCy: pip install spacy"
        ) from None
    try:
        vocabulary = spacy.load(_spacy_folder(path)).vocab
    except (OSError, ValueError) as error:
        raise _no_vectors(path, str(error).splitlines()[0]) from None
    keys = list(vocabulary.vectors.key2row)
    rows = np.fromiter(vocabulary.vectors.key2row.values(), np.int64, len(keys))
    if keys:
        yield [vocabulary.strings[key] for key in keys], np.asarray(vocabulary.vectors.data)[rows]


def _spacy_folder(path: Path) -> Path:
    """Return the folder with the model's configuration, which packages keep in a folder of their own."""
    inside = sorted(path.glob("*/config.cfg"))
    return inside[0].parent if inside and not (path / "config.cfg").is_file() else path


def _no_vectors(path: Path, reason: str) -> InvalidData:
    return InvalidData(f"{path} cannot be read as vectors of words: {reason}")
