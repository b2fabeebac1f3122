"""What `neptuneml loadtest` does; apart from its flags, so that other commands do not load what it needs."""

import asyncio
import json
import math
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from neptuneml_plugin import config, locations
from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.display import shown_progress
from neptuneml_plugin.errors import FailureByQuery, InvalidParameter, PreconditionsFailed
from neptuneml_plugin.loadtest import applying, items, page
from neptuneml_plugin.loadtest.choosing import Configuration, Row, Wanted, grid
from neptuneml_plugin.loadtest.clients import WORKER_PATH, Address
from neptuneml_plugin.loadtest.load import Load
from neptuneml_plugin.loadtest.run import Result, Settings, Subject, run
from neptuneml_plugin.report import shown
from neptuneml_plugin.stage import output_folder

Flags = Mapping[str, Any]
#: Configurations that one command measures.
MOST_CONFIGURATIONS = 64

_err = Console(stderr=True, highlight=False)


def check(
    endpoint: str | None, artifact: Path | None, *, through_service: bool, is_applied: bool, flags: Flags
) -> None:
    """Refuse flags that do not go together.

    Raises:
        click.UsageError: they do not.
    """
    choices = _choices(flags)
    if (endpoint is None) == (artifact is None):
        raise click.UsageError("give one of --endpoint and --artifact")
    if through_service and (endpoint is None or choices):
        raise click.UsageError("--through-service asks an endpoint as it is served; give --endpoint and no lists")
    if is_applied and (endpoint is None or not choices):
        raise click.UsageError("--apply needs --endpoint, and what to choose from, such as --max-batch 1,1024")
    count = math.prod(len(values) for values in choices.values())
    if count > MOST_CONFIGURATIONS:
        raise click.UsageError(
            f"these are {count:,} configurations; measure {MOST_CONFIGURATIONS} at most at a time"
        )


def _choices(flags: Flags) -> dict[str, Sequence[int]]:
    """Return the lists that were given, by the names of `Configuration`'s fields."""
    return {field.name: flags[field.name] for field in fields(Configuration) if flags[field.name]}


def measured(
    client: ServiceClient,
    service: tuple[str, str | None] | None,
    endpoint: str | None,
    artifact: Path | None,
    flags: Flags,
) -> Result:
    """Run the load test and write its files.

    Args:
        client: speaks to the service.
        service: its address and token, where the endpoint is asked by way of it.
        endpoint: the endpoint, if one is tested.
        artifact: the artifact, if one is tested.
        flags: of the command.
    """
    choices = _choices(flags)
    if endpoint is not None and (choices or flags["file"] is None):
        artifact = _artifact_of(client, endpoint, for_items=flags["file"] is None)
    bodies = _bodies(artifact, flags)
    if endpoint is not None and not choices:
        subject = _served(client, endpoint, service)
    else:
        subject = Subject(endpoint or str(artifact), artifact=artifact, configurations=tuple(grid(choices)))
    output, settings = flags["output"], _settings(flags)
    _err.print(page.planned(subject, settings), markup=False, soft_wrap=True)
    if any(choices.get("cache_mib", ())) and flags["file"] is None:
        _err.print(
            f"The same {len(bodies):,} bodies are asked again and again, and a cache soon keeps their answers: "
            "give the mix that you expect by --items.",
            soft_wrap=True,
        )
    with output_folder(output, overwrite=flags["overwrite"]) if output else nullcontext() as folder:
        with shown_progress(_err) as progress:
            result = _run_until_interrupted(run(subject, bodies, settings, progress))
        if folder is not None:
            page.write_result(folder, result)
    return result


def _run_until_interrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a test that SIGTERM cancels, as asyncio has Ctrl-C do.

    An exception raised by a signal's handler may end up in any callback of the loop, and the test go on.
    """

    async def cancelled_by_sigterm() -> Result:
        task, loop = asyncio.create_task(work), asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGTERM)
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, before)

    try:
        return asyncio.run(cancelled_by_sigterm())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _artifact_of(client: ServiceClient, endpoint: str, *, for_items: bool) -> Path:
    """Return the folder of an endpoint's artifact."""
    location = client.get_endpoint(endpoint)["endpoint"]["outputLocation"]
    folder = locations.resolve(location, locations.policy(config.data_root())).folder
    if folder is None or not folder.is_dir():
        way = "give bodies by --items" if for_items else "copy it here and give --artifact"
        raise InvalidParameter(f"the artifact of endpoint '{endpoint}' is {location}, no folder here; {way}")
    return folder


def _bodies(artifact: Path | None, flags: Flags) -> list[bytes]:
    if flags["file"] is not None:
        return items.read_bodies(flags["file"])
    if artifact is None:
        raise click.UsageError("give --items, or an artifact to draw elements from")
    sampling = items.Sampling(flags["items_per_request"], flags["topk"], flags["seed"])
    return items.sampled_bodies(artifact, sampling)


def _served(client: ServiceClient, endpoint: str, service: tuple[str, str | None] | None) -> Subject:
    """Return an endpoint as it is served."""
    described = client.describe_endpoint(endpoint)
    addresses = described["addresses"]
    if not addresses:
        raise PreconditionsFailed(f"endpoint '{endpoint}' is {described['status']} and does not answer now")
    asked = [Address(address, described["token"]) for address in addresses]
    if service is not None:
        url, token = service
        asked = [Address(url, token or "", f"/endpoints/{quote(endpoint, safe='')}{WORKER_PATH}")]
    return Subject(endpoint, tuple(asked), len(addresses))


def _settings(flags: Flags) -> Settings:
    load = Load(flags["users"], flags["spawn_rate"], flags["duration"], flags["max_p99_ms"], flags["max_errors"])
    limits = [limit for limit in (flags["target_p99_ms"], flags["max_p99_ms"]) if limit is not None]
    wanted = Wanted(flags["target_rps"], min(limits, default=None))
    return Settings(load, wanted, flags["turns"], flags["confirm"])


def show(result: Result, output: Path | None, *, as_json: bool) -> Row:
    """Print the result and return the recommended one.

    Raises:
        FailureByQuery: there is none.
    """
    if as_json:
        click.echo(json.dumps(page.document(result), allow_nan=False))
    else:
        width = None if sys.stdout.isatty() else 160
        Console(highlight=False, width=width).print(_table(result))
    for line in page.remarks(result):
        _err.print(line, markup=False, soft_wrap=True)
    if output is not None:
        _err.print(f"loadtest -> {output / page.PAGE}", style="green", markup=False, soft_wrap=True)
    if result.chosen is None:
        raise FailureByQuery(page.NOTHING_FITS)
    return result.chosen


def apply(client: ServiceClient, endpoint: str, chosen: Row) -> None:
    """Give the endpoint what is recommended."""
    _err.print(applying.apply(client, endpoint, chosen), markup=False, soft_wrap=True)


def _table(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in page.COLUMNS:
        is_text = name in ("configuration", "errors", "")
        justify: JustifyMethod = "left" if is_text else "right"
        table.add_column(name, justify=justify, no_wrap=name == "configuration", overflow="fold")
    for row in result.rows:
        style = "bold" if row is result.chosen else None
        table.add_row(*(Text(shown(cell)) for cell in page.cells(row, result.chosen)), style=style)
    return table
