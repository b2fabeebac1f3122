"""The folder of a custom model: its scripts, what it requires, and its hyperparameters."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from neptuneml_plugin.config import CustomModel
from neptuneml_plugin.customsource import configuration, leads_out, missing
from neptuneml_plugin.errors import AccessDenied, InvalidSettings
from neptuneml_plugin.filerecords import content_version, describe_files

REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class CustomSource:
    """What is run."""

    folder: Path
    training_script: str
    transform_script: str

    @property
    def configuration(self) -> Path:
        """The file of hyperparameters."""
        return configuration(self.folder)

    @property
    def requirements(self) -> Path | None:
        """The file of packages to install, where there is one that names any."""
        path = self.folder / REQUIREMENTS
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return path if any(line.strip() and not line.strip().startswith("#") for line in lines) else None


def open_source(custom: CustomModel, *, trains: bool, allowed: bool) -> CustomSource:
    """Check the folder of a custom model.

    Args:
        custom: the settings.
        trains: whether it is to be trained, which needs more than a transform.
        allowed: whether code of users may run.

    Raises:
        AccessDenied: it may not.
        InvalidSettings: the folder lacks something; all of it is named.
    """
    if not allowed:
        raise AccessDenied(
            "custom models run code of their authors with the rights of this process, so they are switched off; "
            "pass --allow-custom-models where you trust the code"
        )
    source = CustomSource(custom.source, custom.training_script, custom.transform_script)
    names = [custom.transform_script, *([custom.training_script] if trains else [])]
    problems = [f"'{name}' leads out of the folder" for name in names if leads_out(name)]
    for what, path in missing(custom, trains=trains):
        other = f"; name another one with --{what.replace(' ', '-')}" if what.endswith("script") else ""
        problems.append(f"{what}: {path} is missing{other}")
    if problems:
        raise InvalidSettings(f"custom model {custom.source}", problems)
    return source


def copied(source: CustomSource, target: Path) -> CustomSource:
    """Return a copy of the folder: scripts write into no folder of the user's, and later runs see the same."""
    shutil.copytree(source.folder, target, ignore=shutil.ignore_patterns("__pycache__", ".git", ".venv"))
    return CustomSource(target, source.training_script, source.transform_script)


def version(source: CustomSource) -> str:
    """Return a hash of what `copied` copies, and of which scripts are run."""
    with tempfile.TemporaryDirectory(prefix="neptuneml-source-") as name:
        copied(source, Path(name) / "source")
        return content_version(describe_files(Path(name)), source.training_script, source.transform_script)
