"""What a load asks: invocation bodies (`docs/wire.md`, section 2) of a file, or about elements of the artifact."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import EdgeType, Manifest, Task, edge_folder, node_folder, open_artifact
from neptuneml_plugin.errors import InvalidData, InvalidSettings
from neptuneml_plugin.ids import IdColumn

#: Different bodies that are sampled; they are asked in turn.
BODIES = 1000


def read_bodies(file: Path) -> list[bytes]:
    """Return the bodies that a file holds, one JSON object a line; empty lines are passed over.

    Raises:
        InvalidSettings: unreadable, empty, or with lines that are no JSON object; they are named.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(str(file), [f"cannot be read: {error}"]) from None
    held = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    problems = [f"line {number} {problem}" for number, line in held if (problem := _problem(line))]
    if problems or not held:
        raise InvalidSettings(str(file), problems or ["holds no invocation body; write one JSON object a line"])
    return [line.strip().encode() for _, line in held]


def _problem(line: str) -> str | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    return None if isinstance(value, dict) else "is not a JSON object, as an invocation's body is"


@dataclass(frozen=True)
class Sampling:
    """What bodies are drawn from an artifact."""

    #: Elements that each asks about.
    items: int = 1
    #: Answers per element.
    topk: int = 1
    seed: int = 0
    bodies: int = BODIES


def sampled_bodies(artifact: Path, sampling: Sampling) -> list[bytes]:
    """Return bodies that ask about elements of an artifact, drawn at random.

    Those of edge tasks ask about any two vertices of the target's types; those of a custom model, about the edges
    that it has answers for.

    Raises:
        InvalidData: not an artifact, or one that knows no element of its target.
    """
    manifest = open_artifact(artifact, verify=False)
    random = np.random.default_rng(sampling.seed)
    try:
        questions = _questions(artifact, manifest)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidData(f"artifact {artifact} cannot be read: {error}; run `transform` again") from None
    asked = [question for question in questions if question.is_possible]
    if not asked:
        raise InvalidData(f"artifact {artifact} knows no element to ask about; give bodies of your own by --items")
    documents = (asked[at % len(asked)].body(random, sampling) for at in range(sampling.bodies))
    return [json.dumps(document).encode() for document in documents]


@dataclass(frozen=True)
class _Question:
    """One way to ask an endpoint."""

    #: `nodes` or `edges`, as the items are called.
    member: str
    #: Member of an item -> ids that it may hold.
    ids: Mapping[str, IdColumn]
    parameters: Mapping[str, Any]
    #: Members that all items have.
    fixed: Mapping[str, str] = field(default_factory=dict)
    mode: str | None = None
    #: Rows of `ids` that belong together, (pairs, 2); None: any do.
    pairs: npt.NDArray[np.int64] | None = None

    @property
    def is_possible(self) -> bool:
        """Whether there is an item to ask about."""
        return all(len(column) for column in self.ids.values()) and (self.pairs is None or len(self.pairs) > 0)

    def body(self, random: np.random.Generator, sampling: Sampling) -> dict[str, Any]:
        """Return an invocation."""
        items = [self._item(random) for _ in range(sampling.items)]
        data = {"globalParameters": {**self.parameters, "topk": sampling.topk}, self.member: items}
        return {"data": data} if self.mode is None else {"mode": self.mode, "data": data}

    def _item(self, random: np.random.Generator) -> dict[str, str]:
        columns = self.ids.values()
        rows = (
            [int(random.integers(len(column))) for column in columns]
            if self.pairs is None
            else self.pairs[random.integers(len(self.pairs))].tolist()
        )
        named = zip(self.ids, columns, rows, strict=True)
        return {name: column.text(row) for name, column, row in named} | dict(self.fixed)


def _questions(artifact: Path, manifest: Manifest) -> list[_Question]:
    target = manifest.target
    if target.node is not None:
        ids = {"nodeId": _ids(artifact, manifest, target.node)}
        return [_Question("nodes", ids, {"property": target.property_name})]
    if manifest.task is Task.LINK_PREDICTION:
        return [_of_link(artifact, manifest, edge) for edge in target.edges]
    return [_of_edge(artifact, manifest, edge) for edge in target.edges]


def _of_link(artifact: Path, manifest: Manifest, edge: EdgeType) -> _Question:
    parameters = {"edgeType": edge.label, "tailNodeType": edge.target}
    ids = {"headNodeId": _ids(artifact, manifest, edge.source)}
    return _Question("edges", ids, parameters, {"headNodeType": edge.source}, mode="predict_tail")


def _of_edge(artifact: Path, manifest: Manifest, edge: EdgeType) -> _Question:
    parameters = {"edgeType": edge.label, "property": manifest.target.property_name}
    ids = {
        "headNodeId": _ids(artifact, manifest, edge.source),
        "tailNodeId": _ids(artifact, manifest, edge.target),
    }
    fixed = {"headNodeType": edge.source, "tailNodeType": edge.target}
    stored = artifact / edge_folder(manifest.schema.edge(edge)) / "pairs.npy"
    pairs = np.load(stored, mmap_mode="r", allow_pickle=False) if stored.is_file() else None
    return _Question("edges", ids, parameters, fixed, pairs=pairs)


def _ids(artifact: Path, manifest: Manifest, label: str) -> IdColumn:
    return IdColumn(artifact / node_folder(manifest.schema.node(label)))
