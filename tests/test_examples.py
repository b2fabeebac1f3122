"""Every example runs as it stands."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gremlin_python.driver.client import Client

from neptuneml_plugin import gremlin_server
from tests.quickstart_stack import LONGEST_SECONDS, QuickstartStack
from tests.readme import ROOT, Shell, blocks, shell
from tests.servers import make_data_root

EXAMPLES = ROOT / "examples"
MOVIES = EXAMPLES / "movies"
PAGE = (MOVIES / "README.md").read_text(encoding="utf-8")


def test_the_quickstart_example_is_short_and_needs_gremlin_python_alone() -> None:
    source = (EXAMPLES / "quickstart.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 40
    nodes = list(ast.walk(ast.parse(source)))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} == {"sys", "gremlin_python"}


@pytest.fixture
def python_answers(quickstart_stack: QuickstartStack, tmp_path: Path) -> str:
    """What `quickstart.py` prints of the quickstart's servers."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "quickstart.py", quickstart_stack.gremlin_url],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.quickstart
@pytest.mark.timeout(LONGEST_SECONDS + 200)
def test_quickstart_py(python_answers: str) -> None:
    classes = re.findall(r"^country ([A-Z]{2})$", python_answers, re.MULTILINE)
    scores = [float(text) for text in re.findall(r"^Neptune#ml\.score ([\d.e-]+)$", python_answers, re.MULTILINE)]
    assert len(set(classes)) == len(scores) == 2
    assert 1 >= scores[0] >= scores[1] > 0
    assert len(miles(python_answers)) == 3
    assert len(set(new_routes(python_answers))) == 5


@pytest.mark.quickstart
@pytest.mark.timeout(LONGEST_SECONDS + 200)
def test_quickstart_groovy_says_the_same(
    quickstart_stack: QuickstartStack, python_answers: str, tmp_path: Path
) -> None:
    own = {"GREMLIN_PORT": str(quickstart_stack.port), "NEPTUNEML_DATA_ROOT": str(quickstart_stack.data_root)}
    done = subprocess.run(
        [sys.executable, "-m", "neptuneml_plugin.cli", "gremlin-console", "-e", EXAMPLES / "quickstart.groovy"],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | own, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    best = re.findall(r"^country ([A-Z]{2})$", python_answers, re.MULTILINE)[0]
    assert f"country: [{best}]" in done.stdout
    assert miles(done.stdout) == miles(python_answers)
    assert new_routes(done.stdout) == new_routes(python_answers)


def miles(printed: str) -> list[float]:
    (found,) = re.findall(r"^miles: \[(.*)\]$", printed, re.MULTILINE)
    return [float(text) for text in found.split(",")]


def new_routes(printed: str) -> list[str]:
    (found,) = re.findall(r"^from Austin: \[(.*)\]$", printed, re.MULTILINE)
    return [text.strip(" '") for text in found.split(",")]


# --- movies ----------------------------------------------------------------------------------------------------


@pytest.fixture
def movies_shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a folder with the examples, where the data set is fetched once per checkout."""
    cache = ROOT / ".cache" / "movies"
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / "examples").symlink_to(EXAMPLES)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "data").symlink_to(cache)
    with shell(tmp_path, make_data_root(tmp_path / "root")) as opened:
        try:
            yield opened
        finally:
            if not gremlin_server.is_free(opened.gremlin_port):
                gremlin_server.stop(opened.data_root, opened.gremlin_port)


@pytest.mark.timeout(900)
def test_movies_line_by_line(movies_shell: Shell) -> None:
    for block in blocks(PAGE, "bash"):
        movies_shell.run(block)
    (query,) = blocks(PAGE, "groovy")
    client = Client(movies_shell.gremlin_url, "g")
    try:
        ratings = client.submit(query).all().result()
    finally:
        client.close()
    assert len(ratings) == 5
    assert all(1 <= rating <= 5 for rating in ratings), ratings
    (stop,) = re.findall(r"`(neptuneml gremlin-server stop)`", PAGE)
    movies_shell.run(stop)
    assert gremlin_server.is_free(movies_shell.gremlin_port)
