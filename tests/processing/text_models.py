"""Small text models, made by the tests."""

import gzip
from pathlib import Path

#: Word -> vector of width 3.
WORDS: dict[str, tuple[float, float, float]] = {
    "the": (0.5, 0.0, 0.0),
    "red": (3.0, 4.0, 0.0),
    "fox": (0.0, 0.0, 2.0),
    "Fox": (0.0, 1.0, 0.0),
    "zorro": (1.0, 1.0, 1.0),
}


def write_vectors(path: Path, *, header: bool = True, words: dict[str, tuple[float, ...]] | None = None) -> Path:
    """Write vectors in word2vec's text format; `.gz` compresses."""
    vectors = WORDS if words is None else words
    lines = [f"{word} {' '.join(map(str, vector))}" for word, vector in vectors.items()]
    if header:
        lines.insert(0, f"{len(lines)} {len(next(iter(vectors.values())))}")
    data = ("\n".join(lines) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
