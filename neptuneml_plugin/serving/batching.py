"""Micro-batching across connections: what has queued while the last batch ran is answered together.

The same item gets the same answer alone or in a batch (decision 31), so that callers notice nothing but the time.
Inductive requests bring a neighbourhood each and are answered one by one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np

from neptuneml_plugin import tracing
from neptuneml_plugin.errors import TimeLimitExceeded
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.invocation import Hashes, Invocation, Items
from neptuneml_plugin.serving.predict import Check, Predictor

#: Turns an invocation and its answers into the reply's body.
Render = Callable[[Invocation, Answers | Embeddings], bytes]


class Observer(Protocol):
    """Who is told what batches take."""

    def observe(self, phase: str, seconds: float) -> None:
        """Take note of how long a request waited (`queue`) or was computed (`model`)."""

    def batch(self, items: int) -> None:
        """Take note of how many items were answered together."""


@dataclass(frozen=True)
class _Pending:
    """A request that waits for its answer."""

    invocation: Invocation
    #: By the monotonic clock.
    deadline: float | None
    reply: asyncio.Future[bytes]
    arrival: float = field(default_factory=time.monotonic)
    #: What its phases belong to in a trace.
    trace: Any = field(default_factory=tracing.current)

    @property
    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


class Batcher:
    """Answers the requests of all connections in one thread, as many at once as have queued.

    Args:
        predictor: answers invocations.
        render: writes replies, in the same thread.
        max_batch: items of one batch; a larger request is a batch of its own.
        max_delay_seconds: how long a batch waits for others to join; 0: not at all.
        observer: is told what batches take.
    """

    def __init__(
        self,
        predictor: Predictor,
        render: Render,
        max_batch: int,
        max_delay_seconds: float = 0.0,
        observer: Observer | None = None,
    ) -> None:
        self._predictor, self._render, self._observer = predictor, render, observer
        self._max_batch, self._max_delay_seconds = max_batch, max_delay_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")
        self._pending: deque[_Pending] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def answer(self, invocation: Invocation, deadline: float | None) -> bytes:
        """Return a reply's body; nothing is computed for a caller who gives up before its turn.

        Raises:
            TimeLimitExceeded: the deadline has passed before the turn came.
        """
        pending = _Pending(invocation, deadline, asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="batches")
        return await pending.reply

    def close(self) -> None:
        """Drop what is still queued; what is being computed ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            if self._max_delay_seconds:
                await asyncio.sleep(self._max_delay_seconds)
            batch = self._take()
            if not batch:  # all callers have gone
                return
            results = await loop.run_in_executor(self._thread, self._compute, batch)
            for pending, result in zip(batch, results, strict=True):
                _settle(pending.reply, result)

    def _take(self) -> list[_Pending]:
        """Return the next batch: who waits for longest first, without those whose callers have gone."""
        batch: list[_Pending] = []
        items = 0
        while self._pending:
            if self._pending[0].reply.done():
                self._pending.popleft()
                continue
            items += len(self._pending[0].invocation.items)
            if batch and items > self._max_batch:
                break
            batch.append(self._pending.popleft())
        return batch

    def _compute(self, batch: Sequence[_Pending]) -> list[bytes | Exception]:
        begun = time.monotonic()
        if self._observer is not None:
            self._observer.batch(sum(len(pending.invocation.items) for pending in batch))
            for pending in batch:
                with tracing.within(pending.trace):
                    self._observer.observe("queue", begun - pending.arrival)
        results: dict[int, bytes | Exception] = {}
        for group in _groups(batch):
            results.update(zip(group, self._answer_together([batch[at] for at in group]), strict=True))
        return [results[at] for at in range(len(batch))]

    def _answer_together(self, group: Sequence[_Pending]) -> Iterator[bytes | Exception]:
        """Yield the result of each; where they fail together, each is asked alone, to have an error of its own."""
        if len(group) > 1:
            invocations = [pending.invocation for pending in group]
            try:
                answers = self._predicted(merged(invocations), _check(group), group)
            except Exception:  # noqa: BLE001, S110 - whose it is, the requests tell one by one
                pass
            else:
                if isinstance(answers, Answers):
                    sizes = [len(invocation.items) for invocation in invocations]
                    yield from map(self._rendered, group, split(answers, sizes))
                    return
        for pending in group:
            yield self._answer_alone(pending)

    def _answer_alone(self, pending: _Pending) -> bytes | Exception:
        try:
            check = _check([pending])
            check()
            return self._rendered(pending, self._predicted(pending.invocation, check, [pending]))
        except Exception as error:  # noqa: BLE001 - told to the caller, whose handler knows what to do with it
            return error

    def _predicted(self, invocation: Invocation, check: Check, group: Sequence[_Pending]) -> Answers | Embeddings:
        begun = time.monotonic()
        answers = self._predictor.answer(invocation, check)
        if self._observer is not None:
            for pending in group:
                with tracing.within(pending.trace):
                    self._observer.observe("model", time.monotonic() - begun)
        return answers

    def _rendered(self, pending: _Pending, answers: Answers | Embeddings) -> bytes | Exception:
        try:
            with tracing.within(pending.trace):
                return self._render(pending.invocation, answers)
        except ValueError as error:
            return error


