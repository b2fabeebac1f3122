"""The command line `neptuneml`: parse, call, exit code. The only module that prints.

Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from neptuneml_plugin import __version__, config, locations
from neptuneml_plugin.commands.endpoints import endpoint_commands
from neptuneml_plugin.commands.jobs import job_commands
from neptuneml_plugin.commands.learn import learn_command
from neptuneml_plugin.commands.loadtest import loadtest_command
from neptuneml_plugin.commands.options import FILE, Command
from neptuneml_plugin.display import metrics_table, print_page, quickstart_page, shown_progress, shown_stages
from neptuneml_plugin.errors import InvalidSettings, NeptuneMLError
from neptuneml_plugin.jobfolder import INTERRUPTED, Outcome, own_folder
from neptuneml_plugin.redaction import redact
from neptuneml_plugin.stage import Progress, Summary
from neptuneml_plugin.transfer import Folders, publish

FOLDER = click.Path(path_type=Path, file_okay=False)
PORT = click.IntRange(1, 65535)


class _Location(click.ParamType[str]):
    """A folder, or a location with its scheme."""

    name = "location"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; a folder must not be a file."""
        return str(value) if "://" in str(value) else str(FOLDER.convert(value, param, ctx))


LOCATION = _Location()

_PUBLISH = "neptuneml.publish"
_err = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class _Ending:
    """How the command line ends."""

    code: int
    headline: str = ""
    details: Sequence[str] = ()

    def show(self) -> None:
        style = "yellow" if self.code == INTERRUPTED else "red"
        mark = "  - " if self.code != INTERRUPTED else ""
        if self.headline:
            _err.print(redact(self.headline), style=style, markup=False, soft_wrap=True)
        for line in self.details:
            _err.print(f"{mark}{redact(line)}", style=style, markup=False, soft_wrap=True)

    @property
    def reason(self) -> str | None:
        """The same on one line, without the mark of an error."""
        headline, details = self.headline.removeprefix("error: "), "; ".join(self.details)
        joint = " " if headline.endswith(":") else "; "
        return redact(joint.join(filter(None, (headline, details)))) or None


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    folder = own_folder()
    try:
        ending = _run()
    except Exception as error:
        if folder is not None:
            folder.write_outcome(Outcome(1, f"an unexpected error, whose traceback the log has: {error!r}"))
        raise
    ending.show()
    if folder is not None:
        folder.write_outcome(Outcome(ending.code, ending.reason))
    sys.exit(ending.code)


def _run() -> _Ending:  # noqa: PLR0911 - one per way to end
    try:
        commands(standalone_mode=False)
    except click.exceptions.Exit as stop:
        return _Ending(stop.exit_code)
    except click.ClickException as error:
        error.show()
        return _Ending(2)
    except (KeyboardInterrupt, click.Abort) as error:
        return _Ending(INTERRUPTED, "interrupted", _notes(error))
    except InvalidSettings as error:
        count = len(error.problems)
        headline = f"error: {error.source} has {'a problem' if count == 1 else f'{count} problems'}:"
        return _Ending(error.exit_code, headline, error.problems)
    except NeptuneMLError as error:
        return _Ending(error.exit_code, f"error: {error}", _notes(error))
    except BrokenPipeError:
        return _Ending(1)
    except OSError as error:
        name = error.filename2 or error.filename  # a copy names its source first
        place = f"{name}: " if name else ""
        notes = _notes(error)
        left = "" if notes else "; nothing half-written was left behind"
        return _Ending(1, f"error: {place}{error.strerror or error}{left}", notes)
    return _Ending(0)


def _interrupt(*_: object) -> NoReturn:
    """Let SIGTERM end a command as Ctrl-C does, so that nothing half-written or running is left behind."""
    raise KeyboardInterrupt


def _notes(error: BaseException) -> list[str]:
    """Return what a stage added to an error: how to go on. Click puts an error of its own before an interrupt."""
    cause = error.__cause__ if isinstance(error, click.Abort) and error.__cause__ else error
    return list(getattr(cause, "__notes__", ()))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="neptuneml")
