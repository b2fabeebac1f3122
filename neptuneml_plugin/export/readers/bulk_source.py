"""A graph behind a Gremlin Server that has the plugin: whole blocks of columns instead of one map per element."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from gremlin_python.process.graph_traversal import GraphTraversal

from neptuneml_plugin.config import ExportConfig, Reader, Watch
from neptuneml_plugin.errors import FailureByQuery, PreconditionsFailed
from neptuneml_plugin.export.block import Block, in_blocks
from neptuneml_plugin.export.consistency import State
from neptuneml_plugin.export.elements import Element, Keys
from neptuneml_plugin.export.readers.columns import COLUMNS, is_block, read_block, read_state
from neptuneml_plugin.export.readers.gremlin_source import GremlinSource
from neptuneml_plugin.export.readers.lookup import asked, elements
from neptuneml_plugin.export.readers.reach import check_reachable

#: Rows of one block; more gain nothing, fewer let a server sleep more often (docs/readers.md).
_ROWS = 20_000
#: As many rows ask for a fingerprint of all of them instead.
_FINGERPRINT = 0
#: A key that no graph is likely to have.
_NO_PROPERTY = "~"
#: Blocks in one message.
_BATCH_SIZE = 1


class BulkSource(GremlinSource):
    """Reads a graph through the plugin; see `GremlinSource`."""

    def has_plugin(self) -> bool:
        """Whether the server answers in blocks; a server without the plugin ignores the option."""
        return any(
            is_block(found) for found in self._ask(_columns(elements(Element.NODE).limit(1), [_NO_PROPERTY]))
        )

    def state(self, element: Element, label: str, keys: Keys) -> State:
        """Return how many elements are of exactly this label now, and a fingerprint of what is watched of them."""
        compared = keys if self._config.watch is Watch.VALUES else ()
        found = self._of(element, label).value_map(*asked(compared)).with_(COLUMNS, _FINGERPRINT)
        return read_state(next(self._connection.ask(found, _BATCH_SIZE, endless=True)))

    def blocks(
        self, element: Element, label: str, keys: Keys, ids: Sequence[Any] | None = None
    ) -> Iterator[Block]:
        """Read elements as one stream, or by id."""
        if ids is None:
            yield from self._stream(_columns(self._of(element, label), keys))
            return
        for part in in_blocks(ids, _ROWS):
            yield from self._stream(_columns(elements(element, part), keys))

    def _stream(self, traversal: GraphTraversal) -> Iterator[Block]:
        return map(read_block, self._connection.ask(traversal, _BATCH_SIZE, endless=True))


def _columns(found: GraphTraversal, keys: Keys) -> GraphTraversal:
    return found.value_map(*asked(keys)).with_(COLUMNS, _ROWS)


@contextlib.contextmanager
def open_source(config: ExportConfig, concurrency: int) -> Iterator[GremlinSource]:
    """Open the reader that the settings name: `auto` means bulk where the server has the plugin.

    Raises:
        InvalidParameter: no URL of a WebSocket.
        PreconditionsFailed: nothing answers at the URL, or `bulk` is asked of a server without the plugin.
    """
    check_reachable(config.gremlin)
    with BulkSource(config) as bulk:
        if config.reader is Reader.BULK and not bulk.has_plugin():
            raise PreconditionsFailed(
                f"reader: the Gremlin Server at {config.gremlin} has no plugin that sends blocks, or no vertices; "
                "install the plugin (`neptuneml plugin`) or let the reader be 'gremlin'"
            )
        if config.reader is Reader.BULK or (config.reader is Reader.AUTO and _may_be_asked(bulk)):
            yield bulk
            return
    with GremlinSource(config, concurrency) as plain:
        yield plain


def _may_be_asked(bulk: BulkSource) -> bool:
    try:
        return bulk.has_plugin()
    except FailureByQuery:  # a server that refuses options it does not know
        return False
