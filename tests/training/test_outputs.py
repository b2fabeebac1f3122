"""What clients of Neptune ML read beside an artifact, and the table of predictions."""

import io
import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from neptuneml_plugin.artifacts import Manifest, Task, TrainingRecord, TrialRecord, open_artifact, write_record
from neptuneml_plugin.config import TransformConfig
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.training import transform
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.models.model import Model, save_weights
from neptuneml_plugin.training.outputs import applied
from neptuneml_plugin.training.outputs.clientfiles import LARGEST, instance_recommendation
from tests.listed_answers import listed
from tests.training.graphs import processed, processed_export, trained_here

CASES = [(task, False) for task in Task] + [(Task.NODE_CLASS, True)]
NAMES = {"embeddings/entity.npy", "mapping.info", "infer_instance_recommendation.json", "predictions.parquet"}


class Restricted(pickle.Unpickler):
    """Reads as graph-notebook's helper does: builtins and numpy."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] not in {"numpy", "builtins"}:
            raise pickle.UnpicklingError(f"{module}.{name} is forbidden")
        return super().find_class(module, name)


class Made:
    def __init__(self, folder: Path, task: Task, *, multi_label: bool) -> None:
        values = {"num-epochs": 3}
        self.source = processed(folder, task, multi_label=multi_label, nodes=90, values=values)
        self.training = folder / "training"
        trained_here(self.source, self.training, trials=2)
        self.artifact = self.training / "artifact"
        self.manifest = open_artifact(self.artifact)

    @property
    def mapping(self) -> dict[str, Any]:
        content: dict[str, Any] = Restricted(io.BytesIO((self.training / "mapping.info").read_bytes())).load()
        return content

    def ids(self, label: str) -> list[str]:
        return IdColumn(self.artifact / "nodes" / str(self.manifest.schema.node(label))).texts()

    def answers(self, rows: pl.DataFrame, **parameters: Any) -> list[Any]:
        """Ask the artifact, as an endpoint would, for the elements of some rows."""
        if self.manifest.task.on_nodes:
            items, mode = Items(nodes=tuple(rows["id"])), Mode.PREDICT
        else:
            is_link = self.manifest.task is Task.LINK_PREDICTION
            items = Items(
                heads=tuple(rows["id"]),
                tails=("",) * len(rows) if is_link else tuple(rows["target"]),
                head_types=(None,) * len(rows),
                tail_types=(None,) * len(rows),
                excludes=((),) * len(rows),
            )
            mode = Mode.PREDICT_TAIL if is_link else Mode.PREDICT
        return listed(open_predictor(self.artifact)[1].answer(Invocation(mode, items, **parameters), lambda: None))


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Task, bool], Made]:
    return {case: Made(tmp_path_factory.mktemp(case[0].value), case[0], multi_label=case[1]) for case in CASES}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_transform_writes_what_the_training_wrote(
    trainings: Any, case: tuple[Task, bool], tmp_path: Path
) -> None:
    made = trainings[case]
    transform.run(TransformConfig(made.training), made.source, tmp_path / "out")
    written, of_training = files(tmp_path / "out"), files(made.training)
    beside = NAMES | ({"predictions/result.npz"} if case[0].on_nodes else set())
    assert written.keys() == beside | made.manifest.files.keys() | {"manifest.json"}
    for name in beside - {"infer_instance_recommendation.json", "predictions/result.npz", "predictions.parquet"}:
        assert written[name] == of_training[name], name
    assert open_artifact(tmp_path / "out").files == made.manifest.files  # none of them counts as the artifact's
    both = (pl.read_parquet(folder / "predictions.parquet") for folder in (tmp_path / "out", made.training))
    assert next(both).equals(next(both))


@pytest.mark.parametrize("case", [case for case in CASES if case[0].on_nodes], ids=str)
def test_rows_of_node_tasks_are_in_the_order_of_the_map(trainings: Any, case: tuple[Task, bool]) -> None:
    made = trainings[case]
    mapping, kind = made.mapping, made.manifest.schema.node("item")
    assert mapping["node2id"]["item"] == {name: row for row, name in enumerate(made.ids("item"))}
    assert mapping["node2id"].keys() == {"item", "tag"}
    assert (mapping["target_ntype"], mapping["target_ntype_property"]) == (
        "item",
        made.manifest.target.property_name,
    )
    entity = np.load(made.training / "embeddings/entity.npy", allow_pickle=False)
    assert entity.dtype == np.float32
    np.testing.assert_array_equal(entity, np.load(made.artifact / f"nodes/{kind}/embeddings.npy"))
    with np.load(made.training / "predictions/result.npz", allow_pickle=False) as result:
        assert result.files == ["infer_scores"]
        scores = result["infer_scores"]
    assert scores.dtype == np.float32
    stored = np.load(made.artifact / f"nodes/{kind}/predictions.npy")
    np.testing.assert_array_equal(scores, stored.astype(np.float32))
    assert mapping["label_map"] == {"item": dict(enumerate(made.manifest.target.classes))}


@pytest.mark.parametrize("task", [task for task in Task if not task.on_nodes])
def test_rows_of_the_others_are_global(trainings: Any, task: Task) -> None:
    made = trainings[task, False]
    mapping, schema = made.mapping, made.manifest.schema
    entity = np.load(made.training / "embeddings/entity.npy", allow_pickle=False)
    assert len(entity) == sum(node.count for node in schema.nodes)
    for position, node in enumerate(schema.nodes):
        rows = mapping["node2gid"][node.label][
            [mapping["node2id"][node.label][name] for name in made.ids(node.label)]
        ]
        np.testing.assert_array_equal(entity[rows], np.load(made.artifact / f"nodes/{position}/embeddings.npy"))
    assert mapping["relation2id_map"] == {edge.type.triple: at for at, edge in enumerate(schema.edges)}
    assert not (made.training / "predictions").exists()


def test_mappings_are_read_by_old_pythons(trainings: Any) -> None:
    content = (trainings[Task.LINK_PREDICTION, False].training / "mapping.info").read_bytes()
    assert content[:2] == b"\x80\x04"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_table_says_what_an_endpoint_says(trainings: Any, case: tuple[Task, bool]) -> None:
    made, task = trainings[case], case[0]
    table = pl.read_parquet(made.training / "predictions.parquet")
    named = ["id"] if task.on_nodes else ["id", "target"]
    if task is Task.LINK_PREDICTION:
        named = ["id", "edge"]
    assert table.columns == [*named, "value", "score", "rank"]
    elements = table.select(named).unique(maintain_order=True)
    topk = 500 if task is Task.LINK_PREDICTION else 10
    scored = task.is_class or task is Task.LINK_PREDICTION
    extra = {"edge_label": "linked"} if task is Task.LINK_PREDICTION else {}
    asked = made.answers(elements, topk=topk, score=scored, **extra)
    groups = table.partition_by(named, maintain_order=True)
    known = known_links(made) if task is Task.LINK_PREDICTION else {}
    for group, answers in zip(groups, asked, strict=True):
        assert group["rank"].to_list() == list(range(1, len(group) + 1))
        if task is Task.LINK_PREDICTION:
            source = group["id"][0]
            fresh = [answer for answer in answers if (source, answer.id) not in known and answer.id != source]
            assert sorted(group["value"]) == sorted(answer.id for answer in fresh[: len(group)])
            np.testing.assert_allclose(group["score"], [answer.score for answer in fresh[: len(group)]], atol=1e-5)
        elif task.is_class:
            assert group["value"].to_list() == [answer.value for answer in answers]
            np.testing.assert_allclose(group["score"], [answer.score for answer in answers], atol=1e-6)
        else:
            assert group["score"].to_list() == [None]
            np.testing.assert_allclose(group["value"], [answer.value for answer in answers], rtol=1e-5, atol=1e-5)


def known_links(made: Made) -> set[tuple[str, str]]:
    position = made.manifest.schema.edge(made.manifest.target.edges[0])
    ids = made.ids("item")
    ends = (np.load(made.source / f"edges/{position}/{end}.npy") for end in ("sources", "targets"))
    return {(ids[a], ids[b]) for a, b in zip(*ends, strict=True)}


def test_every_element_has_rows(trainings: Any) -> None:
    nodes = trainings[Task.NODE_CLASS, False]
    table = pl.read_parquet(nodes.training / "predictions.parquet")
    assert table.height == 90 * len(nodes.manifest.target.classes)
    assert table.schema["value"] == pl.String()
    edges = trainings[Task.EDGE_REGRESSION, False]
    schema = edges.manifest.schema
    count = schema.edges[schema.edge(edges.manifest.target.edges[0])].count
    table = pl.read_parquet(edges.training / "predictions.parquet")
    assert (table.height, table.schema["value"]) == (count, pl.Float64())


def test_too_many_pairs_are_left_out_and_said(trainings: Any, tmp_path: Path, monkeypatch: Any) -> None:
    made = trainings[Task.LINK_PREDICTION, False]
    monkeypatch.setattr(applied, "MOST_PAIRS", 8099)
    summary = transform.run(TransformConfig(made.training), made.source, tmp_path / "out")
    assert any("predictions.parquet is left out: it would take 8,100 pairs" in text for text in summary.warnings)
    assert not (tmp_path / "out" / "predictions.parquet").exists()


def test_a_named_trial_is_applied(trainings: Any, tmp_path: Path) -> None:
    made = trainings[Task.NODE_CLASS, False]
    for number in (0, 1):
        transform.run(TransformConfig(made.training, trial=number), made.source, tmp_path / str(number))
    first, second = (open_artifact(tmp_path / str(number)) for number in (0, 1))
    assert first.hyperparameters != second.hyperparameters
    assert first.version != second.version
    assert made.manifest.version in {first.version, second.version}
    with pytest.raises(InvalidParameter, match="there is no trial 7; the training has 0, 1"):
        transform.run(TransformConfig(made.training, trial=7), made.source, tmp_path / "none")


def test_the_recommended_instance_holds_the_artifact(trainings: Any) -> None:
    made = trainings[Task.NODE_CLASS, False]
    said = json.loads((made.training / "infer_instance_recommendation.json").read_text())
    assert said == instance_recommendation(made.manifest)
    assert said["instance"] == "ml.m5d.large"
    size = sum(file.size for file in made.manifest.files.values())
    assert int(said["mem_size"]) > size < int(said["disk_size"])
    assert instance_recommendation(grown(made.manifest, 20))["instance"] == "ml.m5d.2xlarge"
    assert instance_recommendation(grown(made.manifest, 400))["instance"] == LARGEST


def grown(manifest: Manifest, gib: int) -> Manifest:
    name, record = next(iter(manifest.files.items()))
    return replace(manifest, files={**manifest.files, name: replace(record, size=gib << 30)})


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np, polars as pl
from neptuneml_plugin.training.outputs.predictions import write_predictions
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
frame = pl.DataFrame({"score": np.random.rand(100_000)})
try:
    write_predictions(Path(sys.argv[1]), [frame], frame.schema)
except OSError as error:
    sys.exit(3 if "t.parquet could not be written" in str(error) else 4)
"""


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path / "t.parquet")], check=False)
    assert done.returncode == 3


