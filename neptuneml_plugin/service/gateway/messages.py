"""Request messages of the Gremlin driver protocol, as far as it must be known what they ask for (decision 33).

A frame begins with the length and the name of its format; the rest is GraphSON or GraphBinary. The readers are
strict: what they do not understand to the last byte is `Unreadable`, so that nothing passes unseen. Protocol:
https://tinkerpop.apache.org/docs/current/dev/provider/#_graph_driver_provider_requirements
"""

import uuid
from dataclasses import dataclass, field

GREMLIN_LANG = "gremlin-lang"
GROOVY = "gremlin-groovy"
#: Deeper nesting than any traversal has.
MAX_DEPTH = 200


class Unreadable(ValueError):
    """A request that cannot be read as the protocol says; the text says where."""


@dataclass
class Found:
    """What a request holds, anywhere in it."""

    lambdas: bool = False
    #: Names of all steps of all traversals.
    steps: set[str] = field(default_factory=set)
    #: Java classes that are named.
    classes: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Message:
    """One request."""

    request_id: uuid.UUID
    op: str
    processor: str
    #: Of a script; None: the server's default, which is Groovy.
    language: str | None
    #: The text of a script; None: there is none.
    script: str | None
    found: Found
