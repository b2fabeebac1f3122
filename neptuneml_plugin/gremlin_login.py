"""The name and password for a Gremlin Server that wants them: from the environment, not from files of jobs."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

USER_VARIABLE = "NEPTUNEML_GREMLIN_USER"
PASSWORD_VARIABLE = "NEPTUNEML_GREMLIN_PASSWORD"  # noqa: S105 - the variable's name


@dataclass(frozen=True)
class Login:
    """A name and its password."""

    user: str
    password: str = field(repr=False)

    @property
    def sasl(self) -> dict[str, str]:
        """The arguments of the driver protocol's request `authentication`."""
        text = base64.b64encode(f"\0{self.user}\0{self.password}".encode()).decode()
        return {"saslMechanism": "PLAIN", "sasl": text}

    @property
    def variables(self) -> dict[str, str]:
        """The environment from which `login_of` reads it."""
        return {USER_VARIABLE: self.user, PASSWORD_VARIABLE: self.password}


def login_of(environment: Mapping[str, str] = os.environ) -> Login | None:
    """Return the login that an environment names; None where it names none."""
    user, password = environment.get(USER_VARIABLE), environment.get(PASSWORD_VARIABLE)
    return Login(user, password) if user and password else None
