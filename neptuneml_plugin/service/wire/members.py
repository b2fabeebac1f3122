"""What all management routes share on the wire: members of a body, flags, pages of a list, names of resources.

Lenient, as Neptune's clients need it: unknown keys are ignored, an empty text means "not given", and booleans come
as `true`, `"true"` or `TRUE`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.errors import BadRequest, InvalidParameter

DEFAULT_MAX_ITEMS = 10
LARGEST_MAX_ITEMS = 1024
#: Objects and lists inside each other in a body; no request needs so many.
MOST_LEVELS = 64
#: What graph-notebook 5.3 sends as a value where its user gave none: sentences of its own help.
HELP_SENTENCES = frozenset(
    {
        "A unique identifier for the new inference endpoint.",
        "The URI of the S3 bucket/location to store your transform result.",
    }
)


@dataclass(frozen=True)
class Page:
    """`?maxItems=&nextToken=` of a list."""

    max_items: int = DEFAULT_MAX_ITEMS
    #: The last id of the page before.
    after: str | None = None


def load_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds.

    Raises:
        BadRequest: not a JSON object, or none that can be written down again.
        InvalidParameter: it holds a text that UTF-8 cannot.
    """
    try:
        value = json.loads(body, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    if _is_deeper(value, MOST_LEVELS):
        raise BadRequest(f"the body holds more than {MOST_LEVELS} objects and lists inside each other")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidParameter("the body holds half a surrogate pair, which no UTF-8 text can") from None
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a number that JSON can hold")
    return number


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether objects and lists lie inside each other over more than so many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (levels == 0 or any(_is_deeper(one, levels - 1) for one in inner))


def is_absent(value: Any) -> bool:
    """Return whether a member's value stands for none."""
    return value in (None, "", []) or (isinstance(value, str) and value in HELP_SENTENCES)


def text_of(given: Mapping[str, Any], name: str) -> str | None:
    """Return a text; None where it is absent.

    Raises:
        InvalidParameter: not a text, or none that UTF-8 can hold.
    """
    value = given.get(name)
    if is_absent(value):
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
