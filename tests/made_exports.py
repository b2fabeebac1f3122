"""Export folders of any size: one label, one edge type, features of each kind; no row is made in Python."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import Task
from tests.processing.exports import configuration, edge, feature, node

EDGES_PER_VERTEX = 10
NUMBERS = 5
CATEGORIES = (10, 50)
CLASSES = 5


def made_export(
    folder: Path, edges: int, *, task: Task = Task.NODE_CLASS, seed: int = 0, form: str = "csv"
) -> Path:
    """Write an export of `edges` edges and a tenth as many vertices.

    Vertices `item` have String ids, five numbers, two categories and the class `kind`; edges `linked` have one
    number.

    Args:
        folder: where to.
        edges: how many.
        task: predict the class `kind` of vertices, the number of edges (which then is no feature), or links.
        seed: of everything random.
        form: of the files, `csv` or `parquet`, typed as an export writes them.
    """
    random = np.random.default_rng(seed)
    for name in ("nodes", "edges"):
        (folder / name).mkdir(parents=True)
    ids = _write_items(folder / "nodes" / f"item.{form}", edges // EDGES_PER_VERTEX, random)
    _write_links(folder / "edges" / f"linked.{form}", edges, ids, random)
    numbers = [feature(f"number{i}", "numerical", norm="min-max", imputer="median") for i in range(NUMBERS)]
    features = [*numbers, *(feature(f"category{i}", "category") for i in range(len(CATEGORIES)))]
    weight, split = (
        feature("weight", "numerical", norm="min-max", imputer="median"),
        {"split_rate": [0.8, 0.1, 0.1]},
    )
    kind = {"label": ["kind", "classification"], **split} if task is Task.NODE_CLASS else None
    value = {"label": ["weight", "regression"], **split} if task is Task.EDGE_REGRESSION else None
    document = configuration(
        node("item", features, [kind] if kind else None),
        edge("item", "linked", "item", () if value else [weight], [value] if value else None),
    )
    text = json.dumps(document).replace('.csv"', f'.{form}"')
    (folder / "training-data-configuration.json").write_text(text, encoding="utf-8")
    return folder


def _write_items(path: Path, count: int, random: np.random.Generator) -> pl.Series:
    ids = _names("v", np.arange(count))
    columns = {
        "~id": ids,
        "~label": pl.repeat("item", count, eager=True),
        **{f"number{i}": pl.Series(random.normal(size=count)).round(6) for i in range(NUMBERS)},
        **{f"category{i}": _names("c", random.integers(n, size=count)) for i, n in enumerate(CATEGORIES)},
        "kind": _names("k", random.integers(CLASSES, size=count)),
    }
    _write(path, pl.DataFrame(columns))
    return ids


def _write_links(path: Path, count: int, ids: pl.Series, random: np.random.Generator) -> None:
    columns = {
        "~id": _names("e", np.arange(count)),
        "~label": pl.repeat("linked", count, eager=True),
        "~from": ids.gather(random.integers(len(ids), size=count)),
        "~to": ids.gather(random.integers(len(ids), size=count)),
        "weight": pl.Series(random.random(count)).round(6),
    }
    _write(path, pl.DataFrame(columns))


def _write(path: Path, frame: pl.DataFrame) -> None:
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)


def _names(prefix: str, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.Series:
    return pl.select(pl.lit(prefix) + pl.Series(numbers).cast(pl.String)).to_series()
