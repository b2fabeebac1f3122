"""Exactness of the ranking, and that the same item gets the same answer in any batch (decision 31)."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Scores, Task
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from tests.listed_answers import Answer, Listed, listed
from tests.made_artifacts import KNOWS, WIDTH, Made, make_artifact

MOVIES = tuple(str(number) for number in range(60))
USERS = tuple(f"u{number}" for number in range(9))


def opened(folder: Path, **made: Any) -> Predictor:
    make_artifact(folder, Made(task=Task.LINK_PREDICTION, **made))
    return open_predictor(folder)[1]


def tails(*heads: str, excludes: tuple[tuple[str, ...], ...] | None = None, **parameters: Any) -> Invocation:
    none = (None,) * len(heads)
    items = Items(heads=heads, head_types=none, tail_types=none, excludes=excludes or ((),) * len(heads))
    return Invocation(Mode.PREDICT_TAIL, items, **parameters)


def heads(*tails: str, **parameters: Any) -> Invocation:
    none = (None,) * len(tails)
    items = Items(tails=tails, head_types=none, tail_types=none, excludes=((),) * len(tails))
    return Invocation(Mode.PREDICT_HEAD, items, **parameters)


def ask(predictor: Predictor, invocation: Invocation) -> Listed:
    return listed(predictor.answer(invocation, lambda: None))


def names(answers: Listed) -> list[list[str | None]]:
    return [[answer.id for answer in item] for item in answers]


def raw_scores(folder: Path, scores: Scores = Scores.PRODUCT, *, heads: bool = False) -> Any:
    """The formulas of `artifacts.Scores` and `Manifest`, read aloud; shape (users, movies)."""
    u = np.load(folder / "nodes/0/embeddings.npy").astype(np.float64)
    own = folder / "nodes/1/candidates.npy"
    v = np.load(own if own.exists() else folder / "nodes/1/embeddings.npy").astype(np.float64)
    edge = folder / "edges/0"
    reverse = edge / "relation_heads.npy"
    relation = np.load(reverse if heads and reverse.exists() else edge / "relation.npy").astype(np.float64)
    asks, answers = (v, u) if heads else (u, v)
    lines = np.array([[FORMULAS[scores](x, relation, y) for y in answers] for x in asks])
    by_target, by_source = (np.load(edge / f"{name}.npy") for name in ("target_bias", "source_bias"))
    return (lines.T if heads else lines) + by_target + by_source[:, None]


def complex_numbers(vector: Any) -> Any:
    real, imaginary = np.split(vector, 2)
    return real + 1j * imaginary


FORMULAS: dict[Scores, Callable[[Any, Any, Any], float]] = {
    Scores.PRODUCT: lambda u, r, v: (u * r * v).sum(),
    Scores.COMPLEX: lambda u, r, v: np.real(
        complex_numbers(u) * complex_numbers(r) * complex_numbers(v).conjugate()
    ).sum(),
    Scores.ROTATE: lambda u, r, v: -np.abs(complex_numbers(u) * np.exp(1j * r) - complex_numbers(v)).sum(),
    Scores.TRANSE: lambda u, r, v: -np.abs(u + r - v).sum(),
    Scores.TRANSE_L2: lambda u, r, v: -math.hypot(*(u + r - v)),
}


@pytest.mark.parametrize("scores", list(Scores))
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("ask_for", [tails, heads])
def test_every_score_function_is_that_of_the_formula(
    tmp_path: Path,
    ask_for: Callable[..., Invocation],
    scores: Scores,
    reverse: bool,  # noqa: FBT001
) -> None:
    width = WIDTH // 2 if scores is Scores.ROTATE else WIDTH
    other = {"edges/0/relation_heads.npy": np.linspace(-2, 2, width).astype(np.float32)} if reverse else {}
    predictor = opened(
        tmp_path, users=USERS, movies=MOVIES, scores=scores, overrides=other, calibration=(0.1, 0.2)
    )
    expected = raw_scores(tmp_path, scores, heads=ask_for is heads)
    line, ids, asked = (expected[4], MOVIES, "u4") if ask_for is tails else (expected[:, 4], USERS, "4")
    (answers,) = ask(predictor, ask_for(asked, topk=7))
    best = np.argsort(-line)[:7]
    assert [answer.id for answer in answers] == [ids[index] for index in best]
    calibrated = [1 / (1 + math.exp(-(0.1 * line[index] + 0.2))) for index in best]
    assert [answer.score for answer in answers] == pytest.approx(calibrated, rel=1e-12)


@pytest.mark.parametrize("scores", [Scores.ROTATE, Scores.TRANSE, Scores.TRANSE_L2])
def test_distances_below_the_resolution_of_float32_are_kept_apart(tmp_path: Path, scores: Scores) -> None:
    vectors = np.full((60, 8), 1000.0, np.float32)
    vectors[:, 1] = np.arange(60, dtype=np.float32) * np.float32(1e-7)
    overrides = {
        "nodes/0/embeddings.npy": np.zeros((9, 8), np.float32),
        "nodes/1/candidates.npy": vectors,
        "edges/0/relation.npy": np.zeros(4 if scores is Scores.ROTATE else 8, np.float32),
        "edges/0/target_bias.npy": np.zeros(60, np.float32),
    }
    if scores is Scores.ROTATE:  # a number of its own, beside which 1e-7 is not lost even in float64
        vectors[:, 5] = 0
    if scores is Scores.TRANSE_L2:  # squares of 1e-7 are lost in float64 too, beside those of 1000
        vectors /= 1000
        vectors[:, 1] = np.arange(60) * 1e-5
    made = {"users": USERS, "movies": MOVIES, "overrides": overrides, "scores": scores, "calibration": (1e-3, 0.0)}
    assert names(ask(opened(tmp_path, **made), tails("u0", topk=5))) == [["0", "1", "2", "3", "4"]]


@pytest.mark.parametrize("scores", [Scores.ROTATE, Scores.TRANSE, Scores.TRANSE_L2])
@pytest.mark.parametrize("numbers", [1, 64, 1 << 18])
def test_blocks_of_distances_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: Scores, numbers: int
) -> None:
    predictor = opened(tmp_path, users=USERS, movies=MOVIES, scores=scores)
    expected = ask(predictor, tails(*USERS, topk=9))
    monkeypatch.setattr("neptuneml_plugin.serving.scores.NUMBERS_PER_BLOCK", numbers)
    assert ask(predictor, tails(*USERS, topk=9)) == expected
    assert [ask(predictor, tails(user, topk=9))[0] for user in USERS] == expected


@pytest.mark.parametrize("scores", [Scores.ROTATE, Scores.TRANSE, Scores.TRANSE_L2])
@pytest.mark.parametrize("scale", [1e-22, 1.0, 1e12, 1e22, 1e30])
def test_the_nearest_by_distances_of_any_size(tmp_path: Path, scores: Scores, scale: float) -> None:
    """Squares of the smallest are nothing to float32, those of the largest infinite."""
    random = np.random.default_rng(5)
    overrides = {
        "nodes/0/embeddings.npy": random.normal(size=(9, 8)) * scale,
        "nodes/1/candidates.npy": random.normal(size=(60, 8)) * scale,
        "edges/0/relation.npy": random.normal(size=4) if scores is Scores.ROTATE else np.zeros(8),
        "edges/0/source_bias.npy": np.zeros(9),
        "edges/0/target_bias.npy": np.zeros(60),
    }
    predictor = opened(
        tmp_path,
        users=USERS,
        movies=MOVIES,
        scores=scores,
        calibration=(1 / scale, 0.0),
        overrides={name: array.astype(np.float32) for name, array in overrides.items()},
    )
    every = ask(predictor, tails(*USERS, topk=7))
    for line, answers in zip(raw_scores(tmp_path, scores), every, strict=True):
        assert [answer.id for answer in answers] == [MOVIES[at] for at in np.argsort(-line)[:7]]
    assert [ask(predictor, tails(user, topk=7))[0] for user in USERS] == every


@pytest.mark.parametrize("candidates", [True, False])
@pytest.mark.parametrize("mode", ["tails", "heads"])
def test_the_best_are_those_of_the_formula(tmp_path: Path, mode: str, candidates: bool) -> None:  # noqa: FBT001
    predictor = opened(tmp_path, users=USERS, movies=MOVIES, candidates=candidates, calibration=(2.0, -1.0))
    scores = raw_scores(tmp_path)
    if mode == "tails":
        line, ids, asked = scores[4], MOVIES, tails("u4", topk=7)
    else:
        line, ids, asked = scores[:, 4], USERS, heads("4", topk=7)
    best = np.argsort(-line)[:7]
    (answers,) = ask(predictor, asked)
    assert [answer.id for answer in answers] == [ids[index] for index in best]
    expected = [1 / (1 + math.exp(-(2.0 * line[index] - 1.0))) for index in best]
    assert [answer.score for answer in answers] == pytest.approx(expected, rel=1e-12)


def test_fewer_candidates_than_asked_for(tmp_path: Path) -> None:
    predictor = opened(tmp_path)
    assert len(ask(predictor, tails("1", topk=1000))[0]) == 5
    assert names(ask(predictor, tails("nobody", "1"))) == [[], names(ask(predictor, tails("1")))[0]]


def test_exclusions(tmp_path: Path) -> None:
    predictor = opened(tmp_path, training_edges=[(0, 0), (0, 3), (2, 1)])
    everything = names(ask(predictor, tails("1", topk=5)))[0]
    per_item = ask(predictor, tails("1", "1", topk=5, excludes=((str(everything[0]), "unknown"), ())))
    assert names(per_item) == [everything[1:], everything]
    everywhere = ask(predictor, tails("1", "2", topk=5, exclude=("b", "c")))
    assert [set(item) for item in names(everywhere)] == [{"a", "d", "e"}] * 2
    masked = names(ask(predictor, tails("1", "2", "3", topk=5, mask_training_edges=True)))
    assert [set(MADE) - set(item) for item in masked] == [{"a", "d"}, set(), {"b"}]
    masked = names(ask(predictor, heads("a", "b", topk=5, mask_training_edges=True)))
    assert [{"1", "2", "3"} - set(item) for item in masked] == [{"1"}, {"3"}]
    assert ask(predictor, tails("1", topk=5, exclude=tuple(MADE))) == [[]]


MADE = ("a", "b", "c", "d", "e")


@pytest.mark.parametrize("ask_for", [tails, heads])
@pytest.mark.parametrize(("training_edges", "own"), [([(0, 1), (3, 2)], False), ([(0, 1), (3, 3)], True)])
def test_an_element_is_its_own_partner_only_where_the_graph_has_a_self_loop(
    tmp_path: Path,
    ask_for: Callable[..., Invocation],
    training_edges: list[tuple[int, int]],
    own: bool,  # noqa: FBT001
) -> None:
    predictor = opened(tmp_path, users=USERS, edge=KNOWS, training_edges=training_edges)
    together = names(ask(predictor, ask_for(*USERS, topk=20)))
    for user, partners in zip(USERS, together, strict=True):
        assert set(partners) == set(USERS) - (set() if own else {user})
        assert names(ask(predictor, ask_for(user, topk=20))) == [partners]
        assert names(ask(predictor, ask_for(user, topk=1))) == [partners[:1]]


def test_threshold_and_its_tuned_value(tmp_path: Path) -> None:
    predictor = opened(tmp_path, threshold=0.4)
    every = ask(predictor, tails("1", topk=5))[0]
    for threshold, least in ((0.6, 0.6), ("tuned", 0.4), (0.0, 0.0)):
        kept = ask(predictor, tails("1", topk=5, threshold=threshold))[0]
        assert kept == [answer for answer in every if answer.score is not None and answer.score >= least]


def test_ties_are_broken_by_id(tmp_path: Path) -> None:
    zeros = {
        "nodes/1/candidates.npy": np.zeros((60, 8), np.float32),
        "edges/0/target_bias.npy": np.zeros(60, np.float32),
    }
    predictor = opened(tmp_path, users=USERS, movies=MOVIES, overrides=zeros)
    assert names(ask(predictor, tails("u0", topk=4))) == [sorted(MOVIES)[:4]]


def test_differences_below_the_resolution_of_float32_are_kept_apart(tmp_path: Path) -> None:
    """Scores of about 1000 that differ by 1e-7: float32 alone would see ties."""
    vectors = np.zeros((60, 8), np.float32)
    vectors[:, 0] = 1000.0
    vectors[:, 1] = np.arange(60, dtype=np.float32) * np.float32(1e-7)
    overrides = {
        "nodes/0/embeddings.npy": np.ones((9, 8), np.float32),
        "nodes/1/candidates.npy": vectors,
        "edges/0/relation.npy": np.ones(8, np.float32),
        "edges/0/target_bias.npy": np.zeros(60, np.float32),
    }
    predictor = opened(tmp_path, users=USERS, movies=MOVIES, overrides=overrides, calibration=(1e-3, 0.0))
    assert names(ask(predictor, tails("u0", topk=5))) == [["59", "58", "57", "56", "55"]]


def test_vectors_beyond_float32s_products_and_those_not_finite(tmp_path: Path) -> None:
    vectors = np.full((60, 8), 1e30, np.float32)
    vectors[:, 0] = -np.arange(60, dtype=np.float32) * 1e30
    vectors[7] = np.nan
    overrides = {
        "nodes/0/embeddings.npy": np.full((9, 8), 1e30, np.float32),
        "nodes/1/candidates.npy": vectors,
        "edges/0/relation.npy": np.ones(8, np.float32),
    }
    predictor = opened(tmp_path, users=USERS, movies=MOVIES, overrides=overrides)
    every = names(ask(predictor, tails("u0", topk=60)))[0]
    assert every[:3] == ["0", "1", "2"]
    assert len(every) == 59
    assert "7" not in every


@pytest.mark.parametrize(
    ("invocation", "says"),
    [
        (
            tails("1", edge_label="saw"),
            "edges 'saw' .*this endpoint predicts new edges 'rated' from 'user' to 'movie'",
        ),
        (tails("1", edge_label="rated", tail_type="book"), "edges 'rated' to 'book' are not predicted"),
        (heads("a", edge_label="rated", head_type="critic"), "edges 'rated' from 'critic' are not predicted"),
    ],
)
def test_labels_that_are_not_predicted_are_refused(tmp_path: Path, invocation: Invocation, says: str) -> None:
    with pytest.raises(InvalidParameter, match=says):
        ask(opened(tmp_path), invocation)


def test_an_item_of_another_label_has_no_answer(tmp_path: Path) -> None:
    items = Items(heads=("1", "1"), head_types=("critic", "user"), tail_types=(None, None), excludes=((), ()))
    answers = ask(opened(tmp_path), Invocation(Mode.PREDICT_TAIL, items))
    assert [len(item) for item in answers] == [0, 1]


@pytest.fixture(scope="module")
def with_items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose scores have an item-item part, and a relation of its own for each direction."""
    folder, random = tmp_path_factory.mktemp("items"), np.random.default_rng(1)
    overrides = {
        "edges/0/tails_items.npy": random.normal(size=(len(MOVIES), len(MOVIES))).astype(np.float32),
        "edges/0/heads_items.npy": random.normal(size=(len(USERS), len(USERS))).astype(np.float32),
        "edges/0/relation_heads.npy": random.normal(size=8).astype(np.float32),
    }
    edges = sorted((int(user), int(movie)) for user, movie in random.integers((9, 60), size=(80, 2)))
    opened(folder, users=USERS, movies=MOVIES, training_edges=sorted(set(edges)), overrides=overrides)
    return folder


