"""The bound on the rounding of float32, which exactness rests on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Scores
from neptuneml_plugin.serving.scores import FUNCTIONS

WIDTH = 16


@pytest.mark.parametrize("scores", list(Scores))
@given(seed=st.integers(0, 2**32), scale=st.sampled_from([1e-20, 1e-3, 1.0, 1e6]), near=st.booleans())
def test_approximate_scores_are_within_the_bound(scores: Scores, seed: int, scale: float, near: bool) -> None:  # noqa: FBT001
    random = np.random.default_rng(seed)
    function = FUNCTIONS[scores]
    relation = function.prepare(
        random.normal(size=WIDTH // 2 if scores is Scores.ROTATE else WIDTH).astype(np.float32)
    )
    vectors = (random.normal(size=(3, WIDTH)) * scale).astype(np.float32)
    moved = function.move(vectors, relation)
    candidates = (random.normal(size=(20, WIDTH)) * scale).astype(np.float32)
    if near:  # nearly nothing is left of a difference, or nearly everything of a product
        candidates = (moved[0] * (1 + 1e-6 * random.normal(size=(20, WIDTH)))).astype(np.float32)
    largest = float(function.sizes(candidates).max())
    approximate = function.approximate(moved.astype(np.float32), candidates)
    for line, query in zip(approximate, moved, strict=True):
        error = np.abs(line - function.exact(query, candidates)).max()
        assert error <= function.rounding(query, largest)


@pytest.mark.parametrize("scores", list(Scores))
def test_an_exact_score_depends_on_nothing_but_its_pair(scores: Scores) -> None:
    random = np.random.default_rng(0)
    function = FUNCTIONS[scores]
    relation = function.prepare(
        random.normal(size=WIDTH // 2 if scores is Scores.ROTATE else WIDTH).astype(np.float32)
    )
    moved = function.move(random.normal(size=WIDTH).astype(np.float32), relation)
    candidates = random.normal(size=(33, WIDTH)).astype(np.float32)
    together = function.exact(moved, candidates)
    alone = [function.exact(moved, candidates[row : row + 1])[0] for row in range(33)]
    assert together.tolist() == alone
