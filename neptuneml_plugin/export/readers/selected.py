"""Reads what a request selects from a graph source, label after label, into whatever takes blocks."""

from collections.abc import Iterator, Sequence
from typing import Any

from neptuneml_plugin.export.consistency import Reading
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.files.configuration import check_labels
from neptuneml_plugin.export.readers.candidates import Candidates, candidates
from neptuneml_plugin.export.readers.intake import Intake, Sink, loose
from neptuneml_plugin.export.readers.source import GraphSource
from neptuneml_plugin.export.request.request import ExportRequest
from neptuneml_plugin.export.request.selection import Selection
from neptuneml_plugin.stage import Progress

#: Share of an export's progress when all is read; writing files follows.
READ = 0.9


class Reader:
    """One reading of a graph."""

    def __init__(self, source: GraphSource, request: ExportRequest, sink: Sink, progress: Progress) -> None:
        self._source = source
        self._request = request
        self._intake = Intake(request, sink)
        self._progress = progress
        self._choice: Candidates | None = None
        #: Elements of the labels before the present one.
        self._preceding = 0
        #: Labels that were read, and all.
        self._done, self._labels = 0, 1

    def read(self) -> list[Reading]:
        """Read nodes, then edges; return how each label was read."""
        selections = {Element.NODE: self._request.selections.nodes, Element.EDGE: self._request.selections.edges}
        # Names that do not exist are found before the first row is read, which may be hours before the last one.
        labels = {
            element: selection.labels(self._source.labels(element), element.value.removesuffix("s"))
            for element, selection in selections.items()
            if selection is not None
        }
        check_labels(self._request.jobs, {element: labels.get(element, []) for element in Element})
        self._choice = candidates(self._source, self._request, labels, self._progress)
        self._labels = max(1, sum(map(len, labels.values())))
        readings: list[Reading] = []
        for element, names in labels.items():
            self._preceding = 0
            readings += [self._read_label(element, label, selections[element] or Selection()) for label in names]
        return readings

    @property
    def loose_edges(self) -> int:
        """Edges left out, since one of their ends is."""
        return self._intake.loose_edges

    def warnings(self) -> Iterator[str]:
        """Return what a person should know of what was chosen."""
        yield from self._choice.warnings() if self._choice else ()
        yield from loose(self.loose_edges)

    def report(self) -> dict[str, Any]:
        """Return what `stats.json` says of a part of the graph; nothing where all of it was read."""
        chosen = dict(self._choice.report()) if self._choice else {}
        return chosen | ({"looseEdges": self.loose_edges} if self._request.may_part_edges else {})

    def _read_label(self, element: Element, label: str, selection: Selection) -> Reading:
        keys = selection.keys(label)
        before = self._source.state(element, label, keys)
        if element is Element.NODE:
            self._intake.expect(label)
        ids = self._chosen(element, label)
        wanted = before.count if ids is None else len(ids)
        read = 0
        for block in self._source.blocks(element, label, keys, ids):
            read += len(block.ids)
            self._intake.take(block, selection)
            share = (self._done + min(1.0, read / max(wanted, 1))) / self._labels
            self._progress(f"{element} of '{label}': {read:,} of {wanted:,}", READ * share)
        self._done += 1
        after = self._source.state(element, label, keys)
        has_changed = before.fingerprint != after.fingerprint
        return Reading(element, label, before.count, wanted, read, after.count, has_changed)

    def _chosen(self, element: Element, label: str) -> Sequence[Any] | None:
        """Return the ids to read where the request does not want all of them."""
        ids = self._choice.ids(element, label) if self._choice else None
        if ids is None and (self._request.sample is not None or self._request.window):
            ids = self._source.ids(element, label)
        if ids is None:
            return None
        part = self._request.window.part(self._preceding, len(ids))
        self._preceding += len(ids)
        return ids[part][: self._request.sample]
