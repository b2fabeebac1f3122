"""Answers of every task, against a plain reading of the formulas in `artifacts.Manifest`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from neptuneml_plugin.artifacts import MANIFEST, Task
from neptuneml_plugin.errors import InvalidData, InvalidParameter, TimeLimitExceeded
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from tests.listed_answers import Answer, Listed, listed
from tests.made_artifacts import Made, make_artifact

NODES = {Task.NODE_CLASS, Task.NODE_REGRESSION}


def opened(folder: Path, **made: Any) -> Predictor:
    make_artifact(folder, Made(**made))
    return open_predictor(folder)[1]


def ask(predictor: Predictor, invocation: Invocation) -> Listed:
    return listed(predictor.answer(invocation, lambda: None))


def of_nodes(*ids: str, **parameters: Any) -> Invocation:
    return Invocation(Mode.PREDICT, Items(nodes=ids), **parameters)


def of_edges(*pairs: tuple[str, str], **parameters: Any) -> Invocation:
    heads, tails = zip(*pairs, strict=True) if pairs else ((), ())
    types = (None,) * len(pairs)
    return Invocation(
        Mode.PREDICT,
        Items(heads=heads, tails=tails, head_types=types, tail_types=types, excludes=((),) * len(pairs)),
        **parameters,
    )


GIVEN = np.array(
    [[0.2, 0.7, 0.1], [0.4, 0.2, 0.4], [0.1, 0.1, 0.8], [np.nan, 0.5, 0.2], [0.3, 0.3, 0.4]], np.float32
)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [["comedy"], ["drama"], ["noir"]]),
        ({"topk": 2}, [["comedy", "drama"], ["drama", "noir"], ["noir", "drama"]]),
        ({"topk": 99}, [["comedy", "drama", "noir"], ["drama", "noir", "comedy"], ["noir", "drama", "comedy"]]),
        ({"topk": 3, "threshold": 0.3}, [["comedy"], ["drama", "noir"], ["noir"]]),
        ({"threshold": 0.75}, [[], [], ["noir"]]),
        ({"threshold": "tuned"}, [["comedy"], [], ["noir"]]),
    ],
)
def test_node_classes(tmp_path: Path, parameters: dict[str, Any], expected: list[list[str]]) -> None:
    predictor = opened(tmp_path, threshold=0.5, overrides={"nodes/1/predictions.npy": GIVEN})
    answers = ask(predictor, of_nodes("a", "b", "c", **parameters))
    assert [[answer.value for answer in item] for item in answers] == expected


def test_scores_come_when_asked_for(tmp_path: Path) -> None:
    predictor = opened(tmp_path, overrides={"nodes/1/predictions.npy": GIVEN})
    assert ask(predictor, of_nodes("c", score=True)) == [[Answer(value="noir", score=float(np.float32(0.8)))]]
    assert ask(predictor, of_nodes("c")) == [[Answer(value="noir")]]


def test_unknown_nodes_and_numbers_that_are_not_finite_have_no_answer(tmp_path: Path) -> None:
    predictor = opened(tmp_path, overrides={"nodes/1/predictions.npy": GIVEN})
    assert ask(predictor, of_nodes("zz", "c", "")) == [[], [Answer(value="noir")], []]
    assert [answer.value for answer in ask(predictor, of_nodes("d", topk=3))[0]] == ["comedy", "noir"]


@pytest.mark.parametrize(
    ("classes", "data_type"),
    [((1, 2, 3), "Integer"), ((True, False), "Boolean"), ((0.5, 1.5), "Double"), (("x", "y"), "String")],
)
def test_classes_keep_their_type(tmp_path: Path, classes: tuple[Any, ...], data_type: str) -> None:
    predictor = opened(tmp_path, classes=classes, data_type=data_type)
    values = [answer.value for answer in ask(predictor, of_nodes("a", topk=3))[0]]
    assert set(values) == set(classes)
    assert {type(value) for value in values} == {type(classes[0])}


@pytest.mark.parametrize(
    ("ids", "id_type"),
    [
        (("12", "-3", "9007199254740993"), "Long"),
        (("7f3c1a52-0000-4000-8000-00000000000a", "7f3c1a52-0000-4000-8000-00000000000b"), "UUID"),
        (("é", "a b", "漢字", ""), "String"),
    ],
)
def test_ids_are_text_whatever_their_type(tmp_path: Path, ids: tuple[str, ...], id_type: str) -> None:
    predictor = opened(tmp_path, movies=ids, movie_id_type=id_type, training_edges=[(0, 0)])
    assert all(ask(predictor, of_nodes(*ids)))


def test_node_regression(tmp_path: Path) -> None:
    predictor = opened(
        tmp_path,
        task=Task.NODE_REGRESSION,
        overrides={"nodes/1/predictions.npy": np.array([[1.5], [np.inf], [-2.0], [0.0], [1e300]])},
    )
    answers = ask(predictor, of_nodes("a", "b", "c", "e", "zz", topk=5))
    assert answers == [[Answer(value=1.5)], [], [Answer(value=-2.0)], [Answer(value=1e300)], []]


def decoded(folder: Path, head: int, tail: int) -> Any:
    """The decoder's formula, read aloud."""
    part = {path.stem: np.load(path).astype(np.float64) for path in (folder / "decoder").iterdir()}
    u = np.load(folder / "nodes/0/embeddings.npy")[head].astype(np.float64)
    v = np.load(folder / "nodes/1/embeddings.npy")[tail].astype(np.float64)
    x = np.concatenate([u, v, u * v])
    return (
        np.maximum(x @ part["hidden_weight"] + part["hidden_bias"], 0) @ part["output_weight"]
        + part["output_bias"]
        + (u @ v / np.sqrt(len(u))) * part["dot_weight"]
        + part["source_bias"][head]
        + part["target_bias"][tail]
    )


