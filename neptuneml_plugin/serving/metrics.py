"""What a worker counts and measures, for Prometheus (docs/serving.md, Metrics)."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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


class Metrics:
    """The figures of one worker.

    Args:
        endpoint: the endpoint's id.
        version: of the artifact.
        instance: the worker's number among those of the version.
    """

    def __init__(self, endpoint: str, version: str, instance: int) -> None:
        self.registry = CollectorRegistry()
        self._values = (endpoint, version, str(instance))
        seconds = self._histogram("neptuneml_request_seconds", "Time of a request, by phase.", SECONDS, "phase")
        self._seconds = {phase: seconds.labels(*self._values, phase) for phase in PHASES}
        batches = self._histogram("neptuneml_batch_items", "Items that were answered together.", ITEMS)
        self._batch_items = batches.labels(*self._values)
        self._requests = self._counter("neptuneml_requests", "Requests, by OK or the error's code.", "code")
        self._answered = self._requests.labels(*self._values, "OK")
        self._items = self._counter("neptuneml_items", "Items that were answered.").labels(*self._values)
        cache = self._counter("neptuneml_cache_requests", "Requests that the cache was asked for.", "result")
        self._hits, self._misses = (cache.labels(*self._values, result) for result in ("hit", "miss"))

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Add a figure that is looked up when it is asked for."""
        Gauge(name, help_text, _LABELS, registry=self.registry).labels(*self._values).set_function(value)

    def observe(self, phase: str, seconds: float) -> None:
        """Count the time that a request took for one of `PHASES`."""
        self._seconds[phase].observe(seconds)

    def batch(self, items: int) -> None:
        """Count a batch."""
        self._batch_items.observe(items)

    def answered(self, items: int) -> None:
        """Count a request that was answered."""
        self._answered.inc()
        self._items.inc(items)

    def failed(self, code: str) -> None:
        """Count a request that failed, by the code of its error."""
        self._requests.labels(*self._values, code).inc()

    def cached(self, *, hit: bool) -> None:
        """Count a look into the cache."""
        (self._hits if hit else self._misses).inc()

    def text(self) -> bytes:
        """Return all figures in Prometheus's text format."""
        return generate_latest(self.registry)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *more: str) -> Histogram:
        return Histogram(name, help_text, (*_LABELS, *more), buckets=buckets, registry=self.registry)

    def _counter(self, name: str, help_text: str, *more: str) -> Counter:
        return Counter(name, help_text, (*_LABELS, *more), registry=self.registry)
