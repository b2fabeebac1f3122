"""The worker: one process that answers for one endpoint at one artifact version.

`python -m neptuneml_plugin.serving.endpoint` reads its `WorkerConfig` as one line of JSON from stdin (the token
must not be seen in a process list), verifies the artifact, and writes one line of JSON to stdout: `{"address",
"version", "indices"}` when it answers, or `{"code", "message"}` when it cannot. It ends on SIGTERM, and when stdin
closes, as its parent has died then.
"""

import asyncio
import gc
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from aiohttp import web
from prometheus_client import disable_created_metrics

from neptuneml_plugin import tracing
from neptuneml_plugin.artifacts import Manifest
from neptuneml_plugin.config import LogFormat, SharedConfig, WarmUp, WorkerConfig, structure
from neptuneml_plugin.errors import (
    ConstraintViolation,
    NeptuneMLError,
    PreconditionsFailed,
    TimeLimitExceeded,
    TooManyRequests,
)
from neptuneml_plugin.redaction import set_up_logging
from neptuneml_plugin.serving import warmup
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.batching import Batcher
from neptuneml_plugin.serving.cache import AnswerCache
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.invocation import Invocation
from neptuneml_plugin.serving.memory import check_memory, own_bytes, use_one_pool, watch_memory
from neptuneml_plugin.serving.metrics import Metrics
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.paths import create_server
from neptuneml_plugin.serving.plain import read_plain
from neptuneml_plugin.serving.predict import Predictor
from neptuneml_plugin.serving.wire import Reply, load, read_invocation, render_answers, render_reply

SHUTDOWN_SECONDS = 5.0
#: Bodies up to this size are parsed in the event loop, in about a millisecond, which is less than another thread's
#: waking up costs them: never behind a long computation. It holds 10,000 edges by hashes of their ends' ids.
PARSED_IN_LOOP_BYTES = 1 << 18
#: Counted in place of an error's code where the caller has gone.
GONE = "CallerHasGone"

_log = logging.getLogger(__name__)


@dataclass
class _Asked:
    """What is known of a request while it is answered."""

    #: Of the request that was sent, which its reply's header bears.
    request_id: str
    arrival: float
    #: What the caller calls it in its body.
    caller_request_id: str | None = None
    items: int = 0