def test_edge_classes(tmp_path: Path) -> None:
    predictor = opened(tmp_path, task=Task.EDGE_CLASS)
    (answers,) = ask(predictor, of_edges(("2", "d"), topk=3, score=True))
    output = decoded(tmp_path, 1, 3)
    expected = np.exp(output) / np.exp(output).sum()
    assert [answer.score for answer in answers] == pytest.approx(sorted(expected, reverse=True))
    assert answers[0].value == ("drama", "comedy", "noir")[int(expected.argmax())]


def test_edge_classes_of_which_several_hold(tmp_path: Path) -> None:
    predictor = opened(tmp_path, task=Task.EDGE_CLASS, multi_label=True)
    (answers,) = ask(predictor, of_edges(("1", "a"), topk=3, score=True))
    expected = 1 / (1 + np.exp(-decoded(tmp_path, 0, 0)))
    assert [answer.score for answer in answers] == pytest.approx(sorted(expected, reverse=True))


def test_edge_regression(tmp_path: Path) -> None:
    predictor = opened(tmp_path, task=Task.EDGE_REGRESSION)
    ((answer,),) = ask(predictor, of_edges(("3", "b")))
    assert answer.value == pytest.approx(decoded(tmp_path, 2, 1)[0] * 1.25 + 3.5)


def test_edges_with_an_unknown_end_or_another_label_have_no_answer(tmp_path: Path) -> None:
    predictor = opened(tmp_path, task=Task.EDGE_CLASS)
    assert ask(predictor, of_edges(("zz", "a"), ("1", "zz"))) == [[], []]
    items = Items(
        heads=("1", "1"),
        tails=("a", "a"),
        head_types=("critic", "user"),
        tail_types=(None, "movie"),
        excludes=((), ()),
    )
    assert [len(item) for item in ask(predictor, Invocation(Mode.PREDICT, items))] == [0, 1]


