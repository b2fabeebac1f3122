"""Whether a graph stood still while it was read: a Gremlin Server gives no snapshot over several requests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.export.elements import Element


@dataclass(frozen=True)
class State:
    """What a graph says of the elements of one label at one time."""

    count: int
    #: Of what the source compares of them, whatever their order; None: it compares nothing.
    fingerprint: int | None = None


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
    #: Whether the fingerprints before and after differ.
    has_changed: bool = False

    def changes(self) -> Iterator[str]:
        """Say what shows that elements were added, removed or changed meanwhile."""
        if self.before == self.after and self.read == self.wanted:
            if self.has_changed:
                yield (
                    f"{self.element} of '{self.label}' changed during the export: as many as before it, "
                    f"{self.after}, but not the same"
                )
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
        changed = {"changed": True} if reading.has_changed else {}
        counts = {"before": reading.before, **wanted, "read": reading.read, "after": reading.after, **changed}
        found[reading.element].append({"label": reading.label, **counts})
    return found
