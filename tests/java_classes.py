"""Java classes of the jar's test sources that run outside Maven's own tests: compiled and resolved with Maven."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from neptuneml_plugin import jars

PROJECT = Path(__file__).parents[1] / "gremlin_steps" / "jvm"


@dataclass(frozen=True)
class JavaClasses:
    """Compiled test sources, and what they need beside the plugin."""

    test_classes: Path
    dependencies: str

    def command(self, *arguments: str, plugin: Path | None) -> list[str | Path]:
        """Return the command that runs Java on these classes, and on `plugin`, the plugin's jar, if given."""
        parts = [str(self.test_classes), self.dependencies, *([str(plugin)] if plugin else [])]
        return [jars.find_java().executable, "-cp", os.pathsep.join(parts), *arguments]


def compile_java(folder: Path, tinkerpop: str, profile: str | None = None) -> JavaClasses:
    """Compile the test sources as the project does, and resolve their dependencies for one TinkerPop release.

    Args:
        folder: takes a file of its own per release.
        tinkerpop: the release to run on; compiled is always against the oldest supported one.
        profile: the Maven profile, if any, whose classes lie in a folder of its name.
    """
    class_path = folder / f"{tinkerpop}.classpath"
    options = [f"-P{profile}"] if profile else []
    _maven("test-compile", *options)
    _maven(
        "dependency:build-classpath",
        f"-Dtinkerpop.version={tinkerpop}",
        f"-Dmdep.outputFile={class_path}",
        *options,
    )
    return JavaClasses(PROJECT / "target" / (profile or "") / "test-classes", class_path.read_text().strip())


def _maven(*arguments: str) -> None:
    maven = shutil.which("mvn")
    assert maven, "Maven (mvn) is not on the PATH: install Maven 3.8 or later"
    command = [maven, "-B", "-q", "-ntp", "-Dstyle.color=never", *arguments]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{command} failed:\n{answer.stdout[-5000:]}{answer.stderr[-5000:]}"
