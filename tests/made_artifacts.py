"""Small artifacts of all five tasks, made with numpy alone: what `transform` would write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import (
    MANIFEST,
    EdgeSchema,
    EdgeType,
    FeatureSchema,
    GraphSchema,
    Manifest,
    NodeType,
    Scores,
    Target,
    Task,
    table_name,
    write_record,
)
from neptuneml_plugin.filerecords import content_version, describe_files
from neptuneml_plugin.ids import IdColumn, write_ids
from neptuneml_plugin.table import write_class_table, write_id_table, write_value_table

RATED = EdgeType("user", "rated", "movie")
KNOWS = EdgeType("user", "knows", "user")
WIDTH = 8


@dataclass(frozen=True)
class Made:
    """What to make; users and movies, joined by `rated`."""

    task: Task = Task.NODE_CLASS
    users: Sequence[str] = ("1", "2", "3")
    movies: Sequence[str] = ("a", "b", "c", "d", "e")
    user_id_type: str = "Integer"
    movie_id_type: str = "String"
    classes: Sequence[str | int | float | bool] = ("drama", "comedy", "noir")
    data_type: str = "String"
    multi_label: bool = False
    threshold: float | None = None
    calibration: tuple[float, float] | None = (2.0, -1.0)
    #: Whether movies have vectors of their own for the candidate's role.
    candidates: bool = True
    #: What is predicted about, or linked by; the ends are users or movies.
    edge: EdgeType = RATED
    #: (source row, target row) of the training graph.
    training_edges: Sequence[tuple[int, int]] = ((0, 0), (0, 1), (1, 2))
    seed: int = 0
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    user_features: tuple[FeatureSchema, ...] = ()
    edge_features: tuple[FeatureSchema, ...] = ()
    model: str = "rgcn"
    scores: Scores = Scores.PRODUCT
    #: File name -> array, instead of the generated one.
    overrides: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


def make_artifact(folder: Path, made: Made | None = None) -> Manifest:
    """Write an artifact into `folder` and return its manifest."""
    made = made or Made()
    random = np.random.default_rng(made.seed)
    arrays = _embeddings(made, random)
    if made.task.on_nodes:
        arrays |= _predictions(made, random)
    elif made.task is Task.LINK_PREDICTION:
        arrays |= _relation(made, random)
    else:
        arrays |= _decoder(made, random)
    for position, ids in enumerate((made.users, made.movies)):
        write_ids(folder / f"nodes/{position}", ids)
    for name, array in (arrays | dict(made.overrides)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / name, array)
    _write_tables(folder, made)
    (folder / "model.safetensors").write_bytes(b"weights that no stored answer needs")
    manifest = _manifest(folder, made)
    write_record(folder / MANIFEST, manifest)
    return manifest


def _write_tables(folder: Path, made: Made) -> None:
    ids = [IdColumn(folder / f"nodes/{position}") for position in (0, 1)]
    if made.task.on_nodes:
        table, predictions = folder / table_name(1), np.load(folder / "nodes/1/predictions.npy")
        if made.task.is_class:
            write_class_table(table, ids[1], made.classes, [predictions])
        else:
            write_value_table(table, ids[1], predictions[:, 0])
    elif made.task is Task.LINK_PREDICTION:
        for position in {0 if end == "user" else 1 for end in (made.edge.source, made.edge.target)}:
            write_id_table(folder / table_name(position), ids[position])


def _embeddings(made: Made, random: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {
        "nodes/0/embeddings.npy": random.normal(size=(len(made.users), WIDTH)).astype(np.float32),
        "nodes/1/embeddings.npy": random.normal(size=(len(made.movies), WIDTH)).astype(np.float32),
    }
    if made.candidates and made.task is Task.LINK_PREDICTION:
        arrays["nodes/1/candidates.npy"] = random.normal(size=(len(made.movies), WIDTH)).astype(np.float32)
    return arrays


def _predictions(made: Made, random: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    if made.task is Task.NODE_REGRESSION:
        values: npt.NDArray[Any] = random.normal(size=(len(made.movies), 1)) * 100
    elif made.multi_label:
        values = random.random((len(made.movies), len(made.classes))).astype(np.float32)
    else:
        values = random.dirichlet(np.ones(len(made.classes)), len(made.movies)).astype(np.float32)
    return {"nodes/1/predictions.npy": values}


def _decoder(made: Made, random: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    hidden, outputs = 6, len(made.classes) if made.task.is_class else 1
    shapes = {
        "hidden_weight": (3 * WIDTH, hidden),
        "hidden_bias": (hidden,),
        "output_weight": (hidden, outputs),
        "output_bias": (outputs,),
        "dot_weight": (outputs,),
        "source_bias": (len(made.users), outputs),
        "target_bias": (len(made.movies), outputs),
    }
    return {f"decoder/{name}.npy": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _relation(made: Made, random: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    sizes = {"user": len(made.users), "movie": len(made.movies)}
    sources, targets = sizes[made.edge.source], sizes[made.edge.target]
    width = WIDTH // 2 if made.scores is Scores.ROTATE else WIDTH
    arrays: dict[str, npt.NDArray[Any]] = {
        "edges/0/relation.npy": random.normal(size=width).astype(np.float32),
        "edges/0/target_bias.npy": random.normal(size=targets).astype(np.float32),
        "edges/0/source_bias.npy": random.normal(size=sources).astype(np.float32),
    }
    for name, by, size in (("tails", 0, sources), ("heads", 1, targets)):
        edges = sorted(made.training_edges, key=lambda edge: edge[by])
        counts = np.bincount([edge[by] for edge in edges], minlength=size)
        arrays[f"edges/0/{name}_indptr.npy"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        arrays[f"edges/0/{name}_indices.npy"] = np.array([edge[1 - by] for edge in edges], dtype=np.int64)
    return arrays


def _manifest(folder: Path, made: Made) -> Manifest:
    files = describe_files(folder)
    regression = made.task in {Task.NODE_REGRESSION, Task.EDGE_REGRESSION}
    return Manifest(
        version=content_version(files, made.task),
        created_at="2026-01-01T00:00:00Z",
        task=made.task,
        target=Target(
            node="movie" if made.task.on_nodes else None,
            edges=() if made.task.on_nodes else (made.edge,),
            property_name={
                Task.LINK_PREDICTION: None,
                Task.NODE_CLASS: "genre",
                Task.NODE_REGRESSION: "price",
            }.get(made.task, "score"),
            data_type="Double" if regression else made.data_type,
            multi_label=made.multi_label,
            classes=tuple(made.classes) if made.task.is_class else (),
        ),
        schema=GraphSchema(
            nodes=(
                NodeType("user", len(made.users), made.user_id_type, made.user_features),
                NodeType("movie", len(made.movies), made.movie_id_type),
            ),
            edges=(EdgeSchema(made.edge, len(made.training_edges), made.edge_features),),
        ),
        model=made.model,
        hyperparameters=made.hyperparameters,
        metrics={},
        files=files,
        threshold=made.threshold,
        scores=made.scores,
        calibration=made.calibration if made.task is Task.LINK_PREDICTION else None,
        decoder={"mean": 3.5, "std": 1.25} if made.task is Task.EDGE_REGRESSION else {},
    )
