"""A graph behind a Gremlin Server, read by plain Gremlin: bytecode over GraphBinary, no plugin needed.

Ids are listed per label, then read back in blocks by id: linear on every server, and right whatever order it
enumerates in (`g.V().range(a, b)` promises none).
"""

import contextlib
import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from gremlin_python.process.graph_traversal import GraphTraversal, __
from gremlin_python.process.traversal import P

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.block import Block, in_blocks
from neptuneml_plugin.export.consistency import State
from neptuneml_plugin.export.elements import Element, Keys
from neptuneml_plugin.export.readers.connection import Connection
from neptuneml_plugin.export.readers.gremlin_choice import GremlinChoice
from neptuneml_plugin.export.readers.lookup import BATCH_SIZE, ask_for, elements, read_answer
from neptuneml_plugin.export.readers.packed_ids import PackedIds
from neptuneml_plugin.export.readers.parallel import BlockReaders

#: Fewer blocks of a label are read before another process has started.
_BLOCKS_WORTH_A_PROCESS = 20


class GremlinSource(GremlinChoice):
    """Reads a graph through a Gremlin Server; a context manager.

    Args:
        config: where the server is.
        concurrency: processes that read at the same time, at most; never more than there are cores.

    Raises:
        PreconditionsFailed: nothing answers at the URL.
        FailureByQuery: the server went away or refused a query.
        TimeLimitExceeded: one request took longer than `request_timeout_seconds`.
    """

    def __init__(self, config: ExportConfig, concurrency: int = 1) -> None:
        if not config.gremlin.startswith(("ws://", "wss://")):
            raise InvalidParameter(f"gremlin: '{config.gremlin}' must be a URL like ws://host:8182/gremlin")
        if config.block_size < 1:
            raise InvalidParameter(f"block_size: must be at least 1, not {config.block_size}")
        super().__init__(config.block_size)
        self._config = config
        self._labels: dict[Element, list[str]] = {}
        self._open = contextlib.ExitStack()
        self._connection = self._open.enter_context(Connection(config))
        self._readers: BlockReaders | None = None
        self._processes = min(concurrency, os.cpu_count() or 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def labels(self, element: Element) -> list[str]:
        """Return every label as the graph spells it."""
        if element not in self._labels:
            self._labels[element] = self._ask(elements(element).label().dedup())
        return self._labels[element]

    def state(self, element: Element, label: str, keys: Keys) -> State:
        """Return how many elements are of exactly this label now."""
        return State(int(self._ask(self._of(element, label).count())[0]))

    def ids(self, element: Element, label: str) -> Sequence[Any]:
        """Return the ids of the elements of exactly this label."""
        return PackedIds(self._results(self._of(element, label).id_()))

    def blocks(
        self, element: Element, label: str, keys: Keys, ids: Sequence[Any] | None = None
    ) -> Iterator[Block]:
        """Read elements by id, several blocks at a time."""
        if ids is None:
            ids = self.ids(element, label)
        parts = in_blocks(ids, self._config.block_size)
        if self._processes > 1 and len(ids) > _BLOCKS_WORTH_A_PROCESS * self._config.block_size:
            return self._parallel().blocks(element, keys, parts)
        return self._in_turn(element, keys, parts)

    def _in_turn(self, element: Element, keys: Keys, parts: Iterable[Sequence[Any]]) -> Iterator[Block]:
        """Read parts in this process; the server works on the next one while the present one is decoded."""
        with Connection(self._config, is_reached=True) as second:
            waiting: deque[tuple[Connection, Sequence[Any]]] = deque()
            for connection, part in zip(itertools.cycle((self._connection, second)), parts, strict=False):
                ask_for(connection, element, keys, part)
                waiting.append((connection, part))
                if len(waiting) == 2:
                    yield from read_answer(waiting[0][0], element, waiting.popleft()[1])
            for connection, part in waiting:
                yield from read_answer(connection, element, part)

    def _parallel(self) -> BlockReaders:
        if self._readers is None:
            self._readers = self._open.enter_context(BlockReaders(self._config, self._processes))
        return self._readers

    def _of(self, element: Element, label: str) -> GraphTraversal:
        every = elements(element)
        if self._has_joined_labels(element):
            return every.where(__.label().is_(P.eq(label)))
        return every.has_label(label)

    def _ask(self, asked: GraphTraversal | str) -> list[Any]:
        return list(self._results(asked))

    def _results(self, asked: GraphTraversal | str) -> Iterator[Any]:
        return self._connection.ask(asked, BATCH_SIZE)
