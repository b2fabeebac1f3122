"""The benchmarks of the management API and the gateway measure what they say, on a small scale."""

import asyncio
from pathlib import Path

import pytest

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.benchmarks import gateway
from tests.benchmarks.api import NOTHING, latencies, percentiles, prepared, queue
from tests.running_service import running_service


def test_calls_are_answered_while_two_trainings_run(tmp_path: Path) -> None:
    with running_service(prepared(tmp_path / "root", items=200)) as service:
        figures = asyncio.run(latencies(service, 40))
    assert figures[0]["call"] == NOTHING
    assert len(figures) >= 6
    for figure in figures:
        for when in ("idle", "two trainings"):
            assert 0 < figure[when]["p50_ms"] <= figure[when]["p99_ms"] <= figure[when]["max_ms"]


def test_a_queue_of_exports_runs_out_in_order(tmp_path: Path, server_data_root: Path) -> None:
    settings = GremlinServerConfig(server_data_root, "modern", port=0)
    with (
        gremlin_server.running_server(settings) as server,
        running_service(tmp_path / "root", gremlin=server.url, parallel_jobs=1) as service,
    ):
        figure = queue(service, 4)
        ways = gateway.measure(server.url, service, 10)
    assert (figure["exports"], figure["succeeded"], figure["in order"]) == (4, 4, True)
    assert abs(figure["rss_after_mib"] - figure["rss_before_mib"]) < 20
    assert set(ways) == {"gremlin-python", "gremlin-python through the service", "POST /gremlin"}
    assert all(0 < way["p50_ms"] <= way["p99_ms"] for way in ways.values())


@pytest.mark.parametrize(("milliseconds", "expected"), [([1.0], (1, 1, 1)), (list(range(101)), (50, 99, 100))])
def test_percentiles(milliseconds: list[float], expected: tuple[float, float, float]) -> None:
    assert tuple(percentiles(milliseconds).values()) == expected
