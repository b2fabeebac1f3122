"""What ensembles answer, against what follows from their members' own answers."""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import Manifest, Scores, Task
from neptuneml_plugin.ensembles.building import build
from neptuneml_plugin.ensembles.definition import read_definition
from neptuneml_plugin.errors import InvalidData, InvalidParameter, UnsupportedOperation
from neptuneml_plugin.serving.invocation import Invocation
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.predict import Predictor
from tests.invocations import parse_invocation
from tests.listed_answers import Answer, Listed, listed
from tests.made_artifacts import KNOWS, Made, make_artifact
from tests.serving.test_inductive import MEAN, Served, renamed, served, stored
from tests.serving.test_inductive_answers import WAYS, around, ask, candidates, embed
from tests.serving.test_links import heads, tails
from tests.serving.test_predict import of_edges, of_nodes

MOVIES = tuple(str(number) for number in range(60))
USERS = tuple(f"u{number}" for number in range(9))
EVERY = 999


class Together:
    """Members and the ensemble of them."""

    def __init__(self, root: Path, *made: Made, weights: tuple[float, ...] = (), **given: Any) -> None:
        for at, one in enumerate(made):
            make_artifact(root / f"m{at}", one)
        named = [
            {"artifact": str(root / f"m{at}"), "weight": weights[at] if weights else 1.0}
            for at in range(len(made))
        ]
        self.folder = root / "ensemble"
        self.manifest: Manifest = build(read_definition({"members": named, **given}, "ensemble"), self.folder)
        self.members = [open_predictor(root / f"m{at}")[1] for at in range(len(made))]
        self.together: Predictor = open_predictor(self.folder)[1]

    def ask(self, invocation: Invocation) -> Listed:
        return listed(self.together.answer(invocation, lambda: None))

    def each(self, invocation: Invocation) -> list[Listed]:
        return [listed(member.answer(invocation, lambda: None)) for member in self.members]


def scores(answers: list[Answer]) -> dict[Any, float]:
    return {answer.value if answer.id is None else answer.id: answer.score or 0.0 for answer in answers}


def averages(each: list[list[Answer]], weights: tuple[float, ...]) -> dict[Any, float]:
    """Return the weighted mean of what the members say of one item, of what all of them say."""
    by_name = [scores(answers) for answers in each]
    common = set.intersection(*(set(given) for given in by_name))
    total = sum(weights)
    return {
        name: sum(weight * given[name] for weight, given in zip(weights, by_name, strict=True)) / total
        for name in common
    }


def best_first(found: Mapping[Any, float]) -> list[Any]:
    return sorted(found, key=lambda name: (-found[name], name))


@pytest.mark.parametrize("multi_label", [True, False])
@pytest.mark.parametrize("task", [Task.NODE_CLASS, Task.EDGE_CLASS])
def test_probabilities_are_averaged(tmp_path: Path, task: Task, multi_label: bool) -> None:  # noqa: FBT001
    weights = (1.0, 2.5, 0.5)
    made = [Made(task=task, seed=seed, multi_label=multi_label) for seed in range(3)]
    together = Together(tmp_path, *made, weights=weights)
    parameters: dict[str, Any] = {"topk": 3, "score": True}
    asked = (
        of_nodes("a", "zz", "c", **parameters)
        if task.on_nodes
        else of_edges(("1", "a"), ("9", "b"), ("3", "c"), **parameters)
    )
    each = together.each(asked)
    for at, answers in enumerate(together.ask(asked)):
        expected = averages([member[at] for member in each], weights)
        assert [answer.value for answer in answers] == best_first(expected)
        assert scores(answers) == pytest.approx(expected, rel=1e-6)
    assert [len(answers) for answers in together.ask(asked)] == [3, 0, 3]


