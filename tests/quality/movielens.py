"""MovieLens-100k: what is exported of it for each task, and its canonical split u1."""

import json
import random
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

RATED = ("user", "rated", "movie")
USER = ("age", "gender", "occupation")
MOVIE = ("title", "release_date", "genre")
#: The first rows of `ml-100k.inter` are u1's test split; this many of the others, at random, validate.
TEST_ROWS, VALIDATION_ROWS = 20_000, 4_000
SPLITS = ("train", "valid", "test")
#: Of vertices, where there is no canonical split.
SPLIT_RATE = (0.8, 0.1, 0.1)


def request(target: Mapping[str, Any]) -> dict[str, Any]:
    """Return an export's document for a target: users and movies with all their properties, and ratings."""
    nodes = [{"label": "user", "properties": list(USER)}, {"label": "movie", "properties": list(MOVIE)}]
    rated = [target["property"]] if "edge" in target and "property" in target else []
    return {
        "command": "export-pg",
        "params": {
            "nodeLabels": ["user", "movie"],
            "edgeLabels": ["rated"],
            "filter": {"nodes": nodes, "edges": [{"label": "rated", "properties": rated}]},
        },
        "additionalParams": {"neptune_ml": {"version": "v2.0", "targets": [target], "split_rate": SPLIT_RATE}},
    }


def write_u1(export: Path, data: Path) -> None:
    """Put the split into an export folder; `data` holds the package that `examples/movies/load.py` fetched."""
    wheel = zipfile.Path(next(data.glob("recbole-*.whl")))
    text = (wheel / "recbole/dataset_example/ml-100k/ml-100k.inter").read_text(encoding="utf-8")
    write_split(export, [row.split("\t")[:2] for row in text.splitlines()[1:]])


def write_split(export: Path, ratings: list[list[str]]) -> None:
    """Write three split files of (user, movie) and name them in the configuration instead of a split rate."""
    test, others = ratings[:TEST_ROWS], ratings[TEST_ROWS:]
    random.Random(0).shuffle(others)
    parts = {"train": others[VALIDATION_ROWS:], "valid": others[:VALIDATION_ROWS], "test": test}
    for part, rows in parts.items():
        (export / f"{part}.csv").write_text(_table(rows), encoding="utf-8")
    path = export / "training-data-configuration.json"
    configuration = json.loads(path.read_text(encoding="utf-8"))
    (rated,) = (edge for edge in configuration["graph"]["edges"] if edge.get("labels"))
    (label,) = rated["labels"]
    label.pop("split_rate", None)
    label["custom_split_filenames"] = {part: f"{part}.csv" for part in SPLITS}
    path.write_text(json.dumps(configuration, indent=2), encoding="utf-8")


def _table(rows: Iterable[list[str]]) -> str:
    return "~from,~to\n" + "".join(f"user_{user},movie_{movie}\n" for user, movie in rows)
