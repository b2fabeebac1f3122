"""Elements by id, with all their properties, in plain Gremlin."""

from collections.abc import Iterator, Sequence
from typing import Any

from gremlin_python.process.graph_traversal import GraphTraversal, GraphTraversalSource
from gremlin_python.process.traversal import TraversalStrategies, WithOptions
from gremlin_python.structure.graph import Graph

from neptuneml_plugin.export.block import Block, BlockBuilder
from neptuneml_plugin.export.elements import Element, Keys
from neptuneml_plugin.export.readers.connection import Connection
from neptuneml_plugin.export.readers.element_maps import edge_row, vertex_row

#: Results in one message; larger ones gain nothing.
BATCH_SIZE = 256

_g = GraphTraversalSource(Graph(), TraversalStrategies())


def elements(element: Element, ids: Sequence[Any] = ()) -> GraphTraversal:
    """Return the traversal to elements by id; no ids: all."""
    return _g.V(*ids) if element is Element.NODE else _g.E(*ids)


def asked(keys: Keys) -> Sequence[str]:
    """Return the arguments of a step that reads properties: none are all, and no property has an empty key."""
    return () if keys is None else keys or ("",)


def ask_for(connection: Connection, element: Element, keys: Keys, ids: Sequence[Any]) -> None:
    """Ask for elements by id."""
    # Not elementMap for vertices: it keeps one value of a multi-valued property only. For edges it is one step,
    # and as fast as a projection of the same seven members.
    found, names = elements(element, ids), asked(keys)
    is_vertex = element is Element.NODE
    query = found.value_map(*names).with_(WithOptions.tokens) if is_vertex else found.element_map(*names)
    connection.send(query, BATCH_SIZE)


def read_answer(connection: Connection, element: Element, ids: Sequence[Any]) -> Iterator[Block]:
    """Return the elements that were asked for, in the order of their ids, whatever the server's is."""
    rows = list(map(vertex_row if element is Element.NODE else edge_row, connection.results()))
    if [row.id for row in rows] != ids:
        position = {identifier: number for number, identifier in enumerate(ids)}
        rows.sort(key=lambda row: position[row.id])
    builder = BlockBuilder()
    for row in rows:
        builder.add(row)
    return builder.blocks()
