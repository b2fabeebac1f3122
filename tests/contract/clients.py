"""TinkerPop's own clients, unmodified: each asks a server queries (`queries.py`) and returns name -> answers."""

import functools
import json
import keyword
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import Order, P, T

from neptuneml_plugin.gremlin_server import console_command
from neptuneml_plugin.jars import JarSet, find_java
from tests.contract.queries import Step, Steps, to_text

JAVA, JAVASCRIPT, GO = (Path(__file__).parent / language for language in ("java", "javascript", "go"))
REMOTE_YAML = """\
hosts: [127.0.0.1]
port: {port}
serializer:
  className: org.apache.tinkerpop.gremlin.util.ser.GraphBinaryMessageSerializerV1
  config: {{serializeResultToString: true}}
"""

Queries = Mapping[str, Steps]


def ask_python(source: Any, steps: Steps) -> list[Any]:
    """Return the answers that a traversal source of gremlin-python gives to one query."""
    found: list[Any] = functools.reduce(_python_step, steps, source).to_list()
    return found


def _python_step(traversal: Any, step: Step) -> Any:
    name = step[0] if step[0] in "VE" else re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", step[0])
    name += "_" if keyword.iskeyword(name) else ""
    return getattr(traversal, name)(*map(_python_argument, step[1:]))


def _python_argument(value: Any) -> Any:
    match value:
        case {"child": steps}:
            return functools.reduce(_python_step, steps, __)
        case {"P": [name, *values]}:
            return getattr(P, name)(*values)
        case {"Order": name}:
            return Order[name]
        case {"T": name}:
            return T[name]
    return value


def ask_console(port: int, data_root: Path, folder: Path, queries: Queries) -> dict[str, list[str]]:
    """Return what a Gremlin Console prints in `:remote console` mode; its files are in `folder`."""
    remote = folder / "remote.yaml"
    remote.write_text(REMOTE_YAML.format(port=port))
    lines = [f":remote connect tinkerpop.server {remote}", ":remote console"]
    for name, steps in queries.items():
        lines += [f"'query: {name}'", to_text(steps)]
    done = subprocess.run(
        console_command(data_root),
        input="\n".join([*lines, ":quit", ""]),
        capture_output=True, text=True, cwd=folder, check=True,
    )  # fmt: skip
    return _console_answers(done.stdout)


def _console_answers(output: str) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = {}
    for line in re.sub(r"\x1b\[\d*m", "", output).splitlines():
        if line.startswith("==>query: "):
            answers[line.removeprefix("==>query: ")] = []
        elif line.startswith("==>") and answers:
            answers[list(answers)[-1]].append(line.removeprefix("==>"))
    return answers


def ask_javascript(node: str, url: str, mime_type: str, queries: Queries) -> dict[str, list[Any]]:
    """Return the answers of JavaScript's `gremlin`, run by the Node at `node`."""
    return _ask([node, "ask.js", url, f"application/vnd.{mime_type}"], queries, JAVASCRIPT)


def java_driver(version: str) -> JarSet:
    """Return a release of the Java driver, and the script engine that `Ask.java` reads queries with."""
    tinkerpop = [f"org.apache.tinkerpop:{name}:{version}" for name in ("gremlin-driver", "gremlin-groovy")]
    return JarSet(f"gremlin-driver-{version}", (*tinkerpop, "org.slf4j:slf4j-nop:1.7.36"))


def ask_java(library: Path, port: int, serializer: str, queries: Queries) -> dict[str, list[Any]]:
    """Return the answers of the Java driver in the folder `library`; `serializer` is one of its `Serializers`."""
    options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{library}/*"]
    texts = {name: to_text(steps) for name, steps in queries.items()}
    return _ask([str(find_java().executable), *options, "Ask.java", str(port), serializer], texts, JAVA)


def ask_go(program: Path, url: str, queries: Queries) -> dict[str, list[Any]]:
    """Return the answers of gremlin-go, which `program` was built with."""
    return _ask([str(program), url], queries, GO)


def _ask(command: list[str], queries: Mapping[str, Any], folder: Path) -> dict[str, list[Any]]:
    done = subprocess.run(
        command, input=json.dumps(queries), capture_output=True, text=True, cwd=folder, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers
