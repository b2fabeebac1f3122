"""`/metrics`: the service's own figures, and those of its workers (docs/serving.md, Metrics)."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator

import aiohttp
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from neptuneml_plugin.service.endpoints.instances import Instances
from neptuneml_plugin.service.endpoints.record import EndpointRecord
from neptuneml_plugin.service.endpoints.workers import Worker
from neptuneml_plugin.service.jobs.record import JobRecord

#: How long a worker may take to tell its figures; one that is busy for longer is left out this time.
WORKER_SECONDS = 2.0


class _Collected(Collector):
    """Families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self._families


async def gather(groups: Iterable[Instances], client: aiohttp.ClientSession) -> list[str]:
    """Return what the workers that answer say of themselves."""
    asked = [_ask(worker, group.token, client) for group in groups for worker in group.workers]
    return [text for text in await asyncio.gather(*asked) if text]


async def _ask(worker: Worker, token: str, client: aiohttp.ClientSession) -> str:
    running = worker.running
    if running is None:
        return ""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with asyncio.timeout(WORKER_SECONDS):
            async with client.get(f"{running.address}/metrics", headers=headers) as answer:
                return await answer.text() if answer.status == 200 else ""
    except (TimeoutError, aiohttp.ClientError):
        return ""


def render(texts: Iterable[str], own: Iterable[Metric]) -> bytes:
    """Return Prometheus's text: each family once, with the samples of all workers."""
    merged: dict[str, Metric] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            if family.name in merged:
                merged[family.name].samples += family.samples
            else:
                merged[family.name] = family
    registry = CollectorRegistry()
    registry.register(_Collected([*own, *merged.values()]))
    return generate_latest(registry)


def endpoint_families(records: Iterable[EndpointRecord], groups: Iterable[Instances]) -> list[Metric]:
    """Return what the service knows of endpoints."""
    endpoints = GaugeMetricFamily("neptuneml_endpoints", "Endpoints, by state.", labels=["state"])
    for state, count in sorted(Counter(record.status.value for record in records).items()):
        endpoints.add_metric([state], count)
    labels = ["endpoint", "version", "worker"]
    up = GaugeMetricFamily("neptuneml_worker_up", "Whether an instance answers just now.", labels=labels)
    deaths = CounterMetricFamily("neptuneml_worker_deaths", "Processes that ended by themselves.", labels=labels)
    passed = CounterMetricFamily(
        "neptuneml_passed_requests", "Requests by the service's own route.", labels=labels
    )
    hand = GaugeMetricFamily("neptuneml_requests_in_hand", "Requests that were passed on just now.", labels=labels)
    for group in groups:
        for worker in group.workers:
            values = [group.endpoint, group.version, str(worker.number)]
            up.add_metric(values, float(worker.running is not None))
            deaths.add_metric(values, worker.deaths)
            passed.add_metric(values, worker.asked)
            hand.add_metric(values, worker.in_hand)
    return [endpoints, up, deaths, passed, hand]


def job_family(records: Iterable[JobRecord]) -> Metric:
    """Return how many jobs there are of each kind and state."""
    jobs = GaugeMetricFamily("neptuneml_jobs", "Jobs, by kind and state.", labels=["kind", "state"])
    counts = Counter((record.kind.value, record.state.value) for record in records)
    for (kind, state), count in sorted(counts.items()):
        jobs.add_metric([kind, state], count)
    return jobs
