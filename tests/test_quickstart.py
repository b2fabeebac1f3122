"""The main job end to end: what `neptuneml quickstart` prints, where it writes, and what it leaves running."""

import re
import signal
from pathlib import Path

import pytest

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.client import ServiceClient
from tests.quickstart_stack import LONGEST_SECONDS, QuickstartStack, quickstart_process
from tests.running_service import eventually

pytestmark = [pytest.mark.quickstart, pytest.mark.timeout(LONGEST_SECONDS + 200)]

COUNTRY = "an airport's country"
DISTANCE = "a route's distance"
ROUTES = "routes that an airport does not have yet"


def test_countries_beat_what_an_airport_says_of_itself(quickstart_stack: QuickstartStack) -> None:
    training = quickstart_stack.training("airport-country")
    accuracy = training.best.metrics["test"]["acc"]
    assert training.baselines_split == "test"
    assert accuracy >= 0.60
    assert accuracy >= 1.5 * training.baselines["own_features"]["acc"]


def test_distances_err_half_as_much_as_the_mean(quickstart_stack: QuickstartStack) -> None:
    training = quickstart_stack.training("route-distance")
    assert training.baselines_split == "test"
    assert training.best.metrics["test"]["rmse"] <= 0.5 * training.baselines["mean"]["rmse"]


def test_routes_beat_popularity(quickstart_stack: QuickstartStack) -> None:
    training = quickstart_stack.training("airport-routes")
    assert training.baselines_split == "test"
    assert training.best.metrics["test"]["mrr"] > training.baselines["popularity"]["mrr"]


@pytest.mark.parametrize(
    ("title", "case", "metric", "competitors"),
    [
        (COUNTRY, "airport-country", "acc", {"majority", "own_features", "neighbours"}),
        (DISTANCE, "route-distance", "rmse", {"mean"}),
        (ROUTES, "airport-routes", "mrr", {"popularity"}),
    ],
)
def test_each_metric_is_printed_beside_its_trivial_competitors(
    quickstart_stack: QuickstartStack, title: str, case: str, metric: str, competitors: set[str]
) -> None:
    training = quickstart_stack.training(case)
    printed = metrics_table(quickstart_stack.section(title))
    assert competitors <= set(printed)
    known = {"this model": training.best.metrics["test"], **training.baselines}
    for row, values in printed.items():
        assert values[metric] == pytest.approx(known[row][metric], rel=0.01, abs=0.0006), row


def test_queries_answers_and_the_truth_are_printed(quickstart_stack: QuickstartStack) -> None:
    country, distance, routes = map(quickstart_stack.section, (COUNTRY, DISTANCE, ROUTES))
    assert "g.with('Neptune#ml.endpoint','airport-country')" in country
    rows = [line.split() for line in country.splitlines()]
    predicted = [row for row in rows if len(row) == 3 and all(map(str.isupper, row))]
    assert ["airport", "truth", "predicted"] in rows
    assert len(predicted) >= 5
    ranked = [row for row in rows if len(row) == 2 and row[0] in ("country", "Neptune#ml.score")]
    assert [row[0] for row in ranked] == ["country", "Neptune#ml.score"] * 3

    assert "g.with('Neptune#ml.endpoint','route-distance')" in distance
    assert ["from", "to", "truth", "predicted"] in [line.split() for line in distance.splitlines()]
    assert len(re.findall(r"^\s+[A-Z]{3}\s+[A-Z]{3}\s+[\d,.]+\s+[\d,.]+\s*$", distance, re.MULTILINE)) >= 5

    assert "Neptune#ml.filterExistingEdges" in routes
    assert ["to", "airport", "truth"] in [line.split() for line in routes.splitlines()]
    hits = re.findall(r"^\s+[A-Z]{3}\s+\S.*\s([01])\s*$", routes, re.MULTILINE)
    assert "1" in hits, "a suggestion that is a held-out route"
    scores = [float(text) for text in re.findall(r"^\s+\S.*\s(0\.\d{3}|1\.000)\s*$", routes, re.MULTILINE)[:5]]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


def test_peak_memory_is_printed_and_below_3_gib(quickstart_stack: QuickstartStack) -> None:
    found = re.search(r"peak memory ([\d,]+) MiB \(all processes, PSS\)", quickstart_stack.page)
    assert found
    assert 500 < int(found[1].replace(",", "")) < 3072


def test_everything_is_under_the_data_root(quickstart_stack: QuickstartStack) -> None:
    assert list(quickstart_stack.home.iterdir()) == []
    assert list(quickstart_stack.folder.iterdir()) == []
    assert {path.name for path in quickstart_stack.data_root.iterdir()} >= {"jars", "gremlin-server", "quickstart"}


def test_the_servers_stay_up_on_the_printed_addresses(quickstart_stack: QuickstartStack) -> None:
    names = set(ServiceClient(quickstart_stack.service_url).list_endpoints())
    assert names == {"airport-country", "route-distance", "airport-routes"}
    assert not gremlin_server.is_free(quickstart_stack.port)
    assert f"examples/quickstart.py {quickstart_stack.gremlin_url}" in quickstart_stack.page


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_run_that_is_ended_while_it_trains_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    with quickstart_process(tmp_path) as quickstart:
        quickstart.read_until("airport-country: process")
        log = quickstart.data_root / "quickstart" / "airport-country" / "train.log"
        eventually(lambda: log.is_file() and "epoch" in log.read_text())
        tree = quickstart.tree()
        assert len(tree) >= 4, "the Gremlin Server, the service, a training, and the quickstart itself"
        if how is signal.SIGINT:
            quickstart.interrupt()
        else:
            quickstart.process.send_signal(how)
        assert quickstart.leaves_nothing(tree) == 130
        assert list(quickstart.home.iterdir()) == []
        assert not list(log.parent.glob(".*")), "nothing half-written"


def metrics_table(section: str) -> dict[str, dict[str, float]]:
    """Return the printed rows of a section's metrics: name -> metric -> value."""
    lines = section.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:2] == ["on", "test"])
    names = lines[start].split()[2:]
    rows: dict[str, dict[str, float]] = {}
    for line in lines[start + 2 :]:
        cells = re.split(r"\s{2,}", line.strip())
        if len(cells) != len(names) + 1:
            break
        shown = zip(names, cells[1:], strict=True)
        rows[cells[0]] = {name: float(cell.replace(",", "")) for name, cell in shown if cell != "-"}
    return rows
