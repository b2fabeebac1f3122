"""The request that most callers send: a few vertices by id, of which nothing but stored predictions is wanted.

It is read without the columns and the members that all others need, in a third of the time.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from neptuneml_plugin.serving.invocation import Mode
from neptuneml_plugin.serving.members import all_texts
from neptuneml_plugin.serving.wire import global_parameters

#: Beyond, arrays are faster.
MOST_ITEMS = 16

_MEMBERS = frozenset({"version", "mode", "data"})
_DATA_MEMBERS = frozenset({"globalParameters", "nodes"})
#: Fields of `Invocation` that such a request may set.
_FIELDS = frozenset({"property_name", "score", "request_id", "artifact_version", "deadline_seconds"})


class PlainRequest(NamedTuple):
    """A checked request; see `Invocation` for what the members mean."""

    names: list[str]
    property_name: str | None = None
    score: bool = False
    request_id: str | None = None
    artifact_version: str | None = None
    deadline_seconds: float | None = None


def read_plain(document: Mapping[str, Any]) -> PlainRequest | None:
    """Return the request; None where it is another one, or wrong, which `read_invocation` tells.

    Raises:
        InvalidParameter: a member of `globalParameters` is unknown, of the wrong type, or out of its range.
    """
    data = document.get("data")
    if type(data) is not dict or not (document.keys() <= _MEMBERS and data.keys() <= _DATA_MEMBERS):
        return None
    if document.get("version", "v1") != "v1" or document.get("mode", Mode.PREDICT) != Mode.PREDICT:
        return None
    names, given = _names(data.get("nodes")), data.get("globalParameters", {})
    if names is None or type(given) is not dict:
        return None
    if not given:
        return PlainRequest(names)
    values = global_parameters(Mode.PREDICT, given)
    return PlainRequest(names, **values) if values.keys() <= _FIELDS else None


def _names(nodes: Any) -> list[str] | None:
    """Return the ids of items that have nothing else, each a text."""
    if type(nodes) is not list or not 0 < len(nodes) <= MOST_ITEMS:
        return None
    try:
        names = [node["nodeId"] for node in nodes]
    except (KeyError, TypeError):
        return None
    return names if sum(map(len, nodes)) == len(nodes) and all_texts(names) else None
