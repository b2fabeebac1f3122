"""`GET /openapi.json`: every route of the application, described by the tables that read its requests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web

from neptuneml_plugin import __version__
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.wire import endpoints, exports, queries, schemas
from neptuneml_plugin.service.wire.requests import MEMBERS, Member, Shape
from neptuneml_plugin.service.wire.schemas import Schema

JSON = "application/json"


@dataclass(frozen=True)
class Operation:
    """What cannot be told from a route and its handler."""

    #: Name of the answer's schema; None: not JSON.
    answer: str | None = None
    query: tuple[Member, ...] = ()
    body: Schema | None = None
    #: Of an answer that is not JSON.
    media_type: str = JSON
    #: Statuses beside 200 and those of errors.
    others: tuple[int, ...] = ()


_VERSION = Member("version", Shape.TEXT, "An older version that a query may hold.")
_LOG = Operation(media_type="text/plain", others=(206, 416))


def _of_jobs(path: str, kind: str, body: Schema) -> dict[tuple[str, str], Operation]:
    return {
        ("POST", path): Operation("ExportStarted" if kind == "Export" else "Started", body=body),
        ("GET", path): Operation("Ids", queries.LIST_EXPORTS if kind == "Export" else queries.LIST_JOBS),
        ("GET", path + "/{id}"): Operation(kind, queries.READ),
        ("GET", path + "/{id}/log"): _LOG,
        ("DELETE", path + "/{id}"): Operation("Cancelled", queries.CANCEL),
    }


#: Method and path -> what is particular to it; a route that is not here is described by its handler alone.
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/health"): Operation("Health"),
    **_of_jobs(
        "/ml/dataprocessing", "DataProcessingJob", schemas.request_schema(MEMBERS[JobKind.DATA_PROCESSING])
    ),
    **_of_jobs("/ml/modeltraining", "ModelTrainingJob", schemas.request_schema(MEMBERS[JobKind.MODEL_TRAINING])),
    **_of_jobs(
        "/ml/modeltransform", "ModelTransformJob", schemas.request_schema(MEMBERS[JobKind.MODEL_TRANSFORM])
    ),
    **_of_jobs("/neptune-export", "Export", exports.SCHEMA),
    **_of_jobs("/v1/neptune-export", "Export", exports.SCHEMA),
    ("POST", "/ml/endpoints"): Operation("Started", body=schemas.request_schema(endpoints.MEMBERS)),
    ("GET", "/ml/endpoints"): Operation("Ids", queries.LIST),
    ("GET", "/ml/endpoints/{id}"): Operation("Endpoint", queries.READ),
    ("DELETE", "/ml/endpoints/{id}"): Operation("Cancelled", queries.DELETE),
    ("POST", "/ml/endpoints/{id}/rollback"): Operation("Endpoint", body=schemas.ANY_OBJECT),
    ("POST", "/ml/chains"): Operation("ChainStarted", body=schemas.ANY_OBJECT),
    ("GET", "/ml/chains"): Operation("Ids", queries.LIST_JOBS),
    ("GET", "/ml/chains/{id}"): Operation("Chain", queries.READ),
    ("DELETE", "/ml/chains/{id}"): Operation("Cancelled", queries.CANCEL),
    ("GET", "/endpoints/{name}"): Operation("Description", (_VERSION,), others=(304,)),
    ("GET", "/endpoints/{name}/tables/{label}"): Operation(
        query=(_VERSION,), media_type="application/octet-stream", others=(206, 416)
    ),
    ("POST", "/endpoints/{name}/invocations"): Operation("Answers", body=schemas.ANY_OBJECT),
}


def document(router: web.UrlDispatcher) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all routes."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, summary in described_routes(router):
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, summary)
    errors = {str(status): _error(codes) for status, codes in schemas.error_codes().items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Neptune ML for every TinkerPop graph",
            "description": "Neptune's management API of ML, its export service, and what this service adds.",
            "version": __version__,
        },
        "paths": paths,
        "components": {
            "schemas": dict(schemas.ANSWERS),
            "responses": errors,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def described_routes(router: web.UrlDispatcher) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and one sentence of every route; not those that take any method, or mirror GET."""
    for route in router.routes():
        if route.resource is not None and route.method not in (hdrs.METH_ANY, hdrs.METH_HEAD):
            text = (route.handler.__doc__ or "").strip()
            yield route.method, route.resource.canonical, text.partition("\n")[0]


def _operation(method: str, path: str, summary: str) -> dict[str, Any]:
    known = OPERATIONS.get((method, path), Operation())
    described: dict[str, Any] = {
        "operationId": f"{method.lower()}{path.replace('/', '-').replace('{', '').replace('}', '')}",
        "summary": summary,
        "parameters": [*_path_parameters(path), *map(_query_parameter, known.query)],
        "responses": _responses(known),
    }
    if known.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": known.body}}}
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": schemas.TEXT} for name in names]


def _query_parameter(member: Member) -> dict[str, Any]:
    schema = schemas.member_schema(member)
    return {"name": member.name, "in": "query", "description": schema.pop("description"), "schema": schema}


def _responses(known: Operation) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if known.answer is not None:
        done["content"] = {JSON: {"schema": schemas.reference(known.answer)}}
    elif known.media_type != JSON:
        done["content"] = {known.media_type: {}}
    errors = {str(status): {"$ref": f"#/components/responses/{status}"} for status in schemas.error_codes()}
    others = {str(status): {"description": "See RFC 9110."} for status in known.others}
    return {"200": done, **others, **errors}


def _error(codes: list[str]) -> dict[str, Any]:
    return {
        "description": ", ".join(codes),
        "content": {JSON: {"schema": schemas.error_schema(codes)}},
    }
