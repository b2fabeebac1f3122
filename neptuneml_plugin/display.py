"""What the command line shows: progress, and the tables of a summary and of answers."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from neptuneml_plugin.stage import Progress, Summary

if TYPE_CHECKING:
    from neptuneml_plugin.questions import Answer
    from neptuneml_plugin.quickstart import QuickstartResult

#: Answers that are shown of one query.
MOST_ROWS = 20
#: The metrics shown first, where a task has them.
HEADLINES = ("acc", "f1_macro", "f1_micro", "f1_tuned", "rmse", "mae", "r2", "mrr", "hits@10")


@contextlib.contextmanager
def shown_progress(console: Console) -> Iterator[Progress]:
    """Yield a progress that draws a bar on a terminal, and writes lines elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def show(message: str, fraction: float | None = None) -> None:
            total = None if fraction is None else 1.0
            bars.update(task, description=message, total=total, completed=fraction or 0.0)

        yield show


class _Lines:
    """One line per message, with the seconds since the start; a new fraction alone writes nothing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._last = ""

    def __call__(self, message: str, fraction: float | None = None) -> None:
        del fraction
        if message != self._last:
            self._last = message
            elapsed = time.monotonic() - self._start
            self._console.print(f"[{elapsed:6.1f} s] {message}", markup=False, soft_wrap=True)


@contextlib.contextmanager
def shown_stages(console: Console) -> Iterator[Progress]:
    """Yield a progress that keeps one line per finished step, with the seconds that it took."""
    start = time.monotonic()
    current: list[tuple[str, float]] = []

    def finish() -> None:
        if current:
            message, began = current.pop()
            now = time.monotonic()
            console.print(
                f"[green]✓[/] [dim]{now - start:6.1f} s[/]  {escape(message)} [dim]{now - began:.1f} s[/]",
                soft_wrap=True,
            )

    with console.status("starting") as status:

        def show(message: str, fraction: float | None = None) -> None:
            del fraction
            if current and current[0][0] == message:
                return
            finish()
            current.append((message, time.monotonic()))
            status.update(escape(message))

        yield show
        finish()


@contextlib.contextmanager
def shown_jobs(console: Console) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield what draws the status of a job, or of a chain with a bar per part; lines off a terminal."""
    if not console.is_terminal:
        yield _JobLines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(status: Mapping[str, Any]) -> None:
            for name, stage, fraction in job_steps(status):
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=1.0)
                bars.update(tasks[name], description=f"{name}: {stage}", completed=fraction)

        yield show


class _JobLines:
    """One line for each step that a job, or a part of a chain, has come to."""

    def __init__(self, console: Console) -> None:
        self._lines = _Lines(console)
        self._last: dict[str, str] = {}

    def __call__(self, status: Mapping[str, Any]) -> None:
        for name, stage, _ in job_steps(status):
            if self._last.get(name) != stage:
                self._last[name] = stage
                self._lines(f"{name}: {stage}")


