"""Processed folders with a planted signal, and trainings of them, small enough for seconds."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, Task
from neptuneml_plugin.config import ProcessConfig, TrainConfig
from neptuneml_plugin.processing.process import run as process
from neptuneml_plugin.stage import Summary
from neptuneml_plugin.training import train as stage
from neptuneml_plugin.training.models.encoder import EdgeModule
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.presets import BY_NAME
from tests.planted import Signal, planted_export
from tests.processing.exports import change_labels

#: Enough to learn the planted signals, and a second of work.
QUICK = {"num-hidden": 16, "num-epochs": 60, "batch-size": 4096, "dropout": 0.1}


def processed(
    folder: Path,
    task: Task,
    *,
    nodes: int = 200,
    seed: int = 0,
    signal: Signal = "neighbours",
    multi_label: bool = False,
    values: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
) -> Path:
    """Write an export and a processed folder; `values` replace the defaults in the HPO file."""
    export = planted_export(
        folder / "export", task, nodes=nodes, seed=seed, signal=signal, multi_label=multi_label
    )
    target = processed_export(export, split)
    of_task = BY_NAME["linear"].values if task in {Task.EDGE_CLASS, Task.EDGE_REGRESSION} else {}
    set_hyperparameters(target, dict(of_task) | QUICK | dict(values or {}))
    return target


def processed_export(export: Path, split: Mapping[str, Any] | None = None) -> Path:
    """Process an export into a folder beside it, its targets split as `split` says."""
    target = export.parent / ("processed" if export.name == "export" else f"processed-{export.name}")
    process(ProcessConfig(dgl_graph=False), change_labels(export, split=split), target)
    return target


def set_hyperparameters(folder: Path, values: dict[str, Any]) -> None:
    """Fix hyperparameters in a processed folder's HPO file, and ask for no other form of the model."""
    path = folder / HPO_CONFIGURATION
    document = json.loads(path.read_text())
    model = document["models"][0]
    model.pop("preset", None)
    for tier in ("1-tier-param", "2-tier-param", "3-tier-param", "fixed-param"):
        model[tier] = [parameter for parameter in model[tier] if parameter["param"] not in values]
    model["fixed-param"] += [{"param": name, "type": "int", "default": value} for name, value in values.items()]
    path.write_text(json.dumps(document))


def stir(model: Model) -> None:
    """Let the modules of edges, which start at changing nothing, change something."""
    for module in model.modules():
        if isinstance(module, EdgeModule):
            torch.nn.init.normal_(module.output.weight)


def trained(source: Path, target: Path, **settings: Any) -> Summary:
    """Run the stage with one thread: other tests want the other."""
    summary = stage.run(TrainConfig(**({"threads": 1} | settings)), source, target)
    torch.set_num_threads(1)
    return summary


def trained_here(source: Path, target: Path, **settings: Any) -> Summary:
    """Run the stage with all trials in this process: results are the same, and none has to import torch."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stage, "_executor", lambda config, limits: contextlib.nullcontext())
        return trained(source, target, **settings)
