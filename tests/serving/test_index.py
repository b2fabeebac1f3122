"""The approximate index: what it proposes is scored exactly, and so is what it cannot do; its recall is true."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import Manifest, Scores, Task
from neptuneml_plugin.config import Index
from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.serving import index as indices
from neptuneml_plugin.serving.index import ApproximateIndex, index_of
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import WithNeighbours, open_predictor
from neptuneml_plugin.serving.topk import LeftOut
from tests.listed_answers import Listed, listed
from tests.made_artifacts import Made, make_artifact

COUNT, WIDTH = 1500, 12
MOVIES = tuple(f"m{number:04}" for number in range(COUNT))
USERS = tuple(f"u{number}" for number in range(150))


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indices, "LEAST_CANDIDATES", 1000)


@pytest.fixture(params=["HNSW", "IVF"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    chosen: str = request.param
    monkeypatch.setattr(indices, "MOST_IN_GRAPH", COUNT if chosen == "HNSW" else 0)
    return chosen


def clustered(count: int, seed: int) -> Any:
    random, centres = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(20, WIDTH))
    return (centres[random.integers(0, 20, count)] + 0.4 * random.normal(size=(count, WIDTH))).astype(np.float32)


def make(folder: Path, **made: Any) -> None:
    vectors = {
        "nodes/0/embeddings.npy": clustered(len(USERS), 1),
        "nodes/1/embeddings.npy": clustered(COUNT, 2),
        "edges/0/relation.npy": np.linspace(
            0.5, 1.5, WIDTH // 2 if made.get("scores") is Scores.ROTATE else WIDTH
        ),
    } | made.pop("overrides", {})
    make_artifact(
        folder,
        Made(
            users=USERS,
            movies=MOVIES,
            candidates=False,
            overrides={name: array.astype(np.float32) for name, array in vectors.items()},
            **{"task": Task.LINK_PREDICTION, **made},
        ),
    )


def opened(folder: Path, index: Index = Index.FAISS) -> WithNeighbours:
    return open_predictor(folder, index=index)[1]


def ask(predictor: WithNeighbours, *users: str, **parameters: Any) -> Listed:
    none = (None,) * len(users)
    excludes = parameters.pop("excludes", ((),) * len(users))
    items = Items(heads=users, head_types=none, tail_types=none, excludes=excludes)
    return listed(predictor.answer(Invocation(Mode.PREDICT_TAIL, items, **parameters), lambda: None))


def alike(predictor: WithNeighbours, *movies: str, **parameters: Any) -> Listed:
    items = Items(nodes=movies, excludes=((),) * len(movies))
    asked = Invocation(Mode.EMBED_KNN, items, tail_type="movie", **parameters)
    return listed(predictor.answer(asked, lambda: None))


def shared(one: Listed, other: Listed) -> float:
    """The share of the other's answers that are among the one's, with the same score."""
    pairs = zip(one, other, strict=True)
    return float(np.mean([len(set(mine) & set(theirs)) / len(theirs) for mine, theirs in pairs]))


@pytest.mark.parametrize("scores", [Scores.PRODUCT, Scores.COMPLEX])
def test_links_by_an_index(tmp_path: Path, kind: str, scores: Scores) -> None:
    make(tmp_path, scores=scores)
    predictor, exact = opened(tmp_path), opened(tmp_path, Index.EXACT)
    (report,) = predictor.indices  # users are too few for one
    assert (report.of, report.kind, report.candidates) == ("predict_tail (user)-rated-(movie)", kind, COUNT)
    found, best = (ask(each, *USERS, topk=10) for each in (predictor, exact))
    assert shared(found, best) > 0.85
    assert abs(shared(found, best) - report.recall) < 0.1
    assert exact.indices == []
    assert [ask(predictor, user, topk=10)[0] for user in USERS] == found
    assert ask(opened(tmp_path), *USERS, topk=10) == found  # another worker's


def test_neighbours_by_an_index(tmp_path: Path, kind: str) -> None:
    make(tmp_path, task=Task.NODE_CLASS)
    predictor, exact = opened(tmp_path), opened(tmp_path, Index.EXACT)
    assert [(report.of, report.kind) for report in predictor.indices] == [("embed_knn (movie)", kind)]
    found, best = (alike(each, *MOVIES[:200], topk=10) for each in (predictor, exact))
    assert shared(found, best) > 0.85
    assert [alike(predictor, movie, topk=10)[0] for movie in MOVIES[:200]] == found
    assert all(movie not in {answer.id for answer in item} for movie, item in zip(MOVIES, found, strict=False))


def test_where_filters_leave_too_few_all_are_looked_at(tmp_path: Path, kind: str) -> None:
    assert kind
    make(tmp_path)
    predictor, exact = opened(tmp_path), opened(tmp_path, Index.EXACT)
    best = [str(answer.id) for answer in ask(exact, "u3", topk=200)[0]]
    for wanted in (10, indices.MOST_ANSWERS + 1):
        asked: dict[str, Any] = {"topk": wanted, "excludes": (tuple(best), ())}
        (found, other), (expected, _) = ask(predictor, "u3", "u4", **asked), ask(exact, "u3", "u4", **asked)
        assert found == expected
        assert other == ask(predictor, "u4", topk=wanted)[0]
    everything = {"topk": COUNT, "exclude": MOVIES[5:]}
    assert ask(predictor, "u3", **everything) == ask(exact, "u3", **everything)
    masked = {"topk": 3, "mask_training_edges": True}
    assert not {MOVIES[0], MOVIES[1]} & {answer.id for answer in ask(predictor, USERS[0], **masked)[0]}


@pytest.fixture
def makings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What indices have been made of."""
    made: list[str] = []
    make = ApproximateIndex.make

    def noted(of: str, *given: Any) -> ApproximateIndex:
        made.append(of)
        return make(of, *given)

    monkeypatch.setattr(ApproximateIndex, "make", noted)
    return made


