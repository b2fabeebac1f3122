"""`neptuneml quickstart` in a process of its own, as a person would run it, and what it leaves behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from neptuneml_plugin.artifacts import TRAINING, TrainingRecord, read_record
from tests.running_service import eventually
from tests.servers import make_data_root

#: The last line of the page of `quickstart --keep`.
UP = "Ctrl-C stops both."
#: On a busy machine; past it the process is ended, and so is reading its output.
LONGEST_SECONDS = 1500.0


@dataclass(frozen=True)
class QuickstartStack:
    """Servers that a quickstart left up."""

    page: str
    data_root: Path
    home: Path
    #: The folder that the quickstart was called in.
    folder: Path

    @property
    def gremlin_url(self) -> str:
        return _address(self.page, "Gremlin on")

    @property
    def service_url(self) -> str:
        return _address(self.page, "the service on")

    @property
    def port(self) -> int:
        """The Gremlin Server's port."""
        return int(self.gremlin_url.rsplit(":", 1)[1].split("/")[0])

    def training(self, case: str) -> TrainingRecord:
        return read_record(self.data_root / "quickstart" / case / "training" / TRAINING, TrainingRecord)

    def section(self, title: str) -> str:
        """The part of the page between a case's title and the next empty line before another title."""
        _, _, rest = self.page.partition(f"\n{title}")
        return re.split(r"\n(?=\S[^\n]* \((?:node|edge|link) |\d+ s in all)", rest)[0]


class QuickstartProcess:
    """A quickstart; progress and page come through one pipe, in the order in which they were written."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.data_root = make_data_root(folder / "root")
        self.home, self.folder = folder / "home", folder / "cwd"
        self.home.mkdir()
        self.folder.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NEPTUNEML_")}
        # A shell that runs the tests in the background makes them, and what they start, ignore SIGINT.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "neptuneml_plugin.cli", "quickstart"]
        self.process = subprocess.Popen(
            [*command, "--data-root", str(self.data_root), *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=self.folder, env=environment | {"HOME": str(self.home)},
            start_new_session=True,  # a process group of its own, as a terminal gives to a job
        )  # fmt: skip

    def read_until(self, text: str) -> str:
        """Return what it wrote up to the line that holds `text`."""
        if self.process.stdout is None:
            raise RuntimeError("no pipe")
        watchdog = threading.Timer(LONGEST_SECONDS, self.process.terminate)
        watchdog.start()
        lines: list[str] = []
        try:
            for line in self.process.stdout:
                lines.append(line)
                if text in line:
                    return "".join(lines)
        finally:
            watchdog.cancel()
        raise AssertionError(f"the quickstart ended before it said '{text}'; it said:\n{''.join(lines)}")

    def tree(self) -> list[psutil.Process]:
        """All processes below it, and itself."""
        root = psutil.Process(self.process.pid)
        return [*root.children(recursive=True), root]

    def interrupt(self) -> None:
        """Send what Ctrl-C in a terminal sends: SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def leaves_nothing(self, tree: list[psutil.Process], seconds: float = 60.0) -> int:
        """Return the exit code once nothing of `tree` runs any more."""
        code = self.process.wait(seconds)
        eventually(lambda: not any(map(runs, tree)), seconds)
        return code


def runs(process: psutil.Process) -> bool:
    """Tell whether it is there and no zombie (that nobody reaped)."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def quickstart_process(folder: Path, *flags: str) -> Iterator[QuickstartProcess]:
    """Yield a running quickstart; what a failing test left of it is killed."""
    quickstart = QuickstartProcess(folder, *flags)
    tree: list[psutil.Process] = []
    try:
        yield quickstart
    finally:
        if quickstart.process.poll() is None:
            tree = quickstart.tree()
            for process in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        with quickstart.process:
            pass


def _address(page: str, before: str) -> str:
    found = re.search(rf"{before} (\w+://[\d.:]+\d(?:/gremlin)?)", page)
    assert found, page
    return found[1]