class Endpoint:
    """A loaded artifact, and who answers from it."""

    def __init__(self, config: WorkerConfig, manifest: Manifest, predictor: Predictor) -> None:
        self.config = config
        self.manifest = manifest
        self._predictor = predictor
        self._cache = AnswerCache(config.cache_mib << 20)
        self._waiting = 0
        self.metrics = self._new_metrics()
        self._batcher = Batcher(predictor, self._render_new, config.max_batch, config.max_delay_us / 1e6, self)

    async def answer(self, body: bytes, request_id: str) -> bytes:
        """Return the reply to an invocation.

        Raises:
            TooManyRequests: the queue is full.
            TimeLimitExceeded: the caller's deadline passed before the answer was ready.
        """
        asked = _Asked(request_id, time.monotonic())
        try:
            reply = await self._answer(body, asked)
        except BaseException as error:
            code = (
                GONE if isinstance(error, asyncio.CancelledError) else getattr(error, "code", NeptuneMLError.code)
            )
            self.metrics.failed(code)
            self._log(asked, code)
            raise
        self.metrics.observe("total", time.monotonic() - asked.arrival)
        self.metrics.answered(asked.items)
        self._log(asked, "OK")
        return reply

    def _log(self, asked: "_Asked", code: str) -> None:
        """Log a request, where logs are for programs."""
        if self.config.log_format is LogFormat.JSON:
            fields = {
                "requestId": asked.request_id,
                "callerRequestId": asked.caller_request_id,
                "endpoint": self.config.endpoint,
                "version": self.manifest.version,
                "worker": self.config.instance,
                "code": code,
                "items": asked.items,
                "seconds": round(time.monotonic() - asked.arrival, 6),
            }
            _log.info("request", extra={"fields": fields})

    async def _answer(self, body: bytes, asked: "_Asked") -> bytes:
        if self._waiting >= self.config.max_queue:
            raise TooManyRequests(f"{self._waiting} requests are waiting for endpoint '{self.config.endpoint}'")
        self._waiting += 1
        try:
            in_loop = len(body) <= PARSED_IN_LOOP_BYTES
            document = load(body) if in_loop else await asyncio.to_thread(load, body)
            looked_up = self._look_up(document, asked)
            if looked_up is not None:
                return looked_up
            invocation = self._read(document) if in_loop else await asyncio.to_thread(self._read, document)
            asked.items, asked.caller_request_id = len(invocation.items), invocation.request_id
            self.metrics.observe("encode", time.monotonic() - asked.arrival)
            if invocation.request_id is None:
                invocation = replace(invocation, request_id=asked.request_id)
            deadline = None if invocation.deadline_seconds is None else asked.arrival + invocation.deadline_seconds
            async with asyncio.timeout_at(deadline):  # the event loop's clock is the monotonic one
                return await self._queue(invocation, deadline)
        except TimeoutError:
            raise TimeLimitExceeded("the deadline of the request has passed") from None
        finally:
            self._waiting -= 1

    def _look_up(self, document: Mapping[str, Any], asked: "_Asked") -> bytes | None:
        """Return the reply to what takes no computing, None where it may."""
        request = read_plain(document)
        if request is None:
            return None
        self._check_version(request.artifact_version)
        answers = self._predictor.look_up(request)
        if answers is None:
            return None
        asked.items, asked.caller_request_id = len(request.names), request.request_id
        self.metrics.observe("encode", time.monotonic() - asked.arrival)
        request_id = request.request_id or asked.request_id
        return render_answers(self.config.endpoint, self.manifest.version, request_id, answers)

    def close(self) -> None:
        """Drop what is still queued; what is being computed ends by itself."""
        self._batcher.close()

    async def _queue(self, invocation: Invocation, deadline: float | None) -> bytes:
        """Return the reply to what was asked before; else have it computed in turn.

        The first inductive request imports torch, which takes seconds: in another thread, so that those that need
        no torch are answered meanwhile.
        """
        if invocation.is_inductive and not self._predictor.live.is_loaded:
            await asyncio.to_thread(self.load)
        if self._cache.takes(invocation):
            kept = self._cache.get(invocation)
            self.metrics.cached(hit=kept is not None)
            if kept is not None:
                return self._render(invocation, kept)
        return await self._batcher.answer(invocation, deadline)

    def load(self) -> None:
        """Load the model; what stays with it for good, the collector need not look at again and again."""
        self._predictor.live.load()
        gc.collect()
        gc.freeze()

    async def warm_up(self, address: str) -> None:
        """Answer requests of this worker's own; what they took is not counted.

        Raises:
            UnsupportedOperation: the model cannot be loaded, as is wished.
        """
        wanted, artifact = self.config.warm_up, self.config.artifact
        if wanted is WarmUp.NONE:
            return
        bodies = await asyncio.to_thread(warmup.stored, artifact, self.manifest)
        if wanted is WarmUp.INDUCTIVE:
            await asyncio.to_thread(self.load)
            bodies += await asyncio.to_thread(warmup.inductive, artifact, self.manifest)
        await warmup.warm_up(address, self.config.token, bodies)
        self._cache.clear()
        self.metrics = self._new_metrics()

    def observe(self, phase: str, seconds: float) -> None:
        """See `batching.Observer`."""
        self.metrics.observe(phase, seconds)

    def batch(self, items: int) -> None:
        """See `batching.Observer`."""
        self.metrics.batch(items)

    def _new_metrics(self) -> Metrics:
        metrics = Metrics(self.config.endpoint, self.manifest.version, self.config.instance)
        metrics.gauge("neptuneml_waiting_requests", "Requests that wait for their answers.", lambda: self._waiting)
        metrics.gauge("neptuneml_cache_bytes", "Size of the cache.", lambda: self._cache.size_bytes)
        metrics.gauge("neptuneml_memory_bytes", "Memory of the worker for itself alone.", own_bytes)
        return metrics

    def _read(self, document: Mapping[str, Any]) -> Invocation:
        invocation = read_invocation(document)
        self._check_version(invocation.artifact_version)
        return invocation

    def _check_version(self, wanted: str | None) -> None:
        version = self.manifest.version
        if wanted not in (None, version):
            raise ConstraintViolation(
                f"the request is pinned to version {wanted} of endpoint '{self.config.endpoint}', this worker has "
                f"{version}; ask the service again"
            )

    def _render_new(self, invocation: Invocation, answers: Answers | Embeddings) -> bytes:
        if isinstance(answers, Answers) and self._cache.takes(invocation):
            self._cache.put(invocation, answers)
        return self._render(invocation, answers)

    def _render(self, invocation: Invocation, answers: Answers | Embeddings) -> bytes:
        begun = time.monotonic()
        reply = render_reply(
            Reply(
                self.config.endpoint,
                self.manifest.version,
                invocation.request_id or "",
                answers,
                columns=invocation.columns,
                packed=invocation.packed,
            )
        )
        self.metrics.observe("decode", time.monotonic() - begun)
        return reply


