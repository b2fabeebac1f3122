"""Requests answered together, alone, and in any mix: the same bytes."""

import asyncio
import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.errors import InvalidParameter, TimeLimitExceeded
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.batching import Batcher, merged, split
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.plain import PlainRequest
from neptuneml_plugin.serving.predict import Check, Predictor
from neptuneml_plugin.serving.wire import Reply, render_reply
from tests.made_artifacts import Made, make_artifact
from tests.running_service import PATIENCE_SECONDS

USERS, MOVIES = ("u1", "u2", "u3", "unknown"), ("m1", "m2", "m3", "unknown")


def render(invocation: Invocation, answers: Answers | Embeddings) -> bytes:
    return render_reply(Reply("e", "v", invocation.request_id or "", answers, columns=invocation.columns))


class Counted:
    """A predictor whose calls are counted, and which can be held."""

    live: Any = None

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.sizes: list[int] = []
        self.entered, self.go = threading.Event(), threading.Event()
        self.go.set()

    def look_up(self, request: PlainRequest) -> str | None:
        return self.predictor.look_up(request)

    def answer(self, invocation: Invocation, check: Check) -> Answers | Embeddings:
        self.entered.set()
        assert self.go.wait(PATIENCE_SECONDS)
        self.sizes.append(len(invocation.items))
        return self.predictor.answer(invocation, check)


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Predictor]:
    found: dict[Task, Predictor] = {}
    for task in (Task.NODE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION):
        folder = tmp_path_factory.mktemp(task)
        make_artifact(folder, Made(task=task, users=USERS[:3], movies=MOVIES[:3], training_edges=[(0, 0)]))
        found[task] = open_predictor(folder)[1]
    return found


def of_movies(ids: Sequence[str], **parameters: Any) -> Invocation:
    return Invocation(Mode.PREDICT, Items(nodes=tuple(ids)), **parameters)


def hashed(ids: Sequence[str], **parameters: Any) -> Invocation:
    return Invocation(
        Mode.PREDICT,
        Items(node_hashes=np.array([xxhash.xxh64_intdigest(name.encode()) for name in ids], np.uint64)),
        **parameters,
    )


def of_pairs(pairs: Sequence[tuple[str, str]], **parameters: Any) -> Invocation:
    heads, tails = zip(*pairs, strict=True)
    none = (None,) * len(pairs)
    items = Items(heads=heads, tails=tails, head_types=none, tail_types=none, excludes=((),) * len(pairs))
    return Invocation(Mode.PREDICT, items, **parameters)


def of_users(users: Sequence[tuple[str, tuple[str, ...]]], **parameters: Any) -> Invocation:
    heads, excludes = zip(*users, strict=True)
    none = (None,) * len(users)
    items = Items(heads=heads, head_types=none, tail_types=none, excludes=excludes)
    return Invocation(Mode.PREDICT_TAIL, items, **parameters)


movies = st.lists(st.sampled_from(MOVIES), min_size=1, max_size=4)
pairs = st.lists(st.tuples(st.sampled_from(USERS), st.sampled_from(MOVIES)), min_size=1, max_size=4)
common = {"request_id": st.sampled_from([None, "a", "b"]), "columns": st.booleans()}
REQUESTS = {
    Task.NODE_CLASS: st.one_of(
        st.builds(of_movies, movies, topk=st.integers(1, 2), score=st.booleans(), **common),
        st.builds(hashed, movies, topk=st.integers(1, 2), **common),
        st.builds(of_movies, movies, property_name=st.just("another"), **common),
    ),
    Task.EDGE_REGRESSION: st.builds(of_pairs, pairs, **common),
    Task.LINK_PREDICTION: st.builds(
        of_users,
        st.lists(
            st.tuples(st.sampled_from(USERS), st.lists(st.sampled_from(MOVIES), max_size=2).map(tuple)),
            min_size=1,
            max_size=4,
        ),
        topk=st.integers(1, 3),
        exclude=st.sampled_from([(), ("m2",)]),
        mask_training_edges=st.booleans(),
        **common,
    ),
}


async def ask_all(predictor: Predictor, requests: Sequence[Invocation], max_batch: int) -> list[bytes | str]:
    """Return what each is told when all are asked while the worker is busy."""
    batcher = Batcher(predictor, render, max_batch)
    try:
        results = await asyncio.gather(*(batcher.answer(one, None) for one in requests), return_exceptions=True)
        return [result if isinstance(result, bytes) else f"{type(result).__name__} {result}" for result in results]
    finally:
        batcher.close()


