"""One table of queries on every platform: bytecode and scripts, in every format, sessions and transactions."""

import csv
import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.driver.client import Client
from gremlin_python.driver.protocol import GremlinServerError
from gremlin_python.driver.serializer import GraphBinarySerializersV1, GraphSONSerializersV3d0
from gremlin_python.process.graph_traversal import __
from gremlin_python.structure.io.graphsonV3d0 import GraphSONReader

from neptuneml_plugin import jars
from neptuneml_plugin.config import ExportConfig, Reader
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.export.export import run
from neptuneml_plugin.testing import node_endpoint
from tests.contract import graph
from tests.contract.clients import ask_python
from tests.contract.queries import LABEL_AS_ARGUMENT, QUERIES, to_text
from tests.platforms import JANUSGRAPH, JANUSGRAPH_JARS, NEWEST, OLDEST, PLATFORMS, TRANSACTIONAL, Platform
from tests.servers import Connect

EXPECTED = {name: answers for name, (_, answers) in QUERIES.items()}
TYPED, UNTYPED = "application/vnd.gremlin-v3.0+json", "application/vnd.gremlin-v3.0+json;types=false"
#: gremlin-python 3.8 writes `g.with(…)` into GraphSON in a way that a 3.7 server does not read.
READ_GRAPHSON_BYTECODE = [name for name in PLATFORMS if name.endswith(NEWEST)]

transactional = pytest.mark.parametrize("platform", TRANSACTIONAL, indirect=True)
Submit = Callable[..., list[Any]]


@pytest.fixture
def submit(platform: Platform) -> Iterator[Submit]:
    """Return a function that sends a script, in a session where one is named."""
    clients: dict[tuple[str | None, type], Client] = {}

    def send(
        script: str,
        language: str = "gremlin-groovy",
        session: str | None = None,
        serializer: Any = GraphBinarySerializersV1,
    ) -> list[Any]:
        key = (session, serializer)
        if key not in clients:
            clients[key] = Client(platform.server.url, "g", session=session, message_serializer=serializer())
        found: list[Any] = clients[key].submit(script, request_options={"language": language}).all().result()
        return found

    yield send
    for client in clients.values():
        client.close()


def scripts(platform: Platform, language: str) -> dict[str, str]:
    """Return the queries that a platform's parser of a language understands (decision 28)."""
    texts = {name: to_text(steps) for name, steps in platform.queries.items()}
    if language == "gremlin-lang" and platform.name.endswith(NEWEST):
        del texts[LABEL_AS_ARGUMENT]
    return texts


def test_bytecode_in_graphbinary(platform: Platform, connect: Connect) -> None:
    source = connect(platform.server, GraphBinarySerializersV1())
    assert {name: ask_python(source, steps) for name, steps in platform.queries.items()} == EXPECTED


@pytest.mark.parametrize("platform", READ_GRAPHSON_BYTECODE, indirect=True)
def test_bytecode_in_graphson(platform: Platform, connect: Connect) -> None:
    source = connect(platform.server, GraphSONSerializersV3d0())
    assert {name: ask_python(source, steps) for name, steps in platform.queries.items()} == EXPECTED


@pytest.mark.parametrize(
    ("language", "serializer"),
    [("gremlin-groovy", GraphBinarySerializersV1), ("gremlin-lang", GraphSONSerializersV3d0)],
)
def test_scripts(platform: Platform, submit: Submit, language: str, serializer: Any) -> None:
    asked = scripts(platform, language)
    found = {name: submit(text, language, serializer=serializer) for name, text in asked.items()}
    assert found == {name: EXPECTED[name] for name in asked}


@pytest.mark.parametrize("platform", [f"TinkerGraph {NEWEST}"], indirect=True)
def test_what_gremlin_lang_cannot_parse(platform: Platform, submit: Submit) -> None:
    with pytest.raises(GremlinServerError, match="VertexStepPlaceholder"):
        submit(to_text(platform.queries[LABEL_AS_ARGUMENT]), "gremlin-lang")


@pytest.mark.parametrize("mime_type", [TYPED, UNTYPED])
def test_http(platform: Platform, mime_type: str) -> None:
    asked = scripts(platform, "gremlin-lang")
    assert {name: post(platform, text, mime_type) for name, text in asked.items()} == {
        name: EXPECTED[name] for name in asked
    }


def post(platform: Platform, script: str, mime_type: str) -> Any:
    """Return the answers to a gremlin-lang script that is sent over HTTP."""
    body = json.dumps({"gremlin": script, "language": "gremlin-lang"}).encode()
    url = platform.server.url.replace("ws:", "http:")
    headers = {"Content-Type": "application/json", "Accept": mime_type}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
        assert answer.headers["Content-Type"] == mime_type
        data = json.load(answer)["result"]["data"]
    return data if mime_type == UNTYPED else GraphSONReader().to_object(data)


