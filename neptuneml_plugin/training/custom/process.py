"""Runs a script in a process group of its own, within limits, and ends the whole group in any case."""

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neptuneml_plugin.errors import NeptuneMLError

#: Lines of the output that a failure shows.
TOLD_LINES = 12


@dataclass(frozen=True)
class Limits:
    """What a script may use; 0 means no limit."""

    seconds: float = 0
    #: Memory of each of its processes, MiB.
    memory_mib: int = 0
    cores: int = 0
    #: Set to end all scripts that run.
    stop: threading.Event = field(default_factory=threading.Event)


class ScriptFailed(NeptuneMLError):
    """A script of a custom model ended in failure, or had to be ended."""


def run_script(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    limits: Limits,
    log: Path,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a command until it ends.

    Args:
        command: the interpreter, the script and its arguments.
        folder: where it runs.
        variables: its whole environment.
        limits: what it may use.
        log: file that takes its output.
        on_line: takes each line of its output.

    Raises:
        ScriptFailed: it did not end well; the message has its last lines.
    """
    name = Path(command[1]).name
    with log.open("ab") as file, _group(command, folder, variables) as process:
        _limit(process.pid, limits)
        lines, deadline = _Lines(on_line), time.monotonic() + limits.seconds
        for chunk in _output(process, deadline if limits.seconds else None, limits.stop):
            file.write(chunk)
            lines.add(chunk)
        lines.end()
        if limits.stop.is_set():
            raise ScriptFailed(f"{name} was ended with the training")
        if limits.seconds and process.poll() is None and time.monotonic() >= deadline:
            raise ScriptFailed(f"{name} was ended: it took more than {limits.seconds:g} seconds; see {log}")
        code = process.wait()
    if code:
        raise ScriptFailed(f"{name} {_end(code, limits)}; it said last:\n{_last_lines(log)}")


@contextlib.contextmanager
def _group(
    command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=folder, env=dict(variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _limit(process: int, limits: Limits) -> None:
    """Set limits that the process and all that it starts inherit; it has not begun the script yet."""
    with contextlib.suppress(ProcessLookupError):
        if limits.memory_mib:
            resource.prlimit(process, resource.RLIMIT_DATA, (limits.memory_mib << 20, limits.memory_mib << 20))
        resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))
        if limits.cores:
            allowed = sorted(os.sched_getaffinity(0))[: limits.cores]
            os.sched_setaffinity(process, allowed)


def _output(process: subprocess.Popen[bytes], deadline: float | None, stop: threading.Event) -> Iterator[bytes]:
    """Yield what a process writes until it ends, or until the deadline; a child that goes on is not waited for."""
    if process.stdout is None:
        raise ValueError("the process has no output to read")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
            ended = process.poll() is not None
            left = 0.2 if deadline is None else min(0.2, max(0.0, deadline - time.monotonic()))
            if selector.select(0 if ended else left):
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    return
                yield chunk
            elif ended:
                return


class _Lines:
    """Cuts chunks of bytes into lines of text."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line, self._rest = on_line, b""

    def add(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace"))

    def end(self) -> None:
        if self._rest:
            self._on_line(self._rest.decode(errors="replace"))
            self._rest = b""


def _end(code: int, limits: Limits) -> str:
    if code == -signal.SIGKILL:
        return "was killed, by the system for its memory or by hand"
    memory = f" (its memory is limited to {limits.memory_mib} MiB)" if limits.memory_mib else ""
    how = f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return how + memory


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-TOLD_LINES:]) or "(nothing)"