def test_all_workers_map_the_index_of_the_first(tmp_path: Path, kind: str, makings: list[str]) -> None:
    make(tmp_path / "a")
    kept = tmp_path / "indices"
    with ThreadPoolExecutor(3) as workers:
        manifests, predictors = zip(*workers.map(lambda _: open_kept(tmp_path / "a", kept), range(3)), strict=True)
    assert makings == ["predict_tail (user)-rated-(movie)"]
    own = opened(tmp_path / "a")
    for predictor in predictors:
        assert predictor.indices == own.indices
        assert predictor.indices[0].kind == kind
        assert ask(predictor, *USERS[:20], topk=10) == ask(own, *USERS[:20], topk=10)
    (file,) = kept.glob("*/*.faiss")
    assert file.parent.name == manifests[0].version
    assert str(file) in Path("/proc/self/maps").read_text()
    assert sorted(path.suffix for path in file.parent.iterdir()) == ["", ".faiss", ".json"]


def open_kept(folder: Path, kept: Path) -> tuple[Manifest, WithNeighbours]:
    return open_predictor(folder, index=Index.FAISS, indices=kept)


@pytest.mark.parametrize("damage", ["cut", "released", "half"])
def test_what_cannot_be_mapped_is_made_again(tmp_path: Path, makings: list[str], damage: str) -> None:
    make(tmp_path / "a")
    kept = tmp_path / "indices"
    first = ask(open_kept(tmp_path / "a", kept)[1], *USERS, topk=10)
    (file,) = kept.glob("*/*.faiss")
    told = file.with_suffix(".json")
    if damage == "cut":
        file.write_bytes(b"IHN")
    elif damage == "half":
        told.unlink()
    else:
        told.write_text(json.dumps(json.loads(told.read_text()) | {"faiss": "0.1"}))
    assert ask(open_kept(tmp_path / "a", kept)[1], *USERS, topk=10) == first
    open_kept(tmp_path / "a", kept)
    assert len(makings) == 2


def test_where_nothing_can_be_kept_a_worker_has_its_own(
    tmp_path: Path, makings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path / "a")
    (tmp_path / "indices").write_text("no folder")
    predictor = open_kept(tmp_path / "a", tmp_path / "indices")[1]
    assert len(predictor.indices) == len(makings) == 1
    assert "an index is not kept" in caplog.text


@pytest.mark.parametrize("scores", [Scores.TRANSE, Scores.TRANSE_L2, Scores.ROTATE])
def test_distances_have_no_index(tmp_path: Path, scores: Scores) -> None:
    make(tmp_path, scores=scores)
    assert opened(tmp_path).indices == []
    assert ask(opened(tmp_path), "u1", topk=5) == ask(opened(tmp_path, Index.EXACT), "u1", topk=5)


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30])
def test_candidates_that_an_index_cannot_hold_are_ranked_exactly(tmp_path: Path, odd: float) -> None:
    vectors = clustered(COUNT, 2)
    vectors[7, 3] = odd
    make(tmp_path, overrides={"nodes/1/embeddings.npy": vectors})
    assert opened(tmp_path).indices == []
    assert ask(opened(tmp_path), *USERS[:9], topk=5) == ask(opened(tmp_path, Index.EXACT), *USERS[:9], topk=5)


@pytest.mark.parametrize("odd", [np.nan, 1e30])
def test_queries_that_an_index_cannot_take_are_ranked_exactly(tmp_path: Path, odd: float) -> None:
    vectors = clustered(len(USERS), 1)
    vectors[2, 3] = odd
    make(tmp_path, overrides={"nodes/0/embeddings.npy": vectors})
    predictor = opened(tmp_path)
    assert len(predictor.indices) == 1
    assert ask(predictor, "u2", topk=5) == ask(opened(tmp_path, Index.EXACT), "u2", topk=5)


def test_few_candidates_have_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indices, "LEAST_CANDIDATES", COUNT + 1)
    make(tmp_path)
    assert opened(tmp_path).indices == []


def test_the_recall_says_what_an_index_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random directions in many dimensions lie in no clusters."""
    monkeypatch.setattr(indices, "MOST_IN_GRAPH", 0)
    vectors = np.random.default_rng(3).normal(size=(20_000, 96)).astype(np.float32)
    queries = np.random.default_rng(4).normal(size=(128, 96)).astype(np.float32)
    index = index_of("random", lambda at: vectors[at], len(vectors), lambda count: queries[:count])
    assert index is not None
    nothing = LeftOut.of([[]] * len(queries))
    proposed = index.contenders(queries, 10, nothing, lambda rows: [], lambda: None)
    best = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    recall = np.mean([np.isin(line, rows).mean() for line, rows in zip(best[1::2], proposed[1::2], strict=True)])
    assert index.report.recall == pytest.approx(recall, abs=1e-4)
    assert index.report.recall < 1


def test_without_faiss_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(PreconditionsFailed, match=r"pip install 'neptuneml-plugin\[faiss\]'"):
        opened(tmp_path)
    assert opened(tmp_path, Index.EXACT).indices == []
