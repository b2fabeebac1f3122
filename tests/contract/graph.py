"""The small graph of the queries: people rate movies; and endpoints that answer for its elements."""

from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __

from neptuneml_plugin.testing import Answer, FakeEndpoint, edge_endpoint, link_endpoint, node_endpoint

PEOPLE, MOVIES = ("ann", "bob", "cy"), ("heat", "up", "alien")
#: Edge -> its stars.
RATINGS = {"ann->heat": 5, "ann->up": 3, "bob->heat": 4, "bob->alien": 1, "cy->up": 2}
RATED = ("person", "rated", "movie")


@dataclass(frozen=True)
class Ids:
    """The ids that a graph gave to its elements, as text."""

    vertices: dict[str, str]
    edges: dict[str, str]


def load(source: Any) -> Ids:
    """Add the graph through a traversal source of gremlin-python."""
    traversal = source
    for label, names in (("person", PEOPLE), ("movie", MOVIES)):
        for name in names:
            traversal = traversal.add_v(label).property("name", name).as_(name)
    for edge, stars in RATINGS.items():
        person, movie = edge.split("->")
        traversal = traversal.add_e("rated").from_(person).to(movie).property("stars", stars)
    traversal.count().to_list()  # `iterate()` of a 3.8 driver asks for a step that 3.7 does not have
    return read_ids(source)


def read_ids(source: Any) -> Ids:
    """Return the ids of a loaded graph; as text, since no driver knows every graph's id classes."""
    vertices = source.V().project("name", "id").by("name").by(__.id_().as_string()).to_list()
    edges = source.E().project("from", "to", "id")
    edges = edges.by(__.out_v().values("name")).by(__.in_v().values("name")).by(__.id_().as_string()).to_list()
    return Ids(
        {row["name"]: row["id"] for row in vertices}, {f"{row['from']}->{row['to']}": row["id"] for row in edges}
    )


def to_groovy(ids: Ids) -> str:
    """Return a script's line that adds the graph with given ids."""
    added = []
    for name in (*PEOPLE, *MOVIES):
        label = "person" if name in PEOPLE else "movie"
        added.append(
            f"addV('{label}').property(T.id, {ids.vertices[name]}).property('name', '{name}').as('{name}')"
        )
    for edge, stars in RATINGS.items():
        person, movie = edge.split("->")
        added.append(f"addE('rated').from('{person}').to('{movie}')")
        added.append(f"property(T.id, {ids.edges[edge]}).property('stars', {stars})")
    return f"g.{'.'.join(added)}.iterate()"


def endpoints(ids: Ids, id_type: str = "Long") -> dict[str, FakeEndpoint]:
    """Return an endpoint per task."""
    return {
        "country": node_endpoint("person", "country", "String", id_type, _keyed(ids.vertices, {
            "ann": [{"value": "US", "score": 0.75}, {"value": "CA", "score": 0.25}],
            "bob": [{"value": "CA", "score": 0.5}, {"value": "US", "score": 0.375}],
        })),
        "age": node_endpoint("person", "age", "Double", id_type, _keyed(ids.vertices, {
            "ann": [{"value": 30.5}], "cy": [{"value": 61.25}],
        })),
        "mood": edge_endpoint(RATED, "mood", "String", id_type, _keyed(ids.edges, {
            "ann->heat": [{"value": "glad", "score": 0.9}], "ann->up": [{"value": "sad", "score": 0.8}],
        })),
        "stars": edge_endpoint(RATED, "stars", "Double", id_type, _keyed(ids.edges, {
            "ann->up": [{"value": 2.5}], "bob->alien": [{"value": 1.25}],
        })),
        "links": link_endpoint(RATED, id_type, _keyed(ids.vertices, {
            "ann": _ends(ids, alien=0.875, up=0.75), "alien": _ends(ids, cy=0.625, ann=0.5),
        })),
    }  # fmt: skip


def _keyed(ids: dict[str, str], predictions: dict[str, list[Answer]]) -> dict[str, list[Answer]]:
    return {ids[name]: answers for name, answers in predictions.items()}


def _ends(ids: Ids, **scores: float) -> list[Answer]:
    return [{"id": ids.vertices[name], "score": score} for name, score in scores.items()]
