"""What an ensemble may be made of, and what its folder holds."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.artifacts import EdgeType, FeatureSchema, Manifest, Task, open_artifact
from neptuneml_plugin.ensembles.building import build
from neptuneml_plugin.ensembles.definition import ENSEMBLE, Definition, read_definition, read_ensemble
from neptuneml_plugin.errors import InvalidData, InvalidSettings
from tests.made_artifacts import KNOWS, Made, make_artifact
from tests.read_table import read_table


def members(root: Path, *made: Made) -> list[dict[str, Any]]:
    """Make artifacts, and return them as a definition names them."""
    for at, one in enumerate(made):
        shutil.rmtree(root / f"m{at}", ignore_errors=True)
        make_artifact(root / f"m{at}", one)
    return [{"artifact": str(root / f"m{at}")} for at in range(len(made))]


def definition(root: Path, *made: Made, **given: Any) -> Definition:
    return read_definition({"members": members(root, *made), **given}, "ensemble")


def built(root: Path, *made: Made, **given: Any) -> Manifest:
    return build(definition(root, *made, **given), root / "ensemble")


def problems(root: Path, *made: Made, **given: Any) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        built(root, *made, **given)
    assert not (root / "ensemble").exists()
    return [problem.split(":")[0] for problem in caught.value.problems]


def test_a_definition_keeps_what_it_says(tmp_path: Path) -> None:
    given = {"members": [{"artifact": "/a", "weight": 2.5}, {"artifact": "/b"}], "clip": {"least": 0.0}}
    read = read_definition(given, "ensemble")
    assert [(str(member.artifact), member.weight) for member in read.members] == [("/a", 2.5), ("/b", 1.0)]
    assert read.clip is not None
    assert (read.clip.least, read.clip.most) == (0.0, float("inf"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["required setting 'members' is missing"]),
        ({"members": []}, ["members: there are none"]),
        (
            {"members": [{"artifact": "/a", "wieght": 2}, {"weight": "3"}], "combin": "average"},
            [
                "unknown setting 'wieght'",
                "required setting 'artifact'",
                "must be a number",
                "unknown setting 'combin'",
            ],
        ),
        (
            {
                "members": [{"artifact": "/a", "weight": 0}, {"artifact": "/b", "weight": float("nan")}],
                "combine": "mean",
                "threshold": 1.5,
                "temperature": 0,
                "candidates": 0,
                "clip": {"least": 2, "most": 1},
            },
            [
                "combine",
                "members[0].weight",
                "members[1].weight",
                "candidates",
                "threshold",
                "temperature",
                "clip",
            ],
        ),
        ({"members": [{"artifact": "/a"}], "combine": "rescore"}, ["members: a rescore needs one that finds"]),
        ({"members": [{"artifact": "/a"}] * 3, "combine": "filter"}, ["members: a filter needs two"]),
    ],
)
def test_every_problem_of_a_definition_is_told_at_once(given: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_definition(given, "ensemble.json")
    assert len(caught.value.problems) == len(expected), caught.value.problems
    for wanted in expected:
        assert any(wanted in problem for problem in caught.value.problems), (wanted, caught.value.problems)


LINKS = Made(task=Task.LINK_PREDICTION)


@pytest.mark.parametrize(
    ("made", "given", "expected"),
    [
        ((Made(), Made(task=Task.NODE_REGRESSION), Made(classes=("x", "y"))), {}, ["members[1]", "members[2]"]),
        ((Made(), Made(movies=("e", "d", "c", "b", "a"))), {}, ["members[1]"]),
        ((Made(), Made(movies=("a", "b"))), {}, ["members[1]"]),
        ((LINKS, dataclasses.replace(LINKS, training_edges=((0, 4),))), {}, ["members[1]"]),
        ((LINKS, dataclasses.replace(LINKS, edge=KNOWS)), {}, ["members[1]"]),
        ((Made(),), {"clip": {"least": 0}, "drop": ["nor"], "rename": {"n": "m"}}, ["clip", "drop", "rename"]),
        ((Made(),), {"drop": ["drama", "comedy", "noir"]}, ["drop"]),
        ((Made(),), {"rename": {"drama": "noir"}}, ["rename"]),
        ((Made(classes=(1, 2), data_type="Integer"),), {"drop": [True], "rename": {"1": "a"}}, ["drop", "rename"]),
        (
            (Made(task=Task.EDGE_REGRESSION),),
            {"threshold": 0.5, "temperature": 2.0, "drop": ["x"], "rename": {"x": "y"}, "keep": ["x"]},
            ["threshold", "temperature", "drop", "rename", "keep"],
        ),
        ((Made(), Made()), {"combine": "rescore", "keep": ["noir"]}, ["combine", "keep"]),
        ((LINKS, LINKS), {"combine": "filter", "keep": ["noir"]}, ["members[1]"]),
        ((LINKS, Made()), {"combine": "filter"}, ["keep"]),
        ((LINKS, Made(movies=("a", "b"))), {"combine": "filter", "keep": ["noire"]}, ["members[1]", "keep"]),
        (
            (dataclasses.replace(LINKS, edge=KNOWS), Made()),
            {"combine": "filter", "keep": ["noir"]},
            ["members[1]"],
        ),
    ],
)
def test_members_that_do_not_fit_are_named_all_at_once(
    tmp_path: Path, made: tuple[Made, ...], given: dict[str, Any], expected: list[str]
) -> None:
    assert sorted(problems(tmp_path, *made, **given)) == sorted(expected)


def test_an_ensemble_is_no_member(tmp_path: Path) -> None:
    built(tmp_path, Made())
    twice = read_definition({"members": [{"artifact": str(tmp_path / "ensemble")}]}, "ensemble")
    with pytest.raises(InvalidSettings, match=r"members\[0\]: is an ensemble itself"):
        build(twice, tmp_path / "twice")
    with pytest.raises(InvalidData, match="is not an artifact"):
        build(read_definition({"members": [{"artifact": str(tmp_path)}]}, "ensemble"), tmp_path / "none")


def test_the_version_follows_from_the_members_and_the_definition(tmp_path: Path) -> None:
    def version(at: str, **given: Any) -> str:
        return build(definition(tmp_path, Made(seed=1), Made(seed=2), **given), tmp_path / at).version

    first = version("a")
    assert version("b") == first
    assert version("c", temperature=2.0) != first
    changed = build(definition(tmp_path, Made(seed=1), Made(seed=3)), tmp_path / "d")
    assert changed.version != first
    assert read_ensemble(tmp_path / "d").versions[1] == open_artifact(tmp_path / "m1").version


def test_stored_predictions_are_averaged_and_so_is_the_table(tmp_path: Path) -> None:
    manifest = built(tmp_path, Made(seed=1), Made(seed=2), rename={"noir": "dark"}, threshold=0.4)
    assert open_artifact(tmp_path / "ensemble") == manifest
    assert (manifest.target.classes, manifest.threshold) == (("drama", "comedy", "dark"), 0.4)
    one, two = (np.load(tmp_path / f"m{at}/nodes/1/predictions.npy").astype(np.float64) for at in (0, 1))
    averaged = ((one + two) / 2).astype(np.float32)
    stored = np.load(tmp_path / "ensemble/nodes/1/predictions.npy")
    np.testing.assert_array_equal(stored, np.where(averaged >= 0.4, averaged, np.nan))
    table = read_table((tmp_path / "ensemble/nodes/1/table.bin").read_bytes())
    for row, name in enumerate("abcde"):
        likely = {manifest.target.classes[at]: score for at, score in enumerate(averaged[row]) if score >= 0.4}
        answers = [answer for answer in table.answers(name) or () if answer[0] is not None]
        assert dict(answers) == pytest.approx(likely)
    assert table.answers("zz") is None


def test_tables_of_other_tasks(tmp_path: Path) -> None:
    prices = built(tmp_path / "a", *(Made(task=Task.NODE_REGRESSION, seed=seed) for seed in (1, 2)))
    table = read_table((tmp_path / "a/ensemble/nodes/1/table.bin").read_bytes())
    stored = [np.load(tmp_path / f"a/m{at}/nodes/1/predictions.npy")[2, 0] for at in (0, 1)]
    assert [value for value, _ in table.answers("c") or ()] == pytest.approx([np.mean(stored)])
    assert "nodes/0/table.bin" not in prices.files
    built(tmp_path / "b", LINKS, dataclasses.replace(LINKS, seed=1))
    assert read_table((tmp_path / "b/ensemble/nodes/1/table.bin").read_bytes()).answers("c") == ()
    edges = built(tmp_path / "c", Made(task=Task.EDGE_CLASS))
    assert not [name for name in edges.files if "table" in name or "predictions" in name]


def test_a_caller_gathers_for_all_members(tmp_path: Path) -> None:
    age, name = FeatureSchema("age", "numerical", 1, "age"), FeatureSchema("name", "category", 3, "name")
    many = Made(hyperparameters={"num-layer": 2, "fanout": [4, 9]}, user_features=(age,))
    wide = Made(
        hyperparameters={"num-layer": 3, "fanout": [7], "use-edge-features": True}, user_features=(age, name)
    )
    manifest = built(tmp_path, many, wide)
    assert manifest.hyperparameters == {
        "inductive": True,
        "num-layer": 3,
        "fanout": [7, 9, 9],
        "use-edge-features": True,
        "use-edge-labels": False,
    }
    assert manifest.schema.nodes[0].features == (age, name)
    assert manifest.schema.edges[0].type == EdgeType("user", "rated", "movie")


def test_a_custom_model_makes_an_ensemble_that_answers_from_what_is_stored(tmp_path: Path) -> None:
    assert built(tmp_path, Made(), Made(model="custom", seed=1)).hyperparameters == {}


def test_a_damaged_folder_is_told(tmp_path: Path) -> None:
    built(tmp_path, Made())
    (tmp_path / "ensemble" / ENSEMBLE).write_text("{}")
    with pytest.raises(InvalidData, match=r"does not hold an ensemble: .*'definition' is missing"):
        read_ensemble(tmp_path / "ensemble")
