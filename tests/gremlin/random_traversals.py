"""Random traversals, each with what it must answer: the same steps carried out twice (`tests.gremlin.reference`).

A prediction is a look-up in what is planted. Only forms whose answer does not depend on the order of a stream are
made.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import P, T

from tests.gremlin.planted_films import (
    AGE,
    GENRE,
    MOOD,
    MOVIES,
    PEOPLE,
    RATED,
    STARS,
    Link,
    Node,
    Planted,
)
from tests.gremlin.reference import (
    Bag,
    Gremlin,
    KeyValue,
    Object,
    Plan,
    Step,
    Stream,
    Traverser,
    Way,
    each,
    ends,
    kept,
)

CONSTANT = "none"


@dataclass
class Grammar:
    """Makes traversals; one generator, one sequence."""

    planted: Planted
    rng: random.Random
    #: How deep children may still nest.
    depth: int = 2
    #: Whether a limit chose among equal objects that may have come different ways.
    ways_chosen: bool = False

    def traversal(self) -> Plan:
        """Return a traversal from the source to its end."""
        nodes, links = list(self.planted.nodes.values()), list(self.planted.links.values())
        chosen = self.rng.sample([*PEOPLE, *MOVIES, 999], 6)
        found = [self.planted.nodes[key] for key in chosen if key in self.planted.nodes]
        starts: list[tuple[Callable[[Gremlin], Gremlin], Sequence[Node | Link]]] = [
            (lambda g: g.V(), nodes),
            (lambda g: g.V(chosen), found),
            (lambda g: g.V().has_label("film"), [n for n in nodes if n.label == "film"]),
            (lambda g: g.V().has_label("fan"), [n for n in nodes if n.label == "fan"]),
            (lambda g: g.E(), links),
            (lambda g: g.E().has_label("rated"), [e for e in links if e.label == "rated"]),
        ]
        start, objects = self.rng.choice(starts)
        source = Plan((Step(start, lambda _: [Traverser(at, (at,)) for at in objects]),))
        on_edges = bool(objects) and isinstance(objects[0], Link)
        return source + (self._from_edges() if on_edges else self._from_vertices())

    # -- from vertices to anything --

    def _from_vertices(self) -> Plan:
        middle = Plan()
        for _ in range(self.rng.randint(0, 2)):
            middle += self._vertices_to_vertices()
        return middle + self._pick(
            self._end_with_values,
            self._end_with_project,
            self._end_with_group,
            self._end_with_select,
            self._edges,
            self._end,
        )

    def _from_edges(self) -> Plan:
        if self.rng.random() < 0.3:
            return self._edge_end() + self._from_vertices()
        return self._edge_filter() + self._edge_values() + self._end()

    def _edges(self) -> Plan:
        label, write = "rated", self.rng.choice(["out_e", "in_e"])
        by = "source" if write == "out_e" else "target"
        edges = self.planted.links.values()
        step = each(
            lambda g: getattr(g, write)(label),
            lambda t: [
                e for e in edges if e.label == label and isinstance(t.at, Node) and getattr(e, by) == t.at.id
            ],
        )
        return step + self._from_edges()

    def _vertices_to_vertices(self) -> Plan:
        kinds = [self._walk, self._label, self._predicted_vertices, self._order]
        if self.depth:
            kinds += [self._where, self._where, self._branch, self._branch, self._repeat]
        return self._pick(*kinds)

    def _walk(self) -> Plan:
        label = self.rng.choice(["knows", "rated"])
        way = self.rng.choice(["out", "in_", "both"])
        return each(lambda g: getattr(g, way)(label), lambda t: self._neighbours(t.at, label, way))

    def _neighbours(self, node: Node, label: str, way: str) -> list[Node]:
        nodes, links = self.planted.nodes, [e for e in self.planted.links.values() if e.label == label]
        out = [nodes[e.target] for e in links if e.source == node.id] if way != "in_" else []
        into = [nodes[e.source] for e in links if e.target == node.id] if way != "out" else []
        return out + into

    def _label(self) -> Plan:
        label = self.rng.choice(["fan", "film"])
        # After identity(): next to a predicted vertex it would be a second label, which is refused.
        return kept(lambda g: g.identity().has_label(label), lambda t: t.at.label == label)

    def _predicted_vertices(self) -> Plan:
        limit = self.rng.choice([1, 1, 2, 5, 200])
        before = self.rng.random() < 0.3
        name = f"film {self.rng.choice(MOVIES)}" if before or self.rng.random() < 0.3 else None
        existing = self.rng.random() < 0.3

        def write(g: Gremlin) -> Gremlin:
            g = g.out("rated").with_("Neptune#ml.prediction").with_("Neptune#ml.endpoint", RATED)
            g = g.with_("Neptune#ml.limit", limit)
            g = g.with_("Neptune#ml.filterExistingEdges") if existing else g
            g = g.with_("Neptune#ml.filterBeforeLimit") if before else g
            g = g.has_label("film")
            return g if name is None else g.has("name", P.neq(name))

        def found(t: Traverser) -> list[Node]:
            rows = [self.planted.nodes[key] for key, _ in self.planted.rated.get(t.at.id, [])]
            if existing:
                joined = self._neighbours(t.at, "rated", "out")
                rows = [row for row in rows if row not in joined]
            wanted = [row for row in rows if dict(row.properties)["name"] != name]
            if before:
                return wanted[:limit]
            return [row for row in rows[:limit] if row in wanted]

        return each(write, lambda t: found(t) if t.at.label == "fan" else [])

    def _order(self) -> Plan:
        """Sort by a prediction, then by id, and take the first: the same ones in any order of the stream."""
        self.ways_chosen = True
        count = self.rng.randint(1, 6)
        value = self._number_or_constant()

        def run(stream: Stream) -> Stream:
            return sorted(stream, key=lambda t: (value.of(t)[0], t.at.id))[:count]

        def write(g: Gremlin) -> Gremlin:
            return g.order().by(value.child()).by(T.id).limit(count)

        return Plan((Step(write, run),))

    def _where(self) -> Plan:
        test = self._nest(self._test)
        if self.rng.random() < 0.3:
            return kept(lambda g: g.not_(test.child()), lambda t: not test.of(t))
        other = self._nest(self._test)
        return self.rng.choice(
            [
                kept(lambda g: g.where(test.child()), lambda t: bool(test.of(t))),
                kept(lambda g: g.filter_(test.child()), lambda t: bool(test.of(t))),
                kept(lambda g: g.and_(test.child(), other.child()), lambda t: bool(test.of(t) and other.of(t))),
                kept(lambda g: g.or_(test.child(), other.child()), lambda t: bool(test.of(t) or other.of(t))),
            ]
        )

    def _branch(self) -> Plan:
        one, two, test = self._nest(self._hop), self._nest(self._hop), self._nest(self._test)

        def optional(t: Traverser) -> Stream:
            return one.run([t]) or [t]

        def joined(*plans: Plan) -> Callable[[Stream], Stream]:
            return lambda stream: [found for t in stream for plan in plans for found in plan.run([t])]

        def chosen(stream: Stream) -> Stream:
            return [found for t in stream for found in (one if test.of(t) else two).run([t])]

        def first(stream: Stream) -> Stream:
            """A coalesce() keeps only the last object of the way inside it."""
            return [t.to(found.at) for t in stream for found in (one.run([t]) or two.run([t]))]

        return self.rng.choice(
            [
                Plan((Step(lambda g: g.optional(one.child()), lambda s: [f for t in s for f in optional(t)]),)),
                Plan((Step(lambda g: g.union(one.child(), two.child()), joined(one, two)),)),
                Plan((Step(lambda g: g.local(one.child()), joined(one)),)),
                Plan((Step(lambda g: g.choose(test.child(), one.child(), two.child()), chosen),)),
                Plan((Step(lambda g: g.coalesce(one.child(), two.child()), first),)),
            ]
        )

    def _repeat(self) -> Plan:
        body, times = self._nest(self._hop), self.rng.randint(1, 2)

        def run(stream: Stream) -> Stream:
            for _ in range(times):
                stream = body.run(stream)
            return stream

        return Plan((Step(lambda g: g.repeat(body.child()).times(times), run),))

    def _hop(self) -> Plan:
        hop = self._pick(self._walk, self._predicted_vertices, self._label)
        return hop + self._where() if self.depth and self.rng.random() < 0.4 else hop

    # -- predictions on vertices and edges --

    def _test(self) -> Plan:
        """Return a nested traversal that gives something or nothing."""
        return self._pick(self._genre_test, self._age_test, self._two_hops)

    def _two_hops(self) -> Plan:
        return self._walk() + self._pick(self._genre_test, self._age_test)

    def _folded(self) -> Plan:
        """Return a list: which of several answers comes first depends on the stream's order."""
        return self._two_hops() + self._fold()

    def _genre_test(self) -> Plan:
        genre = self.rng.choice(["drama", "comedy", "noir"])
        values = self._genre()
        return values + kept(lambda g: g.is_(P.eq(genre)), lambda t: t.at == genre)

    def _age_test(self) -> Plan:
        age = self.rng.randint(20, 60)
        return self._age() + kept(lambda g: g.is_(P.gte(age)), lambda t: t.at >= age)

    def _genre(self) -> Plan:
        limit = self.rng.choice([1, 1, 1, 2, 3, 150])
        threshold = self.rng.choice([None, None, 0.3, 0.6])
        return self._classes("genre", GENRE, self.planted.genre, limit, threshold, Node)

    def _mood(self) -> Plan:
        return self._classes("mood", MOOD, self.planted.mood, self.rng.choice([1, 2]), None, Link)

    def _classes(
        self,
        key: str,
        endpoint: str,
        answers: dict[int, Any],
        limit: int,
        threshold: float | None,
        kind: type[Node | Link],
    ) -> Plan:
        form = self.rng.choice(["values", "value", "has_value", "score"])

        def predicted(t: Traverser) -> list[Object]:
            rows = answers.get(t.at.id, []) if isinstance(t.at, kind) else []
            rows = [(value, score) for value, score in rows if threshold is None or score >= threshold][:limit]
            if form == "score":
                return [entry for row in rows for entry in row]
            return [value for value, _ in rows if form != "has_value" or value != "noir"]

        def write(g: Gremlin) -> Gremlin:
            keys = [key, "Neptune#ml.score"] if form == "score" else [key]
            g = g.values(*keys) if form in {"values", "score"} else g.properties(*keys)
            g = g.with_("Neptune#ml.classification").with_("Neptune#ml.endpoint", endpoint)
            g = g.with_("Neptune#ml.limit", limit)
            g = g if threshold is None else g.with_("Neptune#ml.threshold", threshold)
            if form == "has_value":
                g = g.has_value(P.neq("noir"))
            return g if form in {"values", "score"} else g.value()

        def run(stream: Stream) -> Stream:
            by_value = form in {"values", "score"}
            found = [(t, value) for t in stream for value in predicted(t)]
            return [
                t.to(value) if by_value else Traverser(value, (*t.path, KeyValue(key, value), value), t.labels)
                for t, value in found
            ]

        return Plan((Step(write, run),))

    def _age(self) -> Plan:
        return self._number("age", AGE, self.planted.age, Node)

    def _stars(self) -> Plan:
        return self._number("stars", STARS, self.planted.stars, Link)

    def _number(self, key: str, endpoint: str, answers: dict[int, float], kind: type[Node | Link]) -> Plan:
        return each(
            lambda g: g.values(key).with_("Neptune#ml.regression").with_("Neptune#ml.endpoint", endpoint),
            lambda t: [answers[t.at.id]] if isinstance(t.at, kind) and t.at.id in answers else [],
        )

    def _number_or_constant(self) -> Plan:
        age = self._age()
        return Plan(
            (
                Step(
                    lambda g: g.coalesce(age.child(), __.constant(0.0)),
                    lambda s: [t.to((age.of(t) or [0.0])[0]) for t in s],
                ),
            )
        )

    def _stored(self) -> Plan:
        key = self.rng.choice(["name", "genre"])
        return each(lambda g: g.values(key), lambda t: [v for k, v in t.at.properties if k == key])

    # -- edges --

    def _edge_filter(self) -> Plan:
        if not self.depth or self.rng.random() < 0.5:
            return Plan()
        stars = self.rng.uniform(1, 5)
        test = self._stars() + kept(lambda g: g.is_(P.lt(stars)), lambda t: t.at < stars)
        return kept(lambda g: g.where(test.child()), lambda t: bool(test.of(t)))

    def _edge_values(self) -> Plan:
        return self._pick(self._stars, self._mood, self._edge_end)

    def _edge_end(self) -> Plan:
        way = self.rng.choice(["out_v", "in_v"])
        end = "source" if way == "out_v" else "target"
        return each(lambda g: getattr(g, way)(), lambda t: [self.planted.nodes[getattr(t.at, end)]])

    # -- ends --

    def _end_with_values(self) -> Plan:
        one, two = self._genre(), self._pick(self._genre, self._age, self._stored)
        both = Plan(
            (
                Step(
                    lambda g: g.union(one.child(), two.child()),
                    lambda s: [found for t in s for plan in (one, two) for found in plan.run([t])],
                ),
            )
        )
        first = Plan(
            (
                Step(
                    lambda g: g.coalesce(one.child(), two.child(), __.constant(CONSTANT)),
                    lambda s: [t.to(at) for t in s for at in (one.of(t) or two.of(t) or [CONSTANT])],
                ),
            )
        )
        return self.rng.choice([one, self._age(), both, first]) + self._end()

    def _end_with_project(self) -> Plan:
        kinds = self.rng.sample([self._genre, self._age, self._folded, self._stored], 2)
        children = [self._nest(kind) for kind in kinds]

        def write(g: Gremlin) -> Gremlin:
            g = g.project("id", "a", "b").by(T.id)
            for child in children:
                g = g.by(child.child())
            return g

        def project(t: Traverser) -> list[Object]:
            found = {name: child.of(t)[:1] for name, child in zip("ab", children, strict=True)}
            return [{"id": t.at.id} | {name: values[0] for name, values in found.items() if values}]

        return each(write, project) + self._pick(self._count, Plan)

    def _end_with_group(self) -> Plan:
        key = self._pick(self._genre, self._age)
        counts = self.rng.random() < 0.5

        def run(stream: Stream) -> list[Object]:
            return [dict(Counter(key.of(t)[0] for t in stream if key.of(t)))]

        if counts:
            return ends(lambda g: g.group_count().by(key.child()), run)
        return ends(lambda g: g.group().by(key.child()).by(__.count()), run)

    def _end_with_select(self) -> Plan:
        last = self._pick(self._genre, self._age, self._walk, self._predicted_vertices)

        def run(stream: Stream) -> Stream:
            return [t.to({"x": t.at, "y": found.at}) for t in stream for found in last.run([t])]

        return Plan((Step(lambda g: last.write(g.as_("x")).as_("y").select("x", "y"), run),))

    def _end(self) -> Plan:
        ways = Plan if self.ways_chosen else self._path
        return self._pick(Plan, Plan, Plan, self._count, ways, self._dedup, self._fold)

    def _count(self) -> Plan:
        return ends(lambda g: g.count(), lambda stream: [len(stream)])

    def _path(self) -> Plan:
        return Plan((Step(lambda g: g.path(), lambda s: [Traverser(Way(t.path), ()) for t in s]),))

    def _dedup(self) -> Plan:
        return ends(lambda g: g.dedup(), lambda stream: list(dict.fromkeys(t.at for t in stream)))

    def _fold(self) -> Plan:
        return ends(lambda g: g.fold(), lambda stream: [Bag(tuple(t.at for t in stream))])

    def _pick(self, *kinds: Callable[[], Plan]) -> Plan:
        return self.rng.choice(kinds)()

    def _nest(self, kind: Callable[[], Plan]) -> Plan:
        self.depth -= 1
        try:
            return kind()
        finally:
            self.depth += 1
