"""Arrays as raw `.npy` files: written whole or in blocks of rows, memory-mapped by their readers (decision 32).

Written through files, not through a mapping: a full disk is then an `OSError` of the write that met it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


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
    kind = np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
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