@pytest.mark.parametrize("task", [Task.NODE_REGRESSION, Task.EDGE_REGRESSION])
def test_values_are_averaged_and_clipped(tmp_path: Path, task: Task) -> None:
    made = [Made(task=task, seed=seed) for seed in range(2)]
    asked = (
        of_nodes(*"abcde", "zz")
        if task.on_nodes
        else of_edges(*((user, movie) for user in "123" for movie in "abcde"), ("1", "zz"))
    )
    together = Together(tmp_path / "free", *made, weights=(3.0, 1.0))
    one, two = together.each(asked)
    expected = [
        (3 * float(a[0].value or 0) + float(b[0].value or 0)) / 4 for a, b in zip(one, two, strict=True) if a
    ]
    found = [answers[0].value for answers in together.ask(asked) if answers]
    assert found == pytest.approx(expected, rel=1e-12)
    least = sorted(expected)[1]
    clipped = Together(tmp_path / "clipped", *made, weights=(3.0, 1.0), clip={"least": least})
    found = [answers[0].value for answers in clipped.ask(asked) if answers]
    assert found == pytest.approx([max(value, least) for value in expected], rel=1e-12)


def test_classes_are_dropped_renamed_and_tempered(tmp_path: Path) -> None:
    made = [Made(task=Task.EDGE_CLASS, seed=seed) for seed in range(2)]
    together = Together(tmp_path, *made, drop=["comedy"], rename={"noir": "dark"}, temperature=0.5, threshold=0.2)
    asked = of_edges(*((user, movie) for user in "123" for movie in "abcde"), topk=3, score=True)
    each = together.each(asked)
    dropped = 0
    for at, answers in enumerate(together.ask(asked)):
        mean = averages([member[at] for member in each], (1.0, 1.0))
        powers = {"drama": mean["drama"] ** 2, "dark": mean["noir"] ** 2}
        expected = {name: power / sum(powers.values()) for name, power in powers.items()}
        kept = {name: score for name, score in expected.items() if score >= 0.2}
        dropped += len(expected) - len(kept)
        assert scores(answers) == pytest.approx(kept, rel=1e-9)
    assert dropped
    # `tuned` is the ensemble's own threshold.
    assert together.ask(asked) == together.ask(
        of_edges(*((user, movie) for user in "123" for movie in "abcde"), topk=3, score=True, threshold="tuned")
    )


def test_the_odds_of_several_labels_are_tempered_one_by_one(tmp_path: Path) -> None:
    made = Made(multi_label=True)
    together = Together(tmp_path, made, temperature=2.0)
    asked = of_nodes("a", "b", topk=3, score=True)
    for mine, theirs in zip(together.ask(asked), together.each(asked)[0], strict=True):
        expected = {}
        for name, score in scores(theirs).items():
            logit = math.log(score / (1 - score)) / 2
            expected[name] = 1 / (1 + math.exp(-logit))
        assert scores(mine) == pytest.approx(expected, rel=1e-5)


def links(count: int, **made: Any) -> list[Made]:
    functions = list(Scores)
    return [
        Made(
            task=Task.LINK_PREDICTION,
            users=USERS,
            movies=MOVIES,
            seed=seed,
            scores=functions[seed % len(functions)],
            calibration=(0.3 + 0.2 * seed, 0.1),
            **made,
        )
        for seed in range(count)
    ]


@pytest.mark.parametrize("ask_for", [tails, heads])
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("topk", [1, 5, EVERY])
def test_links_are_ranked_by_the_mean_of_all_members(tmp_path: Path, ask_for: Any, count: int, topk: int) -> None:
    weights = (1.0, 2.0, 0.25, 3.0)[:count]
    together = Together(tmp_path, *links(count), weights=weights)
    known = USERS if ask_for is tails else MOVIES
    parameters: dict[str, Any] = {"exclude": ("3", "u5"), "mask_training_edges": True}
    asked = (*known, "nobody")
    each = together.each(ask_for(*asked, topk=EVERY, **parameters))
    for at, answers in enumerate(together.ask(ask_for(*asked, topk=topk, **parameters))):
        expected = averages([member[at] for member in each], weights)
        best = best_first(expected)[:topk]
        assert [answer.id for answer in answers] == best
        assert [answer.score for answer in answers] == pytest.approx([expected[name] for name in best], rel=1e-9)
    # The same alone as among others.
    for at, name in enumerate(asked[:3]):
        alone = together.ask(ask_for(name, topk=topk, **parameters))
        assert alone == together.ask(ask_for(*asked, topk=topk, **parameters))[at : at + 1]


