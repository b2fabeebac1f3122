"""Following a page of documentation as written: its code blocks, and a shell that runs their lines."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from neptuneml_plugin.gremlin_server import free_port

ROOT = Path(__file__).parents[1]
#: The ports that the pages name; a test takes free ones.
GREMLIN_PORT, SERVICE_PORT = "8182", "8183"
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
#: Commands that name no port; they get the flag.
_DEFAULT_PORTS = (("gremlin-server start", "gremlin"), ("gremlin-server stop", "gremlin"), ("serve", "service"))


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks in one language, without their indentation, in the page's order."""
    return [textwrap.dedent(text) for _, found, text in _BLOCK.findall(page) if found == language]


def languages(page: str) -> set[str]:
    """Return the languages of all code blocks; "" for none."""
    return {found for _, found, _ in _BLOCK.findall(page)}


@dataclass
class Shell:
    """Runs the lines of a page in a folder, on ports and under a data root of its own."""

    folder: Path
    data_root: Path
    gremlin_port: int = field(default_factory=free_port)
    service_port: int = field(default_factory=free_port)
    _background: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def gremlin_url(self) -> str:
        return f"ws://127.0.0.1:{self.gremlin_port}/gremlin"

    def run(self, lines: str) -> str:
        """Run one line after the other and return what they said; a line that ends in `&` goes on running.

        Raises:
            AssertionError: a line failed; with what it said.
        """
        said = ""
        for line in filter(None, lines.splitlines()):
            if line.endswith("&"):
                self._start(self.on_own_ports(line.removesuffix("&")))
            else:
                said += self._finish(self.on_own_ports(line))
        return said

    def on_own_ports(self, text: str) -> str:
        """Return `text` with this shell's ports instead of the page's."""
        text = text.replace(GREMLIN_PORT, str(self.gremlin_port)).replace(SERVICE_PORT, str(self.service_port))
        ports = {"gremlin": self.gremlin_port, "service": self.service_port}
        for command, kind in _DEFAULT_PORTS:
            text = re.sub(rf"^neptuneml {command}\b", f"neptuneml {command} --port {ports[kind]}", text)
        return text

    def end(self) -> None:
        """End what goes on running."""
        for process in self._background:
            process.terminate()
        for process in self._background:
            process.wait(60)

    def _start(self, line: str) -> None:
        with (self.folder / "background.log").open("ab") as log:
            process = subprocess.Popen(
                shlex.split(line), stdout=log, stderr=log, cwd=self.folder, env=self._environment()
            )
        self._background.append(process)

    def _finish(self, line: str) -> str:
        log = self.folder / "line.log"  # a pipe would stay open with a server that the line leaves running
        with log.open("wb") as output:
            done = subprocess.run(
                ["bash", "-euc", line],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.folder, env=self._environment(), check=False,
            )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{log.read_text()}"
        return log.read_text()

    def _environment(self) -> dict[str, str]:
        own = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NEPTUNEML_DATA_ROOT": str(self.data_root),
            "NEPTUNEML_SERVICE_URL": f"http://127.0.0.1:{self.service_port}",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NEPTUNEML_")}
        return inherited | own


@contextmanager
def shell(folder: Path, data_root: Path) -> Iterator[Shell]:
    """Yield a shell; what its lines left running with `&` is ended."""
    opened = Shell(folder, data_root)
    try:
        yield opened
    finally:
        opened.end()
