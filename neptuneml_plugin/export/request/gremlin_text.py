"""Gremlin texts of a request: filters and named queries, checked before they travel.

They are sent as gremlin-lang under ReadOnlyStrategy, never as Groovy (decision 33). The server's parser has the
last word; what is checked here is what a person should hear before the export starts: a step that changes the
graph or leaves it, a closure, a bracket or a quote that is open.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.problems import Problems, is_text

#: Steps that write, or that do more than read the graph.
REFUSED_STEPS = ("addV", "addE", "write", "drop", "sideEffect", "property", "mergeV", "mergeE", "call", "io")
_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_CALL = re.compile(rf"\b({'|'.join(REFUSED_STEPS)})\s*\(")
#: gremlin-lang takes a second traversal without any sign between them, which no strategy of the first binds.
_SOURCE = re.compile(r"\bg\s*\.")
_UNBINDING = re.compile(r"\bwithoutStrategies\s*\(")
_MAPS = re.compile(r"\b(valueMap|propertyMap)\s*\(")
_ELEMENT_MAP = re.compile(r"\belementMap\s*\(")
_CLOSING = {")": "(", "]": "["}
_NAMED = re.compile(r"\s*(\w[\w.-]*)\s*=\s*(.+)", re.DOTALL)
_DEFAULT_NAME = "query"
_END = "end it with elementMap(), which may name properties"


@dataclass(frozen=True)
class GremlinFilters:
    """Anonymous steps that elements must pass, such as `has('country', 'US')`; None: all pass."""

    nodes: str | None = None
    edges: str | None = None

    def __bool__(self) -> bool:
        return self.nodes is not None or self.edges is not None


@dataclass(frozen=True)
class NamedQueries:
    """Queries whose results, `elementMap()` of vertices and edges, are exported."""

    name: str
    queries: tuple[str, ...]


def read_filter(value: Any, path: str, problems: Problems) -> str | None:
    """Read a filter: the text of anonymous steps."""
    if value in (None, ""):
        return None
    text = value.strip().removeprefix("__.").removeprefix(".") if is_text(value) else ""
    if not text:
        problems.invalid(path, f"must be the text of Gremlin steps such as has('country', 'US'), not {value!r}")
    elif re.match(r"g\s*\.", text):
        problems.invalid(path, "must be steps without a source: leave out 'g.' and the steps V() or E()")
    else:
        _check(text, path, problems)
    return text


def read_queries(value: Any, path: str, problems: Problems) -> tuple[NamedQueries, ...]:
    """Read `queries`: `name=query;query`, or an object with `name` and `queries`, or an array of these."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(value)
        except ValueError as error:
            problems.invalid(path, f"is not JSON: {error}")
            return ()
    items = value if isinstance(value, list) else [value]
    found = [
        _read_group(item, f"{path}[{index}]" if isinstance(value, list) else path, problems)
        for index, item in enumerate(items)
    ]
    if not found:
        problems.invalid(path, "names no query")
    return tuple(group for group in found if group is not None)


def _read_group(item: Any, path: str, problems: Problems) -> NamedQueries | None:
    if is_text(item):
        named = _NAMED.fullmatch(item)
        name, text = (named[1], named[2]) if named else (_DEFAULT_NAME, item)
        queries: Any = list(_statements(_unquoted(text)))
    elif isinstance(item, Mapping):
        problems.check_members(item, ("name", "query", "queries"), path)
        name = item.get("name", _DEFAULT_NAME)
        queries = item.get("queries", item.get("query"))
    else:
        problems.invalid(path, f"must be a text or an object with 'name' and 'queries', not {item!r}")
        return None
    texts = queries if isinstance(queries, list) else [queries]
    if not is_text(name):
        problems.invalid(f"{path}.name", f"must be a text, not {name!r}")
        return None
    if not texts or not all(is_text(text) and text.strip() for text in texts):
        problems.invalid(path, "must hold one or more queries, each a text")
        return None
    for text in texts:
        _check_query(text, path, problems)
    return NamedQueries(name, tuple(text.strip() for text in texts))


def _check_query(text: str, path: str, problems: Problems) -> None:
    if not re.match(r"\s*g\s*\.", text):
        problems.invalid(path, f"{_shortened(text)} must begin with 'g.'")
    else:
        _check(text, path, problems)
        _check_result(text, path, problems)


def _check_result(text: str, path: str, problems: Problems) -> None:
    code = _TEXT.sub("''", text)
    other = _MAPS.search(code)
    if other:
        problems.invalid(
            path, f"{_shortened(text)} calls '{other[1]}', which does not tell edges and their ends; {_END}"
        )
    elif not _ELEMENT_MAP.search(code):
        problems.invalid(path, f"{_shortened(text)} does not return elementMap(); {_END}")


def _check(text: str, path: str, problems: Problems) -> None:
    code = _TEXT.sub("''", text)
    called = _CALL.search(code)
    if called:
        problems.invalid(path, f"{_shortened(text)} calls '{called[1]}'; filters and queries only read the graph")
    elif "{" in code:
        problems.invalid(path, f"{_shortened(text)} holds a closure, which is Groovy; it is read as gremlin-lang")
    elif "//" in code or "/*" in code:
        problems.invalid(path, f"{_shortened(text)} holds a comment; leave it out")
    elif _UNBINDING.search(code):
        problems.invalid(
            path, f"{_shortened(text)} calls 'withoutStrategies'; filters and queries only read the graph"
        )
    elif ";" in code or _SOURCE.search(code.lstrip(), 1):
        problems.invalid(path, f"{_shortened(text)} holds several statements; give one traversal")
    elif not _is_balanced(code):
        problems.invalid(path, f"{_shortened(text)} has a bracket or a quote that is open or too many")


def _is_balanced(code: str) -> bool:
    """Whether brackets match and no quote is open; `code` holds no texts but empty ones."""
    opened: list[str] = []
    for sign in code.replace("''", ""):
        if sign in "([":
            opened.append(sign)
        elif sign in _CLOSING:
            if not opened or opened.pop() != _CLOSING[sign]:
                return False
        elif sign in "'\"":
            return False
    return not opened


def _statements(text: str) -> Iterator[str]:
    """Split at the semicolons that stand outside of texts."""
    start = 0
    for sign in re.finditer(rf"{_TEXT.pattern}|;", text, re.DOTALL):
        if sign[0] == ";":
            yield text[start : sign.start()].strip()
            start = sign.end()
    last = text[start:].strip()
    if last or not start:
        yield last


def _unquoted(text: str) -> str:
    """Return what stands between the quotes that `name="…"` has on a command line."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
