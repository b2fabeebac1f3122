"""Requests that are nearly right: one of the API's own, changed at one or more places, from a fixed seed."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

#: What stands in the place of a value.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 1.5, -0.0, 1e308),
    *("", " ", "x", "p", "true", "TRUE", "null", "0", "-1", "\0", "\ud800", "é", "٣", "a" * 49, "a" * 2000),
    *(
        "../../etc/passwd",
        "/",
        "s3://",
        "s3://lib",
        "s3://[",
        "file://other/x",
        "s3://lib/../../..",
        "http://127.0.0.1",
    ),
    *("arn:", "ml.r5.large", "%00", "{}", "[]", "<script>", "'; DROP TABLE jobs; --"),
    *([], [[]], [None], ["a"] * 50, {}, {"a": {}}, {"": ""}, {"sourceS3DirectoryPath": "/"}),
)
SEGMENTS = ("x", "p", "%00", "%ff", "..", "%2e%2e", "a" * 300, "%F0%9F%98%80", "{id}", "log", "*", ";", "a%20b")
HEADERS: tuple[tuple[str, str], ...] = (
    ("Content-Type", "text/plain"),
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "multipart/form-data"),
    ("Range", "bytes=5-1"),
    ("Range", "bytes=-0"),
    ("If-None-Match", '"'),
    ("If-None-Match", "*"),
    ("Accept", "text/html"),
    ("x-amzn-RequestId", "'"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature="),
    ("Cookie", "\\"),
)


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Mutator:
    """Makes requests; the same ones for the same seed."""

    def __init__(self, seed: int, valid: list[Asked]) -> None:
        self._random = random.Random(seed)
        self._valid = valid

    def next(self) -> Asked:
        """Return a request of the API, changed in one to three ways."""
        asked = self._random.choice(self._valid)
        for _ in range(self._random.randint(1, 3)):
            asked = self._random.choice((self._body, self._body, self._path, self._query, self._header))(asked)
        return asked

    def _body(self, asked: Asked) -> Asked:
        if asked.body is None:
            return self._query(asked)
        way = self._random.choice((self._member, self._member, self._member, self._bytes))
        return replace(asked, body=way(asked.body))

    def _member(self, body: bytes) -> bytes:
        """Replace, remove or add a member somewhere in the document."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return self._bytes(body)
        holder = document
        while isinstance(holder, dict) and holder and self._random.random() < 0.4:
            inner = self._random.choice(list(holder.values()))
            if not isinstance(inner, dict):
                break
            holder = inner
        if not isinstance(holder, dict):
            return json.dumps(self._random.choice(ODD)).encode()
        name = self._random.choice([*holder, "unknown", "id"])
        if self._random.random() < 0.2:
            holder.pop(name, None)
        else:
            holder[name] = self._random.choice(ODD)
        return json.dumps(document).encode()

    def _bytes(self, body: bytes) -> bytes:
        """Cut the body, double a part of it, or change some bytes."""
        at = self._random.randrange(len(body) + 1)
        cut = self._random.randrange(len(body) + 1)
        flipped = bytearray(body)
        for _ in range(self._random.randint(1, 4)):
            if flipped:
                flipped[self._random.randrange(len(flipped))] = self._random.randrange(256)
        return self._random.choice(
            (body[:at], body[:at] + body[cut:], bytes(flipped), b"[" * 2000, b'{"a":' * 2000, b"\xff\xfe" + body)
        )

    def _path(self, asked: Asked) -> Asked:
        parts = asked.path.split("/")
        parts[self._random.randrange(1, len(parts))] = self._random.choice(SEGMENTS)
        method = self._random.choice((asked.method,) * 4 + ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD"))
        return replace(asked, path="/".join(parts), method=method)

    def _query(self, asked: Asked) -> Asked:
        names = ("maxItems", "nextToken", "neptuneIamRoleArn", "state", "clean", "purge", "version", "unknown")
        value = self._random.choice([one for one in ODD if isinstance(one, str)])
        pair = (self._random.choice(names), value.encode("utf-8", "replace").decode())
        return replace(asked, query=(*asked.query, pair))

    def _header(self, asked: Asked) -> Asked:
        added = self._random.choice(HEADERS)
        kept = (header for header in asked.headers if header[0] != added[0])
        return replace(asked, headers=(*kept, added))


def valid_requests(document: Mapping[str, Any], bodies: Mapping[str, Any]) -> list[Asked]:
    """Return a right request of every operation of an OpenAPI document."""
    found = []
    for path, operations in document["paths"].items():
        for method in operations:
            body = json.dumps(bodies.get(path, {})).encode() if method == "post" else None
            filled = path.replace("{id}", "p").replace("{name}", "p").replace("{label}", "item")
            found.append(Asked(method.upper(), filled, body=body))
    return found
