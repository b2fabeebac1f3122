"""What the quickstart asks through an unmodified gremlin-python connection, beside the held-out truth."""

import contextlib
import csv
import logging
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientError
from gremlin_python.driver.client import Client
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.driver.protocol import GremlinServerError
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import GraphTraversal, GraphTraversalSource, __
from gremlin_python.process.translator import Translator
from gremlin_python.process.traversal import P, TraversalStrategies
from gremlin_python.structure.graph import Element, Graph, Property, VertexProperty

from neptuneml_plugin.artifacts import SPLITS
from neptuneml_plugin.errors import FailureByQuery, PreconditionsFailed
from neptuneml_plugin.learn import CLASSIFICATION, ENDPOINT_OPTION

#: Rows of a table.
SHOWN = 8

Question = Callable[[GraphTraversalSource], GraphTraversal]


@dataclass(frozen=True)
class Answer:
    """A query, as text, and what came back."""

    query: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def ask_all(gremlin_url: str, processed: Mapping[str, Path]) -> list[tuple[Answer, ...]]:
    """Ask each endpoint about elements that its training did not see.

    Args:
        gremlin_url: the server.
        processed: the processed folder of each endpoint, whose split says what was held out.

    Returns:
        Answers in the order of `processed`.
    """
    connection = DriverRemoteConnection(gremlin_url, "g")
    try:
        g = traversal().with_(connection)
        return [ASK[endpoint](g, folder / SPLITS / "0") for endpoint, folder in processed.items()]
    finally:
        connection.close()


def ask_text(service_url: str, token: str | None, query: str) -> Answer:
    """Ask the Gremlin Server behind a service, through its own port.

    Raises:
        FailureByQuery: the server refuses the query.
    """
    logging.getLogger("gremlinpython").addHandler(logging.NullHandler())  # or it prints the server's stack traces
    url = f"ws{service_url.removeprefix('http').rstrip('/')}/gremlin"
    client = Client(url, "g", headers={"Authorization": f"Bearer {token}"} if token else None)
    try:
        results = client.submit(query, request_options={"language": "gremlin-groovy"}).all().result()
    except GremlinServerError as error:
        raise FailureByQuery(f"the Gremlin Server refuses the query: {error.status_message}") from None
    finally:
        client.close()
    columns, rows = _table(results)
    return Answer(query, columns, rows)


def check_plugin(service_url: str, token: str | None) -> None:
    """Find out, before anything is learned, whether the Gremlin Server behind a service asks for predictions.

    Without the plugin, queries are answered with what is stored.

    Raises:
        PreconditionsFailed: it has no plugin, or one that does not reach the service.
    """
    nobody = f"nobody-{secrets.token_hex(8)}"
    probe = f'g.with("{ENDPOINT_OPTION}","{nobody}").inject(1).properties("key").with("{CLASSIFICATION}")'
    with contextlib.suppress(ClientError):  # where there is no server to ask, the export says why
        try:
            ask_text(service_url, token, probe)
        except FailureByQuery as error:
            if f"endpoint '{nobody}' was not found" in str(error):
                return
            said = re.search(r"\b\w+Exception: (.*)", str(error))
            reason = said[1] if said else "it lacks the plugin; `neptuneml plugin` says how to add it"
            raise PreconditionsFailed(f"the Gremlin Server would not ask for the predictions: {reason}") from None


