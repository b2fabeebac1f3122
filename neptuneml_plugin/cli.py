"""The command line `neptuneml`: parse, call, exit code. The only module that prints.

Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from neptuneml_plugin import __version__, config
from neptuneml_plugin.errors import InvalidSettings, NeptuneMLError
from neptuneml_plugin.stage import Progress, Summary

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)

_err = Console(stderr=True, highlight=False)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        commands(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        _err.print("interrupted", style="yellow")
        sys.exit(130)
    except InvalidSettings as error:
        _fail(f"{error.source} has {len(error.problems)} problem(s):", *error.problems, code=error.exit_code)
    except NeptuneMLError as error:
        _fail(str(error), code=error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}; nothing half-written was left behind", code=1)
    sys.exit(0)


def _fail(headline: str, *details: str, code: int) -> NoReturn:
    _err.print(f"error: {headline}", style="red", markup=False, soft_wrap=True)
    for line in details:
        _err.print(f"  - {line}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="neptuneml")
def commands() -> None:
    r"""Neptune ML for every TinkerPop graph.

    Train graph neural networks on a live graph and ask for predictions inside ordinary Gremlin queries.
    Start with `neptuneml quickstart`; then, on your own server:

    \b
      neptuneml plugin                      the jar and the lines for your Gremlin Server
      neptuneml export  --gremlin ws://localhost:8182/gremlin --output run/export ...
      neptuneml process --input run/export --output run/processed
      neptuneml train   --input run/processed --output run/training
      neptuneml serve &
      neptuneml endpoint create NAME --artifact run/training/artifact
    """


# --- the stages ------------------------------------------------------------------------------------------------


Command = Callable[..., None]


def _stage_options(command: Command) -> Command:
    """Add what every stage takes."""
    for option in (
        click.option(
            "--config", "config_file", type=FILE, help="Settings of this stage, YAML or JSON; flags win."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the summary to stdout."),
        click.option("--overwrite", is_flag=True, default=None, help="Replace the output folder if it is there."),
    ):
        command = option(command)
    return command


@commands.command("export")
@click.option("--gremlin", help="The server, such as ws://localhost:8182/gremlin.")
@click.option("--output", type=FOLDER, required=True, help="Folder to write: nodes/, edges/, configuration.")
@click.option("--request", type=FILE, help="The export's JSON or YAML document, as neptune-export takes it.")
@click.option("--node-label", "node_labels", multiple=True, help="Export this vertex label (repeatable).")
@click.option("--edge-label", "edge_labels", multiple=True, help="Export this edge label (repeatable).")
@_stage_options
def export_command(
    output: Path, request: Path | None, config_file: Path | None, *, as_json: bool, **flags: Any
) -> None:
    """Read a live graph into Neptune's CSV files and a training-data configuration."""
    from neptuneml_plugin.export import export

    document = {"request": config.load_document(request)} if request else {}
    settings = config.load_settings(config.ExportConfig, config_file, flags | document)
    _run_stage(lambda progress: export.run(settings, output, progress), as_json=as_json)


@commands.command("process")
@click.option("--input", "source", type=FOLDER, required=True, help="An export folder.")
@click.option("--output", type=FOLDER, required=True, help="Folder to write the training graph to.")
@click.option("--config-file-name", help="Training-data configuration inside the export folder.")
@click.option("--seed", type=int, help="Seed of the split.")
@_stage_options
def process_command(source: Path, output: Path, config_file: Path | None, *, as_json: bool, **flags: Any) -> None:
    """Turn an export into a training graph: ids, encoded features, splits, reverse edges."""
    from neptuneml_plugin.processing import process

    settings = config.load_settings(config.ProcessConfig, config_file, flags)
    _run_stage(lambda progress: process.run(settings, source, output, progress), as_json=as_json)


@commands.command("train")
@click.option("--input", "source", type=FOLDER, required=True, help="A processed folder.")
@click.option("--output", type=FOLDER, required=True, help="Folder for trials, metrics and `artifact/`.")
@click.option("--trials", type=int, help="Trainings to run; the first one uses the defaults.  [default: 1]")
@click.option("--parallel", type=int, help="Trainings at the same time.  [default: 1]")
@click.option("--model", help="rgcn; see model-HPO-configuration.json for its hyperparameters.")
@click.option("--seed", type=int, help="Seed of everything random.  [default: 0]")
@_stage_options
def train_command(source: Path, output: Path, config_file: Path | None, *, as_json: bool, **flags: Any) -> None:
    """Train on a processed graph and write the artifact of the best trial to OUTPUT/artifact."""
    settings = config.load_settings(config.TrainConfig, config_file, flags)

    from neptuneml_plugin.training import train

    _run_stage(lambda progress: train.run(settings, source, output, progress), as_json=as_json)


@commands.command("transform")
@click.option("--input", "source", type=FOLDER, required=True, help="A processed folder.")
@click.option("--model", type=FOLDER, help="An output folder of `train`.")
@click.option("--output", type=FOLDER, required=True, help="Folder to write the artifact to.")
@_stage_options
def transform_command(
    source: Path, output: Path, config_file: Path | None, *, as_json: bool, **flags: Any
) -> None:
    """Apply a trained model to a processed graph: embeddings and predictions, ready to serve."""
    settings = config.load_settings(config.TransformConfig, config_file, _as_text(flags))

    from neptuneml_plugin.training import transform

    _run_stage(lambda progress: transform.run(settings, source, output, progress), as_json=as_json)


def _as_text(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in flags.items()}


