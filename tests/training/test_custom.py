"""Custom models: the contract with their scripts, what becomes of what they write, and how they are ended."""

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
import torch

from neptuneml_plugin.artifacts import (
    EdgeType,
    Target,
    Task,
    TrainingRecord,
    TrialRecord,
    open_artifact,
    read_record,
)
from neptuneml_plugin.config import CustomModel, ProcessConfig, TrainConfig, TransformConfig
from neptuneml_plugin.errors import (
    AccessDenied,
    InvalidData,
    InvalidParameter,
    InvalidSettings,
    MissingParameter,
    UnsupportedOperation,
)
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing import process
from neptuneml_plugin.serving.edges import StoredEdges
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.stage import Progress
from neptuneml_plugin.training import train, transform
from neptuneml_plugin.training.custom.artifact import write_custom_artifact
from neptuneml_plugin.training.custom.configuration import read_custom_space
from neptuneml_plugin.training.custom.contract import flags, identity
from neptuneml_plugin.training.custom.environment import RequirementsFailed, python_for
from neptuneml_plugin.training.custom.process import Limits, ScriptFailed, run_script
from neptuneml_plugin.training.custom.source import CustomSource
from neptuneml_plugin.training.custom.stage import TRAINED
from neptuneml_plugin.training.data import load_data
from neptuneml_plugin.training.search.study import Search
from neptuneml_plugin.training.tasks import TASKS
from tests.listed_answers import listed
from tests.planted import planted_export
from tests.running_service import PATIENCE_SECONDS, eventually, gone

CONFIGURATION: dict[str, Any] = {
    "model": "custom",
    "task_type": "node_class",
    "eval_metric": {
        "tuning_objective": {"MetricName": "err", "Type": "Minimize"},
        "metric_definitions": [{"Name": "err", "Regex": r"err: ([0-9\.]+) | other: ([0-9\.]+)"}],
    },
    "1-tier-param": [{"param": "hidden-size", "range": [16, 128], "type": "int", "inc_strategy": "power2"}],
    "2-tier-param": [{"param": "decay", "range": [0, 1], "type": "float", "default": 0.5}],
    "3-tier-param": [],
    "fixed-param": [{"param": "layers", "type": "int", "default": 2}],
}
#: Says what it was told; a wide hidden size fails, a narrow one is better.
TRAINING = """
import json, os, sys
told = dict(zip(sys.argv[1::2], sys.argv[2::2]))
size = int(told["--hidden-size"])
with open(os.environ["SM_MODEL_DIR"] + "/told.json", "w") as file:
    json.dump({"flags": told, "environment": dict(os.environ)}, file)
print("err: 9.5 | other: ")
if size > 64:
    sys.exit("too wide")
print(f" err: {size / 100} | later")
"""
#: Scores each vertex by its row; a pickle that must not be read lies beside them.
TRANSFORM = """
import json, os
import numpy as np
model = os.environ["SM_MODEL_DIR"]
params = json.load(open(os.environ["SM_OUTPUT_DIR"] + "/tuning_job_details.json"))
params = params["BestTrainingJob"]["TrainingJobParameters"]
assert isinstance(params["layers"], int) and os.path.exists(model + "/told.json")
rows = np.arange(40)
np.savez(model + "/result.npz", infer_scores=np.eye(3)[rows % 3] * 4.0 - 2.0)
np.save(model + "/entity.npy", np.stack([rows, rows], 1).astype(np.float32))
open(model + "/mapping.info", "wb").write(b"cos\\nsystem\\n(S'false'\\ntR.")
"""


def written(
    folder: Path, *, training: str = TRAINING, transforming: str = TRANSFORM, configuration: Any = CONFIGURATION
) -> CustomModel:
    folder.mkdir()
    (folder / "training.py").write_text(training)
    (folder / "transform.py").write_text(transforming)
    (folder / "model-hpo-configuration.json").write_text(json.dumps({"models": [configuration]}))
    return CustomModel(folder, time_limit_seconds=120)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Task, Path]:
    found = {}
    for task in Task:
        folder = tmp_path_factory.mktemp(task.value)
        process.run(ProcessConfig(), planted_export(folder / "export", task, nodes=40), folder / "processed")
        found[task] = folder / "processed"
    return found


def settings(custom: CustomModel | None, **others: Any) -> TrainConfig:
    return TrainConfig(**({"custom": custom, "allow_custom_models": True, "threads": 1} | others))