@pytest.mark.parametrize("mode", ["tails", "heads"])
def test_training_neighbours_add_their_rows(with_items: Path, mode: str) -> None:
    edge = with_items / "edges/0"
    indptr, indices, items = (np.load(edge / f"{mode}_{name}.npy") for name in ("indptr", "indices", "items"))
    scores = raw_scores(with_items, heads=mode == "heads")
    line = scores[4] if mode == "tails" else scores[:, 4]
    line = line + items[indices[indptr[4] : indptr[5]]].astype(np.float64).sum(0)
    ids, asked = (MOVIES, tails("u4", topk=7)) if mode == "tails" else (USERS, heads("4", topk=7))
    (answers,) = ask(open_predictor(with_items)[1], asked)
    best = np.argsort(-line)[:7]
    assert [answer.id for answer in answers] == [ids[index] for index in best]
    expected = [1 / (1 + math.exp(-(2.0 * line[index] - 1.0))) for index in best]
    assert [answer.score for answer in answers] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("topk", [1, 5, 60])
def test_with_them_too_an_item_gets_the_same_bits_alone_or_in_a_batch(with_items: Path, topk: int) -> None:
    predictor = open_predictor(with_items)[1]
    together = ask(predictor, tails(*USERS, *USERS, topk=topk))
    for user, answers in zip(USERS * 2, together, strict=True):
        assert _bits(answers) == _bits(ask(predictor, tails(user, topk=topk))[0])


