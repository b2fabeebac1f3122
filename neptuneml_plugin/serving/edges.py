"""What an artifact says of edges: decoded from both ends, or stored by a custom model.

The decoder works in float64 (`artifacts.Manifest` has the formula).

An edge gets the same bits in any batch (decision 31): a product of matrices rounds by the shapes that it is given,
so every edge is a product of its own, with shapes that do not depend on the batch, stacked into one call of numpy.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Manifest

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Known = npt.NDArray[np.bool_]


class EdgeDecoder:
    """The arrays of `decoder/` and the embeddings of the target's two node types.

    Args:
        folder: the artifact.
        manifest: its manifest.
        source: position of the source's node type.
        target: position of the target's node type.
    """

    def __init__(self, folder: Path, manifest: Manifest, source: int, target: int) -> None:
        self._heads = _map(folder / f"nodes/{source}/embeddings.npy")
        self._tails = _map(folder / f"nodes/{target}/embeddings.npy")
        decoder = folder / "decoder"
        self._hidden_weight = _floats(decoder / "hidden_weight.npy")
        self._hidden_bias = _floats(decoder / "hidden_bias.npy")
        self._output_weight = _floats(decoder / "output_weight.npy")
        self._output_bias = _floats(decoder / "output_bias.npy")
        self._dot_weight = _floats(decoder / "dot_weight.npy")
        self._source_bias = _map(decoder / "source_bias.npy")
        self._target_bias = _map(decoder / "target_bias.npy")
        self._is_class = manifest.task.is_class
        self._multi_label = manifest.target.multi_label
        self._mean, self._std = manifest.decoder.get("mean", 0.0), manifest.decoder.get("std", 1.0)

    @property
    def width(self) -> int:
        """Number of classes; 1 for a regression."""
        return len(self._output_bias)

    def knows(self, heads: Rows, tails: Rows) -> Known:
        """Return which pairs of known vertices can be decoded: all, (edges,)."""
        return (heads >= 0) & (tails >= 0)

    def decode(self, heads: Rows, tails: Rows) -> Floats:
        """Return class probabilities, or the value in the property's unit; shape (edges, width)."""
        u, v = self._heads[heads].astype(np.float64), self._tails[tails].astype(np.float64)
        product = u * v
        hidden = _each_times(np.concatenate([u, v, product], axis=1), self._hidden_weight) + self._hidden_bias
        output = _each_times(np.maximum(hidden, 0.0), self._output_weight) + self._output_bias
        output += product.sum(axis=1, keepdims=True) / np.sqrt(u.shape[1]) * self._dot_weight
        output += self._source_bias[heads]
        output += self._target_bias[tails]
        if not self._is_class:
            return output * self._std + self._mean
        return logistic(output) if self._multi_label else _softmax(output)


class StoredEdges:
    """The predictions of a custom model, for the pairs of vertices that edges joined.

    Args:
        folder: of the edge type in the artifact.
        targets: rows of the targets' node type.
    """

    def __init__(self, folder: Path, targets: int) -> None:
        pairs = _map(folder / "pairs.npy")
        self._targets, self._predictions = targets, _map(folder / "predictions.npy")
        #: Ascending, as the pairs are sorted.
        self._keys = self._key(pairs[:, 0], pairs[:, 1])

    @property
    def width(self) -> int:
        """Number of classes; 1 for a regression."""
        return int(self._predictions.shape[1])

    def knows(self, heads: Rows, tails: Rows) -> Known:
        """Return which pairs there are predictions for, (edges,)."""
        if not len(self._keys):
            return np.zeros(len(heads), np.bool_)
        keys = self._key(heads, tails)
        found: Known = self._keys[self._at(keys)] == keys
        return found & (heads >= 0) & (tails >= 0)

    def decode(self, heads: Rows, tails: Rows) -> Floats:
        """Return the predictions of pairs that are known, (edges, width)."""
        return np.asarray(self._predictions[self._at(self._key(heads, tails))], dtype=np.float64)

    def _key(self, heads: Rows, tails: Rows) -> Rows:
        return heads.astype(np.int64) * self._targets + tails

    def _at(self, keys: Rows) -> Rows:
        return np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)


def _each_times(rows: Floats, matrix: Floats) -> Floats:
    """Return `rows @ matrix`, each row a product of its own."""
    products: Floats = np.matmul(rows[:, None, :], matrix)
    return products[:, 0, :]


def logistic(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)) without overflow."""
    small: Floats = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _softmax(x: Floats) -> Floats:
    powers: Floats = np.exp(x - x.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _map(path: Path) -> npt.NDArray[Any]:
    # A plain view: `np.memmap` itself takes its time over each slice.
    array: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    return array


def _floats(path: Path) -> Floats:
    return np.asarray(_map(path), dtype=np.float64)
