"""graph-notebook, where a test asks for it."""

from pathlib import Path

import pytest

from tests.notebook.notebooks import Notebook, install


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    """An environment with graph-notebook, and an empty home for its sessions."""
    home = tmp_path / "home"
    home.mkdir()
    return Notebook(install(), home)
