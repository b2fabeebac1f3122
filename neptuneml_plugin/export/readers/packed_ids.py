"""Ids of many elements in little memory: 8 bytes a number, 16 a UUID or a short text, not an object each."""

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import polars as pl

_CHUNK = 10_000
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class _Packed:
    """Ids of one class in an array of any kind, and how those of a slice of it are made again."""

    stored: Any
    restored: Callable[[Any], list[Any]]

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, part: slice) -> list[Any]:
        return self.restored(self.stored[part])


class PackedIds(Sequence[Any]):
    """Ids as a server gives them, in its order; each comes back with its own class, as queries must send it."""

    def __init__(self, ids: Iterable[Any]) -> None:
        self._chunks = [_packed(chunk) for chunk in _chunks(ids)]
        self._length = sum(len(chunk) for chunk in self._chunks)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(chunk[:] for chunk in self._chunks)

    @overload
    def __getitem__(self, position: int) -> Any: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Any]: ...

    def __getitem__(self, position: int | slice) -> Any:
        if isinstance(position, slice):
            start, stop, step = position.indices(self._length)
            return list(self._range(start, stop)) if step == 1 else list(self)[position]
        start = range(self._length)[position]
        return next(self._range(start, start + 1))

    def _range(self, start: int, stop: int) -> Iterator[Any]:
        # Every chunk but the last is full.
        for number in range(start // _CHUNK, -(-stop // _CHUNK)):
            first = number * _CHUNK
            yield from self._chunks[number][max(start - first, 0) : stop - first]


def _chunks(ids: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(ids)
    while chunk := list(itertools.islice(remaining, _CHUNK)):
        yield chunk


def _packed(chunk: list[Any]) -> _Packed | list[Any]:
    kind, *others = set(map(type, chunk))
    if others:
        return chunk
    if issubclass(kind, int) and kind is not bool and _INT64.min <= min(chunk) and max(chunk) <= _INT64.max:
        return _Packed(np.array(chunk, dtype=np.int64), lambda part: list(map(kind, part.tolist())))
    if kind is uuid.UUID:
        return _Packed(np.array([each.bytes for each in chunk], dtype="V16"), _uuids)
    if kind is str:
        return _Packed(pl.Series(chunk, dtype=pl.String), pl.Series.to_list)
    return chunk


def _uuids(part: npt.NDArray[np.void]) -> list[uuid.UUID]:
    return [uuid.UUID(bytes=each) for each in part.tolist()]
