"""fastText's binary models: words by their own vector and those of their parts, as fastText itself computes them.

The format is that of fastText 0.9 (`FastText::loadModel`, `Dictionary::load`, `DenseMatrix::load`): a header, the
arguments of training, the dictionary, and the matrix with one row for each word and for each bucket of parts. The
matrix stays where it is, mapped; the dictionary is read once, into a folder that holds the words as `ids` writes
ids, and `fasttext.json`, last.
"""

import hashlib
import json
import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.ids import IdColumn, write_ids
from neptuneml_plugin.stage import output_folder, write_json

DESCRIPTION = "fasttext.json"
MAGIC = struct.pack("<i", 793712314)
_VERSIONS = (11, 12)
_HEADER, _SIZES, _SHAPE = struct.Struct("<ii12id"), struct.Struct("<3i2q"), struct.Struct("<?2q")
_SUPERVISED = 3
#: Behind each word of the dictionary: how often it was met, and whether it is a label.
_ENTRY = struct.Struct("<qb")
#: Words whose parts are added up at a time: some 30 MiB at 300 columns.
_BLOCK_WORDS = 1024
_HASH_START, _HASH_FACTOR = np.uint32(2166136261), np.uint32(16777619)

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Layout:
    """What the file says before its matrix, and where that is."""

    words: int
    width: int
    buckets: int
    #: Characters of a part, with the marks of a word's start and end among them; at most 0: there are no parts.
    shortest: int
    longest: int
    offset: int
    fingerprint: str


@dataclass(frozen=True)
class FastTextModel:
    """The words of a model, and the vectors of these and of their parts, mapped."""

    words: IdColumn
    #: (words + buckets, width).
    vectors: npt.NDArray[np.float32]
    buckets: int
    shortest: int
    longest: int
    fingerprint: str

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.vectors.shape[1])

    def rows(self, words: Sequence[str]) -> Rows:
        """Return the place of each word in the dictionary, -1 where it has none."""
        return self.words.rows(words)

    def vectors_of(self, words: Sequence[str], rows: Rows) -> npt.NDArray[np.float32]:
        """Return (words, width); zeros for words that are unknown in all their parts."""
        vectors = np.zeros((len(words), self.width), np.float32)
        for start in range(0, len(words), _BLOCK_WORDS):
            block = slice(start, start + _BLOCK_WORDS)
            vectors[block] = self._means(words[block], rows[block])
        return vectors

    def _means(self, words: Sequence[str], rows: Rows) -> npt.NDArray[np.float32]:
        owners, parts = _parts(words, self.shortest, self.longest)
        known = np.flatnonzero(rows >= 0)
        owners = np.concatenate([known, owners])
        members = np.concatenate([rows[known], len(self.words) + parts % max(1, self.buckets)])
        order = np.argsort(owners, kind="stable")
        found, starts, counts = np.unique(owners[order], return_index=True, return_counts=True)
        means = np.zeros((len(words), self.width), np.float32)
        if len(found):
            sums = np.add.reduceat(self.vectors[members[order]], starts, axis=0, dtype=np.float32)
            means[found] = sums / counts[:, None].astype(np.float32)
        return means


def open_fasttext(path: Path, folder: Path) -> FastTextModel:
    """Map a model, whose dictionary is, or is put, into a folder.

    Raises:
        InvalidData: not a model of fastText, or a quantised one.
    """
    if not (folder / DESCRIPTION).is_file():
        with output_folder(folder, overwrite=True) as target:
            write_json(target / DESCRIPTION, asdict(_read(path, target)))
    return _map(path, folder)


