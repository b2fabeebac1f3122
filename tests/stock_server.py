"""A Gremlin Server as TinkerPop distributes it, with the graph `modern` and no plugin."""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from neptuneml_plugin import jars
from tests.running_service import PATIENCE_SECONDS

MAIN_CLASS = "org.apache.tinkerpop.gremlin.server.GremlinServer"
CONFIGURATION = Path("conf") / "gremlin-server-modern.yaml"

_FILES = {
    CONFIGURATION: """\
host: localhost
port: 8182
evaluationTimeout: 30000
graphs: {graph: conf/tinkergraph-empty.properties}
scriptEngines:
  gremlin-lang: {}
  gremlin-groovy:
    plugins:
      org.apache.tinkerpop.gremlin.server.jsr223.GremlinServerGremlinPlugin: {}
      org.apache.tinkerpop.gremlin.tinkergraph.jsr223.TinkerGraphGremlinPlugin: {}
      org.apache.tinkerpop.gremlin.jsr223.ScriptFileGremlinPlugin: {files: [scripts/generate-modern.groovy]}
serializers:
- className: org.apache.tinkerpop.gremlin.util.ser.GraphSONMessageSerializerV3
- className: org.apache.tinkerpop.gremlin.util.ser.GraphBinaryMessageSerializerV1
""",
    Path("conf") / "tinkergraph-empty.properties": """\
gremlin.graph=org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph
gremlin.tinkergraph.vertexIdManager=LONG
""",
    Path("conf") / "logback.xml": """\
<configuration>
  <appender name="stdout" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%m%n</pattern></encoder>
  </appender>
  <logger name="org.apache.tinkerpop.gremlin.server" level="INFO"/>
  <root level="WARN"><appender-ref ref="stdout"/></root>
</configuration>
""",
    Path("scripts") / "generate-modern.groovy": """\
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory
def load = [onStartUp: { context -> TinkerFactory.generateModern(graph) }]
[hook: load as LifeCycleHook, g: traversal().withEmbedded(graph).withStrategies(ReferenceElementStrategy)]
""",
}


def unpack(folder: Path, library: Path) -> None:
    """Make the folders of a distribution; its jars are links to those of `library`."""
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "lib").mkdir()
    for jar in library.glob("*.jar"):
        (folder / "lib" / jar.name).symlink_to(jar)


def add_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write settings into the server's YAML, as a person would at the right places."""
    file = folder / CONFIGURATION
    file.write_text(yaml.safe_dump(_merged(yaml.safe_load(file.read_text()), settings), sort_keys=False))


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {name: _merged(below.get(name), value) for name, value in above.items()}


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Run the server of a distribution's folder, once it listens."""
    command = [str(jars.find_java().executable), "-Xmx512m", "-Dlogback.configurationFile=conf/logback.xml"]
    process = subprocess.Popen(
        [*command, "-cp", "lib/*", MAIN_CLASS, str(CONFIGURATION)],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
    watchdog.start()
    try:
        lines = iter(process.stdout or ())
        said = []
        for line in lines:
            said.append(line)
            if "Channel started at port" in line:
                break
        else:
            raise AssertionError(f"the stock server did not start:\n{''.join(said)}")
        watchdog.cancel()
        drain = threading.Thread(target=lambda: [None for _ in lines], daemon=True)
        drain.start()
        yield
    finally:
        watchdog.cancel()
        process.terminate()
        with process:
            process.wait(60)
