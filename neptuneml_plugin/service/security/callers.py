"""Who may call: anyone on this machine, those who know the token, or those who sign with a known key."""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from neptuneml_plugin.config import KEYS_FILE_VARIABLE, SERVICE_TOKEN_VARIABLE, ServiceConfig
from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.service.security.secretfiles import read_keys, read_token
from neptuneml_plugin.service.security.signatures import check_available

#: Of a token on an address that others reach.
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Callers:
    """What callers prove themselves with; neither: nobody is asked."""

    token: str | None = field(default=None, repr=False)
    #: Access key -> its secret.
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def are_asked(self) -> bool:
        """Whether a request must carry a token or a signature."""
        return bool(self.token or self.keys)

    def has_token(self, authorization: str) -> bool:
        """Tell whether an `Authorization` header carries the token, in constant time."""
        given = authorization.encode(errors="surrogateescape")
        return self.token is not None and hmac.compare_digest(given, f"Bearer {self.token}".encode())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no log may hold."""
        return tuple(filter(None, (self.token, *self.keys.values())))


CALLERS = web.AppKey("callers", Callers)


def load_callers(config: ServiceConfig) -> Callers:
    """Return who may call, from the settings and the files that they name.

    Raises:
        InvalidSettings: a file of secrets cannot be used.
        PreconditionsFailed: others than this machine reach the service, and nobody would be asked; or botocore is
            missing, which checks signatures.
    """
    token = read_token(config.token_file) if config.token_file else config.token
    callers = Callers(token, read_keys(config.keys_file) if config.keys_file else {})
    if callers.keys:
        check_available()
    if not is_loopback(config.host):
        _check_reachable(config.host, callers)
    return callers


def _check_reachable(host: str, callers: Callers) -> None:
    if not callers.are_asked:
        raise PreconditionsFailed(
            f"{host} is reached by other machines, so callers must be asked: give a token "
            f"(--token-file or {SERVICE_TOKEN_VARIABLE}), or access keys for signed requests "
            f"(--keys-file or {KEYS_FILE_VARIABLE}); or listen on 127.0.0.1"
        )
    if callers.token and len(callers.token) < SHORTEST_TOKEN:
        raise PreconditionsFailed(
            f"the token is too short for {host}, which other machines reach: give {SHORTEST_TOKEN} characters or "
            "more, such as those of `openssl rand -hex 32`"
        )


def is_loopback(host: str) -> bool:
    """Tell whether a listening address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
