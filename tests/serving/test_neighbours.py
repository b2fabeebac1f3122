"""Nearest neighbours by embedding, against the cosine read aloud."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Scores, Task
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.errors import (
    InvalidParameter,
    MissingParameter,
    NeptuneMLError,
    TimeLimitExceeded,
    UnsupportedOperation,
)
from neptuneml_plugin.serving import neighbours, topk
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from tests.invocations import parse_invocation
from tests.listed_answers import Answer, Listed, listed
from tests.made_artifacts import KNOWS, Made, make_artifact
from tests.serving.test_inductive import renamed, served, stored
from tests.worker_server import WorkerServer, worker_client

MOVIES = tuple(f"m{number:03}" for number in range(50))
#: Lengths that float32 products would lose or overflow with are among them.
SIZES = (0.0, 1e-40, 1e-20, 1.0, 1e20, 3e37)


def opened(folder: Path, movies: Any, users: Any = None, **made: Any) -> Predictor:
    overrides = {"nodes/1/embeddings.npy": np.asarray(movies, np.float32)}
    if users is not None:
        overrides["nodes/0/embeddings.npy"] = np.asarray(users, np.float32)
    names = MOVIES[: len(movies)]
    make_artifact(folder, Made(movies=names, training_edges=[], overrides=overrides, **made))
    return open_predictor(folder)[1]


def body(items: Any, **parameters: Any) -> bytes:
    nodes = [item if isinstance(item, dict) else {"nodeId": item} for item in items]
    return json.dumps({"mode": "embed_knn", "data": {"globalParameters": parameters, "nodes": nodes}}).encode()


def ask(predictor: Predictor, *items: Any, **parameters: Any) -> Listed:
    parameters.setdefault("tailNodeType", "movie")
    return listed(predictor.answer(parse_invocation(body(items, **parameters)), lambda: None))


def names(answers: Listed) -> list[list[str | None]]:
    return [[answer.id for answer in item] for item in answers]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = a = b = 0.0
    for x, y in zip(one, other, strict=True):
        dot, a, b = dot + x * y, a + x * x, b + y * y
    lengths = math.sqrt(a) * math.sqrt(b)
    return dot if not math.isfinite(dot) else max(-1.0, min(1.0, dot / lengths)) if lengths else 0.0


def expected(vectors: Any, row: int, wanted: int, left_out: set[int]) -> list[Answer]:
    lines = vectors.astype(np.float64).tolist()
    if not np.isfinite(vectors[row]).all():
        return []
    scores = {at: cosine(lines[row], line) for at, line in enumerate(lines) if at not in left_out}
    finite = {at: score for at, score in scores.items() if np.isfinite(vectors[at]).all()}
    best = sorted(finite, key=lambda at: (-finite[at], MOVIES[at]))[:wanted]
    return [Answer(id=MOVIES[at], score=finite[at]) for at in best]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, len(MOVIES)), st.sampled_from([1, 2, 8, 33])),
    wanted=st.integers(1, 60),
    levels=st.sampled_from([2, 1000]),
    block=st.sampled_from([1, 40, 1 << 19]),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_the_neighbours_are_those_of_the_formula(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    shape: tuple[int, int],
    wanted: int,
    levels: int,
    block: int,
    flags: tuple[bool, bool],
) -> None:
    (include_self, odd), count = flags, shape[0]
    random = np.random.default_rng(seed)
    vectors = random.integers(-levels, levels + 1, shape).astype(np.float32) / levels
    if odd:
        vectors *= random.choice(SIZES, count)[:, None].astype(np.float32)
        vectors[random.random(count) < 0.05, 0] = np.nan
        vectors[random.random(count) < 0.05, -1] = np.inf
    left_out = [set(random.choice(count, count // 4, replace=False).tolist()) for _ in range(count)]
    everywhere = set(random.choice(count, count // 5, replace=False).tolist())
    predictor = opened(tmp_path_factory.mktemp("knn"), vectors)
    asked = [
        {"nodeId": MOVIES[row], "exclude": [*(MOVIES[at] for at in out), "nobody"]}
        for row, out in enumerate(left_out)
    ]
    parameters: dict[str, Any] = {
        "topk": wanted, "includeSelf": include_self, "exclude": [MOVIES[at] for at in everywhere]
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "SCORES_PER_BLOCK", block)
        together = ask(predictor, *asked, **parameters)
        alone = [ask(predictor, item, **parameters)[0] for item in asked]
    itself = [set() if include_self else {row} for row in range(count)]
    assert together == [
        expected(vectors, row, wanted, left_out[row] | everywhere | itself[row]) for row in range(count)
    ]
    assert alone == together


def test_lengths_do_not_matter_and_ties_go_by_id(tmp_path: Path) -> None:
    vectors = [[1, 0], [0, 4], [2, 0], [0.5, 0], [-8, 0], [0, 0]]
    predictor = opened(tmp_path, vectors)
    ((*best,),) = ask(predictor, "m000", topk=9)
    assert best == [
        Answer(id="m002", score=1.0),
        Answer(id="m003", score=1.0),
        Answer(id="m001", score=0.0),
        Answer(id="m005", score=0.0),
        Answer(id="m004", score=-1.0),
    ]
    assert names(ask(predictor, "m005", topk=2)) == [["m000", "m001"]]
    assert names(ask(predictor, "m000", topk=9, threshold=0.5)) == [["m002", "m003"]]
    assert names(ask(predictor, "m000", topk=9, threshold=0)) == [["m002", "m003", "m001", "m005"]]


def test_directions_that_float32_takes_for_one_are_kept_apart(tmp_path: Path) -> None:
    vectors = np.ones((50, 64), np.float32)
    vectors[1:, 0] += np.arange(49, dtype=np.float32)[::-1] * np.float32(2e-7)
    (best,) = ask(opened(tmp_path, vectors), "m000", topk=5)
    assert best == expected(vectors, 0, 5, {0})
    assert len({answer.score for answer in best}) > 1


@pytest.mark.parametrize("task", list(Task))
def test_every_task_has_neighbours(tmp_path: Path, task: Task) -> None:
    make_artifact(tmp_path, Made(task=task))
    vectors = np.load(tmp_path / "nodes/1/embeddings.npy").astype(float)
    predictor = open_predictor(tmp_path)[1]
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    nearest = np.argsort(-(units @ units.T) + 9 * np.eye(len(units)), axis=1)[:, 0]
    ids = "abcde"
    assert names(ask(predictor, *ids)) == [[ids[at]] for at in nearest.tolist()]
    assert ask(predictor, "zz", "", "1") == [[], [], []]
    assert ask(predictor) == []


def test_labels(tmp_path: Path) -> None:
    predictor = opened(tmp_path, [[1, 0], [0, 1]], [[0, 3], [1, 1], [2, 0]])
    assert names(ask(predictor, "1", nodeType="user")) == [["m001"]]
    assert names(ask(predictor, "1", nodeType="user", tailNodeType=None)) == [["2"]]
    assert names(ask(predictor, "3", nodeType="user", tailNodeType="user", topk=5)) == [["2", "1"]]
    assert names(ask(predictor, "m000")) == [["m001"]]


@pytest.mark.parametrize(
    ("parameters", "kind", "says"),
    [
        ({"tailNodeType": "moovie"}, InvalidParameter, "tailNodeType is 'moovie'.*did you mean 'movie'"),
        ({"nodeType": "usr"}, InvalidParameter, "nodeType is 'usr'.*did you mean 'user'"),
        ({"tailNodeType": None}, MissingParameter, "give nodeType.*user, movie"),
        ({"threshold": "tuned"}, InvalidParameter, "says nothing of similarities"),
        ({"edgeType": "rated"}, InvalidParameter, "edgeType means nothing to mode embed_knn"),
        ({"property": "genre"}, InvalidParameter, "property means nothing to mode embed_knn"),
        ({"includeSelf": 1}, InvalidParameter, "includeSelf must be true or false"),
        ({"nodeType": "user"}, InvalidParameter, "'user' are 3 wide, those of 'movie' 2"),
    ],
)
def test_refusals(tmp_path: Path, parameters: dict[str, Any], kind: type[NeptuneMLError], says: str) -> None:
    predictor = opened(tmp_path, [[1, 0], [0, 1]], [[0, 3, 1]] * 3)
    with pytest.raises(kind, match=says):
        ask(predictor, "1", "m000", **parameters)


def test_a_custom_model_without_embeddings(tmp_path: Path) -> None:
    predictor = opened(tmp_path, np.zeros((3, 0)), model="custom")
    with pytest.raises(UnsupportedOperation, match="gave no embeddings of 'movie'"):
        ask(predictor, "m000")


@pytest.mark.parametrize("made", [{}, {"scores": Scores.COMPLEX}])
def test_masked_training_edges_are_those_between_both_labels(tmp_path: Path, made: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    overrides = {"nodes/0/embeddings.npy": random.normal(size=(3, 8)).astype(np.float32)}
    joined: dict[str, Any] = {"edge": KNOWS, "training_edges": [(0, 1), (2, 0)], "candidates": False}
    make_artifact(tmp_path, Made(task=Task.LINK_PREDICTION, overrides=overrides, **joined, **made))
    predictor = open_predictor(tmp_path)[1]
    ways = {"topk": 5, "tailNodeType": "user"}
    free = [set(found) for found in names(ask(predictor, "1", "2", "3", **ways))]
    assert free == [{"2", "3"}, {"1", "3"}, {"1", "2"}]
    masked = names(ask(predictor, "1", "2", "3", exclude_flag="mask", **ways))
    assert masked == [[], ["3"], ["2"]]
    assert {*names(ask(predictor, "1", exclude_flag="mask", nodeType="user", topk=9))[0]} == set("abcde")


def test_masking_means_nothing_where_no_training_edges_are_kept(tmp_path: Path) -> None:
    predictor = opened(tmp_path, [[1, 0], [0, 1], [1, 1]])
    assert ask(predictor, "m000", exclude_flag="mask") == ask(predictor, "m000")


def test_columns_and_objects_say_the_same(tmp_path: Path) -> None:
    predictor = opened(tmp_path, np.random.default_rng(1).normal(size=(9, 4)))
    items = {"nodeId": ["m001", "m002"], "exclude": [["m003"], None]}
    parameters = {"tailNodeType": "movie", "topk": 9}
    document = {"mode": "embed_knn", "data": {"globalParameters": parameters, "items": items}}
    answers = predictor.answer(parse_invocation(json.dumps(document).encode()), lambda: None)
    assert listed(answers) == ask(predictor, {"nodeId": "m001", "exclude": ["m003"]}, "m002", topk=9)


def test_a_caller_who_has_gone_is_not_computed_for(tmp_path: Path) -> None:
    def gone() -> None:
        raise TimeLimitExceeded("late")

    predictor = opened(tmp_path, np.eye(5))
    with pytest.raises(TimeLimitExceeded):
        predictor.answer(parse_invocation(body(["m000"], tailNodeType="movie")), gone)


def test_lengths_are_taken_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(2).normal(size=(50, 8)).astype(np.float32)
    monkeypatch.setattr(neighbours, "VECTORS_PER_BLOCK", 7)
    assert ask(opened(tmp_path, vectors), "m007", topk=60) == [expected(vectors, 7, 60, {7})]


async def test_requests_of_several_callers_are_answered_together(tmp_path: Path) -> None:
    manifest = make_artifact(tmp_path, Made(task=Task.LINK_PREDICTION))
    endpoint = Endpoint(WorkerConfig("e", tmp_path, token="t", cache_mib=1), manifest, open_predictor(tmp_path)[1])
    async with worker_client(WorkerServer(endpoint)) as client:
        for _ in range(2):  # computed, and kept
            for name in "ab":
                asked = body([name], tailNodeType="movie", topk=2)
                reply = await (await client.post("/invocations", data=asked)).json()
                (best,) = ask(open_predictor(tmp_path)[1], name, topk=2)
                assert reply["answers"] == [[{"id": answer.id, "score": answer.score} for answer in best]]
    assert 'result="hit",' in endpoint.metrics.text().decode().replace("}", ",")
    endpoint.close()


def test_a_vertex_that_brings_its_neighbourhood(tmp_path: Path) -> None:
    made = served(tmp_path, Task.NODE_CLASS, {})
    predictor, (ids, _) = open_predictor(made.artifact)[1], stored(made, "item")
    around = {"subgraph": made.graph.neighbourhood([("item", ids[0])])}

    def live(*names: str, **data: Any) -> Listed:
        parameters = {"topk": 3, "tailNodeType": "item"}
        nodes = [{"nodeId": name} for name in names]
        document = {"mode": "embed_knn", "data": {"globalParameters": parameters, "nodes": nodes, **data}}
        return listed(predictor.answer(parse_invocation(json.dumps(document).encode()), lambda: None))

    (best, nobody), (known,) = live(ids[0], "nobody", **around), live(ids[0])
    assert names([best]) == names([known])
    assert [answer.score for answer in best] == pytest.approx([answer.score for answer in known], abs=1e-5)
    assert nobody == []
    graph = renamed(made.graph, "item", ids[0], "new")
    (found,) = live("new", subgraph=graph.neighbourhood([("item", "new")]))
    assert len(found) == 3
