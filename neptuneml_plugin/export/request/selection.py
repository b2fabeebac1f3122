"""Which labels and properties of a graph are exported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter, nearest
from neptuneml_plugin.export.elements import ElementType, Keys, node_type


@dataclass(frozen=True)
class Selected:
    """One label, or one edge type, and its properties."""

    #: A node label, an edge label (between any labels), or an edge type.
    type: ElementType
    #: None: all.
    properties: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The node or edge label."""
        return self.type.label if isinstance(self.type, EdgeType) else self.type

    def matches(self, kind: ElementType) -> bool:
        """Whether elements of `kind` are meant."""
        label = kind.label if isinstance(kind, EdgeType) else kind
        return self.type in {kind, label}

    def narrowed(self, kind: ElementType) -> "Selected | None":
        """Return what is meant by this entry and by `kind`; None: nothing is."""
        if self.matches(kind):
            return Selected(kind, self.properties)
        return self if self.label == kind else None


@dataclass(frozen=True)
class Selection:
    """Labels of one kind of element; no entries: all of them."""

    entries: tuple[Selected, ...] = ()
    #: Ids, labels and ends without any property.
    tokens_only: bool = False

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

    def keys(self, label: str) -> Keys:
        """Return the properties to ask for with a label, over all its entries; None: all."""
        if self.tokens_only:
            return ()
        named = [entry.properties for entry in self.entries if entry.label == node_type(label)]
        lists = [names for names in named if names is not None]
        if not named or len(lists) < len(named):
            return None
        return tuple(dict.fromkeys(name for names in lists for name in names))

    def entry(self, kind: ElementType) -> Selected | None:
        """Return the entry that an element type falls under; None: it is not exported."""
        if not self.entries:
            return Selected(kind, () if self.tokens_only else None)
        found = next((entry for entry in self.entries if entry.matches(kind)), None)
        return replace(found, properties=()) if found and self.tokens_only else found

    def only(self, kinds: Iterable[ElementType]) -> "Selection":
        """Return these labels or types, with the properties that this selection gives them; none: all of it."""
        wanted = dict.fromkeys(kinds)
        chosen: list[Selected] = []
        for kind in wanted:
            narrowed = [entry.narrowed(kind) for entry in self.entries]
            chosen += [entry for entry in narrowed if entry is not None] or [Selected(kind)]
        return replace(self, entries=tuple(chosen)) if wanted else self

    def has(self, kind: ElementType) -> bool:
        """Whether some of this label or type is selected."""
        return not self.entries or any(entry.narrowed(kind) is not None for entry in self.entries)


@dataclass(frozen=True)
class Selections:
    """What is exported of a graph; None: nothing of that kind."""

    nodes: Selection | None = field(default_factory=Selection)
    edges: Selection | None = field(default_factory=Selection)


@dataclass(frozen=True)
class Window:
    """Which part of the elements is exported, counted over all labels in the graph's order."""

    skip: int = 0
    #: None: all.
    limit: int | None = None

    def __bool__(self) -> bool:
        return self.skip > 0 or self.limit is not None

    def part(self, before: int, count: int) -> slice:
        """Return which of `count` elements, that `before` others precede, are inside."""
        end = count if self.limit is None else min(count, self.skip + self.limit - before)
        return slice(min(count, max(0, self.skip - before)), max(0, end))
