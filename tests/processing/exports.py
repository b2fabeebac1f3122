"""Small export folders for the tests of processing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import Task

BOOKS = "~id,~label,pages,shelf\n1,Book,100,crime\n2,Book,300,poetry\n3,Book,200,crime\n4,Book,500,poetry\n"
READERS = "~id,~label,age\nr1,Reader,20\nr2,Reader,60\n"
REVIEWS = (
    "~id,~label,~from,~to,stars\na,Reviewed,r1,1,5\nb,Reviewed,r1,2,3\nc,Reviewed,r2,3,1\nd,Reviewed,r2,4,3\n"
)


def write_export(folder: Path, files: Mapping[str, str], configuration: Any, schema: Any = None) -> Path:
    """Write files, the configuration and, if given, `config.json`."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    (folder / "training-data-configuration.json").write_text(json.dumps(configuration), encoding="utf-8")
    if schema is not None:
        (folder / "config.json").write_text(json.dumps(schema), encoding="utf-8")
    return folder


def node(label: str, features: Any = (), labels: Any = None) -> dict[str, Any]:
    """Return a node entry for `nodes/<label>.csv`."""
    entry = {
        "file_name": f"nodes/{label}.csv",
        "separator": ",",
        "node": ["~id", label],
        "features": list(features),
    }
    return entry if labels is None else entry | {"labels": labels}


def edge(source: str, label: str, target: str, features: Any = (), labels: Any = None) -> dict[str, Any]:
    """Return an edge entry for `edges/<label>.csv`."""
    ends = {"source": ["~from", source], "relation": ["", label], "dest": ["~to", target]}
    entry = {"file_name": f"edges/{label}.csv", "separator": ",", **ends, "features": list(features)}
    return entry if labels is None else entry | {"labels": labels}


def feature(name: str, kind: str, **members: Any) -> dict[str, Any]:
    """Return a feature of the column `name`."""
    return {"feature": [name, name, kind], **members}


def configuration(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of node and edge entries."""
    nodes, edges = [e for e in entries if "node" in e], [e for e in entries if "source" in e]
    return {
        "version": "v2.0",
        "query_engine": "gremlin",
        "graph": {"nodes": nodes, "edges": edges},
        "warnings": [],
    }


def library(
    folder: Path,
    *,
    book_features: Any = (),
    book_labels: Any = None,
    review_features: Any = (),
    review_labels: Any = None,
    files: Mapping[str, str] | None = None,
    schema: Any = None,
) -> Path:
    """Write books, readers and reviews."""
    contents = {"nodes/Book.csv": BOOKS, "nodes/Reader.csv": READERS, "edges/Reviewed.csv": REVIEWS} | dict(
        files or {}
    )
    entries = (
        node("Book", book_features, book_labels),
        node("Reader", [feature("age", "numerical", norm="none")]),
        edge("Reader", "Reviewed", "Book", review_features, review_labels),
    )
    return write_export(folder, contents, configuration(*entries), schema)


def change_labels(folder: Path, **members: Any) -> Path:
    """Set members of every label entry of an export's configuration; None removes one."""
    path = folder / "training-data-configuration.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    entries = [*document["graph"]["nodes"], *document["graph"]["edges"]]
    for label in (label for entry in entries for label in entry.get("labels", ())):
        label.update(members)
        for name in [name for name, value in label.items() if value is None]:
            del label[name]
    path.write_text(json.dumps(document), encoding="utf-8")
    return folder


def twins(folder: Path, task: Task) -> Path:
    """200 pairs of 60 vertices, each joined both ways by edges that say the same, at random."""
    rng = np.random.default_rng(1)
    pairs = np.array([(a, b) for a in range(60) for b in range(a)])
    values = rng.normal(size=200)
    label = {
        Task.EDGE_CLASS: ["w", "classification"],
        Task.EDGE_REGRESSION: ["w", "regression"],
        Task.LINK_PREDICTION: ["", "link_prediction"],
    }[task]
    shown = [("up" if value > 0 else "down") if task.is_class else f"{value:.3f}" for value in values]
    lines = [
        f"{a},{b},{value}\n{b},{a},{value}\n"
        for (a, b), value in zip(rng.permutation(pairs)[:200], shown, strict=True)
    ]
    files = {
        "nodes/Place.csv": "~id\n" + "".join(f"{i}\n" for i in range(60)),
        "edges/road.csv": "~from,~to,w\n" + "".join(lines),
    }
    entry = edge("Place", "road", "Place", labels=[{"label": label, "split_rate": [0.6, 0.2, 0.2]}])
    return write_export(folder, files, configuration(node("Place"), entry))
