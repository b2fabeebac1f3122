"""What a gremlin-lang script calls, told from its text alone."""

import re

_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_NAME = re.compile(r"[^\W\d]\w*")

#: Steps that change the graph, or do what cannot be known here.
WRITING = frozenset(
    {"addV", "addE", "property", "drop", "mergeV", "mergeE", "io", "write", "call", "sideEffect", "program", "tx"}
)
#: Reads and writes files of the server.
FILES = "io"


def names(script: str) -> frozenset[str]:
    """Return all names in a script that stand outside of texts, which are more than the steps that it calls."""
    return frozenset(_NAME.findall(_TEXT.sub("''", script)))
