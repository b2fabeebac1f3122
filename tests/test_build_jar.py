"""The wheel's build hook, with Mavens that build, fail, or are missing; and the wheel itself."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gremlin_steps.build_jar import JAR_NAME, JarBuildHook

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one Java source, on a machine without Maven."""
    source = tmp_path / "clone" / "gremlin_steps" / "jvm" / "src" / "main" / "java" / "Plugin.java"
    source.parent.mkdir(parents=True)
    source.write_text("class Plugin {}")
    (tmp_path / "clone" / "gremlin_steps" / "jvm" / "pom.xml").write_text("<project/>")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "clone"


def install_maven(clone: Path, script: str) -> None:
    program = clone.parent / "bin" / "mvn"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def run_hook(clone: Path, version: str = "standard") -> None:
    nothing: Any = None
    JarBuildHook(str(clone), {}, nothing, nothing, str(clone), "wheel").initialize(version, {})


def jar_of(clone: Path) -> Path:
    return clone / "gremlin_steps" / "_jars" / JAR_NAME


BUILDS = f"""/bin/mkdir -p target; echo "built with $*" > target/{JAR_NAME}; echo run >> runs"""


def runs(clone: Path) -> int:
    return len((clone / "gremlin_steps" / "jvm" / "runs").read_text().splitlines())


def test_maven_builds_the_jar_once_until_a_source_changes(clone: Path) -> None:
    install_maven(clone, BUILDS)
    run_hook(clone)
    assert jar_of(clone).read_text() == "built with -B -q -ntp -DskipTests package\n"
    run_hook(clone)
    assert runs(clone) == 1
    later = jar_of(clone).stat().st_mtime + 10
    os.utime(clone / "gremlin_steps" / "jvm" / "src" / "main" / "java" / "Plugin.java", (later, later))
    run_hook(clone)
    assert runs(clone) == 2


def test_without_maven_the_message_says_what_to_install(clone: Path) -> None:
    with pytest.raises(RuntimeError, match=r"is missing and Maven \(mvn\) is not on the PATH: install Maven 3\.8"):
        run_hook(clone)
    jar_of(clone).parent.mkdir()
    jar_of(clone).touch()
    os.utime(jar_of(clone), (1, 1))
    with pytest.raises(RuntimeError, match="is older than its sources and Maven"):
        run_hook(clone)


def test_a_maven_that_fails_leaves_no_jar(clone: Path) -> None:
    install_maven(clone, "exit 3")
    with pytest.raises(RuntimeError, match="Maven could not build the plugin in"):
        run_hook(clone)
    assert not jar_of(clone).exists()


def test_an_editable_install_needs_no_maven(clone: Path) -> None:
    run_hook(clone, "editable")
    assert not jar_of(clone).exists()


def test_the_wheel_carries_both_packages_the_jar_and_the_start_script(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= {
        f"gremlin_steps/_jars/{JAR_NAME}",
        "gremlin_steps/start.groovy",
        "gremlin_steps/py.typed",
        "neptuneml_plugin/py.typed",
        "neptuneml_plugin/cli.py",
    }
    assert not [name for name in names if name.endswith((".java", "pom.xml", ".pyc")) or "/target/" in name]
