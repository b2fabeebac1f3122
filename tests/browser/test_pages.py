"""The reports in a real browser, on wide screens and phones: no complaint, all drawn, all in its place."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.loadtest.choosing import Configuration, Wanted
from neptuneml_plugin.loadtest.items import Sampling, sampled_bodies
from neptuneml_plugin.loadtest.load import Load
from neptuneml_plugin.loadtest.page import PAGE, write_result
from neptuneml_plugin.loadtest.run import Settings, Subject, run
from neptuneml_plugin.stage import silent
from tests.browser.chromium import browser
from tests.made_artifacts import Made, make_artifact
from tests.training.graphs import processed, trained

pytestmark = pytest.mark.browser

PHONE, WIDE = 390, 1280
#: Figures that a report has at least.
LEAST_FIGURES = {Task.NODE_CLASS: 8, Task.EDGE_REGRESSION: 8, Task.LINK_PREDICTION: 8}

#: Figures whose drawing is empty, or that stand out of their page.
BROKEN = """
[...document.querySelectorAll("figure")].filter(figure => {
  const svg = figure.querySelector("svg"), box = svg && svg.getBoundingClientRect();
  const shapes = svg ? [...svg.querySelectorAll("path.line, circle, rect")] : [];
  const drawn = shapes.some(shape => { const b = shape.getBBox(); return b.width > 0 || b.height > 0; });
  return !drawn || box.width < 200 || box.height < 100 || box.right > document.documentElement.clientWidth;
}).map(figure => figure.textContent.trim().slice(0, 80))
"""
#: Texts of a drawing that are too small to read, or that lie out of it.
UNREADABLE = """
[...document.querySelectorAll("svg text")].filter(text => {
  const svg = text.ownerSVGElement, box = text.getBoundingClientRect(), sheet = svg.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(text).fontSize) * sheet.width / svg.viewBox.baseVal.width;
  return size < 8.5 || box.left < sheet.left - 3 || box.right > sheet.right + 3 || box.bottom > sheet.bottom + 3;
}).map(text => text.textContent)
"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Task, Path]:
    made = {}
    for task in LEAST_FIGURES:
        made[task] = tmp_path_factory.mktemp(task.value)
        source = processed(made[task], task, nodes=90, values={"num-epochs": 6})
        trained(source, made[task] / "training", trials=4 if task is Task.NODE_CLASS else 1)
    return made


async def look(page: Path, width: int, profile: Path, figures: int) -> None:
    async with browser(profile) as opened:
        await opened.open(page, width)
        assert await opened.value(BROKEN) == []
        assert await opened.value(UNREADABLE) == []
        assert await opened.value(OVERFLOW) <= 0
        assert await opened.value("document.querySelectorAll('figure svg').length") >= figures
        assert await opened.value("document.scripts.length") == 0
        assert await opened.value("document.body.innerText.trim().length") > 200
        assert opened.complaints == []


@pytest.mark.parametrize("width", [PHONE, WIDE])
@pytest.mark.parametrize("task", LEAST_FIGURES)
async def test_a_training(folders: Mapping[Task, Path], task: Task, width: int, tmp_path: Path) -> None:
    await look(folders[task] / "training" / "report.html", width, tmp_path, LEAST_FIGURES[task])


@pytest.mark.parametrize("width", [PHONE, WIDE])
async def test_the_data(folders: Mapping[Task, Path], width: int, tmp_path: Path) -> None:
    await look(folders[Task.NODE_CLASS] / "processed" / "data_report.html", width, tmp_path, 0)


@pytest.fixture(scope="module")
def load_test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a short load test whose users come one after the other."""
    artifact, output = tmp_path_factory.mktemp("artifact"), tmp_path_factory.mktemp("load")
    make_artifact(artifact, Made(Task.LINK_PREDICTION))
    configurations = (Configuration(max_batch=1), Configuration(instances=2, max_batch=64))
    subject = Subject("links", artifact=artifact, configurations=configurations)
    settings = Settings(Load(4, spawn_rate=2.0, duration_seconds=0.5), Wanted(rps=100.0), confirm_seconds=0.5)
    bodies = sampled_bodies(artifact, Sampling(bodies=5))
    write_result(output, asyncio.run(run(subject, bodies, settings, silent)))
    return output / PAGE


@pytest.mark.parametrize("width", [PHONE, WIDE])
async def test_a_load_test(load_test: Path, width: int, tmp_path: Path) -> None:
    await look(load_test, width, tmp_path / "look", 2)
    async with browser(tmp_path / "bars") as opened:
        await opened.open(load_test, width)
        bars = await opened.value(
            "[...document.querySelectorAll('.bar')].map(bar => bar.getBoundingClientRect().width)"
        )
        assert len(bars) == 4  # of two configurations, the rate and the p99
        assert min(bars) > 1


async def test_what_is_broken_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text(
        "<!doctype html><figure><svg viewBox='0 0 360 220'><text style='font-size:2px'>x</text></svg></figure>"
        "<div style='width:3000px'>wide</div><script>nothing.here()</script><img src='https://example.invalid/x.png'>"
    )
    async with browser(tmp_path / "profile") as opened:
        await opened.open(page, PHONE)
        assert await opened.value(BROKEN) == ["x"]
        assert await opened.value(UNREADABLE) == ["x"]
        assert await opened.value(OVERFLOW) > 0
        assert any("nothing is not defined" in text for text in opened.complaints)
        assert any("example.invalid" in text for text in opened.complaints)
