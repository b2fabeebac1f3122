"""Processes that read blocks side by side: decoding is Python's work, and one process uses one core."""

import atexit
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.elements import Element, Keys
from neptuneml_plugin.export.readers.connection import Connection
from neptuneml_plugin.export.readers.lookup import ask_for, read_answer

#: Blocks asked for and not yet taken, per process.
_AHEAD = 2
#: The connection of a reading process.
_connections: list[Connection] = []


class BlockReaders:
    """A pool of processes, each with a connection of its own; a context manager."""

    def __init__(self, config: ExportConfig, processes: int) -> None:
        self._ahead = _AHEAD * processes
        self._pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_connect, initargs=(config,)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def blocks(self, element: Element, keys: Keys, parts: Iterable[Sequence[Any]]) -> Iterator[Block]:
        """Read each part, and return the blocks in the order of the parts."""
        waiting: deque[Future[list[Block]]] = deque()
        try:
            for part in parts:
                waiting.append(self._pool.submit(_read, element, keys, part))
                if len(waiting) > self._ahead:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool:
            raise FailureByQuery(
                "a process that reads the graph ended early, as it does where memory runs out; lower block_size "
                "or params.concurrency"
            ) from None


def _connect(config: ExportConfig) -> None:
    connection = Connection(config, is_reached=True)
    atexit.register(connection.close)
    _connections.append(connection)


def _read(element: Element, keys: Keys, ids: Sequence[Any]) -> list[Block]:
    ask_for(_connections[0], element, keys, ids)
    return list(read_answer(_connections[0], element, ids))
