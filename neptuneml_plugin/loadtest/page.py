"""What a load test leaves behind: `loadtest.json`, and `loadtest.html`, one page without anything to fetch."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neptuneml_plugin.charts import Lines, Series
from neptuneml_plugin.loadtest.choosing import HOLDS_WITHIN, Confirmation, Row
from neptuneml_plugin.loadtest.figures import Step
from neptuneml_plugin.loadtest.run import Result, Settings, Subject
from neptuneml_plugin.report import Bars, Notes, Page, Section, Table, render
from neptuneml_plugin.stage import write_json, write_text

DOCUMENT = "loadtest.json"
PAGE = "loadtest.html"
COLUMNS = (
    "configuration", "users", "requests/s", "± %", "p50 ms", "p95 ms", "p99 ms", "mean batch", "errors", "needed",
    "",
)  # fmt: skip
RECOMMENDED = "recommended"
CAPTION = "± %: half the way from slowest to fastest turn; needed: instances for the wanted rate"

NOTHING_FITS = "No configuration is within the limits; ask for less, or with fewer users."

#: From here on a time is told in minutes.
_MINUTES_FROM = 120.0

Cells = tuple[str | int | float | None, ...]


def write_result(folder: Path, result: Result) -> None:
    """Write both files."""
    write_json(folder / DOCUMENT, document(result))
    write_text(folder / PAGE, render(page(result)))


def document(result: Result) -> dict[str, Any]:
    """Return the result in JSON's types."""
    settings, confirmation = result.settings, result.confirmation
    return {
        "subject": result.subject,
        "load": asdict(settings.load),
        "turns": settings.turns,
        "wanted": asdict(settings.wanted),
        "rows": [_row(each) | {"recommended": each is result.chosen} for each in result.rows],
        "confirmation": None if confirmation is None else _confirmation(confirmation),
    }


def _row(row: Row) -> dict[str, Any]:
    measurement = row.measurement
    configuration = measurement.configuration
    return {
        "configuration": None if configuration is None else configuration.said(),
        "instances": measurement.instances,
        "fits": row.fits,
        "problem": row.problem,
        "instances_needed": row.needed,
        "stopped": measurement.stopped,
        "mean_batch": measurement.mean_batch,
        **_step(row.step),
        "steps": [_step(each) for each in measurement.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return asdict(step) | {"rate": step.rate, "spread": step.spread}


def _confirmation(confirmation: Confirmation) -> dict[str, Any]:
    return {
        "predicted_rate": confirmation.predicted.rate,
        "difference": confirmation.difference,
        "holds": confirmation.holds,
        **_step(confirmation.measured),
    }


def cells(row: Row, chosen: Row | None) -> Cells:
    """Return a line of the table, under `COLUMNS`."""
    step, measurement = row.step, row.measurement
    errors = ", ".join(f"{count:,} {code}" for code, count in step.errors.items()) or "none"
    mark = RECOMMENDED if row is chosen and measurement.configuration is not None else row.problem or ""
    spread = None if step.spread is None else 100 * step.spread
    latencies = (step.p50_ms, step.p95_ms, step.p99_ms)
    figures = (step.users, step.rate, spread, *latencies, measurement.mean_batch)
    return (measurement.name, *figures, errors, row.needed, mark)


def planned(subject: Subject, settings: Settings) -> str:
    """Return a sentence on what is about to be done, and how long it takes."""
    count, turns = len(subject.variants), f"{_turns(settings.turns)} of {settings.load.seconds:g} s"
    seconds = settings.seconds(subject)
    whole = f"{seconds:.0f} s at most" if seconds < _MINUTES_FROM else f"{seconds / 60:.0f} minutes at most"
    if subject.addresses:
        return f"As served: {turns}; {whole}."
    what = "1 configuration" if count == 1 else f"{count} configurations"
    again = f", then the recommended one again, {settings.confirm_seconds:g} s a turn"
    return (
        f"{what}: {turns}{again if settings.confirm_seconds else ''}; {whole}, and the time workers take to start."
    )


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"


def remarks(result: Result) -> list[str]:
    """Return what there is to say beside the table."""
    said = [
        f"{row.measurement.name}: stopped, {row.measurement.stopped}"
        for row in result.rows
        if row.measurement.stopped is not None
    ]
    if result.chosen is None:
        return said
    if result.chosen.needed is not None and not result.chosen.is_enough:
        said.append(
            f"No configuration was seen to give {result.settings.wanted.rps:,g} requests a second: "
            f"{result.chosen.needed} instances do if each gives as much as those measured, on cores of its own."
        )
    spread = result.chosen.step.spread
    if spread is not None and spread > HOLDS_WITHIN:
        said.append(
            f"Its turns differ by ±{spread:.0%}: the machine gave now more, now less. Take the figures as rough, "
            "or repeat with more --turns, or on a quiet machine."
        )
    if result.confirmation is not None:
        said.append(confirmed(result.confirmation))
    return said


def confirmed(confirmation: Confirmation) -> str:
    """Return a sentence on how the recommendation did when it was measured again."""
    predicted, measured = confirmation.predicted, confirmation.measured
    within = f"within {HOLDS_WITHIN:.0%}"
    verdict = (
        f"it holds {within}"
        if confirmation.holds
        else f"it does not hold {within}: repeat with more --turns, longer, or on a quiet machine"
    )
    return (
        f"The recommended one again: {_rate(measured)} requests a second, predicted {_rate(predicted)} "
        f"({confirmation.difference:+.0%}); p99 {_ms(measured.p99_ms)}, before {_ms(predicted.p99_ms)}; {verdict}."
    )


def _rate(step: Step) -> str:
    return f"{step.rate:,.0f}" if step.spread is None else f"{step.rate:,.0f} ±{step.spread:.0%}"


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f} ms"


def page(result: Result) -> Page:
    """Return the report."""
    load, wanted = result.settings.load, result.settings.wanted
    facts = (
        ("users", load.users),
        ("turns", result.settings.turns),
        ("seconds of a turn", load.seconds),
        ("wanted requests/s", wanted.rps),
        ("wanted p99 ms", wanted.p99_ms),
        ("recommended", None if result.chosen is None else result.chosen.measurement.name),
    )
    table = Table(COLUMNS, tuple(cells(row, result.chosen) for row in result.rows), CAPTION)
    bars = (
        Bars(tuple((row.measurement.name, row.step.rate) for row in result.rows), "requests a second"),
        Bars(tuple((row.measurement.name, row.step.p99_ms or 0.0) for row in result.rows), "p99, ms"),
    )
    notes = remarks(result) if result.chosen is not None else [*remarks(result), NOTHING_FITS]
    sections = [
        Section("Recommendation", (table, Notes(tuple(notes)))),
        Section("By configuration", bars),
    ]
    if any(len(row.measurement.steps) > 1 for row in result.rows):
        sections.append(Section("As users came", _curves(result)))
    return Page(f"Load test of {result.subject}", facts, tuple(sections))


def _drawn(value: float | None) -> float:
    return math.nan if value is None else value  # charts leave out what is not finite


def _curves(result: Result) -> tuple[Lines, Lines]:
    def lines(caption: str, value: Callable[[Step], float | None]) -> Lines:
        series = [
            Series(
                row.measurement.name,
                tuple((float(step.users), _drawn(value(step))) for step in row.measurement.steps),
            )
            for row in result.rows
        ]
        return Lines(tuple(series), x="users", y=caption, caption=caption)

    return lines("requests a second", lambda step: step.rate), lines("p99, ms", lambda step: step.p99_ms)