@pytest.mark.parametrize("task", REQUESTS)
@given(data=st.data(), max_batch=st.integers(1, 12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mix_gets_the_same_bytes_as_each_alone(
    predictors: dict[Task, Predictor], task: Task, data: st.DataObject, max_batch: int
) -> None:
    requests = data.draw(st.lists(REQUESTS[task], min_size=1, max_size=8))
    together = asyncio.run(ask_all(predictors[task], requests, max_batch))
    alone = [asyncio.run(ask_all(predictors[task], [one], 1))[0] for one in requests]
    assert together == alone


async def test_what_queues_while_a_batch_runs_goes_together(predictors: dict[Task, Predictor]) -> None:
    counted = Counted(predictors[Task.NODE_CLASS])
    counted.go.clear()
    batcher = Batcher(counted, render, max_batch=4)
    first = asyncio.create_task(batcher.answer(of_movies(["m1"]), None))
    assert await asyncio.to_thread(counted.entered.wait, 30)
    others = [asyncio.create_task(batcher.answer(of_movies(["m2"], request_id=str(n)), None)) for n in range(6)]
    gone = asyncio.create_task(batcher.answer(of_movies(["m3"]), None))
    await asyncio.sleep(0)
    gone.cancel()
    counted.go.set()
    await asyncio.gather(first, *others)
    batcher.close()
    assert counted.sizes == [1, 4, 2]
    assert {(await one).count(f'"requestId":"{n}"'.encode()) for n, one in enumerate(others)} == {1}


async def test_one_who_asks_wrongly_fails_alone(predictors: dict[Task, Predictor]) -> None:
    batcher = Batcher(predictors[Task.NODE_CLASS], render, max_batch=100)
    right, wrong = of_movies(["m1"]), of_movies(["m1"], threshold=2.0, property_name="another")
    results = await asyncio.gather(
        *(batcher.answer(one, None) for one in (right, wrong, right)), return_exceptions=True
    )
    batcher.close()
    assert isinstance(results[1], InvalidParameter)
    assert results[0] == results[2] != b""


async def test_one_who_is_late_does_not_hold_up_the_others(predictors: dict[Task, Predictor]) -> None:
    batcher = Batcher(predictors[Task.NODE_CLASS], render, max_batch=100)
    results = await asyncio.gather(
        batcher.answer(of_movies(["m1"]), 0.0), batcher.answer(of_movies(["m1"]), None), return_exceptions=True
    )
    batcher.close()
    assert isinstance(results[0], TimeLimitExceeded)
    assert isinstance(results[1], bytes)


async def test_a_batch_may_wait_for_others(predictors: dict[Task, Predictor]) -> None:
    counted = Counted(predictors[Task.NODE_CLASS])
    batcher = Batcher(counted, render, max_batch=100, max_delay_seconds=0.05)
    first = asyncio.create_task(batcher.answer(of_movies(["m1"]), None))
    await asyncio.sleep(0)
    await asyncio.gather(first, batcher.answer(of_movies(["m2"]), None))
    batcher.close()
    assert counted.sizes == [2]


def test_every_column_of_items_is_merged() -> None:
    one = Items(*((("a",),) * 6), *((np.array([1], np.uint64),) * 3))  # type: ignore[arg-type]
    both = merged([Invocation(Mode.PREDICT, one), Invocation(Mode.PREDICT, one)]).items
    for field in dataclasses.fields(Items):
        assert len(getattr(both, field.name)) == 2, field.name


def test_every_column_of_answers_is_split() -> None:
    answers = Answers(
        counts=np.array([2, 0, 1]),
        indices=np.array([0, 1, 2]),
        classes=("x", "y", "z"),
        values=np.array([0.0, 1.0, 2.0]),
        ids=("a", "b", "c"),
        scores=np.array([0.5, 0.25, 0.125]),
    )
    first, second = split(answers, [2, 1])
    assert (first.ids, second.ids) == (("a", "b"), ("c",))
    for field in dataclasses.fields(Answers):
        if field.name != "classes":
            whole = [*getattr(first, field.name), *getattr(second, field.name)]
            assert whole == list(getattr(answers, field.name)), field.name
