"""Steps that are carried out twice: as Gremlin, and as functions over a list of traversers, in plain Python.

The reference knows nothing of batches, tables, caches or look-ahead. Results are compared as multisets.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.structure.graph import Edge, Path, Property, Vertex, VertexProperty

from tests.gremlin.planted_films import Link, Node

Object = Any
Gremlin = Any


@dataclass(frozen=True)
class Traverser:
    """An object, the way it came, and the labels on the way."""

    at: Object
    path: tuple[Object, ...]
    labels: tuple[tuple[str, Object], ...] = ()

    def to(self, target: Object) -> "Traverser":
        """Return the traverser one step further."""
        return Traverser(target, (*self.path, target), self.labels)


Stream = list[Traverser]


@dataclass(frozen=True)
class Step:
    """One step, as Gremlin and as a function."""

    write: Callable[[Gremlin], Gremlin]
    run: Callable[[Stream], Stream]


@dataclass(frozen=True)
class Plan:
    """Steps in a row."""

    steps: tuple[Step, ...] = ()

    def write(self, start: Gremlin) -> Gremlin:
        """Append the steps to a traversal."""
        for step in self.steps:
            start = step.write(start)
        return start

    def run(self, stream: Stream) -> Stream:
        """Carry the steps out."""
        for step in self.steps:
            stream = step.run(stream)
        return stream

    def of(self, traverser: Traverser) -> list[Object]:
        """Return what a nested traversal gives for one traverser."""
        return [found.at for found in self.run([traverser])]

    def child(self) -> Gremlin:
        """Return the steps as a nested traversal."""
        return self.write(__.start())

    def __add__(self, other: "Plan") -> "Plan":
        return Plan(self.steps + other.steps)


def each(write: Callable[[Gremlin], Gremlin], function: Callable[[Traverser], Iterable[Object]]) -> Plan:
    """Return a step that maps each traverser to others."""
    return Plan((Step(write, lambda stream: [t.to(target) for t in stream for target in function(t)]),))


def kept(write: Callable[[Gremlin], Gremlin], holds: Callable[[Traverser], bool]) -> Plan:
    """Return a step that filters."""
    return Plan((Step(write, lambda stream: [t for t in stream if holds(t)]),))


def ends(write: Callable[[Gremlin], Gremlin], function: Callable[[Stream], list[Object]]) -> Plan:
    """Return a step that takes the whole stream and forgets the ways."""
    return Plan((Step(write, lambda stream: [Traverser(at, (at,)) for at in function(stream)]),))


@dataclass(frozen=True)
class KeyValue:
    """A property, whoever has it."""

    key: str
    value: Any


@dataclass(frozen=True)
class Way:
    """What a path went through."""

    objects: tuple[Object, ...]


@dataclass(frozen=True)
class Bag:
    """Objects in no order."""

    objects: tuple[Object, ...]


def plain(found: Object) -> str:
    """Return an answer, ours or the server's, as text that can be compared."""
    match found:
        case Node() | Vertex() | Link() | Edge():
            text = f"{'v' if isinstance(found, Node | Vertex) else 'e'}{found.id}"
        case KeyValue() | VertexProperty() | Property():
            text = f"{found.key}={plain(found.value)}"
        case Way() | Path():
            text = "->".join(plain(each_one) for each_one in found.objects)
        case Bag(objects=objects) | list(objects):
            text = str(sorted(plain(each_one) for each_one in objects))
        case dict():
            text = str(sorted((plain(key), plain(value)) for key, value in found.items()))
        case _:
            text = f"{found:.4f}" if isinstance(found, float) else repr(found)
    return text
