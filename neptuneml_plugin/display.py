"""What the command line shows: progress, and the tables of a summary and of answers."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from neptuneml_plugin.stage import Progress, Summary

if TYPE_CHECKING:
    from neptuneml_plugin.quickstart import QuickstartResult

#: The metrics shown first, where a task has them.
HEADLINES = ("acc", "f1_macro", "f1_micro", "rmse", "mae", "r2", "mrr", "hits@10")


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
    """Return answers as a table."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_number(cell) if isinstance(cell, float) else Text(str(cell)) for cell in row))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
