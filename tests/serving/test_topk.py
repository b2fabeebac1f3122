"""The best of many candidates, whatever blocks and groups they are looked at in."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Scores, Task
from neptuneml_plugin.serving import topk
from neptuneml_plugin.serving.topk import LeftOut, contenders, ranked, rescored
from tests.made_artifacts import Made, make_artifact

NOTHING = LeftOut.of([])


def search(scores: Any, wanted: int, roundings: Any, left_out: LeftOut = NOTHING) -> list[list[int]]:
    """The contenders of scores, (queries, candidates), ascending."""
    lines = np.asarray(scores, np.float32)
    found = contenders(
        lambda block: lines[:, block].copy(),
        lines.shape[1],
        wanted,
        np.array(roundings, float),
        left_out,
        lambda: None,
    )
    return [sorted(rows.tolist()) for rows in found]


@given(
    seed=st.integers(0, 2**32),
    queries=st.integers(1, 5),
    candidates=st.integers(0, 400),
    wanted=st.integers(1, 30),
    block=st.sampled_from([1, 7, 300, 1 << 19]),
    levels=st.sampled_from([1, 5, 10_000]),
)
def test_the_best_are_never_missed(
    seed: int, queries: int, candidates: int, wanted: int, block: int, levels: int
) -> None:
    random = np.random.default_rng(seed)
    exact = random.integers(0, levels, (queries, candidates)) / 8.0
    approximate = exact + random.uniform(-0.25, 0.25, exact.shape)
    left_out = [np.flatnonzero(random.random(candidates) < 0.2) for _ in range(queries)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "SCORES_PER_BLOCK", block)
        found = search(approximate, wanted, [0.26] * queries, LeftOut.of([[rows] for rows in left_out]))
    for line, rows, out in zip(exact, found, left_out, strict=True):
        allowed = np.setdiff1d(np.arange(candidates), out)
        best = sorted(allowed.tolist(), key=lambda row: (-line[row], row))[:wanted]
        assert set(best) <= set(rows) <= set(allowed.tolist())
        (answers,) = rescored(lambda _, at: line[at], [np.array(rows, np.int64)], wanted, lambda row: f"{row:03}")  # noqa: B023
        assert answers == [(line[row], f"{row:03}") for row in best]


def test_few_of_many_contend() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 100_000))
    found = search(scores, 10, [1e-6] * 3)
    for line, rows in zip(scores, found, strict=True):
        assert set(np.argsort(-line)[:10].tolist()) <= set(rows)
        assert len(rows) < 15


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_no_candidate(odd: float) -> None:
    scores = np.arange(1000.0)[None].repeat(2, 0)
    scores[0, [5, 999]] = odd
    assert search(scores, 2, [0.0, 0.0]) == [[997, 998], [998, 999]]


@pytest.mark.parametrize("rounding", [np.nan, np.inf, 1e26])
def test_all_contend_where_nothing_is_known_of_the_rounding(rounding: float) -> None:
    scores = np.arange(5.0)[None].repeat(2, 0)
    left_out = LeftOut.of([[np.array([1]), np.array([3, 1])], []])
    assert search(scores, 1, [rounding, 0.0], left_out) == [[0, 2, 4], [4]]
    assert search(scores, 1, [rounding, rounding], left_out) == [[0, 2, 4], [0, 1, 2, 3, 4]]


def test_pairs_left_out_by_block_and_by_query() -> None:
    left_out = LeftOut.of([[np.array([9, 2])], [], [np.array([4]), np.array([9])]])
    assert [part.tolist() for part in left_out.within(slice(2, 9))] == [[0, 2], [0, 2]]
    assert [sorted(left_out.of_query(query).tolist()) for query in range(3)] == [[2, 9], [], [4, 9]]


def test_ties_go_by_id() -> None:
    assert ranked([(1.0, "b"), (2.0, "c"), (1.0, "a")], 2) == [(2.0, "c"), (1.0, "a")]
    scores = np.array([1.0, np.nan, 1.0, 1.0])
    assert rescored(lambda _, at: scores[at], [np.array([3, 1, 0, 2])], 2, str) == [[(1.0, "0"), (1.0, "2")]]


def test_the_caller_may_stop_before_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topk, "SCORES_PER_BLOCK", 100)
    calls: list[None] = []
    lines = np.zeros((1, 1000), np.float32)
    contenders(lambda block: lines[:, block], 1000, 1, np.zeros(1), NOTHING, lambda: calls.append(None))
    assert len(calls) >= 10


def test_no_more_queries_at_once_than_memory_holds() -> None:
    assert topk.queries_per_pass(1000, 1) == topk.QUERIES_PER_PASS
    assert topk.queries_per_pass(1_000_000, 1) == 16
    assert topk.queries_per_pass(1 << 40, 1) == topk.queries_per_pass(10, 1 << 30) == 1


MEMORY = """
import json, sys
from pathlib import Path
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode

def kib(name):
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name + ":"))

def ask(count):
    none, users = (None,) * count, tuple(map(str, range(count)))
    items = Items(heads=users, head_types=none, tail_types=none, excludes=((),) * count)
    return predictor.answer(Invocation(Mode.PREDICT_TAIL, items, topk=10), lambda: None)

opened = kib("VmHWM") - kib("RssFile")
predictor = open_predictor(Path(sys.argv[1]))[1]
opened = kib("VmHWM") - kib("RssFile") - opened
ask(1)
before = kib("VmHWM")
answers = ask(64)
print(json.dumps([len(answers.ids), opened, kib("VmHWM") - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("scores", [Scores.PRODUCT, Scores.TRANSE, Scores.TRANSE_L2, Scores.ROTATE])
def test_memory_does_not_grow_with_queries_times_candidates(tmp_path: Path, scores: Scores) -> None:
    """The scores alone of 64 queries among 300,000 candidates would be 75 MiB, and a copy of these 37."""
    users, movies = ([str(number) for number in range(count)] for count in (64, 300_000))
    vectors = np.random.default_rng(0).normal(size=(364, 32)).astype(np.float32)
    overrides = {
        "nodes/0/embeddings.npy": vectors[:64],
        "nodes/1/candidates.npy": np.resize(vectors[64:], (300_000, 32)),
        "edges/0/relation.npy": np.ones(16 if scores is Scores.ROTATE else 32, np.float32),
    }
    make_artifact(
        tmp_path, Made(Task.LINK_PREDICTION, users=users, movies=movies, scores=scores, overrides=overrides)
    )
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    printed = subprocess.run(command, env=os.environ, check=True, capture_output=True, text=True).stdout
    answers, opened, answered = json.loads(printed)
    assert answers == 640
    assert opened < 24 << 10
    assert answered < 32 << 10
