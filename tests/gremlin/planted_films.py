"""Fans, films, and everything that is predicted on them: the graph of the random traversals."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import T

from neptuneml_plugin.testing import FakeEndpoint, edge_endpoint, link_endpoint, node_endpoint

GENRE, AGE, STARS, MOOD, RATED = "random-genre", "random-age", "random-stars", "random-mood", "random-rated"
PEOPLE, MOVIES = tuple(range(1, 9)), tuple(range(11, 23))


@dataclass(frozen=True)
class Node:
    """A vertex of the planted graph."""

    id: int
    label: str
    properties: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Link:
    """An edge of the planted graph."""

    id: int
    label: str
    source: int
    target: int
    properties: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Planted:
    """A graph, and everything that is predicted on it: element id -> answers, best first."""

    nodes: dict[int, Node]
    links: dict[int, Link]
    genre: dict[int, list[tuple[str, float]]]
    age: dict[int, float]
    stars: dict[int, float]
    mood: dict[int, list[tuple[str, float]]]
    rated: dict[int, list[tuple[int, float]]]

    def endpoints(self) -> dict[str, FakeEndpoint]:
        """Return the endpoints that predict so."""

        def ranked(answers: dict[int, list[tuple[Any, float]]]) -> dict[str, list[dict[str, Any]]]:
            return {
                str(key): [{"value": value, "score": score} for value, score in rows]
                for key, rows in answers.items()
            }

        rated = ("fan", "rated", "film")
        links = {str(k): [{"id": str(i), "score": s} for i, s in rows] for k, rows in self.rated.items()}

        def values(answers: dict[int, float]) -> dict[str, list[dict[str, Any]]]:
            return {str(key): [{"value": value}] for key, value in answers.items()}

        return {
            GENRE: node_endpoint("film", "genre", "String", "Integer", ranked(self.genre)),
            AGE: node_endpoint("fan", "age", "Double", "Integer", values(self.age)),
            STARS: edge_endpoint(rated, "stars", "Double", "Integer", values(self.stars)),
            MOOD: edge_endpoint(rated, "mood", "String", "Integer", ranked(self.mood)),
            RATED: link_endpoint(rated, "Integer", links),
        }

    def load(self, g: Any) -> None:
        """Write the graph into an empty server."""
        for node in self.nodes.values():
            adding = g.add_v(node.label).property(T.id, node.id)
            for key, value in node.properties:
                adding = adding.property(key, value)
            adding.iterate()
        for link in self.links.values():
            adding = g.add_e(link.label).property(T.id, link.id).from_(__.V(link.source)).to(__.V(link.target))
            for key, value in link.properties:
                adding = adding.property(key, value)
            adding.iterate()


def plant(seed: int = 7) -> Planted:
    """Return fans who know each other and rate films, with self-loops, parallel edges and gaps in everything."""
    rng = random.Random(seed)
    genres, moods = ("drama", "comedy", "noir"), ("calm", "wild")
    nodes = {key: Node(key, "fan", _stored(rng, name=f"fan {key}", age=20 + key)) for key in PEOPLE}
    nodes |= {
        key: Node(key, "film", (("name", f"film {key}"), *_stored(rng, genre=rng.choice(genres))))
        for key in MOVIES
    }
    pairs = [("knows", rng.choice(PEOPLE), rng.choice(PEOPLE)) for _ in range(14)] + [("knows", 1, 1)]
    pairs += [("rated", rng.choice(PEOPLE), rng.choice(MOVIES)) for _ in range(24)] + [("rated", 2, 12)] * 2
    links = {
        100 + n: Link(100 + n, label, source, target, _stored(rng, stars=rng.randint(1, 5)))
        for n, (label, source, target) in enumerate(pairs)
    }
    rated = [link.id for link in links.values() if link.label == "rated"]

    def ranking(values: Sequence[Any]) -> list[tuple[Any, float]]:
        scores = sorted((round(rng.random(), 3) for _ in values), reverse=True)
        return list(zip(rng.sample(values, len(values)), scores, strict=True))

    def some(keys: Iterable[int]) -> list[int]:
        return [key for key in keys if rng.random() < 0.85]

    return Planted(
        nodes,
        links,
        genre={key: ranking(genres) for key in some(MOVIES)},
        age={key: round(rng.uniform(20, 60), 2) for key in some(PEOPLE)},
        stars={key: round(rng.uniform(1, 5), 2) for key in some(rated)},
        mood={key: ranking(moods) for key in some(rated)},
        rated={key: ranking(MOVIES) for key in some(PEOPLE)},
    )


def _stored(rng: random.Random, **properties: Any) -> tuple[tuple[str, Any], ...]:
    """Return the properties, or, of one element in four, none."""
    return tuple(properties.items()) if rng.random() < 0.75 else ()