# --- the contract ----------------------------------------------------------------------------------------------


def test_trials_are_told_their_hyperparameters_and_judged_by_what_they_print(
    graphs: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("NEPTUNEML_SERVICE_TOKEN", "secret")
    custom, source = written(tmp_path / "own"), graphs[Task.NODE_CLASS]
    steps: list[tuple[str, float | None]] = []
    summary = train.run(
        settings(custom, trials=6, parallel=3),
        source,
        tmp_path / "out",
        lambda message, fraction=None: steps.append((message, fraction)),
    )
    assert {("trial 0, evaluation 1: err 9.5", None), ("trial 0, evaluation 2: err 0.16", None)} <= set(steps)
    assert steps[-1] == ("transform", TRAINED)
    record = read_record(tmp_path / "out/training.json", TrainingRecord)
    sizes = {trial.number: trial.hyperparameters["hidden-size"] for trial in record.trials}
    assert sizes[0] == 16
    assert set(sizes.values()) <= {16, 32, 64}
    assert record.best.hyperparameters == {"hidden-size": 16, "decay": 0.5, "layers": 2}
    assert record.best.metrics["valid"]["err"] == 0.16
    assert record.metric == "err"
    log = [json.loads(line) for line in (tmp_path / "out/trials/0/metrics.jsonl").read_text().splitlines()]
    assert [line["valid"] for line in log] == [{"err": 9.5}, {"err": 0.16}]
    failed = {number for number in range(6) if number not in sizes}
    for number in failed:
        assert any(f"trial {number}: training.py ended with exit code 1" in text for text in summary.warnings)
        assert any("too wide" in text for text in summary.warnings)
    told = json.loads((tmp_path / "out/trials/0/told.json").read_text())
    assert told["flags"] == {
        "--task": "node_class", "--model": "custom", "--name": "node_class-custom", "--target_ntype": "item",
        "--property": "kind", "--hidden-size": "16", "--decay": "0.5", "--layers": "2",
    }  # fmt: skip
    seen = told["environment"]
    assert seen["SM_CHANNEL_TRAIN"] == seen["SM_DATA_DIR"] == str(source)
    assert seen["SM_NUM_GPUS"].isdecimal()
    assert "secret" not in seen.values()
    assert (tmp_path / "own" / "training.py").parent.exists()
    assert "err: 9.5" in (tmp_path / "out/trials/0/output.log").read_text()
    assert "trial 0 is the best" in (tmp_path / "out/report.html").read_text()
    assert not list((tmp_path / "own").rglob("*.pyc"))
    check_served(tmp_path / "out", tmp_path / "out/artifact", source)
    again = TransformConfig(tmp_path / "out", trial=min(sizes), allow_custom_models=True)
    transform.run(again, source, tmp_path / "again")
    check_served(tmp_path / "again", tmp_path / "again", source)
    with pytest.raises(AccessDenied, match="--allow-custom-models"):
        transform.run(TransformConfig(tmp_path / "out"), source, tmp_path / "never")


def check_served(folder: Path, artifact: Path, source: Path) -> None:
    """Scores are served as probabilities in the order of our own ids; the script's pickle is not read."""
    manifest, predictor = open_predictor(artifact)
    assert open_artifact(artifact) == manifest
    ids = IdColumn(source / "ids" / str(manifest.schema.node("item"))).texts()
    asked = Invocation(Mode.PREDICT, Items(nodes=tuple(ids)), topk=1, score=True)
    answers = listed(predictor.answer(asked, lambda: None))
    wanted = np.exp(2) / (np.exp(2) + 2 * np.exp(-2))
    for row, (answer,) in enumerate(answers):
        assert answer.value == manifest.target.classes[row % 3]
        assert answer.score == pytest.approx(wanted, abs=1e-6)
    table = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("rank") == 1)
    assert table["id"].to_list() == ids
    assert np.load(folder / "embeddings/entity.npy")[:, 0].tolist() == list(range(40))
    assert (folder / "model/mapping.info").read_bytes().startswith(b"cos")
    with pytest.raises(UnsupportedOperation, match="not inductively"):
        predictor.live.load()


