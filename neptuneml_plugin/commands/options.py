"""Options that several commands share."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from neptuneml_plugin import config

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)

Command = Callable[..., None]


@dataclass(frozen=True)
class EndpointNumber:
    """A number that says how an endpoint answers, and of which a load test tries several."""

    flag: str
    meaning: str
    default: int
    least: int = 0

    @property
    def help(self) -> str:
        """What the command line says of it."""
        return f"{self.meaning}.  [default: {self.default}]"


#: By the fields of a load test's `Configuration`.
ENDPOINT_NUMBERS = {
    "instances": EndpointNumber("--instances", "Worker processes", 1, least=1),
    "max_batch": EndpointNumber("--max-batch", "Items answered together", 1024, least=1),
    "max_delay_us": EndpointNumber("--max-delay-micros", "Microseconds that a batch waits for others to join", 0),
    "cache_mib": EndpointNumber(
        "--cache-mib", "MiB of answers that a worker keeps for those who ask the same again", 0
    ),
}


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