@lru_cache(maxsize=8)
def _map(path: Path, folder: Path) -> FastTextModel:
    try:
        layout = _Layout(**json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
        shape = (layout.words + layout.buckets, layout.width)
        vectors = np.memmap(path, np.dtype("<f4"), "r", offset=layout.offset, shape=shape)
        words = IdColumn(folder)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidData(f"{folder} does not hold the words of {path} ({error}); remove it") from None
    return FastTextModel(
        words, vectors, layout.buckets, layout.shortest, layout.longest, layout.fingerprint
    )  # fmt: skip


def _read(path: Path, target: Path) -> _Layout:
    """Write the words of a model into a folder, and return what else there is to know."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read_mapped(path, data, target)
    except (struct.error, ValueError):  # of mmap: the file is empty
        raise _not_a_model(path, "it ends before its matrix") from None


def _read_mapped(path: Path, data: mmap.mmap, target: Path) -> _Layout:
    magic, version, *arguments = _HEADER.unpack_from(data, 0)
    if struct.pack("<i", magic) != MAGIC:
        raise _not_a_model(path, "it does not start as such; save word2vec's binary format as text")
    if version not in _VERSIONS:
        raise _not_a_model(path, f"it is of version {version}, not 11 or 12")
    width, model, buckets, shortest, longest = (arguments[at] for at in (0, 7, 8, 9, 10))
    if not buckets or (version == _VERSIONS[0] and model == _SUPERVISED):
        longest = 0  # as fastText does: such models were trained without parts
    entries, words, _, _, pruned = _SIZES.unpack_from(data, _HEADER.size)
    texts, offset = _dictionary(data, entries)
    quantised, rows, columns = _SHAPE.unpack_from(data, offset)
    if quantised or pruned >= 0:
        raise _not_a_model(path, "it is quantised; take the .bin that it was made from")
    offset += _SHAPE.size
    end = offset + rows * columns * np.dtype("<f4").itemsize
    if (rows, columns) != (words + buckets, width) or min(words, width) < 1 or end > len(data):
        raise _not_a_model(path, f"its matrix of {rows} x {columns} numbers is not whole")
    write_ids(target, texts[:words])
    return _Layout(words, width, buckets, shortest, longest, offset, _fingerprint(data, end))


def _dictionary(data: mmap.mmap, entries: int) -> tuple[list[str], int]:
    """Return the entries, words before labels, and where they end."""
    texts, at = [], _HEADER.size + _SIZES.size
    for entry in range(entries):
        end = data.find(b"\0", at)
        if end < 0:
            raise struct.error
        try:
            texts.append(data[at:end].decode())
        except UnicodeDecodeError:
            texts.append(f"\0{entry}")  # published models hold cut characters, which no text has
        at = end + 1 + _ENTRY.size
    return texts, at


def _fingerprint(data: mmap.mmap, end: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, end, 1 << 24):
        digest.update(data[start : min(end, start + (1 << 24))])
    return digest.hexdigest()[:16]


def _parts(words: Sequence[str], shortest: int, longest: int) -> tuple[Rows, Rows]:
    """Return the parts of words in their order: whose each is, and its hash, which is fastText's."""
    marked = [f"<{word}>".encode() for word in words]
    data = np.frombuffer(b"".join(marked), np.uint8)
    starts = np.flatnonzero((data & 0xC0) != 0x80)  # of characters
    owners = np.repeat(np.arange(len(words)), [len(word) + 2 for word in words])
    first = np.searchsorted(owners, owners)
    last = np.searchsorted(owners, owners, side="right") - 1
    characters = np.arange(len(starts))
    found = [
        (owners[whole], hashes[whole])
        for length, hashes in _hashes(data, starts, longest)
        if length >= shortest
        for whole in [_whole(characters, length, first, last)]
    ]
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    every, hashed = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(every, kind="stable")
    return every[order], hashed[order].astype(np.int64)


def _whole(characters: Rows, length: int, first: Rows, last: Rows) -> npt.NDArray[np.bool_]:
    """Return at which characters a part of a length starts: inside a word, and more than one of its marks."""
    inside = characters + length - 1 <= last
    return inside if length > 1 else inside & (characters != first) & (characters != last)


def _hashes(
    data: npt.NDArray[np.uint8], starts: Rows, longest: int
) -> Iterator[tuple[int, npt.NDArray[np.uint32]]]:
    """Yield, for each length in characters, the hash of the part that starts at each character."""
    signed = data.view(np.int8).astype(np.uint32)
    hashes = np.full(len(starts), _HASH_START)
    ends = np.append(starts, len(data))
    at = starts.copy()
    for length in range(1, longest + 1):
        target = ends[np.minimum(np.arange(len(starts)) + length, len(starts))]
        while (rest := np.flatnonzero(at < target)).size:
            hashes[rest] = (hashes[rest] ^ signed[at[rest]]) * _HASH_FACTOR
            at[rest] += 1
        yield length, hashes.copy()


def _not_a_model(path: Path, reason: str) -> InvalidData:
    return InvalidData(f"{path} cannot be read as a binary model of fastText: {reason}")
