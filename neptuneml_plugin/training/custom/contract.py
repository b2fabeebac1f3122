"""What a script is told: flags by task, environment, the file of hyperparameters (spec/formats.md B.4, B.5)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from neptuneml_plugin.artifacts import Target, Task

#: How custom models spell the tasks.
TASKS: Mapping[Task, str] = {**{task: task.value for task in Task}, Task.LINK_PREDICTION: "link_predict"}
TUNING_DETAILS = "tuning_job_details.json"
#: What a script's environment keeps of ours: nothing that may be a secret.
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")


def identity(task: Task, target: Target) -> dict[str, str]:
    """Return the flags that every training of a task gets beside its hyperparameters."""
    spelled = TASKS[task]
    flags = {"task": spelled, "model": "custom", "name": f"{spelled}-custom"}
    if target.node is not None:
        return flags | {"target_ntype": target.node, "property": target.property_name or ""}
    if task is Task.LINK_PREDICTION:
        return flags
    return flags | {"target_etype": repr(target.edges[0].triple), "property": target.property_name or ""}


def flags(values: Mapping[str, Any]) -> list[str]:
    """Return values as arguments of a command."""
    return [part for name, value in values.items() for part in (f"--{name}", _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, bool | list | tuple):
        return json.dumps(value)
    return str(value)


def environment(data: Path, model: Path, output: Path, toolkit: Path, threads: int) -> dict[str, str]:
    """Return the environment of a script.

    Args:
        data: the processed folder.
        model: where it leaves the model, or finds it.
        output: of the job.
        toolkit: folder that holds the package `neptuneml_toolkit`.
        threads: that it may use.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {
        "SM_CHANNEL_TRAIN": str(data),
        "SM_DATA_DIR": str(data),
        "SM_MODEL_DIR": str(model),
        "SM_OUTPUT_DIR": str(output),
        "SM_NUM_GPUS": str(torch.cuda.device_count()),
        "PYTHONPATH": str(toolkit),
        "PYTHONUNBUFFERED": "1",
        "DGLBACKEND": "pytorch",
        "OMP_NUM_THREADS": str(threads),
    }


def write_tuning_details(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the best hyperparameters where a transform script looks for them; numbers stay numbers."""
    details = {"BestTrainingJob": {"TrainingJobParameters": dict(values)}}
    (folder / TUNING_DETAILS).write_text(json.dumps(details, indent=2), encoding="utf-8")
