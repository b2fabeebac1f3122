"""What tests of real servers share beside the fixtures of conftest.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from neptuneml_plugin import config, gremlin_server

#: `connect(server)` or `connect(server, serializer)` -> a traversal source of gremlin-python.
Connect = Callable[..., Any]


def make_data_root(folder: Path) -> Path:
    """Return a data root of its own that shares the user's fetched jars."""
    shared = config.data_root()
    gremlin_server.fetch(shared)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jars").symlink_to(shared / "jars")
    return folder
