"""`neptuneml job …`."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from neptuneml_plugin.commands.options import FILE, Command, service_options
from neptuneml_plugin.config import load_document
from neptuneml_plugin.display import job_page, shown_jobs
from neptuneml_plugin.errors import FailureByQuery, nearest
from neptuneml_plugin.jobclient import CHAIN, PATHS, JobClient
from neptuneml_plugin.service.wire.requests import MEMBERS

KIND = click.Choice(list(PATHS))
_MEMBERS = {
    kind.value: {name for member in members for name in (member.name, member.alias) if name}
    for kind, members in MEMBERS.items()
}
STATES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped")

_err = Console(stderr=True, highlight=False)


@click.group("job")
def job_commands() -> None:
    """Start, watch and stop the jobs of a running service.

    \b
    KIND is one of
      export          the graph of the service's Gremlin Server
      dataprocessing  encodes an export
      modeltraining   trains on processed data
      modeltransform  applies a model to processed data
      chain           several of these, and an endpoint, in one document
    """  # noqa: D301 - click's mark for text that keeps its lines


def _job(command: Command) -> Command:
    return click.argument("kind", type=KIND, metavar="KIND")(click.argument("job_id", metavar="ID")(command))


@job_commands.command("start")
@click.argument("kind", type=KIND, metavar="KIND")
@click.argument("members", nargs=-1, metavar="[MEMBER=VALUE]...")
@click.option("--json", "file", type=FILE, help="The body, JSON or YAML; members on the command line win.")
@click.option("--wait", is_flag=True, help="Stay until it has ended, as `wait` does.")
@service_options
def start_job(
    kind: str, members: Sequence[str], file: Path | None, wait: bool, url: str, token: str | None
) -> None:
    """Start a job and print its id.

    Members are those of the service's API, such as inputDataS3Location=/data/export; a value that begins with {
    or [ is JSON.
    """
    given = dict(map(_member, members))
    _check_names(kind, given)
    client = JobClient(url, token)
    job_id = client.start(kind, (load_document(file) if file else {}) | given)
    click.echo(job_id)
    if wait:
        _wait(client, kind, job_id)


def _check_names(kind: str, names: Iterable[str]) -> None:
    """Refuse a misspelt member, which the service would pass over as it must for Neptune's clients."""
    if kind not in _MEMBERS:  # the service itself refuses what is unknown in an export or a chain
        return
    for name in names:
        if name not in _MEMBERS[kind]:
            problem = f"unknown member '{name}'{nearest(name, _MEMBERS[kind])}"
            raise click.BadParameter(problem, param_hint="MEMBER=VALUE")


def _member(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"'{text}' is not of the form MEMBER=VALUE", param_hint="MEMBER=VALUE")
    if not value.startswith(("{", "[")):
        return name, value
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{name} is not JSON: {error}", param_hint="MEMBER=VALUE") from None


@job_commands.command("list")
@click.argument("kind", type=KIND, metavar="[KIND]", required=False)
@click.option("--state", type=click.Choice(STATES), help="Those in this state alone.")
@service_options
def list_jobs(kind: str | None, state: str | None, url: str, token: str | None) -> None:
    """List jobs, newest first: kind, id, state, what they do, and why they failed, if they did."""
    client = JobClient(url, token)
    for each in [kind] if kind else PATHS:
        for job_id in client.list(each, state):
            status = client.status(each, job_id)
            stage = "queued" if status.get("queued") else status["progress"]["stage"]
            line = (each, job_id, status["status"], stage, status.get("failureReason", ""))
            click.echo("\t".join(line).rstrip())


@job_commands.command("show")
@_job
@click.option("--json", "as_json", is_flag=True, help="Print the status as the service sends it.")
@service_options
def show_job(kind: str, job_id: str, as_json: bool, url: str, token: str | None) -> None:
    """Show a job: its state, progress, metrics, outputs, failure, and what it printed last."""
    status = JobClient(url, token).status(kind, job_id)
    if as_json:
        click.echo(json.dumps(status))
        return
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    out.print(*job_page(kind, status), sep="\n")


@job_commands.command("wait")
@_job
@service_options
def wait_for_job(kind: str, job_id: str, url: str, token: str | None) -> None:
    """Wait for a job's end; the exit code is 0 if it has succeeded, 1 otherwise."""
    _wait(JobClient(url, token), kind, job_id)


def _wait(client: JobClient, kind: str, job_id: str) -> None:
    with shown_jobs(_err) as told:
        status = client.wait(kind, job_id, told)
    _must_have_succeeded(kind, status)
    _err.print(f"{kind} {job_id} is Completed", style="green", markup=False)


def _must_have_succeeded(kind: str, status: dict[str, Any]) -> None:
    state = status["status"]
    if state != "Completed":
        reason = status.get("failureReason")
        raise FailureByQuery(f"{kind} '{status['id']}' is {state}{f': {reason}' if reason else ''}")


@job_commands.command("cancel")
@_job
@click.option("--clean", is_flag=True, help="Remove what it has written.")
@click.option("--purge", is_flag=True, help="Forget a job that has ended.")
@service_options
def cancel_job(kind: str, job_id: str, clean: bool, purge: bool, url: str, token: str | None) -> None:
    """Stop a job; return when it is stopping."""
    state = JobClient(url, token).cancel(kind, job_id, clean=clean, purge=purge)
    click.echo(f"{job_id} {'purged' if purge else state}")


@job_commands.command("logs")
@_job
@click.option("--follow", "-f", is_flag=True, help="Stay, and print what comes until the job has ended.")
@service_options
def job_logs(kind: str, job_id: str, follow: bool, url: str, token: str | None) -> None:
    """Print what a job has printed; a chain prints nothing, its parts do."""
    client = JobClient(url, token)
    if kind == CHAIN:
        begun = [part for part in client.status(kind, job_id)["parts"] if "path" in part]
        parts = ", ".join(f"{part['part']} {part['id']}" for part in begun if part["part"] != "endpoint")
        raise click.UsageError(f"a chain has no log of its own; its parts have: {parts}")
    printed = _print_log(client, kind, job_id, 0)
    if follow:

        def told(_: dict[str, Any]) -> None:
            nonlocal printed
            printed = _print_log(client, kind, job_id, printed)

        client.wait(kind, job_id, told)


def _print_log(client: JobClient, kind: str, job_id: str, begin: int) -> int:
    """Print a log from a byte on, and return where it ends."""
    content = client.log(kind, job_id, begin)
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
    return begin + len(content)
