"""Whether each row of a CSV file has as many cells as its header: a short one would pass for one with empty cells.

Delimiters and line ends outside quotes are counted in blocks of bytes, which is much faster than parsing.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.errors import InvalidData

_BLOCK = 1 << 22
_QUOTE, _LINE_END = ord('"'), ord("\n")


def refuse_uneven(path: Path, delimiter: str, width: int) -> None:
    """Refuse a file with a row of another width than its header, `width` cells.

    Raises:
        InvalidData: with the first such row.
    """
    row = 0  # the header
    for cells in _widths(path, ord(delimiter)) if width > 1 else ():
        wrong = np.flatnonzero(cells != width)
        if len(wrong) and row + wrong[0] == 0:
            raise InvalidData(f"{path}: its lines must end with a line feed, not with a carriage return alone")
        if len(wrong):
            raise InvalidData(
                f"{path}, row {row + wrong[0]}: has {cells[wrong[0]]} of {width} cells; is the file cut off, or "
                "has a cell a delimiter outside quotes, or a quote that is not doubled?"
            )
        row += len(cells)


def _widths(path: Path, delimiter: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the cells of each row, block by block; nothing of a last one that a quote leaves open."""
    begun, inside, last = 0, False, _LINE_END
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            data = np.frombuffer(block, np.uint8)
            marks = (data == delimiter) | (data == _LINE_END)
            if inside or b'"' in block:
                quoted = np.logical_xor.accumulate(data == _QUOTE) ^ inside
                marks &= ~quoted
                inside = bool(quoted[-1])
            found = data[marks]
            ends = np.flatnonzero(found == _LINE_END)
            yield np.diff(ends, prepend=-1 - begun)
            begun = len(found) - 1 - int(ends[-1]) if len(ends) else begun + len(found)
            last = block[-1]
    if last != _LINE_END and not inside:
        yield np.array([begun + 1])
