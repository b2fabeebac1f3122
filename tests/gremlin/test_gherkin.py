"""Queries without predictions answer with the plugin as without it: TinkerPop's own feature suite."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin import jars
from tests.gherkin_suite import (
    FEATURES,
    GRAPH_COMPUTER,
    LONGEST_SECONDS,
    Outcome,
    Outcomes,
    passed,
    problems,
    read_report,
    run_suite,
)
from tests.java_classes import JavaClasses, compile_java

Compiled = Callable[[str], JavaClasses]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Return a function that gives the suite's classes for a TinkerPop release."""
    folder = tmp_path_factory.mktemp("compiled")
    return cache(lambda tinkerpop: compile_java(folder, tinkerpop, "gherkin"))


@pytest.mark.gherkin
@pytest.mark.timeout(2 * LONGEST_SECONDS)
@pytest.mark.parametrize(("tinkerpop", "scenarios"), [("3.7.5", 1467), ("3.8.1", 2047)])
def test_every_scenario_passes_with_the_plugin_as_without(
    compiled: Compiled, tmp_path: Path, tinkerpop: str, scenarios: int
) -> None:
    def both(turn: str, tag: str | None = None) -> tuple[Outcomes, Outcomes]:
        classes, folder = compiled(tinkerpop), tmp_path / turn
        folder.mkdir()
        with ThreadPoolExecutor() as pool:
            plain = pool.submit(run_suite, classes, folder / "without", plugin=None, expect_plugin=False, tag=tag)
            ours = pool.submit(
                run_suite, classes, folder / "with", plugin=jars.plugin_jar(), expect_plugin=True, tag=tag
            )
            return plain.result(), ours.result()

    without, loaded = both("all")
    # Only a graph computer's scenarios get a second run, so that any other difference stays.
    if problems(without, loaded):
        again, loaded_again = both("graph-computer", GRAPH_COMPUTER)
        without, loaded = {**without, **again}, {**loaded, **loaded_again}
    assert problems(without, loaded) == []
    assert (passed(without), passed(loaded)) == (scenarios, scenarios)


@pytest.mark.gherkin
@pytest.mark.timeout(LONGEST_SECONDS)
@pytest.mark.parametrize("there", [False, True])
def test_a_run_whose_plugin_is_not_as_expected_fails_in_every_scenario(
    compiled: Compiled,
    tmp_path: Path,
    there: bool,  # noqa: FBT001
) -> None:
    outcomes = run_suite(
        compiled(jars.TINKERPOP_VERSION),
        tmp_path / "run",
        plugin=jars.plugin_jar() if there else None,
        expect_plugin=not there,
        features=f"{FEATURES}/filter/Is.feature",
    )
    assert len(outcomes) > 5
    assert {outcome.status for outcome in outcomes.values()} == {"failed"}
    assert all("gherkin.plugin" in outcome.message for outcome in outcomes.values())


@pytest.mark.gherkin
@pytest.mark.timeout(LONGEST_SECONDS)
def test_the_scenarios_of_a_graph_computer_run_alone(compiled: Compiled, tmp_path: Path) -> None:
    outcomes = run_suite(
        compiled(jars.TINKERPOP_VERSION),
        tmp_path / "run",
        plugin=jars.plugin_jar(),
        expect_plugin=True,
        tag=GRAPH_COMPUTER,
    )
    files = {Path(key.partition(":")[0]).stem for key in outcomes}
    assert files >= {"ConnectedComponent", "PageRank", "PeerPressure", "ShortestPath"}
    assert len(outcomes) < 100
    assert passed(outcomes) > 0


PASSED, FAILED = Outcome("passed"), Outcome("failed", "java.lang.AssertionError")
UNSUPPORTED = Outcome("skipped", "org.junit.AssumptionViolatedException: an edge as a parameter")


@pytest.mark.parametrize(
    ("without", "loaded", "found"),
    [
        ({"a": PASSED, "b": UNSUPPORTED}, {"a": PASSED, "b": UNSUPPORTED}, []),
        ({"a": PASSED}, {"a": FAILED}, ["a: without the plugin"]),
        ({"a": FAILED}, {"a": PASSED}, ["a: without the plugin"]),
        ({"a": FAILED}, {"a": Outcome("failed", "another")}, ["a: without the plugin"]),
        ({"a": PASSED, "b": PASSED}, {"a": PASSED}, ["b: without the plugin"]),
        ({"a": PASSED}, {"a": PASSED, "b": PASSED}, ["b: without the plugin"]),
        ({"a": FAILED}, {"a": FAILED}, ["a: Outcome(status='failed'"]),
        ({"a": Outcome("skipped")}, {"a": Outcome("skipped")}, ["a: Outcome(status='skipped'"]),
        ({"a": Outcome("undefined")}, {"a": Outcome("undefined")}, ["a: Outcome(status='undefined'"]),
    ],
)
def test_what_counts_as_a_problem(
    without: dict[str, Outcome], loaded: dict[str, Outcome], found: list[str]
) -> None:
    lines = problems(without, loaded)
    assert len(lines) == len(found)
    assert all(line.startswith(start) for line, start in zip(lines, found, strict=True))


def test_reports_are_read_to_the_first_step_that_did_not_pass() -> None:
    outcomes = read_report(
        [
            {
                "uri": "classpath:org/apache/tinkerpop/gremlin/test/features/map/Map.feature",
                "elements": [
                    {"type": "background", "line": 2, "name": "", "steps": steps("failed")},
                    {"type": "scenario", "line": 3, "name": "all", "steps": steps("passed", "passed")},
                    {"type": "scenario", "line": 9, "name": "late", "steps": steps("passed", "failed", "skipped")},
                    {"type": "scenario", "line": 20, "name": "none", "steps": []},
                    {
                        "type": "scenario",
                        "line": 30,
                        "name": "end",
                        "steps": steps("passed"),
                        "after": steps("failed"),
                    },
                ],
            }
        ]
    )
    assert outcomes == {
        "map/Map.feature:3 all": PASSED,
        "map/Map.feature:9 late": Outcome("failed", "failed here"),
        "map/Map.feature:20 none": Outcome("empty"),
        "map/Map.feature:30 end": Outcome("failed", "failed here"),
    }
    assert passed(outcomes) == 1


def steps(*statuses: str) -> list[dict[str, Any]]:
    return [
        {"result": {"status": status, "error_message": f"{status} here\n\tat Step.java"}} for status in statuses
    ]
