"""The service: routes, and the main function of `neptuneml serve`."""

import asyncio
import contextlib
import fcntl
import io
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
from aiohttp import web

from neptuneml_plugin import __version__
from neptuneml_plugin.artifacts import table_name
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.error_body import REQUEST_ID, REQUEST_ID_HEADER, answer_errors
from neptuneml_plugin.errors import (
    ClientTimeout,
    ConstraintViolation,
    FailureByQuery,
    PreconditionsFailed,
    ResourceNotFound,
    TimeLimitExceeded,
)
from neptuneml_plugin.service import wire
from neptuneml_plugin.service.endpoints import Status
from neptuneml_plugin.service.guards import CONFIG, check_host_and_origin, check_token
from neptuneml_plugin.service.inductive import inductive
from neptuneml_plugin.service.registry import Registry, Served
from neptuneml_plugin.service.store import Store

DATABASE = "service.sqlite3"
LOCK = "service.lock"
BODY_TIMEOUT_SECONDS = 30.0
INVOCATION_TIMEOUT_SECONDS = 120.0
SHUTDOWN_SECONDS = 5.0

REGISTRY = web.AppKey("registry", Registry)
CLIENT = web.AppKey("client", aiohttp.ClientSession)

routes = web.RouteTableDef()


def create_app(config: ServiceConfig) -> web.Application:
    """Return the service's application; its workers start and end with it."""
    app = web.Application(
        middlewares=[answer_errors, check_host_and_origin, check_token], client_max_size=config.max_body_mib << 20
    )
    app[CONFIG] = config
    app.cleanup_ctx.append(_lifetime)
    app.add_routes(routes)
    return app


async def _lifetime(app: web.Application) -> AsyncIterator[None]:
    config = app[CONFIG]
    with _locked(config):
        app[REGISTRY] = Registry(config, Store(config.data_root / DATABASE))
        await app[REGISTRY].open()
        timeout = aiohttp.ClientTimeout(total=INVOCATION_TIMEOUT_SECONDS, sock_connect=5)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            app[CLIENT] = client
            yield
            await app[REGISTRY].close()


@contextlib.contextmanager
def _locked(config: ServiceConfig) -> Iterator[None]:
    """Hold the data root for this process alone; the lock vanishes with the process."""
    try:
        config.data_root.mkdir(parents=True, exist_ok=True)
        lock = (config.data_root / LOCK).open("a")
    except OSError as error:
        raise PreconditionsFailed(f"data root {config.data_root} cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PreconditionsFailed(
                f"another service uses data root {config.data_root}; stop it or pass another --data-root"
            ) from None
        yield


@routes.get("/health")
async def health(_: web.Request) -> web.Response:
    """Tell that the service answers."""
    return web.json_response({"status": "healthy", "version": __version__})


@routes.post("/ml/endpoints")
async def create_endpoint(request: web.Request) -> web.Response:
    """Create an endpoint, or update one."""
    asked = wire.parse_create_endpoint(await _body(request))
    registry = request.app[REGISTRY]
    if asked.update and asked.id is not None:
        record = await registry.update(asked.id, asked.location, asked.options)
    else:
        record = await registry.create(asked.id, asked.location, asked.options)
    return web.json_response(wire.render_created(record))


@routes.get("/ml/endpoints")
async def list_endpoints(request: web.Request) -> web.Response:
    """List the ids of endpoints, newest first."""
    page = wire.parse_page(request.query)
    return web.json_response(wire.render_page(request.app[REGISTRY].records(), page))


@routes.get("/ml/endpoints/{id}")
async def endpoint_status(request: web.Request) -> web.Response:
    """Tell an endpoint's state as Neptune does."""
    return web.json_response(wire.render_status(request.app[REGISTRY].get(request.match_info["id"])))


@routes.delete("/ml/endpoints/{id}")
async def delete_endpoint(request: web.Request) -> web.Response:
    """Delete an endpoint. `clean` finds nothing to remove: an artifact is served where its transform wrote it."""
    wire.parse_flag(request.query.get("clean"), "clean")
    await request.app[REGISTRY].delete(request.match_info["id"])
    return web.json_response({"status": Status.DELETING.value})


@routes.get("/endpoints/{name}")
async def describe_endpoint(request: web.Request) -> web.Response:
    """Describe an endpoint to the plugin; 304 while nothing has changed."""
    name, version = request.match_info["name"], request.query.get("version") or None
    served = request.app[REGISTRY].served(name, version)
    status, reason = Status.IN_SERVICE, None
    if version is None:
        record = request.app[REGISTRY].get(name)
        status, reason = record.status, record.failure_reason
    document = wire.render_description(name, status, reason, _version(served, request.app[CONFIG]))
    tag = wire.etag(document)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.json_response(document, headers=headers)


