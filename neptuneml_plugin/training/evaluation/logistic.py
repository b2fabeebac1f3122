"""Logistic regression of one number."""

import numpy as np
import numpy.typing as npt

_STEPS = 100
_CLOSE = 1e-10


def fit_logistic(values: npt.NDArray[np.floating], truth: npt.NDArray[np.integer]) -> tuple[float, float]:
    """Return slope and offset of P(true) = logistic(slope * value + offset), by Newton's method.

    The slope pays half its square, against the sum of the log-likelihood, so that separable values end too.
    """
    rows = np.stack([values, np.ones_like(values)], 1).astype(np.float64)
    penalty = np.diag([1.0, 0.0])
    weights = np.zeros(2)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ weights, -500, 500)))
        gradient = rows.T @ (chance - truth) + penalty @ weights
        curvature = (rows * (chance * (1 - chance))[:, None]).T @ rows + penalty + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < _CLOSE:
            break
    return float(weights[0]), float(weights[1])
