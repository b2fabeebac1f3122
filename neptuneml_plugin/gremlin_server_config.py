"""What the embedded Gremlin Server is told: settings, and the files that it is started with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from neptuneml_plugin import jars
from neptuneml_plugin.errors import InvalidParameter, PreconditionsFailed, nearest
from neptuneml_plugin.stage import write_text

HOST = "127.0.0.1"
DEFAULT_PORT = 8182
#: Name -> what TinkerFactory's `generate…` calls it ("": loads nothing), and the id manager of the original.
GRAPHS = {"air-routes": ("AirRoutes", "INTEGER"), "modern": ("Modern", "INTEGER"), "empty": ("", "ANY")}
#: What may wait for a client before the server sleeps, by 10 ms each time: some blocks of an export.
_WRITE_BUFFER_BYTES = 4 << 20
ID_MANAGERS = ("ANY", "INTEGER", "LONG", "STRING", "UUID")


@dataclass(frozen=True)
class GremlinServerConfig:
    """Settings of an embedded Gremlin Server."""

    data_root: Path
    #: One of `GRAPHS`.
    graph: str = "air-routes"
    #: 0: any free port.
    port: int = DEFAULT_PORT
    #: Where the plugin finds the service; None: the plugin's own default.
    service_url: str | None = None
    #: The largest prediction table, in MiB, that the plugin keeps; 0: none; None: the plugin's own default.
    table_limit_mib: int | None = None
    #: How TinkerGraph treats element ids, one of `ID_MANAGERS`; None: as the graph's own sample does.
    id_manager: str | None = None
    heap_mib: int = 1024
    #: By default half the start-up time of the JVM's own choice; for long loads, leave out the second one.
    jvm_options: tuple[str, ...] = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    #: How long a query may take unless it says otherwise.
    evaluation_timeout_ms: int = 30_000
    #: The server's class path: TinkerPop's release, and another graph's jars.
    jar_set: jars.JarSet = jars.SERVER_JARS
    #: What stands in `graph.properties`; None: TinkerGraph's settings, with the sample and id manager of above.
    graph_settings: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.graph not in GRAPHS:
            raise InvalidParameter(f"no graph '{self.graph}'{nearest(self.graph, GRAPHS)}")
        if self.id_manager is not None and self.id_manager not in ID_MANAGERS:
            raise InvalidParameter(f"no id manager '{self.id_manager}'{nearest(self.id_manager, ID_MANAGERS)}")


def write_configuration(config: GremlinServerConfig, port: int, folder: Path) -> None:
    """Write the files that a server on `port` is started with."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "server.yaml", yaml.safe_dump(server_settings(config, port, folder), sort_keys=False))
    write_text(folder / "graph.properties", graph_properties(config))
    write_text(folder / "logback.xml", _LOGBACK)


def server_settings(config: GremlinServerConfig, port: int, folder: Path) -> dict[str, Any]:
    """Return what stands in the server's YAML."""
    import gremlin_steps  # noqa: PLC0415 - the wheel's other package; its folder holds the start script

    start_script = Path(gremlin_steps.__file__).parent / "start.groovy"
    jsr223 = "org.apache.tinkerpop.gremlin.jsr223"
    plugins: dict[str, Any] = {
        "org.apache.tinkerpop.gremlin.server.jsr223.GremlinServerGremlinPlugin": {},
        "org.apache.tinkerpop.gremlin.tinkergraph.jsr223.TinkerGraphGremlinPlugin": {},
        f"{jsr223}.ImportGremlinPlugin": {"methodImports": ["java.lang.Math#*"]},
        f"{jsr223}.ScriptFileGremlinPlugin": {"files": [str(start_script)]},
    }
    jar = plugin_jar_if_built()
    if jar:
        settings = {"serviceUrl": config.service_url, "tableLimitMib": config.table_limit_mib}
        plugins[jars.plugin_class(jar)] = {name: value for name, value in settings.items() if value is not None}
    return {
        "host": HOST,
        "port": port,
        "evaluationTimeout": config.evaluation_timeout_ms,
        "maxContentLength": 64 * 1024 * 1024,
        "writeBufferLowWaterMark": _WRITE_BUFFER_BYTES // 4,
        "writeBufferHighWaterMark": _WRITE_BUFFER_BYTES,
        "channelizer": "org.apache.tinkerpop.gremlin.server.channel.WsAndHttpChannelizer",
        "graphs": {"graph": str(folder / "graph.properties")},
        "scriptEngines": {"gremlin-groovy": {"plugins": plugins}, "gremlin-lang": {}},
        "serializers": list(_serializers()),
    }


def _serializers() -> Iterator[dict[str, Any]]:
    tinker = "org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerIoRegistry"
    for name, config in (
        ("GraphBinaryMessageSerializerV1", {"ioRegistries": [f"{tinker}V3"]}),
        ("GraphBinaryMessageSerializerV1", {"serializeResultToString": True}),
        ("GraphSONMessageSerializerV3", {"ioRegistries": [f"{tinker}V3"]}),
        ("GraphSONMessageSerializerV2", {"ioRegistries": [f"{tinker}V2"]}),
        ("GraphSONUntypedMessageSerializerV3", {"ioRegistries": [f"{tinker}V3"]}),
    ):
        yield {"className": f"org.apache.tinkerpop.gremlin.util.ser.{name}", "config": config}


def graph_properties(config: GremlinServerConfig) -> str:
    """Return the graph's settings; those of TinkerGraph name the sample that the start script loads."""
    settings = _tinkergraph(config) if config.graph_settings is None else config.graph_settings
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _tinkergraph(config: GremlinServerConfig) -> dict[str, str]:
    sample, own_id_manager = GRAPHS[config.graph]
    id_manager = config.id_manager or own_id_manager
    return {
        "gremlin.graph": "org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph",
        "gremlin.tinkergraph.vertexIdManager": id_manager,
        "gremlin.tinkergraph.edgeIdManager": id_manager,
        # Vertex properties get ids from a counter, which is a Long whatever the elements have.
        "gremlin.tinkergraph.vertexPropertyIdManager": "LONG",
        "neptuneml.sample": sample,
    }


_LOGBACK = """\
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5level %logger{0} - %msg%n</pattern></encoder>
  </appender>
  <logger name="org.apache.tinkerpop.gremlin.server.GremlinServer" level="INFO"/>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"""


def plugin_jar_if_built() -> Path | None:
    """Return the plugin's jar; None where it was not built."""
    try:
        return jars.plugin_jar()
    except PreconditionsFailed:  # a plain Gremlin Server is of use too
        return None