def test_the_best_of_the_mean_may_be_the_best_of_nobody(tmp_path: Path) -> None:
    """One that is second for both beats the firsts; to name only the best of each would miss it."""
    base = {
        "nodes/0/embeddings.npy": np.eye(1, 8, dtype=np.float32),
        "edges/0/relation.npy": np.ones(8, np.float32),
        "edges/0/source_bias.npy": np.zeros(1, np.float32),
    }
    made = []
    for liked in ([5.0, -9.0, 4.0], [-9.0, 5.0, 4.0]):
        vectors = np.zeros((3, 8), np.float32)
        vectors[:, 0] = liked
        given = {**base, "nodes/1/candidates.npy": vectors, "edges/0/target_bias.npy": np.zeros(3, np.float32)}
        made.append(
            Made(
                task=Task.LINK_PREDICTION,
                users=("u",),
                movies=("x", "y", "both"),
                training_edges=(),
                calibration=(1.0, 0.0),
                overrides=given,
            )
        )
    together = Together(tmp_path, *made)
    assert [[answer.id for answer in member[0]] for member in together.each(tails("u"))] == [["x"], ["y"]]
    (answers,) = together.ask(tails("u"))
    assert [answer.id for answer in answers] == ["both"]


def test_what_is_equal_for_all_is_ranked_by_id(tmp_path: Path) -> None:
    """Equal probabilities are ties, whose order no member's list shows."""
    flat = [
        Made(task=Task.LINK_PREDICTION, users=USERS, movies=MOVIES, seed=seed, calibration=(0.0, 0.5))
        for seed in range(2)
    ]
    together = Together(tmp_path, *flat)
    (answers,) = together.ask(tails("u4", topk=7))
    assert [answer.id for answer in answers] == sorted(MOVIES)[:7]


def test_a_candidate_that_a_member_has_no_score_for_is_none(tmp_path: Path) -> None:
    first, second = links(2)
    vectors = np.random.default_rng(5).normal(size=(60, 8)).astype(np.float32)
    vectors[7] = np.nan
    broken = Made(**{**vars(second), "overrides": {"nodes/1/candidates.npy": vectors}})
    together = Together(tmp_path, first, broken)
    (answers,) = together.ask(tails("u1", topk=EVERY))
    assert sorted(answer.id or "" for answer in answers) == sorted(set(MOVIES) - {"7"})


def test_thresholds_and_temperature_of_links(tmp_path: Path) -> None:
    plain = Together(tmp_path / "plain", *links(2))
    tempered = Together(tmp_path / "tempered", *links(2), temperature=3.0, threshold=0.5)
    (all_of_them,) = plain.ask(tails("u1", topk=EVERY))
    expected = {}
    for name, score in scores(all_of_them).items():
        logit = math.log(score / (1 - score)) / 3
        expected[name] = 1 / (1 + math.exp(-logit))
    kept = {name: score for name, score in expected.items() if score >= 0.5}
    assert 0 < len(kept) < len(expected)
    (answers,) = tempered.ask(tails("u1", topk=EVERY))
    assert scores(answers) == pytest.approx(kept, rel=1e-9)
    (fewer,) = tempered.ask(tails("u1", topk=EVERY, threshold=answers[2].score))
    assert fewer == answers[:3]


