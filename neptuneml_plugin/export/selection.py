"""Which labels and properties of a graph are exported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter, nearest
from neptuneml_plugin.export.elements import ElementType, node_type


@dataclass(frozen=True)
class Selected:
    """One label, or one edge type, and its properties."""

    #: A node label, an edge label (between any labels), or an edge type.
    type: ElementType
    #: Empty: all.
    properties: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The node or edge label."""
        return self.type.label if isinstance(self.type, EdgeType) else self.type

    def matches(self, kind: ElementType) -> bool:
        """Whether elements of `kind` are meant."""
        label = kind.label if isinstance(kind, EdgeType) else kind
        return self.type in {kind, label}


@dataclass(frozen=True)
class Selection:
    """Labels of one kind of element; no entries: all of them."""

    entries: tuple[Selected, ...] = ()

    def labels(self, known: Sequence[str], what: str) -> list[str]:
        """Return those of the graph's labels that are selected.

        Raises:
            InvalidParameter: a selected label that the graph does not have.
        """
        if not self.entries:
            return list(known)
        names = {label: node_type(label) for label in known}
        for entry in self.entries:
            if entry.label not in names.values():
                hint = nearest(entry.label, known)
                raise InvalidParameter(f"the graph has no {what} label '{entry.label}'{hint}")
        wanted = {entry.label for entry in self.entries}
        return [label for label in known if names[label] in wanted]

    def keys(self, label: str) -> tuple[str, ...]:
        """Return the properties to ask for with a label, over all its entries; empty: all."""
        lists = [entry.properties for entry in self.entries if entry.label == node_type(label)]
        return () if () in lists else tuple(dict.fromkeys(key for keys in lists for key in keys))

    def entry(self, kind: ElementType) -> Selected | None:
        """Return the entry that an element type falls under; None: it is not exported."""
        if not self.entries:
            return Selected(kind)
        return next((entry for entry in self.entries if entry.matches(kind)), None)

    def only(self, labels: Iterable[str]) -> "Selection":
        """Return these labels, with the properties that this selection gives them."""
        wanted = dict.fromkeys(node_type(label) for label in labels)
        chosen: list[Selected] = []
        for label in wanted:
            chosen += [entry for entry in self.entries if entry.label == label] or [Selected(label)]
        return Selection(tuple(chosen)) if wanted else self


@dataclass(frozen=True)
class Selections:
    """What is exported of a graph; None: nothing of that kind."""

    nodes: Selection | None = field(default_factory=Selection)
    edges: Selection | None = field(default_factory=Selection)