def many_classes(folder: Path, classes: int, rows: int) -> Path:
    """Write an export of vertices of so many classes."""
    (folder / "nodes").mkdir(parents=True)
    (folder / "edges").mkdir()
    lines = (f"{row},item,{row % 7},class {row % classes}" for row in range(rows))
    (folder / "nodes/item.csv").write_text("~id,~label,size,kind\n" + "\n".join(lines) + "\n")
    (folder / "edges/next.csv").write_text("~id,~label,~from,~to\ne,next,0,1\n")
    item: dict[str, Any] = {"file_name": "nodes/item.csv", "separator": ",", "node": ["~id", "item"]}
    item["features"] = [{"feature": ["size", "size", "numerical"], "norm": "min-max"}]
    item["labels"] = [{"label": ["kind", "classification"], "split_rate": [0.9, 0.05, 0.05]}]
    edge: dict[str, Any] = {
        "file_name": "edges/next.csv",
        "separator": ",",
        "source": ["~from", "item"],
        "relation": ["", "next"],
    }
    edge |= {"dest": ["~to", "item"], "features": []}
    document = {"version": "v2.0", "graph": {"nodes": [item], "edges": [edge]}, "warnings": []}
    (folder / "training-data-configuration.json").write_text(json.dumps(document))
    return folder


