"""Whole or sampled neighbourhoods: who decides, what is said, and what is learned."""

import json
from pathlib import Path

import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import Neighbourhoods
from tests.training.graphs import processed, trained

VALUES = {"num-epochs": 40, "fanout": 4, "low-mem": True, "num-hidden": 16, "batch-size": 128}
#: Less than any training takes.
LITTLE_MIB = 10


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed(tmp_path_factory.mktemp("graph"), Task.NODE_CLASS, nodes=300, values=VALUES)


@pytest.mark.parametrize("memory_mib", [0, LITTLE_MIB])
@pytest.mark.parametrize("wanted", list(Neighbourhoods))
def test_memory_decides_unless_someone_has(
    source: Path, tmp_path: Path, wanted: Neighbourhoods, memory_mib: int
) -> None:
    summary = trained(source, tmp_path / "out", neighbourhoods=wanted, memory_mib=memory_mib, model="rgcn")
    is_little = memory_mib == LITTLE_MIB
    sampled = wanted is Neighbourhoods.SAMPLED or (wanted is Neighbourhoods.AUTO and is_little)
    said = " ".join(summary.warnings)
    assert ("training ran on full neighbourhoods" in said) != sampled
    assert ("fanout" in said) != sampled
    assert ("low-mem" in said) != sampled
    assert (f"there are {LITTLE_MIB} MiB" in said) == is_little
    assert summary.metrics is not None
    assert summary.baselines is not None
    assert summary.metrics["test"]["acc"] > summary.baselines["own_features"]["acc"]


def test_parallel_trials_are_told(source: Path, tmp_path: Path) -> None:
    trained(source, tmp_path / "out", neighbourhoods=Neighbourhoods.SAMPLED, trials=2, parallel=2, model="rgcn")
    trials = sorted((tmp_path / "out/trials").glob("*/trial.json"))
    accuracies = [json.loads(path.read_text())["metrics"]["valid"]["acc"] for path in trials]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.4
