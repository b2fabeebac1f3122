"""The Python environment of a custom model: ours, or one of its own on top where it requires more."""

import contextlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.training.custom.source import CustomSource

TOOLKIT = "neptuneml_toolkit"


class RequirementsFailed(NeptuneMLError):
    """What a custom model requires could not be installed."""


@contextlib.contextmanager
def python_for(source: CustomSource) -> Iterator[tuple[Path, Path]]:
    """Yield the interpreter for a custom model's scripts, and the folder that holds the toolkit's names alone.

    Raises:
        RequirementsFailed: what `requirements.txt` names could not be installed, such as without a network.
    """
    with tempfile.TemporaryDirectory(prefix="neptuneml-custom-") as name:
        folder = Path(name)
        (folder / "toolkit").mkdir()
        (folder / "toolkit" / TOOLKIT).symlink_to(Path(__file__).parent / TOOLKIT)
        python = Path(sys.executable)
        if source.requirements is not None:
            python = _made(folder / "environment", source.requirements)
        yield python, folder / "toolkit"


def _made(folder: Path, requirements: Path) -> Path:
    """Make an environment where a model's own packages come first and those of this one are seen behind them."""
    _run([sys.executable, "-m", "venv", *([] if _has_pip() else ["--without-pip"]), str(folder)], requirements)
    python = folder / "bin" / "python"
    _run([*_installer(python), "-r", str(requirements)], requirements)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    (packages / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def _has_pip() -> bool:
    return _uv() is None


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _installer(python: Path) -> list[str]:
    uv = _uv()
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(command: list[str], requirements: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise RequirementsFailed(
            f"what {requirements} names could not be installed (exit code {done.returncode}); without a network, "
            f"install it beside neptuneml and leave the file out. The installer said:\n{said}"
        )
