"""What all management routes share on the wire: members of a body, flags, pages of a list, names of resources.

Lenient, as Neptune's clients need it: unknown keys are ignored, an empty text means "not given", and booleans come
as `true`, `"true"` or `TRUE`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.errors import BadRequest, InvalidParameter

DEFAULT_MAX_ITEMS = 10
LARGEST_MAX_ITEMS = 1024


@dataclass(frozen=True)
class Page:
    """`?maxItems=&nextToken=` of a list."""

    max_items: int = DEFAULT_MAX_ITEMS
    #: The last id of the page before.
    after: str | None = None


def load_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds.

    Raises:
        BadRequest: not a JSON object.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def text_of(given: Mapping[str, Any], name: str) -> str | None:
    """Return a text; None where it is absent or empty.

    Raises:
        InvalidParameter: not a text, or none that UTF-8 can hold.
    """
    value = given.get(name)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise InvalidParameter(f"{name} must be a text, not {str(value)[:60]!r}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidParameter(f"{name} holds half a surrogate pair, which no UTF-8 text can")
    return value


def parse_flag(value: Any, name: str) -> bool:
    """Read a boolean in any of the spellings that clients send; absent and empty are false.

    Raises:
        InvalidParameter: none of them.
    """
    spelled = str(value).lower()
    if value in (None, "") or spelled == "false":
        return False
    if spelled == "true":
        return True
    raise InvalidParameter(f"{name} is {str(value)[:60]!r}; it must be true or false")


def parse_choice(value: str | None, name: str, choices: Collection[str]) -> str | None:
    """Read one of several words; None where it is absent or empty.

    Raises:
        InvalidParameter: none of them.
    """
    if not value or value in choices:
        return value or None
    raise InvalidParameter(f"{name} is {value[:60]!r}; it must be one of {', '.join(sorted(choices))}")


def parse_page(query: Mapping[str, str]) -> Page:
    """Read the query of a list.

    Raises:
        InvalidParameter: `maxItems` is not 1 to 1024.
    """
    given = query.get("maxItems") or str(DEFAULT_MAX_ITEMS)
    number = int(given) if given.isascii() and given.isdigit() and len(given) <= 9 else 0
    if not 1 <= number <= LARGEST_MAX_ITEMS:
        raise InvalidParameter(f"maxItems is {given[:60]!r}; it must be 1 to {LARGEST_MAX_ITEMS}")
    return Page(number, query.get("nextToken") or None)


def render_page(ids: Sequence[str], page: Page) -> dict[str, Any]:
    """Answer a list, newest first."""
    if page.after is not None:
        if page.after not in ids:
            raise InvalidParameter(f"nextToken is {page.after[:60]!r}, which no list of this service gave")
        ids = ids[ids.index(page.after) + 1 :]
    shown = ids[: page.max_items]
    return {"ids": shown} if len(shown) == len(ids) else {"ids": shown, "nextToken": shown[-1]}


def arn(kind: str, name: str) -> str:
    """Return a name in the shape that clients expect."""
    return f"arn:neptuneml:service:local::{kind}/{name}"
