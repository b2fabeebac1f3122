"""Which hyperparameters of knowledge-graph embeddings to search, and their defaults (see `hpo`).

The defaults converge: on graphs of up to 50,000 candidates (5,000 for distances) each step scores all of them, and
early stopping ends the epochs (tests/quality/LOG.md).
"""

from collections.abc import Mapping
from typing import Any

from neptuneml_plugin.processing.reports.parameters import tuned

#: Scores by products, which dropout and the third power of the vectors keep from learning by heart.
_PRODUCTS: Mapping[str, Any] = {"dropout": 0.5, "regularization-coef": 0.02}
#: Scores by distances.
_DISTANCES: Mapping[str, Any] = {"dropout": 0.0, "regularization-coef": 0.0}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "complex": _PRODUCTS, "transe": _DISTANCES, "distmult": _PRODUCTS, "rotate": _DISTANCES
}  # fmt: skip
#: Vertices up to which vectors of products are so wide; those of distances are of the last width.
WIDTHS: Mapping[float, int] = {10_000: 512, 100_000: 256, float("inf"): 128}
EPOCHS = 100
SMALLEST_BATCH, LARGEST_BATCH = 128, 8192


def kge_parameters(model: str, batch: int, vertices: int, most_epochs: int) -> dict[str, list[dict[str, Any]]]:
    """Return the tiers of a model; `batch` is the batch size that R-GCN has, of which half is taken."""
    own = DEFAULTS[model]
    widths = (width for most, width in WIDTHS.items() if vertices <= most)
    width = min(WIDTHS.values()) if own is _DISTANCES else next(widths)
    return {
        "1-tier-param": [
            tuned("num-hidden", "int", default=width, range=[32, 512], inc_strategy="power2"),
            tuned("lr", "float", default=0.1, range=[0.01, 0.5], inc_strategy="log"),
            tuned("sparse-lr", "float", default=0.1, range=[0.01, 0.5], inc_strategy="log"),
        ],
        "2-tier-param": [
            tuned("dropout", "float", default=own["dropout"], range=[0.0, 0.7], inc_strategy="linear"),
            tuned(
                "regularization-coef",
                "float",
                default=own["regularization-coef"],
                options=[0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
            ),
        ],
        "3-tier-param": [
            tuned(
                "batch-size",
                "int",
                default=max(batch // 2, SMALLEST_BATCH),
                range=[SMALLEST_BATCH, LARGEST_BATCH],
                inc_strategy="power2",
            ),
            tuned("num-epochs", "int", default=EPOCHS, range=[20, most_epochs], inc_strategy="linear", inc_val=1),
            tuned("gamma", "float", default=12.0, range=[2.0, 24.0], inc_strategy="linear"),
            tuned("num-negs", "int", default=256, range=[16, 1024], inc_strategy="power2"),
        ],
        "fixed-param": [
            tuned("neg-share", "bool", default=True),
            tuned("rel-part", "bool", default=False),
            tuned("l2norm", "float", default=0.0),
            tuned("enable-early-stop", "bool", default=True),
            tuned("window-for-early-stop", "int", default=10),
            *([tuned("distance-norm", "int", default=1)] if model == "transe" else []),
        ],
    }