async def serve(config: WorkerConfig) -> None:
    """Open the artifact, answer until SIGTERM or until stdin closes.

    Raises:
        InvalidData: the artifact cannot be served.
        MemoryLimitExceeded: it needs more memory than the worker may take.
        PreconditionsFailed: the port is taken.
    """
    if config.memory_mib:
        use_one_pool()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    transport, _ = await loop.connect_read_pipe(lambda: ParentWatch(stop), sys.stdin)
    manifest, predictor = await asyncio.to_thread(
        open_predictor, config.artifact, config.new_node_vectors, config.index, config.indices
    )
    endpoint = Endpoint(config, manifest, predictor)
    runner = web.ServerRunner(create_server(endpoint), shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, config)
        check_memory(config)
        await endpoint.warm_up(_address(runner, config.host))
        indices = [asdict(index) for index in predictor.indices]
        report({"address": _address(runner, config.host), "version": manifest.version, "indices": indices})
        watch = asyncio.create_task(watch_memory(config, stop))
        await stop.wait()
        watch.cancel()
    finally:
        await runner.cleanup()
        endpoint.close()
        transport.close()


class ParentWatch(asyncio.Protocol):
    """Notices that stdin has closed."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the worker: nobody is left who would."""
        self._stop.set()


async def _listen(runner: web.ServerRunner, config: WorkerConfig) -> None:
    try:
        await web.TCPSite(runner, config.host, config.port).start()
    except OSError as error:
        raise PreconditionsFailed(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from None


def _address(runner: web.ServerRunner, host: str) -> str:
    port = runner.addresses[0][1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def report(line: dict[str, Any]) -> None:
    """Tell who has started the process how it went."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


AnyConfig = TypeVar("AnyConfig", WorkerConfig, SharedConfig)


def run_process(kind: type[AnyConfig], serve: Callable[[AnyConfig], Coroutine[Any, Any, None]]) -> int:
    """Run the worker that stdin describes; return its exit code."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        # Unbuffered, so that what follows the line stays in the pipe for `ParentWatch`.
        with open(0, "rb", buffering=0, closefd=False) as stdin:
            settings = json.loads(stdin.readline())
        config = structure(kind, settings, "stdin")
        set_up_logging(
            "worker", [config.token] if config.token else [], as_json=config.log_format is LogFormat.JSON
        )
        tracing.set_up("neptuneml-worker")
        asyncio.run(serve(config))
    except NeptuneMLError as error:
        report({"code": error.code, "message": str(error)})
        return error.exit_code
    except ValueError as error:
        report({"code": "InvalidParameterException", "message": f"stdin does not hold a JSON line: {error}"})
        return 2
    finally:
        tracing.shut_down()
    return 0


if __name__ == "__main__":
    sys.exit(run_process(WorkerConfig, serve))
