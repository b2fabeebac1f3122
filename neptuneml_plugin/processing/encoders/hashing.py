"""Texts as a few signed columns, by their hash: the same on every machine and in every release."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xxhash

#: Columns that a text is hashed into.
SLOTS = 4


def signed_slots(texts: Sequence[str], width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """Return the columns of each text and their signs, (texts, 4) each.

    The columns are cut into four blocks and each text has one in each, so that no two of its own meet (block
    construction of Kane and Nelson, "Sparser Johnson-Lindenstrauss Transforms", 2014).
    """
    encoded = [text.encode() for text in texts]
    edges = np.arange(SLOTS + 1) * width // SLOTS
    slots = np.zeros((len(texts), SLOTS), np.int64)
    signs = np.zeros((len(texts), SLOTS), np.int8)
    for block in range(SLOTS):
        hashes = np.fromiter((xxhash.xxh64_intdigest(text, block) for text in encoded), np.uint64, len(texts))
        size = edges[block + 1] - edges[block]
        slots[:, block] = edges[block] + (hashes >> np.uint64(1)) % np.uint64(size)
        signs[:, block] = np.where(hashes & np.uint64(1), 1, -1)
    return slots, signs
