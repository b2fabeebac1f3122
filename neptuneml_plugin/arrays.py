"""Arrays as raw `.npy` files: written whole or in blocks of rows, memory-mapped by their readers (decision 32).

Written through files, not through a mapping: a full disk is then an `OSError` of the write that met it.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
#: Cells of a block, where rows are computed or read some at a time: 8 MiB of doubles.
BLOCK_CELLS = 1 << 20


def save_array(path: Path, array: Array) -> None:
    """Write an array of one or more dimensions.

    Raises:
        OSError: the file could not be written whole, such as on a full disk.
    """
    save_blocks(path, array.shape, array.dtype, [array])


def save_blocks(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike, blocks: Iterable[Array]) -> None:
    """Write an array that is computed a block of rows at a time.

    Args:
        path: the file.
        shape: of the whole array.
        dtype: of the whole array; blocks of another one are converted.
        blocks: rows from the first to the last.

    Raises:
        OSError: as `save_array`.
    """
    with path.open("wb") as file:
        write_blocks(file, shape, dtype, blocks)


def write_blocks(file: IO[bytes], shape: tuple[int, ...], dtype: npt.DTypeLike, blocks: Iterable[Array]) -> None:
    """Write to an open file what `save_blocks` writes to a path."""
    kind = np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for block in blocks:
        file.write(np.ascontiguousarray(block, dtype=kind).data)


def map_array(path: Path) -> Array:
    """Return an array without reading it; what is written to it is private to this process.

    Raises:
        OSError, ValueError: there is no such file, or it is no whole array.
    """
    array: Array = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def read_blocks(path: Path, cells: int = BLOCK_CELLS) -> Iterator[Array]:
    """Yield the rows of an array, so many cells at a time; none of it stays in memory, as mapped pages would.

    Raises:
        OSError, ValueError: there is no such file, or it is no whole array.
    """
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, in_columns, kind = np.lib.format.read_array_header_1_0(file)
        if in_columns:
            raise ValueError(f"{path} holds columns one after the other, not rows")
        width = math.prod(shape[1:])
        for start in range(0, shape[0], max(1, cells // max(1, width))):
            rows = min(shape[0] - start, max(1, cells // max(1, width)))
            block = np.fromfile(file, kind, rows * width)
            if len(block) < rows * width:
                raise ValueError(f"{path} ends after {start} rows")
            yield block.reshape(rows, *shape[1:])
