"""Edges between similar vertices: exact beside all pairs, symmetric, no self-loops, thinned; and in the stage."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType, Task
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidData, InvalidSettings, UnsupportedOperation
from neptuneml_plugin.processing import process
from neptuneml_plugin.processing.configuration.trainingdata import (
    read_training_data,
)
from neptuneml_plugin.processing.graph import similar
from neptuneml_plugin.processing.graph import similar_edges as building
from neptuneml_plugin.processing.graph.similar import Pairs, similar_pairs
from tests.planted import planted_export
from tests.processing.exports import feature, library
from tests.processing.snapshots import CONFIGURATION, edges, ids, later, processed
from tests.training.graphs import set_hyperparameters, trained

Matrix = npt.NDArray[np.float32]
LIKE = EdgeType("item", "like", "item")


def all_pairs(vectors: Matrix, top_k: int | None, threshold: float | None, most: int) -> set[tuple[int, int]]:
    """Return the pairs by the definition, from the whole matrix of cosines in float64."""
    wide = vectors.astype(np.float64)
    count = len(wide)
    cosines = {
        (a, b): float(wide[a] @ wide[b] / np.sqrt((wide[a] @ wide[a]) * (wide[b] @ wide[b])))
        for a in range(count)
        for b in range(count)
        if a != b and wide[a].any() and wide[b].any()
    }

    def nearest(row: int, chosen: set[tuple[int, int]], some: int) -> list[int]:
        others = [b for a, b in cosines if a == row and (min(a, b), max(a, b)) in chosen]
        return sorted(others, key=lambda b: (-cosines[min(row, b), max(row, b)], b))[:some]

    least = 0.0 if threshold is None else threshold
    good = {(a, b) for (a, b), cosine in cosines.items() if a < b and cosine >= least and cosine > 0}
    pairs = {(min(a, b), max(a, b)) for a in range(count) for b in nearest(a, good, top_k or most)}
    near = {a: set(nearest(a, pairs, most)) for a in range(count)}
    return {(a, b) for a, b in pairs if b in near[a] and a in near[b]}


def as_set(pairs: Pairs) -> set[tuple[int, int]]:
    assert (pairs.first < pairs.second).all()
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert len(found) == len(pairs.first)
    return found


LIMITS: list[tuple[int | None, float | None, int]] = [
    (3, None, 100),
    (1, None, 1),
    (5, 0.6, 100),
    (None, 0.7, 100),
    (None, 0.2, 4),
    (4, None, 4),
    (500, None, 500),
]


@pytest.mark.parametrize("limits", LIMITS)
def test_exact_in_blocks(limits: tuple[int | None, float | None, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "BLOCK_ROWS", 16)
    monkeypatch.setattr(similar, "BLOCK_COLUMNS", 24)
    vectors = np.random.default_rng(0).normal(size=(70, 6)).astype(np.float32)
    vectors[[3, 40]] = 0
    top_k, threshold, most = limits
    found = similar_pairs(vectors, top_k=top_k, threshold=threshold, max_edges=most)
    assert as_set(found) == all_pairs(vectors, top_k, threshold, most)
    assert len(found.first)


@settings(max_examples=40, deadline=None)
@given(
    slots=st.lists(st.integers(-1, 4), max_size=40),
    top_k=st.none() | st.integers(1, 5),
    most=st.integers(1, 6),
)
def test_many_equal_vectors(slots: list[int], top_k: int | None, most: int) -> None:
    vectors = np.zeros((len(slots), 5), np.float32)
    for row, slot in enumerate(slots):
        if slot >= 0:
            vectors[row, slot] = row + 1
    found = similar_pairs(vectors, top_k=top_k, threshold=0.5, max_edges=most)
    pairs = as_set(found)
    assert all(slots[a] == slots[b] >= 0 for a, b in pairs)
    assert np.allclose(found.cosines, 1)
    degrees = np.bincount(np.concatenate([found.first, found.second]), minlength=len(slots))
    assert (degrees <= most).all()


def test_no_rows() -> None:
    assert as_set(similar_pairs(np.zeros((0, 4), np.float32), top_k=2, max_edges=2)) == set()
    assert as_set(similar_pairs(np.ones((1, 4), np.float32), top_k=2, max_edges=2)) == set()


def with_similar(export: Path, *entries: Any) -> Path:
    path = export / CONFIGURATION
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"similar": list(entries)}))
    return export


ITEM = {"node": "item", "features": ["size", "shape"], "edge": "like", "top_k": 4, "max_edges": 6}


def test_the_edges_are_of_an_ordinary_type(tmp_path: Path) -> None:
    source = with_similar(planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=80), ITEM)
    opened = processed(source, tmp_path / "p")
    schema = opened.record.schema
    assert [(edge.type.label, edge.built) for edge in schema.edges] == [
        ("linked", False),
        ("has", False),
        ("like", True),
    ]
    assert schema.edges[2].type == LIKE
    sources, targets = (end.tolist() for end in opened.ends(2))
    found = set(zip(sources, targets, strict=True))
    assert len(found) == len(sources) == schema.edges[2].count > 80
    assert found == {(b, a) for a, b in found}
    assert not any(a == b for a, b in found)
    assert np.bincount(sources).max() <= 6
    columns = opened.node(0).features
    vectors = np.concatenate([columns["size"], columns["shape"]], axis=1)
    assert {(a, b) for a, b in found if a < b} == all_pairs(vectors, 4, None, 6)


def test_training_takes_them_in(tmp_path: Path) -> None:
    source = with_similar(planted_export(tmp_path / "e", Task.LINK_PREDICTION, nodes=60), ITEM)
    opened = processed(source, tmp_path / "p")
    assert [edge.label for edge in opened.record.target.edges] == ["linked"]
    set_hyperparameters(tmp_path / "p", {"num-epochs": 2, "num-hidden": 8})
    trained(tmp_path / "p", tmp_path / "t")


def test_links_of_all_types_are_not_those_that_were_built(tmp_path: Path) -> None:
    entry = {"node": "Book", "features": ["pages"], "edge": "like", "threshold": 0.1}
    source = with_similar(library(tmp_path / "e", book_features=[feature("pages", "numerical")]), entry)
    opened = processed(source, tmp_path / "p")
    assert [edge.label for edge in opened.record.target.edges] == ["Reviewed"]
    # One book has the fewest pages, which min-max makes a zero: similar to none.
    assert sorted(edges(opened, 1)) == [("2", "3"), ("2", "4"), ("3", "2"), ("3", "4"), ("4", "2"), ("4", "3")]


def test_texts(tmp_path: Path) -> None:
    blurbs = ["a murder in venice", "murder again in venice", "roses and poems", "poems of roses", "nothing"]
    rows = "~id,blurb\n" + "".join(f"{i},{text}\n" for i, text in enumerate(blurbs))
    entry = {"node": "Book", "features": ["blurb"], "edge": "like", "threshold": 0.3}
    source = library(
        tmp_path / "e",
        book_features=[feature("blurb", "text_tfidf", min_df=1)],
        files={"nodes/Book.csv": rows, "edges/Reviewed.csv": "~from,~to\nr1,0\nr2,2\n"},
    )
    opened = processed(with_similar(source, entry), tmp_path / "p")
    assert sorted(edges(opened, 1)) == [("0", "1"), ("1", "0"), ("2", "3"), ("3", "2")]


def test_none_similar_is_told(tmp_path: Path) -> None:
    entry = {"node": "Book", "features": ["shelf"], "edge": "like", "threshold": 1}
    books = "~id,shelf\n1,a\n2,b\n3,c\n4,d\n"
    source = library(tmp_path / "e", book_features=[feature("shelf", "category")], files={"nodes/Book.csv": books})
    opened = processed(with_similar(source, entry), tmp_path / "p")
    assert "no two vertices 'Book' are similar enough for an edge 'like'" in opened.record.warnings
    assert opened.record.schema.edges[1].count == 0


def test_after_a_previous_snapshot_they_are_built_again(tmp_path: Path) -> None:
    source = with_similar(planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=80), ITEM)
    processed(source, tmp_path / "p1")
    other = later(source, tmp_path / "e2", gone=["item-0"], new=3)
    second = processed(other, tmp_path / "p2", tmp_path / "p1")
    columns = second.node(0).features
    vectors = np.concatenate([columns["size"], columns["shape"]], axis=1)
    found = set(zip(*(end.tolist() for end in second.ends(2)), strict=True))
    assert {(a, b) for a, b in found if a < b} == all_pairs(vectors, 4, None, 6)
    assert "new-0" in ids(second, "item")
    assert second.record.drift is not None
    assert len(second.record.drift.types) == 4  # built edges are no drift of the graph


def test_types_to_build_stay_those_of_the_previous_snapshot(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=40)
    first = processed(with_similar(source, ITEM), tmp_path / "p1")
    other = {**ITEM, "edge": "akin"}
    second = processed(with_similar(source, other), tmp_path / "p2", tmp_path / "p1")
    assert [edge.type for edge in second.record.schema.edges] == [edge.type for edge in first.record.schema.edges]
    assert second.record.schema.edges[2].count == 0
    told = "\n".join(second.record.warnings)
    assert "edges to build (item)-akin-(item) are new since the previous snapshot and left out" in told
    assert "edges to build (item)-like-(item) of the previous snapshot are not in the configuration" in told


def test_all_problems_at_once(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=30)
    with_similar(
        source,
        {"node": "itm", "features": ["size"], "edge": "like", "top_k": 4},
        {"node": "item", "features": ["sze", "kind"], "edge": "linked", "top_k": 0},
        {"node": "item", "features": [], "edge": "a", "threshold": 1.5},
        {"node": "item", "features": ["size"], "edge": "b", "max_edges": 3, "treshold": 1},
        "all",
    )
    with pytest.raises(InvalidSettings) as caught:
        read_training_data(source, CONFIGURATION)
    assert sorted(caught.value.problems) == [
        "similar[0].node: no file of vertices 'itm' (did you mean 'item'?)",
        "similar[1].edge: edge type (item)-linked-(item) is there already; choose another name",
        "similar[1].features: 'kind' is no feature of 'item' (allowed: shape, size)",
        "similar[1].features: 'sze' is no feature of 'item' (did you mean 'size'?)",
        "similar[1].top_k: must be a positive integer, not 0",
        "similar[2].features: must be an array of names, not []",
        "similar[2].threshold: 1.5 must be a cosine above 0 and at most 1",
        "similar[3]: says neither top_k nor threshold; give one or both",
        "similar[3]: unknown member 'treshold' (did you mean 'threshold'?)",
        'similar[4]: must be an object, not "all"',
    ]


def test_too_many_vertices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MOST_NODES", 79)
    source = with_similar(planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=80), ITEM)
    with pytest.raises(UnsupportedOperation, match="'item' has 80 vertices; edges are built among at most 79"):
        process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "p")


def test_a_feature_that_was_left_out(tmp_path: Path) -> None:
    entry = {"node": "Book", "features": ["code"], "edge": "like", "top_k": 2}
    books = "~id,code\n1,a\n2,b\n3,c\n4,d\n"
    source = library(tmp_path / "e", book_features=[feature("code", "auto")], files={"nodes/Book.csv": books})
    with pytest.raises(InvalidData, match="'code' of 'Book' is not encoded, so no edges can be built from it"):
        processed(with_similar(source, entry), tmp_path / "p")


def test_a_name_of_reverse_edges(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=30)
    with pytest.raises(InvalidData, match="has the name of the reverse edges of"):
        processed(with_similar(source, {**ITEM, "edge": "rev-linked"}), tmp_path / "p")
