"""`neptuneml endpoint …`."""

from pathlib import Path
from typing import Any

import click

from neptuneml_plugin import config
from neptuneml_plugin.commands.options import ENDPOINT_NUMBERS, Command, service_options
from neptuneml_plugin.display import moment
from neptuneml_plugin.loadtest.choosing import MEMBERS


@click.group("endpoint")
def endpoint_commands() -> None:
    """Create, update, roll back, list and delete endpoints of a running service."""


#: Option -> the member that names the artifact.
_SOURCES = {
    "artifact": "artifactLocation",
    "training_job": "mlModelTrainingJobId",
    "transform_job": "mlModelTransformJobId",
    "ensemble": "ensemble",
}


def _source_options(command: Command) -> Command:
    for option in (
        click.option(
            "--ensemble",
            metavar="FILE",
            help="Serve several artifacts as one; JSON or YAML, paths relative to its folder (docs/serving.md).",
        ),
        click.option("--transform-job", metavar="ID", help="Serve what this transform job has written."),
        click.option("--training-job", metavar="ID", help="Serve the best model of this training job."),
        click.option(
            "--artifact",
            help="Serve TRAIN_OUTPUT/artifact or a transform's output, under the service's data root or one of "
            "its --allow-path folders.",
        ),
    ):
        command = option(command)
    return command


def _source(options: dict[str, str | None]) -> dict[str, Any]:
    """Take out the options that name an artifact, and return its member; paths as the service needs them."""
    named = {name: value for name in _SOURCES if (value := options.pop(name))}
    if len(named) != 1:
        raise click.UsageError("give one of --artifact, --training-job, --transform-job and --ensemble")
    ((name, value),) = named.items()
    if name == "artifact" and "://" not in value:
        value = str(Path(value).absolute())
    return {_SOURCES[name]: _ensemble(Path(value)) if name == "ensemble" else value}


def _ensemble(path: Path) -> dict[str, Any]:
    """Return a definition, its paths as the service needs them."""
    given = config.load_document(path)
    members = given.get("members")
    for member in members if isinstance(members, list) else ():
        location = member.get("artifactLocation") if isinstance(member, dict) else None
        if isinstance(location, str) and "://" not in location:
            member["artifactLocation"] = str((path.parent / location).absolute())
    return given


def _given(options: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _name(_context: click.Context, _option: click.Parameter, given: str) -> str:
    if not given:
        raise click.BadParameter("an endpoint's name has 1 to 48 letters, digits and hyphens")
    return given


def _endpoint_options(command: Command) -> Command:
    for option in (
        *(
            click.option(number.flag, MEMBERS[field], metavar="N", help=number.help)
            for field, number in ENDPOINT_NUMBERS.items()
        ),
        click.option(
            "--max-queue",
            "maxQueue",
            metavar="N",
            help="Requests that may wait in a worker; others are refused (429).  [default: 256]",
        ),
        click.option(
            "--warm-up",
            "warmUp",
            type=click.Choice([choice.value for choice in config.WarmUp]),
            help="What a worker answers for itself before it is in service: nothing, requests made from the "
            "artifact, or also what needs the model and torch.  [default: stored]",
        ),
        click.option(
            "--index",
            type=click.Choice([choice.value for choice in config.Index]),
            help="How the best of many candidates are found: by looking at all, or by an approximate index (extra "
            "faiss), whose recall the endpoint's description says.  [default: exact]",
        ),
        click.option(
            "--memory-mib",
            "memoryMib",
            metavar="N",
            help="Memory of its own that a worker may take; 0: any.  [default: 0]",
        ),
        click.option(
            "--worker-group",
            "workerGroup",
            metavar="NAME",
            help="Share one process with the other endpoints of this name; none: not.  [default: none]",
        ),
        click.option(
            "--new-node-vectors",
            "newNodeVectors",
            type=click.Choice([choice.value for choice in config.NewNodeVectors]),
            help="What a vertex that the model does not know takes in place of a learned vector: the average over "
            "its label, or over its neighbours.  [default: type]",
        ),
        click.option(
            "--fanouts",
            metavar="N,N",
            help="Edges that an inductive answer reads per edge type, for each hop.  "
            "[default: those of the training, else 10]",
        ),
    ):
        command = option(command)
    return command


@endpoint_commands.command("create")
@click.argument("name", callback=_name)
@_source_options
@_endpoint_options
@service_options
def create_endpoint(name: str, url: str, token: str | None, **options: str | None) -> None:
    """Create the endpoint NAME; return when it is in service, or failed."""
    from neptuneml_plugin.client import ServiceClient

    client = ServiceClient(url, token)
    client.wait_until_healthy(timeout_seconds=15)  # the line before may have been `neptuneml serve &`
    version = client.create_endpoint(name, _source(options), _given(options))
    click.echo(f"{name} InService {version}")


@endpoint_commands.command("update")
@click.argument("name", callback=_name)
@_source_options
@_endpoint_options
@service_options
def update_endpoint(name: str, url: str, token: str | None, **options: str | None) -> None:
    """Give the endpoint NAME a new artifact; the old one answers until the new one is ready.

    Options that are not given stay as they are.
    """
    from neptuneml_plugin.client import ServiceClient

    version = ServiceClient(url, token).update_endpoint(name, _source(options), _given(options))
    click.echo(f"{name} InService {version}")


@endpoint_commands.command("rollback")
@click.argument("name", callback=_name)
@click.option("--to", "version", metavar="VERSION", help="One of `versions`.  [default: the one before]")
@service_options
def roll_back_endpoint(name: str, version: str | None, url: str, token: str | None) -> None:
    """Bring an earlier version of the endpoint NAME back; the present one answers until it is ready."""
    from neptuneml_plugin.client import ServiceClient

    back = ServiceClient(url, token).roll_back_endpoint(name, version)
    click.echo(f"{name} InService {back}")


@endpoint_commands.command("versions")
@click.argument("name", callback=_name)
@service_options
def list_versions(name: str, url: str, token: str | None) -> None:
    """List what the endpoint NAME has answered with, newest first: version, since when, artifact."""
    from neptuneml_plugin.client import ServiceClient

    for entry in ServiceClient(url, token).get_endpoint(name)["versions"]:
        click.echo(f"{entry['version']}\t{moment(entry['sinceInMillis'])}\t{entry['outputLocation']}")


@endpoint_commands.command("list")
@service_options
def list_endpoints(url: str, token: str | None) -> None:
    """List the endpoints: name, state, version, and why the last change failed, if it did."""
    from neptuneml_plugin.client import ServiceClient

    client = ServiceClient(url, token)
    for name in client.list_endpoints():
        state = client.get_endpoint(name)
        reason = state["endpoint"].get("failureReason", "")
        click.echo(f"{name}\t{state['status']}\t{state['version'] or '-'}\t{reason}".rstrip())


@endpoint_commands.command("delete")
@click.argument("name", callback=_name)
@service_options
def delete_endpoint(name: str, url: str, token: str | None) -> None:
    """Delete the endpoint NAME; its artifact stays where it is."""
    from neptuneml_plugin.client import ServiceClient

    ServiceClient(url, token).delete_endpoint(name)
    click.echo(f"{name} deleted")
