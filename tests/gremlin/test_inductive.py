"""Answers from the live graph, on real parts: a trained model, the worker, the plugin, a graph with transactions.

Small graphs of `tests.planted`: an item is of the kind that most of its tags have the colour of, links stay within
a kind, and an edge between two of one kind is `near`. So what a new vertex should be is known before it is asked.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.driver.client import Client
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.strategies import SubgraphStrategy
from gremlin_python.process.traversal import T, TextP

from gremlin_steps.dsl import ml_source
from neptuneml_plugin import gremlin_server
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.live_graph import HAS, LiveGraph, planted_graph
from tests.planted import BLOCKS, KINDS
from tests.running_service import RunningService, running_service
from tests.servers import Connect, make_data_root
from tests.training.graphs import processed, trained

COLOURS = ("red", "green", "grey")
#: The task of each live graph.
TASKS = {"kind": Task.NODE_CLASS, "strength": Task.EDGE_CLASS, "linked": Task.LINK_PREDICTION}
#: More than any vertex has edges, so that nothing is left to chance; and so few that much is.
EVERY_EDGE, FEW = [1000, 1000], [2, 2]
_TRANSACTIONS = {
    "gremlin.graph": "org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerTransactionGraph",
    "gremlin.tinkergraph.vertexIdManager": "ANY",
    "gremlin.tinkergraph.edgeIdManager": "ANY",
}
_LOAD = """
g.V().drop().iterate()
def added = vertices.collectEntries { v -> [(v.id): graph.addVertex(T.id, v.id, T.label, v.label)] }
vertices.each { v -> v.properties.each { key, value -> added[v.id].property(key, value) } }
edges.each { e -> added[e.out].addEdge(e.label, added[e.into]) }
g.tx().commit()
added.size()
"""


@dataclass(frozen=True)
class Live:
    """A running server before a service whose endpoints were trained on `graphs`."""

    server: GremlinServer
    service: RunningService
    graphs: dict[str, LiveGraph]

    def load(self, endpoint: str) -> None:
        """Let the server hold the graph that an endpoint was trained on, and nothing else."""
        graph = self.graphs[endpoint]
        vertices = [
            {"label": label, "id": typed(label, name), "properties": numbers(properties)}
            for (label, name), properties in graph.vertices.items()
        ]
        edges = [
            {"label": kind.label, "out": typed(kind.source, out), "into": typed(kind.target, into)}
            for kind, out, into, _ in graph.edges
        ]
        client = Client(self.server.url, "g")
        try:
            client.submit(_LOAD, {"vertices": vertices, "edges": edges}).all().result()
        finally:
            client.close()

    def block(self, endpoint: str, item: str) -> int:
        """Return the block that most tags of an item are of."""
        tags = [into for kind, out, into, _ in self.graphs[endpoint].edges if kind is HAS and out == item]
        return Counter(int(tag) % BLOCKS for tag in map(block_number, tags)).most_common(1)[0][0]


def block_number(tag: str) -> int:
    return int(tag) - 1000


def typed(label: str, name: str) -> Any:
    return int(name) if label == "tag" else name


def numbers(properties: Any) -> dict[str, Any]:
    return {key: float(value) if key in {"size", "weight"} else value for key, value in properties.items()}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("inductive")
    (folder / "service").mkdir()
    with running_service(folder / "service") as service:
        graphs = {}
        for endpoint, task in TASKS.items():
            graphs[endpoint] = deploy(service, folder / "service" / endpoint, endpoint, task)
        config = GremlinServerConfig(
            make_data_root(folder / "root"),
            "empty",
            port=0,
            service_url=service.url,
            heap_mib=256,
            graph_settings=_TRANSACTIONS,
        )
        with gremlin_server.running_server(config) as server:
            yield Live(server, service, graphs)


def deploy(service: RunningService, folder: Path, endpoint: str, task: Task) -> LiveGraph:
    """Train a model and make its endpoints: `<name>` draws every edge, `<name>-drawn` few."""
    # With fewer items, what a model learns is left to the seed.
    source = processed(folder, task, nodes=300, signal="neighbours")
    trained(source, folder / "training")
    artifact = str(folder / "training" / "artifact")
    service.client.create_endpoint(endpoint, artifact, {"fanouts": EVERY_EDGE})
    if endpoint == "kind":
        service.client.create_endpoint("kind-drawn", artifact, {"fanouts": FEW})
    return planted_graph(folder / "export")


@pytest.fixture
def within(live: Live, connect: Connect) -> Iterator[Callable[[str], Any]]:
    """Return a function that gives a transaction's source over an endpoint's graph; rolled back at the end."""
    opened = []

    def begin(endpoint: str) -> Any:
        live.load(endpoint)
        opened.append(connect(live.server).tx())
        return opened[-1].begin()

    yield begin
    for transaction in opened:
        if transaction.is_open():
            transaction.rollback()


def added(g: Any, name: str, tags: list[int], **properties: Any) -> Any:
    """Return a traversal that adds an item with edges to tags, and stands on it."""
    adding = g.add_v("item").property(T.id, name)
    for key, value in {"size": 1.0, "shape": "cube", **properties}.items():
        adding = adding.property(key, value)
    adding = adding.as_("new")
    for tag in tags:
        adding = adding.add_e("has").from_("new").to(__.V(tag))
    return adding.select("new")


def tags_of(block: int, count: int = 6) -> list[int]:
    return [1000 + block + BLOCKS * number for number in range(count)]


def scored(g: Any, name: str, endpoint: str = "kind", **options: Any) -> list[tuple[str, float]]:
    """Return all classes of an item, best first, with their scores."""
    source = ml_source(g, endpoint, limit=BLOCKS, inductive=True, **options)
    rows = source.V(name).classify("kind").score("s").as_("p").select("p", "s").by(__.value()).by().to_list()
    return [(row["p"], row["s"]) for row in rows]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_vertex_is_added_and_predicted_in_one_query(
    live: Live, within: Callable[[str], Any], block: int
) -> None:
    g = within("kind")
    new = added(ml_source(g, "kind"), "new", tags_of(block))
    assert new.classify("kind").inductive().value().to_list() == [KINDS[block]]


def test_a_vertex_that_the_model_does_not_know_has_no_stored_answer(within: Callable[[str], Any]) -> None:
    assert added(ml_source(within("kind"), "kind"), "new", tags_of(0)).classify("kind").to_list() == []


def test_a_transaction_sees_its_own_changes_and_nobody_else_does(live: Live, connect: Connect) -> None:
    live.load("kind")
    g = connect(live.server)
    before = scored(g, "item-0")
    transaction = g.tx()
    inside = transaction.begin()
    try:
        added(inside, "new", tags_of(1)).iterate()
        inside.V("item-0").out_e("has", "linked").drop().iterate()
        inside.V(*tags_of(2)).as_("tag").V("item-0").add_e("has").to("tag").iterate()
        assert scored(inside, "new")[0][0] == KINDS[1]
        assert scored(inside, "item-0") != before
        assert scored(g, "new") == []
        assert scored(g, "item-0") == before
    finally:
        transaction.rollback()
    assert scored(g, "new") == []
    assert scored(g, "item-0") == before


def test_new_edges_are_predicted_from_their_ends(live: Live, within: Callable[[str], Any]) -> None:
    g = within("strength")
    predicted, expected = [], []
    for number in range(12):
        name, other = f"new-{number}", f"item-{number}"
        block = number % BLOCKS
        added(g, name, tags_of(block)).iterate()
        joined = ml_source(g, "strength").V(name).add_e("linked").to(__.V(other)).property("since", 2001)
        predicted += joined.classify("strength").inductive().value().to_list()
        expected.append("near" if live.block("strength", other) == block else "far")
    assert len(predicted) == len(expected)
    assert set(predicted) == {"near", "far"}
    assert sum(a == b for a, b in zip(predicted, expected, strict=True)) >= 11


def test_links_from_a_new_vertex_stay_in_its_block(live: Live, within: Callable[[str], Any]) -> None:
    linked = ml_source(within("linked"), "linked", limit=5, inductive=True)
    for block in range(BLOCKS):
        new = added(linked, f"new-{block}", tags_of(block))
        found = new.predict_out("linked", "item").has_id(TextP.starting_with("item")).id_().to_list()
        assert len(set(found)) >= 3
        assert Counter(live.block("linked", item) for item in found).most_common(1)[0][0] == block


def test_a_new_vertex_is_a_candidate_among_those_of_its_block(live: Live, within: Callable[[str], Any]) -> None:
    g = within("linked")
    added(g, "same", tags_of(0)).iterate()
    added(g, "other", tags_of(1)).iterate()
    item = next(f"item-{i}" for i in range(50) if live.block("linked", f"item-{i}") == 0)
    known = ml_source(g, "linked", limit=1000).V(item).predict_out("linked", "item").id_().to_list()
    assert not {"same", "other"} & set(known)
    ranked = (
        ml_source(g, "linked", limit=1000, inductive=True).V(item).predict_out("linked", "item").id_().to_list()
    )
    assert set(ranked) == {*known, "same", "other"}
    assert ranked.index("same") < len(ranked) / 2 < ranked.index("other")
    # In the other direction too, and to a source that is new itself.
    tails = ml_source(g, "linked", limit=1000, inductive=True).V("same").predict_in("linked", "item").id_()
    assert {"other", item} <= set(tails.to_list())


def test_deterministic_draws_are_the_same_each_time(within: Callable[[str], Any]) -> None:
    g = within("kind")
    added(g, "new", [*tags_of(0), *tags_of(1), *tags_of(2)]).iterate()
    drawn = {tuple(scored(g, "new", "kind-drawn")) for _ in range(10)}
    assert len(drawn) > 1
    assert len({tuple(scored(g, "new", "kind-drawn", deterministic=True)) for _ in range(10)}) == 1


def test_a_property_of_the_wrong_type_counts_as_missing(within: Callable[[str], Any]) -> None:
    g = within("kind")
    added(g, "new", tags_of(0), size="enormous").iterate()
    wrong = scored(g, "new", deterministic=True)
    g.V("new").properties("size").drop().iterate()
    assert scored(g, "new", deterministic=True) == wrong
    assert wrong[0][0] == KINDS[0]


def test_a_subgraph_hides_neighbours_from_the_model(within: Callable[[str], Any]) -> None:
    """What is hidden has the effect of what is not there."""
    g = within("kind")
    added(g, "new", [*tags_of(0, 3), *tags_of(1, 9)]).iterate()
    visible = __.or_(__.not_(__.has_label("tag")), __.has("colour", COLOURS[0]))
    whole, hidden = scored(g, "new"), scored(g.with_strategies(SubgraphStrategy(vertices=visible)), "new")
    assert (whole[0][0], hidden[0][0]) == (KINDS[1], KINDS[0])
    g.V().has_label("tag").not_(__.has("colour", COLOURS[0])).drop().iterate()
    assert scored(g, "new") == hidden
