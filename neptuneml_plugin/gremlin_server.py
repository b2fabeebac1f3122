"""The embedded Gremlin Server: start it, wait until it answers, stop it.

A server lives in `<data root>/gremlin-server/<port>/`: its configuration, `server.log` and `process.json`. It
listens on loopback only, since whoever may send Groovy to it may run code (decision 33).
"""

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from neptuneml_plugin import jars
from neptuneml_plugin.errors import NeptuneMLError, PreconditionsFailed
from neptuneml_plugin.gremlin_server_config import (
    DEFAULT_PORT,
    HOST,
    GremlinServerConfig,
    plugin_jar_if_built,
    write_configuration,
)
from neptuneml_plugin.stage import Progress, silent, write_json, write_text

START_SECONDS = 120.0
STOP_SECONDS = 10.0
#: Below it stand ports that programs have by convention.
FIRST_FREE_PORT = 10_000

#: Linux: the first and the last port that the system gives to whoever asks for any, and to connections.
_GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: Elsewhere, by RFC 6335.
_DYNAMIC = "49152 65535"

_SERVER_CLASS = "org.apache.tinkerpop.gremlin.server.GremlinServer"
_CONSOLE_CLASS = "org.apache.tinkerpop.gremlin.console.Console"
_CONSOLE_PLUGINS = (
    "org.apache.tinkerpop.gremlin.console.jsr223.DriverGremlinPlugin",
    "org.apache.tinkerpop.gremlin.console.jsr223.UtilitiesGremlinPlugin",
    "org.apache.tinkerpop.gremlin.tinkergraph.jsr223.TinkerGraphGremlinPlugin",
)
#: JDK 17 and later close this to Kryo, which reads the samples.
JVM_OPTION = "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED"


@dataclass(frozen=True)
class GremlinServer:
    """A running embedded server."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where Gremlin drivers connect."""
        return f"ws://{HOST}:{self.port}/gremlin"

    @property
    def pid(self) -> int:
        """Process id of the JVM."""
        return self.process.pid

    @property
    def log(self) -> Path:
        """What the JVM and the server wrote."""
        return self.folder / "server.log"

    def wait(self) -> int:
        """Return the exit code once the server has ended."""
        return self.process.wait()

    def stop(self) -> None:
        """End the server; nothing happens if it has ended already."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        _process_file(self.folder).unlink(missing_ok=True)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` of the loopback address now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(preferred: int = 0) -> int:
    """Return `preferred` where nothing listens there, else a port that is free now.

    Where there is one, nobody gets it who asks for any port, so that it is still free when a server is up.
    """
    if preferred and is_free(preferred):
        return preferred
    first, last = map(int, (_GIVEN_AWAY.read_text() if _GIVEN_AWAY.exists() else _DYNAMIC).split())
    everywhere = range(FIRST_FREE_PORT, 1 << 16)
    kept = [port for port in everywhere if not first <= port <= last] or everywhere
    while not is_free(port := secrets.choice(kept)):
        pass
    return port


def fetch(data_root: Path, progress: Progress = silent) -> Path:
    """Return the folder with the server's jars, fetched the first time."""
    return jars.resolve(jars.SERVER_JARS, data_root, progress)


def start(config: GremlinServerConfig, *, foreground: bool = False, progress: Progress = silent) -> GremlinServer:
    """Start a server and return once it answers a query.

    The server has a session of its own, so Ctrl-C reaches only the caller. In the foreground it ends with the
    caller, however the caller ends; otherwise it runs until `stop`.

    Raises:
        PreconditionsFailed: port taken, no suitable Java, or no jars.
        NeptuneMLError: the server did not come up; with the end of its log.
    """
    if config.port and not is_free(config.port):
        raise PreconditionsFailed(_port_taken(config.port, config.data_root))
    port = config.port or free_port()
    java = jars.find_java()
    library = jars.resolve(config.jar_set, config.data_root, progress)
    folder = _folder(config.data_root, port)
    write_configuration(config, port, folder)
    progress(f"starting a Gremlin Server with the graph '{config.graph}' on port {port}")
    server = None
    try:
        with _interrupts_held():
            process = _spawn(_command(config, java, library, folder), folder, foreground=foreground)
            server = GremlinServer(port, folder, process)
        write_json(_process_file(folder), {"pid": server.pid, "port": port, "graph": config.graph})
        _wait_until_ready(server)
    except BaseException:
        if server is not None:
            server.stop()
        raise
    return server


@contextlib.contextmanager
def running_server(config: GremlinServerConfig, progress: Progress = silent) -> Iterator[GremlinServer]:
    """Yield a foreground server; it is stopped at the end."""
    server = start(config, foreground=True, progress=progress)
    try:
        yield server
    finally:
        server.stop()


def stop(data_root: Path, port: int = DEFAULT_PORT) -> int:
    """End the server that was started on `port` from `data_root`, by whichever process; return its process id.

    Raises:
        PreconditionsFailed: no such server is running.
    """
    folder = _folder(data_root, port)
    process = _our_process(folder)
    if process is None:
        _process_file(folder).unlink(missing_ok=True)
        raise PreconditionsFailed(f"no Gremlin Server that was started from {data_root} runs on port {port}")
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    _process_file(folder).unlink(missing_ok=True)
    return process.pid


