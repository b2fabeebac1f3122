"""Time and peak memory of building edges between similar vertices, beside scikit-learn and plain NumPy.

Run with `python -m tests.benchmarks.similar [VERTICES]…`; one line of JSON per figure. Each finds the ten most
similar ones of every vertex, by the cosine of 100 numbers; ours also joins pairs and keeps to `max_edges`. Every
figure is that of a fresh process, whose start is in it.
"""

import sys
from collections.abc import Sequence

from tests.benchmarks.costs import run, show

SIZES = (5_000, 20_000)
WIDTH, TOP_K = 100, 10
VECTORS = f"""
import sys
import numpy as np
count, most = int(sys.argv[1]), {TOP_K}
vectors = np.random.default_rng(0).normal(size=(count, {WIDTH})).astype(np.float32)
"""
CASES = {
    "start": "",
    "similar": """
from neptuneml_plugin.processing.graph.similar import similar_pairs
similar_pairs(vectors, top_k=most, max_edges=100)
""",
    "scikit-learn": """
from sklearn.neighbors import NearestNeighbors
search = NearestNeighbors(n_neighbors=most + 1, metric="cosine", algorithm="brute").fit(vectors)
search.kneighbors(vectors)
""",
    "NumPy": """
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
for start in range(0, count, 1024):
    cosines = unit[start : start + 1024] @ unit.T
    cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -2
    np.argpartition(cosines, -most, axis=1)[:, -most:]
""",
}


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    for size in [int(argument) for argument in arguments] or SIZES:
        for name, script in CASES.items():
            cost = run([sys.executable, "-c", VECTORS + script, str(size)])
            figure: dict[str, object] = {
                "benchmark": name,
                "vertices": size,
                "seconds": round(cost.seconds, 2),
                "cpu_seconds": round(cost.cpu_seconds, 2),
                "peak_mb": round(cost.memory),
            }
            show(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
