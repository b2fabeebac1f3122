"""The graph of docs/queries.md and its endpoints, in a running server."""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import xxhash

from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.testing import FakeEndpoint, FakeService, edge_endpoint, link_endpoint, node_endpoint
from tests.readme import ROOT, blocks
from tests.test_readme import submit

PAGE = (ROOT / "docs/queries.md").read_text(encoding="utf-8")
BORROWED = ("reader", "borrowed", "book")
STORED: dict[str, FakeEndpoint] = {
    "genre": node_endpoint(
        "book",
        "genre",
        "String",
        "String",
        {
            "b1": [{"value": "poetry", "score": 0.75}, {"value": "essay", "score": 0.25}],
            "b2": [{"value": "essay", "score": 0.5}, {"value": "novel", "score": 0.375}],
        },
    ),
    "price": node_endpoint(
        "book", "price", "Double", "String", {"b1": [{"value": 14.25}], "b2": [{"value": 9.5}]}
    ),
    "mood": edge_endpoint(BORROWED, "mood", "String", "String", {"l1": [{"value": "calm", "score": 0.5}]}),
    "days": edge_endpoint(BORROWED, "days", "Double", "String", {"l1": [{"value": 21.5}]}),
    "loans": link_endpoint(
        BORROWED,
        "String",
        {
            "r1": [{"id": "b1", "score": 0.875}, {"id": "b2", "score": 0.5}],
            "b1": [{"id": "r2", "score": 0.625}],
        },
    ),
}
#: What the same endpoints answer inductively. `b9`, `b10`, `r9` and `l9` came after training.
LIVE: dict[str, Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "genre": {"b9": [{"value": "novel", "score": 0.625}], "b10": [{"value": "essay", "score": 0.5}]},
    "price": {"b9": [{"value": 11.5}]},
    "mood": {"l9": [{"value": "merry", "score": 0.75}]},
    "days": {"l9": [{"value": 14.5}]},
    "loans": {
        "r1": [{"id": "b1", "score": 0.875}, {"id": "b9", "score": 0.75}],
        "r9": [{"id": "b2", "score": 0.75}, {"id": "b9", "score": 0.5}],
    },
}


def id_table(*ids: str) -> bytes:
    """Return a table that says only which ids the model knows (docs/wire.md, section 5)."""
    hashes = sorted(xxhash.xxh64_intdigest(name.encode()) for name in ids)
    header = b'{"kind": "ids"}'.ljust(16)
    return struct.pack(f"<8sqqq16s{len(ids)}Q", b"NMLTAB01", len(ids), 0, len(header), header, *hashes)


KNOWN = {"book": id_table("b1", "b2", "b3"), "reader": id_table("r1", "r2")}
ENDPOINTS = {
    name: replace(endpoint, inductive=LIVE[name], tables=KNOWN if name == "loans" else {})
    for name, endpoint in STORED.items()
}


@contextmanager
def library(server: GremlinServer, service: FakeService) -> Iterator[None]:
    """Run the page's first block and serve its endpoints; both are taken away again."""
    submit(server.url, blocks(PAGE, "groovy")[0])
    service.endpoints |= ENDPOINTS
    try:
        yield
    finally:
        submit(server.url, "g.V().hasLabel('book', 'reader').drop().iterate()")
        for name in ENDPOINTS:
            del service.endpoints[name]


def definitions() -> str:
    """The page's second block: sources with a name."""
    text = blocks(PAGE, "groovy")[1]
    if not all(re.fullmatch(r"\w+ = g\.with\(.*\)", line) for line in text.splitlines()):
        raise AssertionError(text)
    return text
