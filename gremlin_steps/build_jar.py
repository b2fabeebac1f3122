"""Build hook: the wheel carries the plugin's jar (hatchling custom hook)."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

JAR_NAME = "neptune-ml-gremlin-plugin.jar"


class JarBuildHook(BuildHookInterface[Any]):
    """Runs Maven where the jar is missing, or older than its sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the jar and put it where the wheel takes it from; an editable install leaves that to `make`.

        Raises:
            RuntimeError: Maven is missing or failed.
        """
        del build_data
        package = Path(self.root) / "gremlin_steps"
        jar = package / "_jars" / JAR_NAME
        if version == "editable" or _is_current(jar, package / "jvm"):
            return
        _run_maven(package / "jvm", jar)
        jar.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / "jvm" / "target" / JAR_NAME, jar)


def _is_current(jar: Path, project: Path) -> bool:
    sources = [project / "pom.xml", *(project / "src" / "main").rglob("*")]
    newest = max((source.stat().st_mtime for source in sources if source.is_file()), default=0.0)
    return jar.is_file() and jar.stat().st_mtime >= newest


def _run_maven(project: Path, jar: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        reason = "is older than its sources" if jar.exists() else "is missing"
        raise RuntimeError(
            f"{jar} {reason} and Maven (mvn) is not on the PATH: install Maven 3.8 or later and a JDK 17 or 21, "
            "or install the released wheel, which carries the jar"
        )
    done = subprocess.run([maven, "-B", "-q", "-ntp", "-DskipTests", "package"], cwd=project, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven could not build the plugin in {project}; its messages stand above")