def untrained(source: Path, folder: Path) -> Path:
    """Write a training folder with the weights that a model begins with."""
    record, chosen = open_processed(source).record, Hyperparameters(num_hidden=16)
    (folder / "trials/0").mkdir(parents=True)
    save_weights(Model(record, chosen), folder / "trials/0/model.safetensors")
    trial = TrialRecord(0, "rgcn", chosen.to_json(), {}, 0, 0, 0.0, 0)
    training = TrainingRecord(record.task, record.target, record.schema, "acc", (trial,), 0, {}, "train")
    write_record(folder / "training.json", training)
    shutil.copytree(source / "ids", folder / "ids")
    return folder


# A process's own peak: what `getrusage` says includes that of the process which it was forked from.
MEASURED = """
import re, sys
from pathlib import Path
from neptuneml_plugin.config import TransformConfig
from neptuneml_plugin.training import transform
source, model, target = map(Path, sys.argv[1:])
transform.run(TransformConfig(model), source, target)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_memory_does_not_grow_with_classes_times_nodes(tmp_path: Path) -> None:
    """30,000 vertices of 1,000 classes: their probabilities are 240 MB as doubles."""
    peaks = {}
    for classes in (2, 1000):
        folder = tmp_path / str(classes)
        source = processed_export(many_classes(folder / "export", classes, 30_000))
        places = [source, untrained(source, folder / "training"), folder / "out"]
        command = [sys.executable, "-c", MEASURED, *map(str, places)]
        peaks[classes] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) >> 10
        assert np.load(folder / "out/nodes/0/predictions.npy", mmap_mode="r").shape == (30_000, classes)
    assert peaks[1000] < peaks[2] + 120
