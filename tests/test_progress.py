"""The progress of a stage covers all of it, and what a job's folder says never goes back."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import HPO_CONFIGURATION, Task
from neptuneml_plugin.config import ProcessConfig, TrainConfig
from neptuneml_plugin.jobfolder import JobFolder
from neptuneml_plugin.processing.process import run as process
from neptuneml_plugin.stage import part_of, silent
from neptuneml_plugin.training.train import SELECTED, TRIED
from neptuneml_plugin.training.train import run as train
from tests.planted import planted_export
from tests.training.graphs import set_hyperparameters

SHARES = st.floats(0, 1)


class Heard:
    """Takes a progress."""

    def __init__(self) -> None:
        self.said: list[tuple[str, float | None]] = []

    def __call__(self, message: str, fraction: float | None = None) -> None:
        self.said.append((message, fraction))

    @property
    def fractions(self) -> list[float]:
        return [fraction for _, fraction in self.said if fraction is not None]


@given(SHARES, SHARES, SHARES | st.none())
def test_a_part_stays_within_its_bounds(begin: float, end: float, fraction: float | None) -> None:
    heard = Heard()
    begin, end = min(begin, end), max(begin, end)
    part_of(heard, begin, end)("x", fraction)
    ((message, told),) = heard.said
    assert message == "x"
    assert told is None if fraction is None else begin - 1e-9 <= (told or 0.0) <= end + 1e-9


def test_a_folder_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptuneml_plugin.jobfolder.PROGRESS_SECONDS", 0.0)
    folder = JobFolder(tmp_path)
    progress, seen = folder.recorded(silent), []
    for number, fraction in enumerate((None, 0.0, 0.4, 0.1, None, 0.7, 0.2, 1.0)):
        progress(f"step {number}", fraction)
        step = folder.step()
        assert step is not None
        assert step.message == f"step {number}"
        seen.append(step.fraction or 0.0)
    assert seen == [0.0, 0.0, 0.4, 0.4, 0.4, 0.7, 0.7, 1.0]


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("progress")
    planted_export(folder / "export", Task.NODE_CLASS, nodes=60)
    process(ProcessConfig(dgl_graph=False), folder / "export", folder / "processed")
    return folder / "processed"


@pytest.mark.parametrize(("model", "trials"), [("rgcn", 1), ("rgcn", 2)])
def test_a_training_goes_from_its_begin_to_its_end(
    processed: Path, tmp_path: Path, model: str | None, trials: int
) -> None:
    given: dict[str, Any] = {"model": model, "trials": trials, "parallel": 1, "threads": 1}
    (tmp_path / "in").symlink_to(processed)
    if (processed / HPO_CONFIGURATION).is_file():
        set_hyperparameters(processed, {"num-epochs": 3})
    heard = Heard()
    train(TrainConfig(**given), processed, tmp_path / "out", heard)
    assert heard.fractions == sorted(heard.fractions)
    assert [fraction for _, fraction in heard.said[-3:]] == [TRIED, 0.93, 0.97]
    assert heard.fractions[0] < TRIED
    assert 0 < SELECTED < TRIED < 1
