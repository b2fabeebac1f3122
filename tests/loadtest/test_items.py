"""Bodies of a file, and bodies about what an artifact knows."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import MANIFEST, Task, read_record
from neptuneml_plugin.artifacts import Manifest as ManifestRecord
from neptuneml_plugin.errors import InvalidData, InvalidSettings
from neptuneml_plugin.loadtest.items import Sampling, read_bodies, sampled_bodies
from neptuneml_plugin.serving.opening import open_predictor
from tests.invocations import parse_invocation
from tests.made_artifacts import RATED, Made, make_artifact


@pytest.mark.parametrize("task", Task)
def test_the_worker_answers_every_body_about_what_it_knows(tmp_path: Path, task: Task) -> None:
    make_artifact(tmp_path, Made(task))
    _, predictor = open_predictor(tmp_path)
    bodies = sampled_bodies(tmp_path, Sampling(items=3, topk=2, bodies=20))
    assert len(set(bodies)) > 1
    for body in bodies:
        answers = predictor.answer(parse_invocation(body), lambda: None)
        assert len(answers.counts) == 3  # type: ignore[union-attr]
        assert (answers.counts > 0).all()  # type: ignore[union-attr]


def test_what_is_drawn_depends_on_the_seed_alone(tmp_path: Path) -> None:
    make_artifact(tmp_path, Made(movies=[str(number) for number in range(100)]))
    first = sampled_bodies(tmp_path, Sampling(bodies=10))
    assert sampled_bodies(tmp_path, Sampling(bodies=10)) == first
    assert sampled_bodies(tmp_path, Sampling(bodies=10, seed=1)) != first


def test_edges_of_a_custom_model_are_those_that_it_answers_for(tmp_path: Path) -> None:
    pairs = np.array([[0, 4], [2, 1]], dtype=np.int64)
    stored = {"edges/0/pairs.npy": pairs, "edges/0/predictions.npy": np.ones((2, 1))}
    make_artifact(tmp_path, Made(Task.EDGE_REGRESSION, overrides=stored, model="custom"))
    asked = [json.loads(body)["data"]["edges"][0] for body in sampled_bodies(tmp_path, Sampling(bodies=30))]
    assert {(edge["headNodeId"], edge["tailNodeId"]) for edge in asked} == {("1", "e"), ("3", "b")}


def test_links_are_asked_of_each_target_type_in_turn(tmp_path: Path) -> None:
    make_artifact(tmp_path, Made(Task.LINK_PREDICTION))
    manifest = read_record(tmp_path / MANIFEST, ManifestRecord)
    body = json.loads(sampled_bodies(tmp_path, Sampling(bodies=1, topk=7))[0])
    assert manifest.target.edges == (RATED,)
    assert body["mode"] == "predict_tail"
    assert body["data"]["globalParameters"] == {"edgeType": "rated", "tailNodeType": "movie", "topk": 7}


def test_an_artifact_without_anything_to_ask_about(tmp_path: Path) -> None:
    make_artifact(tmp_path / "empty", Made(movies=[], training_edges=[]))
    with pytest.raises(InvalidData, match="knows no element to ask about"):
        sampled_bodies(tmp_path / "empty", Sampling())
    with pytest.raises(InvalidData, match="is not an artifact"):
        sampled_bodies(tmp_path, Sampling())


def test_a_damaged_artifact_is_named(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    ids = tmp_path / "nodes/1/ids.npy"
    ids.write_bytes(b"x" * ids.stat().st_size)
    with pytest.raises(InvalidData, match="cannot be read"):
        sampled_bodies(tmp_path, Sampling())


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers()), min_size=1, max_size=9))
def test_a_file_of_bodies_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, object]]
) -> None:
    file = tmp_path_factory.mktemp("bodies") / "items.jsonl"
    file.write_text("\n\n".join(json.dumps(document, ensure_ascii=False) for document in documents), "utf-8")
    assert [json.loads(body) for body in read_bodies(file)] == documents


def test_every_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"data": {}}\n[1]\n\n{"data"\n')
    with pytest.raises(InvalidSettings) as caught:
        read_bodies(file)
    assert caught.value.problems[0] == "line 2 is not a JSON object, as an invocation's body is"
    assert caught.value.problems[1].startswith("line 4 is not JSON: ")
    file.write_text("\n \n")
    with pytest.raises(InvalidSettings, match="holds no invocation body"):
        read_bodies(file)
    file.write_bytes(b"\xff")
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read_bodies(file)
