"""Embeddings as they travel: Base64 of little-endian float32 (`docs/wire.md`, section 6)."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.errors import InvalidParameter

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embeddings:
    """The answer of mode `embed`: (items, d)."""

    vectors: Vectors

    def render(self) -> dict[str, Any]:
        """Return the members of a reply."""
        text = base64.b64encode(self.vectors.astype("<f4").tobytes()).decode()
        return {"embeddings": text, "width": self.vectors.shape[1]}


@dataclass(frozen=True)
class NewCandidates:
    """`data.newCandidates`: vertices that the model does not know, embedded before."""

    ids: tuple[str, ...]
    #: (ids, d)
    vectors: Vectors


def new_candidates(ids: tuple[str, ...], text: str) -> NewCandidates:
    """Read candidates from their ids and embeddings.

    Raises:
        InvalidParameter: an id twice, or not as many finite numbers for each id.
    """
    where = "data.newCandidates"
    if len(set(ids)) < len(ids):
        raise InvalidParameter(f"{where}.ids has an id twice; give each candidate once")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidParameter(f"{where}.embeddings is not Base64: {error}") from None
    if len(raw) % (4 * max(1, len(ids))) or (not ids and raw):
        raise InvalidParameter(
            f"{where}.embeddings has {len(raw)} bytes for {len(ids)} ids; it must hold as many float32 for each"
        )
    vectors = np.frombuffer(raw, "<f4").astype(np.float32).reshape(len(ids), -1 if ids else 0)
    if not np.isfinite(vectors).all():
        raise InvalidParameter(f"{where}.embeddings holds numbers that are not finite; embed the candidates again")
    return NewCandidates(ids, vectors)