def _version(served: Served | None, config: ServiceConfig) -> wire.Version | None:
    if served is None:
        return None
    worker, manifest = served.worker, served.manifest
    access = (worker.running.address, worker.running.token) if worker.running else None
    return wire.Version(manifest, worker.artifact, inductive(manifest, worker.options, config), access)


@routes.get("/endpoints/{name}/tables/{label:(?s:.+)}")  # a label may hold anything
async def table(request: web.Request) -> web.FileResponse:
    """Send the table of a vertex label, or a range of it."""
    name, label = request.match_info["name"], request.match_info["label"]
    served = request.app[REGISTRY].served(name, request.query.get("version") or None)
    path = None if served is None else await asyncio.to_thread(_table_path, served, label)
    if path is None:
        raise ResourceNotFound(f"endpoint '{name}' has no table of '{label}'; its description names those it has")
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})


def _table_path(served: Served, label: str) -> Path | None:
    """Return the table's file, if the version has one.

    Raises:
        ConstraintViolation: it is not the file that the version was made with.
    """
    labels = [node.label for node in served.manifest.schema.nodes]
    name = table_name(labels.index(label)) if label in labels else ""
    if name not in served.manifest.files:
        return None
    path = served.worker.artifact / name
    if not path.is_file() or path.stat().st_size != served.manifest.files[name].size:
        raise ConstraintViolation(f"{path} has changed or vanished; update the endpoint with another artifact")
    return path


@routes.post("/endpoints/{name}/invocations")
async def invoke_endpoint(request: web.Request) -> web.Response:
    """Pass an invocation on to the worker of the version that it is pinned to."""
    body = await _body(request)
    registry, name = request.app[REGISTRY], request.match_info["name"]
    version = (
        wire.pinned_version(body) if len(body) < 1 << 16 else await asyncio.to_thread(wire.pinned_version, body)
    )
    served = _served(registry, name, version)
    if served is None:
        record = registry.get(name)
        reason = f": {record.failure_reason}" if record.failure_reason else ""
        raise PreconditionsFailed(f"endpoint '{name}' is {record.status} and does not answer{reason}")
    return await _pass_on(request, served, body)


def _served(registry: Registry, name: str, version: str | None) -> Served | None:
    try:
        return registry.served(name, version)
    except ResourceNotFound as error:
        registry.get(name)
        raise ConstraintViolation(f"{error}; run the query again") from None


async def _pass_on(request: web.Request, served: Served, body: bytes) -> web.Response:
    running, name = served.worker.running, served.worker.endpoint
    if running is None:
        raise FailureByQuery(f"the worker of endpoint '{name}' has died and is being started again; ask again")
    headers = {"Authorization": f"Bearer {running.token}", REQUEST_ID_HEADER: request[REQUEST_ID]}
    try:
        async with request.app[CLIENT].post(
            f"{running.address}/invocations", data=io.BytesIO(body), headers=headers
        ) as answer:
            kept = {key: answer.headers[key] for key in ("Content-Type", "Retry-After") if key in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
    except TimeoutError:
        raise TimeLimitExceeded(
            f"endpoint '{name}' did not answer within {INVOCATION_TIMEOUT_SECONDS:.0f} s"
        ) from None
    except aiohttp.ClientError as error:
        raise FailureByQuery(
            f"the worker of endpoint '{name}' cannot be reached ({type(error).__name__})"
        ) from None


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            return await request.read()
    except TimeoutError:
        raise ClientTimeout(f"the body did not arrive within {BODY_TIMEOUT_SECONDS:.0f} s") from None


def run(config: ServiceConfig, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then stop the workers.

    Args:
        config: settings of the service.
        on_ready: told the address once the service answers.

    Raises:
        PreconditionsFailed: the port is taken, or another service uses the data root.
    """
    asyncio.run(_serve(config, on_ready))


def _reason(error: OSError | OverflowError) -> str:
    """Return the system's words, without those that asyncio adds."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error)


async def _serve(config: ServiceConfig, on_ready: Callable[[str], None] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(create_app(config), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, config.host, config.port).start()
        except (OSError, OverflowError) as error:
            raise PreconditionsFailed(
                f"cannot listen on {config.host}:{config.port}: {_reason(error)}; pass another --port or --host"
            ) from None
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"http://{host}:{runner.addresses[0][1]}"
        logging.getLogger(__name__).info("listening on %s", address)
        if on_ready is not None:
            on_ready(address)
        await stop.wait()
    finally:
        await runner.cleanup()
