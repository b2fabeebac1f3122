"""Whether a graph stood still while it was read: a Gremlin Server gives no snapshot over several requests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.export.elements import Element


@dataclass(frozen=True)
class Reading:
    """How one label was read: what the graph counted before and after, and what came."""

    element: Element
    label: str
    before: int
    #: How many of those the request wants.
    wanted: int
    read: int
    after: int

    def changes(self) -> Iterator[str]:
        """Say what shows that elements were added or removed meanwhile."""
        if self.before == self.after and self.read == self.wanted:
            return
        part = f" of {self.wanted} wanted" if self.wanted != self.before else ""
        yield (
            f"{self.element} of '{self.label}' changed during the export: {self.before} before it, "
            f"{self.read}{part} read, {self.after} after it"
        )


def consistency(readings: Iterable[Reading]) -> dict[str, Any]:
    """Return the member `consistency` of `stats.json`."""
    found: dict[str, Any] = {element.value: [] for element in Element}
    for reading in readings:
        wanted = {"wanted": reading.wanted} if reading.wanted != reading.before else {}
        counts = {"before": reading.before, **wanted, "read": reading.read, "after": reading.after}
        found[reading.element].append({"label": reading.label, **counts})
    return found
