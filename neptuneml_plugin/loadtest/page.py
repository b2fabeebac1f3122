"""What a load test leaves behind: `loadtest.json`, and `loadtest.html`, one page without anything to fetch."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neptuneml_plugin.charts import Lines, Series
from neptuneml_plugin.loadtest.choosing import Confirmation, Row
from neptuneml_plugin.loadtest.figures import Step
from neptuneml_plugin.loadtest.run import Result
from neptuneml_plugin.report import Bars, Notes, Page, Section, Table, render
from neptuneml_plugin.stage import write_json, write_text

DOCUMENT = "loadtest.json"
PAGE = "loadtest.html"
COLUMNS = (
    "configuration", "users", "requests/s", "p50 ms", "p95 ms", "p99 ms", "mean batch", "errors", "needed", ""
)  # fmt: skip
RECOMMENDED = "recommended"

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
        "instances_needed": row.needed,
        "stopped": measurement.stopped,
        "mean_batch": measurement.mean_batch,
        **_step(row.step),
        "steps": [_step(each) for each in measurement.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return asdict(step) | {"rate": step.rate}


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
    mark = RECOMMENDED if row is chosen else "" if row.fits else "not within the limits"
    latencies = (step.p50_ms, step.p95_ms, step.p99_ms)
    head = (measurement.name, step.users, step.rate, *latencies, measurement.mean_batch, errors, row.needed)
    return (*head, mark)


def remarks(result: Result) -> list[str]:
    """Return what there is to say beside the table."""
    said = [
        f"{row.measurement.name}: stopped, {row.measurement.stopped}"
        for row in result.rows
        if row.measurement.stopped is not None
    ]
    if result.chosen is None:
        return [*said, "No configuration is within the limits, so that none is recommended."]
    if result.chosen.needed is not None and not result.chosen.is_enough:
        said.append(
            f"No configuration was seen to give {result.settings.wanted.rps:,g} requests a second: "
            f"{result.chosen.needed} instances do if each gives as much as those measured, on cores of its own."
        )
    if result.confirmation is not None:
        said.append(confirmed(result.confirmation))
    return said


def confirmed(confirmation: Confirmation) -> str:
    """Return a sentence on how the recommendation did when it was measured again."""
    predicted, measured = confirmation.predicted, confirmation.measured
    verdict = (
        "it holds" if confirmation.holds else "it does not hold within 15 %: repeat, longer or on a quiet machine"
    )
    return (
        f"The recommended one again: {measured.rate:,.0f} requests a second, predicted {predicted.rate:,.0f} "
        f"({confirmation.difference:+.0%}); p99 {_ms(measured.p99_ms)}, before {_ms(predicted.p99_ms)}; {verdict}."
    )


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f} ms"


def page(result: Result) -> Page:
    """Return the report."""
    load, wanted = result.settings.load, result.settings.wanted
    facts = (
        ("users", load.users),
        ("seconds each", load.duration_seconds),
        ("wanted requests/s", wanted.rps),
        ("wanted p99 ms", wanted.p99_ms),
        ("recommended", None if result.chosen is None else result.chosen.measurement.name),
    )
    table = Table(
        COLUMNS, tuple(cells(row, result.chosen) for row in result.rows), "needed: instances for the wanted rate"
    )
    bars = (
        Bars(tuple((row.measurement.name, row.step.rate) for row in result.rows), "requests a second"),
        Bars(tuple((row.measurement.name, row.step.p99_ms or 0.0) for row in result.rows), "p99, ms"),
    )
    sections = [
        Section("Recommendation", (table, Notes(tuple(remarks(result))))),
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
