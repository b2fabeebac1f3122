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
#: Inductive requests of each kind.
INDUCTIVE_REQUESTS = 5
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
    """Return invocations that bring a vertex or two of the artifact, and neighbours.

    Each has values that none before had: those that were met before are not encoded again.
    """
    from neptuneml_plugin.serving.samples import Samples  # noqa: PLC0415 - imports Polars, as the model does

    samples, bodies = Samples(folder, manifest), []
    for number in range(INDUCTIVE_REQUESTS):
        for question in (*_questions(manifest), *_embeddings(manifest)):
            items = _items(folder, manifest, question, 1)
            seeds = {label: items[member] for member, label in question.ends.items()}
            bodies.append(_body(question, items, subgraph=samples.subgraph(seeds, number)))
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


def _embeddings(manifest: Manifest) -> Iterator[_Question]:
    """Yield what is asked of candidates that the model does not know."""
    if manifest.task is Task.LINK_PREDICTION:
        for label in {edge.target: None for edge in manifest.target.edges}:
            yield _Question({"nodeId": label}, "embed", {"nodeType": label})


def _items(folder: Path, manifest: Manifest, question: _Question, size: int) -> dict[str, list[str]]:
    """Return the first ids of each member, as many as all have."""
    columns = {
        member: IdColumn(folder / f"nodes/{manifest.schema.node(label)}")
        for member, label in question.ends.items()
    }
    count = min(size, *map(len, columns.values()))
    return {member: [column.text(row) for row in range(count)] for member, column in columns.items()}


def _body(question: _Question, items: dict[str, list[str]], **more: Any) -> bytes:
    data: dict[str, Any] = {"globalParameters": question.parameters, "items": items, **more}
    return json.dumps({"mode": question.mode, "data": data}).encode()