def test_links_are_scored_by_entities_and_relations(graphs: Any, tmp_path: Path) -> None:
    source = graphs[Task.LINK_PREDICTION]
    configuration = {**CONFIGURATION, "1-tier-param": [], "2-tier-param": [], "task_type": "link_predict"}
    training = "import sys; assert '--target_ntype' not in sys.argv; print('err: 1 |')"
    transforming = """
        import os
        import numpy as np
        model, random = os.environ["SM_MODEL_DIR"], np.random.default_rng(0)
        np.save(model + "/entity.npy", random.normal(size=(53, 4)))
        np.save(model + "/relation.npy", random.normal(size=(2, 4)).astype(np.float32))
    """
    custom = written(
        tmp_path / "own",
        training=training,
        transforming=textwrap.dedent(transforming),
        configuration=configuration,
    )
    train.run(settings(custom), source, tmp_path / "out")
    manifest, predictor = open_predictor(tmp_path / "out/artifact")
    ids = IdColumn(source / "ids" / str(manifest.schema.node("item"))).texts()
    none = ((None,), (None,), ((),))
    items = Items(heads=(ids[0],), tails=("",), head_types=none[0], tail_types=none[1], excludes=none[2])
    (answers,) = listed(
        predictor.answer(
            Invocation(Mode.PREDICT_TAIL, items, topk=39, edge_label="linked", score=True), lambda: None
        )
    )
    random = np.random.default_rng(0)
    entities, relations = random.normal(size=(53, 4)), random.normal(size=(2, 4))
    scores = (entities[0] * relations[1]) @ entities[:40].T  # "item" before "tag", "has" before "linked"
    order = [ids[row] for row in np.argsort(-scores) if row]
    assert [answer.id for answer in answers] == order
    record = read_record(tmp_path / "out/training.json", TrainingRecord)
    assert "mrr" in record.best.metrics["test"]
    assert set(record.baselines) >= {"popularity"}


#: Scores each edge by its row.
OF_EDGES = """
import os
import numpy as np
rows, model = np.arange({edges}), os.environ["SM_MODEL_DIR"]
np.savez(model + "/result.npz", infer_scores={scores})
"""


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION])
def test_edges_are_served_by_the_pairs_that_they_join(graphs: Any, task: Task, tmp_path: Path) -> None:
    data = load_data(graphs[task])
    heads, tails = (end.tolist() for end in data.samples[0].ends)
    scores = "np.eye(2)[rows % 2] * 0.5 + 0.25" if task.is_class else "rows / 2"
    script = OF_EDGES.format(edges=len(heads), scores=scores)
    configuration = {**CONFIGURATION, "1-tier-param": [], "2-tier-param": [], "fixed-param": []}
    custom = written(
        tmp_path / "own", training="print('err: 1 |')", transforming=script, configuration=configuration
    )
    summary = train.run(settings(custom), graphs[task], tmp_path / "out")
    assert not summary.warnings
    _, predictor = open_predictor(tmp_path / "out/artifact")
    ids = IdColumn(graphs[task] / "ids/0").texts()
    asked = [(0, 1), *zip(heads[:20], tails[:20], strict=True)]
    assert (0, 1) not in set(zip(heads, tails, strict=True)), "the first pair is to be joined by no edge"
    items = Items(heads=tuple(ids[head] for head, _ in asked), tails=tuple(ids[tail] for _, tail in asked))
    asking = Invocation(Mode.PREDICT, items, score=task.is_class)
    unknown, *answers = listed(predictor.answer(asking, lambda: None))
    assert unknown == []
    classes = data.processed.target.classes
    for row, (answer,) in enumerate(answers):
        if task.is_class:
            assert (answer.value, answer.score) == (classes[row % 2], 0.75)
        else:
            assert answer.value == row / 2
    record = read_record(tmp_path / "out/training.json", TrainingRecord)
    assert ("acc" if task.is_class else "rmse") in record.best.metrics["test"]
    assert set(record.baselines) == set(TASKS[task].baselines)
    table = pl.read_parquet(tmp_path / "out/predictions.parquet")
    assert table.filter(pl.col("rank") == 1).height == len(heads)


