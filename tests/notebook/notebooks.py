"""graph-notebook in an environment of its own, since it pins an older gremlinpython, and cells run in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = "5.3.0"
_SESSION = Path(__file__).with_name("session.py")
_HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neptuneml-tests"
LONGEST_SECONDS = 900


@dataclass(frozen=True)
class Ran:
    """What became of cells."""

    #: What each cell printed and displayed.
    outputs: tuple[str, ...]
    #: The variables that were asked for.
    kept: Mapping[str, Any]


@dataclass(frozen=True)
class Notebook:
    """An environment with graph-notebook, and what its sessions begin with."""

    python: Path
    #: Home of the sessions, where notebooks keep their configuration.
    home: Path
    #: The first cells: where the database is.
    opening: tuple[str, ...] = ()

    def at(self, port: int, *, as_neptune: bool = False, **gremlin: str) -> "Notebook":
        """Return the notebook of a database on this machine.

        Args:
            port: where the service listens.
            as_neptune: name the host among Neptune's own first, so that the magics treat it as such.
            gremlin: settings of `gremlin`, such as `connection_protocol`.
        """
        settings: dict[str, Any] = {"host": "127.0.0.1", "port": port, "ssl": False, "gremlin": gremlin}
        if as_neptune:
            settings |= {"auth_mode": "DEFAULT", "aws_region": "us-east-1", "load_from_s3_arn": ""}
        configured = f"%%graph_notebook_config\n{json.dumps(settings)}"
        allowed = ("%%neptune_config_allowlist\n127.0.0.1",) if as_neptune else ()
        return Notebook(self.python, self.home, (*allowed, configured))

    def run(self, *cells: str, keep: Sequence[str] = ()) -> Ran:
        """Run cells in one session, as a person would, one after the other.

        Raises:
            AssertionError: a cell failed, or displayed an error.
        """
        asked = json.dumps({"cells": [*self.opening, *cells], "keep": list(keep)})
        variables = {"HOME": str(self.home), "IPYTHONDIR": str(self.home), "AWS_DEFAULT_REGION": "us-east-1"}
        done = subprocess.run(
            [self.python, _SESSION], input=asked, capture_output=True, text=True, check=False,
            timeout=LONGEST_SECONDS, cwd=self.home, env={"PATH": os.environ["PATH"], **variables},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        for cell, result in zip(cells, told["cells"][len(self.opening) :], strict=True):
            assert result["error"] is None, f"{cell}\n{result}"
        return Ran(tuple(result["output"] for result in told["cells"][len(self.opening) :]), told["kept"])


def install() -> Path:
    """Return the Python of the environment, made the first time (500 MB)."""
    folder = _HOME / f"graph-notebook-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was ended amid it
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
        command = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python)]
        subprocess.run([*command, f"graph-notebook=={VERSION}"], check=True)
        (folder / "installed").touch()
    return python
