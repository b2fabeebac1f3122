"""The service: its application, and the main function of `neptuneml serve`."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
from aiohttp import web

from neptuneml_plugin import tracing
from neptuneml_plugin.config import LogFormat, ServiceConfig
from neptuneml_plugin.error_body import Runner, answer_errors
from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.filelock import take_lock
from neptuneml_plugin.redaction import set_up_logging
from neptuneml_plugin.service.chains.chains import Chains
from neptuneml_plugin.service.chains.store import ChainStore
from neptuneml_plugin.service.database import Database
from neptuneml_plugin.service.endpoints.passing import INVOCATION_TIMEOUT_SECONDS
from neptuneml_plugin.service.endpoints.registry import Registry
from neptuneml_plugin.service.endpoints.store import EndpointStore
from neptuneml_plugin.service.gateway.server import end_callers
from neptuneml_plugin.service.guards import (
    RATE_LIMIT,
    check_caller,
    check_host_and_origin,
    check_rate,
)
from neptuneml_plugin.service.jobs.jobs import Jobs
from neptuneml_plugin.service.jobs.logs import RedactedLogs
from neptuneml_plugin.service.jobs.plans import Planner
from neptuneml_plugin.service.jobs.store import JobStore
from neptuneml_plugin.service.routes import (
    chains,
    endpoints,
    exports,
    gremlin,
    health,
    jobs,
    metrics,
    openapi,
    serving,
    unsupported,
)
from neptuneml_plugin.service.routes.requests import (
    CHAINS,
    CLIENT,
    CONFIG,
    JOBS,
    LOGS,
    PLANNER,
    REGISTRY,
    check_public_url,
)
from neptuneml_plugin.service.security.callers import CALLERS, load_callers
from neptuneml_plugin.service.security.ratelimit import RateLimit
from neptuneml_plugin.service.security.secretfiles import gremlin_login
from neptuneml_plugin.service.security.tls import server_context

DATABASE = "service.sqlite3"
LOCK = "service.lock"
SHUTDOWN_SECONDS = 5.0


def create_app(config: ServiceConfig) -> web.Application:
    """Return the service's application; its workers start and end with it.

    Raises:
        InvalidParameter: the public URL is none.
        InvalidSettings: a file of secrets cannot be used.
        PreconditionsFailed: others than this machine reach the service, and nobody would be asked who they are.
    """
    check_public_url(config.public_url)
    app = web.Application(
        middlewares=[answer_errors, check_rate, check_host_and_origin, check_caller],
        client_max_size=config.max_body_mib << 20,
    )
    app[CONFIG] = config
    app[CALLERS] = load_callers(config)
    app[RATE_LIMIT] = RateLimit(config.requests_per_second, config.request_burst)
    app.cleanup_ctx.append(_lifetime)
    app.cleanup_ctx.append(gremlin.lifetime)
    app.on_shutdown.append(end_callers)
    for module in (health, openapi, chains, endpoints, exports, jobs, metrics, serving, gremlin, unsupported):
        app.add_routes(module.routes)
    return app


async def _lifetime(app: web.Application) -> AsyncIterator[None]:
    config = app[CONFIG]
    with _locked(config):
        database = Database(config.data_root / DATABASE)
        await database.open()
        app[REGISTRY] = Registry(config, EndpointStore(database))
        await app[REGISTRY].open()
        app[JOBS] = Jobs(config, JobStore(database))
        app[PLANNER] = Planner(config, app[JOBS])
        app[LOGS] = RedactedLogs()
        await app[JOBS].open()
        app[CHAINS] = Chains(ChainStore(database), app[JOBS], app[PLANNER], app[REGISTRY])
        await app[CHAINS].open()
        app[JOBS].begin_retention(app[CHAINS].held)
        timeout = aiohttp.ClientTimeout(total=INVOCATION_TIMEOUT_SECONDS, sock_connect=5)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            app[CLIENT] = client
            yield
            await app[CHAINS].close()
            await app[JOBS].close()
            await app[REGISTRY].close()
        await database.close()


@contextlib.contextmanager
def _locked(config: ServiceConfig) -> Iterator[None]:
    """Hold the data root for this process alone; the lock vanishes with the process."""
    try:
        config.data_root.mkdir(parents=True, exist_ok=True)
        lock = (config.data_root / LOCK).open("a")
    except OSError as error:
        raise PreconditionsFailed(f"data root {config.data_root} cannot be written: {error.strerror}") from None
    with lock:
        if not take_lock(lock.fileno()):
            raise PreconditionsFailed(
                f"another service uses data root {config.data_root}; stop it or pass another --data-root"
            )
        yield


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
    tracing.set_up("neptuneml-service")
    tls, app = server_context(config), create_app(config)
    as_json = config.log_format is LogFormat.JSON
    level = logging.INFO if as_json else logging.WARNING
    login = gremlin_login(config)
    secrets = (*app[CALLERS].secrets, *((login.password,) if login else ()))
    set_up_logging("service", secrets, level, as_json=as_json)
    runner = Runner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=config.idle_seconds,
    )
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, config.host, config.port, ssl_context=tls).start()
        except (OSError, OverflowError) as error:
            raise PreconditionsFailed(
                f"cannot listen on {config.host}:{config.port}: {_reason(error)}; pass another --port or --host"
            ) from None
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"{'https' if tls else 'http'}://{host}:{runner.addresses[0][1]}"
        logging.getLogger(__name__).info("listening on %s", address)
        if on_ready is not None:
            on_ready(address)
        await stop.wait()
    finally:
        await runner.cleanup()
        tracing.shut_down()
