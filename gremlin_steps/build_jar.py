"""Build hook: the wheel carries the plugin's jar (hatchling custom hook)."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

JAR_NAME = "neptune-ml-gremlin-plugin.jar"


class JarBuildHook(BuildHookInterface[Any]):
    """Runs Maven when a wheel is built and the jar is not there yet."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the jar; an editable install leaves that to `make`."""
        del build_data
        jar = Path(self.root) / "gremlin_steps" / "_jars" / JAR_NAME
        if version == "editable" or jar.exists():
            return
        maven = shutil.which("mvn")
        if maven is None:
            msg = (
                f"{jar} is missing and Maven (mvn) is not on the PATH: install Maven 3.8 or later and a JDK 17 "
                "or 21, or install the released wheel, which carries the jar."
            )
            raise RuntimeError(msg)
        source = Path(self.root) / "gremlin_steps" / "jvm"
        subprocess.run([maven, "-B", "-q", "-ntp", "-DskipTests", "package"], cwd=source, check=True)
        jar.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / "target" / JAR_NAME, jar)
