"""Answers to items that bring their neighbourhood, for every task, beside the stored ones."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.errors import InvalidData, InvalidParameter, MissingParameter, TimeLimitExceeded
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from tests.invocations import parse_invocation
from tests.listed_answers import Listed, listed
from tests.live_graph import LINKED, LiveGraph
from tests.made_artifacts import make_artifact
from tests.serving.test_inductive import Served, renamed, served, stored
from tests.worker_server import WorkerServer, worker_client

Data = dict[str, Any]


@pytest.fixture(scope="module")
def by_task(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Task, Served]:
    return {task: served(tmp_path_factory.mktemp(task.value), task, {}) for task in Task}


@pytest.fixture(scope="module")
def predictors(by_task: Mapping[Task, Served]) -> Mapping[Task, Predictor]:
    return {task: open_predictor(made.artifact)[1] for task, made in by_task.items()}


def body(data: Data, mode: str = "", **parameters: Any) -> bytes:
    return json.dumps({"mode": mode, "data": {"globalParameters": parameters, **data}}).encode()


def ask(predictor: Predictor, data: Data, mode: str = "", **parameters: Any) -> Listed:
    return listed(predictor.answer(parse_invocation(body(data, mode, **parameters)), lambda: None))


def embed(predictor: Predictor, graph: LiveGraph, label: str, ids: list[str]) -> Any:
    data = {"items": {"nodeId": ids}, "subgraph": graph.neighbourhood([(label, name) for name in ids])}
    answer = predictor.answer(parse_invocation(body(data, "embed", nodeType=label)), lambda: None)
    assert isinstance(answer, Embeddings)
    return answer.vectors


def around(made: Served, *labels_and_ids: tuple[str, str]) -> Data:
    return {"subgraph": made.graph.neighbourhood(labels_and_ids)}


def assert_alike(one: Listed, other: Listed) -> None:
    """The same answers, up to what float32 loses."""
    assert [len(item) for item in one] == [len(item) for item in other]
    for mine, theirs in zip(one, other, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            if a.score is None:
                assert a.value == pytest.approx(b.value, rel=1e-4)
            else:
                assert a.value == b.value
                assert a.score == pytest.approx(b.score, rel=1e-4)


@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.NODE_REGRESSION])
def test_nodes(by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor], task: Task) -> None:
    made, predictor = by_task[task], predictors[task]
    ids, _ = stored(made, "item")
    parameters: Data = {"topk": 3, "score": True} if task.is_class else {}
    items = {"items": {"nodeId": ids}}
    live = ask(predictor, items | around(made, *(("item", name) for name in ids)), **parameters)
    assert_alike(live, ask(predictor, items, **parameters))
    # Each alone, and one that does not stand in the subgraph.
    for name, together in list(zip(ids, live, strict=True))[:5]:
        alone = ask(predictor, {"nodes": [{"nodeId": name}]} | around(made, ("item", name)), **parameters)
        assert_alike(alone, [together])
    assert ask(predictor, {"nodes": [{"nodeId": "nobody"}]} | around(made, ("item", ids[0]))) == [[]]
    assert ask(predictor, {"nodes": [{"nodeId": ids[0]}], "subgraph": {"nodes": [], "edges": []}}) == [[]]


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION])
def test_edges(by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor], task: Task) -> None:
    made, predictor = by_task[task], predictors[task]
    ids, _ = stored(made, "item")
    heads, tails = ids[:20], ids[20:40]
    parameters: Data = {"topk": 2, "score": True} if task.is_class else {}
    items = {"items": {"headNodeId": heads, "tailNodeId": tails}}
    live = ask(predictor, items | around(made, *(("item", name) for name in (*heads, *tails))), **parameters)
    assert_alike(live, ask(predictor, items, **parameters))
    half = around(made, ("item", heads[0]))
    half["subgraph"]["nodes"] = [node for node in half["subgraph"]["nodes"] if node["type"] == "item"]
    half["subgraph"]["edges"] = []
    half["subgraph"]["nodes"][0] |= {"ids": [heads[0]], "properties": {}}
    one = {"edges": [{"headNodeId": heads[0], "tailNodeId": tails[0]}]}
    assert ask(predictor, one | half) == [[]]
    other = {"edges": [{"headNodeId": heads[0], "tailNodeId": tails[0], "tailNodeType": "tag"}]}
    assert ask(predictor, other | around(made, ("item", heads[0]), ("item", tails[0]))) == [[]]


def test_an_edge_to_a_new_vertex_has_the_average_bias(
    by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor]
) -> None:
    made, predictor = by_task[Task.EDGE_REGRESSION], predictors[Task.EDGE_REGRESSION]
    ids, _ = stored(made, "item")
    graph = renamed(made.graph, "item", ids[1], "new")
    vectors = embed_of(made, graph, ["new", ids[0]])
    arrays = {path.stem: np.load(path) for path in (made.artifact / "decoder").iterdir()}
    u, v = vectors[0].astype(np.float64), vectors[1].astype(np.float64)
    hidden = np.maximum(np.concatenate([u, v, u * v]) @ arrays["hidden_weight"] + arrays["hidden_bias"], 0)
    output = hidden @ arrays["output_weight"] + arrays["output_bias"]
    output += u @ v / np.sqrt(len(u)) * arrays["dot_weight"]
    output += arrays["source_bias"].mean(0) + arrays["target_bias"][0]
    expected = output[0] * made.manifest.decoder["std"] + made.manifest.decoder["mean"]
    data = {"edges": [{"headNodeId": "new", "tailNodeId": ids[0]}]}
    subgraph = graph.neighbourhood([("item", "new"), ("item", ids[0])])
    ((answer,),) = ask(predictor, data | {"subgraph": subgraph})
    assert answer.value == pytest.approx(expected, rel=1e-5)


def embed_of(made: Served, graph: LiveGraph, ids: list[str]) -> Any:
    from neptuneml_plugin.serving.subgraph import parse_subgraph

    found = made.model.embed(parse_subgraph(graph.neighbourhood([("item", name) for name in ids])), ids)
    return made.model.embeddings(found, "item", found.find("item", ids))


WAYS = [("predict_tail", "headNodeId"), ("predict_head", "tailNodeId")]


@pytest.mark.parametrize(("mode", "member"), WAYS)
@pytest.mark.parametrize("flag", ["", "mask"])
def test_links(
    by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor], mode: str, member: str, flag: str
) -> None:
    made, predictor = by_task[Task.LINK_PREDICTION], predictors[Task.LINK_PREDICTION]
    ids, _ = stored(made, "item")
    items = {"items": {member: ids[:10], "exclude": [[name] for name in ids[20:30]]}}
    live = ask(predictor, items | around(made, *(("item", n) for n in ids[:10])), mode, topk=99, exclude_flag=flag)
    known = ask(predictor, items, mode, topk=99, exclude_flag=flag)
    for mine, theirs in zip(live, known, strict=True):  # equal but for the order of near ties
        assert {a.id for a in mine} == {a.id for a in theirs}
        scores = {a.id: a.score for a in theirs}
        for answer in mine:
            assert answer.score == pytest.approx(scores[answer.id], abs=1e-5)
    outside = ask(predictor, {"edges": [{member: "nobody"}]} | around(made, ("item", ids[0])), mode)
    assert outside == [[]]
    nowhere = {"edges": [{member: ids[0]}], "subgraph": {"nodes": [], "edges": []}}
    assert ask(predictor, nowhere, mode) == [[]]


@pytest.mark.parametrize(("mode", "member"), WAYS)
def test_a_new_source_among_new_candidates(
    by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor], mode: str, member: str
) -> None:
    made, predictor = by_task[Task.LINK_PREDICTION], predictors[Task.LINK_PREDICTION]
    ids, vectors = stored(made, "item")
    graph = renamed(renamed(made.graph, "item", ids[3], "new"), "item", ids[5], "other")
    posted = embed(predictor, graph, "item", ["new", "other"])
    data = {
        "edges": [{member: "new"}],
        "subgraph": graph.neighbourhood([("item", "new")]),
        "newCandidates": candidates(["new", "other", ids[0]], [*posted, posted[0]]),
    }
    (ranked,) = ask(predictor, data, mode, topk=99)
    # Every known item, and the other new one; never itself, and a known one as the model knows it.
    assert sorted(answer.id or "" for answer in ranked) == sorted([*ids, "other"])
    assert [a.score for a in ranked] == sorted((a.score for a in ranked), key=lambda score: -(score or 0))
    expected = reference_score(made, mode, posted[0], posted[1])
    assert next(a.score for a in ranked if a.id == "other") == pytest.approx(expected, rel=1e-5)
    of_known = reference_score(made, mode, posted[0], vectors[0], known=0)
    assert next(a.score for a in ranked if a.id == ids[0]) == pytest.approx(of_known, rel=1e-4)
    # Excluded by id, cut by topk, and by the threshold.
    excluded = ask(predictor, data, mode, topk=99, exclude=["other"])[0]
    assert "other" not in {answer.id for answer in excluded}
    assert ask(predictor, data, mode, topk=3)[0] == ranked[:3]
    assert ask(predictor, data, mode, topk=99, threshold=ranked[5].score)[0] == ranked[:6]


def reference_score(made: Served, mode: str, own: Any, other: Any, known: int | None = None) -> float:
    """Return what `artifacts.Manifest` says of a new vertex with a new one, or with a known one by its row."""
    from safetensors.numpy import load_file

    edge = made.artifact / "edges" / str(made.manifest.schema.edge(LINKED))
    weights = load_file(made.artifact / "model.safetensors")
    biases = {end: np.load(edge / f"{end}_bias.npy").astype(np.float64) for end in ("source", "target")}
    source, target = (own, other) if mode == "predict_tail" else (other, own)
    v = target.astype(np.float64) @ weights["decoder.candidate.weight"].T + weights["decoder.candidate.bias"]
    ends = ("source", "target") if mode == "predict_tail" else ("target", "source")
    bias = biases[ends[0]].mean() + (biases[ends[1]].mean() if known is None else biases[ends[1]][known])
    score = (source * np.load(edge / "relation.npy").astype(np.float64)) @ v + bias
    assert made.manifest.calibration is not None
    scale, offset = made.manifest.calibration
    return float(1 / (1 + np.exp(-(scale * score + offset))))


def candidates(ids: list[str], vectors: Any) -> Data:
    return {"ids": ids, "embeddings": base64.b64encode(np.asarray(vectors, "<f4").tobytes()).decode()}


def test_new_candidates_for_known_sources(
    by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor]
) -> None:
    made, predictor = by_task[Task.LINK_PREDICTION], predictors[Task.LINK_PREDICTION]
    ids, vectors = stored(made, "item")
    items = {"items": {"headNodeId": ids[:4]}}
    plain = ask(predictor, items, "predict_tail", topk=99)
    more = ask(
        predictor, items | {"newCandidates": candidates(["n1", "n2"], vectors[7:9])}, "predict_tail", topk=99
    )
    for before, after in zip(plain, more, strict=True):
        assert [answer for answer in after if answer.id not in ("n1", "n2")] == before
        assert {"n1", "n2"} <= {answer.id for answer in after}
    none = ask(predictor, items | {"newCandidates": candidates([], [])}, "predict_tail", topk=99)
    assert none == plain


def test_embeddings_are_those_of_the_artifact(
    by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor]
) -> None:
    made, predictor = by_task[Task.LINK_PREDICTION], predictors[Task.LINK_PREDICTION]
    for label in ("item", "tag"):
        ids, vectors = stored(made, label)
        np.testing.assert_allclose(embed(predictor, made.graph, label, ids), vectors, atol=1e-5)


def with_members(change: Callable[[Data], Any]) -> Data:
    data = {"nodes": [{"nodeId": "v"}], "subgraph": LiveGraph({("item", "v"): {}}).neighbourhood([("item", "v")])}
    change(data)
    return data


REFUSED = [
    ("embed", {"nodeType": "item"}, lambda d: d.pop("subgraph"), MissingParameter, "embed needs data.subgraph"),
    ("embed", {"nodeType": "item"}, lambda d: d.update(nodes=[{"nodeId": "w"}]), InvalidParameter,
     "no 'item' vertex 'w'"),
    ("embed", {"nodeType": "items"}, lambda d: None, InvalidParameter, "'items'.*did you mean 'item'"),
    ("embed", {}, lambda d: None, InvalidParameter, "nodeType is None"),
    ("embed", {"nodeType": "item"}, lambda d: d.update(edges=[]), InvalidParameter, "both"),
    ("embed", {"nodeType": "item"}, lambda d: d.update(newCandidates=candidates([], [])), InvalidParameter,
     "newCandidates are for predict_tail"),
    ("predict_tail", {}, lambda d: d.update(candidate={}), InvalidParameter, "newCandidates"),
    ("predict_tail", {}, lambda d: d.update(newCandidates={"ids": ["a"], "embeddings": "AAA"}), InvalidParameter,
     "not Base64"),
    ("predict_tail", {}, lambda d: d.update(newCandidates={"ids": ["a"], "embeddings": "AAAAAAA="}),
     InvalidParameter, "5 bytes for 1 ids"),
    ("predict_tail", {}, lambda d: d.update(newCandidates=candidates(["a"], [float("nan")])), InvalidParameter,
     "not finite"),
    ("predict_tail", {}, lambda d: d.update(newCandidates=candidates(["a", "a"], [1, 2])), InvalidParameter,
     "twice"),
    ("predict_tail", {}, lambda d: d.update(newCandidates=candidates(["a"], [1, 2])), InvalidParameter,
     "are 2 wide, this model's are 16"),
    ("predict_tail", {}, lambda d: d.update(newCandidates={"ids": ["a"]}), MissingParameter, "lacks 'embeddings'"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "parameters", "change", "error", "says"), REFUSED)
def test_refusals(
    predictors: Mapping[Task, Predictor], mode: str, parameters: Data, change: Any, error: Any, says: str
) -> None:
    data = with_members(change)
    if mode != "embed":
        data["edges"] = [{"headNodeId": data.pop("nodes")[0]["nodeId"]}]
    with pytest.raises(error, match=says):
        ask(predictors[Task.LINK_PREDICTION], data, mode, **parameters)


def test_embeddings_are_for_link_prediction(
    by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor]
) -> None:
    with pytest.raises(InvalidParameter, match="mode embed is for link prediction"):
        embed(predictors[Task.NODE_CLASS], by_task[Task.NODE_CLASS].graph, "item", ["item-1"])


def test_a_deadline_ends_it_before_the_forward_pass(
    by_task: Mapping[Task, Served], predictors: Mapping[Task, Predictor]
) -> None:
    def late() -> None:
        raise TimeLimitExceeded("late")

    data = {"nodes": [{"nodeId": "item-1"}]} | around(by_task[Task.NODE_CLASS], ("item", "item-1"))
    with pytest.raises(TimeLimitExceeded):
        predictors[Task.NODE_CLASS].answer(parse_invocation(body(data)), late)


def test_an_artifact_without_a_model_still_answers_what_it_stores(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    predictor = open_predictor(tmp_path)[1]
    data = {"nodes": [{"nodeId": "a"}]}
    assert len(ask(predictor, data)[0]) == 1
    subgraph = LiveGraph({("movie", "a"): {}}).neighbourhood([("movie", "a")])
    with pytest.raises(InvalidData, match=r"model\.safetensors.*run `transform` again"):
        ask(predictor, data | {"subgraph": subgraph})


async def test_through_a_worker(by_task: Mapping[Task, Served]) -> None:
    made = by_task[Task.LINK_PREDICTION]
    endpoint = Endpoint(WorkerConfig("e", made.artifact, token="t"), *open_predictor(made.artifact))
    ids, vectors = stored(made, "item")
    data = {"items": {"nodeId": ids[:2]}} | around(made, *(("item", name) for name in ids[:2]))
    async with worker_client(WorkerServer(endpoint)) as client:
        async with client.post("/invocations", data=body(data, "embed", nodeType="item")) as answer:
            document = await answer.json()
            assert (answer.status, document["width"]) == (200, vectors.shape[1])
        raw = np.frombuffer(base64.b64decode(document["embeddings"]), "<f4").reshape(2, -1)
        np.testing.assert_allclose(raw, vectors[:2], atol=1e-5)
        items = {"items": {"headNodeId": ids[:2]}, "subgraph": data["subgraph"]}
        async with client.post("/invocations", data=body(items, "predict_tail", topk=2, columns=True)) as answer:
            columns = (await answer.json())["columns"]
        assert (columns["counts"], len(columns["ids"]), len(columns["scores"])) == ([2, 2], 4, 4)
    endpoint.close()
