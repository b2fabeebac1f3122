"""`neptuneml loadtest`."""

from pathlib import Path
from typing import Any

import click

from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.commands.options import ENDPOINT_NUMBERS, FILE, Command, service_options

FOLDER = click.Path(path_type=Path, file_okay=False)


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers separated by commas."""

    name = "n,n"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers."""
        texts = [text.strip() for text in str(value).split(",")]
        if not all(
            text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= self._least for text in texts
        ):
            self.fail(f"'{value}' is not a list of numbers from {self._least} on, such as 1,2", param, ctx)
        return tuple(int(text) for text in texts)


def _grid_options(command: Command) -> Command:
    for option in (
        click.option(
            "--threads", type=_Numbers(1), metavar="N,N", help="Threads of numpy in each process.  [default: 1]"
        ),
        *(
            click.option(number.flag, field, type=_Numbers(number.least), metavar="N,N", help=number.help)
            for field, number in reversed(ENDPOINT_NUMBERS.items())
        ),
    ):
        command = option(command)
    return command


def _load_options(command: Command) -> Command:
    for option in (
        click.option(
            "--max-errors", type=click.IntRange(0), default=100, show_default=True, help="Stop after more."
        ),
        click.option(
            "--max-p99-ms", type=click.FloatRange(0, min_open=True), help="Stop when a second's p99 is higher."
        ),
        click.option(
            "--duration",
            type=click.FloatRange(0.2),
            default=10.0,
            show_default=True,
            help="Seconds that all of them ask in each turn.",
        ),
        click.option(
            "--turns",
            type=click.IntRange(1),
            default=2,
            show_default=True,
            help="How often each configuration is measured, forward through the list and back.",
        ),
        click.option(
            "--spawn-rate",
            type=click.FloatRange(0),
            default=0.0,
            show_default=True,
            help="Users that come each second; 0: all at once.",
        ),
        click.option(
            "--users",
            type=click.IntRange(1),
            default=32,
            show_default=True,
            help="Who ask at the same time, each again when it has its answer.",
        ),
    ):
        command = option(command)
    return command


def _item_options(command: Command) -> Command:
    for option in (
        click.option("--seed", default=0, show_default=True, help="Of the elements that are drawn."),
        click.option("--topk", type=click.IntRange(1), default=1, show_default=True, help="Answers per element."),
        click.option(
            "--items-per-request",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Elements that each request asks about.",
        ),
        click.option(
            "--items",
            "file",
            type=FILE,
            help="Invocation bodies, one JSON object a line.  [default: about elements that the artifact knows]",
        ),
    ):
        command = option(command)
    return command


def _wanted_options(command: Command) -> Command:
    for option in (
        click.option(
            "--confirm",
            type=click.FloatRange(0),
            default=10.0,
            show_default=True,
            help="Seconds that the recommended one is measured again in each turn; 0: it is not.",
        ),
        click.option("--target-p99-ms", type=click.FloatRange(0, min_open=True), help="p99 that is wanted."),
        click.option(
            "--target-rps", type=click.FloatRange(0, min_open=True), help="Requests a second that are wanted."
        ),
    ):
        command = option(command)
    return command


@click.command("loadtest")
@click.option("--endpoint", metavar="NAME", help="Test this endpoint, as it is served; with a grid, its artifact.")
@click.option("--artifact", type=FOLDER, help="Test this artifact, by workers of this command's own.")
@click.option("--through-service", is_flag=True, help="Ask the endpoint by way of the service, not its workers.")
@_grid_options
@_load_options
@_item_options
@_wanted_options
@click.option("--output", type=FOLDER, help="Folder for loadtest.json and loadtest.html.")
@click.option("--overwrite", is_flag=True, help="Replace the output folder if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print loadtest.json to stdout in place of the table.")
@click.option("--apply", "is_applied", is_flag=True, help="Give the endpoint what is recommended.")
@service_options
def loadtest_command(
    endpoint: str | None,
    artifact: Path | None,
    through_service: bool,
    is_applied: bool,
    url: str,
    token: str | None,
    **flags: Any,
) -> None:
    """Measure what an endpoint can take, and recommend a configuration.

    \b
      neptuneml loadtest --endpoint airport-country --users 64
      neptuneml loadtest --artifact run/training/artifact --max-batch 1,1024 --instances 1,2 --target-rps 5000

    All combinations of --max-batch, --max-delay-micros, --instances, --threads and --cache-mib are measured.
    """  # noqa: D301 - click's mark for text that keeps its lines
    from neptuneml_plugin.commands import loadtest_run

    loadtest_run.check(endpoint, artifact, through_service=through_service, is_applied=is_applied, flags=flags)
    client = ServiceClient(url, token)
    service = (url, token) if through_service else None
    result = loadtest_run.measured(client, service, endpoint, artifact, flags)
    chosen = loadtest_run.show(result, flags["output"], as_json=flags["as_json"])
    if is_applied and endpoint is not None:
        loadtest_run.apply(client, endpoint, chosen)
