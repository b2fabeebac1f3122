"""What a worker counts and measures, for Prometheus (docs/serving.md, Metrics)."""

import itertools
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from neptuneml_plugin import tracing

#: Seconds; from a look-up to a large batch.
SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
#: What becomes of a request, in this order: read, waiting for its batch, predicted, written; and all of it.
PHASES = ("encode", "queue", "model", "decode", "total")
_LABELS = ("endpoint", "version", "worker")


class Histogram:
    """How often values fell into each of some buckets; for several threads.

    Prometheus's own takes twice as long to observe one, and more for later buckets, which a look-up notices.

    Args:
        bounds: the buckets' upper ends, ascending; what is larger has a bucket of its own.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(map(float, bounds))
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Count a value."""
        at = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[at] += 1
            self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Add what has been counted to what Prometheus is told."""
        with self._lock:
            cumulative, total = itertools.accumulate(self._counts.copy()), self._sum
        names = [*map(str, self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(names, cumulative, strict=True)), total)


class Metrics(Collector):
    """The figures of one worker.

    Args:
        endpoint: the endpoint's id.
        version: of the artifact.
        instance: the worker's number among those of the version.
    """

    def __init__(self, endpoint: str, version: str, instance: int) -> None:
        self.registry = CollectorRegistry()
        self._values = (endpoint, version, str(instance))
        self._seconds = {phase: Histogram(SECONDS) for phase in PHASES}
        self._batch_items = Histogram(ITEMS)
        self._requests = Counter({"OK": 0})
        self._items = 0
        self._cached = Counter({"hit": 0, "miss": 0})
        self.registry.register(self)

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Add a figure that is looked up when it is asked for."""
        Gauge(name, help_text, _LABELS, registry=self.registry).labels(*self._values).set_function(value)

    def observe(self, phase: str, seconds: float) -> None:
        """Count the time that a request took for one of `PHASES`."""
        self._seconds[phase].observe(seconds)
        if phase != "total":  # which is the request's own span
            tracing.phase(phase, seconds)

    def batch(self, items: int) -> None:
        """Count a batch."""
        self._batch_items.observe(items)

    def answered(self, items: int) -> None:
        """Count a request that was answered; in the event loop, as all that follow."""
        self._requests["OK"] += 1
        self._items += items

    def failed(self, code: str) -> None:
        """Count a request that failed, by the code of its error."""
        self._requests[code] += 1

    def cached(self, *, hit: bool) -> None:
        """Count a look into the cache."""
        self._cached["hit" if hit else "miss"] += 1

    def text(self) -> bytes:
        """Return all figures in Prometheus's text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted, for the registry."""
        seconds = HistogramMetricFamily(
            "neptuneml_request_seconds", "Time of a request, by phase.", labels=(*_LABELS, "phase")
        )
        for phase, histogram in self._seconds.items():
            histogram.add_to(seconds, (*self._values, phase))
        yield seconds
        batches = HistogramMetricFamily(
            "neptuneml_batch_items", "Items that were answered together.", labels=_LABELS
        )
        self._batch_items.add_to(batches, self._values)
        yield batches
        yield self._counter("neptuneml_requests", "Requests, by OK or the error's code.", "code", self._requests)
        items = CounterMetricFamily("neptuneml_items", "Items that were answered.", labels=_LABELS)
        items.add_metric(self._values, self._items)
        yield items
        yield self._counter(
            "neptuneml_cache_requests", "Requests that the cache was asked for.", "result", self._cached
        )

    def _counter(self, name: str, help_text: str, label: str, counts: Counter[str]) -> CounterMetricFamily:
        family = CounterMetricFamily(name, help_text, labels=(*_LABELS, label))
        for value, count in counts.items():
            family.add_metric((*self._values, value), count)
        return family