def commands() -> None:
    """Neptune ML for every TinkerPop graph.

    Train graph neural networks on a live graph and ask for predictions inside ordinary Gremlin queries.
    Start with `neptuneml quickstart`; then, on your own server:

    \b
      neptuneml plugin                      the jar and the lines for your Gremlin Server
      neptuneml export  --gremlin ws://localhost:8182/gremlin --output run/export ...
      neptuneml process --input run/export --output run/processed
      neptuneml train   --input run/processed --output run/training
      neptuneml serve --allow-path run &
      neptuneml endpoint create NAME --artifact run/training/artifact
    """  # noqa: D301 - click's mark for text that keeps its lines


# --- the stages ------------------------------------------------------------------------------------------------


def _publish_to(context: click.Context, _option: click.Parameter, given: str | None) -> None:
    context.meta[_PUBLISH] = given


def _stage_options(command: Command) -> Command:
    """Add what every stage takes."""
    for option in (
        click.option(
            "--config", "config_file", type=FILE, help="Settings of this stage, YAML or JSON; flags win."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the summary to stdout."),
        click.option("--overwrite", is_flag=True, default=None, help="Replace the output folder if it is there."),
        click.option(
            "--publish",
            type=LOCATION,
            expose_value=False,
            callback=_publish_to,
            help="Copy the output there too, once it is whole; where it is whole already, only that.",
        ),
    ):
        command = option(command)
    return command


@commands.command("export")
@click.option("--gremlin", help="The server, such as ws://localhost:8182/gremlin.")
@click.option("--output", type=LOCATION, required=True, help="Folder to write: nodes/, edges/, configuration.")
@click.option("--request", type=FILE, help="The export's JSON or YAML document, as neptune-export takes it.")
@click.option("--node-label", "node_labels", multiple=True, help="Export this vertex label (repeatable).")
@click.option("--edge-label", "edge_labels", multiple=True, help="Export this edge label (repeatable).")
@click.option(
    "--reader",
    type=click.Choice([choice.value for choice in config.Reader]),
    help="How to read: in bulk through the server's plugin, by plain Gremlin, or (auto) as the server allows.",
)
@click.option(
    "--watch",
    type=click.Choice([choice.value for choice in config.Watch]),
    help="What is compared before and after reading in bulk: which elements there are, or their values too.",
)
@_stage_options
def export_command(
    output: str, request: Path | None, config_file: Path | None, *, as_json: bool, **flags: Any
) -> None:
    """Read a live graph into Neptune's CSV files and a training-data configuration."""
    from neptuneml_plugin.export import export

    document = {"request": config.load_document(request)} if request else {}
    settings = config.load_settings(config.ExportConfig, config_file, flags | document)
    with _folders() as folders:
        target = folders.output(output, overwrite=settings.overwrite)
        _run_stage(lambda progress: export.run(settings, target, progress), folders, as_json=as_json)


@commands.command("process")
@click.option("--input", "source", type=LOCATION, required=True, help="An export folder.")
@click.option("--output", type=LOCATION, required=True, help="Folder to write the training graph to.")
@click.option("--config-file-name", help="Training-data configuration inside the export folder.")
@click.option("--seed", type=int, help="Seed of the split.")
@click.option(
    "--dgl-graph/--no-dgl-graph",
    default=None,
    help="Write graph.bin and info.pkl for custom models.  [default: on]",
)
@click.option("--text-models", type=FOLDER, help="Folder of text models.  [default: $NEPTUNEML_TEXT_MODELS]")
@click.option(
    "--previous", type=LOCATION, help="Processed folder of an earlier snapshot, to encode this one alike."
)
@_stage_options
def process_command(source: str, output: str, config_file: Path | None, *, as_json: bool, **flags: Any) -> None:
    """Turn an export into a training graph: ids, encoded features, splits, reverse edges."""
    from neptuneml_plugin.processing import process

    with _folders() as folders:
        settings = config.load_settings(config.ProcessConfig, config_file, _fetched(folders, flags, "previous"))
        target = folders.output(output, overwrite=settings.overwrite)
        _run_stage(
            lambda progress: process.run(settings, folders.input(source, progress), target, progress),
            folders,
            as_json=as_json,
        )


def _custom_options(command: Command) -> Command:
    """Add what custom models take."""
    for option in (
        click.option("--custom-source", type=LOCATION, help="Folder of a custom model's scripts."),
        click.option("--training-script", help="Its training entry point.  [default: training.py]"),
        click.option("--transform-script", help="Its transform entry point.  [default: transform.py]"),
        click.option(
            "--allow-custom-models", is_flag=True, default=None, help="Let scripts of users run, with your rights."
        ),
    ):
        command = option(command)
    return command


def _with_custom(flags: dict[str, Any], config_file: Path | None) -> dict[str, Any]:
    """Put the flags of custom models together, over those of the file."""
    names = {
        "custom_source": "source",
        "training_script": "training_script",
        "transform_script": "transform_script",
    }
    given = {setting: flags.pop(flag) for flag, setting in names.items()}
    told = {setting: str(value) for setting, value in given.items() if value is not None}
    if not told:
        return flags
    document = config.load_document(config_file) if config_file else {}
    return flags | {"custom": {**(document.get("custom") or {}), **told}}


@commands.command("train")
@click.option("--input", "source", type=LOCATION, required=True, help="A processed folder.")
@click.option("--output", type=LOCATION, required=True, help="Folder for trials, metrics and `artifact/`.")
@click.option("--trials", type=int, help="Trainings to run; the first one uses the defaults.  [default: 1]")
@click.option("--parallel", type=int, help="Trainings at the same time.  [default: 1]")
@click.option(
    "--model",
    help="rgcn, kge, complex, transe, distmult or rotate; hpo-configuration-templates has their hyperparameters. "
    "A model-HPO-configuration.json that was edited wins.  [default: what that names]",
)
@click.option("--seed", type=int, help="Seed of everything random.  [default: 0]")
@click.option("--previous", type=LOCATION, help="Earlier training, whose search and weights go on.")
@click.option(
    "--neighbourhoods",
    type=click.Choice([choice.value for choice in config.Neighbourhoods]),
    help="Compute batches from all neighbours, or from as many as 'fanout' says.  [default: auto, by memory]",
)
@click.option(
    "--executor",
    type=click.Choice([choice.value for choice in config.TrialExecutor]),
    help="Where trials run: in processes of this machine, or on a Ray cluster.  [default: local]",
)
@click.option("--ray-address", help="The cluster's head, host:port.  [default: $RAY_ADDRESS]")
@_custom_options
@_stage_options
def train_command(source: str, output: str, config_file: Path | None, *, as_json: bool, **flags: Any) -> None:
    """Train on a processed graph and write the artifact of the best trial to OUTPUT/artifact."""
    with _folders() as folders:
        flags = _with_custom(_fetched(folders, flags, "previous", "custom_source"), config_file)
        settings = config.load_settings(config.TrainConfig, config_file, flags)
        target = folders.output(output, overwrite=settings.overwrite)

        from neptuneml_plugin.training import train

        _run_stage(
            lambda progress: train.run(settings, folders.input(source, progress), target, progress),
            folders,
            as_json=as_json,
        )


@commands.command("transform")
@click.option("--input", "source", type=LOCATION, required=True, help="A processed folder.")
@click.option("--model", type=LOCATION, help="An output folder of `train`.")
@click.option("--output", type=LOCATION, required=True, help="Folder to write the artifact to.")
@click.option("--trial", type=click.IntRange(0), help="Apply the model of this trial.  [default: the best one's]")
@click.option(
    "--previous",
    type=LOCATION,
    help="Artifact of an earlier snapshot: only what has changed since is computed.  [default: the training's]",
)
@_custom_options
@_stage_options
def transform_command(source: str, output: str, config_file: Path | None, *, as_json: bool, **flags: Any) -> None:
    """Apply a trained model to a processed graph: embeddings and predictions, ready to serve."""
    with _folders() as folders:
        flags = _with_custom(_fetched(folders, flags, "model", "previous", "custom_source"), config_file)
        settings = config.load_settings(config.TransformConfig, config_file, flags)
        target = folders.output(output, overwrite=settings.overwrite)

        from neptuneml_plugin.training import transform

        _run_stage(
            lambda progress: transform.run(settings, folders.input(source, progress), target, progress),
            folders,
            as_json=as_json,
        )


@commands.command("copy")
@click.argument("source", type=LOCATION)
@click.argument("target", type=LOCATION)
@click.option("--overwrite", is_flag=True, help="Replace what the target holds.")
def copy_command(source: str, target: str, *, overwrite: bool) -> None:
    """Copy the folder SOURCE to TARGET, each a path, file:// or s3://.

    s3:// is the server that NEPTUNEML_S3_ENDPOINT names (`aws`: AWS); else a folder below the data root.
    """
    with _folders() as folders, shown_progress(_err) as progress:
        folder = folders.input(source, progress)
        place = locations.resolve(target, locations.policy(config.data_root()))
        publish(folder, place, overwrite=overwrite, progress=progress)


def _folders() -> Folders:
    """Return where the stages of this command line find and leave their folders."""
    root = config.data_root()
    return Folders(locations.policy(root), root, click.get_current_context().meta.get(_PUBLISH))


def _fetched(folders: Folders, flags: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return flags with the folders of their locations."""
    return flags | {name: str(folders.input(flags[name])) for name in names if flags[name] is not None}


def _run_stage(run: Callable[[Progress], Summary], folders: Folders, *, as_json: bool) -> None:
    folder = own_folder()
    with shown_progress(_err) as shown:
        progress = folder.recorded(shown) if folder else shown
        summary = folders.finished() or run(progress)
        summary = replace(summary, output=folders.publish(progress) or summary.output)
    if folder is not None:
        folder.write_summary(summary)
    if as_json:
        click.echo(json.dumps(summary.to_json(), allow_nan=False, default=str))
    for note in summary.notes:
        _err.print(note, markup=False, soft_wrap=True)
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
        _err.print(metrics_table(summary))


# --- the service and its endpoints -----------------------------------------------------------------------------


@commands.command("serve")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0: any free one.  [default: 8183]")
@click.option("--data-root", type=FOLDER, help="Where everything is kept; else NEPTUNEML_DATA_ROOT.")
@click.option(
    "--allow-path",
    "allow_paths",
    type=FOLDER,
    multiple=True,
    help="Folder outside the data root that may be read and written too (repeatable).",
)
@click.option("--allow-host", "allow_hosts", multiple=True, help="Host name that requests may use.")
@click.option("--allow-origin", "allow_origins", multiple=True, help="Web origin that may call.")
@click.option(
    "--public-url",
    metavar="URL",
    help="What links in answers begin with, behind a proxy.  [default: as the request named the host]",
)
@click.option(
    "--token-file",
    type=FILE,
    envvar=config.SERVICE_TOKEN_FILE_VARIABLE,
    help="File that holds the token which callers must present.",
)
@click.option(
    "--keys-file",
    type=FILE,
    envvar=config.KEYS_FILE_VARIABLE,
    help="File of access keys and their secrets, for callers who sign requests as AWS's clients do.",
)
@click.option("--tls-certificate", type=FILE, help="Certificate chain, PEM: speak https.")
@click.option("--tls-key", type=FILE, help="The certificate's key, PEM.")
@click.option(
    "--requests-per-second", type=float, help="Requests that one address may send.  [default: any number]"
)
@click.option(
    "--log-format",
    type=click.Choice([choice.value for choice in config.LogFormat]),
    help="How logs are written; json: an object a line, requests included.  [default: text]",
)
@click.option("--worker-host", help="Address that workers listen on.  [default: 127.0.0.1]")
@click.option("--worker-ports", metavar="A-B", help="Ports for workers.  [default: any free ones]")
@click.option("--gremlin", help="Gremlin Server that /gremlin leads to and exports read, ws://host:port/gremlin.")
@click.option("--gremlin-user", help="Who the service is there, if it asks.  [default: NEPTUNEML_GREMLIN_USER]")
@click.option(
    "--gremlin-password-file",
    type=FILE,
    help="File that holds the password there.  [default: NEPTUNEML_GREMLIN_PASSWORD]",
)
@click.option(
    "--allow-groovy",
    is_flag=True,
    default=None,
    help="Pass Groovy and lambdas on, though not on loopback: whoever may call may then run code.",
)
@click.option("--parallel-jobs", type=click.IntRange(1), help="Jobs that run at the same time.  [default: 2]")
@click.option("--job-cores", type=click.IntRange(1), help="Cores for all jobs.  [default: those of this machine]")
@click.option("--job-memory-mib", type=click.IntRange(1), help="Memory for all jobs.  [default: what is free]")
@click.option(
    "--allow-custom-models", is_flag=True, default=None, help="Let jobs run scripts of users, with your rights."
)
@click.option("--config", "config_file", type=FILE, help="Settings, YAML or JSON; flags win.")
def serve_command(
    data_root: Path | None, worker_ports: str | None, config_file: Path | None, **flags: Any
) -> None:
    """Run the service: endpoints by name, each answered by worker processes.

    The token that callers must present, if any, is read from --token-file, else from NEPTUNEML_SERVICE_TOKEN.
    A service that listens elsewhere than on loopback needs a token or access keys.
    """
    from neptuneml_plugin.service import app

    document = config.load_document(config_file) if config_file else {}
    in_document = data_root is None and "data_root" in document
    named_files = ("token_file", "keys_file", "tls_certificate", "tls_key", "gremlin_password_file")
    flags |= {name: str(flags[name].absolute()) for name in named_files if flags[name] is not None} | {
        "data_root": None if in_document else str(config.data_root(data_root)),
        "worker_ports": _port_range(worker_ports),
        "token": os.environ.get(config.SERVICE_TOKEN_VARIABLE) or None,
        "allow_paths": tuple(str(path.absolute()) for path in flags["allow_paths"]),
    }
    settings = config.load_settings(config.ServiceConfig, config_file, flags)
    app.run(
        settings,
        on_ready=lambda address: _err.print(
            f"service on {address}, data under {settings.data_root}", markup=False
        ),
    )


def _port_range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) < 65536):
        raise click.BadParameter(
            f"'{text}' is not a range of ports such as 9000-9099", param_hint="--worker-ports"
        )
    return int(first), int(last)


commands.add_command(endpoint_commands)
commands.add_command(job_commands)
commands.add_command(learn_command)
commands.add_command(loadtest_command)


# --- the Gremlin side ------------------------------------------------------------------------------------------


@commands.group("gremlin-server")
def gremlin_server_commands() -> None:
    """Start and stop an embedded Gremlin Server with the plugin, for trying things out."""


_data_root_option = click.option(
    "--data-root", type=FOLDER, help="Where everything is kept; else NEPTUNEML_DATA_ROOT."
)
_plugin_service_option = click.option(
    "--service",
    "service_url",
    default=config.DEFAULT_SERVICE_URL,
    show_default=True,
    envvar=config.SERVICE_URL_VARIABLE,
    help="Where the plugin finds the service.",
)


@gremlin_server_commands.command("start")
@click.option("--graph", default="air-routes", show_default=True, help="air-routes, modern or empty.")
@click.option("--port", type=PORT, default=8182, show_default=True)
@_plugin_service_option
@click.option("--id-manager", help="How the graph treats ids: ANY, INTEGER, LONG, STRING or UUID.")
@click.option("--foreground", is_flag=True, help="Stay, and stop the server on Ctrl-C.")
@_data_root_option
def start_gremlin_server(data_root: Path | None, *, foreground: bool, **settings: Any) -> None:
    """Start a Gremlin Server on loopback; return when it answers."""
    from neptuneml_plugin import gremlin_server
    from neptuneml_plugin.gremlin_server_config import GremlinServerConfig

    server_config = GremlinServerConfig(config.data_root(data_root), **settings)
    with shown_progress(_err) as progress:
        server = gremlin_server.start(server_config, foreground=foreground, progress=progress)
    click.echo(f"{server.url} (graph {server_config.graph}, pid {server.pid}, log {server.log})")
    if foreground:
        try:
            _leave(server.wait())
        finally:
            server.stop()


def _leave(exit_code: int) -> NoReturn:
    raise click.exceptions.Exit(1 if exit_code else 0)


@gremlin_server_commands.command("stop")
@click.option("--port", type=PORT, default=8182, show_default=True)
@_data_root_option
def stop_gremlin_server(port: int, data_root: Path | None) -> None:
    """Stop a server that `start` left running."""
    from neptuneml_plugin import gremlin_server

    pid = gremlin_server.stop(config.data_root(data_root), port)
    click.echo(f"stopped the Gremlin Server on port {port} (pid {pid})")


@gremlin_server_commands.command("fetch")
@_data_root_option
def fetch_gremlin_server(data_root: Path | None) -> None:
    """Fetch the server's jars now, so that `start` is quick."""
    from neptuneml_plugin import gremlin_server

    with shown_progress(_err) as progress:
        folder = gremlin_server.fetch(config.data_root(data_root), progress)
    click.echo(folder)


@commands.command("plugin")
@click.option("--copy-to", type=FOLDER, help="Copy the jar into this folder, such as a Gremlin Server's lib.")
@_plugin_service_option
def plugin_command(copy_to: Path | None, service_url: str) -> None:
    """Print where the plugin's jar is, and the lines for a Gremlin Server and Console."""
    from neptuneml_plugin import gremlin_server, jars

    jar = jars.plugin_jar()
    if copy_to is not None:
        copy_to.mkdir(parents=True, exist_ok=True)
        jar = Path(shutil.copy2(jar, copy_to))
    click.echo(gremlin_server.plugin_text(jar, service_url), nl=False)


@commands.command("gremlin-console")
@click.option("-e", "script", type=FILE, help="Run this Groovy script and leave.")
@click.option(
    "--service", "service_url", envvar=config.SERVICE_URL_VARIABLE, help="Where the plugin finds the service."
)
@_data_root_option
def gremlin_console(script: Path | None, service_url: str | None, data_root: Path | None) -> None:
    """Open a Gremlin Console with the plugin."""
    from neptuneml_plugin import gremlin_server

    with shown_progress(_err) as progress:
        command = gremlin_server.console_command(config.data_root(data_root), script=script, progress=progress)
    if service_url:
        os.environ[config.SERVICE_URL_VARIABLE] = service_url
    os.execv(command[0], command)  # noqa: S606 - the console takes over this process, its terminal and its signals


# --- the quickstart --------------------------------------------------------------------------------------------


@commands.command("quickstart")
@click.option("--keep", is_flag=True, help="Leave the servers up until Ctrl-C.")
@_data_root_option
def quickstart_command(data_root: Path | None, *, keep: bool) -> None:
    """Run the whole loop on an embedded Gremlin Server with the air-routes graph.

    Exports, processes, trains, transforms and deploys three models, and asks them inside Gremlin queries.
    """
    from neptuneml_plugin.quickstart import quickstart

    root = config.data_root(data_root)
    with contextlib.ExitStack() as stack:
        with shown_stages(_err) as progress:
            result = stack.enter_context(quickstart(root, progress))
        print_page(quickstart_page(result, keep=keep))
        if keep:
            threading.Event().wait()


if __name__ == "__main__":
    main()
