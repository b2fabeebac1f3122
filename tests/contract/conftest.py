"""Node, where a test asks for it."""

import shutil
import subprocess

import pytest

from tests.contract.clients import JAVASCRIPT


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