def hashes(*ids: str) -> Any:
    return np.array([xxhash.xxh64_intdigest(name.encode()) for name in ids], np.uint64)


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.LINK_PREDICTION])
def test_hashes_of_ids_have_the_answers_of_the_ids(tmp_path: Path, task: Task) -> None:
    heads, tails = ("1", "zz", "3", "1"), ("a", "b", "zz", "e")
    predictor = opened(tmp_path, task=task)
    if task in NODES:
        by_id, by_hash = of_nodes(*tails), Items(node_hashes=hashes(*tails))
    else:
        by_id = of_edges(*zip(heads, tails, strict=True))
        by_hash = Items(head_hashes=hashes(*heads), tail_hashes=hashes(*tails))
    answers = ask(predictor, by_id)
    assert ask(predictor, Invocation(Mode.PREDICT, by_hash)) == answers
    assert [len(item) for item in answers] == ([1, 1, 0, 1] if task in NODES else [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("task", "invocation", "says"),
    [
        (
            Task.NODE_CLASS,
            Invocation(Mode.PREDICT, Items(head_hashes=hashes("1"), tail_hashes=hashes("a"))),
            "data.nodes is needed",
        ),
        (Task.EDGE_CLASS, Invocation(Mode.PREDICT, Items(node_hashes=hashes("a"))), "data.edges is needed"),
        (Task.NODE_CLASS, of_edges(("1", "a")), "data.nodes is needed; .*property 'genre' of 'movie' vertices"),
        (Task.NODE_CLASS, of_nodes("a", property_name="year"), "property is 'year'; .*'genre'"),
        (Task.NODE_CLASS, of_nodes("a", threshold="tuned"), "no tuned threshold"),
        (Task.NODE_CLASS, of_nodes("a", exclude=("b",)), "exclude and exclude_flag are for link prediction"),
        (Task.NODE_REGRESSION, of_nodes("a", score=True), "mean nothing for a regression"),
        (Task.NODE_REGRESSION, of_nodes("a", threshold=0.5), "mean nothing for a regression"),
        (
            Task.EDGE_CLASS,
            of_nodes("a"),
            "data.edges is needed; .*'score' of edges 'rated' from 'user' to 'movie'",
        ),
        (Task.EDGE_CLASS, of_edges(("1", "a"), edge_label="saw"), "edgeType is 'saw'"),
        (Task.EDGE_REGRESSION, Invocation(Mode.PREDICT_TAIL, Items()), "is for link prediction"),
        (Task.LINK_PREDICTION, of_edges(("1", "a")), "predict_tail or predict_head"),
        (Task.LINK_PREDICTION, Invocation(Mode.PREDICT_TAIL, Items(), property_name="p"), "predicts no property"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    tmp_path: Path, task: Task, invocation: Invocation, says: str
) -> None:
    with pytest.raises(InvalidParameter, match=says):
        ask(opened(tmp_path, task=task), invocation)


@pytest.mark.parametrize("task", list(Task))
def test_an_empty_request_has_an_empty_answer(tmp_path: Path, task: Task) -> None:
    mode = Mode.PREDICT_TAIL if task is Task.LINK_PREDICTION else Mode.PREDICT
    assert ask(opened(tmp_path, task=task), Invocation(mode, Items())) == []


@pytest.mark.parametrize("task", list(Task))
def test_every_task_minds_the_deadline(tmp_path: Path, task: Task) -> None:
    def late() -> None:
        raise TimeLimitExceeded("late")

    if task is Task.LINK_PREDICTION:
        items = Items(heads=("1",), head_types=(None,), tail_types=(None,), excludes=((),))
        invocation = Invocation(Mode.PREDICT_TAIL, items)
    else:
        invocation = of_nodes("a") if task in NODES else of_edges(("1", "a"))
    with pytest.raises(TimeLimitExceeded):
        opened(tmp_path, task=task).answer(invocation, late)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (Task.NODE_CLASS, "nodes/1/predictions.npy"),
        (Task.EDGE_CLASS, "decoder/dot_weight.npy"),
        (Task.LINK_PREDICTION, "edges/0/tails_indptr.npy"),
    ],
)
def test_a_broken_artifact_is_refused_by_the_files_name(tmp_path: Path, task: Task, name: str) -> None:
    make_artifact(tmp_path, Made(task=task))
    path = tmp_path / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(InvalidData, match=name):
        open_predictor(tmp_path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InvalidData, match=f"{name} has changed"):
        open_predictor(tmp_path)
    path.unlink()
    with pytest.raises(InvalidData, match=f"lacks {name}"):
        open_predictor(tmp_path)


def test_an_artifact_without_what_its_task_needs_is_refused(tmp_path: Path) -> None:
    make_artifact(tmp_path, Made())
    text = (tmp_path / MANIFEST).read_text()
    (tmp_path / MANIFEST).write_text(text.replace('"task": "node_class"', '"task": "link_prediction"'))
    (tmp_path / MANIFEST).write_text(
        (tmp_path / MANIFEST)
        .read_text()
        .replace('"edges": []', '"edges": [{"source": "user", "label": "rated", "target": "movie"}]')
    )
    with pytest.raises(InvalidData, match=r"does not hold what a link_prediction needs: .*source_bias"):
        open_predictor(tmp_path)
