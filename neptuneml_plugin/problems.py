"""Values of a document, read one by one; what is wrong with them is collected instead of stopping at it."""

import difflib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard, TypeVar

from neptuneml_plugin.errors import InvalidSettings, UnsupportedOperation, nearest

Item = TypeVar("Item")


#: Larger counts than this are slips of the hand: nothing that is counted here is of any use beyond.
LARGEST_COUNT = 2**31 - 1
#: Problems after which a document is read no further, and letters of one of them: nobody reads more.
MOST_PROBLEMS = 100
MOST_LETTERS = 4000
#: Letters of a member's name that are told.
LONGEST_NAME = 80


def load_json(path: Path) -> Any:
    """Return a document; a byte-order mark before it is no part of it.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or holds a text that is no Unicode.
        OSError: it cannot be read.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        broken = next(_unpaired(document, ""), None)
    except RecursionError:
        raise ValueError("arrays or objects are nested too deeply") from None
    if broken is not None:
        raise ValueError(f"{broken} holds half of a surrogate pair, which is no character")
    return document


def _unpaired(value: Any, path: str) -> Iterator[str]:
    """Yield the places of texts that cannot be written as UTF-8."""
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield path
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _unpaired(key, f"a member's name in {path or 'the document'}")
            yield from _unpaired(below, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for i, below in enumerate(value):
            yield from _unpaired(below, f"{path}[{i}]")


class Problems:
    """Problems and warnings of a document, each beginning with its path; every reader returns a usable default.

    Args:
        source: the document, for errors.
        strict: whether members that nothing is known of are problems; else they are so if they look misspelt.
    """

    def __init__(self, source: str = "", *, strict: bool = False) -> None:
        self.source = source
        self._strict = strict
        self.problems: list[str] = []
        #: Right, but not offered in this release.
        self.unsupported: list[str] = []
        self.warnings: list[str] = []

    def invalid(self, path: str, message: str) -> None:
        """Note a member that cannot be right.

        Raises:
            InvalidSettings: there are too many such already.
        """
        self.problems.append(f"{path}: {message}"[:MOST_LETTERS])
        if len(self.problems) == MOST_PROBLEMS:
            raise InvalidSettings(self.source, [*self.problems, "the rest was not read"])

    def refuse(self, path: str, message: str) -> None:
        """Note a member that is right, but not offered in this release."""
        self.unsupported.append(f"{path}: {message}")

    def raise_if_any(self) -> None:
        """Raise what has been noted.

        Raises:
            InvalidSettings: something is invalid; it names what is not offered too.
            UnsupportedOperation: everything is valid, but something is not offered.
        """
        if self.problems:
            raise InvalidSettings(self.source, [*self.problems, *self.unsupported])
        if self.unsupported:
            raise UnsupportedOperation(f"{self.source}: " + "; ".join(self.unsupported))

    def check_members(self, value: Mapping[str, Any], allowed: Iterable[str], path: str) -> None:
        """Note members that do not exist."""
        names = set(allowed)
        for key in value:
            if key not in names:
                name = str(key)[:LONGEST_NAME]
                place = f"{path}.{name}" if path else name
                self.invalid(place, f"unknown member{nearest(name, names)}")

    def members(self, raw: Any, path: str, known: AbstractSet[str]) -> dict[str, Any]:
        """Return the members of an object; name foreign ones."""
        where = path or "the document"
        if not isinstance(raw, dict):
            self.problems.append(f"{where}: must be an object, not {shown(raw)}")
            return {}
        if self._strict:
            self.check_members(raw, known, path)
            return raw
        for key in raw.keys() - known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
            if near:
                self.problems.append(f"{where}: unknown member '{key}' (did you mean '{near[0]}'?)")
            else:
                self.warnings.append(f"{where}: member '{key}' is unknown and has no effect")
        return raw

    def each(
        self, members: Mapping[str, Any], key: str, path: str, read: Callable[[Any, str], Item]
    ) -> list[Item]:
        """Read each object of an array (or the one object) under `key`; absent: none."""
        raw = members.get(key) or []
        raw = [raw] if isinstance(raw, dict) else raw
        path = f"{path}.{key}" if path else key
        if not isinstance(raw, list):
            self.problems.append(f"{path}: must be an array, not {shown(raw)}")
            return []
        wrong = [i for i, item in enumerate(raw) if not isinstance(item, dict)]
        self.problems += [f"{path}[{i}]: must be an object, not {shown(raw[i])}" for i in wrong]
        return [read(item, f"{path}[{i}]") for i, item in enumerate(raw) if i not in wrong]

    def text(self, members: Mapping[str, Any], key: str, path: str) -> str:
        """Return a text that must be there."""
        value = members.get(key)
        if isinstance(value, str) and value:
            return value
        self.problems.append(f"{path}.{key}: must be a text, not {shown(value)}")
        return ""

    def texts(self, members: Mapping[str, Any], key: str, path: str, count: int) -> tuple[str, ...]:
        """Return an array of `count` texts."""
        value = members.get(key)
        if isinstance(value, list) and len(value) == count and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.problems.append(f"{path}.{key}: must be an array of {count} texts, not {shown(value)}")
        return ("",) * count

    def labelled(self, members: Mapping[str, Any], key: str, path: str) -> tuple[str, str]:
        """Return a column and the label of the vertices whose ids it holds."""
        column, label = self.texts(members, key, path, 2)
        if column and not label:
            self.problems.append(f"{path}.{key}[1]: names no label")
        return column, label

    def separator(self, members: Mapping[str, Any], path: str) -> str | None:
        """Return the optional member `separator`."""
        value = members.get("separator") or None
        if value is not None and not isinstance(value, str):
            self.problems.append(f"{path}.separator: must be a text, not {shown(value)}")
            return None
        return value

    def choice(self, value: Any, allowed: Sequence[str], path: str) -> str:
        """Return one of the allowed texts."""
        if value not in allowed:
            self.problems.append(f"{path}: {shown(value)} is not allowed{nearest(str(value), allowed)}")
        return str(value)

    def truth(self, value: Any, path: str) -> bool:
        """Return true or false."""
        if isinstance(value, bool):
            return value
        self.problems.append(f"{path}: must be true or false, not {shown(value)}")
        return False

    def number(self, value: Any, path: str) -> float:
        """Return a finite number."""
        if isinstance(value, int | float) and not isinstance(value, bool) and _finite(value):
            return float(value)
        self.problems.append(f"{path}: must be a finite number, not {shown(value)}")
        return 0.0

    def numbers(self, members: Mapping[str, Any], key: str, path: str, count: int) -> tuple[float, ...]:
        """Return an array of `count` numbers."""
        value = members.get(key)
        if isinstance(value, list) and len(value) == count:
            return tuple(self.number(item, f"{path}.{key}[{i}]") for i, item in enumerate(value))
        self.problems.append(f"{path}.{key}: must be an array of {count} numbers, not {shown(value)}")
        return tuple(float(i) for i in range(count))

    def count(self, members: Mapping[str, Any], key: str, path: str, most: int = LARGEST_COUNT) -> int:
        """Return a positive integer, `most` at most."""
        value = members.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most:
            return value
        wanted = f"at most {most}" if isinstance(value, int) and value > most else "a positive integer"
        self.problems.append(f"{path}.{key}: must be {wanted}, not {shown(value)}")
        return 1


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def leads_outside(folder: Path, name: str) -> bool:
    """Whether a name within a folder is that of something outside, links followed."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        return True
    return holds(folder, name) and not (folder / name).resolve().is_relative_to(folder.resolve())


def holds(folder: Path, name: str) -> bool:
    """Whether a folder has a file of the name."""
    try:
        return (folder / name).is_file()
    except OSError:  # such as a name that is too long for the file system
        return False


def shown(value: Any) -> str:
    """Return a value as JSON, short enough for a message."""
    if value is None:
        return "missing"
    try:
        return json.dumps(value, default=ascii, skipkeys=True)[:80]
    except (ValueError, RecursionError):  # YAML can nest a list in itself
        return ascii(value)[:80]


def as_json(value: Any) -> Any:
    """Return the value if JSON can hold it, else its text: YAML has dates and infinities."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return ascii(value)
    return value


def is_text(value: Any) -> TypeGuard[str]:
    """Whether the value is a text, not empty, that a file in UTF-8 can hold: JSON knows half characters too."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