@pytest.mark.parametrize("ask_for", [tails, heads])
def test_candidates_of_one_model_are_scored_again_by_others(tmp_path: Path, ask_for: Any) -> None:
    together = Together(tmp_path, *links(3), weights=(9.0, 1.0, 2.0), combine="rescore", candidates=6)
    known = USERS if ask_for is tails else MOVIES[:9]
    proposed, *judges = together.each(ask_for(*known, topk=EVERY))
    for at, answers in enumerate(together.ask(ask_for(*known, topk=4))):
        names = {answer.id for answer in proposed[at][:6]}
        mean = averages([judge[at] for judge in judges], (1.0, 2.0))
        expected = {name: score for name, score in mean.items() if name in names}
        assert [answer.id for answer in answers] == best_first(expected)[:4]
        assert [answer.score for answer in answers] == pytest.approx(sorted(expected.values())[::-1][:4], rel=1e-9)


def test_candidates_of_other_classes_are_left_out(tmp_path: Path) -> None:
    link = links(1)[0]
    predictions = np.random.default_rng(1).dirichlet(np.ones(3), 60).astype(np.float32)
    predictions[5] = np.nan
    classifier = Made(users=USERS, movies=MOVIES, overrides={"nodes/1/predictions.npy": predictions})
    together = Together(tmp_path, link, classifier, combine="filter", keep=["noir", "drama"])
    kept = {MOVIES[row] for row in range(60) if row != 5 and predictions[row].argmax() != 1}
    assert 20 < len(kept) < 59
    by_links = of_first(together, tails("u1", "u2", topk=EVERY))
    for at, answers in enumerate(together.ask(tails("u1", "u2", topk=EVERY))):
        assert answers == [answer for answer in by_links[at] if answer.id in kept]
    # Only candidates of the label that is classified are.
    assert together.ask(heads("1", topk=EVERY)) == of_first(together, heads("1", topk=EVERY))


def of_first(together: Together, invocation: Invocation) -> Listed:
    return listed(together.members[0].answer(invocation, lambda: None))


def test_ends_of_one_label_are_never_their_own_partners(tmp_path: Path) -> None:
    made = [
        Made(
            task=Task.LINK_PREDICTION,
            users=USERS,
            edge=KNOWS,
            training_edges=((0, 1),),
            seed=seed,
            candidates=False,
        )
        for seed in range(2)
    ]
    together = Together(tmp_path, *made)
    (answers,) = together.ask(tails("u3", topk=EVERY))
    assert sorted(answer.id or "" for answer in answers) == sorted(set(USERS) - {"u3"})


def test_a_member_that_has_changed_or_gone_is_told(tmp_path: Path) -> None:
    Together(tmp_path, Made(seed=1), Made(seed=2))
    shutil.rmtree(tmp_path / "m1")
    make_artifact(tmp_path / "m1", Made(seed=3))
    with pytest.raises(InvalidData, match=r"m1 as it was at version .*update the endpoint"):
        open_predictor(tmp_path / "ensemble")
    (tmp_path / "m1" / "manifest.json").unlink()
    with pytest.raises(InvalidData, match="m1 is not an artifact"):
        open_predictor(tmp_path / "ensemble")


def test_inductive_is_refused_where_a_member_cannot(tmp_path: Path) -> None:
    together = Together(tmp_path, Made(), Made(model="custom", seed=1))
    assert not together.together.live.is_loaded
    body = {"data": {"nodes": [{"nodeId": "a"}], "subgraph": {"nodes": [], "edges": []}}}
    with pytest.raises(UnsupportedOperation, match="answers from what is stored"):
        together.ask(parse_invocation(json.dumps(body).encode()))


def test_nearest_neighbours_are_a_members_to_tell(tmp_path: Path) -> None:
    together = Together(tmp_path, Made(), Made(seed=1))
    body = {"mode": "embed_knn", "data": {"nodes": [{"nodeId": "a"}], "globalParameters": {"nodeType": "movie"}}}
    with pytest.raises(UnsupportedOperation, match="ask one of its members"):
        together.ask(parse_invocation(json.dumps(body).encode()))


# --- with their neighbourhoods ---------------------------------------------------------------------------------


