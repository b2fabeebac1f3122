"""Neptune's other services, refused by name with the next action (decision 5)."""

from aiohttp import web

from neptuneml_plugin.errors import UnsupportedOperation

_SPARQL = "this graph is a property graph; ask in Gremlin"
_CYPHER = "the Gremlin Server has no openCypher; ask in Gremlin"
_STREAM = "the Gremlin Server keeps no stream of changes; export again with `neptuneml export`"
#: Path -> what to do instead.
INSTEAD = {
    "/loader": "load with the graph's own tools or by Gremlin (addV, addE, g.io())",
    "/system": "there is no database to reset; remove elements by Gremlin (g.V().drop())",
    "/gremlin/status": "a Gremlin Server lists no queries; bound a query with evaluationTimeout instead",
    "/gremlin/stream": _STREAM,
    "/propertygraph/stream": _STREAM,
    "/pg/stream": _STREAM,
    "/sparql": _SPARQL,
    "/rdf": _SPARQL,
    "/opencypher": _CYPHER,
    "/openCypher": _CYPHER,
    "/propertygraph/statistics": "statistics are counted when a summary is asked for: GET …/statistics/summary",
    "/pg/statistics": "statistics are counted when a summary is asked for: GET …/statistics/summary",
}

routes: list[web.RouteDef] = []


async def refuse(request: web.Request) -> web.Response:
    """Refuse a service that Neptune has."""
    root = next(path for path in INSTEAD if request.path == path or request.path.startswith(f"{path}/"))
    raise UnsupportedOperation(f"{root} is not offered: {INSTEAD[root]}")


for _path in INSTEAD:
    routes += [web.route("*", _path, refuse), web.route("*", _path + "/{rest:.*}", refuse)]