def test_several_edges_of_a_pair_answer_with_their_mean(graphs: Any, tmp_path: Path) -> None:
    data = load_data(graphs[Task.EDGE_REGRESSION])
    samples = data.samples[0]
    again = tuple(torch.cat([end, end[:1]]) for end in samples.ends)
    labels = torch.cat([samples.labels, samples.labels[:1]])  # type: ignore[list-item, index]
    data = replace(data, samples=(replace(samples, ends=again, labels=labels),))
    (tmp_path / "model").mkdir()
    np.savez(tmp_path / "model/result.npz", infer_scores=np.arange(len(labels), dtype=float))
    trial = TrialRecord(0, "custom", {}, {}, 1, 1, 0.0, 0)
    write_custom_artifact(tmp_path / "out", tmp_path / "model", graphs[Task.EDGE_REGRESSION], data, trial)
    stored = StoredEdges(tmp_path / "out/edges" / str(samples.position), data.counts[0])
    first = [end[:1].numpy() for end in again]
    assert stored.knows(*first).all()
    assert stored.decode(*first).tolist() == [[(len(labels) - 1) / 2]]


@pytest.mark.parametrize("task", [Task.EDGE_CLASS, Task.EDGE_REGRESSION])
def test_edge_tasks_without_scores_are_run_but_not_served(graphs: Any, task: Task, tmp_path: Path) -> None:
    training = (
        "import os, sys; open(os.environ['SM_MODEL_DIR'] + '/argv', 'w').write(repr(sys.argv)); print('err: 1 |')"
    )
    transforming = "import os; open(os.environ['SM_MODEL_DIR'] + '/done', 'w').write('yes')"
    configuration = {**CONFIGURATION, "1-tier-param": [], "2-tier-param": [], "fixed-param": []}
    custom = written(tmp_path / "own", training=training, transforming=transforming, configuration=configuration)
    summary = train.run(settings(custom), graphs[task], tmp_path / "out")
    assert any("no endpoint serves it" in text for text in summary.warnings)
    assert (tmp_path / "out/model/done").read_text() == "yes"
    assert "('item', 'linked', 'item')" in (tmp_path / "out/model/argv").read_text()
    assert not (tmp_path / "out/artifact").exists()


EDGE = EdgeType("a", "of b", "c")
IDENTITIES = {
    Task.NODE_REGRESSION: (
        Target(node="a", property_name="p"),
        {"task": "node_regression", "name": "node_regression-custom", "target_ntype": "a", "property": "p"},
    ),
    Task.EDGE_CLASS: (
        Target(edges=(EDGE,), property_name="p"),
        {"task": "edge_class", "name": "edge_class-custom", "target_etype": "('a', 'of b', 'c')", "property": "p"},
    ),
    Task.LINK_PREDICTION: (Target(edges=(EDGE,)), {"task": "link_predict", "name": "link_predict-custom"}),
}


@pytest.mark.parametrize("task", IDENTITIES)
def test_flags_by_task(task: Task) -> None:
    target, expected = IDENTITIES[task]
    assert identity(task, target) == expected | {"model": "custom"}


def test_values_as_flags() -> None:
    values = {"a": 1, "b": 0.5, "c": True, "d": [1, 2], "e": "text"}
    assert flags(values) == ["--a", "1", "--b", "0.5", "--c", "true", "--d", "[1, 2]", "--e", "text"]


# --- what is refused -------------------------------------------------------------------------------------------