def _run_stage(run: Callable[[Progress], Summary], *, as_json: bool) -> None:
    with _progress() as progress:
        summary = run(progress)
    if as_json:
        click.echo(json.dumps(summary.to_json(), allow_nan=False, default=str))
    for warning in summary.warnings:
        _err.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    counts = ", ".join(f"{count:,} {name}" for name, count in summary.counts.items())
    _err.print(
        f"{summary.stage}: {counts + ', ' if counts else ''}{summary.seconds:.1f} s, "
        f"{summary.peak_memory_mib:.0f} MiB -> {summary.output}",
        style="green",
        markup=False,
        soft_wrap=True,
    )
    if summary.metrics and not as_json:
        from neptuneml_plugin.quickstart import metrics_table

        _err.print(metrics_table(summary))


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Yield a progress that draws a bar on a terminal, and writes lines elsewhere."""
    if not _err.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Bars(*columns, console=_err, transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def show(message: str, fraction: float | None = None) -> None:
            total = None if fraction is None else 1.0
            bars.update(task, description=message, total=total, completed=fraction or 0.0)

        yield show


class _Lines:
    """One line per message, with the seconds since the start; a new fraction alone writes nothing."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last = ""

    def __call__(self, message: str, fraction: float | None = None) -> None:
        del fraction
        if message != self._last:
            self._last = message
            _err.print(f"[{time.monotonic() - self._start:6.1f} s] {message}", markup=False, soft_wrap=True)


# --- the service and its endpoints -----------------------------------------------------------------------------


@commands.command("serve")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="[default: 8183]")
@click.option("--data-root", type=FOLDER, help="Where everything is kept; see `config`.")
@click.option("--allow-path", "allow_paths", type=FOLDER, multiple=True, help="Folder that locations may name.")
@click.option("--allow-host", "allow_hosts", multiple=True, help="Host name that requests may use.")
@click.option("--allow-origin", "allow_origins", multiple=True, help="Web origin that may call.")
@click.option("--worker-host", help="Address that workers listen on.  [default: 127.0.0.1]")
@click.option("--worker-ports", metavar="A-B", help="Ports for workers.  [default: any free ones]")
@click.option("--gremlin", help="The Gremlin Server behind this service, ws://host:port/gremlin.")
@click.option("--config", "config_file", type=FILE, help="Settings, YAML or JSON; flags win.")
def serve_command(
    data_root: Path | None, worker_ports: str | None, config_file: Path | None, **flags: Any
) -> None:
    """Run the service: endpoints by name, each answered by worker processes.

    The token that callers must present, if any, is read from NEPTUNEML_SERVICE_TOKEN.
    """
    from neptuneml_plugin.service import app

    document = config.load_document(config_file) if config_file else {}
    root = data_root or (Path(document["data_root"]) if "data_root" in document else None)
    flags |= {
        "data_root": str(config.data_root(root)),
        "worker_ports": _port_range(worker_ports),
        "token": os.environ.get(config.SERVICE_TOKEN_VARIABLE) or None,
        "allow_paths": tuple(str(path.absolute()) for path in flags["allow_paths"]),
    }
    settings = config.load_settings(config.ServiceConfig, config_file, flags)
    _err.print(f"service on http://{settings.host}:{settings.port}, data under {settings.data_root}", markup=False)
    app.run(settings)


def _port_range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) < 65536):
        raise click.BadParameter(
            f"'{text}' is not a range of ports such as 9000-9099", param_hint="--worker-ports"
        )
    return int(first), int(last)


@commands.group("endpoint")
def endpoint_commands() -> None:
    """Create, update, list and delete endpoints of a running service."""


def _service_options(command: Command) -> Command:
    for option in (
        click.option(
            "--service",
            "url",
            envvar=config.SERVICE_URL_VARIABLE,
            default=config.DEFAULT_SERVICE_URL,
            show_default=True,
            help="The service's address.",
        ),
        click.option("--token", envvar=config.SERVICE_TOKEN_VARIABLE, help="The service's token, if it has one."),
    ):
        command = option(command)
    return command


@endpoint_commands.command("create")
@click.argument("name")
@click.option(
    "--artifact", type=FOLDER, required=True, help="An artifact: TRAIN_OUTPUT/artifact or a transform's."
)
@_service_options
def create_endpoint(name: str, artifact: Path, url: str, token: str | None) -> None:
    """Create the endpoint NAME; return when it is in service, or failed."""
    from neptuneml_plugin.client import ServiceClient

    version = ServiceClient(url, token).create_endpoint(name, str(artifact.absolute()))
    click.echo(f"{name} InService {version}")


@endpoint_commands.command("update")
@click.argument("name")
@click.option("--artifact", type=FOLDER, required=True, help="The new version's artifact.")
@_service_options
def update_endpoint(name: str, artifact: Path, url: str, token: str | None) -> None:
    """Give the endpoint NAME a new artifact; the old one answers until the new one is ready."""
    from neptuneml_plugin.client import ServiceClient

    version = ServiceClient(url, token).update_endpoint(name, str(artifact.absolute()))
    click.echo(f"{name} InService {version}")


@endpoint_commands.command("list")
@_service_options
def list_endpoints(url: str, token: str | None) -> None:
    """List the endpoints with their state."""
    from neptuneml_plugin.client import ServiceClient

    client = ServiceClient(url, token)
    for name in client.list_endpoints():
        click.echo(f"{name}\t{client.get_endpoint(name)['status']}")


@endpoint_commands.command("delete")
@click.argument("name")
@_service_options
def delete_endpoint(name: str, url: str, token: str | None) -> None:
    """Delete the endpoint NAME; its artifact stays where it is."""
    from neptuneml_plugin.client import ServiceClient

    ServiceClient(url, token).delete_endpoint(name)
    click.echo(f"{name} deleted")
