"""How far snapshots are apart: counts, distances by their definitions, the advice, and what a chain adds up to."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neptuneml_plugin.artifacts import Drift, EdgeType, FeatureDrift, Task, TypeDrift
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing import process
from neptuneml_plugin.processing.snapshots import drift
from neptuneml_plugin.processing.snapshots.drift import POINTS, SAMPLE_ROWS, distance, summary
from tests.planted import planted_export
from tests.processing.exports import library
from tests.processing.snapshots import ITEMS, later, processed, read, write

VALUES = arrays(np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32))


@given(VALUES, VALUES)
def test_numbers_are_kolmogorov_and_smirnovs_distance_apart(one: np.ndarray, other: np.ndarray) -> None:
    found = distance("numerical", summary("numerical", one[:, None]), summary("numerical", other[:, None]))
    assert found is not None
    assert found.measure == "Kolmogorov-Smirnov"
    at = np.concatenate([one, other])
    gaps = [abs((one <= value).mean() - (other <= value).mean()) for value in at]
    assert found.distance == pytest.approx(max(gaps), abs=2 / (POINTS - 1))


@given(st.lists(st.integers(-1, 3), min_size=1), st.lists(st.integers(-1, 3), min_size=1))
def test_categories_are_their_total_variation_apart(one: list[int], other: list[int]) -> None:
    matrices = [
        np.eye(4, dtype=np.float32)[np.array(slots)] * (np.array(slots) >= 0)[:, None] for slots in (one, other)
    ]
    found = distance("category", *[summary("category", matrix) for matrix in matrices])
    shares = [np.bincount(np.array(slots) + 1, minlength=5) / len(slots) for slots in (one, other)]
    assert found is not None
    assert found.measure == "total variation"
    assert found.distance == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2, abs=1e-6)


def test_the_column_that_differs_most_counts() -> None:
    one, other = np.zeros((50, 3), np.float32), np.zeros((50, 3), np.float32)
    other[:, 1] = 1
    other[:10, 2] = 1
    found = distance("vector", summary("vector", one), summary("vector", other))
    assert found == FeatureDrift("", "Kolmogorov-Smirnov", 1.0)


def test_many_rows_are_sampled() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(4 * SAMPLE_ROWS, 1)).astype(np.float32)
    sampled = distance("numerical", summary("numerical", matrix), summary("numerical", matrix[:SAMPLE_ROWS]))
    assert sampled is not None
    assert sampled.distance < 0.02


def test_no_rows_have_no_distance() -> None:
    assert distance("category", summary("category", np.zeros((0, 4), np.float32)), np.ones(5)) is None


def test_counts_and_distances_of_a_snapshot(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e1", Task.NODE_CLASS, nodes=100)
    assert processed(source, tmp_path / "p1").record.drift is None
    other = later(source, tmp_path / "e2", gone=["item-1", "item-2"], new=4)
    items = read(other, ITEMS).with_columns(shape=pl.lit("cone"))
    write(other, ITEMS, items)
    summary = process.run(ProcessConfig(dgl_graph=False, previous=tmp_path / "p1"), other, tmp_path / "p2")
    found = processed(other, tmp_path / "p2", tmp_path / "p1", overwrite=True).record.drift
    assert found is not None
    item, tag, linked, has = found.types
    assert (item.node, item.previous, item.kept, item.added, item.removed) == ("item", 100, 98, 4, 2)
    assert (tag.node, tag.previous, tag.kept, tag.added, tag.removed) == ("tag", 33, 33, 0, 0)
    assert linked.edge == EdgeType("item", "linked", "item")
    assert (has.previous, has.kept, has.added, has.removed) == (400, 392, 16, 8)
    assert (found.vertices, found.limit) == (round(6 / 133, 4), 0.2)
    shares = pl.read_csv(source / ITEMS)["shape"].value_counts(normalize=True)
    (cone,) = shares.filter(shape="cone")["proportion"]
    size, shape = item.features
    assert (size.name, size.distance < 0.1) == ("size", True)
    assert shape == FeatureDrift("shape", "total variation", round(1 - cone, 4))
    (told,) = (text for text in summary.warnings if "has drifted" in text)
    assert told.startswith(f"feature 'shape' of item has drifted by {1 - cone:.2f} (total variation) since")
    assert summary.counts["vertices_added"] == 4
    assert summary.counts["edges_removed"] == linked.removed + has.removed


def test_a_chain_of_snapshots_adds_up(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e0", Task.NODE_CLASS, nodes=100)
    processed(source, tmp_path / "p0")
    sizes = []
    for night in range(1, 4):
        source = later(source, tmp_path / f"e{night}", gone=[f"item-{10 * night + i}" for i in range(10)])
        items = read(source, ITEMS).with_columns((pl.col("size").cast(pl.Float64) + 0.3).cast(pl.String))
        write(source, ITEMS, items)
        opened = processed(source, tmp_path / f"p{night}", tmp_path / f"p{night - 1}")
        assert opened.record.drift is not None
        item = opened.record.drift.types[0]
        assert (item.previous, item.removed, item.fitted, item.changed) == (110 - 10 * night, 10, 100, 10 * night)
        sizes.append(item.features[0].distance)
        warned = any(
            "of the vertices were added or removed, more than 20%" in text for text in opened.record.warnings
        )
        assert warned == (night == 3)
    assert sizes == sorted(sizes)  # each is measured from where the encoder was fitted
    assert sizes[2] > 2 * sizes[0] > 0


def types(**changes: int) -> tuple[TypeDrift, ...]:
    return (TypeDrift(100, 100, 0, 0, 100, changes.get("item", 0), "item"),)


def test_the_advice_is_spelled_out() -> None:
    (told,) = drift.warnings(Drift(types(item=11), 0.11, 0.0, 0.1))
    assert told == (
        "since the encoders were fitted, 11% of the vertices were added or removed, more than 10%: process "
        "without a previous snapshot and train again"
    )
    assert drift.warnings(Drift(types(item=11), 0.11, 0.0, 0.2)) == []


def test_vertices_without_features_lower_the_limit(tmp_path: Path) -> None:
    source = library(tmp_path / "e")  # readers have features, books have none
    processed(source, tmp_path / "p1")
    found = processed(source, tmp_path / "p2", tmp_path / "p1").record.drift
    assert found is not None
    assert (found.limit, found.vertices, found.edges) == (0.1, 0.0, 0.0)


def test_a_previous_folder_without_summaries(tmp_path: Path) -> None:
    source = planted_export(tmp_path / "e", Task.NODE_CLASS, nodes=30)
    processed(source, tmp_path / "p1")
    for path in (tmp_path / "p1").rglob("summaries/*.npy"):
        path.unlink()
    with pytest.raises(InvalidData, match=r"lacks .*summaries/0\.npy; run `process` again"):
        processed(source, tmp_path / "p2", tmp_path / "p1")