@pytest.fixture(scope="module")
def with_rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose scores have a part by rules; of targets beside that of items."""
    folder, random = tmp_path_factory.mktemp("rules"), np.random.default_rng(2)
    overrides = {
        "edges/0/tails_rules.npy": random.normal(size=(len(USERS), len(MOVIES))).astype(np.float32),
        "edges/0/tails_items.npy": random.normal(size=(len(MOVIES), len(MOVIES))).astype(np.float32),
        "edges/0/heads_rules.npy": random.normal(size=(len(MOVIES), len(USERS))).astype(np.float32),
    }
    edges = sorted({(int(user), int(movie)) for user, movie in random.integers((9, 60), size=(80, 2))})
    opened(folder, users=USERS, movies=MOVIES, training_edges=edges, overrides=overrides)
    return folder


@pytest.mark.parametrize("mode", ["tails", "heads"])
def test_rules_add_what_they_say_of_a_pair(with_rules: Path, mode: str) -> None:
    edge, scores = with_rules / "edges/0", raw_scores(with_rules)
    line = (scores[4] if mode == "tails" else scores[:, 4]) + np.load(edge / f"{mode}_rules.npy")[4]
    if mode == "tails":
        indptr, indices = (np.load(edge / f"tails_{name}.npy") for name in ("indptr", "indices"))
        items = np.load(edge / "tails_items.npy")[indices[indptr[4] : indptr[5]]]
        line = line + items.astype(np.float64).sum(0)
    ids, asked = (MOVIES, tails("u4", topk=7)) if mode == "tails" else (USERS, heads("4", topk=7))
    predictor = open_predictor(with_rules)[1]
    (answers,) = ask(predictor, asked)
    best = np.argsort(-line)[:7]
    assert [answer.id for answer in answers] == [ids[index] for index in best]
    expected = [1 / (1 + math.exp(-(2.0 * line[index] - 1.0))) for index in best]
    assert [answer.score for answer in answers] == pytest.approx(expected, rel=1e-12)
    together = ask(predictor, tails(*USERS, topk=7) if mode == "tails" else heads(*MOVIES, topk=7))
    assert _bits(together[4]) == _bits(answers)


def _bits(answers: list[Answer]) -> list[tuple[Any, ...]]:
    return [(a.id, a.value, None if a.score is None else a.score.hex()) for a in answers]


@pytest.fixture(scope="module")
def every_task(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Predictor]:
    predictors: dict[Task, Predictor] = {}
    for task in Task:
        folder = tmp_path_factory.mktemp(task)
        make_artifact(folder, Made(task=task, users=USERS, movies=MOVIES, training_edges=[(0, 1), (3, 3)]))
        predictors[task] = open_predictor(folder)[1]
    return predictors


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), task=st.sampled_from(list(Task)), block=st.sampled_from([60, 180, 1 << 22]))
def test_the_same_item_gets_the_same_bits_alone_or_in_any_batch(
    every_task: dict[Task, Predictor], data: st.DataObject, task: Task, block: int
) -> None:
    users = data.draw(st.lists(st.sampled_from([*USERS, "nobody"]), min_size=1, max_size=30))
    movies = data.draw(st.lists(st.sampled_from(MOVIES), min_size=len(users), max_size=len(users)))
    topk = data.draw(st.integers(1, 12))
    predictor = every_task[task]

    def some(chosen: list[int]) -> Listed:
        if task.on_nodes:
            mode, items = Mode.PREDICT, Items(nodes=tuple(movies[i] for i in chosen))
        else:
            none, ends = (None,) * len(chosen), tuple(users[i] for i in chosen)
            link = task is Task.LINK_PREDICTION
            mode = Mode.PREDICT_TAIL if link else Mode.PREDICT
            others = () if link else tuple(movies[i] for i in chosen)
            items = Items(heads=ends, tails=others, head_types=none, tail_types=none, excludes=((),) * len(chosen))
        score = task.is_class
        return ask(predictor, Invocation(mode, items, topk=topk, score=score))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neptuneml_plugin.serving.topk.SCORES_PER_BLOCK", block)
        together = some(list(range(len(users))))
    for index, answers in enumerate(together):
        assert _bits(answers) == _bits(some([index])[0])
