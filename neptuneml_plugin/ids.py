"""Element ids as memory-mappable columns: row -> id text, and id -> row by a sorted 64-bit hash.

Three files per column, which the jar can map too (decision 32):

* `ids.npy` uint8: the ids' UTF-8 text, one after the other; `id_offsets.npy` int64, (rows + 1,);
* `id_hashes.npy` uint64, (rows,), ascending: XXH64 with seed 0 of the id's UTF-8 text;
* `id_rows.npy` int64, (rows,): the row that each hash belongs to.

An id travels as text; its class (`Integer`, `String`, …) stands once per label in the schema (decision 30).
"""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xxhash

from neptuneml_plugin.arrays import save_array, save_blocks
from neptuneml_plugin.errors import InvalidData

#: Ids that are hashed and encoded at a time.
_BLOCK = 1 << 16


class Texts(Protocol):
    """A list of texts or a column of them."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, at: Any, /) -> Any:
        """Return one, or several of a slice."""


class IdColumn:
    """The ids of one node type, mapped from a folder."""

    def __init__(self, folder: Path) -> None:
        self._text: npt.NDArray[np.uint8] = _map(folder / "ids.npy")
        self._offsets: npt.NDArray[np.int64] = _map(folder / "id_offsets.npy")
        self._hashes: npt.NDArray[np.uint64] = _map(folder / "id_hashes.npy")
        self._rows: npt.NDArray[np.int64] = _map(folder / "id_rows.npy")
        #: The same, for one id at a time: numpy takes longer for one number than Python does.
        self._hash_list, self._row_list = self._hashes.data, self._rows.data

    def __len__(self) -> int:
        return len(self._hashes)

    def text(self, row: int) -> str:
        """Return the id of `row` as text."""
        return self._text[self._offsets[row] : self._offsets[row + 1]].tobytes().decode()

    def texts(self) -> list[str]:
        """Return all ids in row order."""
        blob, offsets = self._text.tobytes(), self._offsets.tolist()
        return [blob[a:b].decode() for a, b in itertools.pairwise(offsets)]

    def by_hash(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Return the ids' hashes, ascending, and the row of each."""
        return self._hashes, self._rows

    def rows(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the row of each id, -1 for an unknown one; shape (len(ids),)."""
        return self.rows_of(_hash(ids))

    def row(self, name: str) -> int:
        """Return the row of one id, -1 for an unknown one."""
        wanted = xxhash.xxh64_intdigest(name.encode())
        at = bisect_left(self._hash_list, wanted)
        return self._row_list[at] if at < len(self) and self._hash_list[at] == wanted else -1

    def rows_of(self, wanted: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Return the row of the id with each hash, -1 for an unknown one; shape (len(wanted),)."""
        if not len(self):
            return np.full(len(wanted), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._hashes, wanted), len(self) - 1)
        return np.where(self._hashes[at] == wanted, self._rows[at], -1).astype(np.int64)


def write_ids(folder: Path, ids: Texts) -> None:
    """Write a column of distinct ids.

    Raises:
        InvalidData: two ids have the same text (decision 30) or the same hash.
        OSError: the column could not be written whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hashes, offsets = np.empty(len(ids), dtype=np.uint64), np.zeros(len(ids) + 1, dtype=np.int64)
    texts = []
    for start in range(0, len(ids), _BLOCK):
        block = ids[start : start + _BLOCK]
        encoded, rows = list(map(str.encode, block)), slice(start, start + len(block))
        # Vectorising XXH64 over texts of one length is no faster than this call per text: .14 against .09 s/10^6.
        hashes[rows] = np.fromiter(map(xxhash.xxh64_intdigest, encoded), np.uint64, len(block))
        offsets[1:][rows] = np.fromiter(map(len, encoded), np.int64, len(block))
        texts.append(np.frombuffer(b"".join(encoded), dtype=np.uint8))
    np.cumsum(offsets, out=offsets)
    order = np.argsort(hashes, kind="stable")
    _refuse_twins(ids, hashes[order], order)
    save_blocks(folder / "ids.npy", (int(offsets[-1]),), np.uint8, texts)
    save_array(folder / "id_offsets.npy", offsets)
    save_array(folder / "id_hashes.npy", hashes[order])
    save_array(folder / "id_rows.npy", order.astype(np.int64))


def _refuse_twins(ids: Texts, ordered: npt.NDArray[np.uint64], order: npt.NDArray[np.int64]) -> None:
    twins = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twins):
        first, second = ids[int(order[twins[0]])], ids[int(order[twins[0] + 1])]
        raise InvalidData(
            f"ids '{first}' and '{second}' of one label cannot be told apart as text; "
            "give these elements distinct ids and export again"
        )


def _map(path: Path) -> npt.NDArray[Any]:
    # A plain view: `np.memmap` itself takes its time over each slice.
    array: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    return array


def _hash(ids: Iterable[str]) -> npt.NDArray[np.uint64]:
    return np.fromiter(map(xxhash.xxh64_intdigest, map(str.encode, ids)), dtype=np.uint64)
