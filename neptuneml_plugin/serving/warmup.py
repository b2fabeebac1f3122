"""Warm-up: a worker answers requests made from its own artifact, over its own socket, before others' come.

The first requests of a process read pages, fill caches and allocate buffers that later ones find.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from neptuneml_plugin.artifacts import Manifest, Task
from neptuneml_plugin.ids import IdColumn

#: How often each request is made.
ROUNDS = 5
#: Items of the requests.
SIZES = (1, 64)
#: Warm-up ends early after this.
MOST_SECONDS = 10.0

_log = logging.getLogger(__name__)


async def warm_up(address: str, token: str, bodies: list[bytes]) -> int:
    """Make requests of a worker and return how many it answered.

    Args:
        address: the worker's.
        token: the worker's.
        bodies: what is asked.
    """
    end = time.monotonic() + MOST_SECONDS
    answered = 0
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as client:
        for body in bodies * ROUNDS:
            if time.monotonic() > end:
                break
            async with client.post(f"{address}/invocations", data=body) as answer:
                told = await answer.text()
            if answer.status != 200:
                _log.warning("a request of the warm-up was refused: %s", told)
                continue
            answered += 1
    return answered


@dataclass(frozen=True)
class _Question:
    """A kind of request that an artifact answers."""

    #: Member of the items -> vertex label of its ids.
    ends: Mapping[str, str]
    mode: str = "predict"
    parameters: Mapping[str, str] = field(default_factory=dict)


def stored(folder: Path, manifest: Manifest) -> list[bytes]:
    """Return invocations of several sizes for what an artifact predicts, from its own vertices."""
    asked = list(_questions(manifest))
    return [_body(question, _items(folder, manifest, question, size)) for size in SIZES for question in asked]


def inductive(folder: Path, manifest: Manifest) -> list[bytes]:
    """Return invocations that bring a vertex or two of the artifact, with a neighbour by each type of edge."""
    bodies = []
    for question in _questions(manifest):
        items = _items(folder, manifest, question, 1)
        bodies.append(_body(question, items, subgraph=_neighbourhood(folder, manifest, question, items)))
    return bodies


def _questions(manifest: Manifest) -> Iterator[_Question]:
    target = manifest.target
    if manifest.task.on_nodes:
        yield _Question({"nodeId": target.node or ""})
    elif manifest.task is not Task.LINK_PREDICTION:
        yield _Question({"headNodeId": target.edges[0].source, "tailNodeId": target.edges[0].target})
    else:
        for edge in target.edges:
            of = {"edgeType": edge.label}
            yield _Question({"headNodeId": edge.source}, "predict_tail", {**of, "tailNodeType": edge.target})
            yield _Question({"tailNodeId": edge.target}, "predict_head", {**of, "headNodeType": edge.source})


def _items(folder: Path, manifest: Manifest, question: _Question, size: int) -> dict[str, list[str]]:
    """Return the first ids of each member, as many as all have."""
    columns = {
        member: IdColumn(folder / f"nodes/{manifest.schema.node(label)}")
        for member, label in question.ends.items()
    }
    count = min(size, *map(len, columns.values()))
    return {member: [column.text(row) for row in range(count)] for member, column in columns.items()}


def _body(question: _Question, items: dict[str, list[str]], **more: Any) -> bytes:
    data = {"globalParameters": question.parameters, "items": items, **more}
    return json.dumps({"mode": question.mode, "data": data}).encode()


def _neighbourhood(
    folder: Path, manifest: Manifest, question: _Question, items: dict[str, list[str]]
) -> dict[str, Any]:
    """Return the items' vertices and one of each label, joined by edges that no graph needs to have."""
    ids: dict[str, dict[str, None]] = {}
    for member, label in question.ends.items():
        ids.setdefault(label, {}).update(dict.fromkeys(items[member]))
    for position, node in enumerate(manifest.schema.nodes):
        column = IdColumn(folder / f"nodes/{position}")
        ids.setdefault(node.label, {}).update({column.text(len(column) - 1): None} if len(column) else {})
    joined = [
        {"from": kind.source, "label": kind.label, "to": kind.target, "reverse": reverse}
        | {"sources": [len(ids[kind.source]) - 1], "targets": [0], "drawnFrom": [1], "properties": {}}
        for kind in (edge.type for edge in manifest.schema.edges if not edge.built)
        for reverse in (False, True)
        if ids[kind.source] and ids[kind.target]
    ]
    return {
        "nodes": [{"type": label, "ids": list(names), "properties": {}} for label, names in ids.items()],
        "edges": joined,
    }