def plugin_text(jar: Path, service_url: str) -> str:
    """Return what to add to one's own Gremlin Server and Console, as `neptuneml plugin` prints it."""
    name = jars.plugin_class(jar)
    settings = {"scriptEngines": {"gremlin-groovy": {"plugins": {name: {"serviceUrl": service_url}}}}}
    return f"""\
The plugin's jar:
  {jar}

Gremlin Server: put the jar on its class path (its lib/ or ext/ folder), and into its YAML:

{_indent(yaml.safe_dump(settings, sort_keys=False))}
JVM option for JDK 17 and 21 (JAVA_OPTIONS of bin/gremlin-server.sh):
  {JVM_OPTION}

Gremlin Console: put the jar on its class path; where its plugin list lacks the plugin, activate it:
  :plugin use neptune.ml
"""


def console_command(
    data_root: Path, *, script: Path | None = None, arguments: Sequence[str] = (), progress: Progress = silent
) -> list[str]:
    """Return the command line of a Gremlin Console with the plugin; with `script`, it runs that and ends.

    Raises:
        PreconditionsFailed: no suitable Java, no jars, or no plugin.
    """
    java = jars.find_java()
    library = jars.resolve(jars.CONSOLE_JARS, data_root, progress)
    jar = jars.plugin_jar()
    home = data_root.absolute() / "gremlin-console"
    home.mkdir(parents=True, exist_ok=True)
    write_text(home / "plugins.txt", "\n".join([*_CONSOLE_PLUGINS, jars.plugin_class(jar)]) + "\n")
    options = [*GremlinServerConfig.jvm_options, JVM_OPTION, f"-Dtinkerpop.ext={home}"]
    options += ["-cp", os.pathsep.join([f"{library}{os.sep}*", str(jar)])]
    run = ["-e", str(script.absolute()), *arguments] if script else []
    return [str(java.executable), *options, _CONSOLE_CLASS, *run]


def _folder(data_root: Path, port: int) -> Path:
    return data_root.absolute() / "gremlin-server" / str(port)


# --- process -----------------------------------------------------------------------------------------------------


def _command(config: GremlinServerConfig, java: jars.Java, library: Path, folder: Path) -> list[str]:
    class_path = [f"{library}{os.sep}*", *map(str, filter(None, [plugin_jar_if_built()]))]
    options = [f"-Xmx{config.heap_mib}m", *config.jvm_options, "-Djava.awt.headless=true", JVM_OPTION]
    options.append(f"-Dlogback.configurationFile={folder / 'logback.xml'}")
    options += ["-cp", os.pathsep.join(class_path)]
    return [str(java.executable), *options, _SERVER_CLASS, str(folder / "server.yaml")]


def _spawn(command: list[str], folder: Path, *, foreground: bool) -> subprocess.Popen[bytes]:
    if foreground:
        command = [command[0], "-Dneptuneml.endWithParent=true", *command[1:]]
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if foreground else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back: a process that is just being started would be known to nobody."""
    if threading.current_thread() is not threading.main_thread():  # signals never interrupt the others
        yield
        return
    held: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: held.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for got in held:
            signal.raise_signal(got)


def _wait_until_ready(server: GremlinServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (status := _query_status(server.port)) is None:
        if server.process.poll() is not None:
            raise _start_failure(server, f"ended with exit code {server.process.returncode} while starting")
        if time.monotonic() > deadline:
            raise _start_failure(server, f"did not answer within {START_SECONDS:.0f} s")
        time.sleep(0.1)
    if status != http.client.OK:
        raise _start_failure(server, f"answered its first query with HTTP status {status}")


def _query_status(port: int) -> int | None:
    """Return the HTTP status of a query's answer, or None while nothing answers; listening alone comes earlier."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    query = {"gremlin": "g.V().limit(1).count()", "language": "gremlin-lang", "aliases": {"g": "g"}}
    try:
        connection.request("POST", "/gremlin", json.dumps(query), {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _start_failure(server: GremlinServer, reason: str) -> NeptuneMLError:
    return NeptuneMLError(f"the Gremlin Server on port {server.port} {reason}; {_log_end(server.log)}")


def _log_end(log: Path, lines: int = 15) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-lines:]
    return f"the end of {log}:\n" + "\n".join(text)


def _process_file(folder: Path) -> Path:
    return folder / "process.json"


def _our_process(folder: Path) -> psutil.Process | None:
    """Return the server's process; another one that got the same id later is not ours."""
    try:
        process = psutil.Process(json.loads(_process_file(folder).read_text(encoding="utf-8"))["pid"])
        is_ours = process.cmdline()[-2:] == [_SERVER_CLASS, str(folder / "server.yaml")]
    except (OSError, ValueError, TypeError, KeyError, psutil.Error):
        return None
    return process if is_ours else None


def _port_taken(port: int, data_root: Path) -> str:
    process = _our_process(_folder(data_root, port))
    if process is None:
        return f"port {port} is taken by another program; name another one with --port, or end that program"
    return (
        f"port {port} is taken by a Gremlin Server that was started from {data_root} (process {process.pid}); "
        f"`neptuneml gremlin-server stop --port {port}` ends it"
    )


def _indent(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