class Trained:
    """Two trained members and the ensemble of them."""

    def __init__(self, root: Path, task: Task) -> None:
        self.first: Served = served(root / "a", task, MEAN)
        second = served(root / "b", task, {"num-layer": 1, "num-hidden": 8})
        artifacts = [self.first.artifact, second.artifact]
        given = {"members": [{"artifact": str(artifact)} for artifact in artifacts]}
        build(read_definition(given, "ensemble"), root / "ensemble")
        self.members = [open_predictor(artifact)[1] for artifact in artifacts]
        self.together = open_predictor(root / "ensemble")[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Task, Trained]:
    tasks = (Task.NODE_CLASS, Task.EDGE_REGRESSION, Task.LINK_PREDICTION)
    return {task: Trained(tmp_path_factory.mktemp(task.value), task) for task in tasks}


def expect_means(each: list[Listed], together: Listed) -> None:
    assert any(together)
    for at, answers in enumerate(together):
        given = [member[at] for member in each]
        if answers and answers[0].score is None:
            mean = sum(float(one[0].value or 0) for one in given) / len(given)
            assert answers[0].value == pytest.approx(mean, rel=1e-6)
        else:
            assert scores(answers) == pytest.approx(averages(given, (1.0, 1.0)), rel=1e-6)


def test_posted_vertices(trained: Mapping[Task, Trained]) -> None:
    made = trained[Task.NODE_CLASS]
    names, _ = stored(made.first, "item")
    data = {"items": {"nodeId": [*names[:5], "nobody"]}} | around(made.first, *(("item", n) for n in names[:5]))
    each = [ask(member, data, topk=9, score=True) for member in made.members]
    together = ask(made.together, data, topk=9, score=True)
    expect_means(each, together)
    assert together[5] == []
    # With all neighbours, what is computed is what is stored.
    expect_means([ask(made.together, {"items": data["items"]}, topk=9, score=True)] * 2, together)


def test_posted_edges(trained: Mapping[Task, Trained]) -> None:
    made = trained[Task.EDGE_REGRESSION]
    names, _ = stored(made.first, "item")
    heads_, tails_ = [*names[:4], "nobody"], names[10:15]
    near = around(made.first, *(("item", name) for name in (*names[:4], *tails_)))
    data = {"items": {"headNodeId": heads_, "tailNodeId": tails_}} | near
    together = ask(made.together, data)
    assert [len(answers) for answers in together] == [1, 1, 1, 1, 0]
    expect_means([ask(member, data)[:4] for member in made.members], together[:4])


@pytest.mark.parametrize(("mode", "member"), WAYS)
def test_posted_ends_of_links_and_new_candidates(trained: Mapping[Task, Trained], mode: str, member: str) -> None:
    made = trained[Task.LINK_PREDICTION]
    names, _ = stored(made.first, "item")
    graph = renamed(renamed(made.first.graph, "item", names[3], "new"), "item", names[5], "other")
    asked = {
        "items": {member: ["new", names[0]]},
        "subgraph": graph.neighbourhood([("item", "new"), ("item", names[0])]),
    }

    def answers(predictor: Predictor, **more: Any) -> Listed:
        posted = candidates(["new", "other"], embed(predictor, graph, "item", ["new", "other"]))
        return ask(predictor, asked | {"newCandidates": posted}, mode, **more)

    each = [answers(one, topk=EVERY) for one in made.members]
    together = answers(made.together, topk=EVERY)
    expect_means(each, together)
    assert "other" in {answer.id for answer in together[0]}
    assert "new" not in {answer.id for answer in together[0]}
    assert [answer.id for answer in together[1]] == best_first(scores(together[1]))
    assert answers(made.together, topk=3) == [found[:3] for found in together]


def test_embeddings_of_one_member_are_no_candidates(trained: Mapping[Task, Trained]) -> None:
    made = trained[Task.LINK_PREDICTION]
    names, vectors = stored(made.first, "item")
    data = {"items": {"headNodeId": names[:1]}, "newCandidates": candidates(["n"], vectors[:1])}
    with pytest.raises(InvalidParameter, match=r"are 16 wide, those of this ensemble's models are 24 together"):
        ask(made.together, data, "predict_tail")