def test_it_is_off_by_default(graphs: Any, tmp_path: Path) -> None:
    custom = written(tmp_path / "own")
    with pytest.raises(AccessDenied, match="so they are switched off; pass --allow-custom-models"):
        train.run(TrainConfig(custom=custom), graphs[Task.NODE_CLASS], tmp_path / "out")
    with pytest.raises(MissingParameter, match="--custom-source"):
        train.run(settings(None, model="custom"), graphs[Task.NODE_CLASS], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_everything_that_a_folder_lacks_is_said(graphs: Any, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    custom = CustomModel(tmp_path / "own", transform_script="../elsewhere.py")
    with pytest.raises(InvalidSettings) as refused:
        train.run(settings(custom), graphs[Task.NODE_CLASS], tmp_path / "out")
    text = str(refused.value)
    assert "training.py is missing; name another one with --training-script" in text
    assert "'../elsewhere.py' leads out of the folder" in text
    assert "model-hpo-configuration.json is missing" in text


def test_a_graph_without_dgl_files_is_refused(graphs: Any, tmp_path: Path) -> None:
    shutil.copytree(graphs[Task.NODE_CLASS], tmp_path / "processed")
    (tmp_path / "processed/info.pkl").unlink()
    with pytest.raises(InvalidData, match=r"lacks info\.pkl, .* process without --no-dgl-graph"):
        train.run(settings(written(tmp_path / "own")), tmp_path / "processed", tmp_path / "out")


WRONG_FILES = {
    "objects": ("np.array([{}] * 40, dtype=object)", "infer_scores"),
    "another shape": ("np.zeros((39, 3))", r"has the shape \(39, 3\), the graph wants \(40, 3\)"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_arrays_that_do_not_fit_are_refused(graphs: Any, case: str, tmp_path: Path) -> None:
    array, message = WRONG_FILES[case]
    code = f"import os, numpy as np\nnp.savez(os.environ['SM_MODEL_DIR'] + '/result.npz', infer_scores={array})"
    with pytest.raises(InvalidData, match=message):
        train.run(
            settings(written(tmp_path / "own", transforming=code)), graphs[Task.NODE_CLASS], tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_a_model_that_says_nothing_cannot_be_judged(graphs: Any, tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match="trial 0 printed nothing that matches"):
        train.run(settings(written(tmp_path / "own", training="")), graphs[Task.NODE_CLASS], tmp_path / "out")


CHANGES: dict[str, tuple[Any, str]] = {
    "type": ({"eval_metric": {"tuning_objective": {"Type": "up"}}}, "a Type of Maximize or Minimize"),
    "name": (
        {"eval_metric": {**CONFIGURATION["eval_metric"], "metric_definitions": []}},
        r"metric_definitions: has no Regex for 'err'",
    ),
    "regex": (
        {"eval_metric": {**CONFIGURATION["eval_metric"], "metric_definitions": [{"Name": "err", "Regex": "("}]}},
        "Regex of 'err' is not one",
    ),
    "model": ({"model": "rgcn"}, r"models\[0\]\.model: must be 'custom', not 'rgcn'"),
    "tier": ({"2-tier-param": {}}, "2-tier-param: must be a list"),
    "range": (
        {"1-tier-param": [{"param": "a", "range": [2, 1]}]},
        r"1-tier-param\[0\]\.range: \[2, 1\] are no two",
    ),
    "log": ({"1-tier-param": [{"param": "a", "range": [0, 1], "inc_strategy": "log"}]}, "that fit 'log'"),
    "flag": (
        {"fixed-param": [{"param": "--a", "default": 1}]},
        r"param\[0\]\.param: '--a' is no name of a flag",
    ),
    "default": ({"fixed-param": [{"param": "a"}]}, "'a' has neither a range nor a default"),
    "kind": ({"fixed-param": [{"param": "a", "type": "flot", "default": 1}]}, r"did you mean 'float'"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_wrong_hyperparameters_are_refused(case: str, tmp_path: Path) -> None:
    change, message = CHANGES[case]
    custom = written(tmp_path / "own", configuration=CONFIGURATION | change)
    with pytest.raises(InvalidSettings, match=message):
        read_custom_space(custom.source / "model-hpo-configuration.json")


def test_the_tier_rule(tmp_path: Path) -> None:
    space = read_custom_space(written(tmp_path / "own").source / "model-hpo-configuration.json")
    assert [parameter.name for parameter in space.searched(10)] == ["hidden-size"]
    assert [parameter.name for parameter in space.searched(11)] == ["hidden-size", "decay"]
    search, again = Search(space, 3, 7), Search(space, 3, 7)
    assert search.ask([0]) == again.ask([0]) == [{"hidden-size": 16, "decay": 0.5, "layers": 2}]
    assert search.ask([1, 2]) == again.ask([1, 2])


@pytest.mark.parametrize(("kind", "best"), [("Minimize", 16), ("Maximize", 128)])
def test_the_search_learns_from_the_objective(kind: str, best: int, tmp_path: Path) -> None:
    metric = CONFIGURATION["eval_metric"] | {"tuning_objective": {"MetricName": "err", "Type": kind}}
    custom = written(tmp_path / "own", configuration=CONFIGURATION | {"eval_metric": metric})
    search = Search(read_custom_space(custom.source / "model-hpo-configuration.json"), 10, 0)
    search.tell({"hidden-size": 64}, math.nan)
    for _ in range(10):
        for size in (16, 32, 64, 128):
            search.tell({"hidden-size": size, "decay": 0.5}, size)
    sizes = [values["hidden-size"] for values in search.ask(range(1, 21))]
    assert max(set(sizes), key=sizes.count) == best


def test_matches_without_a_number_are_passed_over(tmp_path: Path) -> None:
    objective = read_custom_space(written(tmp_path / "own").source / "model-hpo-configuration.json").objective
    assert objective.values("err: 0.5 | and err: 0.25 ") == [0.5, 0.25]
    assert objective.values(" other: 3") == []


# --- processes -------------------------------------------------------------------------------------------------


def run(code: str, folder: Path, limits: Limits) -> list[str]:
    (folder / "script.py").write_text(textwrap.dedent(code))
    lines: list[str] = []
    command = [sys.executable, str(folder / "script.py")]
    run_script(command, folder, {"PATH": os.environ["PATH"]}, limits, folder / "log", lines.append)
    return lines


def is_gone(process: int) -> bool:
    """Return whether a process has ended; one that nobody has waited for has."""
    try:
        return gone(psutil.Process(process))
    except psutil.NoSuchProcess:
        return True


def test_output_comes_line_by_line(tmp_path: Path) -> None:
    code = "import sys; print('a\\rb'); sys.stderr.write('é\\n'); sys.stdout.flush(); sys.stdout.write('end')"
    assert sorted(run(code, tmp_path, Limits())) == ["a", "b", "end", "é"]


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    code = """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(child.pid, flush=True)
        time.sleep(600)
    """
    started = time.monotonic()
    with pytest.raises(ScriptFailed, match=r"script\.py was ended: it took more than 3 seconds"):
        run(code, tmp_path, Limits(seconds=3))
    assert time.monotonic() - started < 60
    child = int(re.findall(r"\d+", (tmp_path / "log").read_text())[0])
    eventually(lambda: is_gone(child))


def test_a_child_left_behind_is_ended_too(tmp_path: Path) -> None:
    code = """
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
    """
    (child,) = run(code, tmp_path, Limits())
    eventually(lambda: is_gone(int(child)))


def test_memory_is_limited(tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match=r"(?s)limited to 200 MiB.*MemoryError"):
        run("bytearray(1 << 30)", tmp_path, Limits(memory_mib=200))


def test_cores_are_limited(tmp_path: Path) -> None:
    assert run("import os; print(len(os.sched_getaffinity(0)))", tmp_path, Limits(cores=1)) == ["1"]


def test_a_failure_shows_what_was_said_last(tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match=r"(?s)exit code 3.*the reason"):
        run("import sys; print('the reason'); sys.exit(3)", tmp_path, Limits())
    with pytest.raises(ScriptFailed, match="was killed"):
        run("import os; os.kill(os.getpid(), 9)", tmp_path, Limits())
    with pytest.raises(ScriptFailed, match="signal SIGTERM"):
        run("import os; os.kill(os.getpid(), 15)", tmp_path, Limits())


def test_a_training_that_ends_ends_its_scripts(tmp_path: Path) -> None:
    limits = Limits()
    limits.stop.set()
    with pytest.raises(ScriptFailed, match="was ended with the training"):
        run("import time; time.sleep(600)", tmp_path, limits)


# --- requirements ----------------------------------------------------------------------------------------------


def wheel(folder: Path) -> Path:
    """Make a wheel of one module by hand."""
    path = folder / "tiny_own-1.0-py3-none-any.whl"
    info = "tiny_own-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_own.py", "VALUE = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-own\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"tiny_own.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def source_with(folder: Path, requirements: str) -> CustomSource:
    custom = written(folder)
    (folder / "requirements.txt").write_text(requirements)
    return CustomSource(custom.source, custom.training_script, custom.transform_script)


def test_what_is_required_is_installed_beside_our_packages(tmp_path: Path) -> None:
    source = source_with(tmp_path / "own", f"# mine\n{wheel(tmp_path)}\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy, tiny_own, neptuneml_toolkit\nprint(tiny_own.VALUE, neptuneml_toolkit.__name__)\n"
    )
    lines: list[str] = []
    with python_for(source) as (python, toolkit):
        assert [path.name for path in toolkit.iterdir()] == ["neptuneml_toolkit"]
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(toolkit)}
        run_script([str(python), str(script)], tmp_path, variables, Limits(), tmp_path / "log", lines.append)
    assert lines == ["42 neptuneml_toolkit"]
    assert not python.exists()


def test_what_cannot_be_installed_is_said(tmp_path: Path) -> None:
    source = source_with(tmp_path / "own", f"{tmp_path}/nowhere-1.0-py3-none-any.whl\n")
    with pytest.raises(RequirementsFailed, match=r"(?s)requirements\.txt names could not be installed.*nowhere"):
        python_for(source).__enter__()


def test_comments_require_nothing(tmp_path: Path) -> None:
    assert source_with(tmp_path / "own", "# nothing\n\n").requirements is None


def test_a_terminated_command_leaves_no_script_behind(graphs: Any, tmp_path: Path) -> None:
    code = "import time; time.sleep(600)"
    custom = written(tmp_path / "own", training=code)
    command = [
        "train",
        "--input",
        str(graphs[Task.NODE_CLASS]),
        "--output",
        str(tmp_path / "out"),
        "--model",
        "custom",
    ]
    command += ["--custom-source", str(custom.source), "--allow-custom-models"]
    with subprocess.Popen(
        [sys.executable, "-m", "neptuneml_plugin.cli", *command], stderr=subprocess.PIPE
    ) as run_:
        script = script_of(run_)
        run_.terminate()
        run_.communicate(timeout=PATIENCE_SECONDS)
    assert run_.returncode == 130
    eventually(lambda: is_gone(script))
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out.*"))


# --- interruptions ---------------------------------------------------------------------------------------------


class Stopped(Exception):
    """Raised where a test interrupts a search."""


def stop_after(trial: int) -> Progress:
    def progress(message: str, fraction: float | None = None) -> None:
        del fraction
        if message == f"trial {trial} is done":
            raise Stopped

    return progress


def counting(folder: Path, runs: Path) -> CustomModel:
    """Return a model whose runs, none of which fails, each leave a line in a file."""
    count = f'\nwith open({str(runs)!r}, "a") as file:\n    print(os.environ["SM_MODEL_DIR"], file=file)\n'
    return written(folder, training=TRAINING.replace('sys.exit("too wide")', "pass") + count)


def test_an_interrupted_search_goes_on_from_the_trials_that_are_done(graphs: Any, tmp_path: Path) -> None:
    custom, source = counting(tmp_path / "own", tmp_path / "runs"), graphs[Task.NODE_CLASS]
    train.run(settings(custom, trials=4), source, tmp_path / "whole")
    (tmp_path / "runs").unlink()
    with pytest.raises(Stopped) as caught:
        train.run(settings(custom, trials=4), source, tmp_path / "out", stop_after(1))
    assert "the same command goes on" in caught.value.__notes__[0]
    begun = tmp_path / ".out.unfinished/trials/2"
    begun.mkdir()
    (begun / "half").write_text("of a script that was ended")
    train.run(settings(custom, trials=4), source, tmp_path / "out")
    ran = [Path(line).name for line in (tmp_path / "runs").read_text().splitlines()]
    assert ran == ["0", "1", "2", "3"]
    assert not (tmp_path / "out/trials/2/half").exists()
    assert not list(tmp_path.glob(".out.*"))
    whole, resumed = (
        read_record(tmp_path / name / "training.json", TrainingRecord).trials for name in ("whole", "out")
    )
    assert [(t.hyperparameters, t.metrics) for t in resumed] == [(t.hyperparameters, t.metrics) for t in whole]
    check_served(tmp_path / "out", tmp_path / "out/artifact", source)


def test_other_scripts_do_not_go_on(graphs: Any, tmp_path: Path) -> None:
    custom, source = counting(tmp_path / "own", tmp_path / "runs"), graphs[Task.NODE_CLASS]
    with pytest.raises(Stopped):
        train.run(settings(custom, trials=2), source, tmp_path / "out", stop_after(0))
    (custom.source / "training.py").write_text(TRAINING)
    with pytest.raises(InvalidParameter, match=r"other settings \(scripts\)"):
        train.run(settings(custom, trials=2), source, tmp_path / "out")
    train.run(settings(custom, trials=2, overwrite=True), source, tmp_path / "out")
    assert (tmp_path / "runs").read_text().count("\n") == 1


def script_of(command: "subprocess.Popen[bytes]") -> int:
    """Return the process of the script that a command runs, once it has begun to."""
    scripts: list[int] = []

    def is_run() -> bool:
        assert command.poll() is None, "no script was run"
        for child in psutil.Process(command.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                scripts.extend(child.pid for part in child.cmdline() if part.endswith("training.py"))
        return bool(scripts)

    eventually(is_run)
    return scripts[0]
