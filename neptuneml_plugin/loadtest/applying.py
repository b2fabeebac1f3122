"""The recommended configuration, given to the endpoint."""

from collections.abc import Iterator
from typing import Any

from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.errors import FailureByQuery, NeptuneMLError
from neptuneml_plugin.loadtest.choosing import MEMBERS, Configuration, Row


def options(configuration: Configuration, needed: int | None) -> dict[str, int]:
    """Return the members that make an endpoint answer so.

    Args:
        configuration: the chosen one.
        needed: instances for the wanted rate; None: as many as were measured.
    """
    said = configuration.said() | {"instances": needed or configuration.instances}
    return {member: said[name] for name, member in MEMBERS.items() if name in said}


def apply(client: ServiceClient, endpoint: str, chosen: Row) -> str:
    """Update an endpoint; return a sentence on what has become of it.

    Raises:
        FailureByQuery: the service refuses; the endpoint stays as it is.
    """
    configuration = chosen.measurement.configuration or Configuration()
    wanted = options(configuration, chosen.needed)
    source = client.get_endpoint(endpoint)["endpoint"]["outputLocation"]
    try:
        client.update_endpoint(endpoint, source, wanted)
    except NeptuneMLError as error:
        raise FailureByQuery(f"the service refuses {_shown(wanted)}: {error}") from None
    return " ".join([f"Endpoint '{endpoint}' has {_shown(wanted)}.", *_not_applied(configuration)])


def _shown(members: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in members.items())


def _not_applied(configuration: Configuration) -> Iterator[str]:
    if configuration.threads != 1:
        yield f"The service gives its workers 1 thread, not {configuration.threads}."
