"""The text of a Gremlin query as steps and their arguments, in Groovy's spelling or Python's.

Just enough of the language to see which steps a query takes: nothing is resolved, nothing is run.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from neptuneml_plugin.errors import InvalidParameter

LONGEST = 20_000
DEEPEST = 40
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[a-zA-Z]?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>[().,:\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u+[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Step:
    """One step, or a name such as `T` or `label`."""

    name: str
    arguments: tuple["Argument", ...] = ()
    #: False for a name without parentheses.
    is_called: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments that are texts."""
        return tuple(argument for argument in self.arguments if isinstance(argument, str))


Steps = tuple[Step, ...]
#: A text, steps, or None for numbers and lists.
Argument = str | Steps | None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    #: Where it begins.
    at: int


def parse_query(query: str) -> Steps:
    """Return the steps of a query, after its `g`.

    Raises:
        InvalidParameter: not the text of one query.
    """
    return _Parser(query).query()


def render_query(query: str, source_options: dict[str, str], option_with_label: str | None = None) -> str:
    """Return a query in Groovy's spelling, with more options on its source.

    Args:
        query: its text.
        source_options: what is added.
        option_with_label: an option that takes over the label of its `out` or `in`: gremlin-lang on TinkerPop 3.8
            reads `out().with(option, "x")` and not `out("x").with(option)` (decision 28).

    Raises:
        InvalidParameter: not the text of one query.
    """
    parse_query(query)
    first, *rest = _tokens(query)
    if option_with_label is not None:
        rest = list(_with_labels_in(option_with_label, rest))
    options = "".join(f".with({quoted(name)},{quoted(value)})" for name, value in source_options.items())
    parts = [first.text, options]
    before = first
    for token in rest:
        if before.kind in ("name", "number") and token.kind in ("name", "number"):
            parts.append(" ")
        parts.append(_groovy(token))
        before = token
    return "".join(parts)


def _with_labels_in(option: str, tokens: list[_Token]) -> Iterator[_Token]:
    """Yield the tokens of a query, with the labels of `out` and `in` moved into an option that they have."""
    labels: dict[int, _Token] = {}
    for at, token in enumerate(tokens):
        if (
            token.kind == "name"
            and camel(token.text) in ("out", "in")
            and _shape(tokens[at + 1 : at + 4]) == "(t)"
        ):
            end = _end_of_option(option, tokens, at + 4)
            if end is not None:
                labels[at + 2] = labels[end] = tokens[at + 2]
    for at, token in enumerate(tokens):
        if at not in labels:
            yield token
        elif token is not labels[at]:  # the end of the option
            yield from (replace(token, kind="sign", text=","), labels[at], token)


def _end_of_option(option: str, tokens: list[_Token], at: int) -> int | None:
    """Return where `.with(option)` ends that stands at `at`, or behind other options there."""
    while _shape(tokens[at : at + 4]) == ".n(t" and camel(tokens[at + 1].text) == "with":
        end = next((end for end in range(at + 4, len(tokens)) if tokens[end].text in "()"), len(tokens))
        if end == len(tokens) or tokens[end].text == "(":
            return None
        if _unquoted(tokens[at + 3].text) == option:
            return end if end == at + 4 else None
        at = end + 1
    return None


def _shape(tokens: list[_Token]) -> str:
    return "".join(token.text if token.kind == "sign" else token.kind[0] for token in tokens)


def quoted(text: str) -> str:
    """Return a text as Groovy and gremlin-lang write it."""
    return json.dumps(text).replace("$", "\\u0024")


def _groovy(token: _Token) -> str:
    if token.kind == "text":
        return quoted(_unquoted(token.text))
    return camel(token.text) if token.kind == "name" else token.text


def camel(name: str) -> str:
    """`has_label` -> `hasLabel`, `in_` -> `in`; `__` and names in Groovy's spelling stay."""
    if not name.strip("_"):
        return name
    first, *others = name.rstrip("_").split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


def _unquoted(token: str) -> str:
    def unescaped(match: re.Match[str]) -> str:
        sign = match[1]
        return chr(int(sign.lstrip("u"), 16)) if len(sign) > 1 else _ESCAPED.get(sign, sign)

    units = _ESCAPE.sub(unescaped, token[1:-1]).encode("utf-16-le", "surrogatepass")
    try:
        return units.decode("utf-16-le")
    except UnicodeDecodeError:
        raise InvalidParameter(f"the query's text {token[:40]} holds half a surrogate pair") from None


def _tokens(query: str) -> list[_Token]:
    if len(query) > LONGEST:
        raise InvalidParameter(f"the query has {len(query)} signs; at most {LONGEST} are read")
    return list(_scan(query))


def _scan(query: str) -> Iterator[_Token]:
    at = 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            raise InvalidParameter(f"the query cannot be read at {query[at : at + 20]!r} (sign {at + 1})")
        if match.lastgroup and match.lastgroup != "space":
            yield _Token(match.lastgroup, match[0], at)
        at = match.end()


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = _tokens(query)
        self._next = 0
        self._depth = 0

    def query(self) -> Steps:
        if not (self._take("g") and self._peek() == "."):
            raise InvalidParameter('the query must begin with `g.`, such as g.V().hasLabel("movie")')
        steps = tuple(self._followers())
        if self._next < len(self._tokens):
            self._refuse("a step such as `.hasLabel(…)`, or the query's end")
        return steps

    def _followers(self) -> Iterator[Step]:
        while self._take("."):
            yield self._step()

    def _step(self) -> Step:
        if self._kind() != "name":
            self._refuse("the name of a step")
        name = camel(self._advance())
        return Step(name, tuple(self._list(")"))) if self._take("(") else Step(name, is_called=False)

    def _list(self, end: str) -> Iterator[Argument]:
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidParameter(f"the query is nested more than {DEEPEST} deep")
        while not self._take(end):
            yield self._argument()
            if self._take(":"):  # a map's value
                yield self._argument()
            if self._peek() != end and not self._take(","):
                self._refuse(f"`,` or `{end}`")
        self._depth -= 1

    def _argument(self) -> Argument:
        kind = self._kind()
        if kind == "text":
            return _unquoted(self._advance())
        if kind == "number":
            self._advance()
            return None
        if self._take("["):
            for _ in self._list("]"):
                pass
            return None
        if self._peek() == "__":
            self._advance()
            return tuple(self._followers())
        return (self._step(), *self._followers())

    def _peek(self) -> str:
        return self._tokens[self._next].text if self._next < len(self._tokens) else ""

    def _kind(self) -> str:
        return self._tokens[self._next].kind if self._next < len(self._tokens) else ""

    def _advance(self) -> str:
        self._next += 1
        return self._tokens[self._next - 1].text

    def _take(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._next += 1
        return True

    def _refuse(self, expected: str) -> NoReturn:
        at = self._tokens[self._next].at if self._next < len(self._tokens) else len(self._query)
        found = repr(self._query[at : at + 20]) if at < len(self._query) else "its end"
        raise InvalidParameter(f"the query has {found} at sign {at + 1}, where {expected} was expected")