def _table(results: Sequence[Any]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """Return results as columns and rows: maps by their keys, properties by key and value, the rest as it is."""
    first = results[0] if results else None
    if isinstance(first, dict) and all(isinstance(row, dict) and row.keys() == first.keys() for row in results):
        return tuple(map(str, first)), tuple(tuple(row.values()) for row in results)
    if all(isinstance(row, Property | VertexProperty) for row in results) and results:
        return ("key", "value"), tuple((row.key, row.value) for row in results)
    if all(isinstance(row, Element) for row in results) and results:
        return ("label", "id"), tuple((row.label, row.id) for row in results)
    return ("answer",), tuple((row,) for row in results)


def _read(splits: Path, part: str) -> list[dict[str, str]]:
    with (splits / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _ask_countries(g: GraphTraversalSource, splits: Path) -> tuple[Answer, ...]:
    airports = [int(row["~id"]) for row in _read(splits, "test")[:SHOWN]]
    predicted = __.properties("country").with_("Neptune#ml.classification").value()
    beside = _ask(
        g,
        {"Neptune#ml.endpoint": "airport-country"},
        lambda g: g.V(*airports).project("airport", "truth", "predicted").by("code").by("country").by(predicted),
        ("airport", "truth", "predicted"),
    )
    ranked = _ask(
        g,
        {"Neptune#ml.endpoint": "airport-country", "Neptune#ml.limit": 3},
        lambda g: (
            g.V(airports[0]).properties("country", "Neptune#ml.score").with_("Neptune#ml.classification")
            .project("key", "value").by(__.key()).by(__.value())
        ),
        ("key", "value"),
    )  # fmt: skip
    return beside, ranked


def _ask_distances(g: GraphTraversalSource, splits: Path) -> tuple[Answer, ...]:
    edges = [
        g.V(int(route["~from"])).out_e("route").where(__.in_v().has_id(int(route["~to"]))).id_().next()
        for route in _read(splits, "test")[:SHOWN]
    ]
    predicted = __.properties("dist").with_("Neptune#ml.regression").value()
    columns = ("from", "to", "truth", "predicted")
    return (
        _ask(
            g,
            {"Neptune#ml.endpoint": "route-distance"},
            lambda g: (
                g.E(*edges).project(*columns)
                .by(__.out_v().values("code")).by(__.in_v().values("code")).by("dist").by(predicted)
            ),
            columns,
        ),
    )  # fmt: skip


def _ask_routes(g: GraphTraversalSource, splits: Path) -> tuple[Answer, ...]:
    source, trained = _source_with_few_routes(splits)
    beside = _ask(
        g,
        {"Neptune#ml.endpoint": "airport-routes", "Neptune#ml.limit": len(trained) + SHOWN},
        lambda g: (
            g.V(source).out("route").with_("Neptune#ml.prediction").has_label("airport")
            .has_id(P.without(trained)).limit(SHOWN).project("to", "airport", "truth")
            .by("code").by("desc").by(__.in_("route").has_id(source).count())
        ),
        ("to", "airport", "truth"),
    )  # fmt: skip
    new = _ask(
        g,
        {"Neptune#ml.endpoint": "airport-routes", "Neptune#ml.limit": 5},
        lambda g: (
            g.V().has("airport", "code", "AUS").out("route").with_("Neptune#ml.prediction")
            .with_("Neptune#ml.filterExistingEdges").with_("Neptune#ml.score", "score").has_label("airport")
            .as_("to", "airport").select("to", "airport", "score").by("code").by("desc").by()
        ),
        ("to", "airport", "score"),
    )  # fmt: skip
    return beside, new


def _source_with_few_routes(splits: Path, most: int = 12) -> tuple[int, list[int]]:
    """Return the airport with the most held-out routes among those trained on few, and where these go."""
    trained: dict[int, list[int]] = {}
    for route in _read(splits, "train"):
        trained.setdefault(int(route["~from"]), []).append(int(route["~to"]))
    held_out = Counter(int(route["~from"]) for route in _read(splits, "test"))
    few = [airport for airport in held_out if 0 < len(trained.get(airport, ())) <= most]
    source = max(few, key=lambda airport: (held_out[airport], -airport))
    return source, trained[source]


def _ask(
    g: GraphTraversalSource, options: Mapping[str, Any], question: Question, columns: tuple[str, ...]
) -> Answer:
    source, text = g, "g"
    for name, value in options.items():
        source = source.with_(name, value)
        text += f".with({name!r},{value!r})"
    plain = question(GraphTraversalSource(Graph(), TraversalStrategies()))
    rows = [tuple(row[column] for column in columns) for row in question(source).to_list()]
    return Answer(text + Translator().of("").translate(plain.bytecode), columns, tuple(rows))


#: Endpoint -> what to ask it.
ASK = {"airport-country": _ask_countries, "route-distance": _ask_distances, "airport-routes": _ask_routes}