@pytest.mark.parametrize("reader", [Reader.BULK, Reader.GREMLIN])
def test_export(platform: Platform, tmp_path: Path, reader: Reader) -> None:
    if (platform.name, reader) == (JANUSGRAPH, Reader.GREMLIN):
        with pytest.raises(FailureByQuery, match=r"RelationIdentifier not found.*'bulk' reads"):
            run(ExportConfig(platform.server.url, reader=reader), tmp_path / "export")
        return
    run(ExportConfig(platform.server.url, reader=reader), tmp_path / "export")
    (ratings,) = (tmp_path / "export/edges").glob("*.csv")
    names = {row["~id"]: row["name"] for file in (tmp_path / "export/nodes").glob("*.csv") for row in rows(file)}
    stars = {f"{names[row['~from']]}->{names[row['~to']]}": int(row["stars"]) for row in rows(ratings)}
    assert sorted(names.values()) == sorted((*graph.PEOPLE, *graph.MOVIES))
    assert stars == graph.RATINGS
    assert len({row["~id"] for row in rows(ratings)}) == len(stars)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_session_keeps_what_was_predicted(platform: Platform, submit: Submit) -> None:
    classify = to_text(platform.queries["vertex classification"])
    assert submit(f"countries = {classify}.toList(); countries.size()", session="one") == [2]
    assert submit("countries", session="one") == ["US", "CA"]
    with pytest.raises(GremlinServerError, match="countries"):
        submit("countries", session="another")


@transactional
def test_an_uncommitted_vertex_is_predicted_and_rolled_back(platform: Platform, connect: Connect) -> None:
    g = connect(platform.server)
    transaction = g.tx()
    within = transaction.begin()
    try:
        (dan,) = within.add_v("person").property("name", "dan").id_().as_string().to_list()
        platform.service.endpoints["country-of-dan"] = node_endpoint(
            "person", "country", "String", "Long", {dan: [{"value": "MX", "score": 0.5}]}
        )
        assert ask_country(within, "dan") == ["MX"]
        assert ask_country(g, "dan") == []
    finally:
        transaction.rollback()
    assert ask_country(g, "dan") == []
    assert g.V().has_label("person").count().next() == 3


def ask_country(source: Any, name: str) -> list[Any]:
    predicted = source.with_("Neptune#ml.endpoint", "country-of-dan").V().has("person", "name", name)
    found: list[Any] = predicted.properties("country").with_("Neptune#ml.classification").value().to_list()
    return found


@transactional
def test_an_uncommitted_vertex_is_predicted_as_a_links_end(platform: Platform, connect: Connect) -> None:
    g = connect(platform.server)
    transaction = g.tx()
    within = transaction.begin()
    links = platform.service.endpoints["links"]
    try:
        (dune,) = within.add_v("movie").property("name", "dune").id_().as_string().to_list()
        known = platform.ids.vertices
        rows = [{"id": dune, "score": 0.9}, {"id": known["up"], "score": 0.8}]
        platform.service.endpoints["links-to-dune"] = replace(links, predictions={known["ann"]: rows})
        assert ask_links(within) == ["dune", "up"]
        assert ask_links(g) == ["up"]
    finally:
        transaction.rollback()
    assert ask_links(g) == ["up"]


def ask_links(source: Any) -> list[Any]:
    anns = source.with_("Neptune#ml.endpoint", "links-to-dune").with_("Neptune#ml.limit", 2).V().has("name", "ann")
    predicted = anns.out("rated").with_("Neptune#ml.prediction").has_label("movie")
    found: list[Any] = predicted.values("name").to_list()
    return found


@transactional
def test_a_session_rolls_back(platform: Platform, submit: Submit) -> None:
    order = to_text(platform.queries["vertex classification"])
    counted = "g.V().hasLabel('person').count().next()"
    added = f"g.addV('person').property('name', 'eve').iterate(); [{counted}, *{order}.toList()]"
    assert submit(added, session="rolled back") == [4, "US", "CA"]
    assert submit(f"g.tx().rollback(); {counted}", session="rolled back") == [3]
    assert submit(counted) == [3]


@pytest.mark.parametrize("platform", ["JanusGraph 1.1.0"], indirect=True)
def test_janusgraph_is_the_real_one(platform: Platform, submit: Submit) -> None:
    assert submit("[graph, g.V().next().id(), g.E().next().id()].collect { it.class.simpleName }") == [
        "StandardJanusGraph",
        "Long",
        "RelationIdentifier",
    ]
    tinkerpop = [
        jar.stem for jar in platform.library.glob("*.jar") if jar.name.startswith(("gremlin-", "tinkergraph-"))
    ]
    assert len(tinkerpop) == 8
    assert {name.rpartition("-")[2] for name in tinkerpop} == {OLDEST}
    assert jars.server_jars(OLDEST).coordinates == JANUSGRAPH_JARS.coordinates[:4]


@pytest.mark.parametrize("platform", [f"TinkerGraph {OLDEST}", f"TinkerGraph {NEWEST}"], indirect=True)
def test_the_server_is_of_the_release(platform: Platform, submit: Submit) -> None:
    version = "org.apache.tinkerpop.gremlin.util.Gremlin.version()"
    assert submit(version) == [platform.name.split()[-1]]


def test_edges_are_found_by_id_in_each_form(platform: Platform, connect: Connect) -> None:
    edge = platform.ids.edges["ann->up"]
    moods = connect(platform.server).with_("Neptune#ml.endpoint", "mood")
    asked = moods.V().has("name", "ann").out_e("rated").order().by("stars").project("id", "mood")
    asked = asked.by(__.id_().as_string()).by(__.values("mood").with_("Neptune#ml.classification"))
    assert asked.to_list() == [
        {"id": edge, "mood": "sad"},
        {"id": platform.ids.edges["ann->heat"], "mood": "glad"},
    ]
