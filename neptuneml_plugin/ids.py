"""Element ids as memory-mappable columns: row -> id text, and id -> row by a sorted 64-bit hash.

Three files per column, which the jar can map too (decision 32):

* `ids.npy` uint8: the ids' UTF-8 text, one after the other; `id_offsets.npy` int64, (rows + 1,);
* `id_hashes.npy` uint64, (rows,), ascending: XXH64 with seed 0 of the id's UTF-8 text;
* `id_rows.npy` int64, (rows,): the row that each hash belongs to.

An id travels as text; its class (`Integer`, `String`, …) stands once per label in the schema (decision 30).
"""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from neptuneml_plugin.errors import InvalidData


class IdColumn:
    """The ids of one node type, mapped from a folder."""

    def __init__(self, folder: Path) -> None:
        self._text: npt.NDArray[np.uint8] = _map(folder / "ids.npy")
        self._offsets: npt.NDArray[np.int64] = _map(folder / "id_offsets.npy")
        self._hashes: npt.NDArray[np.uint64] = _map(folder / "id_hashes.npy")
        self._rows: npt.NDArray[np.int64] = _map(folder / "id_rows.npy")

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
        if not len(self) or not ids:
            return np.full(len(ids), -1, dtype=np.int64)
        wanted = _hash(ids)
        at = np.minimum(np.searchsorted(self._hashes, wanted), len(self) - 1)
        return np.where(self._hashes[at] == wanted, self._rows[at], -1).astype(np.int64)


def write_ids(folder: Path, ids: Sequence[str]) -> None:
    """Write a column of distinct ids.

    Raises:
        InvalidData: two ids have the same text (decision 30) or the same hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoded = [text.encode() for text in ids]
    hashes = _hash(ids)
    order = np.argsort(hashes, kind="stable")
    twins = np.flatnonzero(np.diff(hashes[order]) == 0)
    if len(twins):
        first, second = ids[int(order[twins[0]])], ids[int(order[twins[0] + 1])]
        raise InvalidData(
            f"ids '{first}' and '{second}' of one label cannot be told apart as text; "
            "give these elements distinct ids and export again"
        )
    offsets = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    np.save(folder / "ids.npy", np.frombuffer(b"".join(encoded), dtype=np.uint8))
    np.save(folder / "id_offsets.npy", offsets)
    np.save(folder / "id_hashes.npy", hashes[order])
    np.save(folder / "id_rows.npy", order.astype(np.int64))


def _map(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _hash(ids: Iterable[str]) -> npt.NDArray[np.uint64]:
    return np.fromiter(map(xxhash.xxh64_intdigest, map(str.encode, ids)), dtype=np.uint64)
