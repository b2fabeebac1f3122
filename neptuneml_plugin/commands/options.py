"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path

import click

from neptuneml_plugin import config

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)

Command = Callable[..., None]


def _token(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Return the given token, else that of the file that the environment names."""
    from neptuneml_plugin.service.security.secretfiles import read_token

    file = os.environ.get(config.SERVICE_TOKEN_FILE_VARIABLE)
    return read_token(Path(file)) if file and not given else given


def service_options(command: Command) -> Command:
    """Add what every command that talks to a service takes."""
    for option in (
        click.option(
            "--service",
            "url",
            envvar=config.SERVICE_URL_VARIABLE,
            default=config.DEFAULT_SERVICE_URL,
            show_default=True,
            help="The service's address.",
        ),
        click.option(
            "--token",
            envvar=config.SERVICE_TOKEN_VARIABLE,
            callback=_token,
            help="The service's token, if it has one; others see it in lists of processes: better in "
            "NEPTUNEML_SERVICE_TOKEN, or in the file that NEPTUNEML_SERVICE_TOKEN_FILE names.",
        ),
    ):
        command = option(command)
    return command
