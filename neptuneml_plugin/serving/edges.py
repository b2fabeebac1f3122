"""The decoder of edge properties, one edge at a time in float64 (`artifacts.Manifest` has the formula)."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Manifest

Floats = npt.NDArray[np.float64]


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

    def decode(self, head: int, tail: int) -> Floats:
        """Return class probabilities, or the value in the property's unit; shape (width,)."""
        u, v = self._heads[head].astype(np.float64), self._tails[tail].astype(np.float64)
        product = u * v
        hidden = np.maximum(np.concatenate([u, v, product]) @ self._hidden_weight + self._hidden_bias, 0.0)
        output: Floats = hidden @ self._output_weight + self._output_bias
        output = output + product.sum() / np.sqrt(len(u)) * self._dot_weight
        output = output + self._source_bias[head] + self._target_bias[tail]
        if not self._is_class:
            return output * self._std + self._mean
        return logistic(output) if self._multi_label else _softmax(output)


def logistic(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)) without overflow."""
    small: Floats = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _softmax(x: Floats) -> Floats:
    powers: Floats = np.exp(x - x.max())
    shares: Floats = powers / powers.sum()
    return shares


def _map(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _floats(path: Path) -> Floats:
    return np.asarray(_map(path), dtype=np.float64)