def job_steps(status: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Yield what a job does, and how much of it is done: of a chain, for each part that has begun."""
    for part in status.get("parts", [status]):
        name, state = part.get("part", part["id"]), part["status"]
        progress = part.get("progress", {"stage": state, "fraction": float(state in ("Completed", "InService"))})
        is_ended = state in ("Completed", "Failed", "Stopped", "InService")
        if state not in ("Waiting", "NotRun"):
            yield name, state if is_ended else progress["stage"], progress["fraction"]


def job_page(kind: str, status: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield what `neptuneml job show` prints."""
    state = "InProgress (queued)" if status.get("queued") else status["status"]
    yield Text(f"{kind} {status['id']}: {state}", style="bold")
    facts = Table(box=None, show_header=False)
    for name, value in _facts(status):
        facts.add_row(name, Text(value))
    yield facts
    if "parts" in status:
        yield _parts_table(status["parts"])
        yield _outputs(status["parts"])
    if status.get("metrics"):
        yield _metrics(status["metrics"], status.get("baselines", {}))
    if status.get("logTail"):
        yield Text("\n".join(["last lines:", *(f"  {line}" for line in status["logTail"])]), style="dim")


def _facts(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    progress = status["progress"]
    left = f", {progress['etaSeconds']:.0f} s left" if progress.get("etaSeconds") else ""
    yield "progress", f"{progress['stage']}, {progress['fraction']:.0%}{left}"
    for name, member in (("created", "creation"), ("started", "start"), ("ended", "end")):
        if f"{member}TimeInMillis" in status:
            yield name, moment(status[f"{member}TimeInMillis"])
    resource = status.get("processingJob", {})
    output = status.get("outputS3Uri") or resource.get("outputLocation")
    named = {"output": output, "report": status.get("reportLocation"), "query": status.get("query")}
    yield from ((name, value) for name, value in named.items() if value)
    for name, count in status.get("counts", {}).items():
        yield name, f"{count:,}"
    for warning in status.get("warnings", ()):
        yield "warning", warning
    if "failureReason" in status:
        yield "failure", status["failureReason"]


def _parts_table(parts: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("part", "id", "status", "progress"):
        table.add_column(column, overflow="fold")
    for part in parts:
        progress = part.get("progress")
        done = f"{progress['stage']}, {progress['fraction']:.0%}" if progress else ""
        table.add_row(*map(Text, (part["part"], part["id"], part["status"], done)))
    return table


def _outputs(parts: Sequence[Mapping[str, Any]]) -> Table:
    """Return where the parts write; locations are too long for a column among others."""
    table = Table(box=None, show_header=False)
    for part in parts:
        if "outputLocation" in part:
            table.add_row(part["part"], Text(part["outputLocation"], overflow="fold"))
    return table


def _metrics(metrics: Mapping[str, Any], baselines: Mapping[str, Any]) -> Table:
    """Return metrics by split beside those of the trivial competitors."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    rows = {**metrics, **baselines}
    found = {name for values in metrics.values() for name in values}
    names = [name for name in HEADLINES if name in found] or sorted(found)[:4]
    for name in names:
        table.add_column(name, justify="right")
    for row, values in rows.items():
        table.add_row(row, *(_number(values.get(name)) for name in names))
    return table


def answers_page(answer: "Answer", status: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield what `neptuneml learn` prints at its end: the query, its first answers, and the training's metrics."""
    yield Text(answer.query, style="cyan")
    yield answers_table(answer.columns, answer.rows[:MOST_ROWS])
    if len(answer.rows) > MOST_ROWS:
        yield Text(f"… and {len(answer.rows) - MOST_ROWS:,} more")
    for part in status["parts"]:
        if part.get("metrics"):
            yield _metrics(part["metrics"], part.get("baselines", {}))


def print_page(page: Iterable[RenderableType]) -> None:
    """Print a page to stdout; a query stays on one line, however long, so that it can be copied."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    for part in page:
        out.print(part, soft_wrap=isinstance(part, Text))


def moment(millis: int) -> str:
    """Return a time of this machine's clock, such as `2026-11-28 08:30:00`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(millis / 1000))


def quickstart_page(result: "QuickstartResult", *, keep: bool) -> Iterator[RenderableType]:
    """Yield what `neptuneml quickstart` prints at its end."""
    for case in result.cases:
        yield Text(f"\n{case.case.title}", style="bold")
        for answer in case.answers:
            yield Text(answer.query, style="cyan")
            yield answers_table(answer.columns, answer.rows)
        yield metrics_table(case.training)
    yield Text(
        f"{result.seconds:.0f} s in all, peak memory {result.peak_memory_mib:,.0f} MiB (all processes, PSS)"
    )
    yield Text(f"everything is under {result.folder}")
    yield Text(_next_steps(result, keep=keep))


def _next_steps(result: "QuickstartResult", *, keep: bool) -> str:
    if not keep:
        return (
            "\nNext: `neptuneml quickstart --keep` leaves the servers up, to ask them yourself;\n"
            "      `neptuneml plugin` shows how to add the plugin to your own Gremlin Server."
        )
    return (
        f"\nThe servers are up: Gremlin on {result.gremlin_url}, the service on {result.service_url}.\n"
        f"Next: python examples/quickstart.py {result.gremlin_url}\n"
        f"      GREMLIN_PORT={result.gremlin_url.rsplit(':', 1)[1].split('/')[0]} "
        "neptuneml gremlin-console -e examples/quickstart.groovy\n"
        "      or any TinkerPop client of your own. Ctrl-C stops both."
    )


def metrics_table(summary: Summary, title: str | None = None) -> Table:
    """Return the trained model's metrics beside those of its trivial competitors, on the same split."""
    metrics, baselines = summary.metrics or {}, summary.baselines or {}
    split = summary.baselines_split or "valid"
    model = metrics.get(split, {})
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column(f"on {split}")
    names = [name for name in HEADLINES if name in model] or sorted(model)[:4]
    for name in names:
        table.add_column(name, justify="right")
    for row, values in (("this model", model), *baselines.items()):
        style = "bold" if row == "this model" else None
        table.add_row(row, *(_number(values.get(name)) for name in names), style=style)
    return table


def answers_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return answers as a table; numbers have no commas, as integers among them may be ids."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        texts = (_number(cell).replace(",", "") if isinstance(cell, float) else str(cell) for cell in row)
        table.add_row(*map(Text, texts))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
