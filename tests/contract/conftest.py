"""Node and Go, where a test asks for them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.clients import GO, JAVASCRIPT


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages of the lock installed beside the script."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "these tests need Node 20 or later: install it, or run `make test` without them"
    assert npm, "these tests need npm: install it, or run `make test` without them"
    installed, lock = JAVASCRIPT / "node_modules" / ".package-lock.json", JAVASCRIPT / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=JAVASCRIPT, check=True, capture_output=True)
    return node


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go client, built with the modules that go.sum names."""
    go = shutil.which("go")
    assert go, "these tests need Go 1.19 or later: install it, or run `make test` without them"
    program = tmp_path_factory.mktemp("go") / "ask"
    built = subprocess.run(
        [go, "build", "-mod=readonly", "-o", program, "."], cwd=GO, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return program