def merged(invocations: Sequence[Invocation]) -> Invocation:
    """Return one invocation for the items of several that ask alike."""
    parts = [invocation.items for invocation in invocations]
    columns = {field.name: [getattr(items, field.name) for items in parts] for field in fields(Items)}
    joined: dict[str, Any] = {
        name: _joined(values) if name.endswith("hashes") else tuple(item for value in values for item in value)
        for name, values in columns.items()
    }
    return replace(invocations[0], items=Items(**joined))


def split(answers: Answers, sizes: Sequence[int]) -> Iterator[Answers]:
    """Yield the answers of each part of a merged invocation, whose items are as many as `sizes` says."""
    ends = np.concatenate([[0], np.cumsum(answers.counts)])
    first = 0
    for size in sizes:
        start, end = int(ends[first]), int(ends[first + size])
        yield Answers(
            counts=answers.counts[first : first + size],
            indices=None if answers.indices is None else answers.indices[start:end],
            classes=answers.classes,
            values=None if answers.values is None else answers.values[start:end],
            ids=None if answers.ids is None else answers.ids[start:end],
            scores=None if answers.scores is None else answers.scores[start:end],
        )
        first += size


#: What does not matter to the answers.
OF_ONE_CALLER: Mapping[str, Any] = {
    "columns": False,
    "packed": False,
    "deadline_seconds": None,
    "request_id": None,
    "artifact_version": None,
}


def _joined(values: Sequence[Hashes | None]) -> Hashes | None:
    given = [value for value in values if value is not None]
    return np.concatenate(given) if given else None


def _groups(batch: Sequence[_Pending]) -> list[list[int]]:
    """Return the positions of those that can be answered together."""
    groups: dict[Hashable, list[int]] = {}
    for at, pending in enumerate(batch):
        key = at if pending.is_late else _alike(pending.invocation, at)
        groups.setdefault(key, []).append(at)
    return list(groups.values())


def _alike(invocation: Invocation, at: int) -> Hashable:
    """Return what invocations have in common that can be answered together."""
    if invocation.is_inductive or not len(invocation.items):
        return at
    columns = (getattr(invocation.items, field.name) for field in fields(Items))
    used = tuple(column is not None and len(column) > 0 for column in columns)
    return used, replace(invocation, items=Items(), **OF_ONE_CALLER)


def _check(group: Sequence[_Pending]) -> Check:
    """Return what raises once nobody in the group waits any more."""
    deadlines = [pending.deadline for pending in group]
    latest = None if None in deadlines else max(deadline for deadline in deadlines if deadline is not None)

    def check() -> None:
        if latest is not None and time.monotonic() >= latest:
            raise TimeLimitExceeded("the deadline of the request has passed")

    return check


def _settle(reply: asyncio.Future[bytes], result: bytes | Exception) -> None:
    if reply.done():  # the caller has gone
        return
    if isinstance(result, Exception):
        reply.set_exception(result)
    else:
        reply.set_result(result)
