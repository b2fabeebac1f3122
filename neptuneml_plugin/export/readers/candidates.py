"""Which elements of a label a request wants, before `skip` and `limit`: all, filtered, or around seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.readers.source import GraphSource
from neptuneml_plugin.export.readers.walk import Walk, walk
from neptuneml_plugin.export.request.gremlin_text import GremlinFilters
from neptuneml_plugin.export.request.request import ExportRequest
from neptuneml_plugin.stage import Progress


class Candidates(Protocol):
    """Chooses elements by id; label after label."""

    def ids(self, element: Element, label: str) -> Sequence[Any] | None:
        """Return the ids of those wanted; None: all."""

    def report(self) -> Mapping[str, Any]:
        """Return what `stats.json` says of the choice."""

    def warnings(self) -> Sequence[str]:
        """Return what a person should know of the choice."""


def candidates(
    source: GraphSource, request: ExportRequest, labels: Mapping[Element, Sequence[str]], progress: Progress
) -> Candidates:
    """Return what a request chooses by.

    Raises:
        InvalidParameter: a label or a seed that the graph does not have; a filter that the server refuses.
    """
    if request.subgraph is not None:
        return _Around(walk(source, request.subgraph, labels, progress))
    return _Filtered(source, request.filters)


class _Filtered:
    """What passes the filters, if there are any."""

    def __init__(self, source: GraphSource, filters: GremlinFilters) -> None:
        self._source = source
        self._steps = {Element.NODE: filters.nodes, Element.EDGE: filters.edges}
        self._warnings: list[str] = []

    def ids(self, element: Element, label: str) -> Sequence[Any] | None:
        steps = self._steps[element]
        if steps is None:
            return None
        found = self._source.filtered(element, label, steps)
        if not found:
            self._warnings.append(f"none of the {element} of '{label}' passes the filter {steps}")
        return found

    def report(self) -> Mapping[str, Any]:
        steps = {str(element): text for element, text in self._steps.items() if text is not None}
        return {"filters": steps} if steps else {}

    def warnings(self) -> Sequence[str]:
        return self._warnings


class _Around:
    """What a walk has reached."""

    def __init__(self, walked: Walk) -> None:
        self._walk = walked

    def ids(self, element: Element, label: str) -> Sequence[Any] | None:
        return (self._walk.vertices if element is Element.NODE else self._walk.edges).get(label, [])

    def report(self) -> Mapping[str, Any]:
        return {"subgraph": self._walk.report()}

    def warnings(self) -> Sequence[str]:
        return ()
