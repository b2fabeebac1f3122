"""Answers that are kept: the same as computed ones, within their bound, for nobody else's question."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.cache import AnswerCache
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.plain import PlainRequest
from neptuneml_plugin.serving.predict import Check, Predictor
from tests.made_artifacts import Made, make_artifact
from tests.worker_server import WorkerServer, worker_client


def asked(*ids: str, **parameters: Any) -> Invocation:
    items = Items(heads=ids, head_types=(None,) * len(ids), excludes=((),) * len(ids))
    return Invocation(Mode.PREDICT_TAIL, items, **parameters)


def answers(count: int, start: float = 0.0) -> Answers:
    return Answers(np.ones(count, np.int64), values=np.arange(start, start + count))


def same(one: Answers | None, other: Answers) -> bool:
    return one is not None and np.array_equal(one.values, other.values)  # type: ignore[arg-type]


def test_it_tells_apart_what_answers_depend_on_and_nothing_else() -> None:
    cache = AnswerCache(1 << 20)
    cache.put(asked("a"), answers(1))
    for alike in ({"request_id": "r"}, {"columns": True}, {"packed": True}, {"deadline_seconds": 1.0}):
        assert same(cache.get(asked("a", **alike)), answers(1)), alike
    for other in (
        asked("b"),
        asked("a", "a"),
        asked("a", topk=2),
        asked("a", exclude=("x",)),
        asked("a", mask_training_edges=True),
        asked("a", threshold=0.5),
        asked("a", edge_label="rated"),
        Invocation(Mode.PREDICT_HEAD, asked("a").items),
        Invocation(Mode.PREDICT_TAIL, Items(tails=("a",), head_types=(None,), excludes=((),))),
    ):
        assert cache.get(other) is None, other


def test_hashes_are_told_apart() -> None:
    cache = AnswerCache(1 << 20)
    one, two = (Invocation(Mode.PREDICT, Items(node_hashes=np.array([n], np.uint64))) for n in (1, 2))
    cache.put(one, answers(1))
    assert same(cache.get(one), answers(1))
    assert cache.get(two) is None


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 40)), max_size=60))
def test_it_stays_within_its_bound_and_forgets_the_least_recently_used(puts: list[tuple[str, int]]) -> None:
    cache = AnswerCache(4000)
    newest: dict[str, int] = {}
    for name, size in puts:
        cache.put(asked(name), answers(size))
        newest[name] = size
        assert 0 <= cache.size_bytes <= 4000
        assert same(cache.get(asked(name)), answers(size))
    for name, size in newest.items():
        kept = cache.get(asked(name))
        assert kept is None or same(kept, answers(size))


def test_what_was_used_stays() -> None:
    cache = AnswerCache(3000)
    cache.put(asked("a"), answers(1))
    for name in "bcdefgh":
        assert cache.get(asked("a")) is not None
        cache.put(asked(name), answers(1))
    assert cache.get(asked("b")) is None


def test_what_is_too_large_or_live_is_not_kept() -> None:
    cache = AnswerCache(3000)
    cache.put(asked("a"), answers(1000))
    assert (cache.get(asked("a")), cache.size_bytes) == (None, 0)
    assert cache.takes(asked("a"))
    assert not cache.takes(asked())
    assert not cache.takes(asked("a", subgraph="a neighbourhood"))
    assert not AnswerCache(0).takes(asked("a"))


def test_it_holds_no_batch_in_memory() -> None:
    cache, batch = AnswerCache(1 << 20), np.arange(1000.0)
    cache.put(asked("a"), Answers(np.ones(1, np.int64), values=batch[:1]))
    kept = cache.get(asked("a"))
    assert kept is not None
    assert kept.values is not None
    assert kept.values.base is None


class Counted:
    """Counts what is computed."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.calls = predictor, 0
        self.live: Any = predictor.live

    def look_up(self, request: PlainRequest) -> str | None:
        return self.predictor.look_up(request)

    def answer(self, invocation: Invocation, check: Check) -> Any:
        self.calls += 1
        return self.predictor.answer(invocation, check)


@pytest.mark.parametrize(("mib", "computed"), [(1, 1), (0, 3)])
async def test_a_worker_computes_once_what_is_asked_again(tmp_path: Any, mib: int, computed: int) -> None:
    make_artifact(tmp_path, Made(task=Task.LINK_PREDICTION))
    manifest, predictor = open_predictor(tmp_path)
    counted = Counted(predictor)
    endpoint = Endpoint(WorkerConfig("e", tmp_path, token="t", cache_mib=mib), manifest, counted)
    items = {"headNodeId": ["1", "zz"]}
    async with worker_client(WorkerServer(endpoint)) as client:

        async def ask(**parameters: Any) -> dict[str, Any]:
            body = {"mode": "predict_tail", "data": {"globalParameters": parameters, "items": items}}
            answer = await client.post("/invocations", json=body)
            assert answer.status == 200
            document: dict[str, Any] = await answer.json()
            return document

        first, second = await ask(requestId="r1"), await ask(requestId="r2")
        in_columns = await ask(columns=True)
        text = await (await client.get("/metrics")).text()
    endpoint.close()
    assert (first["requestId"], second["requestId"]) == ("r1", "r2")
    assert first["answers"] == second["answers"]
    assert in_columns["columns"]["ids"] == [found["id"] for found in first["answers"][0]]
    assert counted.calls == computed
    hits = f'neptuneml_cache_requests_total{{endpoint="e",result="hit",version="{manifest.version}",worker="0"}}'
    assert f"{hits} {3.0 - computed}" in text
