"""What is looked up one by one is, byte for byte, what is answered in arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.serving.answers import Answers, objects
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.lookup import MOST_CLASSES
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.plain import PlainRequest
from neptuneml_plugin.serving.wire import Reply, render_answers, render_reply
from tests.made_artifacts import Made, make_artifact

MOVIES = ("a", "b", "c", "d", "ü")
CLASSES: dict[str, tuple[Any, ...]] = {
    "texts": ("dräma", 'co"medy', "noir"),
    "numbers": (1, 2, 3),
    "flags": (True, False),
}


def asked(*names: str, **parameters: Any) -> PlainRequest:
    return PlainRequest([*names], **parameters)


names = st.lists(st.sampled_from((*MOVIES, "unknown")), min_size=1, max_size=4)
numbers = st.sampled_from([0.0, 0.25, 0.1, 1.0, -2.5, float("nan"), float("inf")])


@given(data=st.data(), score=st.booleans(), kind=st.sampled_from([*CLASSES, "regression"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    score: bool,  # noqa: FBT001 - hypothesis names it
    kind: str,
) -> None:
    classes = CLASSES.get(kind)
    shape = (len(MOVIES), len(classes) if classes else 1)
    predictions = data.draw(arrays.arrays(np.float32, shape, elements=numbers.map(np.float32)))
    made = Made(
        Task.NODE_CLASS if classes else Task.NODE_REGRESSION,
        movies=MOVIES,
        classes=classes or (),
        training_edges=[(0, 0)],
        overrides={"nodes/1/predictions.npy": predictions},
    )
    folder = tmp_path_factory.mktemp("artifact")
    make_artifact(folder, made)
    predictor = open_predictor(folder)[1]
    request = asked(*data.draw(names), score=score and classes is not None)
    invocation = Invocation(Mode.PREDICT, Items(nodes=tuple(request.names)), score=request.score)
    answers = predictor.answer(invocation, lambda: None)
    assert isinstance(answers, Answers)
    looked_up = predictor.look_up(request)
    assert looked_up == objects(answers)
    assert render_answers("é", "v", 'r"', looked_up) == render_reply(Reply("é", "v", 'r"', answers))


def test_all_else_is_left_to_the_arrays(tmp_path: Path) -> None:
    make_artifact(tmp_path / "classes")
    predictor = open_predictor(tmp_path / "classes")[1]
    assert predictor.look_up(asked("a", property_name="genre")) is not None
    assert predictor.look_up(asked("a", property_name="another")) is None
    make_artifact(tmp_path / "numbers", Made(Task.NODE_REGRESSION))
    predictor = open_predictor(tmp_path / "numbers")[1]
    assert predictor.look_up(asked("a")) is not None
    assert predictor.look_up(asked("a", score=True)) is None
    make_artifact(tmp_path / "many", Made(movies=MOVIES, classes=range(MOST_CLASSES + 1), training_edges=[(0, 0)]))
    assert open_predictor(tmp_path / "many")[1].look_up(asked("a")) is None


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION])
def test_edges_are_computed(tmp_path: Path, task: Task) -> None:
    make_artifact(tmp_path, Made(task))
    assert open_predictor(tmp_path)[1].look_up(asked("a")) is None
