"""TinkerPop's own Gherkin feature suite on TinkerGraph, in a JVM with or without the plugin."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.java_classes import JavaClasses

FEATURES = "classpath:org/apache/tinkerpop/gremlin/test/features"
#: Tag of the features that run on a graph computer alone. Its workers send their messages in no certain
#: order, which the sums of votes and ranks show in their last digit, so one run may differ from the next.
GRAPH_COMPUTER = "@GraphComputerOnly"
LONGEST_SECONDS = 900.0

_GLUE = "org.apache.tinkerpop.gremlin.features"
_INJECTOR = "io.github.neptuneml.gremlin.gherkin.WorldInjector"
_JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # twice as fast: most of the code runs once
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",  # Kryo
    "--add-opens=java.base/java.lang=ALL-UNNAMED",  # Guice
    "-Dcucumber.publish.quiet=true",
    f"-Dguice.injector-source={_INJECTOR}",
)


@dataclass(frozen=True)
class Outcome:
    """How a scenario ended."""

    #: Cucumber's word: passed, skipped, failed, undefined, pending, ambiguous.
    status: str
    #: Its error's first line.
    message: str = ""

    @property
    def is_unsupported(self) -> bool:
        """Whether the suite itself says that it cannot run this scenario."""
        return self.status == "skipped" and "AssumptionViolatedException" in self.message


#: By feature file, line and name.
Outcomes = Mapping[str, Outcome]


def run_suite(
    classes: JavaClasses,
    folder: Path,
    *,
    plugin: Path | None,
    expect_plugin: bool,
    features: str = FEATURES,
    tag: str | None = None,
) -> Outcomes:
    """Run the features in a new JVM.

    Args:
        classes: the test sources with the profile `gherkin`.
        folder: takes the report, the log and the suite's data files.
        plugin: the plugin's jar, or None to go without.
        expect_plugin: what every scenario checks of its traversal source; fails where it is not so.
        features: which ones, as Cucumber names them.
        tag: only the scenarios that carry it.
    """
    tags = "not @RemoteOnly" + (f" and {tag}" if tag else "")
    folder.mkdir()
    report, log = folder / "report.json", folder / "log"
    command = classes.command(
        *_JVM_OPTIONS,
        f"-Dbuild.dir={folder}",
        f"-Dgherkin.plugin={str(expect_plugin).lower()}",
        "io.cucumber.core.cli.Main",
        *("--glue", _GLUE, "--tags", tags, "--monochrome", "--plugin", f"json:{report}", features),
        plugin=plugin,
    )
    with log.open("wb") as output:
        subprocess.run(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, timeout=LONGEST_SECONDS, check=False
        )
    assert report.exists(), log.read_text(errors="replace")[-5000:]
    return read_report(json.loads(report.read_bytes() or b"[]"))


def read_report(report: list[dict[str, Any]]) -> Outcomes:
    """Return the outcomes that stand in a report of Cucumber's JSON formatter."""
    outcomes: dict[str, Outcome] = {}
    for feature in report:
        file = feature["uri"].rpartition("/features/")[2]
        for scenario in feature["elements"]:
            if scenario["type"] == "scenario":
                key = f"{file}:{scenario['line']} {scenario['name']}"
                assert key not in outcomes, key
                outcomes[key] = _outcome(scenario)
    return outcomes


def _outcome(scenario: dict[str, Any]) -> Outcome:
    steps = [*scenario.get("before", []), *scenario["steps"], *scenario.get("after", [])]
    results = [part["result"] for step in steps for part in (*step.get("before", []), step)]
    for result in results:
        if result["status"] != "passed":
            return Outcome(result["status"], result.get("error_message", "").partition("\n")[0])
    return Outcome("passed" if results else "empty")


def passed(outcomes: Outcomes) -> int:
    """Return the number of scenarios that passed."""
    return sum(outcome.status == "passed" for outcome in outcomes.values())


def problems(without: Outcomes, loaded: Outcomes) -> list[str]:
    """Return, a line each, what differs with the plugin loaded, and what fails with or without it."""
    found = []
    for key in sorted({*without, *loaded}):
        plain, ours = without.get(key), loaded.get(key)
        if plain != ours:
            found.append(f"{key}: without the plugin {plain}, with it {ours}")
        elif plain and plain.status != "passed" and not plain.is_unsupported:
            found.append(f"{key}: {plain}")
    return found
